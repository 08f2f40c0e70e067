//! The official conformance suite, server side, on every driver with an HTTP of its own.
//!
//! Owns which scenarios run and what counts: a check with status SUCCESS is a pass; a FAILURE or a WARNING is a failure;
//! skipped and informational checks are neither, and a scenario that checks nothing is not a pass. There is no baseline
//! of expected failures, and there must never be one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::report::{Count, Outcome};
use crate::serve::{self, Demo, Driver};
use crate::tools::{Absent, Node};
use crate::witness::Witness;
use crate::{Run, process};

/// The revisions that the suite knows for servers.
const REVISIONS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// Scenarios of extensions that this server does not implement.
const OTHER_EXTENSIONS: [&str; 2] = ["tasks-", "sep-2640-"];

/// Far above what a whole suite takes.
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn check(run: &Run) -> Outcome {
    let node = match run.workspace.node() {
        Ok(node) => node,
        Err(Absent::Missing(why)) => return Outcome::Missing(why),
        Err(Absent::Broken(why)) => return Outcome::one(Err(why)),
    };
    match measure(run, &node) {
        Ok(count) => Outcome::Done(count),
        Err(error) => Outcome::one(Err(error)),
    }
}

fn measure(run: &Run, node: &Node) -> Result<Count, String> {
    let binary = serve::build(run)?;
    let results = run.workspace.target.join("conformance");
    if results.exists() {
        fs::remove_dir_all(&results).map_err(|error| format!("{}: {error}", results.display()))?;
    }
    let mut total = Count::default();
    let witness = Witness::call(run, "conformance")?;
    for driver in Driver::HTTP {
        let demo = Demo::start(&binary, driver, &witness)?;
        let results = results.join(driver.name());
        for revision in REVISIONS {
            let folder = results.join(revision);
            let selection = ["--suite", "all", "--spec-version", revision];
            let ran = suite(node, &demo.url, &folder, &selection)?;
            let tally = Tally::read(&folder, ran)?;
            tally.print(&format!("{}, suite {revision}", driver.name()));
            total.add(tally.count());
        }
        // What a scenario makes of a server at another version is the framework's affair: once is enough.
        if driver == Driver::Tokio {
            total.add(single(node, &demo.url, &results)?);
        }
    }
    total.add(witness.judge());
    println!(
        "conformance: {} checks passed, {} failed or warned",
        total.passed, total.failed
    );
    Ok(total)
}

/// Each scenario on its own, at the version which it was written for.
fn single(node: &Node, url: &str, results: &Path) -> Result<Count, String> {
    let mut single = Tally::default();
    for scenario in scenarios(node)? {
        let folder = results.join("single").join(&scenario);
        let ran = suite(node, url, &folder, &["--scenario", &scenario])?;
        let tally = Tally::read(&folder, ran)?;
        if tally.failures.is_empty() && tally.passed == 0 && !tally.informational_only() {
            single
                .failures
                .push(format!("{scenario}: nothing was checked"));
        }
        single.merge(tally);
    }
    single.print("single scenarios");
    Ok(single.count())
}

/// Runs the suite's program; true when it ended with success.
fn suite(node: &Node, url: &str, folder: &Path, selection: &[&str]) -> Result<bool, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut command = node.program("conformance");
    command
        .args(["server", "--url", url, "--output-dir"])
        .arg(folder)
        .args(selection);
    let mut log = String::new();
    let ended = process::lines(command.stderr(std::process::Stdio::null()), LIMIT, |line| {
        log.push_str(line);
        log.push('\n');
    });
    fs::write(folder.join("output.txt"), &log)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    ended
}

/// The server scenarios that the suite lists, without the extensions that are out of scope.
fn scenarios(node: &Node) -> Result<Vec<String>, String> {
    let listing = process::capture(node.program("conformance").args(["list", "--server"]))?;
    let names: Vec<String> = listing
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split_whitespace().next())
        .filter(|name| {
            !OTHER_EXTENSIONS
                .iter()
                .any(|prefix| name.starts_with(prefix))
        })
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        Err("the conformance suite lists no server scenario".into())
    } else {
        Ok(names)
    }
}

/// What a folder of results says.
#[derive(Default)]
struct Tally {
    scenarios: u64,
    passed: u64,
    skipped: u64,
    informational: u64,
    failures: Vec<String>,
}

impl Tally {
    /// Reads every `checks.json` below `folder`. A program that ended badly without a recorded failure is one.
    fn read(folder: &Path, ended_well: bool) -> Result<Self, String> {
        let mut tally = Self::default();
        for file in checks_files(folder)? {
            tally.scenario(&file)?;
        }
        if !ended_well && tally.failures.is_empty() {
            let last = fs::read_to_string(folder.join("output.txt")).unwrap_or_default();
            let tail: Vec<&str> = last.lines().rev().take(5).collect();
            tally.failures.push(format!(
                "the suite ended with an error: {}",
                tail.into_iter().rev().collect::<Vec<_>>().join(" | ")
            ));
        }
        Ok(tally)
    }

    fn scenario(&mut self, file: &Path) -> Result<(), String> {
        let explain = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = fs::read_to_string(file).map_err(|error| explain(&error))?;
        let checks: Vec<Value> = serde_json::from_str(&text).map_err(|error| explain(&error))?;
        let folder = file
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        self.scenarios += 1;
        for check in &checks {
            match check["status"].as_str() {
                Some("SUCCESS") => self.passed += 1,
                Some("SKIPPED") => self.skipped += 1,
                Some("INFO") => self.informational += 1,
                status => self.failures.push(format!(
                    "{folder}: {} {}: {} {}",
                    status.unwrap_or("no status"),
                    check["id"].as_str().unwrap_or("?"),
                    check["description"].as_str().unwrap_or(""),
                    check["errorMessage"].as_str().unwrap_or(""),
                )),
            }
        }
        Ok(())
    }

    /// Every check of this run was skipped or only information.
    fn informational_only(&self) -> bool {
        self.passed == 0 && self.failures.is_empty() && self.skipped + self.informational > 0
    }

    fn merge(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.passed += other.passed;
        self.skipped += other.skipped;
        self.informational += other.informational;
        self.failures.extend(other.failures);
    }

    fn count(&self) -> Count {
        Count {
            passed: self.passed,
            failed: self.failures.len() as u64,
            skipped: self.skipped,
        }
    }

    fn print(&self, title: &str) {
        println!(
            "{title}: {} scenarios, {} checks passed, {} failed or warned, {} skipped, {} informational",
            self.scenarios,
            self.passed,
            self.failures.len(),
            self.skipped,
            self.informational
        );
        for failure in &self.failures {
            println!("  FAIL {failure}");
        }
    }
}

fn checks_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("checks.json")))
        .filter(|file| file.exists())
        .collect();
    files.sort();
    Ok(files)
}
