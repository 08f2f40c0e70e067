//! Streamable HTTP over HTTP/1.1: on Linux and Android many connections on each thread, elsewhere a thread for each.
//!
//! Owns how a listener of it begins and ends. Must never serve beyond loopback without authentication unless it was told to,
//! and never take longer to end than its bounds.
//!
//! On Linux and Android a thread for each processor waits for events (`epoll`) and runs the handlers of what is ready. One
//! that does not come back within a few milliseconds costs the others nothing more: another thread takes their
//! connections over, and the connection that was slow has a thread of its own until it is quick again. Elsewhere each
//! connection has a thread, which sleeps as long as there is no request. In both cases a connection answers one request after
//! the other, so what bounds the handlers that run or block at once is [`ServeOptions::max_connections`].

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

use crate::crew::{Places, Shift};
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::desk::Desks as Here;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use crate::line::Lines as Here;
use crate::line::{InPlace, Lines};
use crate::runtime::StdRuntime;
use crate::stopper::Stopper;
use crate::system::Door;

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
    serve(listener, service, options, stopper, Ok, Here::new)
}

/// Like [`serve_http`], over TLS.
///
/// A connection costs its handshake on the thread that leads it, and [`TlsConfig::with_handshake_deadline`] bounds how long that may
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
    let protect = |machine| Tls::new(machine, &tls).map_err(io::Error::other);
    serve(listener, service, options, stopper, protect, Here::new)
}

/// Like [`serve_http`], as it is on systems without `epoll`: for tests of that elsewhere.
///
/// # Errors
/// The same.
#[doc(hidden)]
pub fn serve_http_on_threads<S: IntoService>(
    listener: TcpListener,
    service: S,
    options: ServeOptions,
    stopper: &Stopper,
) -> io::Result<Report> {
    serve(listener, service, options, stopper, Ok, Lines::new)
}

fn serve<S: IntoService, M: InPlace, P: Places>(
    listener: TcpListener,
    service: S,
    options: ServeOptions,
    stopper: &Stopper,
    protect: impl Fn(HttpConnection) -> io::Result<M>,
    places: impl FnOnce(&StdRuntime) -> P,
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

    let mut places = places(&runtime);
    let mut shift = Shift::new(&runtime, stopper)?;
    let stopping = || {
        routes.end();
        options.lame_duck
    };
    shift.listen(&door, options.max_connections, stopping, |socket, crew| {
        silence.notice(&socket);
        let machine = protect(HttpConnection::new(Arc::clone(&routes), connection))?;
        places.open(machine, socket, stream.clone(), crew)
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
