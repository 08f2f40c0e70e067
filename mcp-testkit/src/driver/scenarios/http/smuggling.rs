//! Requests whose end is a matter of opinion: whoever stands before the server may hold another one. None is served, and
//! nothing behind it either.

use serde_json::json;

use crate::driver::case::Case;
use crate::driver::http::{Link, Request};
use crate::driver::scenarios::{HTTP, MODERN};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(in crate::driver::scenarios) const ROWS: &[Scenario] = rows![
    (HTTP, MODERN):
        a_length_of_two_minds_is_refused,
        a_coding_of_two_minds_is_refused,
        chunks_that_are_none_are_refused,
        heads_that_are_none_are_refused;
];

/// Sends what is in dispute, and behind it a request that would be seen to run.
fn refused(case: &Case, vectors: &[(&str, Vec<u8>)], hidden: &Request) {
    let (server, mut caller) = case.http(&Settings::default());
    for (what, bytes) in vectors {
        let mut link = Link::open(server.address());
        // The server may close before all is written.
        let _ = link.wire.write(bytes);
        let _ = link.wire.write(&hidden.bytes());
        link.wire.close_write();
        let answer = link.closed();
        assert!(!answer.contains("HTTP/1.1 2"), "{what}: {answer}");
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{what}: {answer}");
    }
    assert_eq!(server.world().seen().started, 0, "something hidden ran");
    caller.works();
}

fn disputed(case: &Case) -> (Request, Request) {
    let call = |tool| Request::modern(&case.era.call(1, tool, json!({ "gate": "x", "text": "x" })));
    (call("pend"), call("pend"))
}

fn a_length_of_two_minds_is_refused(case: &Case) {
    let (request, hidden) = disputed(case);
    let length = request.body().len().to_string();
    let body = request.body();
    let vectors: Vec<_> = [
        ("two lengths", vec![length.as_str(), "2"]),
        (
            "two lengths the other way round",
            vec!["2", length.as_str()],
        ),
        ("a list of lengths", vec!["2, 3"]),
        ("a sign", vec!["+2"]),
        ("a negative one", vec!["-1"]),
        ("a hexadecimal one", vec!["0x2"]),
        ("a word", vec!["two"]),
        ("nothing", vec![""]),
        ("more than fits", vec!["99999999999999999999999999"]),
    ]
    .into_iter()
    .map(|(what, values)| {
        let add = |request: Request, value: &&str| request.and("content-length", value);
        let head = values.iter().fold(request.clone(), add).head();
        (what, [head, body.to_vec()].concat())
    })
    .collect();
    refused(case, &vectors, &hidden);
}

fn a_coding_of_two_minds_is_refused(case: &Case) {
    let (request, hidden) = disputed(case);
    let length = request.body().len().to_string();
    let vectors: Vec<_> = [
        (
            "a length and a coding",
            request
                .clone()
                .and("content-length", &length)
                .and("transfer-encoding", "chunked"),
        ),
        (
            "a coding and a length",
            request
                .clone()
                .and("transfer-encoding", "chunked")
                .and("content-length", "4"),
        ),
        (
            "no such coding",
            request.clone().and("transfer-encoding", "xchunked"),
        ),
        (
            "identity",
            request.clone().and("transfer-encoding", "identity"),
        ),
        (
            "chunked inside",
            request.clone().and("transfer-encoding", "chunked, gzip"),
        ),
        (
            "two codings, chunked inside",
            request
                .and("transfer-encoding", "chunked")
                .and("transfer-encoding", "identity"),
        ),
    ]
    .into_iter()
    .map(|(what, request)| {
        // As chunks, it has an end right here.
        (what, [request.head(), b"0\r\n\r\n".to_vec()].concat())
    })
    .collect();
    refused(case, &vectors, &hidden);
}

fn chunks_that_are_none_are_refused(case: &Case) {
    let (request, hidden) = disputed(case);
    let head = request.clone().with("transfer-encoding", "chunked").head();
    let body = String::from_utf8_lossy(request.body()).into_owned();
    let length = format!("{:x}", body.len());
    let vectors: Vec<_> = [
        ("no size", format!("\r\n{body}\r\n0\r\n\r\n")),
        ("a word", format!("many\r\n{body}\r\n0\r\n\r\n")),
        ("a prefix", format!("0x{length}\r\n{body}\r\n0\r\n\r\n")),
        ("a sign", format!("-{length}\r\n{body}\r\n0\r\n\r\n")),
        (
            "more than fits",
            format!("ffffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        ),
        ("more than it says", format!("2\r\n{body}\r\n0\r\n\r\n")),
        ("no end of the data", format!("{length}\r\n{body}0\r\n\r\n")),
        (
            "a size that goes on",
            format!("{length} {length}\r\n{body}\r\n0\r\n\r\n"),
        ),
    ]
    .into_iter()
    .map(|(what, chunks)| (what, [head.clone(), chunks.into_bytes()].concat()))
    .collect();
    refused(case, &vectors, &hidden);
}

fn heads_that_are_none_are_refused(case: &Case) {
    let (request, hidden) = disputed(case);
    let head = String::from_utf8(request.sized().head()).expect("ASCII");
    let body = String::from_utf8_lossy(request.body()).into_owned();
    let with = |line: &str| head.replacen("\r\n", &format!("\r\n{line}\r\n"), 1) + &body;
    let vectors: Vec<_> = [
        ("a name with a space", with("content-length : 2")),
        ("a name with a control", with("x\u{1}y: 2")),
        ("a line without a name", with(": 2")),
        ("a line without a colon", with("content-length")),
        (
            "a continued line",
            head.replacen("\r\n\r\n", "\r\n continued\r\n\r\n", 1) + &body,
        ),
        ("a return inside a line", with("x: y\rcontent-length: 2")),
        ("no version", head.replacen(" HTTP/1.1", "", 1) + &body),
        (
            "another version",
            head.replacen("HTTP/1.1", "HTTP/1.7", 1) + &body,
        ),
        (
            "another protocol",
            "\u{16}\u{3}\u{1}hello".to_owned() + &"\0".repeat(100),
        ),
    ]
    .map(|(what, text)| (what, text.into_bytes()))
    .into();
    refused(case, &vectors, &hidden);
}
