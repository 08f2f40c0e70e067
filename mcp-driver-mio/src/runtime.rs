//! The services that the framework may ask of a runtime, given by the loop.
//!
//! Owns the timers of handlers and the way to the user's pool. Must never start a thread.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mcp_driver::{Admission, Job, Permits, SystemClock};
use mcp_server::proto::time::Instant;
use mcp_server::{Blocking, BoxFuture, Runtime};

use crate::queue::Queue;

/// Where work goes that blocks, and how much of it at once.
#[derive(Clone)]
pub(crate) struct Pool {
    pub(crate) permits: Permits,
    pub(crate) hand_over: Arc<dyn Fn(Job) + Send + Sync>,
}

/// The runtime of everything that one loop serves.
///
/// `#[tool(spawn)]` becomes a task of the loop: it is polled on the loop's thread like everything else and must not block.
/// `#[tool(blocking)]` goes to the pool that [`LoopOptions::with_pool`](crate::LoopOptions::with_pool) was given.
/// **Without a pool it runs in place, and everybody waits for it**: the loop has no threads of its own.
#[derive(Clone)]
pub struct LoopRuntime {
    queue: Arc<Queue>,
    sleeps: Arc<Sleeps>,
    pool: Option<Pool>,
    clock: SystemClock,
}

impl fmt::Debug for LoopRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopRuntime")
            .field("has_pool", &self.pool.is_some())
            .finish_non_exhaustive()
    }
}

impl LoopRuntime {
    pub(crate) fn new(queue: Arc<Queue>, clock: SystemClock, pool: Option<Pool>) -> Self {
        Self {
            queue,
            sleeps: Arc::default(),
            pool,
            clock,
        }
    }

    pub(crate) fn sleeps(&self) -> &Sleeps {
        &self.sleeps
    }
}

impl Runtime for LoopRuntime {
    fn spawn(&self, future: BoxFuture<()>) {
        self.queue.spawn(future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        let Some(pool) = &self.pool else {
            return work.run();
        };
        match pool.permits.admit(work) {
            Admission::Now(job) => (pool.hand_over)(job),
            Admission::Later(queued) => {
                let hand_over = Arc::clone(&pool.hand_over);
                self.queue.spawn(Box::pin(async move {
                    if let Some(job) = queued.await {
                        hand_over(job);
                    }
                }));
            }
        }
    }

    fn clock(&self) -> Option<Instant> {
        Some(self.clock.instant())
    }

    fn sleep_until(&self, at: Instant) -> Option<BoxFuture<()>> {
        Some(Box::pin(Sleep {
            runtime: self.clone(),
            key: (at, self.sleeps.next.fetch_add(1, Ordering::Relaxed)),
        }))
    }
}

/// Who wants to be woken when.
#[derive(Debug, Default)]
pub(crate) struct Sleeps {
    wakers: Mutex<BTreeMap<(Instant, u64), Waker>>,
    next: AtomicU64,
}

impl Sleeps {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Instant, u64), Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.lock().first_key_value().map(|((at, _), _)| *at)
    }

    /// Wakes everybody whose time has come.
    pub(crate) fn fire(&self, now: Instant) {
        let mut wakers = self.lock();
        if wakers
            .first_key_value()
            .is_none_or(|((at, _), _)| *at > now)
        {
            return;
        }
        let later = wakers.split_off(&(now, u64::MAX));
        let due = mem::replace(&mut *wakers, later);
        drop(wakers);
        due.into_values().for_each(Waker::wake);
    }
}

struct Sleep {
    runtime: LoopRuntime,
    key: (Instant, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let runtime = &self.runtime;
        if self.key.0 <= runtime.clock.instant() {
            return Poll::Ready(());
        }
        let mut wakers = runtime.sleeps.lock();
        let replaced = wakers.insert(self.key, cx.waker().clone());
        let is_first = wakers
            .first_key_value()
            .is_some_and(|(key, _)| *key == self.key);
        drop(wakers);
        if is_first && replaced.is_none() {
            // The loop may be asleep for longer than this.
            runtime.queue.nudge();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.runtime.sleeps.lock().remove(&self.key);
    }
}
