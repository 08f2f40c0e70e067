//! Smol's parts as a platform.
//!
//! Owns one executor. Must never poll it by itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_executor::Executor;
use async_io::Timer;
use mcp_server::BoxFuture;

use crate::platform::Platform;

/// Timers of [`async_io`], threads of [`blocking`], and an executor of [`async_executor`] (which is `smol::Executor`). The
/// executor has to be run by somebody: [`AsyncIo::block_on`] does, and so may threads of your own.
///
/// ```
/// # use mcp_driver_futures::{AsyncIo, Ended, serve_io};
/// # use mcp_server::Server;
/// let smol = AsyncIo::default();
/// let server = Server::new("hello", "1.0.0");
/// let ended = smol.block_on(serve_io(smol.clone(), server, smol::io::empty(), smol::io::sink()));
/// assert_eq!(ended.unwrap(), Ended::EndOfInput);
/// ```
#[derive(Debug, Clone, Default)]
pub struct AsyncIo {
    executor: Arc<Executor<'static>>,
}

impl AsyncIo {
    /// On an executor that is run elsewhere, too.
    #[must_use]
    pub const fn on(executor: Arc<Executor<'static>>) -> Self {
        Self { executor }
    }

    /// Where its tasks are.
    #[must_use]
    pub const fn executor(&self) -> &Arc<Executor<'static>> {
        &self.executor
    }

    /// Runs a future on this thread, and the tasks while it is at it.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_io::block_on(self.executor.run(future))
    }
}

/// One timer of [`AsyncIo`].
#[derive(Debug)]
pub struct Sleep(Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Platform for AsyncIo {
    type Sleep = Sleep;

    fn spawn(&self, future: BoxFuture<()>) {
        self.executor.spawn(future).detach();
    }

    fn unblock(&self, work: Box<dyn FnOnce() + Send>) {
        blocking::unblock(work).detach();
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep(Timer::after(duration))
    }
}
