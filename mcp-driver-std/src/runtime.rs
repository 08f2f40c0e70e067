//! The services that the framework may ask of a runtime, on threads.
//!
//! Owns the mapping from `#[tool(spawn)]` and `#[tool(blocking)]` to the pool, and the one clock of everything that runs
//! here. Must never keep what nobody waits for: work that waits for its turn leaves the queue when its call is over.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use mcp_driver::{DEFAULT_BLOCKING_THREADS, SystemClock};
use mcp_server::proto::time::Instant;
use mcp_server::{Blocking, BoxFuture, Runtime};

use crate::pool::Pool;
use crate::timers::Timers;

/// Runs handlers on a bounded number of threads. Clones are the same runtime.
#[derive(Debug, Clone)]
pub struct StdRuntime {
    pub(crate) pool: Pool,
    pub(crate) clock: SystemClock,
    timers: Arc<Timers>,
}

impl Default for StdRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl StdRuntime {
    /// A runtime in which at most [`DEFAULT_BLOCKING_THREADS`] handlers run at once.
    #[must_use]
    pub fn new() -> Self {
        Self::with_blocking_threads(DEFAULT_BLOCKING_THREADS)
    }

    /// A runtime in which at most `threads` handlers run at once, each on a thread of its own; further ones wait for their
    /// turn. Nothing is started before it is needed.
    #[must_use]
    pub fn with_blocking_threads(threads: usize) -> Self {
        let clock = SystemClock::start();
        Self {
            pool: Pool::new(threads),
            clock,
            timers: Arc::new(Timers::new(clock)),
        }
    }
}

impl Runtime for StdRuntime {
    fn spawn(&self, future: BoxFuture<()>) {
        let task = Arc::new(Task {
            future: Mutex::new(Some(future)),
            state: AtomicU8::new(IDLE),
            pool: self.pool.clone(),
        });
        task.wake();
    }

    fn spawn_blocking(&self, work: Blocking) {
        let waits = Arc::new(Waits {
            state: Mutex::new((Some(work), None)),
            pool: self.pool.clone(),
        });
        let turn = Arc::clone(&waits);
        let number = self.pool.handle(Box::new(move || {
            let work = turn.take();
            if let Some(work) = work {
                work.run();
            }
        }));
        waits.watch(number);
    }

    fn clock(&self) -> Option<Instant> {
        Some(self.clock.instant())
    }

    fn sleep_until(&self, at: Instant) -> Option<BoxFuture<()>> {
        Some(Box::pin(self.timers.sleep_until(at)))
    }
}

/// Blocking work until it gets its thread.
struct Waits {
    /// The work, and its number in the queue once that is known.
    state: Mutex<(Option<Blocking>, Option<u64>)>,
    pool: Pool,
}

impl Waits {
    fn take(&self) -> Option<Blocking> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .take()
    }

    fn watch(self: &Arc<Self>, number: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(number);
        self.look();
    }

    /// Drops the work if nobody waits for it any more; otherwise this is called again when that may be so.
    fn look(self: &Arc<Self>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(work), Some(number)) = &mut *state else {
            return;
        };
        let waker = Waker::from(Arc::clone(self));
        let over = pin!(work.unwanted()).poll(&mut Context::from_waker(&waker));
        if over.is_pending() {
            return;
        }
        let number = *number;
        let gone = state.0.take();
        drop(state);
        drop(gone);
        self.pool.forget(number);
    }
}

impl Wake for Waits {
    /// Called when a call is over, outside of all locks of the framework.
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// Running, and woken meanwhile.
const AGAIN: u8 = 3;

/// A future that is polled on the pool.
struct Task {
    future: Mutex<Option<BoxFuture<()>>>,
    state: AtomicU8,
    pool: Pool,
}

impl Task {
    fn run(self: Arc<Self>) {
        self.state.store(RUNNING, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self));
        let over = {
            // A poll that panics leaves no future behind.
            let mut place = self.future.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(mut future) = place.take() else {
                return;
            };
            let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
            if polled.is_pending() {
                *place = Some(future);
            }
            polled
        };
        if over == Poll::Ready(()) {
            return;
        }
        let idle = self
            .state
            .compare_exchange(RUNNING, IDLE, Ordering::SeqCst, Ordering::SeqCst);
        if idle.is_err() {
            self.state.store(QUEUED, Ordering::SeqCst);
            self.queue();
        }
    }

    fn queue(self: Arc<Self>) {
        let pool = self.pool.clone();
        pool.handle(Box::new(move || self.run()));
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let woken =
            self.state
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| match state {
                    IDLE => Some(QUEUED),
                    RUNNING => Some(AGAIN),
                    _ => None,
                });
        if woken == Ok(IDLE) {
            self.queue();
        }
    }
}
