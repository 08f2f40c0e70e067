//! MCP servers on any executor, over any byte stream of [`futures-io`](futures_io).
//!
//! A driver moves bytes, tells the time, supplies entropy and wakes; it decides nothing about the protocol. This one needs
//! three things of a runtime, which [`Platform`] names: a way to run a future, a thread for what blocks, and a timer. With
//! them it serves a [`Service`](mcp_server::Service)
//!
//! - over any `AsyncRead` and `AsyncWrite`, with the stdio framing: [`serve_io`];
//! - over whatever a listener accepts: [`serve_incoming`];
//! - over Streamable HTTP/1.1 (feature `http`, on by default): [`http::serve_incoming`].
//!
//! With the feature `async-io` (on by default) all that is ready for smol, or for no runtime at all: [`AsyncIo`] is a
//! platform, [`serve_stdio`] takes the standard streams, [`serve_tcp`], [`serve_unix`] and [`http::serve_tcp`] listen, and
//! [`run()`] is a whole process.
//!
//! Another runtime is as many lines as it has names for these things:
//!
//! ```
//! use std::time::Duration;
//! use mcp_driver_futures::Platform;
//! use mcp_server::BoxFuture;
//!
//! /// The executor that `smol::spawn` uses.
//! #[derive(Clone, Debug)]
//! struct Smol;
//!
//! impl Platform for Smol {
//!     type Sleep = BoxFuture<()>;
//!
//!     fn spawn(&self, future: BoxFuture<()>) {
//!         smol::spawn(future).detach();
//!     }
//!
//!     fn unblock(&self, work: Box<dyn FnOnce() + Send>) {
//!         smol::unblock(work).detach();
//!     }
//!
//!     fn sleep(&self, duration: Duration) -> BoxFuture<()> {
//!         Box::pin(async move {
//!             smol::Timer::after(duration).await;
//!         })
//!     }
//! }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "async-io", feature = "http")),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "what a feature brings is named above all the same"
    )
)]

#[cfg(feature = "async-io")]
mod async_io;
#[cfg(feature = "http")]
pub mod http;
mod listen;
mod platform;
mod runtime;
mod stream;
mod timer;

#[cfg(all(feature = "async-io", feature = "http"))]
pub use crate::async_io::run_http;
#[cfg(all(feature = "async-io", unix))]
pub use crate::async_io::serve_unix;
#[cfg(feature = "async-io")]
pub use crate::async_io::{
    AsyncIo, Sleep, Termination, run, run_stdio, serve_stdio, serve_stdio_until, serve_tcp,
};
pub use listen::{ListenAddress, serve_incoming};
pub use mcp_driver::{
    DEFAULT_BLOCKING_THREADS, Ended, ListenOptions, NoEntropy, StreamOptions, seed,
};
pub use platform::Platform;
pub use runtime::FuturesRuntime;
pub use stream::{serve_io, serve_io_until};
