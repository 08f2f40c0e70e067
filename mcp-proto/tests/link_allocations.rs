//! The hot path of a link allocates nothing once it is warm: from the bytes of a call to its answer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, BytesMut};
use mcp_proto::config::{Profile, ServerConfig};
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{Link, LinkEvent, Step};
use mcp_proto::time::{Instant, Now};
use mcp_types::{Implementation, ServerCapabilities, ToolsCapability};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A typical modern call of exactly 491 bytes, newline included.
fn call() -> String {
    let head = r#"{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"ExampleClient","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{}},"progressToken":"p-12345"},"name":"search_documents","arguments":{"query":""#;
    let tail = r#"","limit":10,"filters":{"language":"en","archived":false}}}}"#;
    let fill = 491 - 1 - head.len() - tail.len();
    format!("{head}{}{tail}\n", "q".repeat(fill))
}

#[test]
fn a_call_and_its_answer_allocate_nothing() {
    let mut profile = Profile::new(Implementation::new("test", "1.0.0"));
    profile.capabilities = ServerCapabilities::new().with_tools(ToolsCapability::new());
    let mut link = Link::new(ServerConfig::compile(profile).into());
    let mut input = BytesMut::with_capacity(64 * 1024);
    let mut out = Outbox::new(256 * 1024);
    let now = Now {
        instant: Instant::from_micros(1),
        unix_ms: 1,
    };
    let line = call();
    assert_eq!(line.len(), 491);
    let mut round = || {
        input.extend_from_slice(line.as_bytes());
        let mut calls = 0;
        while let Step::Event(event) = link.next(now, &mut input, &mut out) {
            let LinkEvent::Call { id, .. } = event else {
                panic!("{event:?}")
            };
            let reply = Reply::complete(Payload::Slice(
                br#"{"content":[{"type":"text","text":"ok"}]}"#,
            ));
            link.respond(id, &reply, &mut out).expect("in flight");
            calls += 1;
        }
        assert_eq!(calls, 1);
        let written = out.remaining();
        out.advance(written);
        written
    };
    for _ in 0..64 {
        round();
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..10_000 {
        assert!(round() > 100);
    }
    // The read buffer is replaced when its end is reached while a message is still borrowed from it:
    // that is the driver's allocation, once per 64 KiB at most, and does not happen here because every
    // message is dropped before the next read.
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
}
