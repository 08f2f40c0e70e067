//! What is written, and what becomes of the connection.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderValue, response};
use mcp_http1::{Length, Limits, RequestHead, ServerMachine, Step};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};

const NOW: Now = Now::new(Instant::from_micros(0), 784_111_777_000);
const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/// A machine that was given one head.
struct Asked {
    machine: ServerMachine,
    request: RequestHead,
    input: BytesMut,
    out: Outbox,
}

impl Asked {
    fn new(request: &str) -> Self {
        let mut asked = Self {
            machine: ServerMachine::new(Limits::default()),
            request: RequestHead::default(),
            input: BytesMut::from(request),
            out: Outbox::new(1 << 20),
        };
        assert_eq!(asked.next(), Step::Head, "{request}");
        asked
    }

    fn next(&mut self) -> Step {
        self.machine.next(&mut self.input, &mut self.request)
    }

    fn respond(&mut self, head: &response::Parts, length: Length) -> bool {
        self.machine.respond(NOW, head, length, &mut self.out)
    }

    fn data(&mut self, data: &'static [u8]) {
        self.machine.data(Bytes::from_static(data), &mut self.out);
    }

    fn finish(&mut self) {
        self.machine.finish(&mut self.out);
    }

    fn said(&mut self) -> String {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        String::from_utf8(bytes.to_vec()).expect("text")
    }
}

fn head(status: u16, headers: &[(&'static str, &'static str)]) -> response::Parts {
    let mut head = http::Response::new(()).into_parts().0;
    head.status = status.try_into().expect("a status");
    for (name, value) in headers {
        head.headers.append(*name, HeaderValue::from_static(value));
    }
    head
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const OLD: &str = "GET / HTTP/1.0\r\n\r\n";
const OLD_AND_ALIVE: &str = "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn every_way_to_say_where_a_response_ends() {
    use Length::{Known, Unknown};
    let plain = "HTTP/1.1 200 OK\r\n";
    for (request, status, length, fields, body, goes_on) in [
        (GET, 200, Known(2), "content-length: 2\r\n", "hi", true),
        (
            GET,
            200,
            Unknown,
            "transfer-encoding: chunked\r\n",
            "2\r\nhi\r\n0\r\n\r\n",
            true,
        ),
        (
            LAST,
            200,
            Known(2),
            "content-length: 2\r\nconnection: close\r\n",
            "hi",
            false,
        ),
        (
            LAST,
            200,
            Unknown,
            "transfer-encoding: chunked\r\nconnection: close\r\n",
            "2\r\nhi\r\n0\r\n\r\n",
            false,
        ),
        (
            OLD,
            200,
            Known(2),
            "content-length: 2\r\nconnection: close\r\n",
            "hi",
            false,
        ),
        (OLD, 200, Unknown, "connection: close\r\n", "hi", false),
        (
            OLD_AND_ALIVE,
            200,
            Known(2),
            "content-length: 2\r\nconnection: keep-alive\r\n",
            "hi",
            true,
        ),
        (
            OLD_AND_ALIVE,
            200,
            Unknown,
            "connection: close\r\n",
            "hi",
            false,
        ),
        (HEAD, 200, Known(2), "content-length: 2\r\n", "", true),
        (
            HEAD,
            200,
            Unknown,
            "transfer-encoding: chunked\r\n",
            "",
            true,
        ),
        (GET, 204, Known(2), "", "", true),
        (GET, 304, Unknown, "", "", true),
        (GET, 202, Known(0), "content-length: 0\r\n", "", true),
    ] {
        let mut asked = Asked::new(request);
        assert_eq!(asked.next(), Step::BodyEnd);
        asked.respond(&head(status, &[]), length);
        asked.data(b"hi");
        asked.finish();
        let line = match status {
            200 => plain.to_owned(),
            _ => format!(
                "HTTP/1.1 {}\r\n",
                http::StatusCode::from_u16(status).expect("one")
            ),
        };
        let case = format!("{request} {status} {length:?}");
        assert_eq!(
            asked.said(),
            format!("{line}{fields}{DATE}\r\n{body}"),
            "{case}"
        );
        let next = asked.next();
        assert_eq!(
            next,
            if goes_on { Step::NeedInput } else { Step::Over },
            "{case}"
        );
    }
}

#[test]
fn framing_is_the_machines_and_the_rest_is_as_it_was_given() {
    let mut asked = Asked::new(GET);
    asked.next();
    let given = [
        ("content-length", "77"),
        ("transfer-encoding", "gzip"),
        ("connection", "upgrade"),
        ("date", "yesterday"),
        ("x-a", "1"),
        ("x-a", "2"),
    ];
    asked.respond(&head(200, &given), Length::Known(0));
    let expected =
        format!("HTTP/1.1 200 OK\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 0\r\n{DATE}\r\n");
    assert_eq!(asked.said(), expected);
}

