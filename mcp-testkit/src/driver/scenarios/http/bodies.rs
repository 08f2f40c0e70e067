//! Bodies: however they come, and when they are wrong or too large.

use serde_json::{Value, json};

use crate::driver::case::{Address, Case};
use crate::driver::http::{Answer, Caller, Link, Request};
use crate::driver::messages::{code, text};
use crate::driver::scenarios::{BOTH, HTTP};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(in crate::driver::scenarios) const ROWS: &[Scenario] = rows![
    (HTTP, BOTH):
        a_body_in_chunks_of_any_size,
        a_client_that_waits_to_be_told_to_go_on_is_told,
        a_body_that_is_too_large_is_refused,
        a_body_without_its_end_runs_nothing,
        a_body_that_is_no_message_is_refused;
];

fn a_body_in_chunks_of_any_size(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let mut link = Link::open(server.address());
    for size in [1, 7, 100_000] {
        let request = caller.calling("echo", json!({ "text": "日本".repeat(50) }));
        link.write(&request.chunked(size));
        let answer = link.answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(text(&caller.last(&answer)), "日本".repeat(50));
    }
    // With what a client may add to chunks, and in pieces of one byte.
    let request = caller.calling("echo", json!({ "text": "x" }));
    let (start, end) = request.body().split_at(10);
    let mut bytes = request.clone().with("transfer-encoding", "chunked").head();
    bytes.extend_from_slice(b"A;name=value\r\n");
    bytes.extend_from_slice(start);
    bytes.extend_from_slice(format!("\r\n{:X}\r\n", end.len()).as_bytes());
    bytes.extend_from_slice(end);
    bytes.extend_from_slice(b"\r\n0\r\ntrailer: x\r\n\r\n");
    for byte in bytes {
        link.write(&[byte]);
    }
    assert_eq!(text(&caller.last(&link.answer())), "x");
}

fn a_client_that_waits_to_be_told_to_go_on_is_told(case: &Case) {
    let settings = Settings {
        max_message: Some(10_000),
        ..Settings::default()
    };
    let (server, mut caller) = case.http(&settings);
    let mut link = Link::open(server.address());
    let request = caller
        .calling("echo", json!({ "text": "x" }))
        .with("expect", "100-continue");
    link.write(&request.sized().head());
    assert_eq!(link.head().status, 100);
    link.write(request.body());
    let answer = link.answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(text(&caller.last(&answer)), "x");
    // Nobody is told to send what will not be read.
    let mut link = Link::open(server.address());
    link.write(&request.with("content-length", "20000").head());
    assert_eq!(link.head().status, 413);
}

fn a_body_that_is_too_large_is_refused(case: &Case) {
    let settings = Settings {
        max_message: Some(10_000),
        ..Settings::default()
    };
    let (server, mut caller) = case.http(&settings);
    let request = caller.calling("echo", json!({ "text": "x".repeat(20_000) }));
    for bytes in [
        request.bytes(),
        request.chunked(1000),
        request.with("content-length", "99999999999").head(),
    ] {
        let mut link = Link::open(server.address());
        // It may be over before all is written.
        let _ = link.wire.write(&bytes);
        assert_eq!(link.answer().status, 413);
    }
    // Without an end in sight.
    let mut link = Link::open(server.address());
    let endless = caller
        .calling("echo", json!({ "text": "x" }))
        .with("transfer-encoding", "chunked");
    link.write(&endless.head());
    let chunk = format!("{:x}\r\n{}\r\n", 4096, " ".repeat(4096));
    let mut sent = 0;
    // What is not read fills the buffers of the system at most.
    while sent < 64 << 20
        && link.wire.write(chunk.as_bytes()).is_ok()
        && link.is_quiet(std::time::Duration::from_micros(1))
    {
        sent += chunk.len();
    }
    assert!(sent < 32 << 20, "{sent} bytes were read");
    assert_eq!(link.answer().status, 413);
    caller.works();
}

fn a_body_without_its_end_runs_nothing(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let request = caller.calling("pend", json!({ "gate": "never" }));
    let longer = (request.body().len() + 10).to_string();
    let lengths = [
        [
            request.clone().with("content-length", &longer).head(),
            request.body().to_vec(),
        ]
        .concat(),
        {
            let mut bytes = request.chunked(50);
            bytes.truncate(bytes.len() - 5);
            bytes
        },
    ];
    for bytes in lengths {
        let mut link = Link::open(server.address());
        link.write(&bytes);
        link.wire.close_write();
        let answer = link.closed();
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(server.world().seen().started, 0, "half of a message ran");
    caller.works();
}

fn a_body_that_is_no_message_is_refused(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let like = caller.message("echo", json!({ "text": "x" }));
    for (body, expected) in [
        (&b""[..], -32700),
        (b"{", -32700),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}",
            -32700,
        ),
        (b"[]", -32600),
        (b"7", -32600),
    ] {
        let answer = refused(&caller, server.address(), &like, body);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(code(&caller.last(&answer)), expected, "{}", answer.text());
    }
    caller.works();
}

/// The answer to other bytes under the head of a good message.
fn refused(caller: &Caller, address: Address, like: &Value, body: &[u8]) -> Answer {
    let good: Request = caller.post(like);
    let mut link = Link::open(address);
    link.write(&good.with("content-length", &body.len().to_string()).head());
    link.write(body);
    link.answer()
}
