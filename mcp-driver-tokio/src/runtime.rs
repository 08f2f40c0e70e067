//! The services that the framework may ask of a runtime.
//!
//! Owns the mapping from `#[tool(spawn)]` and `#[tool(blocking)]` to tokio. It
//! must never hand it more blocking work at a time than the bound says.

use mcp_driver::{Admission, DEFAULT_BLOCKING_THREADS, Permits};
use mcp_server::proto::time::Instant;
use mcp_server::{Blocking, BoxFuture, Runtime};
use tokio::runtime::Handle;

use crate::clock::Clock;

/// Runs spawned and blocking handlers on a tokio runtime.
#[derive(Debug, Clone)]
pub struct TokioRuntime {
    handle: Handle,
    permits: Permits,
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
            permits: Permits::new(threads),
            clock: Clock::start(),
        }
    }
}

impl Runtime for TokioRuntime {
    fn spawn(&self, future: BoxFuture<()>) {
        self.handle.spawn(future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        match self.permits.admit(work) {
            Admission::Now(job) => {
                self.handle.spawn_blocking(|| job.run());
            }
            Admission::Later(queued) => {
                self.handle.spawn(async {
                    if let Some(job) = queued.await {
                        tokio::task::spawn_blocking(|| job.run());
                    }
                });
            }
        }
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
    use std::sync::Arc;
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
}
