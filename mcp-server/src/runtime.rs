//! What the framework needs of a driver's runtime, and the wall between a handler and everybody else.
//!
//! Owns no task and no thread: a driver does. Must never let a panic pass.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mcp_proto::time::Instant;

use crate::outcome::BoxFuture;

/// What the framework may ask of a driver's runtime. Everything else it does itself.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// Runs a future to its end, on whatever thread.
    fn spawn(&self, future: BoxFuture<()>);

    /// Runs work that blocks, on a thread where that hurts nobody. Work that has to wait for a thread is to be dropped as soon as
    /// it is [`unwanted`](Blocking::unwanted): a client that calls and cancels must not fill the queue.
    fn spawn_blocking(&self, work: Blocking);

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

/// Work that may block its thread: a handler that is marked so, and its arguments.
pub struct Blocking {
    work: Box<dyn FnOnce() + Send>,
    unwanted: BoxFuture<()>,
}

impl Blocking {
    /// `unwanted` completes when nobody waits for the work any more.
    pub fn new(
        work: impl FnOnce() + Send + 'static,
        unwanted: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self {
            work: Box::new(work),
            unwanted: Box::pin(unwanted),
        }
    }

    /// Does the work on this thread.
    pub fn run(self) {
        (self.work)();
    }

    /// Completes when nobody waits for the work any more. Cancel-safe.
    pub async fn unwanted(&mut self) {
        self.unwanted.as_mut().await;
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocking")
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

    fn spawn_blocking(&self, work: Blocking) {
        work.run();
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
