//! The examples that run the core without a driver: they build, and they answer.
//!
//! Owns the conversation that each of them must hold. The static library without std is linked into a host in C: that it
//! links, with a panic handler and an allocator of its own, is the proof that nothing in it needs std.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Run;
use crate::process::{self, Kept};
use crate::report::{Count, Outcome};
use crate::tools::cargo;

/// Longer than any machine needs for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn check(run: &Run) -> Outcome {
    let mut count = Count::default();
    let mut note = |what: &str, result: Result<(), String>| {
        match &result {
            Ok(()) => println!("{what}: answers as it must"),
            Err(error) => println!("{what}: FAILED: {error}"),
        }
        count.add(Count::one(result.is_ok()));
    };
    note("embed-loop", looped(run));
    if cfg!(target_os = "linux") {
        note("embed-epoll", polled(run));
    }
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if cfg!(unix) && process::exists(&compiler) {
        note("embed-nostd", without_std(run, &compiler));
    } else {
        println!("embed-nostd: SKIPPED: there is no Unix with a C compiler (`{compiler}`)");
        count.add(Count {
            failed: u64::from(run.strict),
            skipped: u64::from(!run.strict),
            ..Count::default()
        });
    }
    Outcome::Done(count)
}

fn looped(run: &Run) -> Result<(), String> {
    let program = built(run, "embed-loop")?;
    over_pipes(&mut Command::new(program))
}

fn polled(run: &Run) -> Result<(), String> {
    let program = built(run, "embed-epoll")?;
    let mut child = Command::new(program)
        .stdout(Stdio::piped())
        .spawn()
        .map(Kept)
        .map_err(|error| error.to_string())?;
    let stdout = child.0.stdout.take().ok_or("no pipe to the child")?;
    let lines = lines_of(stdout);
    let first = lines.recv_timeout(PATIENCE).map_err(|e| e.to_string())?;
    let address = first
        .strip_prefix("listening on ")
        .ok_or_else(|| format!("it began with `{first}`"))?;
    // Several at once, each with its own state, and one that says half a message and leaves.
    let mut wires = Vec::new();
    for _ in 0..5 {
        wires.push(Wire::connect(address)?);
    }
    let mut rude = TcpStream::connect(address).map_err(|error| error.to_string())?;
    rude.write_all(b"{\"jsonrpc\":")
        .map_err(|error| error.to_string())?;
    drop(rude);
    for step in conversation() {
        for wire in &mut wires {
            wire.play(&step)?;
        }
    }
    for wire in wires {
        wire.end()?;
    }
    Ok(())
}

fn without_std(run: &Run, compiler: &str) -> Result<(), String> {
    let source = run.workspace.root.join("examples/embed-nostd");
    let target = run.workspace.target.join("embed");
    for arguments in [
        &["fmt", "--check"][..],
        &["clippy", "--quiet", "--", "--deny", "warnings"],
        &["build", "--quiet"],
    ] {
        process::run(
            Command::new(cargo())
                .args(arguments)
                .env("CARGO_TARGET_DIR", &target)
                .current_dir(&source),
        )?;
    }
    let program = target.join("embed-nostd");
    process::run(
        Command::new(compiler)
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror"])
            .arg("-D_POSIX_C_SOURCE=200809L")
            .arg(source.join("main.c"))
            .arg(target.join("debug/libembed_nostd.a"))
            .arg("-o")
            .arg(&program),
    )?;
    over_pipes(&mut Command::new(program))
}

/// Builds an example of this workspace; where its program is.
fn built(run: &Run, package: &str) -> Result<PathBuf, String> {
    process::run(
        Command::new(cargo())
            .args(["build", "--quiet", "--package", package])
            .current_dir(&run.workspace.root),
    )?;
    let file = format!("{package}{}", std::env::consts::EXE_SUFFIX);
    Ok(run.workspace.target.join("debug").join(file))
}

fn over_pipes(command: &mut Command) -> Result<(), String> {
    let mut wire = Wire::spawn(command)?;
    for step in conversation() {
        wire.play(&step)?;
    }
    wire.end()
}

/// One line and, if it has an answer, the members that the answer must have.
struct Say {
    line: String,
    answer: Option<Value>,
}

