//! Whole servers under load: ours, the peers, the ceilings.
//!
//! Owns what is measured of each. Every round goes once through all subjects, so that each figure of
//! one stands beside figures of the others from the same minute. All load goes to loopback, bounded in count and time.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::subjects::{ADDRESS, Subject};
use super::{Bench, median};
use crate::process;

impl Bench {
    fn load(&self, what: &str, subject: &Subject, options: &[&str]) -> Result<Value, String> {
        let text = process::capture(
            Command::new(&self.tools.load)
                .args([what, "--mode", subject.mode])
                .args(options)
                .arg("--")
                .args(&subject.command),
        )?;
        serde_json::from_str(text.trim()).map_err(|error| format!("{what}: {error}: {text}"))
    }

    /// Rounds through all subjects; the medians by name, and each one's ratios to the anchor within a round.
    fn rounds_of(
        &self,
        subjects: &[Subject],
        anchors: &[&str],
        mut one: impl FnMut(&Subject) -> Result<Value, String>,
    ) -> Value {
        let mut seen: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for _ in 0..self.rounds() {
            for subject in subjects {
                match one(subject) {
                    Ok(value) => seen.entry(subject.name).or_default().push(value),
                    Err(error) => println!("{}: {error}", subject.name),
                }
            }
        }
        let of = |name: &str, key: &str| -> Vec<f64> {
            let runs = seen.get(name).map_or(&[][..], Vec::as_slice);
            runs.iter().filter_map(|run| run[key].as_f64()).collect()
        };
        let mut rows = Vec::new();
        for subject in subjects {
            let Some(first) = seen.get(subject.name).and_then(|runs| runs.first()) else {
                continue;
            };
            let mut row = json!({ "name": subject.name });
            for key in first
                .as_object()
                .into_iter()
                .flat_map(|object| object.keys())
            {
                row[key] = json!(median(of(subject.name, key)));
            }
            for (at, anchor) in anchors.iter().enumerate() {
                for key in ["rate", "cpu_us"] {
                    let pairs = of(subject.name, key).into_iter().zip(of(anchor, key));
                    let ratios: Vec<f64> = pairs.map(|(own, other)| own / other).collect();
                    if !ratios.is_empty() {
                        row[format!("{key}_ratio_{at}")] = json!(median(ratios));
                    }
                }
            }
            println!("{row}");
            rows.push(row);
        }
        json!({ "anchors": anchors, "rows": rows })
    }
}

const RMCP_STDIO: &str = "rmcp, tuned (pipes, static router)";
const RMCP_HTTP: &str = "rmcp, tuned (static router, JSON)";
const LINES: &str = "ceiling: tokio line loop, serde";
const HYPER: &str = "ceiling: bare hyper";

pub(super) fn stdio(bench: &Bench) -> Result<Value, String> {
    let subjects = bench.tools.stdio();
    let mut windows = serde_json::Map::new();
    for (window, n) in [("1", 20_000.0), ("64", 300_000.0)] {
        println!("window {window}");
        let scale = if bench.quick { 0.1 } else { 1.0 };
        let value = bench.rounds_of(&subjects, &[RMCP_STDIO, LINES], |subject| {
            let n = (n * scale * subject.share).max(200.0).round().to_string();
            bench.load("stdio", subject, &["--window", window, "--n", &n])
        });
        windows.insert(window.into(), value);
    }
    Ok(Value::Object(windows))
}

pub(super) fn http(bench: &Bench) -> Result<Value, String> {
    let (fast, slow) = bench.tools.http();
    let all: Vec<Subject> = fast.into_iter().chain(slow).collect();
    let millis = if bench.quick { "300" } else { "1000" };
    let mut found = serde_json::Map::new();
    for connections in ["1", "16", "64", "256"] {
        println!("{connections} connections");
        let subjects = if connections == "64" {
            &all[..]
        } else {
            &all[..3]
        };
        let value = bench.rounds_of(subjects, &[RMCP_HTTP, HYPER], |subject| {
            let options = [
                "--address",
                ADDRESS,
                "--connections",
                connections,
                "--millis",
                millis,
            ];
            bench.load("http", subject, &options)
        });
        found.insert(connections.into(), value);
    }
    Ok(Value::Object(found))
}

