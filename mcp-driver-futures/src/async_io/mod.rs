//! Everything ready for smol, or for no runtime at all.
//!
//! Owns the choice of smol's parts: its reactor for timers and readiness, its executor for tasks, its threads for what
//! blocks. Must never start a runtime that nobody asked for.

mod listen;
mod platform;
mod run;
mod signal;
mod stdio;

#[cfg(feature = "http")]
pub use listen::serve_http_tcp;
pub use listen::serve_tcp;
#[cfg(unix)]
pub use listen::serve_unix;
pub use platform::{AsyncIo, Sleep};
#[cfg(feature = "http")]
pub use run::run_http;
pub use run::{run, run_stdio};
pub use signal::Termination;
pub use stdio::{serve_stdio, serve_stdio_until};
