//! How many crates a user builds, against the budgets.
//!
//! Owns the budgets. Counted are the crates that cargo builds for this machine: normal and build dependencies, macros,
//! and our own.

use std::collections::BTreeSet;
use std::process::Command;

use crate::report::{Count, Outcome};
use crate::tools::cargo;
use crate::{Run, process};

/// What is built, the packages to ask for, their features beside the default ones, and the most that it may count.
struct Budget {
    what: &'static str,
    packages: &'static [&'static str],
    features: &'static [&'static str],
    most: usize,
}

const fn budget(
    what: &'static str,
    packages: &'static [&'static str],
    features: &'static [&'static str],
    most: usize,
) -> Budget {
    Budget {
        what,
        packages,
        features,
        most,
    }
}

const BUDGETS: [Budget; 7] = [
    budget("the protocol core", &["mcp-proto"], &[], 20),
    budget(
        "a stdio server on the standard library",
        &["mcp-driver-std"],
        &[],
        40,
    ),
    budget(
        "an HTTP server on the standard library",
        &["mcp-driver-std"],
        &["mcp-driver-std/http"],
        46,
    ),
    budget(
        "an HTTPS server on the standard library",
        &["mcp-driver-std"],
        &["mcp-driver-std/tls"],
        60,
    ),
    budget("an HTTP server on mio", &["mcp-driver-mio"], &[], 50),
    budget(
        "an HTTPS server on mio",
        &["mcp-driver-mio"],
        &["mcp-driver-mio/tls"],
        64,
    ),
    budget(
        "a stdio and HTTP server on tokio",
        &["mcp-server", "mcp-driver-tokio"],
        &[],
        82,
    ),
];

/// What only a server with the feature `tls` may have: they need a C compiler.
const TLS: [&str; 2] = ["ring ", "rustls "];

pub(crate) fn check(run: &Run) -> Outcome {
    let ours: BTreeSet<&str> = run
        .workspace
        .members()
        .filter_map(|member| member["name"].as_str())
        .collect();
    let mut count = Count::default();
    for budget in BUDGETS {
        let packages = budget.packages.join(" + ");
        if budget.packages.iter().any(|name| !ours.contains(name)) {
            println!("{}: {packages} is not in this workspace yet", budget.what);
            continue;
        }
        match crates(run, &budget) {
            Ok(found) => {
                let may_have_tls = budget.features.iter().any(|name| name.ends_with("/tls"));
                let has_tls = found
                    .iter()
                    .any(|name| TLS.iter().any(|tls| name.starts_with(tls)));
                let over = found.len() > budget.most;
                println!(
                    "{} ({packages}): {} crates of {}{}{}",
                    budget.what,
                    found.len(),
                    budget.most,
                    if over { ": OVER BUDGET" } else { "" },
                    if has_tls && !may_have_tls {
                        ": TLS THAT NOBODY ASKED FOR"
                    } else {
                        ""
                    }
                );
                let ok = !over && has_tls == may_have_tls;
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

/// Name and version of each crate in the tree of a budget.
fn crates(run: &Run, budget: &Budget) -> Result<BTreeSet<String>, String> {
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
    for package in budget.packages {
        command.args(["--package", package]);
    }
    for feature in budget.features {
        command.args(["--features", feature]);
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
