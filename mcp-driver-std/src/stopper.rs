//! The way to end what serves, from any thread.
//!
//! Owns the wish and whom to tell of it. Must never wait: whoever serves ends in its own time, which is bounded.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::system::Bell;

const SERVE: u8 = 0;
const STOP: u8 = 1;
const STOP_NOW: u8 = 2;

/// Asks everything that serves with it to end. Clones are the same stopper.
///
/// ```
/// use mcp_driver_std::{Ended, Stopper, StreamOptions, serve_io_until};
///
/// # #[cfg(unix)] {
/// let (ours, _client) = std::os::unix::net::UnixStream::pair().unwrap();
/// let stopper = Stopper::new();
/// let other = stopper.clone();
/// std::thread::spawn(move || other.stop());
/// let server = mcp_server::Server::new("demo", "1.0.0");
/// let input = ours.try_clone().unwrap();
/// let ended = serve_io_until(server, input, ours, StreamOptions::default(), &stopper).unwrap();
/// assert_eq!(ended, Ended::Shutdown);
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Stopper(Arc<Shared>);

#[derive(Default)]
struct Shared {
    wish: AtomicU8,
    bells: Mutex<Vec<Weak<Bell>>>,
}

impl Stopper {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a graceful end: subscriptions are completed, running calls get
    /// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
    pub fn stop(&self) {
        self.wish(STOP);
    }

    /// Asks for an end at once: what runs is lost.
    pub fn stop_now(&self) {
        self.wish(STOP_NOW);
    }

    /// Whether an end was asked for.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.wish.load(Ordering::SeqCst) >= STOP
    }

    pub(crate) fn is_stopped_now(&self) -> bool {
        self.0.wish.load(Ordering::SeqCst) == STOP_NOW
    }

    fn wish(&self, wish: u8) {
        self.0.wish.fetch_max(wish, Ordering::SeqCst);
        let bells = self.0.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|bell| bell.ring());
    }

    /// Rings `bell` with every wish from now on; look once after this.
    pub(crate) fn tell(&self, bell: &Arc<Bell>) {
        let mut bells = self.0.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|bell| bell.strong_count() > 0);
        bells.push(Arc::downgrade(bell));
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wish = match self.0.wish.load(Ordering::SeqCst) {
            SERVE => "serve",
            STOP => "stop",
            _ => "stop now",
        };
        f.debug_tuple("Stopper").field(&wish).finish()
    }
}