pub(super) fn large(bench: &Bench) -> Result<Value, String> {
    let tools = &bench.tools;
    let stdio = [
        tools.subject("ours", &tools.ours, &[], "legacy", 1.0),
        tools.subject(
            "ceiling: bare line loop",
            &tools.ceiling,
            &["lines", "large"],
            "legacy",
            1.0,
        ),
        tools.subject(RMCP_STDIO, &tools.rmcp_tuned, &["pipes"], "legacy", 1.0),
    ];
    let n = if bench.quick { "500" } else { "4000" };
    let stdio = bench.rounds_of(
        &stdio,
        &[RMCP_STDIO, "ceiling: bare line loop"],
        |subject| {
            bench.load(
                "stdio",
                subject,
                &["--tool", "large", "--window", "16", "--n", n],
            )
        },
    );
    let http = [
        tools.subject("ours", &tools.ours, &["--http", ADDRESS], "modern", 1.0),
        tools.subject(
            HYPER,
            &tools.ceiling,
            &["hyper", ADDRESS, "large"],
            "modern",
            1.0,
        ),
        tools.subject(
            RMCP_HTTP,
            &tools.rmcp_tuned,
            &["http", ADDRESS, "json"],
            "modern",
            1.0,
        ),
    ];
    let millis = if bench.quick { "300" } else { "1000" };
    let http = bench.rounds_of(&http, &[RMCP_HTTP, HYPER], |subject| {
        let options = [
            "--tool",
            "large",
            "--address",
            ADDRESS,
            "--connections",
            "16",
            "--millis",
            millis,
        ];
        bench.load("http", subject, &options)
    });
    Ok(json!({ "stdio": stdio, "http": http }))
}

/// One source on each driver, beside what cannot be undercut.
pub(super) fn drivers(bench: &Bench) -> Result<Value, String> {
    const BARE: &str = "ceiling: bare line loop";
    let tools = &bench.tools;
    let programs = [
        ("ours, tokio", &tools.ours),
        ("ours, std", &tools.threads),
        ("ours, mio", &tools.mio),
    ];
    let subjects = |arguments: &[&str], mode, ceiling: Vec<Subject>| -> Vec<Subject> {
        let ours = programs
            .iter()
            .map(|(name, program)| tools.subject(name, program, arguments, mode, 1.0));
        ours.chain(ceiling).collect()
    };
    let lines = tools.subject(BARE, &tools.ceiling, &["lines"], "legacy", 1.0);
    let stdio = subjects(&[], "legacy", vec![lines]);
    let scale = if bench.quick { 0.1 } else { 1.0 };
    let mut found = serde_json::Map::new();
    for (window, n) in [("1", 20_000.0), ("64", 300_000.0)] {
        let n = (n * scale).to_string();
        let value = bench.rounds_of(&stdio, &["ours, tokio", BARE], |subject| {
            bench.load("stdio", subject, &["--window", window, "--n", &n])
        });
        found.insert(format!("stdio, window {window}"), value);
    }
    let hyper = tools.subject(HYPER, &tools.ceiling, &["hyper", ADDRESS], "modern", 1.0);
    let http = subjects(&["--http", ADDRESS], "modern", vec![hyper]);
    let millis = if bench.quick { "300" } else { "1000" };
    for connections in ["1", "64"] {
        let value = bench.rounds_of(&http, &["ours, tokio", HYPER], |subject| {
            let options = ["--connections", connections, "--millis", millis];
            bench.load(
                "http",
                subject,
                &[&["--address", ADDRESS], &options[..]].concat(),
            )
        });
        found.insert(format!("HTTP, {connections} connections"), value);
    }
    Ok(Value::Object(found))
}

pub(super) fn behind(bench: &Bench) -> Result<Value, String> {
    let tools = &bench.tools;
    let subjects = [
        tools.subject("ours", &tools.ours, &[], "legacy", 1.0),
        tools.subject(RMCP_STDIO, &tools.rmcp_tuned, &["pipes"], "legacy", 1.0),
    ];
    let mut found = serde_json::Map::new();
    let cases = [
        ("nothing", "none", "0"),
        ("one call of 30 s", "sleep", "1"),
        ("100 pending calls", "sleep", "100"),
        ("4 CPU-bound blocking calls", "burn", "4"),
    ];
    for (name, slow, pending) in cases {
        println!("behind {name}");
        let value = bench.rounds_of(&subjects, &[RMCP_STDIO], |subject| {
            bench.load(
                "behind",
                subject,
                &["--slow", slow, "--pending", pending, "--n", "3000"],
            )
        });
        found.insert(name.into(), value);
    }
    Ok(Value::Object(found))
}

