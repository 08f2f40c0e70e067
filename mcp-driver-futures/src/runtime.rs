//! The services that the framework may ask of a runtime.
//!
//! Owns the mapping from `#[tool(spawn)]` and `#[tool(blocking)]` to a platform. Must never hand it more blocking work at a
//! time than the bound says.

use std::sync::Arc;

use mcp_driver::{Admission, DEFAULT_BLOCKING_THREADS, Permits, SystemClock};
use mcp_server::proto::time::Instant;
use mcp_server::{Blocking, BoxFuture, Runtime};

use crate::platform::Platform;
use crate::timer::PlatformAlarm;

/// Runs spawned and blocking handlers on a [`Platform`]. Clones are the same runtime.
#[derive(Debug, Clone)]
pub struct FuturesRuntime<P> {
    platform: P,
    permits: Permits,
    /// The one clock of everything that runs here.
    clock: SystemClock,
}

impl<P: Platform> FuturesRuntime<P> {
    /// With [`DEFAULT_BLOCKING_THREADS`].
    #[must_use]
    pub fn new(platform: P) -> Self {
        Self::with_blocking_threads(platform, DEFAULT_BLOCKING_THREADS)
    }

    /// At most `threads` blocking handlers run at once; further ones wait for their turn.
    #[must_use]
    pub fn with_blocking_threads(platform: P, threads: usize) -> Self {
        Self {
            platform,
            permits: Permits::new(threads),
            clock: SystemClock::start(),
        }
    }

    /// What it runs on.
    #[must_use]
    pub const fn platform(&self) -> &P {
        &self.platform
    }

    pub(crate) fn alarm(&self) -> PlatformAlarm<P> {
        PlatformAlarm::new(self.platform.clone(), self.clock)
    }

    /// The same as the framework wants it.
    pub(crate) fn shared(&self) -> Arc<dyn Runtime> {
        Arc::new(self.clone())
    }
}

impl<P: Platform> Runtime for FuturesRuntime<P> {
    fn spawn(&self, future: BoxFuture<()>) {
        self.platform.spawn(future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        match self.permits.admit(work) {
            Admission::Now(job) => self.platform.unblock(Box::new(|| job.run())),
            Admission::Later(queued) => {
                let platform = self.platform.clone();
                self.platform.spawn(Box::pin(async move {
                    if let Some(job) = queued.await {
                        platform.unblock(Box::new(|| job.run()));
                    }
                }));
            }
        }
    }

    fn clock(&self) -> Option<Instant> {
        Some(self.clock.instant())
    }

    fn sleep_until(&self, at: Instant) -> Option<BoxFuture<()>> {
        let sleep = self.platform.sleep(self.clock.until(at));
        Some(Box::pin(sleep))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    /// A platform that does nothing by itself.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Manual(Arc<Mutex<Held>>);

    #[derive(Default)]
    struct Held {
        tasks: Vec<BoxFuture<()>>,
        work: Vec<Box<dyn FnOnce() + Send>>,
        timers: usize,
        fired: usize,
    }

    impl std::fmt::Debug for Held {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Held")
        }
    }

    impl Manual {
        /// How many timers were made.
        pub(crate) fn timers(&self) -> usize {
            self.0.lock().unwrap().timers
        }

        /// Every timer that was made fires.
        pub(crate) fn fire(&self) {
            let mut held = self.0.lock().unwrap();
            held.fired = held.timers;
        }

        fn poll_tasks(&self) {
            let mut tasks = std::mem::take(&mut self.0.lock().unwrap().tasks);
            let mut cx = Context::from_waker(Waker::noop());
            tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
            self.0.lock().unwrap().tasks.append(&mut tasks);
        }

        fn run_one(&self) {
            let work = self.0.lock().unwrap().work.remove(0);
            work();
        }

        fn running(&self) -> usize {
            self.0.lock().unwrap().work.len()
        }
    }

    pub(crate) struct ManualSleep(usize, Manual);

    impl Future for ManualSleep {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if self.0 < self.1.0.lock().unwrap().fired {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }

    impl Platform for Manual {
        type Sleep = ManualSleep;

        fn spawn(&self, future: BoxFuture<()>) {
            self.0.lock().unwrap().tasks.push(future);
        }

        fn unblock(&self, work: Box<dyn FnOnce() + Send>) {
            self.0.lock().unwrap().work.push(work);
        }

        fn sleep(&self, _: Duration) -> ManualSleep {
            let mut held = self.0.lock().unwrap();
            held.timers += 1;
            ManualSleep(held.timers - 1, self.clone())
        }
    }

    #[test]
    fn the_platform_never_has_more_blocking_work_than_the_bound() {
        let platform = Manual::default();
        let runtime = FuturesRuntime::with_blocking_threads(platform.clone(), 2);
        let ran = Arc::new(Mutex::new(0));
        for _ in 0..5 {
            let ran = Arc::clone(&ran);
            let work = move || *ran.lock().unwrap() += 1;
            runtime.spawn_blocking(Blocking::new(work, std::future::pending()));
        }
        platform.poll_tasks();
        for _ in 0..5 {
            assert!((1..=2).contains(&platform.running()));
            platform.run_one();
            platform.poll_tasks();
        }
        assert_eq!((*ran.lock().unwrap(), platform.running()), (5, 0));
    }
}
