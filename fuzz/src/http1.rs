//! HTTP/1.1 connections: what is understood does not depend on where the bytes are cut, a dumb reader of the same bytes
//! finds the same requests, nothing of a refused one is ambiguous, and buffers stay bounded. Then the same bytes to a
//! whole connection of a server.

use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Uri, Version};
use mcp_http1::{
    ConnectionOptions, HttpConnection, Limits, Refusal, RequestHead, ServerMachine, Step,
};
use mcp_proto::http::admit::{HeadRules, admit, guard};
use mcp_proto::http::head::Head;
use mcp_proto::outbox::Outbox;
use mcp_proto::time::{Instant, Now};
use mcp_server::http::{HttpOptions, HttpServer, Routes};
use mcp_server::{HandlerError, InPlace, Machine, Server, Service, Tool};
use mcp_types::Json;

pub(crate) fn run(data: &[u8]) {
    let lot = lot(data);
    let limits = limits(lot);
    let whole = machine(&limits, data, usize::MAX, lot);
    let cut = machine(&limits, data, 1 + (lot >> 8) as usize % 40, lot);
    assert_eq!(whole, cut);
    reread(data, &whole);
    let whole = connection(&limits, data, usize::MAX, lot);
    let cut = connection(&limits, data, 1 + (lot >> 16) as usize % 40, lot);
    assert_eq!(whole, cut);
}

/// What is drawn for an input: it must be the same each time it runs.
fn lot(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn limits(lot: u64) -> Limits {
    let mut limits = Limits::default();
    if lot & 3 == 0 {
        limits.max_request_line = 60;
        limits.max_head = 200;
        limits.max_headers = 4;
        limits.max_chunk_line = 8;
        limits.max_extensions = 10;
        limits.max_trailers = 20;
        limits.max_discard = 10;
        limits.max_linger = 30;
    }
    limits
}

/// The input in pieces of up to so many bytes.
fn pieces(data: &[u8], most: usize, lot: u64) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    let mut lot = lot | 1;
    std::iter::from_fn(move || {
        lot ^= lot << 13;
        lot ^= lot >> 7;
        lot ^= lot << 17;
        let size = (1 + lot as usize % most).min(rest.len());
        let (piece, later) = rest.split_at(if most == usize::MAX { rest.len() } else { size });
        rest = later;
        (!piece.is_empty()).then_some(piece)
    })
}

