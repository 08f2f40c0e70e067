//! The threads: for connections, for handlers that run elsewhere, and for nothing else.
//!
//! Owns the threads and the permits of handlers. What somebody else bounds gets a thread whatever happens: connections that
//! have to be led, blocking work that was admitted. Other handlers need a permit, wherever they run. Threads start when they
//! are needed and end when they have been idle for a while. Must never let a panic end a thread that others count on.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Duration;

/// How long an idle thread is kept.
const KEEP: Duration = Duration::from_secs(10);

/// Work for a thread of the pool.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// See the module. Clones are the same pool.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    /// Permits that are free.
    permits: AtomicUsize,
    /// How many wait for a permit: work in the queue and connections.
    waiting: AtomicUsize,
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    /// Needs a thread and no permit: connections, mostly.
    leads: VecDeque<Work>,
    /// Needs a permit, too.
    handlers: VecDeque<Work>,
    /// Connections that wait for a permit.
    connections: VecDeque<Waker>,
    idle: usize,
    /// Told to come, and not there yet.
    called: usize,
}

/// The right to run a handler.
pub(crate) struct Permit<'a>(&'a Pool);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.permits.fetch_add(1, Ordering::SeqCst);
        if shared.waiting.load(Ordering::SeqCst) > 0 {
            self.0.hand_on();
        }
    }
}

impl Pool {
    /// A pool in which at most `handlers` handlers run at once.
    pub(crate) fn new(handlers: usize) -> Self {
        Self(Arc::new(Shared {
            permits: AtomicUsize::new(handlers.max(1)),
            waiting: AtomicUsize::new(0),
            state: Mutex::default(),
            turn: Condvar::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing of anybody else runs under this lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets a thread for work that is bounded elsewhere. Without one the work is dropped.
    pub(crate) fn lead(&self, work: Work) -> io::Result<()> {
        let mut state = self.lock();
        state.leads.push_back(work);
        if self.call(&mut state) {
            return Ok(());
        }
        let work = state.leads.pop_back();
        drop(state);
        drop(work);
        Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            "the operating system has no more threads to give",
        ))
    }

    /// Does what takes no time on some thread, when one comes by at the latest.
    pub(crate) fn do_soon(&self, work: Work) {
        let mut state = self.lock();
        state.leads.push_back(work);
        self.call(&mut state);
    }

    /// Runs a handler as soon as there is a permit.
    pub(crate) fn handle(&self, work: Work) {
        let mut state = self.lock();
        state.handlers.push_back(work);
        self.0.waiting.fetch_add(1, Ordering::SeqCst);
        if self.0.permits.load(Ordering::SeqCst) > 0 {
            // Without a thread it waits for the next one that comes by.
            self.call(&mut state);
        }
    }

    /// A permit, if one is free.
    pub(crate) fn try_permit(&self) -> Option<Permit<'_>> {
        let taken = self
            .0
            .permits
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| {
                free.checked_sub(1)
            });
        match taken {
            Ok(_) => Some(Permit(self)),
            // Not made and dropped, which would give back what was not taken.
            Err(_) => None,
        }
    }

