//! Bounds on what runs at once, and the bell that ends what would run for ever.
//!
//! Owns a counter with a limit and the list of wakers to ring at shutdown. Must never wake under a lock.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// A count with a limit.
#[derive(Debug)]
pub(crate) struct Gauge {
    count: AtomicUsize,
    max: usize,
}

/// One unit of a [`Gauge`], given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Gauge>);

impl Gauge {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(0),
            max,
        })
    }

    /// A unit, unless the limit is reached.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Permit> {
        let below = |count: usize| (count < self.max).then_some(count + 1);
        self.count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, below)
            .ok()?;
        Some(Permit(Arc::clone(self)))
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Rings once, for everybody who watches.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    watchers: Mutex<(u64, BTreeMap<u64, Waker>)>,
}

/// A watcher's place; dropping it leaves.
#[derive(Debug)]
pub(crate) struct Watch {
    bell: Arc<Bell>,
    place: u64,
}

impl Bell {
    pub(crate) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        let watchers = core::mem::take(&mut self.lock().1);
        watchers.into_values().for_each(Waker::wake);
    }

    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        let mut watchers = self.lock();
        watchers.0 += 1;
        Watch {
            bell: Arc::clone(self),
            place: watchers.0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Waker>)> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Whether the bell has rung; wakes `waker` when it does.
    pub(crate) fn poll(&self, waker: &Waker) -> bool {
        let mut watchers = self.bell.lock();
        match watchers.1.get_mut(&self.place) {
            Some(known) if known.will_wake(waker) => drop(watchers),
            _ => {
                let old = watchers.1.insert(self.place, waker.clone());
                drop(watchers);
                // Outside of the lock: a waker may own a task that watches, too.
                drop(old);
            }
        }
        // After the registration: a ring in between is either seen here or wakes.
        self.bell.has_rung()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let waker = self.bell.lock().1.remove(&self.place);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Wake;

    #[test]
    fn a_gauge_never_exceeds_its_limit() {
        let gauge = Gauge::new(2);
        let first = gauge.enter().unwrap();
        let _second = gauge.enter().unwrap();
        assert!(gauge.enter().is_none());
        drop(first);
        assert_eq!(gauge.count(), 1);
        assert!(gauge.enter().is_some());
    }

    #[test]
    fn a_bell_wakes_those_who_still_watch() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::AcqRel);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let bell = Arc::new(Bell::default());
        let (stays, leaves) = (bell.watch(), bell.watch());
        assert!(!stays.poll(&waker) && !leaves.poll(&waker));
        drop(leaves);
        bell.ring();
        assert_eq!(count.0.load(Ordering::Acquire), 1);
        assert!(stays.poll(&waker));
    }
}
