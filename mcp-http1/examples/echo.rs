//! One connection without sockets: so many calls of `echo`, one after the other. Made for counting instructions:
//!
//! ```sh
//! cargo build --release -p mcp-http1 --example echo
//! valgrind --tool=callgrind target/release/examples/echo 10000
//! ```
//!
//! With `machine` as the second argument, HTTP/1.1 alone: the same requests, a fixed answer.

use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use mcp_http1::{ConnectionOptions, HttpConnection, Limits, RequestHead, ServerMachine, Step};
use mcp_server::http::{HttpOptions, HttpServer, Routes};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{InPlace, Machine, Server, tool};

/// Echo the message back.
#[tool]
fn echo(message: String) -> String {
    message
}

fn request() -> Vec<u8> {
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello performance world"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:8080\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: tools/call\r\nmcp-name: echo\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments
        .next()
        .map_or(10_000, |count| count.parse().expect("a number"));
    let request = request();
    let said = match arguments.next().as_deref() {
        Some("machine") => machine(count, &request),
        _ => connection(count, &request),
    };
    println!("{count} requests, {said} bytes in answer");
}

/// The time of the nth request: a thousand of them take a second.
fn at(n: u64) -> Now {
    Now::new(Instant::from_micros(1_000 * n), 1_785_000_000_000 + n)
}

/// Like a socket: the memory of what was read is used again, if nobody has kept it.
fn read(input: &mut BytesMut, request: &[u8]) {
    input.reserve(4096);
    input.extend_from_slice(request);
}

fn connection(count: u64, request: &[u8]) -> usize {
    let service = Server::new("echo", "1.0.0")
        .tool(echo)
        .build()
        .expect("the server is well formed");
    let server = HttpServer::new(service, HttpOptions::default(), Arc::new(InPlace), [7; 32]);
    let routes = Arc::new(Routes::new(server, "/mcp"));
    let mut connection = HttpConnection::new(routes, ConnectionOptions::default());
    let (mut input, mut out) = (BytesMut::new(), connection.outbox());
    let mut cx = Context::from_waker(Waker::noop());
    let mut said = 0;
    for n in 0..count {
        read(&mut input, request);
        let demand = connection.poll(&mut cx, at(n), &mut input, &mut out);
        assert!(demand.read && out.chunk().starts_with(b"HTTP/1.1 200 OK\r\n"));
        said += out.remaining();
        out.advance(out.remaining());
    }
    said
}

fn machine(count: u64, request: &[u8]) -> usize {
    let mut machine = ServerMachine::new(Limits::default());
    let mut head = RequestHead::default();
    let (mut input, mut out) = (BytesMut::new(), Outbox::new(1 << 20));
    let mut said = 0;
    for n in 0..count {
        read(&mut input, request);
        loop {
            match machine.next(&mut input, &mut head) {
                Step::NeedResponse => break,
                Step::Head | Step::Body(_) | Step::BodyEnd => {}
                step => panic!("{step:?}"),
            }
        }
        head.clear();
        let mut response = http::Response::new(()).into_parts().0;
        let json = HeaderValue::from_static("application/json");
        response.headers.insert(CONTENT_TYPE, json);
        let none = HeaderValue::from_static("no-store");
        response.headers.insert(CACHE_CONTROL, none);
        let body = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}");
        machine.respond_with(at(n), &response, body, &mut out);
        said += out.remaining();
        out.advance(out.remaining());
    }
    said
}
