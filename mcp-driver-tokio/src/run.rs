//! The whole life of a server process: runtime, signals, the end.
//!
//! Owns the conventions of a server started by a client or from a shell. It
//! must never write to the standard output, and never outlive a request to end
//! by more than a bound.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use mcp_driver::{Asked, StreamOptions, arguments, until_insisted};
use mcp_server::IntoService;

use crate::signal::Termination;

/// How long the runtime may take to go away once serving is over.
const RUNTIME_BOUND: Duration = Duration::from_millis(200);

/// Serves until the client or a signal ends it, as the process's arguments say:
/// nothing or `--stdio` for standard input and output, `--http [ADDR]` for
/// Streamable HTTP at `http://ADDR/mcp` (default `127.0.0.1:8080`).
///
/// Blocks the calling thread and starts a runtime of its own. SIGTERM, SIGINT
/// and SIGHUP end it gracefully, a second one at once; in every case it returns
/// within [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound) and a moment.
/// Messages for people go to stderr.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     mcp_driver_tokio::run(mcp_server::Server::new("hello", "1.0.0"))
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

/// Serves standard input and output until the client goes away or a signal
/// comes, on a single-threaded runtime of its own. Blocks.
///
/// # Errors
/// When the standard streams cannot be taken or the runtime cannot start.
pub fn run_stdio<S: IntoService>(server: S) -> io::Result<()> {
    let service = server.into_service().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(minding_signals(async |asked| {
        let options = StreamOptions::default();
        let ended = crate::stdio::serve_stdio_until(service, options, asked).await;
        ended.map(drop)
    }));
    // A blocking tool that never returns must not keep the process.
    runtime.shutdown_timeout(RUNTIME_BOUND);
    ended
}

/// Serves Streamable HTTP at `http://ADDRESS` and the path of the options until a
/// signal comes, on a runtime of its own with a thread for each processor that
/// this process may use. Blocks; `announce` is told where it serves, once it does.
///
/// # Errors
/// When the address cannot be bound or must not be (see
/// [`serve`](crate::http::serve())), or the runtime cannot start.
#[cfg(feature = "http")]
pub fn run_http<S: IntoService>(
    server: S,
    address: &str,
    options: crate::http::ServeOptions,
    announce: impl FnOnce(std::net::SocketAddr),
) -> io::Result<()> {
    let service = server.into_service().map_err(io::Error::other)?;
    // With one processor there is nothing to hand work to: a scheduler of threads would only cost.
    let alone = std::thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    let mut runtime = if alone {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = runtime.enable_all().build()?;
    let ended = runtime.block_on(minding_signals(async |asked| {
        let listener = crate::http::bind(address).await?;
        let address = listener.local_addr()?;
        mcp_driver::http::refuse_exposure(address, &options)?;
        announce(address);
        let ended = crate::http::serve(listener, service, options, asked).await;
        ended.map(drop)
    }));
    runtime.shutdown_timeout(RUNTIME_BOUND);
    ended
}

/// Serves until that is over, or until a signal has asked for its end and a second one insists.
async fn minding_signals(serve: impl AsyncFnOnce(Asked) -> io::Result<()>) -> io::Result<()> {
    let mut signals = Termination::listen()?;
    let served = until_insisted(async || signals.recv().await, serve).await;
    served.unwrap_or(Ok(()))
}
