//! What this driver needs of a runtime.
//!
//! Owns the words only.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use mcp_server::BoxFuture;

/// A runtime: something that runs futures, has threads for what blocks, and tells when time has passed. Clones are the
/// same runtime. The crate's front page has an example.
pub trait Platform: Clone + fmt::Debug + Send + Sync + 'static {
    /// A timer.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// Runs a future to its end, on whatever thread.
    fn spawn(&self, future: BoxFuture<()>);

    /// Runs work that blocks, on a thread where that hurts nobody. There is never more of it at a time than
    /// [`FuturesRuntime::with_blocking_threads`](crate::FuturesRuntime::with_blocking_threads) says.
    fn unblock(&self, work: Box<dyn FnOnce() + Send>);

    /// Completes when `duration` has passed, counted from this call.
    fn sleep(&self, duration: Duration) -> Self::Sleep;
}