pub(super) fn memory(bench: &Bench) -> Result<Value, String> {
    let tools = &bench.tools;
    let sessions = [
        tools.subject("ours", &tools.ours, &["--http", ADDRESS], "session", 1.0),
        tools.subject(
            "rmcp",
            &tools.rmcp_tuned,
            &["http", ADDRESS, "stateful"],
            "session",
            1.0,
        ),
        tools.subject(
            "turbomcp",
            &tools.turbomcp,
            &["http", ADDRESS],
            "session",
            1.0,
        ),
        tools.subject(
            "tower-mcp",
            &tools.tower,
            &["http", ADDRESS, "stateful"],
            "session",
            1.0,
        ),
    ];
    let n = if bench.quick { "300" } else { "2000" };
    let idle = bench.rounds_of(&sessions, &[], |subject| {
        bench.load("sessions", subject, &["--address", ADDRESS, "--n", n])
    });
    let active = bench.rounds_of(&sessions, &[], |subject| {
        bench.load(
            "sessions",
            subject,
            &["--address", ADDRESS, "--n", n, "--call"],
        )
    });
    let listens = bench.rounds_of(&sessions[..1], &[], |subject| {
        bench.load("listens", subject, &["--address", ADDRESS])
    });
    Ok(json!({ "idle sessions": idle, "active sessions": active, "listens": listens }))
}

pub(super) fn start(bench: &Bench) -> Result<Value, String> {
    let mut subjects = bench.tools.stdio();
    subjects.retain(|subject| subject.mode == "legacy");
    let small = &bench.tools.small;
    let small_threads = &bench.tools.small_threads;
    for (name, program) in [
        ("ours, stdio only", small),
        ("ours, std, stdio only", small_threads),
    ] {
        subjects.push(bench.tools.subject(name, program, &[], "legacy", 1.0));
    }
    let n = if bench.quick { "3" } else { "21" };
    let times = bench.rounds_of(&subjects, &[], |subject| {
        let n = if subject.share < 0.06 || subject.name.starts_with("Type") {
            "2"
        } else {
            n
        };
        bench.load("start", subject, &["--n", n])
    });
    let mut sizes = serde_json::Map::new();
    for (name, path) in [
        ("ours, std, stdio only", small_threads),
        ("ours, stdio only", small),
        ("ours", &bench.tools.ours),
        ("ours, std", &bench.tools.threads),
        ("ours, mio", &bench.tools.mio),
        ("rmcp", &bench.tools.rmcp),
        ("turbomcp", &bench.tools.turbomcp),
        ("tower-mcp", &bench.tools.tower),
        ("ceiling", &bench.tools.ceiling),
    ] {
        if !path.exists() {
            continue;
        }
        let stripped = bench.results.join("stripped");
        process::run(Command::new("strip").arg("-o").arg(&stripped).arg(path))?;
        let size = fs::metadata(&stripped)
            .map_err(|error| error.to_string())?
            .len();
        sizes.insert(name.into(), json!(size));
    }
    Ok(json!({ "times": times, "sizes": sizes }))
}

/// The difference of two lengths of run, so that the start does not count. The kernel's share is not seen.
pub(super) fn instructions(bench: &Bench) -> Result<Value, String> {
    if !process::exists("valgrind") {
        return Err("valgrind is not installed".into());
    }
    let mut found = serde_json::Map::new();
    let wanted = [
        "ours",
        "ours, 2026-07-28",
        LINES,
        RMCP_STDIO,
        "rmcp, as documented",
        "tower-mcp",
        "turbomcp",
    ];
    for subject in bench.tools.stdio() {
        if !wanted.contains(&subject.name) {
            continue;
        }
        let count = |n: u64| -> Result<u64, String> {
            let file = bench.results.join("callgrind");
            let mut command = vec![
                "valgrind".to_owned(),
                "--tool=callgrind".into(),
                format!("--callgrind-out-file={}", file.display()),
            ];
            command.extend(subject.command.iter().cloned());
            let inner = Subject { command, ..subject };
            let n = n.to_string();
            bench.load(
                "stdio",
                &inner,
                &["--n", &n, "--warm", "0", "--patience", "20000"],
            )?;
            let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
            let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
            line.and_then(|line| line.trim().parse().ok())
                .ok_or_else(|| "callgrind left no total".into())
        };
        let counted = count(320).and_then(|short| Ok((short, count(1280)?)));
        let each = match counted {
            Ok((short, long)) => (long - short) / 960,
            Err(error) => {
                println!("{}: {error}", subject.name);
                continue;
            }
        };
        println!("{}: {each}", subject.name);
        found.insert(subject.name.into(), json!(each));
    }
    Ok(Value::Object(found))
}
