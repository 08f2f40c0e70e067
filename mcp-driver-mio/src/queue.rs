//! What other threads, and handlers, tell the loop.
//!
//! Owns the list of what was woken, the futures that were spawned and the orders to end. The loop is woken through its
//! poll only while it may be asleep, and once however much is put in. No lock is held while it is woken.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use mcp_driver::edges::Id;
use mcp_server::BoxFuture;

/// What can be polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Slot(Id),
    Task(Id),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// End one listener or connection gracefully.
    Shutdown(Id),
    /// End everything gracefully.
    ShutdownAll,
}

/// What was put in since the last look.
#[derive(Default)]
pub(crate) struct Mail {
    pub(crate) woken: Vec<Key>,
    pub(crate) tasks: Vec<BoxFuture<()>>,
    pub(crate) orders: Vec<Order>,
}

impl Mail {
    const fn is_empty(&self) -> bool {
        self.woken.is_empty() && self.tasks.is_empty() && self.orders.is_empty()
    }
}

#[derive(Default)]
struct State {
    mail: Mail,
    /// The loop will look again before it sleeps.
    awake: bool,
    /// It was woken already.
    told: bool,
    /// There is no loop any more.
    closed: bool,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    waker: Arc<mio::Waker>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    pub(crate) fn new(waker: Arc<mio::Waker>) -> Self {
        Self {
            state: Mutex::default(),
            waker,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, put: impl FnOnce(&mut Mail)) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        put(&mut state.mail);
        let asleep = !state.awake && !mem::replace(&mut state.told, true);
        drop(state);
        if asleep {
            // It fails only when the poll is gone, and then nobody is asleep.
            let _ = self.waker.wake();
        }
    }

    pub(crate) fn order(&self, order: Order) {
        self.put(|mail| mail.orders.push(order));
    }

    pub(crate) fn spawn(&self, future: BoxFuture<()>) {
        self.put(|mail| mail.tasks.push(future));
    }

    /// Makes the loop look at its timers again before it sleeps.
    pub(crate) fn nudge(&self) {
        self.put(|_| {});
    }

    /// Exchanges what was put in for `into`, which is empty. From now on the loop is awake.
    pub(crate) fn take(&self, into: &mut Mail) {
        let mut state = self.lock();
        state.awake = true;
        state.told = false;
        mem::swap(&mut state.mail, into);
    }

    /// The loop may sleep from now on. False if it must not, for something was put in meanwhile.
    pub(crate) fn rest(&self) -> bool {
        let mut state = self.lock();
        state.awake = !state.mail.is_empty();
        !state.awake
    }

    /// The loop is gone: nothing is kept for it any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let left = mem::take(&mut state.mail);
        drop(state);
        // Outside of the lock: a future may wake others when it is dropped.
        drop(left);
    }
}

/// The waker of a slot or task. It outlives what it wakes; a late wake-up finds nothing.
#[derive(Debug)]
pub(crate) struct Bell {
    key: Key,
    /// The key is on a list already.
    rung: AtomicBool,
    queue: Arc<Queue>,
}

impl Bell {
    pub(crate) fn new(key: Key, queue: &Arc<Queue>) -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self {
            key,
            rung: AtomicBool::new(false),
            queue: Arc::clone(queue),
        });
        let waker = Waker::from(Arc::clone(&bell));
        (bell, waker)
    }

    /// Whether the loop itself has to put the key on its list.
    pub(crate) fn ring(&self) -> bool {
        !self.rung.swap(true, Ordering::AcqRel)
    }

    /// The key is off the list. Whatever rings from now on puts it there again.
    pub(crate) fn reset(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.ring() {
            self.queue.put(|mail| mail.woken.push(self.key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SLOT: Key = Key::Slot(Id {
        index: 0,
        generation: 0,
    });

    fn queue() -> (mio::Poll, Arc<Queue>) {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        (poll, Arc::new(Queue::new(Arc::new(waker))))
    }

    fn was_woken(poll: &mut mio::Poll) -> bool {
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    #[test]
    fn a_loop_that_is_awake_is_not_woken() {
        let (mut poll, queue) = queue();
        let (bell, waker) = Bell::new(SLOT, &queue);
        let mut mail = Mail::default();
        queue.take(&mut mail);
        waker.wake_by_ref();
        assert!(!was_woken(&mut poll));
        assert!(!queue.rest(), "something was put in");
        queue.take(&mut mail);
        assert_eq!(mem::take(&mut mail.woken), [SLOT]);
        bell.reset();
        assert!(queue.rest());
        waker.wake();
        assert!(was_woken(&mut poll));
    }

    #[test]
    fn many_wake_ups_are_one() {
        let (_poll, queue) = queue();
        let (bell, waker) = Bell::new(SLOT, &queue);
        for _ in 0..100 {
            waker.wake_by_ref();
        }
        let mut mail = Mail::default();
        queue.take(&mut mail);
        assert_eq!(mail.woken.len(), 1);
        mail.woken.clear();
        bell.reset();
        waker.wake();
        queue.take(&mut mail);
        assert_eq!(mail.woken.len(), 1);
    }

    #[test]
    fn nothing_is_kept_for_a_loop_that_is_gone() {
        let (_poll, queue) = queue();
        let held = Arc::new(());
        let task = |held: Arc<()>| Box::pin(async move { drop(held) });
        queue.spawn(task(Arc::clone(&held)));
        queue.close();
        queue.spawn(task(Arc::clone(&held)));
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
