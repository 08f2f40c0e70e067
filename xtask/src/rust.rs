//! The parts that cargo itself provides: formatting, lints, documentation, tests.
//!
//! Owns their exact commands and the check of the minimum Rust version.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::report::{Count, Outcome};
use crate::tools::{Workspace, cargo};
use crate::{Run, process};

pub(crate) fn format(run: &Run) -> Outcome {
    Outcome::one(process::run(
        Command::new(cargo())
            .args(["fmt", "--all", "--check"])
            .current_dir(&run.workspace.root),
    ))
}

pub(crate) fn lint(run: &Run) -> Outcome {
    let mut count = Count::default();
    let clippy = process::run(
        Command::new(cargo())
            .args([
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ])
            .current_dir(&run.workspace.root),
    );
    let bare = process::run(
        bare_drivers(run, "clippy")
            .arg("--")
            .args(["-D", "warnings"]),
    );
    let versions = [minimum_version(&run.workspace), minimum_build(run)];
    for result in [clippy, bare].into_iter().chain(versions) {
        if let Err(error) = &result {
            println!("FAILED: {error}");
        }
        count.add(Count::one(result.is_ok()));
    }
    Outcome::Done(count)
}

pub(crate) fn documentation(run: &Run) -> Outcome {
    let whole = process::run(
        Command::new(cargo())
            .args([
                "doc",
                "--quiet",
                "--workspace",
                "--no-deps",
                "--all-features",
                "--document-private-items",
            ])
            .env("RUSTDOCFLAGS", "-D warnings")
            .current_dir(&run.workspace.root),
    );
    let bare = process::run(
        bare_drivers(run, "doc")
            .arg("--no-deps")
            // Beside the whole documentation, not in place of it.
            .arg("--target-dir")
            .arg(run.workspace.target.join("bare"))
            .env("RUSTDOCFLAGS", "-D warnings"),
    );
    Outcome::one(whole.and(bare))
}

/// The drivers without their default features, which in a build of the workspace somebody always wants.
fn bare_drivers(run: &Run, subcommand: &str) -> Command {
    const DRIVERS: [&str; 5] = [
        "mcp-driver",
        "mcp-driver-futures",
        "mcp-driver-mio",
        "mcp-driver-std",
        "mcp-driver-tokio",
    ];
    let mut command = Command::new(cargo());
    command
        .args([subcommand, "--quiet", "--no-default-features"])
        .args(DRIVERS.map(|name| format!("--package={name}")))
        .current_dir(&run.workspace.root);
    command
}

/// What threads share, in every order of events. Built apart, since the primitives are others.
pub(crate) fn interleavings(run: &Run) -> Outcome {
    let mut command = Command::new(cargo());
    command
        .args(["test", "--package", "mcp-server", "--lib", "interleavings"])
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", run.workspace.target.join("loom"))
        .current_dir(&run.workspace.root);
    counted(&mut command)
}

/// Every test of the workspace. Only what is not `ok` is shown.
pub(crate) fn unit(run: &Run) -> Outcome {
    let mut command = Command::new(cargo());
    command
        .args(["test", "--workspace", "--all-features", "--no-fail-fast"])
        .current_dir(&run.workspace.root);
    counted(&mut command)
}

/// Runs `cargo test` and counts what it says.
fn counted(command: &mut Command) -> Outcome {
    let mut count = Count::default();
    let ended = process::lines(command, Duration::from_secs(1500), |line| {
        if let Some(found) = test_result(line) {
            count.add(found);
        }
        if !noise(line) {
            println!("{line}");
        }
    });
    match ended {
        Ok(true) => {}
        // A test crate that does not build reports no count of its own.
        Ok(false) if count.failed == 0 => count.add(Count::failed(1)),
        Ok(false) => {}
        Err(error) => {
            println!("FAILED: {error}");
            count.add(Count::failed(1));
        }
    }
    Outcome::Done(count)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
fn test_result(line: &str) -> Option<Count> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |word: &str| {
        let before = rest.split(word).next()?;
        before.trim_end().rsplit(' ').next()?.parse().ok()
    };
    Some(Count {
        passed: number(" passed")?,
        failed: number(" failed")?,
        skipped: number(" ignored")?,
    })
}

