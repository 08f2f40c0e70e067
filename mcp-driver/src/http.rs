//! How a listener of Streamable HTTP is served.
//!
//! Owns the limits of connections and the rules of exposure; the endpoint's own are in
//! [`HttpOptions`]. Must never let a listener that asks nobody who they are be reached from elsewhere unless somebody said so.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use mcp_server::http::HttpOptions;

use crate::DEFAULT_BLOCKING_THREADS;
pub use crate::arguments::DEFAULT_ADDRESS;

/// How long it may take to find out who sent a request, unless told otherwise.
pub const AUTHENTICATION_DEADLINE: Duration = Duration::from_secs(10);

/// How long the body of a request may take, unless told otherwise.
pub const BODY_DEADLINE: Duration = Duration::from_secs(60);

/// How many connections may wait to be accepted.
#[cfg(unix)]
const BACKLOG: i32 = 1024;

/// How a listener is served. Every limit has a safe default.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The endpoint's path. Default: `/mcp`.
    pub path: String,
    /// The rules of the endpoint: Origin, Host, authentication, body limit, and so on.
    pub http: HttpOptions,
    /// How long a request's head may take, counted from its first byte or from
    /// the connection's start. Default: 10 seconds.
    pub head_deadline: Duration,
    /// How long it may take to find out who sent a request. Beyond it is answered
    /// with 503, to be tried again. Default: 10 seconds.
    pub authentication_deadline: Duration,
    /// How long a request's body may take to arrive. Default: 60 seconds.
    pub body_deadline: Duration,
    /// How long a peer may leave a response's bytes unread before its stream
    /// (HTTP/2) or connection (HTTP/1.1) is dropped. Default: 30 seconds.
    pub write_stall: Duration,
    /// How long a connection may stay open without a request. Longer than the
    /// 60 seconds of common load balancers. Default: 120 seconds.
    pub idle: Duration,
    /// Connections served at once; further ones wait in the backlog. What one
    /// costs is its driver's: memory alone on an event loop, and on blocking
    /// threads a thread and two descriptors, of which the system has a limited
    /// number. Default: 8192.
    pub max_connections: usize,
    /// After a shutdown was asked for, how long to go on serving while
    /// `/readyz` already says no, for load balancers to notice. Default: zero.
    pub lame_duck: Duration,
    /// Serve beyond loopback although no authenticator is configured. Default: false.
    pub allow_unauthenticated: bool,
    /// How many blocking tools run at once. Default: [`DEFAULT_BLOCKING_THREADS`].
    pub blocking_threads: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            path: "/mcp".to_owned(),
            http: HttpOptions::default(),
            head_deadline: Duration::from_secs(10),
            authentication_deadline: AUTHENTICATION_DEADLINE,
            body_deadline: BODY_DEADLINE,
            write_stall: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            max_connections: 8192,
            lame_duck: Duration::ZERO,
            allow_unauthenticated: false,
            blocking_threads: DEFAULT_BLOCKING_THREADS,
        }
    }
}

impl ServeOptions {
    /// Sets [`ServeOptions::path`].
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets [`ServeOptions::http`].
    #[must_use]
    pub fn with_http(mut self, http: HttpOptions) -> Self {
        self.http = http;
        self
    }

    /// Sets [`ServeOptions::lame_duck`].
    #[must_use]
    pub const fn with_lame_duck(mut self, lame_duck: Duration) -> Self {
        self.lame_duck = lame_duck;
        self
    }

    /// Sets [`ServeOptions::head_deadline`].
    #[must_use]
    pub const fn with_head_deadline(mut self, deadline: Duration) -> Self {
        self.head_deadline = deadline;
        self
    }

    /// Sets [`ServeOptions::authentication_deadline`].
    #[must_use]
    pub const fn with_authentication_deadline(mut self, deadline: Duration) -> Self {
        self.authentication_deadline = deadline;
        self
    }

    /// Sets [`ServeOptions::body_deadline`].
    #[must_use]
    pub const fn with_body_deadline(mut self, deadline: Duration) -> Self {
        self.body_deadline = deadline;
        self
    }

    /// Sets [`ServeOptions::write_stall`].
    #[must_use]
    pub const fn with_write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = limit;
        self
    }

    /// Sets [`ServeOptions::idle`].
    #[must_use]
    pub const fn with_idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// Sets [`ServeOptions::max_connections`].
    #[must_use]
    pub const fn with_max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit;
        self
    }

    /// Sets [`ServeOptions::blocking_threads`].
    #[must_use]
    pub const fn with_blocking_threads(mut self, threads: usize) -> Self {
        self.blocking_threads = threads;
        self
    }

    /// Sets [`ServeOptions::allow_unauthenticated`].
    #[must_use]
    pub const fn with_allow_unauthenticated(mut self, allow: bool) -> Self {
        self.allow_unauthenticated = allow;
        self
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Connections that were still busy when the bound passed and were dropped.
    pub dropped: usize,
}

impl Report {
    /// Serving ended, and `dropped` connections were still busy.
    #[must_use]
    pub const fn new(dropped: usize) -> Self {
        Self { dropped }
    }
}

/// Binds a listener for what the options say, and tells where it listens; `address` is `HOST:PORT`.
///
/// # Errors
/// When the address does not resolve or cannot be bound; the message names it. `PermissionDenied` as [`refuse_exposure`]
/// says.
pub fn bind(address: &str, options: &ServeOptions) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).map_err(|error| cannot_listen(address, &error))?;
    // A backlog for many. Where it cannot be had, the system's own does.
    #[cfg(unix)]
    let _ = rustix::net::listen(&listener, BACKLOG);
    let bound = listener.local_addr()?;
    refuse_exposure(bound, options)?;
    Ok((listener, bound))
}

/// Why nobody listens at `address`.
#[must_use]
pub fn cannot_listen(address: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

/// Refuses a listener that strangers reach and that asks nobody who they are.
///
/// # Errors
/// `PermissionDenied`, with what can be done about it.
pub fn refuse_exposure(address: SocketAddr, options: &ServeOptions) -> io::Result<()> {
    let local = address.ip().to_canonical().is_loopback();
    if local || options.http.authenticator.is_some() || options.allow_unauthenticated {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{address} is reachable from other machines and no authenticator is configured; \
             configure one, listen on 127.0.0.1, or allow unauthenticated access explicitly"
        ),
    ))
}
