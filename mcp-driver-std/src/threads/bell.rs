//! What wakes a thread that sleeps.
//!
//! Owns the wish to be woken. Must never lose a ring.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Duration;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the same signature where it takes a descriptor"
    )]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Wakes whoever sleeps here, or makes the next sleep end at once.
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }

    /// Sleeps until it is rung, or for `timeout`. Only one thread may sleep here at a time.
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the same signature where the system is asked"
    )]
    pub(crate) fn sleep(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(timeout) = timeout {
            let slept = self.heard.wait_timeout_while(rung, timeout, |rung| !*rung);
            rung = slept.unwrap_or_else(PoisonError::into_inner).0;
        } else {
            let slept = self.heard.wait_while(rung, |rung| !*rung);
            rung = slept.unwrap_or_else(PoisonError::into_inner);
        }
        *rung = false;
        Ok(())
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
