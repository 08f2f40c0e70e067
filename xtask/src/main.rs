//! `cargo xtask`: everything that checks this workspace.
//!
//! Owns the list of parts and what runs in which order. Each part lives in a module of its own and knows nothing of the
//! others. This crate must never be a dependency of anything that is shipped.

mod bench;
mod conformance;
mod counts;
mod cratecount;
mod embed;
mod fuzz;
mod interop;
mod mutants;
mod policy;
mod process;
mod report;
mod rust;
mod serve;
mod tools;
mod witness;

use std::process::ExitCode;
use std::time::Instant;

use report::{Count, Outcome, Report};

/// What every part may need to know about this run.
struct Run {
    workspace: tools::Workspace,
    /// A missing tool is a failure instead of a visible skip.
    strict: bool,
    /// Build what is served in the release profile.
    release: bool,
}

type Part = fn(&Run) -> Outcome;

/// The parts in the order in which they run: the cheap ones first, so that a small slip is seen early.
const PARTS: [(&str, Part, &str); 12] = [
    ("fmt", rust::format, "rustfmt changes nothing"),
    (
        "lint",
        rust::lint,
        "clippy without a warning; the minimum Rust version holds",
    ),
    ("doc", rust::documentation, "rustdoc without a warning"),
    (
        "deny",
        policy::check,
        "licences, sources and duplicates of dependencies",
    ),
    (
        "crates",
        cratecount::check,
        "numbers of crates against their budgets",
    ),
    (
        "unit",
        rust::unit,
        "unit, property, matrix and documentation tests",
    ),
    (
        "interleavings",
        rust::interleavings,
        "what threads share, in every order of events",
    ),
    (
        "counts",
        counts::check,
        "instructions and allocations of the hot paths against their baseline",
    ),
    (
        "embed",
        embed::check,
        "the core in hand-written loops, and as a static library without std",
    ),
    (
        "fuzz",
        fuzz::smoke,
        "every committed input through every target; new ones: cargo xtask fuzz",
    ),
    (
        "conformance",
        conformance::check,
        "the official conformance suite, server side, on every driver with an HTTP of its own",
    ),
    (
        "interop",
        interop::check,
        "real clients over stdio and HTTP, on every driver",
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(Command::Help) => {
            print!("{}", usage());
            ExitCode::SUCCESS
        }
        Ok(Command::Bench(options)) => match bench::run(&options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("xtask: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::Test { only, release }) => exit(test(&only, release)),
        Ok(Command::Fuzz { minutes, only }) => exit(fuzz::long(minutes, &only)),
        Ok(Command::Mutants { only }) => exit(mutants::run(&only)),
        Ok(Command::MoveCounts) => exit(counts::move_baseline()),
        Err(error) => {
            eprintln!("xtask: {error}\n");
            eprint!("{}", usage());
            ExitCode::from(2)
        }
    }
}

fn exit(result: Result<bool, String>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Help,
    Bench(bench::Options),
    Test { only: Vec<String>, release: bool },
    Fuzz { minutes: f64, only: Vec<String> },
    MoveCounts,
    Mutants { only: Vec<String> },
}

fn parse(arguments: &[String]) -> Result<Command, String> {
    let mut words = arguments.iter();
    match words.next().map(String::as_str) {
        None | Some("help" | "--help" | "-h") => return Ok(Command::Help),
        Some("test") => {}
        Some("fuzz") => return parse_fuzz(words),
        Some("mutants") => {
            let only = words.cloned().collect();
            return Ok(Command::Mutants { only });
        }
        Some("counts") => {
            return match words.next().map(String::as_str) {
                Some("--move") => Ok(Command::MoveCounts),
                _ => Err("`counts` needs `--move`; to compare, run `test --only counts`".into()),
            };
        }
        Some("bench") => return bench::options(words).map(Command::Bench),
        Some(other) => return Err(format!("unknown command `{other}`")),
    }
    let mut only = Vec::new();
    let mut release = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--only" => {
                let value = words.next().ok_or("`--only` needs the name of a part")?;
                only.extend(value.split(',').map(str::to_owned));
            }
            "--release" => release = true,
            "--help" | "-h" => return Ok(Command::Help),
            other => return Err(format!("unknown option `{other}`")),
        }
    }
    for name in &only {
        if !PARTS.iter().any(|(part, ..)| part == name) {
            let known: Vec<&str> = PARTS.iter().map(|(part, ..)| *part).collect();
            return Err(format!(
                "there is no part `{name}`; the parts are {}",
                known.join(", ")
            ));
        }
    }
    Ok(Command::Test { only, release })
}

fn parse_fuzz<'a>(mut words: impl Iterator<Item = &'a String>) -> Result<Command, String> {
    let (mut minutes, mut only) = (1.0, Vec::new());
    while let Some(word) = words.next() {
        let value = || format!("`{word}` needs a value");
        match word.as_str() {
            "--minutes" => {
                let text = words.next().ok_or_else(value)?;
                minutes = text
                    .parse()
                    .ok()
                    .filter(|minutes: &f64| (0.0..=10_000.0).contains(minutes))
                    .ok_or_else(|| format!("`{text}` is not a number of minutes"))?;
            }
            "--target" => {
                let names = words.next().ok_or_else(value)?;
                only.extend(names.split(',').map(str::to_owned));
            }
            "--help" | "-h" => return Ok(Command::Help),
            other => return Err(format!("unknown option `{other}`")),
        }
    }
    Ok(Command::Fuzz { minutes, only })
}

fn usage() -> String {
    let mut text = String::from(
        "cargo xtask test [--only PART[,PART]] [--release]\n\n\
         Runs every check of this workspace, or only the named parts. What it needs beyond cargo (Node, the official\n\
         conformance suite and SDKs, a Python environment, cargo-deny) it installs under the target directory. Where npm\n\
         or python is missing the parts that need them are skipped and say so; with CI=true that is a failure.\n\n\
         --release  serve a release build to the conformance suite and the official clients\n\n\
         cargo xtask fuzz [--minutes N] [--target T[,T]]   fuzz each target for N minutes, one after the other\n\
         cargo xtask counts --move                         move the baseline of instructions and allocations\n\
         cargo xtask mutants [GROUP …]                      mutate scanner, calls, sessions, journal: which tests notice?\n\nParts:\n",
    );
    for (name, _, about) in PARTS {
        text.push_str(&format!("  {name:<12} {about}\n"));
    }
    text.push_str(bench::USAGE);
    text
}

/// Runs the parts; true when nothing failed.
fn test(only: &[String], release: bool) -> Result<bool, String> {
    let run = Run {
        workspace: tools::Workspace::find()?,
        strict: std::env::var("CI").is_ok_and(|value| value == "true" || value == "1"),
        release,
    };
    let mut report = Report::default();
    for (name, part, about) in PARTS {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        println!("\n==> {name}: {about}");
        let start = Instant::now();
        let outcome = match part(&run) {
            Outcome::Missing(why) if run.strict => {
                println!("missing, and CI=true: {why}");
                Outcome::Done(Count::failed(1))
            }
            outcome => outcome,
        };
        if let Outcome::Missing(why) = &outcome {
            println!("SKIPPED: {why}");
        }
        report.add(name, start.elapsed(), outcome);
    }
    report.print();
    Ok(report.total().failed == 0)
}
