//! What runs in one process: criterion's benchmarks and the counts.
//!
//! Owns nothing but the way from criterion's files to ours.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Bench;
use crate::{process, tools};

/// Far above what they take.
const LIMIT: Duration = Duration::from_secs(1800);

fn cargo_bench(bench: &Bench, names: &[&str]) -> Command {
    let mut command = Command::new(tools::cargo());
    command
        .args(["bench", "--locked", "--manifest-path"])
        .arg(bench.workspace.root.join("benches/Cargo.toml"))
        .env("CARGO_TARGET_DIR", bench.workspace.target.join("bench"));
    for name in names {
        command.args(["--bench", name]);
    }
    command
}

/// Runs criterion; nanoseconds by name, and bytes per iteration where they mean something.
pub(super) fn run(bench: &Bench) -> Result<Value, String> {
    let mut command = cargo_bench(bench, &["scan", "write", "core"]);
    command.arg("--");
    if bench.quick {
        command.args([
            "--warm-up-time",
            "0.1",
            "--measurement-time",
            "0.2",
            "--sample-size",
            "10",
        ]);
    } else {
        command.args([
            "--warm-up-time",
            "0.5",
            "--measurement-time",
            "1.5",
            "--sample-size",
            "30",
        ]);
    }
    let good = process::lines(&mut command, LIMIT, |line| {
        if line.contains("time:") {
            println!("{line}");
        }
    })?;
    if !good {
        return Err("cargo bench failed".into());
    }
    let mut found = Map::new();
    collect(&bench.workspace.target.join("bench/criterion"), &mut found)?;
    Ok(Value::Object(found))
}

/// Every `new/estimates.json` below a directory.
fn collect(directory: &Path, into: &mut Map<String, Value>) -> Result<(), String> {
    let entries =
        fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        if entry.file_name() == "new" {
            let read = |name: &str| -> Option<Value> {
                serde_json::from_str(&fs::read_to_string(path.join(name)).ok()?).ok()
            };
            if let (Some(about), Some(estimates)) = (read("benchmark.json"), read("estimates.json"))
                && let Some(name) = about["full_id"].as_str()
            {
                let value = json!({
                    "ns": estimates["median"]["point_estimate"],
                    "bytes": about["throughput"]["Bytes"],
                });
                into.insert(name.to_owned(), value);
            }
        } else {
            collect(&path, into)?;
        }
    }
    Ok(())
}

/// Runs the counting benchmark: one object per line.
pub(super) fn counts(bench: &Bench) -> Result<Value, String> {
    let mut found = Vec::new();
    let good = process::lines(&mut cargo_bench(bench, &["counts"]), LIMIT, |line| {
        if let Ok(value) = serde_json::from_str::<Value>(line) {
            println!("{line}");
            found.push(value);
        }
    })?;
    if good {
        Ok(Value::Array(found))
    } else {
        Err("the counts failed".into())
    }
}
