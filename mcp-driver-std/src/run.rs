//! The whole life of a server process.
//!
//! Owns the conventions of a server started by a client or from a shell. It must never write to the standard output.

use std::io;
use std::process::ExitCode;

use mcp_driver::{StreamOptions, arguments};
use mcp_server::IntoService;

use crate::serve::serve_stdio_until;
use crate::stopper::Stopper;

/// Serves until the client ends it, as the process's arguments say: nothing or `--stdio` for standard input and output; with the
/// feature `http`, `--http [ADDR]` for Streamable HTTP at `http://ADDR/mcp` (default `127.0.0.1:8080`); with the feature `tls`,
/// `--tls-cert FILE --tls-key FILE` besides for `https://ADDR/mcp`.
///
/// With the feature `signals`, SIGTERM, SIGINT and SIGHUP end it gracefully, a second one at once; in every case it returns
/// within [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound) and a moment. Messages for people go
/// to stderr.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     mcp_driver_std::run(mcp_server::Server::new("hello", "1.0.0"))
/// }
/// ```
pub fn run<S: IntoService>(server: S) -> ExitCode {
    #[cfg(feature = "tls")]
    {
        arguments::serve_as_asked_with_tls(server, run_stdio, run_http, run_https)
    }
    #[cfg(all(feature = "http", not(feature = "tls")))]
    {
        arguments::serve_as_asked(server, run_stdio, run_http)
    }
    #[cfg(not(feature = "http"))]
    arguments::serve_stdio_as_asked(server, run_stdio)
}

/// Serves standard input and output until the client goes away or, with the feature `signals`, a signal comes. Blocks.
///
/// # Errors
/// When the standard streams cannot be taken.
pub fn run_stdio<S: IntoService>(server: S) -> io::Result<()> {
    let stopper = Stopper::new();
    mind_signals(&stopper)?;
    serve_stdio_until(server, StreamOptions::default(), &stopper).map(drop)
}

/// Serves Streamable HTTP at `http://ADDRESS` and the path of the options until, with the feature `signals`, a signal comes.
/// Blocks; `announce` is told where it serves, once it does.
///
/// # Errors
/// When the address cannot be bound or must not be (see [`serve_http`](crate::http::serve_http)).
#[cfg(feature = "http")]
pub fn run_http<S: IntoService>(
    server: S,
    address: &str,
    options: crate::http::ServeOptions,
    announce: impl FnOnce(std::net::SocketAddr),
) -> io::Result<()> {
    let (listener, stopper) = begin(address, &options, announce)?;
    crate::http::serve_http(listener, server, options, &stopper).map(drop)
}

/// Like [`run_http`], over TLS.
///
/// # Errors
/// The same.
#[cfg(feature = "tls")]
pub fn run_https<S: IntoService>(
    server: S,
    address: &str,
    tls: mcp_driver::tls::TlsConfig,
    options: crate::http::ServeOptions,
    announce: impl FnOnce(std::net::SocketAddr),
) -> io::Result<()> {
    let (listener, stopper) = begin(address, &options, announce)?;
    crate::http::serve_https(listener, server, tls, options, &stopper).map(drop)
}

/// What every HTTP server of a process begins with.
#[cfg(feature = "http")]
fn begin(
    address: &str,
    options: &crate::http::ServeOptions,
    announce: impl FnOnce(std::net::SocketAddr),
) -> io::Result<(std::net::TcpListener, Stopper)> {
    let stopper = Stopper::new();
    mind_signals(&stopper)?;
    let (listener, address) = mcp_driver::http::bind(address, options)?;
    announce(address);
    Ok((listener, stopper))
}

/// The first signal asks for a graceful end, the second one insists. For the rest of the process.
#[cfg(all(unix, feature = "signals"))]
fn mind_signals(stopper: &Stopper) -> io::Result<()> {
    use std::io::Read;

    let (signals, mut socket) = mcp_driver::Signals::listen()?;
    let stopper = stopper.clone();
    std::thread::Builder::new()
        .name("mcp-signals".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            let _signals = signals;
            for stop in [Stopper::stop, Stopper::stop_now] {
                if socket.read_exact(&mut [0]).is_err() {
                    return;
                }
                stop(&stopper);
            }
            // Whoever still asks has been heard.
            std::thread::park();
        })?;
    Ok(())
}

#[cfg(not(all(unix, feature = "signals")))]
#[allow(
    clippy::unnecessary_wraps,
    reason = "the same signature with and without the feature"
)]
fn mind_signals(_: &Stopper) -> io::Result<()> {
    Ok(())
}