    /// A permit, or `waker` is told when it is worth trying again. Who was told to wait [leaves](Self::leave), whether a
    /// permit came or the end.
    pub(crate) fn permit(&self, waker: &Waker) -> Option<Permit<'_>> {
        if let Some(permit) = self.try_permit() {
            return Some(permit);
        }
        let mut state = self.lock();
        if !state.connections.iter().any(|known| known.will_wake(waker)) {
            state.connections.push_back(waker.clone());
            self.0.waiting.fetch_add(1, Ordering::SeqCst);
        }
        drop(state);
        // One may have come back between the look and the note.
        let permit = self.try_permit()?;
        self.leave(waker);
        Some(permit)
    }

    /// A connection waits for no permit any more.
    pub(crate) fn leave(&self, waker: &Waker) {
        let mut state = self.lock();
        let place = state
            .connections
            .iter()
            .position(|known| known.will_wake(waker));
        let note = place.and_then(|place| state.connections.remove(place));
        if note.is_some() {
            self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        drop(state);
        drop(note);
        // If it was its turn, it is now the next one's; and there may be room for one more.
        if self.0.permits.load(Ordering::SeqCst) > 0 && self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.hand_on();
        }
    }

    /// A permit is free and somebody waits for one.
    fn hand_on(&self) {
        let mut state = self.lock();
        let connection = state.connections.pop_front();
        if connection.is_some() {
            self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        if !state.handlers.is_empty() {
            self.call(&mut state);
        }
        drop(state);
        if let Some(waker) = connection {
            waker.wake();
        }
    }

    /// Sees to it that a thread looks at the queues. Says whether one will.
    fn call(&self, state: &mut State) -> bool {
        if state.idle > state.called {
            state.called += 1;
            self.0.turn.notify_one();
            return true;
        }
        let pool = self.clone();
        thread::Builder::new()
            .name("mcp".to_owned())
            .spawn(move || pool.work())
            .is_ok()
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(lead) = state.leads.pop_front() {
                drop(state);
                run(lead);
                state = self.lock();
                continue;
            }
            if !state.handlers.is_empty()
                && let Some(permit) = self.try_permit()
            {
                // Connections that wait for a permit have their turn in between.
                while let Some(work) = state.handlers.pop_front() {
                    self.0.waiting.fetch_sub(1, Ordering::SeqCst);
                    drop(state);
                    run(work);
                    state = self.lock();
                    if !state.connections.is_empty() {
                        break;
                    }
                }
                drop(state);
                drop(permit);
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (next, slept) = self
                .0
                .turn
                .wait_timeout(state, KEEP)
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
            state.idle -= 1;
            if state.called > 0 {
                state.called -= 1;
            } else if slept.timed_out() && state.leads.is_empty() {
                return;
            }
        }
    }
}

/// A panic of a handler is caught where the handler is known; this is for what nobody knows. Says whether it came to its
/// end.
pub(crate) fn run(work: impl FnOnce()) -> bool {
    let ran = catch_unwind(AssertUnwindSafe(work));
    ran.map_err(|payload| {
        // Dropping it may panic in its turn.
        std::mem::forget(payload);
    })
    .is_ok()
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("permits", &self.0.permits)
            .field("waiting", &self.0.waiting)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    #[derive(Default)]
    struct Connection(AtomicBool);

    impl Wake for Connection {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    impl Connection {
        fn new() -> (Arc<Self>, Waker) {
            let connection = Arc::<Self>::default();
            (Arc::clone(&connection), connection.into())
        }

        fn is_woken(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn a_connection_that_ends_while_it_waits_is_forgotten() {
        let pool = Pool::new(1);
        let permit = pool.try_permit().unwrap();
        let (first, first_waker) = Connection::new();
        let (second, second_waker) = Connection::new();
        assert!(pool.permit(&first_waker).is_none());
        assert!(pool.permit(&second_waker).is_none());
        pool.leave(&first_waker);
        drop(first_waker);
        assert_eq!(Arc::strong_count(&first), 1, "nobody holds it");
        drop(permit);
        assert!(second.is_woken() && !first.is_woken());
    }

    #[test]
    fn a_connection_that_ends_when_its_turn_comes_hands_it_on() {
        let pool = Pool::new(1);
        let permit = pool.try_permit().unwrap();
        let (first, first_waker) = Connection::new();
        let (second, second_waker) = Connection::new();
        assert!(pool.permit(&first_waker).is_none());
        assert!(pool.permit(&second_waker).is_none());
        drop(permit);
        assert!(first.is_woken() && !second.is_woken());
        pool.leave(&first_waker);
        assert!(second.is_woken());
        assert!(pool.permit(&second_waker).is_some());
    }
}
