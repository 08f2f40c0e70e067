//! TCP and Unix-socket listeners of async-io.
//!
//! Owns nothing but their spelling.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_io::Async;
use futures_core::Stream as Incoming;
use mcp_driver::{ListenOptions, Silence};
use mcp_server::IntoService;

use crate::async_io::AsyncIo;
use crate::listen::{ListenAddress, serve_incoming};

/// Serves every connection of a TCP listener, with the stdio framing, until `shutdown` completes; then each gets
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
///
/// # Errors
/// When the listener is beyond loopback without [`ListenOptions::allow_remote`], or the server does not compile.
pub async fn serve_tcp<S: IntoService>(
    platform: AsyncIo,
    listener: Async<TcpListener>,
    service: S,
    options: ListenOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = ListenAddress::Tcp(listener.get_ref().local_addr()?);
    let incoming = Prepared::new(listener.incoming(), Silence::from(&options));
    serve_incoming(platform, address, incoming, service, options, shutdown).await
}

/// Serves every connection of a Unix-socket listener, with the stdio framing, until `shutdown` completes.
///
/// # Errors
/// When the server does not compile.
#[cfg(unix)]
pub async fn serve_unix<S: IntoService>(
    platform: AsyncIo,
    listener: Async<std::os::unix::net::UnixListener>,
    service: S,
    options: ListenOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (address, incoming) = (ListenAddress::Local, listener.incoming());
    serve_incoming(platform, address, incoming, service, options, shutdown).await
}

/// Serves Streamable HTTP/1.1 on a TCP listener until `shutdown` completes. See
/// [`serve_incoming`](crate::http::serve_incoming).
///
/// # Errors
/// Those of [`serve_incoming`](crate::http::serve_incoming).
#[cfg(feature = "http")]
pub async fn serve_http_tcp<S: IntoService>(
    platform: AsyncIo,
    listener: Async<TcpListener>,
    service: S,
    options: mcp_driver::http::ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<mcp_driver::http::Report> {
    let address = ListenAddress::Tcp(listener.get_ref().local_addr()?);
    let incoming = Prepared::new(listener.incoming(), Silence::from(&options));
    crate::http::serve_incoming(platform, address, incoming, service, options, shutdown).await
}

/// Answers are small and latency matters, and peers vanish; a socket that refuses to know works all the same.
struct Prepared<I> {
    incoming: Pin<Box<I>>,
    silence: Silence,
}

impl<I> Prepared<I> {
    fn new(incoming: I, silence: Silence) -> Self {
        Self {
            incoming: Box::pin(incoming),
            silence,
        }
    }
}

impl<I> Incoming for Prepared<I>
where
    I: Incoming<Item = io::Result<Async<std::net::TcpStream>>>,
{
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let polled = self.incoming.as_mut().poll_next(cx);
        if let Poll::Ready(Some(Ok(stream))) = &polled {
            let _ = stream.get_ref().set_nodelay(true);
            self.silence.notice(stream.get_ref());
        }
        polled
    }
}
