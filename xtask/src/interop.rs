//! Real clients against the demo server, over stdio on every driver and over HTTP on those with one of their own.
//!
//! Owns which clients run. A client is a script or a program in `tests/interop/` that prints `ok ROW`, `FAIL ROW: why` or
//! `skip ROW: why` for each thing it tried; what it tries is its own business.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::report::{Count, Outcome};
use crate::serve::{self, Demo, Driver};
use crate::tools::Absent;
use crate::witness::Witness;
use crate::{Run, process};

/// Scripts for Node; they find their packages beside themselves, so they are copied to where these are installed.
const JAVASCRIPT: [&str; 3] = ["typescript_v2.mjs", "typescript_v1.mjs", "inspector.mjs"];

/// Those of them that also speak HTTP+SSE.
const HTTP_SSE: [&str; 1] = ["typescript_v1.mjs"];

/// Those whose client is also tried over TLS. They find the authority of the test certificate where their platforms look.
const HTTPS: [&str; 2] = ["typescript_v2.mjs", "python_v2.py"];

/// Where Node and Python look.
const AUTHORITIES: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];

/// Scripts for Python, each with an environment of its own and the file that pins it.
const PYTHON: [(&str, &str, &str); 2] = [
    ("python_v2.py", "python", "requirements.txt"),
    ("python_v1.py", "python1", "requirements_v1.txt"),
];

/// Far above what a client takes.
const LIMIT: Duration = Duration::from_secs(240);

/// How many runs of one client go on at once.
const AT_ONCE: usize = 2;

/// A client, ready to be started.
struct Client {
    name: &'static str,
    command: Box<dyn Fn() -> Command + Sync>,
}

pub(crate) fn check(run: &Run) -> Outcome {
    let binary = match serve::build(run) {
        Ok(binary) => binary,
        Err(error) => return Outcome::one(Err(error)),
    };
    let witness = match Witness::call(run, "interop") {
        Ok(witness) => witness,
        Err(error) => return Outcome::one(Err(error)),
    };
    let certificates = run
        .workspace
        .root
        .join("mcp-testkit/src/driver/certificates");
    let mut count = Count::default();
    let mut missing = Vec::new();
    for found in clients(run) {
        match found {
            Ok(client) => count.add(tried(&binary, &witness, &certificates, &client)),
            Err(Absent::Missing(why)) => missing.push(why),
            Err(Absent::Broken(why)) => count.add(broken(&why)),
        }
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

/// All clients, installed, and why some are not there.
fn clients(run: &Run) -> Vec<Result<Client, Absent>> {
    let source = run.workspace.root.join("tests/interop");
    let mut clients = Vec::new();
    for (name, environment, pins) in PYTHON {
        let python = run.workspace.python(environment, pins);
        let script = source.join(name);
        clients.push(python.map(|python| Client {
            name,
            command: Box::new(move || {
                let mut command = Command::new(&python);
                command
                    .arg(&script)
                    .env("PYTHONUNBUFFERED", "1")
                    .env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }),
        }));
    }
    match run.workspace.node() {
        Ok(node) => match copy(&source, &node.home) {
            Ok(()) => clients.extend(JAVASCRIPT.map(|name| {
                let (program, script) = (node.node.clone(), node.home.join(name));
                let command = Box::new(move || {
                    let mut command = Command::new(&program);
                    command.arg(&script);
                    command
                });
                Ok(Client { name, command })
            })),
            Err(error) => clients.push(Err(Absent::Broken(error))),
        },
        Err(absent) => clients.push(Err(absent)),
    }
    let rmcp = run.workspace.rmcp_client().map_err(Absent::Broken);
    clients.push(rmcp.map(|program| Client {
        name: "rmcp",
        command: Box::new(move || Command::new(&program)),
    }));
    clients
}

fn broken(why: &str) -> Count {
    println!("FAILED: {why}");
    Count::failed(1)
}

/// One run of a client.
#[derive(Clone, Copy)]
enum Channel {
    Stdio(Driver),
    Http(Driver),
    Https(Driver),
    HttpSse,
}

/// Runs one client over its transports on every driver, some at once, for it mostly waits. HTTP gets a server of its own.
fn tried(binary: &Path, witness: &Witness, certificates: &Path, client: &Client) -> Count {
    let mut channels: Vec<Channel> = Driver::ALL.map(Channel::Stdio).into();
    channels.extend(Driver::HTTP.map(Channel::Http));
    if HTTPS.contains(&client.name) {
        channels.extend(Driver::HTTPS.map(Channel::Https));
    }
    if HTTP_SSE.contains(&client.name) {
        channels.push(Channel::HttpSse);
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut count = Count::default();
        while let Some(channel) = channels.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (title, command) = start(binary, witness, certificates, client, *channel);
            let tried = match command {
                Ok((mut command, demo)) => {
                    let tried = rows(&mut command);
                    drop(demo);
                    tried
                }
                Err(error) => Tried::broken(error),
            };
            // In one piece, whoever else prints.
            println!(
                "{} over {title}: {} rows ok{}",
                client.name, tried.count.passed, tried.remarks
            );
            count.add(tried.count);
        }
        count
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        let mut count = Count::default();
        for worker in workers {
            count.add(worker.join().unwrap_or_else(|_| Count::failed(1)));
        }
        count
    })
}

