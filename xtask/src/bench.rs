//! `cargo xtask bench`: everything that is measured, in one run, into one table.
//!
//! Owns what is built and in which order things run. What is measured in process is criterion's business
//! (`benches/`), whole systems are loaded by `benches/peers/load`; the parts here start them, alternate between the
//! subjects so that the machine's drift meets all of them alike, and keep what they print. Results stay under the
//! target directory, part by part, and `benches/README.md` is written from all of them.

mod micro;
mod readme;
mod subjects;
mod systems;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::process;
use crate::tools::{self, Workspace};

/// What was asked for.
pub(crate) struct Options {
    /// Short runs: to see that everything works, not to quote.
    pub(crate) quick: bool,
    /// Parts by name; empty means all.
    pub(crate) only: Vec<String>,
    /// Use the binaries that are there.
    pub(crate) no_build: bool,
}

/// Everything that a part may need.
struct Bench {
    workspace: Workspace,
    quick: bool,
    /// The kept results, one file per part.
    results: PathBuf,
    tools: subjects::Programs,
}

type Part = fn(&Bench) -> Result<Value, String>;

/// The parts: name, what it does, and about what.
const PARTS: [(&str, Part, &str); 10] = [
    (
        "micro",
        micro::run,
        "criterion: scanner, writer, core, lists, fan-out",
    ),
    ("counts", micro::counts, "allocations and bytes"),
    (
        "instructions",
        systems::instructions,
        "user-space instructions per stdio message",
    ),
    ("stdio", systems::stdio, "stdio, windows 1 and 64"),
    ("http", systems::http, "HTTP, 1 to 256 connections"),
    (
        "large",
        systems::large,
        "answers of 64 KiB over stdio and HTTP",
    ),
    (
        "drivers",
        systems::drivers,
        "the same server on tokio, std and mio",
    ),
    ("behind", systems::behind, "a cheap call behind slow ones"),
    ("memory", systems::memory, "sessions and subscriptions"),
    ("start", systems::start, "cold start and size"),
];

pub(crate) const USAGE: &str = "
cargo xtask bench [--quick] [--no-build] [--only PART[,PART]]

Builds our server, its peers and the load generator, measures them side by side and rewrites the tables of
benches/README.md. Parts: micro, counts, instructions, stdio, http, large, drivers, behind, memory, start.
";

/// Reads the words behind `bench`.
pub(crate) fn options<'a>(mut words: impl Iterator<Item = &'a String>) -> Result<Options, String> {
    let mut options = Options {
        quick: false,
        only: Vec::new(),
        no_build: false,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => options.quick = true,
            "--no-build" => options.no_build = true,
            "--only" => {
                let value = words.next().ok_or("`--only` needs the name of a part")?;
                options.only.extend(value.split(',').map(str::to_owned));
            }
            other => return Err(format!("unknown option `{other}`")),
        }
    }
    let unknown = options
        .only
        .iter()
        .find(|only| !PARTS.iter().any(|(name, ..)| name == only));
    match unknown {
        None => Ok(options),
        Some(name) => {
            let known: Vec<&str> = PARTS.iter().map(|(name, ..)| *name).collect();
            Err(format!(
                "there is no part `{name}`; the parts are {}",
                known.join(", ")
            ))
        }
    }
}

/// Builds, runs and writes the table; false when a part failed.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let workspace = Workspace::find()?;
    let results = workspace.target.join("bench-results");
    fs::create_dir_all(&results).map_err(|error| format!("{}: {error}", results.display()))?;
    let tools = subjects::Programs::build(&workspace, options.no_build)?;
    let bench = Bench {
        workspace,
        quick: options.quick,
        results,
        tools,
    };
    let mut good = true;
    for (name, part, about) in PARTS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        println!("\n==> {name}: {about}");
        match part(&bench) {
            Ok(value) => {
                let path = bench.results.join(format!("{name}.json"));
                let text = format!("{value:#}\n");
                fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
            }
            Err(error) => {
                println!("FAILED: {error}");
                good = false;
            }
        }
    }
    readme::write(&bench)?;
    Ok(good)
}

impl Bench {
    /// What a part has left, in this run or an earlier one.
    fn result(&self, part: &str) -> Option<Value> {
        let text = fs::read_to_string(self.results.join(format!("{part}.json"))).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn rounds(&self) -> usize {
        if self.quick { 1 } else { 5 }
    }
}

/// A release build of a manifest of its own, into a target directory of its own.
fn build(
    workspace: &Workspace,
    manifest: &str,
    target: &str,
    packages: &[&str],
) -> Result<(), String> {
    let target = workspace.target.join(target);
    let arguments = packages.iter().flat_map(|package| ["-p", package]);
    process::run(
        Command::new(tools::cargo())
            .args(["build", "--release", "--locked", "--manifest-path"])
            .arg(workspace.root.join(manifest))
            .args(arguments)
            .env("CARGO_TARGET_DIR", &target),
    )
}

/// The middle of the values; zero without any.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}
