//! The whole life of a server process.
//!
//! Owns the conventions of a server started by a client or from a shell. It must never write to the standard output.

use std::io;
use std::process::ExitCode;

use mcp_driver::StreamOptions;
use mcp_driver::arguments::{ServeHttp, serve_as_asked};
use mcp_server::IntoService;

use crate::serve::serve_stdio_until;
use crate::stopper::Stopper;

/// Serves until the client ends it, as the process's arguments say: nothing or `--stdio` for standard input and output.
///
/// Messages for people go to stderr.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     mcp_driver_std::run(mcp_server::Server::new("hello", "1.0.0"))
/// }
/// ```
pub fn run<S: IntoService>(server: S) -> ExitCode {
    let http: Option<ServeHttp<'_>> = None;
    serve_as_asked(server, run_stdio, http)
}

/// Serves standard input and output until the client goes away. Blocks.
///
/// # Errors
/// When the standard streams cannot be taken.
pub fn run_stdio<S: IntoService>(server: S) -> io::Result<()> {
    let stopper = Stopper::new();
    serve_stdio_until(server, StreamOptions::default(), &stopper).map(drop)
}
