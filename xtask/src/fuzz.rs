//! The fuzz targets of `fuzz/`: a short run as part of every test, a long one on request.
//!
//! Owns the compiler flags of the engine and how long each target gets. They are those that cargo-fuzz passes, without a
//! sanitizer: nothing in the core is `unsafe`, so a finding is a panic. All of them work with a stable compiler. It must
//! never write into the committed corpus; what a run finds worth keeping stays under the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::report::{Count, Outcome};
use crate::tools::{Absent, Workspace, cargo};
use crate::{Run, process};

/// Coverage instrumentation, as libFuzzer reads it.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Ccodegen-units=1 --cfg fuzzing";

/// No target needs longer for one input, in seconds; more is a finding.
const LIMIT: u64 = 5;

/// Every committed input, without an engine and with it. New inputs are for [`long`]: a check that draws lots says
/// something else each time.
pub(crate) fn smoke(run: &Run) -> Outcome {
    let mut count = Count::default();
    let replayed = process::run(
        Command::new(cargo())
            .args([
                "test",
                "--quiet",
                "--no-default-features",
                "--test",
                "corpus",
            ])
            .current_dir(run.workspace.root.join("fuzz"))
            .env("CARGO_TARGET_DIR", run.workspace.target.join("fuzz")),
    );
    add(&mut count, replayed);
    let fuzzer = match Fuzzer::build(&run.workspace) {
        Ok(fuzzer) => fuzzer,
        Err(Absent::Missing(why)) if !run.strict => {
            println!("SKIPPED: no engine: {why}");
            count.skipped += 1;
            return Outcome::Done(count);
        }
        Err(Absent::Missing(why) | Absent::Broken(why)) => {
            add(&mut count, Err(why));
            return Outcome::Done(count);
        }
    };
    for target in &fuzzer.targets {
        add(&mut count, fuzzer.run(target, None, true));
    }
    Outcome::Done(count)
}

fn add(count: &mut Count, result: Result<(), String>) {
    if let Err(error) = &result {
        println!("FAILED: {error}");
    }
    count.add(Count::one(result.is_ok()));
}

/// `cargo xtask fuzz`: `minutes` of one job for each target, or for the named ones.
pub(crate) fn long(minutes: f64, only: &[String]) -> Result<bool, String> {
    let workspace = Workspace::find()?;
    let fuzzer = Fuzzer::build(&workspace).map_err(|absent| match absent {
        Absent::Missing(why) | Absent::Broken(why) => why,
    })?;
    if let Some(unknown) = only.iter().find(|name| !fuzzer.targets.contains(name)) {
        let known = fuzzer.targets.join(", ");
        return Err(format!(
            "there is no target `{unknown}`; the targets are {known}"
        ));
    }
    let mut clean = true;
    for target in &fuzzer.targets {
        if !only.is_empty() && !only.contains(target) {
            continue;
        }
        println!("\n==> {target}: {minutes} min");
        let start = Instant::now();
        let outcome = fuzzer.run(target, Some(Duration::from_secs_f64(minutes * 60.0)), false);
        let seconds = start.elapsed().as_secs();
        match outcome {
            Ok(()) => println!("<== {target}: nothing found in {seconds} s"),
            Err(error) => {
                clean = false;
                println!("<== {target}: FINDING after {seconds} s: {error}");
            }
        }
    }
    Ok(clean)
}

/// The built targets.
struct Fuzzer {
    targets: Vec<String>,
    programs: PathBuf,
    /// The committed inputs.
    seeds: PathBuf,
    dictionary: PathBuf,
    /// What earlier runs on this machine found worth keeping, and what failed.
    kept: PathBuf,
}

impl Fuzzer {
    fn build(workspace: &Workspace) -> Result<Self, Absent> {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        if !process::exists(&compiler) {
            return Err(Absent::Missing(format!(
                "there is no C++ compiler (`{compiler}`) to build the engine with"
            )));
        }
        let root = workspace.root.join("fuzz");
        let target_dir = workspace.target.join("fuzz");
        let host = host().map_err(Absent::Broken)?;
        process::run(
            Command::new(cargo())
                .args(["build", "--quiet", "--release", "--bins", "--target", &host])
                .current_dir(&root)
                .env("CARGO_TARGET_DIR", &target_dir)
                .env("RUSTFLAGS", FLAGS)
                .env_remove("CARGO_ENCODED_RUSTFLAGS"),
        )
        .map_err(Absent::Broken)?;
        Ok(Self {
            targets: targets(&root).map_err(Absent::Broken)?,
            programs: target_dir.join(host).join("release"),
            seeds: root.join("corpus"),
            dictionary: root.join("dictionary.txt"),
            kept: target_dir.join("kept"),
        })
    }

    /// Runs one target: on new inputs for some time, or on the committed ones. An error names the input that failed.
    fn run(&self, target: &str, time: Option<Duration>, quiet: bool) -> Result<(), String> {
        let corpus = self.kept.join(target);
        let artifacts = self.kept.join("artifacts").join(target);
        for folder in [&corpus, &artifacts] {
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let mut command = Command::new(self.programs.join(target));
        match time {
            Some(time) => command
                .arg(&corpus)
                .arg(self.seeds.join(target))
                .arg(format!("-max_total_time={}", time.as_secs().max(1))),
            None => command.arg(self.seeds.join(target)).arg("-runs=0"),
        };
        command
            .arg(format!("-timeout={LIMIT}"))
            .arg(format!("-dict={}", self.dictionary.display()))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(["-rss_limit_mb=2048", "-print_final_stats=1"]);
        // The engine reports on stderr: kept out of the way unless it ends with a finding.
        let log = artifacts.join("log");
        let file =
            std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        command.stderr(file);
        let ended = process::lines(
            &mut command,
            time.unwrap_or_default() + Duration::from_secs(600),
            |line| {
                println!("{line}");
            },
        )?;
        let text = read(&log);
        if !ended {
            let tail: Vec<&str> = text.lines().rev().take(40).collect();
            for line in tail.iter().rev() {
                println!("{line}");
            }
            return Err(format!(
                "{target}: see {}; replay with {} FILE",
                artifacts.display(),
                self.programs.join(target).display()
            ));
        }
        let executed = text
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .unwrap_or_default()
            .trim();
        let known = text
            .lines()
            .rev()
            .find_map(|line| line.split(" cov: ").nth(1))
            .and_then(|rest| rest.split(' ').next())
            .unwrap_or_default();
        if !quiet || !executed.is_empty() {
            println!("{target}: {executed} inputs, {known} edges");
        }
        Ok(())
    }
}

/// The targets in the order of their names: one program each.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz_targets");
    let entries =
        std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let rust = path.extension().is_some_and(|extension| extension == "rs");
            rust.then(|| Some(path.file_stem()?.to_str()?.to_owned()))?
        })
        .collect();
    names.sort();
    Ok(names)
}

/// The triple of this machine. Naming it keeps the instrumentation out of build scripts and macros.
fn host() -> Result<String, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let about = process::capture(Command::new(rustc).arg("-vV"))?;
    about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "rustc does not name its host".to_owned())
}

fn read(path: &Path) -> String {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