#[test]
fn an_application_can_ask_to_close() {
    let mut asked = Asked::new(GET);
    asked.next();
    asked.respond(&head(200, &[("connection", "x, Close")]), Length::Known(0));
    asked.finish();
    assert!(asked.said().contains("\r\nconnection: close\r\n"));
    assert_eq!(asked.next(), Step::Over);
}

#[test]
fn more_than_was_promised_is_left_out_and_less_ends_the_connection() {
    let mut asked = Asked::new(GET);
    asked.next();
    assert!(asked.respond(&head(200, &[]), Length::Known(3)));
    asked.data(b"ab");
    asked.data(b"cd");
    asked.data(b"ef");
    asked.finish();
    assert!(asked.said().ends_with("\r\n\r\nabc"));
    assert_eq!(asked.next(), Step::NeedInput);

    let mut asked = Asked::new(GET);
    asked.next();
    asked.respond(&head(200, &[]), Length::Known(3));
    asked.data(b"ab");
    asked.finish();
    assert!(asked.said().ends_with("\r\n\r\nab"));
    assert_eq!(asked.next(), Step::Over);
}

#[test]
fn an_empty_piece_does_not_end_the_chunks() {
    let mut asked = Asked::new(GET);
    asked.next();
    asked.respond(&head(200, &[]), Length::Unknown);
    asked.data(b"");
    asked.data(b"0123456789abcdef");
    asked.finish();
    asked.finish();
    assert!(
        asked
            .said()
            .ends_with("\r\n\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n")
    );
}

#[test]
fn large_pieces_ride_along_and_small_ones_are_one_write() {
    let mut asked = Asked::new(GET);
    asked.next();
    let large = Bytes::from(vec![b'x'; 100_000]);
    let place = large.as_ptr();
    asked
        .machine
        .respond_with(NOW, &head(200, &[]), large, &mut asked.out);
    let first = asked.out.take_part().expect("a head");
    assert!(first.ends_with(b"\r\n\r\n"));
    assert_eq!(asked.out.take_part().expect("a body").as_ptr(), place);

    let mut asked = Asked::new(GET);
    asked.next();
    asked.machine.respond_with(
        NOW,
        &head(200, &[]),
        Bytes::from_static(b"hi"),
        &mut asked.out,
    );
    asked.out.take_part().expect("everything");
    assert!(asked.out.is_empty());
}

#[test]
fn one_request_has_one_response() {
    let mut asked = Asked::new(GET);
    assert_eq!(asked.next(), Step::BodyEnd);
    assert_eq!(asked.next(), Step::NeedResponse);
    asked.machine.respond_with(
        NOW,
        &head(200, &[]),
        Bytes::from_static(b"1"),
        &mut asked.out,
    );
    asked.said();
    asked.machine.respond_with(
        NOW,
        &head(200, &[]),
        Bytes::from_static(b"2"),
        &mut asked.out,
    );
    asked.data(b"3");
    asked.finish();
    assert_eq!(asked.said(), "");
    assert_eq!(asked.next(), Step::NeedInput);
}

#[test]
fn the_next_of_a_pipeline_waits_for_the_response() {
    let mut asked = Asked::new(&GET.repeat(2));
    assert_eq!(asked.next(), Step::BodyEnd);
    assert_eq!(asked.next(), Step::NeedResponse);
    asked.respond(&head(200, &[]), Length::Unknown);
    assert_eq!(
        asked.next(),
        Step::NeedResponse,
        "the response has not ended"
    );
    assert_eq!(asked.input.len(), GET.len());
    asked.finish();
    assert_eq!(asked.next(), Step::Head);
}

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n";

#[test]
fn a_client_is_told_to_go_on_once_and_only_if_it_waits() {
    let mut asked = Asked::new(&format!("{POST}expect: 100-continue\r\n\r\n"));
    assert_eq!(asked.next(), Step::NeedInput);
    asked.machine.want_body(&mut asked.out);
    asked.machine.want_body(&mut asked.out);
    assert_eq!(asked.said(), "HTTP/1.1 100 Continue\r\n\r\n");
    asked.input.extend_from_slice(b"hello");
    assert_eq!(asked.next(), Step::Body(Bytes::from_static(b"hello")));
    assert_eq!(asked.next(), Step::BodyEnd);
    asked
        .machine
        .respond_with(NOW, &head(200, &[]), Bytes::new(), &mut asked.out);
    assert!(!asked.said().contains("close"));

    let mut asked = Asked::new(&format!("{POST}expect: 100-continue\r\n\r\nhe"));
    asked.next();
    asked.machine.want_body(&mut asked.out);
    assert_eq!(asked.said(), "", "it did not wait");

    let mut asked = Asked::new(&format!("{POST}\r\n"));
    asked.machine.want_body(&mut asked.out);
    assert_eq!(asked.said(), "", "it never asked");
}

