//! Shared values as arguments of handlers.
//!
//! Owns [`State`]. Must never be the way to hand one caller's data to another: what is in a state is shared by all callers.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use mcp_proto::error::WireError;

use crate::Context;
use crate::result::HandlerError;

/// A value that the server was given with [`Server::state`](crate::Server::state), as an argument of a handler.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use mcp_server::{Server, State, tool};
///
/// struct Counter(AtomicU64);
///
/// /// Counts its calls.
/// #[tool]
/// fn count(counter: State<Counter>) -> u64 {
///     counter.0.fetch_add(1, Ordering::Relaxed) + 1
/// }
///
/// assert!(Server::new("counter", "1.0.0").tool(count).build().is_err(), "the state is missing");
/// assert!(Server::new("counter", "1.0.0").tool(count).state(Counter(AtomicU64::new(0))).build().is_ok());
/// ```
pub struct State<T>(Arc<T>);

impl<T: Send + Sync + 'static> State<T> {
    /// The state of the server that a call belongs to.
    ///
    /// # Errors
    /// When the server was not given one. Macro handlers are checked when the server is built.
    pub fn of(context: &Context) -> Result<Self, HandlerError> {
        context.service().state().map(Self).ok_or_else(|| {
            HandlerError::protocol(WireError::internal(
                "the server lacks a state that this handler needs",
            ))
        })
    }

    /// The shared value itself.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&*self.0).finish()
    }
}

impl<T> From<T> for State<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}
