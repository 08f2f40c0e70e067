//! What a session and an open subscription cost in resident memory.

use serde_json::json;

use crate::http::{Client, complete, post};
use crate::message;
use crate::options::{Fallible, Mode, Options};
use crate::server::Server;

/// Before counting: what the allocator and lazily built tables take once.
const WARM: usize = 100;

/// `n` sessions over one connection; with `--call` each makes a call.
pub(crate) fn sessions(options: &Options) -> Fallible<String> {
    let (address, n) = (
        options.text("address", "127.0.0.1:9000"),
        options.number("n", 2000)?,
    );
    let mut server = Server::start(options, false)?;
    server.wait_for(address)?;
    let mut client = Client::connect(address)?;
    let mut open = |count: usize| -> Fallible<()> {
        for _ in 0..count {
            let session = client.session()?;
            if options.has("call") {
                let call = message::call(1, "echo", Mode::Session);
                let request = post(
                    &call,
                    Mode::Session,
                    "tools/call",
                    "echo",
                    session.as_deref(),
                );
                let answer = client.ask(&request)?;
                if !message::is_right(&answer, "echo") {
                    return Err(format!("wrong: {}", String::from_utf8_lossy(&answer)).into());
                }
            }
        }
        Ok(())
    };
    open(WARM)?;
    let (before, cpu) = (server.resident(), server.cpu_micros());
    open(n)?;
    let (after, cpu) = (server.resident(), server.cpu_micros() - cpu);
    let bytes = (after as f64 - before as f64) * 1024.0 / n as f64;
    Ok(json!({ "bytes": bytes, "cpu_us": cpu / n as f64, "kib": after }).to_string())
}

/// `n` connections, each with one open subscription; with what a quiet connection costs beside it.
pub(crate) fn listens(options: &Options) -> Fallible<String> {
    let address = options.text("address", "127.0.0.1:9000");
    let n = options.number("n", 300)?.min(900);
    let mut server = Server::start(options, false)?;
    server.wait_for(address)?;
    let mut kept = Vec::new();
    let connect = |open: bool| -> Fallible<Client> {
        let mut client = Client::connect(address)?;
        if open {
            client.send(&post(
                &message::listen(7),
                Mode::Modern,
                "subscriptions/listen",
                "",
                None,
            ))?;
            client.read_until(|bytes| {
                message::contains(bytes, b"acknowledged")
                    || complete(bytes).is_some_and(|(_, good)| !good)
            })?;
        } else {
            let call = message::call(1, "echo", Mode::Modern);
            client.ask(&post(&call, Mode::Modern, "tools/call", "echo", None))?;
        }
        Ok(client)
    };
    let mut grow = |open: bool| -> Fallible<f64> {
        for _ in 0..20 {
            kept.push(connect(open)?);
        }
        let before = server.resident();
        for _ in 0..n {
            kept.push(connect(open)?);
        }
        Ok((server.resident() as f64 - before as f64) * 1024.0 / n as f64)
    };
    let quiet = grow(false)?;
    let listening = grow(true)?;
    Ok(json!({ "connection_bytes": quiet, "listen_bytes": listening }).to_string())
}