/// Both eras on one stream, and what must not end it.
fn conversation() -> Vec<Say> {
    let legacy = |id: u64, method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
    };
    let modern = |id: u64, method: &str, mut params: Value| {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        legacy(id, method, params)
    };
    let add = |a: Value, b: Value| json!({ "name": "add", "arguments": { "a": a, "b": b } });
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let say = |line: String, answer: Value| Say {
        line,
        answer: Some(answer),
    };
    vec![
        say(
            legacy(1, "ping", json!({})),
            json!({ "id": 1, "result": {} }),
        ),
        say(
            legacy(
                2,
                "initialize",
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "xtask", "version": "1" } }),
            ),
            json!({ "id": 2, "result": { "protocolVersion": "2025-11-25", "serverInfo": { "name": "embedded" } } }),
        ),
        Say {
            line: json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string(),
            answer: None,
        },
        say(
            legacy(3, "tools/list", json!({})),
            json!({ "id": 3, "result": { "tools": [{ "name": "add" }] } }),
        ),
        say(
            legacy(4, "tools/call", add(json!(2), json!(40))),
            json!({ "id": 4, "result": { "content": text("42") } }),
        ),
        say(
            legacy(5, "tools/call", add(json!("two"), json!(40))),
            json!({ "id": 5, "result": { "isError": true } }),
        ),
        say(
            "this is not JSON".into(),
            json!({ "error": { "code": -32700 } }),
        ),
        say(
            format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{}\"", "long".repeat(10_000)),
            json!({ "error": { "code": -32600 } }),
        ),
        say(
            modern(6, "server/discover", json!({})),
            json!({ "id": 6, "result": { "resultType": "complete", "capabilities": { "tools": {} } } }),
        ),
        say(
            modern(7, "tools/call", add(json!(-1), json!(1))),
            json!({ "id": 7, "result": { "resultType": "complete", "content": text("0") } }),
        ),
        say(
            modern(
                8,
                "tools/call",
                json!({ "name": "subtract", "arguments": {} }),
            ),
            json!({ "id": 8, "error": { "code": -32602 } }),
        ),
    ]
}

/// The client's end of one connection.
struct Wire {
    to: Option<Ends>,
    from: Receiver<String>,
}

enum Ends {
    Pipe(ChildStdin, Kept),
    Socket(TcpStream),
}

impl Wire {
    fn spawn(command: &mut Command) -> Result<Self, String> {
        let child: Child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let mut child = Kept(child);
        let stdin = child.0.stdin.take().ok_or("no pipe to the child")?;
        let stdout = child.0.stdout.take().ok_or("no pipe to the child")?;
        Ok(Self {
            to: Some(Ends::Pipe(stdin, child)),
            from: lines_of(stdout),
        })
    }

    fn connect(address: &str) -> Result<Self, String> {
        let socket = TcpStream::connect(address).map_err(|error| error.to_string())?;
        let read = socket.try_clone().map_err(|error| error.to_string())?;
        Ok(Self {
            to: Some(Ends::Socket(socket)),
            from: lines_of(read),
        })
    }

    fn play(&mut self, say: &Say) -> Result<(), String> {
        let line = format!("{}\n", say.line);
        // In two pieces: no read is a message.
        let (first, second) = line.as_bytes().split_at(line.len() / 2);
        for piece in [first, second] {
            let to: &mut dyn Write = match &mut self.to {
                Some(Ends::Pipe(stdin, _)) => stdin,
                Some(Ends::Socket(socket)) => socket,
                None => return Err("the connection is over".into()),
            };
            to.write_all(piece)
                .and_then(|()| to.flush())
                .map_err(|error| format!("writing: {error}"))?;
        }
        let Some(expected) = &say.answer else {
            return Ok(());
        };
        let shown: String = say.line.chars().take(120).collect();
        let answer = self
            .from
            .recv_timeout(PATIENCE)
            .map_err(|error| format!("no answer to {shown}: {error}"))?;
        let value: Value =
            serde_json::from_str(&answer).map_err(|error| format!("{answer}: {error}"))?;
        if contains(&value, expected) {
            Ok(())
        } else {
            Err(format!("{shown} was answered by {answer}"))
        }
    }

    /// The input ends; so must the other side, without another word.
    fn end(mut self) -> Result<(), String> {
        let mut child = match self.to.take() {
            Some(Ends::Pipe(stdin, child)) => {
                drop(stdin);
                Some(child)
            }
            Some(Ends::Socket(socket)) => {
                socket
                    .shutdown(std::net::Shutdown::Write)
                    .map_err(|error| error.to_string())?;
                None
            }
            None => None,
        };
        match self.from.recv_timeout(PATIENCE) {
            Err(mpsc::RecvTimeoutError::Disconnected) => {}
            Err(mpsc::RecvTimeoutError::Timeout) => return Err("it outlives its input".into()),
            Ok(line) => return Err(format!("it said more: {line}")),
        }
        let Some(child) = &mut child else {
            return Ok(());
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match child.0.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("it ended with {status}")),
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("it outlives its input".into())
    }
}

/// Lines, read on a thread, so that waiting for one has a bound.
fn lines_of(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Whether `value` has every member of `expected`, with that value.
fn contains(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Object(value), Value::Object(expected)) => {
            expected.iter().all(|(key, expected)| {
                value
                    .get(key)
                    .is_some_and(|value| contains(value, expected))
            })
        }
        (Value::Array(value), Value::Array(expected)) => {
            value.len() == expected.len() && value.iter().zip(expected).all(|(a, b)| contains(a, b))
        }
        (value, expected) => value == expected,
    }
}
