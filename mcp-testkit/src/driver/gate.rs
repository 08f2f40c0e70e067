//! Something that happens once and that anything can wait for: a thread, a future, a call back.
//!
//! Owns the waiting. Must never need a runtime: whoever waits brings their own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

type CallBack = Box<dyn FnOnce() + Send>;

/// A gate that opens once. As the last argument of what a driver serves, it opens when serving is to end.
///
/// Wait for it as fits: [`wait`](Self::wait) blocks, `await` is a future, [`then`](Self::then) calls back.
#[derive(Clone, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    wakers: Vec<Waker>,
    then: Vec<CallBack>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.is_open()).finish()
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens it for everybody, now and later.
    pub fn open(&self) {
        let (wakers, then) = {
            let mut state = self.lock();
            state.open = true;
            (
                std::mem::take(&mut state.wakers),
                std::mem::take(&mut state.then),
            )
        };
        self.0.opened.notify_all();
        wakers.into_iter().for_each(Waker::wake);
        then.into_iter().for_each(|call| call());
    }

    /// Whether it has opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Blocks until it opens.
    pub fn wait(&self) {
        let state = self.lock();
        let waited = self.0.opened.wait_while(state, |state| !state.open);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Blocks until it opens or the time is over; says whether it is open.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        while !state.open {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return false;
            };
            let waited = self.0.opened.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Calls when it opens, on the thread that opens it; at once if it is open.
    pub fn then(&self, call: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if state.open {
            drop(state);
            call();
        } else {
            state.then.push(Box::new(call));
        }
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.open {
            return Poll::Ready(());
        }
        if !state.wakers.iter().any(|known| known.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_waits_gets_through_once_it_opens() {
        let gate = Gate::default();
        assert!(!gate.wait_for(Duration::ZERO));
        let woken = Gate::default();
        let (inner, outer) = (gate.clone(), woken.clone());
        gate.then(move || outer.open());
        let thread = std::thread::spawn(move || inner.wait());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut gate.clone()).poll(&mut cx).is_pending());
        gate.open();
        thread.join().unwrap();
        assert!(woken.is_open() && gate.wait_for(Duration::ZERO));
        assert!(Pin::new(&mut { gate }).poll(&mut cx).is_ready());
    }
}
