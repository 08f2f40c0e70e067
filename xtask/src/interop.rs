//! Official clients against the demo server, over stdio and HTTP.
//!
//! Owns which clients run. A client is a script in `tests/interop/` that prints `ok ROW`, `FAIL ROW: why` or
//! `skip ROW: why` for each thing it tried; what it tries is the script's own business.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::report::{Count, Outcome};
use crate::serve::{self, Demo};
use crate::tools::Absent;
use crate::witness::Witness;
use crate::{Run, process};

/// Scripts for Node; they find their packages beside themselves, so they are copied to where these are installed.
const JAVASCRIPT: [&str; 3] = ["typescript_v2.mjs", "typescript_v1.mjs", "inspector.mjs"];

/// Those of them that also speak HTTP+SSE.
const HTTP_SSE: [&str; 1] = ["typescript_v1.mjs"];

const PYTHON: [&str; 1] = ["python_v2.py"];

/// Far above what a client takes.
const LIMIT: Duration = Duration::from_secs(240);

pub(crate) fn check(run: &Run) -> Outcome {
    let binary = match serve::build(run) {
        Ok(binary) => binary,
        Err(error) => return Outcome::one(Err(error)),
    };
    let witness = match Witness::call(run, "interop") {
        Ok(witness) => witness,
        Err(error) => return Outcome::one(Err(error)),
    };
    let mut count = Count::default();
    let mut missing = Vec::new();
    let source = run.workspace.root.join("tests/interop");

    match run.workspace.python() {
        Ok(python) => {
            for script in PYTHON {
                count.add(client(&binary, &witness, script, || {
                    let mut command = Command::new(&python);
                    command
                        .arg(source.join(script))
                        .env("PYTHONUNBUFFERED", "1")
                        .env("PYTHONDONTWRITEBYTECODE", "1");
                    command
                }));
            }
        }
        Err(Absent::Missing(why)) => missing.push(why),
        Err(Absent::Broken(why)) => count.add(broken(&why)),
    }
    match run.workspace.node() {
        Ok(node) => {
            if let Err(error) = copy(&source, &node.home) {
                return Outcome::one(Err(error));
            }
            for script in JAVASCRIPT {
                count.add(client(&binary, &witness, script, || {
                    let mut command = Command::new(&node.node);
                    command.arg(node.home.join(script));
                    command
                }));
            }
        }
        Err(Absent::Missing(why)) => missing.push(why),
        Err(Absent::Broken(why)) => count.add(broken(&why)),
    }

    if count.passed + count.failed > 0 {
        count.add(witness.judge());
    }
    if missing.is_empty() {
        return Outcome::Done(count);
    }
    let why = missing.join("; ");
    if count.passed + count.failed == 0 || run.strict {
        // What did run is already printed; in a strict run the gap decides.
        return if count.failed > 0 {
            Outcome::Done(count)
        } else {
            Outcome::Missing(why)
        };
    }
    println!("SKIPPED: {why}");
    count.skipped += 1;
    Outcome::Done(count)
}

fn broken(why: &str) -> Count {
    println!("FAILED: {why}");
    Count::failed(1)
}

/// Runs one script over its transports; HTTP gets a server of its own.
fn client(binary: &Path, witness: &Witness, script: &str, command: impl Fn() -> Command) -> Count {
    let mut count = Count::default();
    println!("{script} over stdio");
    match witness.stand_in(binary) {
        Ok(stand_in) => count.add(rows(command().arg("--stdio").arg(stand_in))),
        Err(error) => count.add(broken(&error)),
    }
    println!("{script} over HTTP");
    match Demo::start(binary, witness) {
        Ok(demo) => count.add(rows(
            command()
                .arg("--http")
                .arg(&demo.url)
                .arg("--binary")
                .arg(binary),
        )),
        Err(error) => count.add(broken(&error)),
    }
    if HTTP_SSE.contains(&script) {
        println!("{script} over HTTP+SSE");
        match Demo::start_http_sse(binary) {
            Ok(demo) => count.add(rows(command().arg("--sse").arg(&demo.url))),
            Err(error) => count.add(broken(&error)),
        }
    }
    count
}

fn rows(command: &mut Command) -> Count {
    let mut count = Count::default();
    let ended = process::lines(command, LIMIT, |line| {
        println!("  {line}");
        match line.split(' ').next() {
            Some("ok") => count.passed += 1,
            Some("FAIL") => count.failed += 1,
            Some("skip") => count.skipped += 1,
            _ => {}
        }
    });
    match ended {
        Ok(true) if count.passed > 0 => {}
        Ok(true) => count.add(broken("the script tried nothing")),
        Ok(false) if count.failed > 0 => {}
        Ok(false) => count.add(broken("the script ended with an error")),
        Err(error) => count.add(broken(&error)),
    }
    count
}

fn copy(source: &Path, home: &Path) -> Result<(), String> {
    let explain = |error: std::io::Error| format!("{}: {error}", source.display());
    for entry in fs::read_dir(source).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        let script = path.extension().is_some_and(|extension| extension == "mjs");
        if script && let Some(name) = path.file_name() {
            fs::copy(&path, home.join(name)).map_err(explain)?;
        }
    }
    Ok(())
}
