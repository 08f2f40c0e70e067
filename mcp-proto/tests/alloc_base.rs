//! The steady state of the core's base allocates nothing: reading a line, scanning it, and writing the answer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::{Buf, BytesMut};
use mcp_proto::error::WireError;
use mcp_proto::frame::lines::{Line, Lines};
use mcp_proto::id::{Slab, WireId};
use mcp_proto::json::{Inbound, ScanLimits, text, write};
use mcp_proto::outbox::Outbox;

/// Counts what this thread allocates; other tests' threads do not disturb it.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // The allocator may run while the thread is being torn down.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every method forwards to the system allocator unchanged; the counter neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` or `realloc` above, so from the system allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for `dealloc`; the caller keeps the contract for `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `work` makes.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":17,"m\u0065thod":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"Größe","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{"extensions":{}},"progressToken":"p"},"name":"execute_sql","arguments":{"query":"SELECT 1","nested":[{"a":[1.5e3,null,true]}]}}}"#;

#[test]
fn reading_scanning_and_answering_allocate_nothing() {
    let limits = ScanLimits::default();
    let (mut lines, mut input, mut out) = (
        Lines::new(1 << 20),
        BytesMut::with_capacity(8 << 10),
        Outbox::new(64 << 10),
    );
    let mut calls = Slab::new(16);
    let mut round = || {
        for _ in 0..3 {
            input.extend_from_slice(CALL.as_bytes());
            input.extend_from_slice(b"\r\n");
        }
        let mut answered = 0;
        while let Line::Message(line) = lines.next(&mut input) {
            let inbound = Inbound::scan(line, &limits).unwrap();
            let id: WireId = inbound.id().unwrap();
            let (slot, generation) = calls.insert(id).unwrap();
            assert!(text::eq_decoded(
                inbound.text(inbound.envelope.name),
                "execute_sql"
            ));
            assert!(text::get(inbound.text(inbound.envelope.arguments), "nested").is_some());
            let id = calls.remove(slot, generation).unwrap();
            write::result_start(&mut out, &id);
            write::raw_bytes(&mut out, br#"{"content":[{"type":"text","text":"#);
            text::write_str(&mut out, "a \"quoted\" answer\n");
            write::raw(&mut out, "}]}");
            write::end(&mut out);
            out.put_byte(b'\n');
            answered += 1;
        }
        let _ = Inbound::scan(bytes::Bytes::from_static(b"{\"broken\":"), &limits).unwrap_err();
        write::write_error(&mut out, None, &WireError::parse_error("broken"));
        assert_eq!(answered, 3);
        while out.has_remaining() {
            out.advance(out.chunk().len().min(1000)); // partial writes
        }
    };
    for _ in 0..10 {
        round();
    }
    for number in 0..1000 {
        assert_eq!(allocations(&mut round), 0, "round {number}");
    }
}

#[test]
fn answers_taken_as_bytes_allocate_nothing_once_the_last_one_is_gone() {
    let mut out = Outbox::new(64 << 10);
    let id = WireId::from(1u64);
    let mut round = || {
        write::write_result(&mut out, &id, r#"{"content":[]}"#);
        assert!(!out.take_bytes().is_empty());
    };
    for _ in 0..200 {
        round();
    }
    let counted = allocations(|| (0..1000).for_each(|_| round()));
    assert_eq!(counted, 0);
}

#[test]
fn a_message_of_a_megabyte_is_scanned_in_place() {
    let frame = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"arguments":{{"text":"{}"}}}}}}"#,
        "x\\n".repeat(350_000)
    );
    let counted = allocations(|| {
        mcp_proto::json::scan(frame.as_bytes(), &ScanLimits::default()).unwrap();
    });
    assert_eq!(counted, 0);
}
