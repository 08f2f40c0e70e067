//! What a dispatched request comes to, before anybody polls anything.
//!
//! Owns: the shape that the dispatcher hands to the call that is being run ([`Dispatched`]) and the finished answer
//! ([`Outcome`]). Must never: poll, spawn, or know a transport.

use std::future::Future;
use std::pin::Pin;

use mcp_proto::config::CacheHint;
use mcp_proto::error::WireError;
use mcp_proto::reply::Body;
use mcp_types::Json;

/// A boxed future that a driver may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A request that has been matched with its handler and whose arguments have been accepted.
pub(crate) enum Dispatched {
    /// The answer is already there: a list, a refusal, a synchronous handler.
    Ready(Outcome),
    /// To be polled in place by whoever owns the call.
    Pending(BoxFuture<Outcome>),
    /// To be given to the driver's task spawner (`#[tool(spawn)]`).
    Spawn(BoxFuture<Outcome>),
    /// To be run on the driver's pool for blocking work (`#[tool(blocking)]`).
    Blocking(Box<dyn FnOnce() -> Outcome + Send>),
}

impl std::fmt::Debug for Dispatched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready(outcome) => f.debug_tuple("Ready").field(outcome).finish(),
            Self::Pending(_) => f.write_str("Pending"),
            Self::Spawn(_) => f.write_str("Spawn"),
            Self::Blocking(_) => f.write_str("Blocking"),
        }
    }
}

/// A finished answer in the terms of the revision that the request was judged by.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A complete result.
    Reply(OwnedReply),
    /// A JSON-RPC error.
    Fail(WireError),
}

/// The parts of a complete result that outlive the handler.
#[derive(Debug, Clone)]
pub(crate) struct OwnedReply {
    /// A JSON object without `resultType` and `_meta`; cached lists share one buffer.
    pub(crate) body: Body,
    /// The handler's own `_meta`.
    pub(crate) meta: Option<Json>,
    /// Caching hint for the six cacheable methods; nothing elsewhere.
    pub(crate) cache: Option<CacheHint>,
}
