//! Mutation testing of the parts on which everything else rests: scanner, call table, sessions, journal.
//!
//! Owns which files are mutated and the version of cargo-mutants, which runs on request only: it takes tens of minutes. What
//! may survive, and why, is said in `.cargo/mutants.toml`.

use std::process::Command;

use crate::process;
use crate::tools::Workspace;

const VERSION: &str = "27.1.0";

/// Groups of files, and the package whose tests have to notice.
const GROUPS: [(&str, &str, &[&str]); 4] = [
    (
        "scanner",
        "mcp-proto",
        &["mcp-proto/src/json/scan.rs", "mcp-proto/src/json/cursor.rs"],
    ),
    (
        "calls",
        "mcp-proto",
        &["mcp-proto/src/server/calls.rs", "mcp-proto/src/id.rs"],
    ),
    (
        "sessions",
        "mcp-proto",
        &[
            "mcp-proto/src/legacy/sessions.rs",
            "mcp-proto/src/legacy/requests.rs",
            "mcp-proto/src/legacy/session_id.rs",
        ],
    ),
    ("journal", "mcp-server", &["mcp-server/src/journal.rs"]),
];

/// `cargo xtask mutants`: all groups, or the named ones. False when a mutant survives.
pub(crate) fn run(only: &[String]) -> Result<bool, String> {
    if let Some(unknown) = only
        .iter()
        .find(|name| !GROUPS.iter().any(|(group, ..)| group == name))
    {
        return Err(format!(
            "there is no group `{unknown}`; the groups are {}",
            GROUPS.map(|(name, ..)| name).join(", ")
        ));
    }
    let workspace = Workspace::find()?;
    let tool = workspace.cargo_tool("cargo-mutants", VERSION, &[])?;
    let mut clean = true;
    for (name, package, files) in GROUPS {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        println!("\n==> mutants of {name}");
        let mut command = Command::new(&tool);
        command.args(["mutants", "--package", package, "--test-package", package]);
        for file in files {
            command.args(["--file", file]);
        }
        // Doc tests and benches cost a minute a mutant and notice nothing more.
        command
            .args(["--no-times", "--colors", "never", "--output"])
            .arg(workspace.target.join("mutants").join(name))
            .args(["--", "--lib", "--tests"])
            .current_dir(&workspace.root)
            // Nobody debugs a mutant, and half of the time of each is linking its tests.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_TEST_DEBUG", "0")
            .env_remove("CARGO_TARGET_DIR");
        std::fs::create_dir_all(workspace.target.join("mutants").join(name))
            .map_err(|error| error.to_string())?;
        if let Err(error) = process::run(&mut command) {
            println!("{error}");
            clean = false;
        }
    }
    Ok(clean)
}
