//! How many crates a user builds, against the budgets.
//!
//! Owns the budgets. Counted are the crates that cargo builds for this machine: normal and build dependencies, macros,
//! and our own.

use std::collections::BTreeSet;
use std::process::Command;

use crate::report::{Count, Outcome};
use crate::tools::cargo;
use crate::{Run, process};

/// What is built, the packages to ask for, and the most that it may count.
const BUDGETS: [(&str, &[&str], usize); 3] = [
    ("the protocol core", &["mcp-proto"], 20),
    (
        "a stdio server on the standard library",
        &["mcp-driver-std"],
        40,
    ),
    (
        "a stdio and HTTP server on tokio",
        &["mcp-server", "mcp-driver-tokio"],
        82,
    ),
];

pub(crate) fn check(run: &Run) -> Outcome {
    let mut count = Count::default();
    for (what, packages, budget) in BUDGETS {
        let ours: BTreeSet<&str> = run
            .workspace
            .members()
            .filter_map(|member| member["name"].as_str())
            .collect();
        if packages.iter().any(|package| !ours.contains(package)) {
            println!(
                "{what}: {} is not in this workspace yet",
                packages.join(" + ")
            );
            continue;
        }
        match crates(run, packages) {
            Ok(found) => {
                let ok = found.len() <= budget;
                println!(
                    "{what} ({}): {} crates of {budget}{}",
                    packages.join(" + "),
                    found.len(),
                    if ok { "" } else { ": OVER BUDGET" }
                );
                if !ok {
                    println!("  {}", found.into_iter().collect::<Vec<_>>().join(", "));
                }
                count.add(Count::one(ok));
            }
            Err(error) => {
                println!("FAILED: {error}");
                count.add(Count::failed(1));
            }
        }
    }
    Outcome::Done(count)
}

/// Name and version of each crate in the tree of `packages` with default features.
fn crates(run: &Run, packages: &[&str]) -> Result<BTreeSet<String>, String> {
    let mut command = Command::new(cargo());
    command
        .args([
            "tree",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(&run.workspace.root);
    for package in packages {
        command.args(["--package", package]);
    }
    let tree = process::capture(&mut command)?;
    Ok(tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        })
        .collect())
}
