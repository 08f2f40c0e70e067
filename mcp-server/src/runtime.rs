//! What the framework needs of a driver's runtime, and the wall between a handler and everybody else.
//!
//! Owns no task and no thread: a driver does. Must never let a panic pass.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mcp_proto::time::Instant;

use crate::outcome::BoxFuture;

/// What the framework may ask of a driver's runtime. Everything else it does itself.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// Runs a future to its end, on whatever thread.
    fn spawn(&self, future: BoxFuture<()>);

    /// Runs work that blocks, on a thread where that hurts nobody.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);

    /// Whether [`spawn`](Self::spawn) and [`spawn_blocking`](Self::spawn_blocking) do what they say. If not,
    /// `#[tool(spawn)]` and `#[tool(blocking)]` run in place.
    fn can_spawn(&self) -> bool {
        true
    }

    /// The time: the same clock that the driver's [`Now`](mcp_proto::time::Now) is made from. For work that no request drives,
    /// and for the note on slow polls.
    fn clock(&self) -> Option<Instant> {
        None
    }

    /// Completes when [`clock`](Self::clock) reaches `at`.
    ///
    /// A legacy call over HTTP goes on when its client is gone, and only a timer ends its wait for an answer that never comes.
    /// Without one it waits until its session is used again.
    fn sleep_until(&self, _at: Instant) -> Option<BoxFuture<()>> {
        None
    }
}

/// No runtime at all: every handler runs where the call is polled. For tests and single-threaded hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct InPlace;

impl Runtime for InPlace {
    /// Drops the future: there is nobody to poll it.
    fn spawn(&self, future: BoxFuture<()>) {
        drop(future);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn can_spawn(&self) -> bool {
        false
    }
}

/// Runs a piece of a handler; `None` if it panicked. What it leaves behind is dropped, not used again.
pub(crate) fn guard<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // A payload may panic in its turn when it is dropped. One of those is enough.
            if catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err() {
                // Nothing more can be done about it.
            }
            None
        }
    }
}
