//! Timers for work that no connection drives.
//!
//! Owns one thread, which lives while there are timers and a moment longer. Must never call a waker under its lock.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use mcp_driver::SystemClock;
use mcp_server::proto::time::Instant;

/// How long the thread is kept without a timer.
const KEEP: Duration = Duration::from_secs(10);

/// When, and which of those: timers of one moment are told apart by number.
type Key = (Instant, u64);

/// See the module.
pub(crate) struct Timers {
    clock: SystemClock,
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    timers: BTreeMap<Key, Waker>,
    next: u64,
    running: bool,
}

impl Timers {
    pub(crate) fn new(clock: SystemClock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            turn: Condvar::new(),
        }
    }

    /// Completes when the clock reaches `at`.
    pub(crate) fn sleep_until(self: &Arc<Self>, at: Instant) -> Sleep {
        Sleep {
            timers: Arc::clone(self),
            at,
            number: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a timer, anew if it is known. False if there is nobody to tell when it fires.
    fn arm(self: &Arc<Self>, at: Instant, number: &mut Option<u64>, waker: &Waker) -> bool {
        let mut state = self.lock();
        let number = *number.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        let first = state.timers.first_key_value().map(|(key, _)| *key);
        let old = state.timers.insert((at, number), waker.clone());
        if !state.running {
            let timers = Arc::clone(self);
            let thread = thread::Builder::new()
                .name("mcp-timers".to_owned())
                .spawn(move || timers.run());
            state.running = thread.is_ok();
        } else if first.is_none_or(|first| at < first.0) {
            self.turn.notify_one();
        }
        let running = state.running;
        drop(state);
        drop(old);
        running
    }

    fn disarm(&self, key: Key) {
        let gone = self.lock().timers.remove(&key);
        drop(gone);
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let first = state.timers.first_key_value().map(|(key, _)| key.0);
            let wait = match first {
                Some(at) if at <= self.clock.instant() => {
                    let due = state.timers.pop_first();
                    drop(state);
                    if let Some((_, waker)) = due {
                        waker.wake();
                    }
                    state = self.lock();
                    continue;
                }
                Some(at) => self.clock.until(at),
                None => KEEP,
            };
            let (next, slept) = self
                .turn
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
            if first.is_none() && slept.timed_out() && state.timers.is_empty() {
                state.running = false;
                return;
            }
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").finish_non_exhaustive()
    }
}

/// A timer that is waited for.
pub(crate) struct Sleep {
    timers: Arc<Timers>,
    at: Instant,
    /// Once it is armed.
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.at <= this.timers.clock.instant() {
            return Poll::Ready(());
        }
        if !this.timers.arm(this.at, &mut this.number, cx.waker()) {
            // No thread to be had: better to look again than to sleep for ever.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.timers.disarm((self.at, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Wake;

    struct Tell(Mutex<mpsc::Sender<u8>>, u8);

    impl Wake for Tell {
        fn wake(self: Arc<Self>) {
            let _ = self.0.lock().unwrap().send(self.1);
        }
    }

    fn poll(sleep: &mut Sleep, waker: &Waker) -> Poll<()> {
        Pin::new(sleep).poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn timers_fire_in_the_order_of_their_times_and_not_before() {
        let clock = SystemClock::start();
        let timers = Arc::new(Timers::new(clock));
        let (tell, told) = mpsc::channel();
        let waker = |name| Waker::from(Arc::new(Tell(Mutex::new(tell.clone()), name)));
        let start = clock.instant();
        let mut late = timers.sleep_until(start + Duration::from_millis(60));
        let mut early = timers.sleep_until(start + Duration::from_millis(20));
        assert!(poll(&mut late, &waker(2)).is_pending());
        assert!(poll(&mut early, &waker(1)).is_pending());
        assert_eq!(told.recv().unwrap(), 1);
        assert!(clock.instant() >= start + Duration::from_millis(20));
        assert_eq!(told.recv().unwrap(), 2);
        assert!(clock.instant() >= start + Duration::from_millis(60));
        assert!(poll(&mut early, &waker(1)).is_ready());
    }

    #[test]
    fn a_timer_that_is_dropped_leaves_nothing_behind() {
        let clock = SystemClock::start();
        let timers = Arc::new(Timers::new(clock));
        let held = Arc::new(Tell(Mutex::new(mpsc::channel().0), 0));
        let mut sleep = timers.sleep_until(clock.instant() + Duration::from_secs(3600));
        assert!(poll(&mut sleep, &Waker::from(Arc::clone(&held))).is_pending());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(sleep);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
