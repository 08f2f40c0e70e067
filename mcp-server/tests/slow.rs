//! The note on handlers that hold up their connection.
#![cfg(feature = "tracing")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Waker};

use bytes::BytesMut;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{Blocking, BoxFuture, Connection, Runtime, Server, tool};
use tracing::field::{Field, Visit};
use tracing::span;

/// Every look at its clock finds it so many microseconds later.
#[derive(Debug)]
struct Ticking {
    time: AtomicU64,
    step: u64,
}

impl Runtime for Ticking {
    fn spawn(&self, future: BoxFuture<()>) {
        drop(future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        work.run();
    }

    fn can_spawn(&self) -> bool {
        false
    }

    fn clock(&self) -> Option<Instant> {
        let now = self.time.fetch_add(self.step, Ordering::SeqCst);
        Some(Instant::from_micros(now))
    }
}

/// Keeps the fields of every event.
#[derive(Default, Clone)]
struct Heard(Arc<Mutex<Vec<String>>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Heard {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut Fields(&mut text));
        self.0.lock().unwrap().push(text);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Plain.
#[tool]
fn plain() {}

/// Polled in place.
#[tool]
async fn polled() {}

/// What is said of a call of `tool` where every step takes `step` microseconds.
fn heard(tool: &str, step: u64) -> Vec<String> {
    let service = Server::new("slow", "1.0.0").tool(plain).tool(polled);
    let time = AtomicU64::new(1);
    let runtime = Arc::new(Ticking { time, step });
    let mut connection = Connection::new(service.build().unwrap(), runtime, [3; 32]);
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    let mut input = BytesMut::from(format!("{line}\n").as_bytes());
    let mut out = connection.outbox();
    let heard = Heard::default();
    tracing::subscriber::with_default(heard.clone(), || {
        let now = Now::new(Instant::from_micros(1), 1_785_000_000_000);
        let mut cx = TaskContext::from_waker(Waker::noop());
        connection.poll(&mut cx, now, &mut input, &mut out);
    });
    heard.0.lock().unwrap().clone()
}

#[test]
fn a_handler_that_holds_up_its_connection_is_named() {
    for tool in ["plain", "polled"] {
        let heard = heard(tool, 20_000);
        assert!(!heard.is_empty());
        let names = |note: &String| note.contains(tool) && note.contains("millis=20");
        assert!(heard.iter().all(names), "{heard:?}");
    }
}

#[test]
fn a_quick_handler_is_not() {
    for tool in ["plain", "polled"] {
        assert_eq!(heard(tool, 1_000), Vec::<String>::new());
    }
}
