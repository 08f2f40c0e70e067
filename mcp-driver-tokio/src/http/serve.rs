//! A listener of our own: accept, keep deadlines, end gracefully.
//!
//! Owns connections and their limits. It must never bind or serve beyond
//! loopback without authentication unless it was told to, and never take
//! longer to end than its bounds.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use mcp_driver::Silence;
use mcp_driver::http::{Report, ServeOptions, cannot_listen, refuse_exposure};
use mcp_server::IntoService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::guard::{Activity, Guarded, Limits};
use super::routes::{ConnectionService, Routes};
use super::service::McpService;
use super::stall::StreamExecutor;
use crate::clock::{Clock, LazySleep};
use crate::listen::pause_after;
use crate::runtime::TokioRuntime;

/// Binds a listener for [`serve`]; `address` is `HOST:PORT`.
///
/// # Errors
/// When the address does not resolve or cannot be bound; the message names it.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| cannot_listen(address, &error))
}

/// Serves Streamable HTTP on a listener until `shutdown` completes, HTTP/1.1
/// and HTTP/2 alike.
///
/// Besides the endpoint it serves `/livez` (the process lives), `/readyz` (not
/// before and not after serving) and, when configured, the protected-resource
/// metadata. Ending takes at most [`ServeOptions::lame_duck`], in which only
/// `/readyz` turns to 503, and then
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound),
/// in which open subscriptions get their completion and calls that run may finish.
///
/// # Errors
/// When the listener is beyond loopback without an authenticator and without
/// [`ServeOptions::allow_unauthenticated`], when the server does not compile,
/// or when the operating system has no randomness.
pub async fn serve<S: IntoService>(
    listener: TcpListener,
    service: S,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Report> {
    let runtime = TokioRuntime::with_blocking_threads(options.blocking_threads);
    let routes = routes(service, &options, runtime)?;
    serve_routes(listener, routes, options, shutdown).await
}

/// The same with a path for WebSocket.
#[cfg(feature = "ws")]
pub(crate) async fn serve_with<S: IntoService>(
    listener: TcpListener,
    service: S,
    options: ServeOptions,
    ws: crate::ws::WsOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Report> {
    let runtime = TokioRuntime::with_blocking_threads(options.blocking_threads);
    let mut routes = routes(service, &options, runtime.clone())?;
    let server = routes.mcp.server().clone();
    routes.ws = Some(crate::ws::Acceptor::new(
        server,
        runtime,
        ws,
        options.authentication_deadline,
    ));
    serve_routes(listener, routes, options, shutdown).await
}

fn routes<S: IntoService>(
    service: S,
    options: &ServeOptions,
    runtime: TokioRuntime,
) -> io::Result<Routes> {
    let mcp = McpService::with_runtime(service, options.http.clone(), runtime)?
        .with_authentication_deadline(options.authentication_deadline)
        .with_body_deadline(options.body_deadline);
    Ok(Routes::new(mcp, &options.path))
}

async fn serve_routes(
    listener: TcpListener,
    routes: Routes,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Report> {
    refuse_exposure(listener.local_addr()?, &options)?;
    let bound = routes
        .mcp
        .server()
        .service()
        .config()
        .limits()
        .shutdown_bound;
    let routes = Arc::new(routes);

    let mut shutdown = pin!(shutdown);
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut asked = false;
    let mut lame_duck = pin!(tokio::time::sleep(Duration::ZERO));
    loop {
        let full = connections.len() >= options.max_connections;
        tokio::select! {
            () = shutdown.as_mut(), if !asked => {
                asked = true;
                routes.paths.end();
                lame_duck.as_mut().reset(Instant::now() + options.lame_duck);
            }
            () = lame_duck.as_mut(), if asked => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&routes), options.clone(), stopped.clone()));
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
    drop(listener);
    routes.mcp.shutdown();
    drop(stop);
    drop(stopped);
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(bound, all_done).await.is_ok() {
        return Ok(Report::new(0));
    }
    let dropped = connections.len();
    connections.shutdown().await;
    Ok(Report::new(dropped))
}

/// One connection, from accept to close.
async fn connection(
    stream: TcpStream,
    routes: Arc<Routes>,
    options: ServeOptions,
    mut stop: watch::Receiver<()>,
) {
    // Answers are small and latency matters; failing to say so is harmless.
    let _ = stream.set_nodelay(true);
    Silence::from(&options).notice(&stream);
    let clock = Clock::start();
    let activity = Activity::new(
        clock,
        Limits {
            head: options.head_deadline,
            idle: options.idle,
        },
    );
    let slot = Arc::new(Mutex::new(None));
    let executor = StreamExecutor {
        slot: Arc::clone(&slot),
        limit: options.write_stall,
        clock,
    };
    #[cfg(feature = "ws")]
    let (ws, upgraded) = (routes.ws.clone(), crate::ws::Upgraded::default());
    let service = ConnectionService {
        routes,
        #[cfg(feature = "ws")]
        upgraded: Arc::clone(&upgraded),
        activity: Arc::clone(&activity),
        slot,
        clock,
    };

    let mut builder = auto::Builder::new(executor);
    builder.http1().max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        // A peer that vanished without a word is noticed by its silence.
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_send_buf_size(64 * 1024);
    let io = TokioIo::new(Guarded::new(
        stream,
        Arc::clone(&activity),
        options.write_stall,
    ));
    #[cfg(feature = "ws")]
    let mut serving = pin!(builder.serve_connection_with_upgrades(io, service));
    #[cfg(not(feature = "ws"))]
    let mut serving = pin!(builder.serve_connection(io, service));
    let mut stopping = pin!(async move { while stop.changed().await.is_ok() {} });
    let mut stop_seen = false;
    let mut timer = LazySleep::default();
    let over = poll_fn(|cx| {
        if !stop_seen && stopping.as_mut().poll(cx).is_ready() {
            stop_seen = true;
            serving.as_mut().graceful_shutdown();
        }
        // Errors here are the peer's: it closed, it stalled, it spoke nonsense.
        if serving.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Over::Served);
        }
        loop {
            let deadline = activity.deadline();
            if deadline.is_some_and(|at| at <= clock.instant()) {
                return Poll::Ready(Over::Late);
            }
            // A busy connection looks again when its response ends or, on
            // HTTP/2 where that happens in another task, a little later.
            let at = deadline.unwrap_or_else(|| clock.instant() + options.idle);
            timer.set(Some(clock.deadline(at)));
            if timer.poll_fired(cx).is_pending() {
                return Poll::Pending;
            }
        }
    });
    match over.await {
        #[cfg(feature = "ws")]
        Over::Served => {
            let accepted = crate::ws::take(&upgraded);
            if let (Some(ws), Some(accepted)) = (ws, accepted) {
                let stop = async {
                    if !stop_seen {
                        stopping.await;
                    }
                };
                ws.serve(accepted, stop).await;
            }
        }
        #[cfg(not(feature = "ws"))]
        Over::Served => {}
        Over::Late => {}
    }
}

/// How the HTTP of a connection ended.
enum Over {
    /// As the protocol has it; perhaps with another protocol.
    Served,
    /// A deadline passed.
    Late,
}
