//! What a caller keeps of what it has the loop serve.
//!
//! Owns the counts that other threads may look at. Must never keep anything alive: a handle that is dropped changes nothing.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use mcp_driver::Ended;
use mcp_driver::edges::Id;

use crate::queue::{Order, Queue};

/// What is known about a listener or a connection.
#[derive(Debug, Default)]
pub(crate) struct Status {
    connections: AtomicUsize,
    dropped: AtomicUsize,
    over: AtomicBool,
    ended: OnceLock<Ended>,
}

impl Status {
    pub(crate) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, ended: Ended) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        if ended == Ended::ShutdownBound {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn finish(&self, ended: Option<Ended>) {
        if let Some(ended) = ended {
            // It is set once, for a connection ends once.
            let _ = self.ended.set(ended);
        }
        self.over.store(true, Ordering::Release);
    }
}

macro_rules! opaque_debug {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
opaque_debug!(LoopHandle);
opaque_debug!(ListenerHandle);
opaque_debug!(ConnectionHandle);

/// Ends what a loop serves, from any thread.
#[derive(Clone)]
pub struct LoopHandle {
    pub(crate) queue: Arc<Queue>,
}

impl LoopHandle {
    /// Ends everything gracefully: listeners close, open subscriptions are completed, running calls get
    /// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
    pub fn shutdown(&self) {
        self.queue.order(Order::ShutdownAll);
    }
}

/// A listener and the connections that came through it. Dropping it changes nothing.
#[derive(Clone)]
pub struct ListenerHandle {
    pub(crate) queue: Arc<Queue>,
    pub(crate) status: Arc<Status>,
    pub(crate) id: Id,
}

impl ListenerHandle {
    /// Closes the listener and ends its connections gracefully, as [`LoopHandle::shutdown`] does for all.
    pub fn shutdown(&self) {
        self.queue.order(Order::Shutdown(self.id));
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.status.connections()
    }

    /// How many connections were still busy when the time for their graceful end was over.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.status.dropped.load(Ordering::Relaxed)
    }

    /// Whether the listener is closed and all its connections are.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status.over.load(Ordering::Acquire)
    }
}

#[cfg(feature = "http")]
impl ListenerHandle {
    /// How serving ended; `None` while it has not.
    #[must_use]
    pub fn report(&self) -> Option<mcp_driver::http::Report> {
        self.is_over()
            .then(|| mcp_driver::http::Report::new(self.dropped()))
    }
}

/// One connection that was given to the loop. Dropping it changes nothing.
#[derive(Clone)]
pub struct ConnectionHandle {
    pub(crate) queue: Arc<Queue>,
    pub(crate) status: Arc<Status>,
    pub(crate) id: Id,
}

impl ConnectionHandle {
    /// Ends the connection gracefully.
    pub fn shutdown(&self) {
        self.queue.order(Order::Shutdown(self.id));
    }

    /// Why the connection is over; `None` while it is not.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.status.ended.get().copied()
    }
}
