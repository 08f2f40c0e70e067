//! What is understood: requests as clients send them, and the corners of what they may send.

use crate::driven::{Outcome, anyhow_cut, whole};

/// Bytes that are well formed, and how many whole requests are in them.
pub(crate) const ACCEPTED: &[(&str, &[u8], usize)] = &[
    ("nothing", b"", 0),
    ("part of a head", b"GET / HTTP/1.1\r\nhost: a", 0),
    ("the least", b"GET / HTTP/1.1\r\nhost:\r\n\r\n", 1),
    ("an empty line before it", b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 1),
    ("HTTP/1.0 without host", b"GET / HTTP/1.0\r\n\r\n", 1),
    ("a length", b"POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello", 1),
    ("a length of nothing", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", 1),
    ("a length with zeros before it", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0005\r\n\r\nhello", 1),
    ("a body with GET", b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi", 1),
    ("part of a body", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel", 0),
    ("chunks", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 1),
    ("chunks in capitals", b"POST / HTTP/1.1\r\nhost: a\r\nTRANSFER-ENCODING: Chunked\r\n\r\nA\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n", 1),
    ("no chunk but the last", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 1),
    ("chunk extensions", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2;a=b; c=\"d e\"\r\nhi\r\n0;last\r\n\r\n", 1),
    ("trailers", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1, 2\r\nx-empty:\r\n\r\n", 1),
    ("part of the last chunk", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r", 0),
    ("blanks around values", b"GET / HTTP/1.1\r\nhost: \t a \t\r\nx:y\r\nz: \r\n\r\n", 1),
    ("bytes beyond ASCII in a value", b"GET / HTTP/1.1\r\nhost: a\r\nx: \xc3\xa4\xff\r\n\r\n", 1),
    ("every character of a name", b"GET / HTTP/1.1\r\nhost: a\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n", 1),
    ("a method of its own", b"M-SEARCH!* / HTTP/1.1\r\nhost: a\r\n\r\n", 1),
    ("a method in lower case", b"get / HTTP/1.1\r\nhost: a\r\n\r\n", 1),
    ("a query", b"GET /a/b?c=d&e=%20?f HTTP/1.1\r\nhost: a:8080\r\n\r\n", 1),
    ("two slashes", b"GET //evil.example/x HTTP/1.1\r\nhost: a\r\n\r\n", 1),
    ("an absolute target", b"GET http://Example.com/x HTTP/1.1\r\nhost: example.COM\r\n\r\n", 1),
    ("an absolute target with its port", b"GET http://a:80/x HTTP/1.1\r\nhost: a\r\n\r\n", 1),
    ("an absolute target of HTTP/1.0", b"GET https://a HTTP/1.0\r\n\r\n", 1),
    ("everything", b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 1),
    ("an address as host", b"GET / HTTP/1.1\r\nhost: [::1]:8080\r\n\r\n", 1),
    ("two in a row", b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n", 2),
    ("three with bodies", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi\r\nPOST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 3),
    ("one that closes, and another", b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 1),
    ("one that closes among other options", b"GET / HTTP/1.1\r\nhost: a\r\nconnection: x, CLOSE\r\nconnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 1),
    ("HTTP/1.0 closes", b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", 1),
    ("HTTP/1.0 stays when told", b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", 2),
    ("an upgrade is not taken", b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n\r\n", 1),
    ("an expectation", b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\ncontent-length: 2\r\n\r\nhi", 1),
    ("an expectation without a body", b"GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n", 1),
    ("an expectation of HTTP/1.0", b"POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi", 1),
    ("what asks for a tunnel elsewhere", b"GET / HTTP/1.1\r\nhost: a\r\nproxy-connection: close\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 2),
];

#[test]
fn every_vector_is_understood_wherever_it_is_cut() {
    for (name, bytes, count) in ACCEPTED {
        let trace =
            std::panic::catch_unwind(|| anyhow_cut(bytes)).unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(trace.outcome(), Outcome::Requests(*count), "{name}");
    }
}

#[test]
fn what_is_understood_is_what_was_sent() {
    let trace = whole(
        b"POST /mcp?a=b HTTP/1.1\r\nHost: localhost:80\r\nMCP-Protocol-Version: 2026-07-28\r\nmcp-name: x\r\nX-A: 1\r\n\
          x-a:  2 \r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n",
    );
    let [seen] = &trace.seen[..] else {
        panic!("{trace:?}")
    };
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.uri, "/mcp?a=b");
    assert_eq!(seen.version, http::Version::HTTP_11);
    assert_eq!(seen.body, b"abcde");
    let headers = &seen.headers;
    assert_eq!(headers["host"], "localhost:80");
    assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
    assert_eq!(headers["mcp-name"], "x");
    let repeated: Vec<_> = headers.get_all("x-a").iter().collect();
    assert_eq!(repeated, ["1", "2"]);
    assert!(!headers.contains_key("x"), "trailers are thrown away");
    assert_eq!(headers.len(), 6);
}

#[test]
fn nothing_of_the_former_request_is_left_in_the_next() {
    let trace = whole(
        b"PUT http://a/1 HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\nx: 1\r\nx: 2\r\n\r\nGET /2 HTTP/1.1\r\nhost: b\r\n\r\n",
    );
    let second = &trace.seen[1];
    assert_eq!(
        (&second.method, second.version),
        (&http::Method::GET, http::Version::HTTP_11)
    );
    assert_eq!(second.uri, "/2");
    assert_eq!(second.headers.len(), 1);
    assert_eq!(second.headers["host"], "b");
}
