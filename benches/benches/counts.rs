//! What can be counted: allocations and bytes. Not criterion, and the same on every run.
//!
//! Prints one line of JSON per figure: `{"name":…,"allocations":…,"bytes":…}`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use bytes::{Buf, BytesMut};
use mcp_benches::{
    Bench, call_300, call_500, echo_legacy, echo_modern, handshake, listen, service,
};
use mcp_proto::json::{ScanLimits, scan};
use mcp_proto::limits::Limits;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{Link, LinkEvent, Step};
use mcp_proto::time::{Instant, Now};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call goes on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        LIVE.fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const RUNS: u64 = 1000;

/// Allocations of one run in the steady state.
fn allocations(name: &str, mut run: impl FnMut()) {
    for _ in 0..RUNS {
        run();
    }
    let before = ALLOCATIONS.load(Relaxed);
    for _ in 0..RUNS {
        run();
    }
    let each = (ALLOCATIONS.load(Relaxed) - before) as f64 / RUNS as f64;
    println!(r#"{{"name":"{name}","allocations":{each}}}"#);
}

const NOW: Now = Now {
    instant: Instant::from_micros(1),
    unix_ms: 0,
};

fn main() {
    for (name, text) in [("scan call-309", call_300()), ("scan call-491", call_500())] {
        allocations(name, || {
            scan(text.as_bytes(), &ScanLimits::default()).expect("valid");
        });
    }
    let body = br#"{"content":[{"type":"text","text":"hello performance world"}]}"#;
    let eras = [
        ("modern", String::new(), echo_modern(7)),
        ("legacy", handshake(), echo_legacy(7)),
    ];
    for (era, before, call) in &eras {
        let service = service(3, Limits::default());
        let mut link = Link::new(Arc::clone(service.config()));
        let (mut input, mut out) = (BytesMut::with_capacity(1 << 16), Outbox::new(1 << 20));
        input.extend_from_slice(before.as_bytes());
        while let Step::Event(_) = link.next(NOW, &mut input, &mut out) {}
        allocations(&format!("link round trip {era}"), || {
            input.reserve(1 << 12);
            input.extend_from_slice(call.as_bytes());
            let Step::Event(LinkEvent::Call { id, .. }) = link.next(NOW, &mut input, &mut out)
            else {
                panic!("a call was expected");
            };
            let reply = Reply::complete(Payload::Slice(body));
            link.respond(id, &reply, &mut out).expect("in flight");
            out.advance(out.remaining());
        });
        let mut bench = Bench::new(service);
        bench.feed(before.as_bytes());
        allocations(&format!("connection echo {era}"), || {
            bench.input.reserve(1 << 12);
            bench.feed(call.as_bytes());
            bench.out.advance(bench.out.remaining());
        });
    }
    per_listen();
    per_connection();
}

/// What an open subscription keeps, in the machine and with the framework around it.
fn per_listen() {
    let limits = Limits {
        max_calls: 20_000,
        max_listens: 20_000,
        ..Limits::default()
    };
    let service = service(1, limits);
    let mut link = Link::new(Arc::clone(service.config()));
    let (mut input, mut out) = (BytesMut::with_capacity(1 << 16), Outbox::new(1 << 20));
    let mut open = |count: u64, first: u64| {
        for id in first..first + count {
            input.extend_from_slice(listen(id).as_bytes());
            while let Step::Event(_) = link.next(NOW, &mut input, &mut out) {}
            out.clear();
        }
    };
    open(16, 1);
    let before = LIVE.load(Relaxed);
    // The table doubles; a power of two in all shows what it holds and not what it reserves.
    open(16_384 - 16, 100);
    println!(
        r#"{{"name":"listen in a link","bytes":{}}}"#,
        (LIVE.load(Relaxed) - before) / (16_384 - 16)
    );
    let mut bench = Bench::new(service);
    bench.feed(listen(1).as_bytes());
    let before = LIVE.load(Relaxed);
    for id in 2..16_385 {
        bench.feed(listen(id).as_bytes());
        bench.out.clear();
    }
    println!(
        r#"{{"name":"listen in a connection","bytes":{}}}"#,
        (LIVE.load(Relaxed) - before) / 16_383
    );
}

/// What a silent connection keeps.
fn per_connection() {
    let service = service(3, Limits::default());
    for (era, first) in [("modern", echo_modern(7)), ("legacy", handshake())] {
        let mut kept = Vec::with_capacity(1000);
        let before = LIVE.load(Relaxed);
        for _ in 0..1000 {
            let mut bench = Bench::new(service.clone());
            bench.input = BytesMut::new();
            bench.feed(first.as_bytes());
            bench.out.clear();
            kept.push(bench);
        }
        println!(
            r#"{{"name":"idle connection {era}","bytes":{}}}"#,
            (LIVE.load(Relaxed) - before) / 1000
        );
    }
}
