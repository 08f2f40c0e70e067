//! The whole life of a server process: executor, signals, the end.
//!
//! Owns the conventions of a server started by a client or from a shell. Must never write to the standard output, and
//! never outlive a request to end by more than a bound.

use std::io;
use std::process::ExitCode;

use mcp_driver::{Asked, StreamOptions, arguments, until_insisted};
use mcp_server::IntoService;

use crate::async_io::{AsyncIo, Termination, serve_stdio_until};

/// Serves until the client or a signal ends it, as the process's arguments say: nothing or `--stdio` for standard input and
/// output, `--http [ADDR]` (feature `http`) for Streamable HTTP at `http://ADDR/mcp` (default `127.0.0.1:8080`).
///
/// Blocks the calling thread. SIGTERM, SIGINT and SIGHUP end it gracefully, a second one at once; in every case it returns
/// within [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound) and a moment, unless a handler that is
/// no blocking one keeps this very thread. Messages for people go to stderr.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     mcp_driver_futures::run(mcp_server::Server::new("hello", "1.0.0"))
/// }
/// ```
pub fn run<S: IntoService>(server: S) -> ExitCode {
    #[cfg(feature = "http")]
    {
        arguments::serve_as_asked(server, run_stdio, run_http)
    }
    #[cfg(not(feature = "http"))]
    arguments::serve_stdio_as_asked(server, run_stdio)
}

/// Serves standard input and output until the client goes away or a signal comes, on this thread alone. Blocks.
///
/// # Errors
/// When the standard streams cannot be taken or the signals cannot be heard.
pub fn run_stdio<S: IntoService>(server: S) -> io::Result<()> {
    let service = server.into_service().map_err(io::Error::other)?;
    let smol = AsyncIo::default();
    smol.block_on(minding_signals(async |asked| {
        let options = StreamOptions::default();
        let ended = serve_stdio_until(smol.clone(), service, options, asked).await;
        ended.map(drop)
    }))
}

/// Serves Streamable HTTP at `http://ADDRESS` and the path of the options until a signal comes, on a thread for each
/// processor that this process may use. Blocks; `announce` is told where it serves, once it does.
///
/// # Errors
/// When the address cannot be bound or must not be (see [`serve_tcp`](crate::http::serve_tcp)), or the signals cannot be
/// heard.
#[cfg(feature = "http")]
pub fn run_http<S: IntoService>(
    server: S,
    address: &str,
    options: crate::http::ServeOptions,
    announce: impl FnOnce(std::net::SocketAddr),
) -> io::Result<()> {
    let service = server.into_service().map_err(io::Error::other)?;
    let (listener, address) = mcp_driver::http::bind(address, &options)?;
    let listener = async_io::Async::new(listener)?;
    announce(address);
    let smol = AsyncIo::default();
    let others = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    let (end, over) = async_channel::bounded::<std::convert::Infallible>(1);
    for _ in 0..others {
        let (smol, over) = (smol.clone(), over.clone());
        // Nobody waits for them at the end: one may be inside of a handler that never comes back.
        std::thread::Builder::new()
            .name("mcp".to_owned())
            .spawn(move || smol.block_on(over.recv()))?;
    }
    let served = smol.block_on(minding_signals(async |asked| {
        let ended = crate::http::serve_tcp(smol.clone(), listener, service, options, asked).await;
        ended.map(drop)
    }));
    drop(end);
    served
}

/// Serves until that is over, or until a signal has asked for its end and a second one insists.
async fn minding_signals(serve: impl AsyncFnOnce(Asked) -> io::Result<()>) -> io::Result<()> {
    let mut signals = Termination::listen()?;
    let served = until_insisted(async || signals.recv().await, serve).await;
    served.unwrap_or(Ok(()))
}
