//! MCP servers on one mio event loop: one thread, no threads of its own, no async runtime.
//!
//! A driver moves bytes, tells the time, supplies entropy and wakes; it decides nothing about the protocol. This one serves
//! any number of listeners and connections on the thread that polls it: readiness is edge-triggered and remembered, so a
//! request costs one read and one write; what other threads wake costs one write to the loop's waker, and only while it
//! sleeps.
//!
//! - [`EventLoop`] owns a poll: [`run`](EventLoop::run) it, or call [`poll_once`](EventLoop::poll_once) from outside;
//! - [`Driver`] is the same inside of a host's own mio loop, with tokens that do not collide with the host's;
//! - [`Driver::serve_tcp`] and its siblings say what is served: byte streams with the framing of stdio, and Streamable HTTP
//!   (feature `http`, on by default; HTTP/1.1), also over TLS (feature `tls`: `Driver::serve_https`);
//! - [`run()`] is a whole process that reads its arguments and minds its signals.
//!
//! # Handlers
//! Synchronous handlers run on the loop's thread, and futures are polled there: neither may block. `#[tool(blocking)]` goes to
//! the pool that the user supplies ([`LoopOptions::with_pool`]); **without one it runs in place and everybody waits for it**.

#![forbid(unsafe_code)]

mod connection;
mod driver;
mod event_loop;
mod handle;
#[cfg(feature = "http")]
mod http;
mod lines;
mod listener;
mod options;
mod queue;
mod run;
mod runtime;
mod serve;
#[cfg(all(unix, feature = "signals"))]
mod signals;
#[cfg(unix)]
mod stdio;
mod tokens;
mod wire;

pub use driver::Driver;
pub use event_loop::EventLoop;
pub use handle::{ConnectionHandle, ListenerHandle, LoopHandle};
#[cfg(feature = "http")]
pub use mcp_driver::http::{DEFAULT_ADDRESS, Report, ServeOptions};
#[cfg(feature = "tls")]
pub use mcp_driver::tls;
pub use mcp_driver::{
    DEFAULT_BLOCKING_THREADS, Ended, Job, ListenOptions, NoEntropy, StreamOptions,
};
pub use options::LoopOptions;
#[cfg(feature = "http")]
pub use run::run_http;
#[cfg(feature = "tls")]
pub use run::run_https;
pub use run::{run, run_stdio, run_with};
pub use runtime::LoopRuntime;
pub use tokens::Tokens;
