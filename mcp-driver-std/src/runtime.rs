//! The services that the framework may ask of a runtime, on threads.
//!
//! Owns the mapping from `#[tool(spawn)]` and `#[tool(blocking)]` to the pool, and the one clock of everything that runs
//! here. Must never keep what nobody waits for: work that waits for its turn leaves the queue when its call is over.
//!
//! Blocking handlers and all others have a bound each, of the same size: so blocking work never keeps a plain handler
//! waiting.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use mcp_driver::{Admission, DEFAULT_BLOCKING_THREADS, Job, Permits, SystemClock};
use mcp_server::proto::time::Instant;
use mcp_server::{Blocking, BoxFuture, Runtime};

use crate::pool::Pool;
use crate::timers::Timers;

/// Runs handlers on a bounded number of threads. Clones are the same runtime.
#[derive(Debug, Clone)]
pub struct StdRuntime {
    pub(crate) pool: Pool,
    pub(crate) clock: SystemClock,
    blocking: Permits,
    timers: Arc<Timers>,
}

impl Default for StdRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl StdRuntime {
    /// A runtime with [`DEFAULT_BLOCKING_THREADS`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_blocking_threads(DEFAULT_BLOCKING_THREADS)
    }

    /// A runtime in which at most `threads` handlers that are marked `blocking` run at once, and as many others; further ones
    /// wait for their turn. Nothing is started before it is needed.
    #[must_use]
    pub fn with_blocking_threads(threads: usize) -> Self {
        let clock = SystemClock::start();
        Self {
            pool: Pool::new(threads),
            blocking: Permits::new(threads),
            clock,
            timers: Arc::new(Timers::new(clock)),
        }
    }
}

impl StdRuntime {
    /// Runs a job on a thread of its own, or here if there is none to be had.
    fn run_blocking(pool: &Pool, job: Job) {
        let job = Arc::new(Mutex::new(Some(job)));
        let run = |job: &Mutex<Option<Job>>| {
            let job = job.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(job) = job {
                job.run();
            }
        };
        let theirs = Arc::clone(&job);
        if pool.lead(Box::new(move || run(&theirs))).is_err() {
            run(&job);
        }
    }
}

impl Runtime for StdRuntime {
    fn spawn(&self, future: BoxFuture<()>) {
        Task::spawn(&self.pool, true, future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        match self.blocking.admit(work) {
            Admission::Now(job) => Self::run_blocking(&self.pool, job),
            Admission::Later(queued) => {
                let pool = self.pool.clone();
                let wait = async move {
                    if let Some(job) = queued.await {
                        Self::run_blocking(&pool, job);
                    }
                };
                Task::spawn(&self.pool, false, Box::pin(wait));
            }
        }
    }

    fn clock(&self) -> Option<Instant> {
        Some(self.clock.instant())
    }

    fn sleep_until(&self, at: Instant) -> Option<BoxFuture<()>> {
        Some(Box::pin(self.timers.sleep_until(at)))
    }
}

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// Running, and woken meanwhile.
const AGAIN: u8 = 3;

/// A future that is polled on the pool.
struct Task {
    /// What it runs is somebody's, and may take any time.
    is_handler: bool,
    future: Mutex<Option<BoxFuture<()>>>,
    state: AtomicU8,
    pool: Pool,
}

impl Task {
    fn spawn(pool: &Pool, is_handler: bool, future: BoxFuture<()>) {
        let task = Arc::new(Self {
            is_handler,
            future: Mutex::new(Some(future)),
            state: AtomicU8::new(IDLE),
            pool: pool.clone(),
        });
        task.wake();
    }

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
        let is_handler = self.is_handler;
        let work = Box::new(move || self.run());
        if is_handler {
            pool.handle(work);
        } else {
            pool.do_soon(work);
        }
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
