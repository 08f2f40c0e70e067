//! TCP and Unix-socket listeners that speak the stdio framing.
//!
//! Owns accepting connections and giving each its own task. It must never let
//! one peer's end touch another's, and never accept beyond loopback unless the
//! caller said so: this framing carries no credentials.

use std::future::Future;
use std::io;
use std::pin::pin;

use mcp_driver::{
    ACCEPT_PAUSE, Ended, ListenOptions, Silence, StreamOptions, is_about_one_peer, refuse_remote,
};
use mcp_server::{IntoService, Service};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::runtime::TokioRuntime;
use crate::stream::pump;

/// Serves every connection of a TCP listener until `shutdown` completes; then
/// each gets [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
///
/// # Errors
/// When the listener is beyond loopback without [`ListenOptions::allow_remote`],
/// or the server does not compile.
pub async fn serve_tcp<S: IntoService>(
    listener: TcpListener,
    service: S,
    options: ListenOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    refuse_remote(address, &options)?;
    let service = service.into_service().map_err(io::Error::other)?;
    let silence = Silence::from(&options);
    accept_loop(
        async || {
            let (stream, _) = listener.accept().await?;
            silence.notice(&stream);
            // Answers are small and latency matters; failing to say so is harmless.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        },
        service,
        options,
        shutdown,
    )
    .await;
    Ok(())
}

/// Serves every connection of a Unix-socket listener until `shutdown` completes.
///
/// # Errors
/// When the server does not compile.
#[cfg(unix)]
pub async fn serve_unix<S: IntoService>(
    listener: tokio::net::UnixListener,
    service: S,
    options: ListenOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = service.into_service().map_err(io::Error::other)?;
    accept_loop(
        async || Ok(listener.accept().await?.0),
        service,
        options,
        shutdown,
    )
    .await;
    Ok(())
}

async fn accept_loop<C>(
    accept: impl AsyncFn() -> io::Result<C>,
    service: Service,
    options: ListenOptions,
    shutdown: impl Future<Output = ()>,
) where
    C: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    // One for all: its bound on threads is the listener's, not each peer's.
    let runtime = TokioRuntime::current();
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        let full = connections.len() >= options.max_connections;
        tokio::select! {
            () = shutdown.as_mut() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accept(), if !full => match accepted {
                Ok(stream) => {
                    connections.spawn(one(
                        stream,
                        service.clone(),
                        runtime.clone(),
                        options.stream.clone(),
                        stopped.clone(),
                    ));
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
    drop(stop);
    while connections.join_next().await.is_some() {}
}

async fn one<C>(
    stream: C,
    service: Service,
    runtime: TokioRuntime,
    options: StreamOptions,
    mut stop: watch::Receiver<()>,
) -> io::Result<Ended>
where
    C: AsyncRead + AsyncWrite,
{
    let (reader, writer) = tokio::io::split(stream);
    let stopped = async move { while stop.changed().await.is_ok() {} };
    let hang_up = std::future::pending();
    pump(service, runtime, reader, writer, options, stopped, hang_up).await
}

/// Waits a little after an error of `accept` that no peer caused.
pub(crate) async fn pause_after(error: &io::Error) {
    if !is_about_one_peer(error) {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
