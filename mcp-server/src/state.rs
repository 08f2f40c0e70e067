//! Shared values as arguments of handlers.
//!
//! Owns [`State`] and the values behind it, one per type. Must never be the way to hand one caller's data to another: what is in a state is shared by all callers.

use std::any::{Any, TypeId};
use std::collections::HashMap;
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

/// One value per type.
#[derive(Default)]
pub(crate) struct States {
    map: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl States {
    pub(crate) fn contains(&self, id: TypeId) -> bool {
        self.map.contains_key(&id)
    }

    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, state: T) {
        self.map.insert(TypeId::of::<T>(), Arc::new(state));
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.map.get(&TypeId::of::<T>())?)
            .downcast()
            .ok()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.map.len())
    }
}
