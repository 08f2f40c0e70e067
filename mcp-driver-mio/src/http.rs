//! Streamable HTTP on a listener: HTTP/1.1 connections of one endpoint.
//!
//! Owns how such connections begin, with TLS and without, and how their listener ends. Must never serve beyond loopback without an authenticator
//! unless somebody said so.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use mcp_driver::http::{ServeOptions, refuse_exposure};
#[cfg(feature = "tls")]
use mcp_driver::tls::{Tls, TlsConfig};
use mcp_driver::{Silence, StreamOptions, seed};
use mcp_http1::{ConnectionOptions, HttpConnection};
use mcp_server::IntoService;
use mcp_server::http::{HttpServer, Routes};

use crate::driver::Driver;
use crate::handle::ListenerHandle;
use crate::listener::{Endpoint, Listening};
use crate::serve::compiled;

struct Http {
    routes: Arc<Routes>,
    connection: ConnectionOptions,
    write_stall: Duration,
    silence: Silence,
    lame_duck: Duration,
}

impl Endpoint for Http {
    type Machine = HttpConnection;

    fn open(&self) -> io::Result<HttpConnection> {
        Ok(HttpConnection::new(
            Arc::clone(&self.routes),
            self.connection,
        ))
    }

    fn stream(&self) -> StreamOptions {
        StreamOptions::default().with_write_stall(self.write_stall)
    }

    fn announce_end(&self) -> Duration {
        self.routes.end();
        self.lame_duck
    }

    fn end(&self) {
        self.routes.server().shutdown();
    }

    fn silence(&self) -> Silence {
        self.silence
    }
}

#[cfg(feature = "tls")]
struct Https {
    http: Http,
    tls: TlsConfig,
}

#[cfg(feature = "tls")]
impl Endpoint for Https {
    type Machine = Tls<HttpConnection>;

    fn open(&self) -> io::Result<Tls<HttpConnection>> {
        Tls::new(self.http.open()?, &self.tls).map_err(io::Error::other)
    }

    fn stream(&self) -> StreamOptions {
        self.http.stream()
    }

    fn announce_end(&self) -> Duration {
        self.http.announce_end()
    }

    fn end(&self) {
        self.http.end();
    }

    fn silence(&self) -> Silence {
        self.http.silence()
    }
}

impl Driver {
    /// Serves Streamable HTTP over HTTP/1.1 on a listener.
    ///
    /// Besides the endpoint it serves `/livez` (the process lives), `/readyz` (not any more, once an end was asked for), and
    /// the protected-resource metadata where there is any. Once an end was asked for
    /// ([`ListenerHandle::shutdown`]), everything goes on for [`ServeOptions::lame_duck`]; then the listener closes, and its
    /// connections get [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound), in which open
    /// subscriptions get their completion and calls that run may finish. [`ServeOptions::blocking_threads`] is the pool's
    /// own affair here: see [`LoopOptions::with_pool`](crate::LoopOptions::with_pool).
    ///
    /// # Errors
    /// When the listener is beyond loopback without an authenticator and without [`ServeOptions::allow_unauthenticated`],
    /// when the server does not compile, when the operating system has no randomness, or when no token is left.
    pub fn serve_http<S: IntoService>(
        &mut self,
        listener: TcpListener,
        service: S,
        options: ServeOptions,
    ) -> io::Result<ListenerHandle> {
        let most = options.max_connections;
        let (listener, http) = self.http(listener, service, options)?;
        self.serve_endpoint(listener, http, most)
    }

    /// Like [`serve_http`](Self::serve_http), over TLS.
    ///
    /// A handshake costs the loop's thread what the cryptography takes, about a millisecond, and
    /// [`TlsConfig::with_handshake_deadline`] bounds how long it may last. Peers that fail it are hung up on without a word to
    /// anybody else.
    ///
    /// # Errors
    /// The same.
    #[cfg(feature = "tls")]
    pub fn serve_https<S: IntoService>(
        &mut self,
        listener: TcpListener,
        service: S,
        tls: TlsConfig,
        options: ServeOptions,
    ) -> io::Result<ListenerHandle> {
        let most = options.max_connections;
        let (listener, http) = self.http(listener, service, options)?;
        let tls = tls.for_http1();
        self.serve_endpoint(listener, Https { http, tls }, most)
    }

    /// What both have in common.
    fn http(
        &self,
        listener: TcpListener,
        service: impl IntoService,
        options: ServeOptions,
    ) -> io::Result<(mio::net::TcpListener, Http)> {
        refuse_exposure(listener.local_addr()?, &options)?;
        listener.set_nonblocking(true)?;
        let connection = ConnectionOptions::from(&options);
        let silence = Silence::from(&options);
        let service = compiled(service)?;
        let server = HttpServer::new(service, options.http, self.runtime(), seed()?);
        let endpoint = Http {
            routes: Arc::new(Routes::new(server, options.path)),
            connection,
            write_stall: options.write_stall,
            silence,
            lame_duck: options.lame_duck,
        };
        Ok((mio::net::TcpListener::from_std(listener), endpoint))
    }

    fn serve_endpoint<E: Endpoint + 'static>(
        &mut self,
        listener: mio::net::TcpListener,
        endpoint: E,
        max_connections: usize,
    ) -> io::Result<ListenerHandle> {
        let door = Listening::new(listener, endpoint);
        self.add_listener(Box::new(door), max_connections)
    }
}