/// The command of a run, and the server that it needs.
fn start(
    binary: &Path,
    witness: &Witness,
    certificates: &Path,
    client: &Client,
    channel: Channel,
) -> (String, Result<(Command, Option<Demo>), String>) {
    let mut command = (client.command)();
    let title = match channel {
        Channel::Stdio(driver) => format!("stdio on {}", driver.name()),
        Channel::Http(driver) => format!("HTTP on {}", driver.name()),
        Channel::Https(driver) => format!("HTTPS on {}", driver.name()),
        Channel::HttpSse => "HTTP+SSE".to_owned(),
    };
    let started = match channel {
        Channel::Stdio(driver) => witness.stand_in(binary, driver).map(|stand_in| {
            command.arg("--stdio").arg(stand_in);
            None
        }),
        Channel::Http(driver) => Demo::start(binary, driver, witness).and_then(|demo| {
            let own = witness.on(binary, driver)?;
            command.arg("--http").arg(&demo.url);
            command.arg("--binary").arg(own);
            Ok(Some(demo))
        }),
        Channel::Https(driver) => Demo::start_https(binary, driver, certificates).map(|demo| {
            for variable in AUTHORITIES {
                command.env(variable, certificates.join("authority.pem"));
            }
            command.arg("--http").arg(&demo.url);
            Some(demo)
        }),
        Channel::HttpSse => Demo::start_http_sse(binary).map(|demo| {
            command.arg("--sse").arg(&demo.url);
            Some(demo)
        }),
    };
    (title, started.map(|demo| (command, demo)))
}

/// What came of a run.
#[derive(Default)]
struct Tried {
    count: Count,
    /// What is not `ok`, each on a line of its own.
    remarks: String,
}

impl Tried {
    fn broken(why: String) -> Self {
        let mut tried = Self::default();
        tried.fail(&why);
        tried
    }

    fn fail(&mut self, why: &str) {
        self.count.add(Count::failed(1));
        self.remark(&format!("FAILED: {why}"));
    }

    fn remark(&mut self, line: &str) {
        self.remarks.push_str("\n  ");
        self.remarks.push_str(line);
    }
}

fn rows(command: &mut Command) -> Tried {
    let mut tried = Tried::default();
    let ended = process::lines(command, LIMIT, |line| {
        match line.split(' ').next() {
            Some("ok") => {
                tried.count.passed += 1;
                return;
            }
            Some("FAIL") => tried.count.failed += 1,
            Some("skip") => tried.count.skipped += 1,
            _ => {}
        }
        tried.remark(line);
    });
    match ended {
        Ok(true) if tried.count.passed > 0 => {}
        Ok(true) => tried.fail("the client tried nothing"),
        Ok(false) if tried.count.failed > 0 => {}
        Ok(false) => tried.fail("the client ended with an error"),
        Err(error) => tried.fail(&error),
    }
    tried
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
