//! Instructions and allocations of the hot paths against `xtask/counts.txt`.
//!
//! Owns the comparison: a path that needs more than 3 % more instructions, or one more allocation, fails until the baseline
//! is moved in the same change (`cargo xtask counts --move`). It must never measure time. Counts of one program are the
//! same on every run; another compiler or processor makes another program, which is why the baseline names both and is
//! only compared with its own kind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::report::{Count, Outcome};
use crate::tools::{Workspace, cargo};
use crate::{Run, process};

/// How much dearer a path may become, in percent of its baseline.
const TOLERANCE: u64 = 3;

const HEADER: &str = "\
# Instructions (callgrind) and allocations of 100 rounds of each hot path of the core, after a warm-up.
# Compared by `cargo xtask test --only counts`; moved by `cargo xtask counts --move`, in the change that explains it.
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    instructions: u64,
    allocations: u64,
}

struct Baseline {
    machine: String,
    costs: BTreeMap<String, Cost>,
}

pub(crate) fn check(run: &Run) -> Outcome {
    if let Err(why) = valgrind(run.strict) {
        return Outcome::Missing(why);
    }
    match compare(&run.workspace) {
        Ok(count) => Outcome::Done(count),
        Err(error) => Outcome::one(Err(error)),
    }
}

/// Measures and writes the baseline.
pub(crate) fn move_baseline() -> Result<bool, String> {
    valgrind(false)?;
    let workspace = Workspace::find()?;
    let now = measure(&workspace)?;
    let mut text = format!("{HEADER}machine {}\n", now.machine);
    for (name, cost) in &now.costs {
        text.push_str(&format!(
            "{name:<24} {:>10} {:>6}\n",
            cost.instructions, cost.allocations
        ));
    }
    let path = file(&workspace);
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(true)
}

fn compare(workspace: &Workspace) -> Result<Count, String> {
    let path = file(workspace);
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let baseline = parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let now = measure(workspace)?;
    let same_machine = baseline.machine == now.machine;
    if !same_machine {
        println!(
            "the baseline is of [{}], this is [{}]: instructions are shown, only allocations are compared",
            baseline.machine, now.machine
        );
    }
    let mut count = Count::default();
    for (name, cost) in &now.costs {
        let Some(before) = baseline.costs.get(name) else {
            println!("FAILED: {name} has no baseline");
            count.add(Count::failed(1));
            continue;
        };
        let verdict = judge(*before, *cost, same_machine);
        println!(
            "{name:<24} {:>10} instructions ({:+.2} %), {:>4} allocations{}",
            cost.instructions,
            (cost.instructions as f64 / before.instructions as f64 - 1.0) * 100.0,
            cost.allocations,
            verdict.map_or(String::new(), |why| format!("  FAILED: {why}")),
        );
        count.add(Count::one(verdict.is_none()));
    }
    for name in baseline.costs.keys() {
        if !now.costs.contains_key(name) {
            println!("FAILED: {name} is in the baseline, but was not measured");
            count.add(Count::failed(1));
        }
    }
    Ok(count)
}

fn judge(before: Cost, now: Cost, same_machine: bool) -> Option<&'static str> {
    if now.allocations > before.allocations {
        return Some("more allocations than the baseline");
    }
    let bound = before.instructions + before.instructions * TOLERANCE / 100;
    (same_machine && now.instructions > bound)
        .then_some("more than 3 % dearer than the baseline; if that is meant, move it")
}

fn file(workspace: &Workspace) -> PathBuf {
    workspace.root.join("xtask").join("counts.txt")
}

