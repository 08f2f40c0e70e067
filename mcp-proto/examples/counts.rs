//! The hot paths of the core, to be counted rather than timed: `counts NAME` prints what [`ROUNDS`] rounds allocate, and
//! under `valgrind --tool=callgrind --toggle-collect='*counted_rounds*'` the instructions are those of the same rounds.
//!
//! Time says nothing on a busy machine; counts are the same on every run of one program. `cargo xtask test --only counts`
//! compares them with `xtask/counts.txt`.
#![allow(missing_docs, reason = "a program, not an interface")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use mcp_proto::config::{Profile, ServerConfig};
use mcp_proto::http::admit::{HeadRules, Verdict, admit, guard};
use mcp_proto::http::exchange::{Exchange, Pace};
use mcp_proto::http::head::Head;
use mcp_proto::json::{Inbound, ScanLimits, scan};
use mcp_proto::judge;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{Link, LinkEvent, Step};
use mcp_proto::time::{Instant, Now};
use mcp_types::{Implementation, ServerCapabilities, ToolsCapability};

/// Rounds that are counted together.
const ROUNDS: usize = 100;

/// Rounds before them: buffers reach their size.
const WARM_UP: usize = 20;

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

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

type Round = Box<dyn FnMut()>;

type Path = fn() -> Round;

/// Every path with its name, which is that in the baseline.
const PATHS: [(&str, Path); 7] = [
    ("scan_call_309", || scanned(call(309))),
    ("scan_call_491", || scanned(call(491))),
    ("scan_string_64k", || scanned(string(64 * 1024))),
    ("scan_tools_62k", || scanned(tools(62_000))),
    ("core_round_trip", round_trip),
    ("idle_poll_10000_listens", idle_poll),
    ("http_json_answer", http_answer),
];

fn main() {
    let wanted = std::env::args().nth(1);
    for (name, path) in PATHS {
        if wanted.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let mut round = path();
        for _ in 0..WARM_UP {
            round();
        }
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        counted_rounds(&mut *round);
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        println!("{name} {allocations}");
    }
}

/// The only function whose instructions are collected.
#[inline(never)]
fn counted_rounds(round: &mut dyn FnMut()) {
    for _ in 0..ROUNDS {
        black_box(&mut *round)();
    }
}

fn now() -> Now {
    Now {
        instant: Instant::from_micros(1),
        unix_ms: 1_785_000_000_000,
    }
}

/// A modern `tools/call` of exactly `size` bytes.
fn call(size: usize) -> String {
    let head =
        format!(r#"{{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{{{META},"name":"#);
    padded(
        &head,
        r#""search","arguments":{"q":""#,
        r#"","limit":10}}}"#,
        size,
    )
}

/// A call whose one argument is a string; `size` bytes in all.
fn string(size: usize) -> String {
    padded(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"#,
        r#""echo","arguments":{"text":""#,
        r#""}}}"#,
        size,
    )
}

fn padded(head: &str, middle: &str, tail: &str, size: usize) -> String {
    let fill = size - head.len() - middle.len() - tail.len();
    let frame = format!("{head}{middle}{}{tail}", "q".repeat(fill));
    assert_eq!(frame.len(), size);
    frame
}

/// The answer to `tools/list`, at least `size` bytes, all of them short tokens.
fn tools(size: usize) -> String {
    let mut frame = String::from(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":["#);
    let mut number = 0;
    while frame.len() < size {
        if number > 0 {
            frame.push(',');
        }
        frame.push_str(&format!(
            r#"{{"name":"tool_{number}","title":"Tool {number}","description":"Does thing number {number}, quickly.","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string","description":"What to look for"}},"limit":{{"type":"integer","minimum":1,"maximum":100,"default":10}},"tags":{{"type":"array","items":{{"type":"string"}}}}}},"required":["query"],"additionalProperties":false}},"annotations":{{"readOnlyHint":true,"openWorldHint":false}}}}"#
        ));
        number += 1;
    }
    frame.push_str("]}}");
    frame
}

fn scanned(frame: String) -> Round {
    let limits = ScanLimits::default();
    Box::new(move || {
        let found = scan(black_box(frame.as_bytes()), &limits);
        assert!(black_box(found).is_ok());
    })
}

fn config() -> ServerConfig {
    let mut profile = Profile::new(Implementation::new("counts", "1.0.0"));
    profile.capabilities =
        ServerCapabilities::new().with_tools(ToolsCapability::new().with_list_changed(true));
    profile.limits.max_calls = 20_000;
    profile.limits.max_listens = 20_000;
    ServerConfig::compile(profile)
}

const ANSWER: &[u8] = br#"{"content":[{"type":"text","text":"ok"}]}"#;

/// From the bytes of a call to the bytes of its answer.
fn round_trip() -> Round {
    let mut link = Link::new(config().into());
    let mut input = BytesMut::with_capacity(64 * 1024);
    let mut out = Outbox::new(256 * 1024);
    let line = call(490) + "\n";
    Box::new(move || {
        input.extend_from_slice(line.as_bytes());
        while let Step::Event(event) = link.next(now(), &mut input, &mut out) {
            let LinkEvent::Call { id, .. } = event else {
                panic!("{event:?}")
            };
            let reply = Reply::complete(Payload::Slice(ANSWER));
            link.respond(id, &reply, &mut out).expect("in flight");
        }
        let written = out.remaining();
        assert!(written > 100);
        out.advance(written);
    })
}

/// Asking a link that has nothing to do.
fn idle_poll() -> Round {
    let mut link = Link::new(config().into());
    let mut input = BytesMut::new();
    let mut out = Outbox::new(256 * 1024);
    for number in 0..10_000 {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{number},"method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true}}}}}}"#
        );
        input.extend_from_slice(line.as_bytes());
        input.extend_from_slice(b"\n");
        while let Step::Event(event) = link.next(now(), &mut input, &mut out) {
            assert!(matches!(event, LinkEvent::Listening { .. }), "{event:?}");
        }
        out.advance(out.remaining());
    }
    assert_eq!(link.in_flight(), 10_000);
    Box::new(move || {
        let step = link.next(now(), &mut input, &mut out);
        assert!(matches!(black_box(step), Step::NeedInput));
        assert!(black_box(link.poll_timeout()).is_none());
    })
}

/// One HTTP exchange: judge the head, take the body, answer with JSON.
fn http_answer() -> Round {
    let config = config();
    let rules = HeadRules::new(1 << 20, true);
    let body = Bytes::from(call(491));
    let (parts, ()) = http::Request::post("/mcp")
        .header("host", "localhost:3000")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "search")
        .body(())
        .expect("a head")
        .into_parts();
    Box::new(move || {
        let head = Head::of(&parts);
        assert!(matches!(guard(&rules, &head), Ok(None)));
        let Verdict::Read(posted) = admit(&rules, &head) else {
            panic!("refused")
        };
        let mut exchange = Exchange::new(1 << 20);
        exchange.body(body.clone()).expect("short");
        let (body, exchange) = exchange.finish_body(now().instant, posted.accepts, Pace::default());
        let inbound = Inbound::scan(body, &ScanLimits::default()).expect("a request");
        let context =
            judge::modern(&config, &inbound, Some(&posted.mirror)).expect("a modern request");
        let id = inbound.id().expect("a request");
        let reply = Reply::complete(Payload::Slice(ANSWER));
        let mut answer = exchange.finish(now().instant, StatusCode::OK, |out| {
            reply.write(out, &id, inbound.envelope.method, context.revision, &config);
        });
        assert!(answer.take_outline().is_some());
        assert!(black_box(answer.take_data()).is_some());
    })
}
