//! The bound on blocking work, whatever runs it.
//!
//! Owns who may take a thread and who waits for one. Must never keep what nobody waits for: work beyond the bound waits as
//! a cheap future, not as a thread, and leaves the queue when its call is over. Must never run anything itself.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mcp_server::Blocking;

/// How many pieces of blocking work run at once. Clones share the bound.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Who comes next, first come first served. The ticket tells them apart.
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
}

impl Permits {
    /// At most `threads` at once, and at least one.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: threads.max(1),
            waiting: VecDeque::new(),
            next_ticket: 0,
        })))
    }

    /// Whether `work` may run at once or has to wait.
    pub fn admit(&self, work: Blocking) -> Admission {
        let mut state = self.lock();
        if state.free > 0 && state.waiting.is_empty() {
            state.free -= 1;
            drop(state);
            return Admission::Now(Job {
                work,
                permit: Permit(self.clone()),
            });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        drop(state);
        Admission::Later(Queued {
            work: Some(work),
            ticket,
            permits: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid between any two statements that hold the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever is next, if there is room for it.
    fn wake_next(state: MutexGuard<'_, State>) {
        let next = match state.waiting.front() {
            Some((_, waker)) if state.free > 0 => Some(waker.clone()),
            _ => None,
        };
        drop(state);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

/// What [`Permits::admit`] says.
#[derive(Debug)]
#[must_use = "work that is dropped does not run"]
pub enum Admission {
    /// Run it, on a thread where blocking hurts nobody.
    Now(Job),
    /// Poll this somewhere; dropping it drops the work.
    Later(Queued),
}

/// Work that may run now.
#[derive(Debug)]
#[must_use = "work that is dropped does not run"]
pub struct Job {
    work: Blocking,
    permit: Permit,
}

impl Job {
    /// Does the work on this thread and makes room for the next.
    pub fn run(self) {
        let Self { work, permit } = self;
        work.run();
        drop(permit);
    }
}

/// One of the threads.
#[derive(Debug)]
struct Permit(Permits);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.free += 1;
        Permits::wake_next(state);
    }
}

/// Work that waits for its turn: a future of it, or of `None` when nobody wants it any more.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Queued {
    work: Option<Blocking>,
    ticket: u64,
    permits: Permits,
}

impl Future for Queued {
    type Output = Option<Job>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Job>> {
        let this = &mut *self;
        let Some(work) = &mut this.work else {
            return Poll::Pending;
        };
        if pin!(work.unwanted()).poll(cx).is_ready() {
            this.leave();
            return Poll::Ready(None);
        }
        let mut state = this.permits.lock();
        let place = state
            .waiting
            .iter()
            .position(|(ticket, _)| *ticket == this.ticket);
        let first = match place {
            Some(place) => place == 0,
            None => state.waiting.is_empty(),
        };
        if !first || state.free == 0 {
            let waker = cx.waker().clone();
            match place {
                Some(place) => state.waiting[place].1 = waker,
                None => state.waiting.push_back((this.ticket, waker)),
            }
            return Poll::Pending;
        }
        state.free -= 1;
        if place.is_some() {
            state.waiting.pop_front();
        }
        let permit = Permit(this.permits.clone());
        // There may be room for one more.
        Permits::wake_next(state);
        Poll::Ready(this.work.take().map(|work| Job { work, permit }))
    }
}

impl Queued {
    /// Gives the place in the queue up.
    fn leave(&mut self) {
        let Some(work) = self.work.take() else { return };
        let mut state = self.permits.lock();
        let ticket = self.ticket;
        state.waiting.retain(|(other, _)| *other != ticket);
        // If it was its turn, it is now the next one's.
        Permits::wake_next(state);
        drop(work);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::Wake;

    fn work(ran: &Arc<AtomicUsize>) -> Blocking {
        let ran = Arc::clone(ran);
        let count = move || {
            ran.fetch_add(1, Ordering::SeqCst);
        };
        Blocking::new(count, std::future::pending())
    }

    fn now(admission: Admission) -> Job {
        match admission {
            Admission::Now(job) => job,
            Admission::Later(_) => panic!("it has to wait"),
        }
    }

    fn later(admission: Admission) -> Queued {
        match admission {
            Admission::Now(_) => panic!("it does not have to wait"),
            Admission::Later(queued) => queued,
        }
    }

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// Polls, and the flag that a wake-up sets from now on.
    fn poll(queued: &mut Queued) -> (Poll<Option<Job>>, Arc<Flag>) {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let polled = Pin::new(queued).poll(&mut Context::from_waker(&waker));
        (polled, flag)
    }

    fn is_woken(flag: &Arc<Flag>) -> bool {
        flag.0.load(Ordering::SeqCst)
    }

    #[test]
    fn work_beyond_the_bound_runs_in_its_turn() {
        let ran = Arc::default();
        let permits = Permits::new(1);
        let running = now(permits.admit(work(&ran)));
        let mut second = later(permits.admit(work(&ran)));
        let mut third = later(permits.admit(work(&ran)));
        let (waits, second_woken) = poll(&mut second);
        assert!(waits.is_pending());
        let (waits, third_woken) = poll(&mut third);
        assert!(waits.is_pending());
        running.run();
        assert!(is_woken(&second_woken) && !is_woken(&third_woken));
        let (Poll::Ready(Some(running)), _) = poll(&mut second) else {
            panic!("it was its turn");
        };
        assert!(poll(&mut third).0.is_pending());
        running.run();
        assert!(matches!(poll(&mut third).0, Poll::Ready(Some(_))));
        assert_eq!(ran.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn nobody_overtakes_who_waits() {
        let ran = Arc::default();
        let permits = Permits::new(1);
        let running = now(permits.admit(work(&ran)));
        let mut waits = later(permits.admit(work(&ran)));
        assert!(poll(&mut waits).0.is_pending());
        running.run();
        let mut newcomer = later(permits.admit(work(&ran)));
        assert!(poll(&mut newcomer).0.is_pending());
        assert!(matches!(poll(&mut waits).0, Poll::Ready(Some(_))));
        assert!(matches!(poll(&mut newcomer).0, Poll::Ready(Some(_))));
    }

    #[test]
    fn work_that_nobody_wants_any_more_leaves_the_queue() {
        let ran = Arc::default();
        let permits = Permits::new(1);
        let running = now(permits.admit(work(&ran)));
        let unwanted = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&unwanted);
        let arguments = Arc::new(());
        let held = Arc::clone(&arguments);
        let mut waits = later(permits.admit(Blocking::new(
            move || drop(held),
            std::future::poll_fn(move |_| {
                if told.load(Ordering::SeqCst) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }),
        )));
        assert!(poll(&mut waits).0.is_pending());
        let mut next = later(permits.admit(work(&ran)));
        let (pending, next_woken) = poll(&mut next);
        assert!(pending.is_pending());
        unwanted.store(true, Ordering::SeqCst);
        assert!(matches!(poll(&mut waits).0, Poll::Ready(None)));
        assert_eq!(Arc::strong_count(&arguments), 1, "the arguments are gone");
        running.run();
        assert!(is_woken(&next_woken));
        assert!(matches!(poll(&mut next).0, Poll::Ready(Some(_))));
    }

    #[test]
    fn a_turn_that_is_not_taken_is_the_next_ones() {
        let ran = Arc::default();
        let permits = Permits::new(1);
        let running = now(permits.admit(work(&ran)));
        let mut second = later(permits.admit(work(&ran)));
        assert!(poll(&mut second).0.is_pending());
        let mut third = later(permits.admit(work(&ran)));
        let (waits, third_woken) = poll(&mut third);
        assert!(waits.is_pending());
        running.run();
        drop(second);
        assert!(is_woken(&third_woken));
        assert!(matches!(poll(&mut third).0, Poll::Ready(Some(_))));
    }

    #[test]
    fn work_that_is_dropped_instead_of_run_gives_its_thread_back() {
        let ran = Arc::default();
        let permits = Permits::new(1);
        drop(now(permits.admit(work(&ran))));
        let _ = now(permits.admit(work(&ran)));
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    }
}
