//! Streamable HTTP/1.1 over whatever a listener accepts.
//!
//! Owns how a listener's options reach its connections, and the order of its end. Must never serve beyond loopback without
//! authentication unless it was told to.

use std::future::Future;
use std::io;
use std::sync::Arc;

use futures_core::Stream as Incoming;
use futures_io::{AsyncRead, AsyncWrite};
use mcp_driver::http::refuse_exposure;
pub use mcp_driver::http::{DEFAULT_ADDRESS, Report, ServeOptions};
use mcp_driver::{StreamOptions, seed};
use mcp_http1::{ConnectionOptions, HttpConnection};
use mcp_server::IntoService;
pub use mcp_server::http::HttpOptions;
use mcp_server::http::{HttpServer, Routes};

#[cfg(feature = "async-io")]
pub use crate::async_io::serve_http_tcp as serve_tcp;
use crate::listen::{ListenAddress, Listener};
use crate::platform::Platform;
use crate::runtime::FuturesRuntime;

/// Serves Streamable HTTP/1.1 on every connection of a listener until `shutdown` completes.
///
/// Besides the endpoint it serves `/livez` (the process lives), `/readyz` (not after the end has begun) and, when
/// configured, the protected-resource metadata. Ending takes at most [`ServeOptions::lame_duck`], in which only `/readyz`
/// turns to 503, and then [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound), in which open
/// subscriptions get their completion and calls that run may finish. Dropping the future drops the connections.
///
/// # Errors
/// When the listener is beyond loopback without an authenticator and without [`ServeOptions::allow_unauthenticated`], when
/// the server does not compile, or when the operating system has no randomness.
pub async fn serve_incoming<P, S, I, C>(
    platform: P,
    address: ListenAddress,
    incoming: I,
    service: S,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Report>
where
    P: Platform,
    S: IntoService,
    I: Incoming<Item = io::Result<C>>,
    C: AsyncRead + AsyncWrite + Send + 'static,
{
    if let ListenAddress::Tcp(address) = address {
        refuse_exposure(address, &options)?;
    }
    let service = service.into_service().map_err(io::Error::other)?;
    let runtime = FuturesRuntime::with_blocking_threads(platform, options.blocking_threads);
    let each = ConnectionOptions::from(&options);
    let server = HttpServer::new(service, options.http, runtime.shared(), seed()?);
    let routes = Arc::new(Routes::new(server, options.path));
    let shutdown = async {
        shutdown.await;
        routes.end();
        if !options.lame_duck.is_zero() {
            runtime.platform().sleep(options.lame_duck).await;
        }
        routes.server().shutdown();
    };
    let stream = StreamOptions::default().with_write_stall(options.write_stall);
    let mut listener = Listener::new(runtime.clone(), options.max_connections, stream);
    let machine = || Ok(HttpConnection::new(Arc::clone(&routes), each));
    listener.serve(incoming, machine, shutdown).await;
    Ok(Report::new(listener.end().await))
}
