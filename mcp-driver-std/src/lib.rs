//! MCP servers on blocking threads: no async runtime, and the fewest dependencies of all drivers.
//!
//! A driver moves bytes, tells the time, supplies entropy and wakes; it decides nothing about the protocol. This one serves
//! a [`Service`](mcp_server::Service)
//!
//! - on standard input and output: [`serve_stdio`], with private descriptors, so that a stray `println!` lands on stderr;
//! - over any pair of descriptors with the same framing: [`serve_io`], and over TCP and Unix sockets: [`serve_tcp`],
//!   [`serve_unix`];
//! - over Streamable HTTP (feature `http`): `http::serve_http`, and over TLS (feature `tls`): `http::serve_https`;
//! - as a whole process that reads its arguments and minds its signals (feature `signals`): [`run()`].
//!
//! It also speaks to servers: [`client`], over a child process, TCP and Unix sockets.
//!
//! Each connection of a byte stream has a thread, which runs its handlers, too; over HTTP, where the system has `epoll`, many
//! connections share one. A handler that does not come back within a moment costs the others nothing: another thread takes
//! over what it leads. So handlers may await, compute or block as they like; how many may be stuck at once is
//! [`StdRuntime`]'s bound, and over HTTP that on connections.

#![forbid(unsafe_code)]

mod child;
pub mod client;
mod crew;
#[cfg(all(feature = "http", any(target_os = "linux", target_os = "android")))]
mod desk;
#[cfg(feature = "http")]
pub mod http;
mod line;
mod pool;
mod run;
mod runtime;
mod serve;
mod stopper;
#[cfg_attr(unix, path = "poll/mod.rs")]
#[cfg_attr(not(unix), path = "threads/mod.rs")]
mod system;
#[cfg(all(test, unix))]
#[allow(unreachable_pub, reason = "elsewhere it is what is offered")]
mod threads;
mod timers;

#[cfg(feature = "tls")]
pub use mcp_driver::tls;
pub use mcp_driver::{
    DEFAULT_BLOCKING_THREADS, Ended, ListenOptions, NoEntropy, StreamOptions, seed,
};
#[cfg(feature = "http")]
pub use run::run_http;
#[cfg(feature = "tls")]
pub use run::run_https;
pub use run::{run, run_stdio};
pub use runtime::StdRuntime;
#[cfg(unix)]
pub use serve::serve_unix;
pub use serve::{serve_io, serve_io_until, serve_stdio, serve_stdio_until, serve_tcp};
pub use stopper::Stopper;
pub use system::{Input, Output};
