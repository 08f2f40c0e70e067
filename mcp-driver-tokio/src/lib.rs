//! MCP servers on tokio.
//!
//! A driver moves bytes, tells the time, supplies entropy and wakes; it decides
//! nothing about the protocol. This one serves a [`Service`](mcp_server::Service)
//!
//! - on standard input and output: [`serve_stdio`], with private descriptors,
//!   so that a stray `println!` lands on stderr;
//! - over any `AsyncRead + AsyncWrite` with the same framing: [`serve_io`], and
//!   over TCP and Unix sockets: [`serve_tcp`], [`serve_unix`];
//! - over Streamable HTTP (feature `http`, on by default): [`http::serve()`], and
//!   [`http::McpService`] for mounting in axum or any other `tower` stack;
//! - over WebSocket (feature `ws`), at a path of such a listener: `ws::serve`;
//! - as a whole process that reads its arguments and minds its signals: [`run()`].

#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "http"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "what a feature brings is named above all the same"
    )
)]

mod clock;
#[cfg(feature = "http")]
pub mod http;
mod listen;
mod run;
mod runtime;
mod signal;
mod stdio;
mod stream;
#[cfg(feature = "ws")]
pub mod ws;

pub use clock::Clock;
pub use listen::serve_tcp;
#[cfg(unix)]
pub use listen::serve_unix;
pub use mcp_driver::{
    DEFAULT_BLOCKING_THREADS, Ended, ListenOptions, NoEntropy, StreamOptions, seed,
};
#[cfg(feature = "http")]
pub use run::run_http;
pub use run::{run, run_stdio};
pub use runtime::TokioRuntime;
pub use signal::Termination;
pub use stdio::{StdioReader, StdioWriter, serve_stdio, serve_stdio_until, take_stdio};
pub use stream::{serve_io, serve_io_until};

/// The README's examples are compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
