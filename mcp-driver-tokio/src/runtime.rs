//! The services that the framework may ask of a runtime.
//!
//! Owns the mapping from `#[tool(spawn)]` and `#[tool(blocking)]` to tokio. It
//! must never queue without a bound on threads, nor keep what nobody waits
//! for: blocking work beyond the bound waits as a cheap task, not as a thread,
//! and leaves the queue when its call is over.

use std::sync::Arc;

use mcp_driver::DEFAULT_BLOCKING_THREADS;
use mcp_server::proto::time::Instant;
use mcp_server::{Blocking, BoxFuture, Runtime};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::clock::Clock;

/// Runs spawned and blocking handlers on a tokio runtime.
#[derive(Debug, Clone)]
pub struct TokioRuntime {
    handle: Handle,
    permits: Arc<Semaphore>,
    /// The one clock of everything that runs here.
    pub(crate) clock: Clock,
}

impl TokioRuntime {
    /// Uses the runtime of the current task, with [`DEFAULT_BLOCKING_THREADS`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn current() -> Self {
        Self::with_blocking_threads(DEFAULT_BLOCKING_THREADS)
    }

    /// Uses the runtime of the current task and at most `threads` threads for blocking handlers.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn with_blocking_threads(threads: usize) -> Self {
        Self {
            handle: Handle::current(),
            permits: Arc::new(Semaphore::new(threads.clamp(1, Semaphore::MAX_PERMITS))),
            clock: Clock::start(),
        }
    }
}

impl Runtime for TokioRuntime {
    fn spawn(&self, future: BoxFuture<()>) {
        self.handle.spawn(future);
    }

    fn spawn_blocking(&self, mut work: Blocking) {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            self.handle.spawn_blocking(move || {
                work.run();
                drop(permit);
            });
            return;
        }
        let permits = Arc::clone(&self.permits);
        self.handle.spawn(async move {
            let permit = tokio::select! {
                biased;
                () = work.unwanted() => return,
                permit = permits.acquire_owned() => permit,
            };
            // The semaphore is never closed.
            let Ok(permit) = permit else { return };
            tokio::task::spawn_blocking(move || {
                work.run();
                drop(permit);
            });
        });
    }

    fn clock(&self) -> Option<Instant> {
        Some(self.clock.instant())
    }

    fn sleep_until(&self, at: Instant) -> Option<BoxFuture<()>> {
        let _inside = self.handle.enter();
        Some(Box::pin(tokio::time::sleep_until(self.clock.deadline(at))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn blocking_work_is_bounded_and_all_of_it_runs() {
        let runtime = TokioRuntime::with_blocking_threads(2);
        let running = Arc::new(AtomicUsize::new(0));
        let peak = Arc::new(AtomicUsize::new(0));
        let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..12 {
            let (running, peak, done) = (Arc::clone(&running), Arc::clone(&peak), done.clone());
            let work = move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                peak.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                running.fetch_sub(1, Ordering::SeqCst);
                let _ = done.send(());
            };
            runtime.spawn_blocking(Blocking::new(work, std::future::pending()));
        }
        for _ in 0..12 {
            finished.recv().await.unwrap();
        }
        assert_eq!(peak.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_leaves_the_queue() {
        let runtime = TokioRuntime::with_blocking_threads(1);
        let (free, blocked) = std::sync::mpsc::channel::<()>();
        let busy = move || {
            let _ = blocked.recv();
        };
        runtime.spawn_blocking(Blocking::new(busy, std::future::pending()));
        let arguments = Arc::new(());
        let held = Arc::clone(&arguments);
        let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
        let waits = move || drop(held);
        runtime.spawn_blocking(Blocking::new(waits, async {
            let _ = cancelled.await;
        }));
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&arguments), 2, "it waits for the thread");
        cancel.send(()).unwrap();
        while Arc::strong_count(&arguments) > 1 {
            tokio::task::yield_now().await;
        }
        // Only now does the thread become free.
        free.send(()).unwrap();
    }
}
