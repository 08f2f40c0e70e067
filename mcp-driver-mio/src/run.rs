//! The whole life of a server process: loop, signals, the end.
//!
//! Owns the conventions of a server started by a client or from a shell. It must never write to the standard output, and
//! never outlive a request to end by more than a bound.

use std::io;
#[cfg(feature = "http")]
use std::net::SocketAddr;
use std::process::ExitCode;

use mcp_driver::arguments;
#[cfg(feature = "http")]
use mcp_driver::http::ServeOptions;
#[cfg(feature = "tls")]
use mcp_driver::tls::TlsConfig;
use mcp_server::IntoService;

use crate::event_loop::EventLoop;
use crate::options::LoopOptions;

/// Serves until the client or a signal ends it, as the process's arguments say: nothing or `--stdio` for standard input and
/// output, `--http [ADDR]` for Streamable HTTP at `http://ADDR/mcp` (default `127.0.0.1:8080`); with the feature `tls`,
/// `--tls-cert FILE --tls-key FILE` besides for `https://ADDR/mcp`.
///
/// Blocks the calling thread and starts no other. SIGTERM, SIGINT and SIGHUP end it gracefully, a second one at once (feature
/// `signals`, on by default). It returns within
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound) and a moment, unless a handler blocks the
/// loop. Messages for people go to stderr.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     mcp_driver_mio::run(mcp_server::Server::new("hello", "1.0.0"))
/// }
/// ```
pub fn run<S: IntoService>(server: S) -> ExitCode {
    run_with(server, LoopOptions::default())
}

/// Like [`run`], with options: a server with blocking handlers gives them a pool.
pub fn run_with<S: IntoService>(server: S, options: LoopOptions) -> ExitCode {
    let stdio = |service| stdio_on(minding_signals(options.clone())?, service);
    #[cfg(feature = "http")]
    let http = |service, address: &str, serve, announce: arguments::Announce| {
        let event_loop = minding_signals(options.clone())?;
        http_on(event_loop, service, address, serve, announce)
    };
    #[cfg(feature = "tls")]
    {
        let https = |service, address: &str, tls, serve, announce: arguments::Announce| {
            let event_loop = minding_signals(options.clone())?;
            https_on(event_loop, service, address, tls, serve, announce)
        };
        arguments::serve_as_asked_with_tls(server, stdio, http, https)
    }
    #[cfg(all(feature = "http", not(feature = "tls")))]
    {
        arguments::serve_as_asked(server, stdio, http)
    }
    #[cfg(not(feature = "http"))]
    arguments::serve_stdio_as_asked(server, stdio)
}

/// Serves standard input and output until the client goes away or a signal comes. Blocks.
///
/// # Errors
/// When the standard streams cannot be taken or cannot be waited for: only Unix lets an event loop wait for them.
pub fn run_stdio<S: IntoService>(server: S) -> io::Result<()> {
    stdio_on(minding_signals(LoopOptions::default())?, server)
}

/// Serves Streamable HTTP at `http://ADDRESS` and the path of the options until a signal comes. Blocks; `announce` is told
/// where it serves, once it does.
///
/// # Errors
/// When the address cannot be bound or must not be (see [`Driver::serve_http`](crate::Driver::serve_http)).
#[cfg(feature = "http")]
pub fn run_http<S: IntoService>(
    server: S,
    address: &str,
    options: ServeOptions,
    announce: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let event_loop = minding_signals(LoopOptions::default())?;
    http_on(event_loop, server, address, options, announce)
}

/// Like [`run_http`], over TLS.
///
/// # Errors
/// The same.
#[cfg(feature = "tls")]
pub fn run_https<S: IntoService>(
    server: S,
    address: &str,
    tls: TlsConfig,
    options: ServeOptions,
    announce: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let event_loop = minding_signals(LoopOptions::default())?;
    https_on(event_loop, server, address, tls, options, announce)
}

fn minding_signals(options: LoopOptions) -> io::Result<EventLoop> {
    let mut event_loop = EventLoop::with_options(options)?;
    event_loop.mind_signals()?;
    Ok(event_loop)
}

#[cfg(unix)]
fn stdio_on(mut event_loop: EventLoop, server: impl IntoService) -> io::Result<()> {
    let options = mcp_driver::StreamOptions::default();
    event_loop.driver().serve_stdio(server, options)?;
    event_loop.run()
}

#[cfg(not(unix))]
fn stdio_on(_: EventLoop, _: impl IntoService) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "the standard streams cannot be waited for on this platform",
    ))
}

#[cfg(feature = "http")]
fn http_on(
    mut event_loop: EventLoop,
    server: impl IntoService,
    address: &str,
    options: ServeOptions,
    announce: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let (listener, address) = mcp_driver::http::bind(address, &options)?;
    event_loop.driver().serve_http(listener, server, options)?;
    announce(address);
    event_loop.run()
}

#[cfg(feature = "tls")]
fn https_on(
    mut event_loop: EventLoop,
    server: impl IntoService,
    address: &str,
    tls: TlsConfig,
    options: ServeOptions,
    announce: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let (listener, address) = mcp_driver::http::bind(address, &options)?;
    event_loop
        .driver()
        .serve_https(listener, server, tls, options)?;
    announce(address);
    event_loop.run()
}
