//! The server that the scenarios talk to: small handlers that wait for gates, and count what became of them.
//!
//! Owns the handlers and the [`World`] that they share. Everything can be steered through calls, for the server may be
//! another process; what has to come from elsewhere than a connection's own turn comes from a thread. No handler needs a
//! runtime.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mcp_server::types::LoggingLevel;
use mcp_server::{AskError, Context, Elicited, Server, Service, State, Tool, resource, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::settings::Settings;

/// The one resource.
pub(super) const WATCHED: &str = "test://watched";

/// What a handler says when it panics.
pub(super) const ON_PURPOSE: &str = "on purpose";

/// The gates, and what became of the handlers that wait at one.
#[derive(Debug, Default)]
pub(super) struct World {
    gates: Mutex<HashMap<String, Gate>>,
    started: AtomicUsize,
    dropped: AtomicUsize,
    finished: AtomicUsize,
}

impl World {
    pub(super) fn gate(&self, name: &str) -> Gate {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(name.to_owned()).or_default().clone()
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            started: self.started.load(Ordering::SeqCst),
            dropped: self.dropped.load(Ordering::SeqCst),
            finished: self.finished.load(Ordering::SeqCst),
        }
    }

    /// Lets everybody go, so that no thread outlives its scenario for long.
    pub(super) fn open_all(&self) {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<Gate> = gates.values().cloned().collect();
        drop(gates);
        all.iter().for_each(Gate::open);
    }
}

/// What became of the handlers that wait at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Seen {
    pub(super) started: usize,
    /// Given up before they were let through.
    pub(super) dropped: usize,
    pub(super) finished: usize,
}

pub(super) fn service(settings: &Settings) -> Service {
    Server::new("contract", "1.0.0")
        .state(World::default())
        .limits(settings.limits())
        .tool(echo)
        .tool(add)
        .tool(large)
        .tool(pend)
        .tool(hold)
        .tool(open)
        .tool(open_later)
        .tool(seen)
        .tool(nap)
        .tool(report)
        .tool(ask)
        .tool(spawned)
        .tool(panics)
        .tool(panics_later)
        .tool(panics_elsewhere)
        .tool(touch_later)
        .tool(change_later)
        .tool(shout)
        .tool(grandchild)
        .resource(watched)
        .build()
        .expect("the fixture is well formed")
}

/// Counts a handler that was given up.
struct Watch<'a>(&'a World, bool);

impl<'a> Watch<'a> {
    fn start(world: &'a World) -> Self {
        world.started.fetch_add(1, Ordering::SeqCst);
        Self(world, false)
    }

    fn finish(mut self) {
        self.1 = true;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let counter = if self.1 {
            &self.0.finished
        } else {
            &self.0.dropped
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns its argument.
#[tool]
fn echo(text: String) -> String {
    text
}

/// Adds two numbers.
#[tool]
fn add(a: f64, b: f64) -> f64 {
    a + b
}

/// Returns many bytes.
#[tool]
fn large(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Waits at a gate without a thread.
#[tool]
async fn pend(gate: String, world: State<World>) -> &'static str {
    let watch = Watch::start(&world);
    world.gate(&gate).await;
    watch.finish();
    "let through"
}

/// Waits at a gate and blocks its thread; says before that it does.
#[tool(blocking)]
fn hold(gate: String, world: State<World>, ctx: Context) -> &'static str {
    let watch = Watch::start(&world);
    ctx.progress(1.0, None, Some("holding"));
    world.gate(&gate).wait();
    watch.finish();
    "let through"
}

/// Opens a gate.
#[tool]
fn open(gate: String, world: State<World>) -> &'static str {
    world.gate(&gate).open();
    "open"
}

/// Opens a gate from another thread, some milliseconds later.
#[tool]
fn open_later(gate: String, ms: u64, world: State<World>) -> &'static str {
    let gate = world.gate(&gate);
    later(ms, move || gate.open());
    "soon"
}

/// Says what became of the handlers that wait at a gate.
#[tool]
fn seen(world: State<World>) -> Seen {
    world.seen()
}

/// Sleeps on the driver's timer.
#[tool]
async fn nap(ms: u64, ctx: Context) -> String {
    ctx.sleep(Duration::from_millis(ms)).await;
    format!("slept {ms}")
}

/// Reports progress three times and logs once, then waits at a gate and reports once more.
#[tool]
async fn report(gate: String, world: State<World>, ctx: Context) -> &'static str {
    for step in [1.0, 2.0, 3.0] {
        ctx.progress(step, Some(4.0), Some("on the way"));
    }
    ctx.log(LoggingLevel::Warning, Some("contract"), "half way");
    world.gate(&gate).await;
    ctx.progress(4.0, Some(4.0), None);
    "reported"
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// Asks for a name.
#[tool]
async fn ask(ctx: Context) -> Result<String, AskError> {
    Ok(match ctx.elicit::<Name>("name", "Who are you?").await? {
        Elicited::Accepted(answer) => format!("Hello {}", answer.name),
        _ => "no name".to_owned(),
    })
}

/// Runs on a task of its own.
#[tool(spawn)]
async fn spawned(gate: String, world: State<World>) -> &'static str {
    world.gate(&gate).await;
    "spawned"
}

/// Panics at once.
#[tool]
fn panics() -> String {
    panic!("{ON_PURPOSE}")
}

/// Panics after it has waited.
#[tool]
async fn panics_later(gate: String, world: State<World>) -> String {
    world.gate(&gate).await;
    panic!("{ON_PURPOSE}")
}

/// Panics on a thread where it may block.
#[tool(blocking)]
fn panics_elsewhere() -> String {
    panic!("{ON_PURPOSE}")
}

/// Announces from another thread, some milliseconds later, that the resource has changed.
#[tool]
fn touch_later(ms: u64, ctx: Context) -> &'static str {
    let service = ctx.service().clone();
    later(ms, move || service.notify_resource_updated(WATCHED));
    "soon"
}

/// Adds a tool from another thread, some milliseconds later, or removes it.
#[tool]
fn change_later(ms: u64, ctx: Context) -> &'static str {
    let service = ctx.service().clone();
    later(ms, move || {
        if !service.tools().remove("visitor") {
            let visitor = Tool::builder("visitor")
                .input_schema(r#"{"type":"object"}"#)
                .call(|_: serde_json::Value, _ctx| Ok("hello".to_owned()));
            service.tools().add(visitor).expect("a new name");
        }
    });
    "soon"
}

/// Prints where only the protocol may speak, and lets a child do so, too.
#[tool]
fn shout() -> String {
    println!("this is a stray line");
    let status = Command::new("sh")
        .args(["-c", "echo from a grandchild; cat"])
        .status();
    format!("shouted: {}", status.is_ok_and(|status| status.success()))
}

/// Starts a process that outlives this one and says which.
#[tool]
fn grandchild() -> Result<u32, String> {
    let child = Command::new("sleep").arg("20").spawn();
    child
        .map(|child| child.id())
        .map_err(|error| error.to_string())
}

/// A text.
#[resource(uri = "test://watched", mime_type = "text/plain")]
fn watched() -> &'static str {
    "text"
}

fn later(ms: u64, act: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(ms));
        act();
    });
}
