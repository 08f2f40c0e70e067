//! The command, as a user runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mcp_witness::{Conversation, MODERN};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mcp(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp"));
    command.args(arguments).env_remove("MCP_SEALING_KEY");
    command
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mcp(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn help_and_version_are_on_stdout() {
    let (code, out, err) = output(&["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("--stdio") && out.contains("--listen"), "{out}");
    assert_eq!(
        output(&["--version"]).1,
        format!("mcp {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_mistake_is_named_on_stderr() {
    let (code, out, err) = output(&["demo", "--lisen", "x"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("'--lisen'"), "{err}");
}

#[test]
fn an_address_beyond_loopback_is_refused() {
    let (code, out, err) = output(&["demo", "--listen", "0.0.0.0:0"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("reachable from other machines"), "{err}");
}

/// What this program was built with.
const DRIVERS: &[&str] = &[
    #[cfg(feature = "tokio")]
    "tokio",
    #[cfg(feature = "std")]
    "std",
    #[cfg(feature = "mio")]
    "mio",
    #[cfg(feature = "smol")]
    "smol",
    #[cfg(feature = "async-std")]
    "async-std",
];

#[test]
fn a_driver_that_is_not_there_is_named_beside_those_that_are() {
    let (code, out, err) = output(&["demo", "--driver", "none"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.contains("'none'") && err.contains(&DRIVERS.join(", ")),
        "{err}"
    );
}

#[test]
fn stdio_prints_nothing_but_the_protocol() {
    for driver in DRIVERS {
        stdio(driver);
    }
}

fn stdio(driver: &str) {
    let mut child = mcp(&["demo", "--stdio", "--driver", driver])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Running)
        .unwrap();
    let mut input = child.0.stdin.take().unwrap();
    let output = BufReader::new(child.0.stdout.take().unwrap());
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    let messages = [
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{{meta}}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{{meta}}}}}"#),
        format!(
            r#"{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{{"name":"add","arguments":{{"a":2,"b":40}},{meta}}}}}"#
        ),
        r#"{"jsonrpc":"2.0","id":4,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"0"}}}"#
            .to_owned(),
    ];
    let mut conversation = Conversation::new(MODERN);
    for message in &messages {
        conversation.note(message);
        writeln!(input, "{message}").unwrap();
    }
    drop(input);
    let mut lines: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(lines.len(), messages.len(), "{driver}");
    for line in &lines {
        conversation
            .server(line)
            .unwrap_or_else(|error| panic!("{error}"));
    }
    // In which order they come is the server's.
    lines.sort_by_key(|line| line["id"].as_u64());
    assert_eq!(lines[0]["result"]["supportedVersions"][0], "2026-07-28");
    assert!(
        lines[1]["result"]["nextCursor"].is_string(),
        "the list has pages"
    );
    assert_eq!(lines[2]["result"]["structuredContent"]["sum"], 42.0);
    assert_eq!(lines[3]["result"]["protocolVersion"], "2025-11-25");
}

#[test]
fn http_says_where_it_serves_and_ends_on_a_signal() {
    for driver in DRIVERS {
        http(driver);
    }
}

/// A file of the test kit's certificate.
fn certificate(name: &str) -> String {
    let kit = "../mcp-testkit/src/driver/certificates";
    format!("{}/{kit}/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn tls_is_announced_or_what_is_wrong_is_said() {
    let (good, key) = (certificate("certificate.pem"), certificate("key.pem"));
    for driver in DRIVERS {
        let has_tls = cfg!(feature = "tls") && matches!(*driver, "std" | "mio");
        let demo = ["demo", "--driver", driver, "--listen", "127.0.0.1:0"];
        let with = |key| [&demo[..], &["--tls-cert", &good, "--tls-key", key]].concat();
        if !has_tls {
            let (code, out, err) = output(&with(&key));
            assert_eq!((code, out.as_str()), (Some(2), ""));
            assert!(err.contains("no TLS on the driver"), "{err}");
            continue;
        }
        let (code, out, err) = output(&with("/no/such.pem"));
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("cannot read /no/such.pem"), "{err}");
        let (_child, _lines, url) = serving(&with(&key));
        assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    }
}

/// The program with these arguments, the rest of what it says, which must not break off, and where it says that it serves.
fn serving(arguments: &[&str]) -> (Running, impl Iterator<Item = String> + use<>, String) {
    let mut child = mcp(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map(Running)
        .unwrap();
    let introduction = BufReader::new(child.0.stdout.take().unwrap());
    let mut lines = introduction.lines().map(Result::unwrap);
    let url = lines
        .find_map(|line| line.strip_prefix("Serving ").map(str::to_owned))
        .unwrap();
    (child, lines, url)
}

fn http(driver: &str) {
    let (mut child, _lines, url) =
        serving(&["demo", "--listen", "127.0.0.1:0", "--driver", driver]);
    let address = url
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/mcp"))
        .unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{driver}: {answer}");
    if !cfg!(unix) {
        return;
    }
    Command::new("kill")
        .args(["-s", "TERM", &child.0.id().to_string()])
        .status()
        .unwrap();
    let asked = Instant::now();
    while child.0.try_wait().unwrap().is_none() {
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "{driver} is still running"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(child.0.wait().unwrap().success(), "{driver}");
}
