//! Streamable HTTP over HTTP/1.1, a thread for each connection.
//!
//! Owns how a listener of it begins and ends. Must never serve beyond loopback without authentication unless it was told to,
//! and never take longer to end than its bounds.
//!
//! A connection answers one request after the other, so its handlers run on its own thread and can only delay what its own
//! client asks next; what bounds them is [`ServeOptions::max_connections`]. A connection without a request costs a thread
//! that sleeps.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use mcp_driver::http::refuse_exposure;
pub use mcp_driver::http::{DEFAULT_ADDRESS, Report, ServeOptions};
#[cfg(feature = "tls")]
use mcp_driver::tls::{Tls, TlsConfig};
use mcp_driver::{Silence, StreamOptions, seed};
use mcp_http1::{ConnectionOptions, HttpConnection};
use mcp_server::http::{HttpServer, Routes};
use mcp_server::{IntoService, Runtime};

use crate::crew::Shift;
use crate::line::{InPlace, Line};
use crate::runtime::StdRuntime;
use crate::stopper::Stopper;
use crate::system::{Door, Duplex};

/// Serves Streamable HTTP on a listener until `stopper` says otherwise.
///
/// Besides the endpoint it serves `/livez` (the process lives), `/readyz` (not before and not after serving) and, when
/// configured, the protected-resource metadata. Ending takes at most [`ServeOptions::lame_duck`], in which only `/readyz` turns
/// to 503, and then [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound), in which open subscriptions
/// get their completion and calls that run may finish.
///
/// ```no_run
/// use mcp_driver_std::Stopper;
/// use mcp_driver_std::http::{ServeOptions, serve_http};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
/// let server = mcp_server::Server::new("demo", "1.0.0");
/// serve_http(listener, server, ServeOptions::default(), &Stopper::new())?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// When the listener is beyond loopback without an authenticator and without [`ServeOptions::allow_unauthenticated`], when the
/// server does not compile, or when the operating system has no randomness.
pub fn serve_http<S: IntoService>(
    listener: TcpListener,
    service: S,
    options: ServeOptions,
    stopper: &Stopper,
) -> io::Result<Report> {
    serve(listener, service, options, stopper, Ok)
}

/// Like [`serve_http`], over TLS.
///
/// A connection costs its handshake on its own thread, and [`TlsConfig::with_handshake_deadline`] bounds how long that may
/// take. Peers that fail it are hung up on without a word to anybody else.
///
/// ```no_run
/// use mcp_driver_std::Stopper;
/// use mcp_driver_std::http::{ServeOptions, serve_https};
/// use mcp_driver_std::tls::TlsConfig;
///
/// let tls = TlsConfig::from_pem_files("fullchain.pem", "privkey.pem")?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:8443")?;
/// let server = mcp_server::Server::new("demo", "1.0.0");
/// serve_https(listener, server, tls, ServeOptions::default(), &Stopper::new())?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// The same.
#[cfg(feature = "tls")]
pub fn serve_https<S: IntoService>(
    listener: TcpListener,
    service: S,
    tls: TlsConfig,
    options: ServeOptions,
    stopper: &Stopper,
) -> io::Result<Report> {
    let tls = tls.for_http1();
    serve(listener, service, options, stopper, |machine| {
        Tls::new(machine, &tls).map_err(io::Error::other)
    })
}

fn serve<S: IntoService, M: InPlace>(
    listener: TcpListener,
    service: S,
    options: ServeOptions,
    stopper: &Stopper,
    protect: impl Fn(HttpConnection) -> io::Result<M>,
) -> io::Result<Report> {
    refuse_exposure(listener.local_addr()?, &options)?;
    let door = Door::new(listener)?;
    let runtime = StdRuntime::with_blocking_threads(options.blocking_threads);
    let service = service.into_service().map_err(io::Error::other)?;
    let bound = service.config().limits().shutdown_bound;
    let connection = ConnectionOptions::from(&options);
    let silence = Silence::from(&options);
    let stream = StreamOptions::default().with_write_stall(options.write_stall);
    let handlers: Arc<dyn Runtime> = Arc::new(runtime.clone());
    let server = HttpServer::new(service, options.http, handlers, seed()?);
    let routes = Arc::new(Routes::new(server, options.path));

    let mut shift = Shift::new(&runtime, stopper)?;
    let stopping = || {
        routes.end();
        options.lame_duck
    };
    shift.listen(&door, options.max_connections, stopping, |socket, crew| {
        silence.notice(&socket);
        let machine = protect(HttpConnection::new(Arc::clone(&routes), connection))?;
        let (duplex, stream) = (Duplex::tcp(socket)?, stream.clone());
        let crew = Arc::clone(crew);
        let line = Line::new(machine, duplex, stream, runtime.clone(), crew, 1)?;
        Ok(Arc::new(line))
    })?;
    // From now on connections are refused.
    drop(door);
    routes.server().shutdown();
    shift.drain(bound).map(Report::new)
}

impl InPlace for HttpConnection {}

/// What is behind TLS is run as it would be without.
#[cfg(feature = "tls")]
impl<M: InPlace> InPlace for Tls<M> {}
