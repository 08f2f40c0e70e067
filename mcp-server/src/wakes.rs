//! Which of a connection's calls were woken, and whom to tell.
//!
//! Owns the list of woken slots. A wake-up may come from any thread at any time; none is ever lost, and no lock is held
//! while the connection is told.

use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use crate::sync::Mutex;

/// The slots that were woken since the last look.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    state: Mutex<(Vec<usize>, Option<Waker>)>,
}

impl Wakes {
    /// Whom to tell from now on.
    pub(crate) fn set_parent(&self, waker: &Waker) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.1.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.1 = Some(waker.clone());
        }
    }

    /// Exchanges the woken slots for `into`, which is empty.
    pub(crate) fn take(&self, into: &mut Vec<usize>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        core::mem::swap(&mut state.0, into);
    }

    pub(crate) fn wake(&self, key: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.0.contains(&key) {
            state.0.push(key);
        }
        let parent = state.1.clone();
        drop(state);
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

/// The waker of one slot.
pub(crate) struct CallWake {
    pub(crate) key: usize,
    pub(crate) wakes: Arc<Wakes>,
}

impl Wake for CallWake {
    fn wake(self: Arc<Self>) {
        self.wakes.wake(self.key);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.wake(self.key);
    }
}
