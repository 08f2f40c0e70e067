//! An idle legacy session costs no memory: its id holds everything. Measured with a counting allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderValue, Request};
use mcp_server::http::{Begin, HttpOptions, HttpServer};
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{InPlace, Server};

struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Now = Now::new(Instant::from_micros(1), 1_785_000_000_000);
const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}"#;
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn exchange(
    server: &HttpServer,
    session: Option<&HeaderValue>,
    body: &'static [u8],
) -> (u16, Option<HeaderValue>) {
    let mut request = Request::post("http://localhost/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    if let Some(session) = session {
        request = request
            .header("mcp-session-id", session)
            .header("mcp-protocol-version", "2025-11-25");
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let mut cx = Context::from_waker(Waker::noop());
    let mut call = match server.begin(NOW, parts, None) {
        Begin::Read(call) => call,
        Begin::Respond(response) => panic!("{response:?}"),
    };
    call.body(Bytes::from_static(body)).expect("a small body");
    call.end_body(NOW);
    let Poll::Ready(head) = call.poll_head(&mut cx, NOW) else {
        panic!("answered at once")
    };
    while let Poll::Ready(Some(_)) = call.poll_data(&mut cx, NOW) {}
    (
        head.status.as_u16(),
        head.headers.get("mcp-session-id").cloned(),
    )
}

#[test]
fn a_hundred_thousand_idle_sessions_cost_nothing() {
    let service = Server::new("idle", "1.0.0").build().expect("well formed");
    let server = HttpServer::new(service, HttpOptions::default(), Arc::new(InPlace), [3; 32]);
    let session = || {
        let (status, id) = exchange(&server, None, INITIALIZE);
        assert_eq!(status, 200);
        let id = id.expect("a session id");
        assert_eq!(exchange(&server, Some(&id), INITIALIZED).0, 202);
    };
    for _ in 0..1000 {
        session();
    }
    let before = LIVE.load(Ordering::Relaxed);
    for _ in 0..100_000 {
        session();
    }
    let grown = LIVE.load(Ordering::Relaxed) - before;
    println!(
        "100,000 idle sessions: {grown} bytes, {} attached",
        server.sessions()
    );
    assert_eq!(server.sessions(), 0);
    assert!(grown < 4096, "{grown} bytes");
}