fn noise(line: &str) -> bool {
    let counted = line.starts_with("running ") || line.starts_with("test result: ok");
    line.is_empty()
        || counted
        || (line.starts_with("test ") && (line.ends_with(" ok") || line.ends_with(" ignored")))
}

/// One minimum version for all members, named in the README, and not below what any dependency asks for.
fn minimum_version(workspace: &Workspace) -> Result<(), String> {
    let minimum = declared(workspace)?;
    for member in workspace.members() {
        if member["rust_version"].as_str() != Some(minimum.as_str()) {
            return Err(format!(
                "{} does not declare rust-version {minimum}",
                member["name"]
            ));
        }
    }
    let shipped = shipped(workspace);
    for package in workspace
        .packages()
        .filter(|package| shipped.contains(&&package["id"]))
    {
        let asked = package["rust_version"].as_str().unwrap_or_default();
        if numbers(asked) > numbers(&minimum) {
            return Err(format!(
                "{} {} needs Rust {asked}, above {minimum}",
                package["name"], package["version"]
            ));
        }
    }
    let readme = std::fs::read_to_string(workspace.root.join("README.md")).unwrap_or_default();
    if readme.contains(&format!("Rust {minimum}")) {
        Ok(())
    } else {
        Err(format!(
            "README.md does not say that it needs Rust {minimum}"
        ))
    }
}

/// Checks the workspace with the minimum toolchain where rustup has it; clippy's `incompatible_msrv` watches the
/// standard library everywhere else.
fn minimum_build(run: &Run) -> Result<(), String> {
    let minimum = declared(&run.workspace)?;
    let installed = Command::new("rustup")
        .args(["toolchain", "list"])
        .output()
        .ok()
        .and_then(|found| String::from_utf8(found.stdout).ok());
    let Some(toolchain) = installed.iter().flat_map(|list| list.lines()).find(|line| {
        let name = line.split(' ').next().unwrap_or_default();
        name.strip_prefix(&minimum)
            .is_some_and(|rest| rest.starts_with('-') || rest.starts_with('.'))
    }) else {
        println!(
            "Rust {minimum} is not installed: judged by clippy's incompatible_msrv and the dependencies' own statements"
        );
        return Ok(());
    };
    let toolchain = toolchain.split(' ').next().unwrap_or_default();
    process::run(
        Command::new("rustup")
            .args([
                "run",
                toolchain,
                "cargo",
                "check",
                "--quiet",
                "--workspace",
                "--all-features",
                "--target-dir",
            ])
            .arg(run.workspace.target.join("minimum"))
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .current_dir(&run.workspace.root),
    )
}

fn declared(workspace: &Workspace) -> Result<String, String> {
    let first = workspace
        .members()
        .find_map(|member| member["rust_version"].as_str());
    first
        .map(str::to_owned)
        .ok_or_else(|| "no member declares rust-version".into())
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .chain([0, 0])
        .take(3)
        .collect()
}

/// Ids of everything that a member builds with, without what only tests use.
fn shipped(workspace: &Workspace) -> Vec<&Value> {
    let nodes: Vec<&Value> = workspace.metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let mut found: Vec<&Value> = workspace.members().map(|member| &member["id"]).collect();
    let mut next = 0;
    while next < found.len() {
        let node = nodes.iter().find(|node| node["id"] == *found[next]);
        for dependency in node
            .iter()
            .flat_map(|node| node["deps"].as_array().into_iter().flatten())
        {
            let kinds = dependency["dep_kinds"].as_array();
            let normal = kinds.is_some_and(|kinds| {
                kinds
                    .iter()
                    .any(|kind| kind["kind"].as_str() != Some("dev"))
            });
            if normal && !found.contains(&&dependency["pkg"]) {
                found.push(&dependency["pkg"]);
            }
        }
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_is_counted() {
        let line = "test result: FAILED. 12 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let count = test_result(line).expect("a result line");
        assert_eq!((count.passed, count.failed, count.skipped), (12, 1, 3));
        assert!(test_result("test foo ... ok").is_none());
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("1.9") < numbers("1.88"));
        assert_eq!(numbers("1.88"), numbers("1.88.0"));
    }
}
