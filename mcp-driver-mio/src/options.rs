//! How a loop works.
//!
//! Owns what is decided before anything is served.

use std::fmt;
use std::sync::Arc;

use mcp_driver::{Job, Permits};

use crate::runtime::Pool;

/// Options of an [`EventLoop`](crate::EventLoop) or a [`Driver`](crate::Driver).
///
/// ```
/// use mcp_driver_mio::{Job, LoopOptions};
///
/// let options = LoopOptions::default().with_pool(4, |job: Job| {
///     // A real one keeps its threads.
///     std::thread::spawn(move || job.run());
/// });
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct LoopOptions {
    pub(crate) pool: Option<Pool>,
}

impl fmt::Debug for LoopOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopOptions")
            .field("has_pool", &self.pool.is_some())
            .finish()
    }
}

impl LoopOptions {
    /// Hands blocking handlers to `pool`, at most `threads` (and at least one) at once; further ones wait in the loop, where
    /// they are dropped when nobody wants them any more. `pool` is called on any thread, has to return at once, and has to
    /// [`run`](Job::run) the job on a thread that may be blocked. Without a pool they run in place, and everybody waits for
    /// them.
    #[must_use]
    pub fn with_pool(mut self, threads: usize, pool: impl Fn(Job) + Send + Sync + 'static) -> Self {
        self.pool = Some(Pool {
            permits: Permits::new(threads),
            hand_over: Arc::new(pool),
        });
        self
    }
}
