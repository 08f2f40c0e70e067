//! What every driver needs and no runtime has.
//!
//! A driver moves bytes, tells the time, supplies entropy and wakes. How it waits is its own; all the rest is here, once:
//!
//! - [`Pump`], the loop of one connection over any [`Machine`](mcp_server::Machine): a driver gives it a [`Stream`] that
//!   does not block and an [`Alarm`]; [`run()`] is that loop as a future;
//! - [`edges`], what those share that serve many connections on one thread that is told of changes;
//! - [`client`](mod@client), the client's end as another such machine, and its handle;
//! - [`seed`], [`SystemClock`] and [`Deadline`] for those whose runtime has no entropy, clock or timer of its own;
//! - [`Permits`], the bound on blocking handlers, for those whose runtime has threads but no such bound;
//! - [`stdio`], which takes the process's standard streams away from everybody else;
//! - [`ListenOptions`] and, with the feature `http`, `http::ServeOptions`: what listeners may take, with safe defaults;
//! - with the feature `tls`, `tls::Tls`: any machine behind TLS, as another machine;
//! - [`arguments`], the command line of a server process, and [`until_insisted`], its end.
//!
//! Unless a driver asks for one, it has no threads ([`ThreadReader`], [`ThreadWriter`]), no sockets and no signals, and it decides
//! nothing about the protocol.

#![forbid(unsafe_code)]

pub mod arguments;
pub mod client;
mod clock;
pub mod edges;
mod entropy;
mod heap;
#[cfg(feature = "http")]
pub mod http;
mod insist;
mod listen;
mod permits;
mod pump;
mod run;
mod signals;
pub mod stdio;
mod stream;
mod threads;
#[cfg(feature = "tls")]
pub mod tls;

pub use clock::{Deadline, SystemClock, unix_ms};
pub use entropy::{NoEntropy, seed};
pub use insist::{Asked, until_insisted};
pub use listen::{
    ACCEPT_PAUSE, KEEPALIVE, ListenOptions, Silence, is_about_one_peer, refuse_remote,
};
pub use permits::{Admission, Job, Permits, Queued};
pub use pump::{Alarm, Ended, Pump, Spare, Stream, StreamOptions};
pub use run::run;
#[cfg(all(unix, feature = "signals"))]
pub use signals::Signals;
pub use signals::ignored_signals;
pub use stream::{Scratch, Written, write_from, write_pieces};
pub use threads::{ThreadReader, ThreadWriter};

/// How many blocking handlers a driver runs at once, unless told otherwise.
///
/// Each takes a thread (2 MiB of address space); further ones wait for their turn.
pub const DEFAULT_BLOCKING_THREADS: usize = 64;