#[test]
fn a_client_that_still_waits_may_not_send_its_body_so_the_connection_ends() {
    let mut asked = Asked::new(&format!("{POST}expect: 100-continue\r\n\r\n"));
    asked
        .machine
        .respond_with(NOW, &head(401, &[]), Bytes::new(), &mut asked.out);
    assert!(asked.said().contains("\r\nconnection: close\r\n"));
    asked.input.extend_from_slice(GET.as_bytes());
    assert_eq!(asked.next(), Step::Over);
    assert!(asked.machine.is_cut_short());
}

#[test]
fn a_client_that_sent_no_chunk_but_the_last_waits_no_more() {
    let mut asked = Asked::new(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n0\r\n\r\n",
    );
    assert_eq!(asked.next(), Step::BodyEnd);
    asked
        .machine
        .respond_with(NOW, &head(200, &[]), Bytes::new(), &mut asked.out);
    assert!(!asked.said().contains("close"));
    assert_eq!(asked.next(), Step::NeedInput);
}

#[test]
fn a_short_body_that_nobody_wants_is_thrown_away() {
    for body in [
        "content-length: 5\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut asked = Asked::new(&format!("POST / HTTP/1.1\r\nhost: a\r\n{body}{GET}"));
        let later = asked.input.split_off(3);
        asked
            .machine
            .respond_with(NOW, &head(401, &[]), Bytes::new(), &mut asked.out);
        assert!(!asked.said().contains("close"));
        assert!(asked.machine.has_rest());
        assert_eq!(asked.next(), Step::NeedInput);
        asked.input.unsplit(later);
        assert_eq!(asked.next(), Step::BodyEnd);
        assert_eq!(asked.next(), Step::Head);
    }
}

#[test]
fn a_long_body_that_nobody_wants_ends_the_connection() {
    let most = Limits::default().max_discard;
    for (length, closes) in [(most, false), (most + 1, true)] {
        let mut asked = Asked::new(&format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
        ));
        asked
            .machine
            .respond_with(NOW, &head(401, &[]), Bytes::new(), &mut asked.out);
        assert_eq!(
            asked.said().contains("\r\nconnection: close\r\n"),
            closes,
            "{length}"
        );
        assert_eq!(
            asked.next(),
            if closes { Step::Over } else { Step::NeedInput }
        );
    }
    // Chunks do not say how many they are.
    let mut asked = Asked::new("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    asked
        .machine
        .respond_with(NOW, &head(401, &[]), Bytes::new(), &mut asked.out);
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    for _ in 0..most / 1024 {
        asked.input.extend_from_slice(chunk.as_bytes());
        assert_eq!(asked.next(), Step::NeedInput);
    }
    asked.input.extend_from_slice(chunk.as_bytes());
    assert_eq!(asked.next(), Step::Over);
    assert!(asked.machine.is_cut_short());
}

#[test]
fn a_body_that_breaks_during_its_response_is_not_answered_twice() {
    let mut asked = Asked::new("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx");
    asked.respond(&head(200, &[]), Length::Unknown);
    let Step::Refused(refusal) = asked.next() else {
        panic!("it is no chunk")
    };
    asked.said();
    asked.machine.refuse(NOW, refusal, &mut asked.out);
    assert_eq!(asked.said(), "");
    asked.data(b"hi");
    asked.finish();
    assert_eq!(asked.said(), "2\r\nhi\r\n0\r\n\r\n");
    assert_eq!(asked.next(), Step::Over);
}

#[test]
fn after_the_last_response_the_connection_ends() {
    let mut asked = Asked::new(&GET.repeat(3));
    asked.next();
    asked
        .machine
        .respond_with(NOW, &head(200, &[]), Bytes::new(), &mut asked.out);
    assert!(!asked.said().contains("close"));
    asked.machine.close_after();
    assert_eq!(asked.next(), Step::Head, "it had come");
    asked.next();
    asked
        .machine
        .respond_with(NOW, &head(200, &[]), Bytes::new(), &mut asked.out);
    assert!(asked.said().contains("\r\nconnection: close\r\n"));
    assert_eq!(asked.next(), Step::Over);
    assert!(!asked.machine.is_cut_short());
}