#[derive(Debug, PartialEq)]
struct Request {
    method: Method,
    uri: Uri,
    version: Version,
    /// Names in small letters; sorted by them, and in order within one.
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    complete: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Understood {
    requests: Vec<Request>,
    refused: Option<Refusal>,
    over: bool,
    said: Vec<u8>,
}

fn machine(limits: &Limits, data: &[u8], most: usize, lot: u64) -> Understood {
    let mut machine = ServerMachine::new(*limits);
    let mut head = RequestHead::default();
    let (mut input, mut out) = (BytesMut::new(), Outbox::new(1 << 20));
    let mut understood = Understood::default();
    for piece in pieces(data, most, lot) {
        if understood.over {
            break;
        }
        input.extend_from_slice(piece);
        loop {
            match machine.next(&mut input, &mut head) {
                Step::Head => {
                    let parts = head.to_parts();
                    agrees(&head, &parts);
                    let mut headers: Vec<_> = parts
                        .headers
                        .iter()
                        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                        .collect();
                    headers.sort_by(|a, b| a.0.cmp(&b.0));
                    understood.requests.push(Request {
                        method: parts.method.clone(),
                        uri: parts.uri.clone(),
                        version: parts.version,
                        headers,
                        body: Vec::new(),
                        complete: false,
                    });
                    // Some are answered before their bodies, which are thrown away then.
                    if lot & 4 == 0 && parts.method == Method::PUT {
                        respond(&mut machine, 401, &mut out);
                    }
                }
                Step::Body(data) => {
                    assert!(!data.is_empty());
                    let request = understood.requests.last_mut().expect("a head came");
                    request.body.extend_from_slice(&data);
                }
                Step::BodyEnd => {
                    let request = understood.requests.last_mut().expect("a head came");
                    request.complete = true;
                }
                Step::NeedResponse => respond(&mut machine, 200, &mut out),
                Step::Refused(refusal) => {
                    assert_eq!(understood.refused, None);
                    understood.refused = Some(refusal);
                    machine.refuse(Now::default(), refusal, &mut out);
                }
                Step::NeedInput => break,
                Step::Over => {
                    understood.over = true;
                    break;
                }
            }
        }
        assert!(understood.over || input.len() <= limits.max_head);
    }
    let said = out.copy_to_bytes(out.remaining());
    understood.said = said.to_vec();
    understood
}

/// The endpoint judges the same head as an HTTP library would have given it.
fn agrees(head: &RequestHead, parts: &http::request::Parts) {
    assert_eq!(head.fields().count(), parts.headers.len());
    let rules = HeadRules::new(1 << 20, true);
    let verdict = |head: &Head<'_>| format!("{:?} {:?}", guard(&rules, head), admit(&rules, head));
    assert_eq!(verdict(&head.judged()), verdict(&Head::of(parts)));
}

fn respond(machine: &mut ServerMachine, status: u16, out: &mut Outbox) {
    let mut head = http::Response::new(()).into_parts().0;
    head.status = status.try_into().expect("a status");
    machine.respond_with(Now::default(), &head, Bytes::from_static(b"hi"), out);
}

/// Reads the same bytes in the simplest way there is. Everything that was understood must be there, at its place.
fn reread(data: &[u8], understood: &Understood) {
    let mut rest = data;
    for (at, request) in understood.requests.iter().enumerate() {
        let last = at + 1 == understood.requests.len();
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        let end = find(rest, b"\r\n\r\n").expect("a head that was understood ends");
        let (head, later) = rest.split_at(end);
        rest = &later[4..];
        for (at, byte) in head.iter().enumerate() {
            assert!(*byte != b'\n' || head[at - 1] == b'\r', "a bare LF");
            assert!(*byte != b'\r' || head.get(at + 1).is_none_or(|next| *next == b'\n'));
            assert_ne!(*byte, 0);
        }
        let mut lines = head
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let words: Vec<&[u8]> = lines
            .next()
            .expect("a request line")
            .split(|byte| *byte == b' ')
            .collect();
        let [method, target, version] = words[..] else {
            panic!("not three words")
        };
        assert_eq!(request.method.as_str().as_bytes(), method);
        let target = std::str::from_utf8(target).expect("ASCII");
        assert_eq!(request.uri, target);
        assert_eq!(format!("{:?}", request.version).as_bytes(), version);
        let mut headers: Vec<(String, Vec<u8>)> = lines
            .map(|line| {
                let colon = line.iter().position(|byte| *byte == b':').expect("a colon");
                let name = std::str::from_utf8(&line[..colon]).expect("ASCII");
                let value = &line[colon + 1..];
                let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
                let start = value
                    .iter()
                    .position(|byte| !blank(byte))
                    .unwrap_or(value.len());
                let end = value
                    .iter()
                    .rposition(|byte| !blank(byte))
                    .map_or(start, |end| end + 1);
                (name.to_ascii_lowercase(), value[start..end].to_vec())
            })
            .collect();
        headers.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(request.headers, headers);

        let all = |name: &str| -> Vec<&[u8]> {
            let found = headers.iter().filter(|(it, _)| it == name);
            found.map(|(_, value)| &value[..]).collect()
        };
        let (lengths, codings, hosts) =
            (all("content-length"), all("transfer-encoding"), all("host"));
        assert!(lengths.len() + codings.len() <= 1, "two ends");
        assert!(hosts.len() <= 1 && (hosts.len() == 1 || version == b"HTTP/1.0"));
        let body = if let [coding] = codings[..] {
            assert!(coding.eq_ignore_ascii_case(b"chunked"));
            chunked(&mut rest)
        } else {
            let length = lengths.first().map_or(0, |length| {
                assert!(length.iter().all(u8::is_ascii_digit));
                let text = std::str::from_utf8(length).expect("digits");
                text.parse::<u64>().expect("a number")
            });
            let whole = usize::try_from(length)
                .ok()
                .filter(|length| *length <= rest.len());
            whole.map(|length| {
                let (body, later) = rest.split_at(length);
                rest = later;
                body.to_vec()
            })
        };
        match body {
            // Of a body that is thrown away, only its end is told.
            Some(body) if request.complete => {
                assert!(request.body == body || request.body.is_empty());
            }
            Some(_) | None => {
                assert!(!request.complete, "no end");
                assert!(last, "a request after one without end");
            }
        }
        let close = all("connection").iter().any(|value| {
            let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            options.any(|option| option.eq_ignore_ascii_case(b"close"))
        });
        assert!(last || !close, "a request after the last");
    }
}

/// The data of a chunked body, unless it is broken or incomplete.
fn chunked(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = find(rest, b"\r\n")?;
        let line = std::str::from_utf8(&rest[..end]).unwrap_or_else(|error| {
            std::str::from_utf8(&rest[..error.valid_up_to()]).expect("valid up to there")
        });
        let digits = line.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(digits, 16).ok()?;
        *rest = &rest[end + 2..];
        if size == 0 {
            break;
        }
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= rest.len())?;
        body.extend_from_slice(&rest[..size]);
        *rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    loop {
        let end = find(rest, b"\r\n")?;
        *rest = &rest[end + 2..];
        if end == 0 {
            return Some(body);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let anything = Json::parse(r#"{"type":"object"}"#).expect("JSON");
    let hello = Tool::builder("hello").input_schema(anything);
    Server::new("fuzz", "1.0.0")
        .tool(hello.call(|_: serde_json::Value, _| Ok::<_, HandlerError>("hello")))
        .build()
        .expect("well formed")
});

/// What a server says to all of it. Time stands still.
fn connection(limits: &Limits, data: &[u8], most: usize, lot: u64) -> Vec<u8> {
    let http = HttpOptions::default();
    let server = HttpServer::new(SERVICE.clone(), http, Arc::new(InPlace), [7; 32]);
    let routes = Arc::new(Routes::new(server, "/mcp"));
    let options = ConnectionOptions::default().with_limits(*limits);
    let mut connection = HttpConnection::new(routes, options);
    let (mut input, mut out) = (BytesMut::new(), connection.outbox());
    let now = Now::new(Instant::from_micros(1), 1_785_000_000_000);
    let mut cx = Context::from_waker(Waker::noop());
    let mut said = Vec::new();
    let mut poll = |connection: &mut HttpConnection, input: &mut BytesMut| loop {
        let demand = connection.poll(&mut cx, now, input, &mut out);
        assert!(demand.wakeup.is_none_or(|at| at > now.instant) || demand.done);
        if !out.has_remaining() {
            return demand;
        }
        while let Some(part) = out.take_part() {
            said.extend_from_slice(&part);
        }
    };
    let mut demand = poll(&mut connection, &mut input);
    for piece in pieces(data, most, lot) {
        if demand.done || demand.close_write || !demand.read {
            break;
        }
        let before = input.len();
        assert!(before < limits.max_head);
        input.extend_from_slice(piece);
        demand = poll(&mut connection, &mut input);
    }
    connection.end_of_input();
    demand = poll(&mut connection, &mut input);
    assert!(demand.done && !demand.read);
    // Whether a client waits for its body to be asked for depends on when it comes.
    const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    while let Some(at) = find(&said, GO_ON) {
        said.drain(at..at + GO_ON.len());
    }
    said
}