fn parse(text: &str) -> Result<Baseline, String> {
    let mut baseline = Baseline {
        machine: String::new(),
        costs: BTreeMap::new(),
    };
    for line in text.lines() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(machine) = line.strip_prefix("machine ") {
            machine.clone_into(&mut baseline.machine);
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, instructions, allocations] = words[..] else {
            return Err(format!("`{line}` is not a name and two numbers"));
        };
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` in `{line}`"));
        let cost = Cost {
            instructions: number(instructions)?,
            allocations: number(allocations)?,
        };
        baseline.costs.insert(name.to_owned(), cost);
    }
    Ok(baseline)
}

/// Builds the program and counts each path in a process of its own.
fn measure(workspace: &Workspace) -> Result<Baseline, String> {
    // A target directory and flags of its own: neither a developer's profile nor their RUSTFLAGS change the program.
    let target = workspace.target.join("counts");
    process::run(
        Command::new(cargo())
            .args([
                "build",
                "--quiet",
                "--release",
                "--package",
                "mcp-proto",
                "--example",
                "counts",
            ])
            .current_dir(&workspace.root)
            .env("CARGO_TARGET_DIR", &target)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
    )?;
    let program = target.join("release").join("examples").join("counts");
    let listed = process::capture(&mut Command::new(&program))?;
    let mut costs = BTreeMap::new();
    for line in listed.lines() {
        let (name, allocations) = line
            .split_once(' ')
            .ok_or_else(|| format!("unexpected output `{line}`"))?;
        let cost = Cost {
            instructions: instructions(&program, name)?,
            allocations: allocations
                .parse()
                .map_err(|_| format!("unexpected output `{line}`"))?,
        };
        costs.insert(name.to_owned(), cost);
    }
    Ok(Baseline {
        machine: machine()?,
        costs,
    })
}

/// What callgrind collects inside the counted function.
fn instructions(program: &Path, name: &str) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--toggle-collect=*counted_rounds*",
            "--callgrind-out-file=/dev/null",
        ])
        .arg(program)
        .arg(name)
        // An empty environment: its size moves the stack.
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log
        .lines()
        .find_map(|line| line.split("Collected :").nth(1))
        .and_then(|number| number.trim().parse().ok());
    match collected {
        Some(collected) if output.status.success() && collected > 0 => Ok(collected),
        _ => Err(format!("callgrind could not count {name}:\n{log}")),
    }
}

/// Whether valgrind is there; with CI=true it is installed if need be.
fn valgrind(strict: bool) -> Result<(), String> {
    if process::exists("valgrind") {
        return Ok(());
    }
    if strict {
        println!("installing valgrind");
        let installed = process::run(Command::new("apt-get").args(["install", "-y", "valgrind"]));
        if installed.is_ok() && process::exists("valgrind") {
            return Ok(());
        }
    }
    Err(
        "valgrind is not installed; it counts the instructions (Debian: apt-get install valgrind)"
            .to_owned(),
    )
}

/// What decides which program is built and which of its paths is taken.
fn machine() -> Result<String, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let about = process::capture(Command::new(rustc).arg("-vV"))?;
    let field = |name: &str| {
        about
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("?")
            .to_owned()
    };
    Ok(format!(
        "rustc {} {}{}",
        field("release: "),
        field("host: "),
        wide()
    ))
}

/// The C library and memchr choose their code by what the processor has.
#[cfg(target_arch = "x86_64")]
fn wide() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx2") {
        " avx2"
    } else {
        ""
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn wide() -> &'static str {
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_read_back() {
        let text = "# a\nmachine rustc 1 x\nscan 100 0\nround   2000    3\n";
        let baseline = parse(text).expect("a baseline");
        assert_eq!(baseline.machine, "rustc 1 x");
        assert_eq!(baseline.costs["round"].instructions, 2000);
        assert_eq!(baseline.costs["round"].allocations, 3);
        assert!(parse("scan 1").is_err());
    }

    #[test]
    fn dearer_is_more_than_three_percent_or_one_allocation() {
        let cost = |instructions, allocations| Cost {
            instructions,
            allocations,
        };
        let before = cost(1000, 1);
        assert!(judge(before, cost(1030, 1), true).is_none());
        assert!(judge(before, cost(1031, 1), true).is_some());
        assert!(judge(before, cost(1031, 1), false).is_none());
        assert!(judge(before, cost(500, 2), false).is_some());
    }
}
