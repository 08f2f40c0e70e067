//! MCP servers on one mio event loop: one thread, no threads of its own, no async runtime.
//!
//! A driver moves bytes, tells the time, supplies entropy and wakes; it decides nothing about the protocol. This one serves
//! any number of listeners and connections on the thread that polls it: readiness is edge-triggered and remembered, so a
//! request costs one read and one write; what other threads wake costs one write to the loop's waker, and only while it
//! sleeps.
//!
//! - [`EventLoop`] owns a poll: [`run`](EventLoop::run) it, or call [`poll_once`](EventLoop::poll_once) from outside;
//! - [`Driver`] is the same inside of a host's own mio loop, with tokens that do not collide with the host's;
//! - [`Driver::serve_tcp`] and its siblings say what is served.
//!
//! # Handlers
//! Synchronous handlers run on the loop's thread, and futures are polled there: neither may block. `#[tool(blocking)]` goes to
//! the pool that the user supplies ([`LoopOptions::with_pool`]); **without one it runs in place and everybody waits for it**.

#![forbid(unsafe_code)]

mod connection;
mod driver;
mod event_loop;
mod handle;
mod lines;
mod listener;
mod queue;
mod readiness;
mod runtime;
mod serve;
mod slab;
#[cfg(unix)]
mod stdio;
mod timers;
mod tokens;
mod wire;

pub use driver::{Driver, LoopOptions};
pub use event_loop::EventLoop;
pub use handle::{ConnectionHandle, ListenerHandle, LoopHandle};
pub use mcp_driver::{Ended, ListenOptions, NoEntropy, StreamOptions};
pub use runtime::LoopRuntime;
pub use tokens::Tokens;
