//! What is refused: everything that two readers of the same bytes could understand differently, and what is too long.

use bytes::Bytes;
use mcp_http1::{Limits, Refusal};

use crate::driven::{Outcome, anyhow_cut, run, whole};

/// Bytes that are refused, with the status.
pub(crate) const REFUSED: &[(&str, &[u8], u16)] = &[
    // RFC 9112 section 2.2: lines.
    ("bare LF after the request line", b"GET / HTTP/1.1\nhost: a\r\n\r\n", 400),
    ("bare LF after a field", b"GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n", 400),
    ("bare LF as the empty line", b"GET / HTTP/1.1\r\nhost: a\r\n\n", 400),
    ("bare LF before the request", b"\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("bare CR before the request", b"\rGET / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("bare CR in a value", b"GET / HTTP/1.1\r\nhost: a\r\nx: y\rz: w\r\n\r\n", 400),
    ("bare CR in a name", b"GET / HTTP/1.1\r\nhost: a\r\nx\ry: z\r\n\r\n", 400),
    ("CR CR LF", b"GET / HTTP/1.1\r\nhost: a\r\r\n\r\n", 400),
    ("bare CR in the request line", b"GET /\rx HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("CR CR LF after the request line", b"GET / HTTP/1.1\r\r\nhost: a\r\n\r\n", 400),
    ("two empty lines before the request", b"\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("NUL in a value", b"GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n", 400),
    ("NUL in a name", b"GET / HTTP/1.1\r\nhost: a\r\nx\0: b\r\n\r\n", 400),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("DEL in a value", b"GET / HTTP/1.1\r\nhost: a\r\nx: \x7f\r\n\r\n", 400),
    // RFC 9112 section 3: the request line.
    ("HTTP/0.9", b"GET /\r\n\r\n", 400),
    ("no method", b" / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("a method that is no token", b"GE(T / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("two blanks before the target", b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("two blanks after the target", b"GET /  HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("a tab before the target", b"GET\t/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("a blank in the target", b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("a blank after the version", b"GET / HTTP/1.1 \r\nhost: a\r\n\r\n", 400),
    ("no version", b"GET / \r\nhost: a\r\n\r\n", 400),
    ("a version in lower case", b"GET / http/1.1\r\nhost: a\r\n\r\n", 400),
    ("a version of two digits", b"GET / HTTP/1.10\r\nhost: a\r\n\r\n", 400),
    ("another protocol", b"GET / ICY/1.1\r\nhost: a\r\n\r\n", 400),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nhost: a\r\n\r\n", 505),
    ("HTTP/0.9, spelt out", b"GET / HTTP/0.9\r\nhost: a\r\n\r\n", 505),
    ("HTTP/3.0", b"GET / HTTP/3.0\r\nhost: a\r\n\r\n", 505),
    ("HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("JSON", b"{\"jsonrpc\":\"2.0\"}\n", 400),
    // RFC 9112 section 3.2: the target and Host.
    ("a target that is no path", b"GET mcp HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("an authority as target", b"GET a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("everything with GET", b"GET * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("a fragment", b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("bytes beyond ASCII in the target", b"GET /\xc3\xa4 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("bytes that are not UTF-8 in the target", b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("another scheme", b"GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("user information", b"GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("a tunnel", b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", 501),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ("the same host twice", b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
    ("two hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ("a host with a blank", b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
    ("a host with a path", b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
    ("a host with user information", b"GET / HTTP/1.1\r\nhost: u@a\r\n\r\n", 400),
    ("a host beyond ASCII", b"GET / HTTP/1.1\r\nhost: \xc3\xa4\r\n\r\n", 400),
    ("an absolute target and another host", b"GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n", 400),
    ("an absolute target and another port", b"GET http://a:81/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("an absolute target and no host", b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    ("an absolute target and no port", b"GET http://a:99999/ HTTP/1.1\r\nhost: a:99998\r\n\r\n", 400),
    // RFC 9112 section 5: fields.
    ("a folded field", b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n", 400),
    ("a folded field, by a tab", b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\tz\r\n\r\n", 400),
    ("a first field that is folded", b"GET / HTTP/1.1\r\n host: a\r\n\r\n", 400),
    ("a folded coding", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("a blank before the colon", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length : 5\r\n\r\nhello", 400),
    ("a tab before the colon", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length\t: 5\r\n\r\nhello", 400),
    ("no colon", b"GET / HTTP/1.1\r\nhost: a\r\nx\r\n\r\n", 400),
    ("no name", b"GET / HTTP/1.1\r\nhost: a\r\n: x\r\n\r\n", 400),
    ("a name that is no token", b"GET / HTTP/1.1\r\nhost: a\r\nx(y): z\r\n\r\n", 400),
    ("a name beyond ASCII", b"GET / HTTP/1.1\r\nhost: a\r\n\xc3\xa4: z\r\n\r\n", 400),
    // RFC 9112 section 6: where the body ends.
    ("a length and chunks", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks and a length", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", 400),
    ("two lengths", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!", 400),
    ("the same length twice", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", 400),
    ("a list of lengths", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 5\r\n\r\nhello", 400),
    ("an empty length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n", 400),
    ("a negative length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
    ("a length with a plus", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello", 400),
    ("a hexadecimal length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x5\r\n\r\nhello", 400),
    ("a length with a blank in it", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1 0\r\n\r\nhello", 400),
    ("a fractional length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5.0\r\n\r\nhello", 400),
    ("a length in other digits", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: \xd9\xa5\r\n\r\nhello", 400),
    ("a length beyond 64 bits", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551616\r\n\r\n", 413),
    ("a length that wraps to 5", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551621\r\n\r\nhello", 413),
    ("chunks in HTTP/1.0", b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("another coding", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 400),
    ("the identity", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n", 400),
    ("the identity, and chunks", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("another coding below chunks", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("chunks below another coding", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    ("chunks of chunks", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks twice", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("an empty coding", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n\r\n", 400),
    ("an empty coding before chunks", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: , chunked\r\n\r\n0\r\n\r\n", 400),
    ("something like chunks", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks with a parameter", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
    ("chunks in quotes", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    ("chunks after a vertical tab", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("an expectation that nobody meets", b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\ncontent-length: 2\r\n\r\nhi", 417),
    // RFC 9112 section 7.1: chunks.
    ("a chunk without size", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", 400),
    ("a chunk of an extension alone", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n;a\r\n0\r\n\r\n", 400),
    ("a size that is no number", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n", 400),
    ("a negative size", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", 400),
    ("a size with 0x", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("a size with an underscore", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1_0\r\nhello\r\n0\r\n\r\n", 400),
    ("a blank before the size", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", 400),
    ("a blank after the size", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400),
    ("a blank before the extension", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5 ;a\r\nhello\r\n0\r\n\r\n", 400),
    ("a size beyond 64 bits", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\nhello\r\n0\r\n\r\n", 400),
    ("a size that wraps to 5", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    ("bare LF after the size", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400),
    ("bare CR after the size", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\rXhello\r\n0\r\n\r\n", 400),
    ("bare LF in an extension", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n", 400),
    ("bare CR in an extension", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a\rX\r\nhello\r\n0\r\n\r\n", 400),
    ("a line break in quotes in an extension", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a=\"\nhello\r\n0\r\n\r\n", 400),
    ("NUL in an extension", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;\0\r\nhello\r\n0\r\n\r\n", 400),
    ("more data than the size says", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", 400),
    ("less data than the size says", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n", 400),
    ("bare LF after the data", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400),
    ("bare CR after the data", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r0\r\n\r\n", 400),
    ("bare LF after the last chunk", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\n\r\n", 400),
    ("bare LF at the end", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\n", 400),
    ("a trailer that is no field", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx\r\n\r\n", 400),
    ("a folded trailer", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n z\r\n\r\n", 400),
    ("a trailer with a blank before its colon", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx : y\r\n\r\n", 400),
    ("a trailer that ends with a bare LF", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\n\r\n", 400),
    ("a request in the place of a trailer", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    // After a good one.
    ("garbage after a request", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n\x00\x01", 400),
    ("a body that is longer than its length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}{}", 400),
];

#[test]
fn every_vector_is_refused_wherever_it_is_cut() {
    for (name, bytes, status) in REFUSED {
        let trace =
            std::panic::catch_unwind(|| anyhow_cut(bytes)).unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(trace.outcome(), Outcome::Refused(*status), "{name}");
        let (_, answer) = trace.output.rsplit_once("HTTP/1.1 ").expect("an answer");
        assert!(answer.starts_with(&status.to_string()), "{name}: {answer}");
        assert!(
            answer.contains("\r\nconnection: close\r\n"),
            "{name}: {answer}"
        );
        assert!(trace.over, "{name}: read on");
    }
}

/// One request of which one part is as long as is said.
fn long(what: &str, bytes: usize) -> Vec<u8> {
    let pad = |used: usize| "x".repeat(bytes - used);
    match what {
        "request line" => format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", pad(16)),
        "head" => format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", pad(32)),
        "fields" => format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x:\r\n".repeat(bytes - 1)),
        "chunk line" => format!(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n",
            pad(4)
        ),
        "extensions" => format!(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
            "1;x\r\nx\r\n".repeat(bytes)
        ),
        "trailers" => format!(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: {}\r\n\r\n",
            pad(7)
        ),
        _ => panic!("{what}"),
    }
    .into_bytes()
}

#[test]
fn every_limit_holds_to_the_byte_wherever_the_bytes_are_cut() {
    let mut limits = Limits::default();
    limits.max_request_line = 100;
    limits.max_head = 200;
    limits.max_headers = 10;
    limits.max_chunk_line = 50;
    limits.max_extensions = 60;
    limits.max_trailers = 70;
    for (what, most, refusal) in [
        ("request line", 100, Refusal::TargetTooLong),
        ("head", 200, Refusal::HeadTooLarge),
        ("fields", 10, Refusal::HeadTooLarge),
        ("chunk line", 50, Refusal::Chunk),
        ("extensions", 60, Refusal::Chunk),
        ("trailers", 70, Refusal::HeadTooLarge),
    ] {
        for (bytes, expected) in [(most, None), (most + 1, Some(refusal))] {
            let message = long(what, bytes);
            for size in [1, 7, 64, message.len()] {
                let trace = run(limits, message.chunks(size));
                assert_eq!(
                    trace.refused, expected,
                    "{what} of {bytes}, {size} at a time"
                );
                assert_eq!(
                    trace.seen.iter().any(|it| it.complete),
                    expected.is_none(),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn a_head_without_end_is_refused_before_it_is_too_much() {
    let limits = Limits::default();
    for (line, refusal, most) in [
        (&b"x"[..], Refusal::TargetTooLong, limits.max_request_line),
        (
            b"GET / HTTP/1.1\r\n",
            Refusal::HeadTooLarge,
            limits.max_head,
        ),
    ] {
        let mut sent = 0;
        let pieces = std::iter::repeat(line).take_while(|piece| {
            let more = sent < most + piece.len();
            sent += piece.len();
            more
        });
        let trace = run(limits, pieces);
        assert_eq!(trace.refused, Some(refusal));
    }
}

#[test]
fn more_fields_than_there_are_places_are_refused_whatever_the_limits_say() {
    let mut limits = Limits::default();
    limits.max_headers = usize::MAX;
    let good = long("fields", mcp_http1::MAX_HEADERS);
    assert_eq!(run(limits, [&good[..]]).outcome(), Outcome::Requests(1));
    let bad = long("fields", mcp_http1::MAX_HEADERS + 1);
    assert_eq!(run(limits, [&bad[..]]).outcome(), Outcome::Refused(431));
}

#[test]
fn a_body_is_a_slice_of_the_input() {
    let mut machine = mcp_http1::ServerMachine::new(Limits::default());
    let mut request = mcp_http1::RequestHead::default();
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n";
    let mut input = bytes::BytesMut::from(&[&head[..], b"hello"].concat()[..]);
    let place = input[head.len()..].as_ptr();
    assert_eq!(
        machine.next(&mut input, &mut request),
        mcp_http1::Step::Head
    );
    let step = machine.next(&mut input, &mut request);
    assert_eq!(step, mcp_http1::Step::Body(Bytes::from_static(b"hello")));
    let mcp_http1::Step::Body(body) = step else {
        panic!()
    };
    assert_eq!(body.as_ptr(), place);
}

#[test]
fn what_the_peer_sent_is_not_repeated_to_it() {
    let trace = whole(b"GET /secret<script> HTTP/1.1\r\nhost: a b\r\n\r\n");
    assert!(trace.refused.is_some());
    assert!(!trace.output.contains("secret") && !trace.output.contains("a b"));
}
