//! What is tested: a driver, as far as it goes.
//!
//! Owns the signatures of what a driver can serve. What it cannot is absent by type, so that nothing can pretend.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use mcp_driver::http::{Report, ServeOptions};
#[cfg(feature = "tls")]
use mcp_driver::tls::TlsConfig;
use mcp_driver::{Ended, ListenOptions, StreamOptions};
use mcp_server::Service;

use super::gate::Gate;

/// Serves a socket on the calling thread until everything on it has ended; the [`Gate`] opens when serving is to end
/// gracefully.
pub type Serve<Socket, Options, End> = fn(Socket, Service, Options, Gate) -> io::Result<End>;

/// Serves HTTP over TLS, and is otherwise a [`Serve`].
#[cfg(feature = "tls")]
pub type ServeTls = fn(TcpListener, Service, TlsConfig, ServeOptions, Gate) -> io::Result<Report>;

/// The driver under test, and what it has.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    pub(super) name: &'static str,
    pub(super) stdio: Option<fn(Service) -> ExitCode>,
    pub(super) signals: bool,
    pub(super) stream: Option<Serve<TcpStream, StreamOptions, Ended>>,
    pub(super) tcp: Option<Serve<TcpListener, ListenOptions, ()>>,
    #[cfg(unix)]
    pub(super) unix: Option<Serve<std::os::unix::net::UnixListener, ListenOptions, ()>>,
    pub(super) http: Option<Serve<TcpListener, ServeOptions, Report>>,
    #[cfg(feature = "tls")]
    pub(super) https: Option<ServeTls>,
}

impl Subject {
    /// A driver that has nothing yet.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            stdio: None,
            signals: true,
            stream: None,
            tcp: None,
            #[cfg(unix)]
            unix: None,
            http: None,
            #[cfg(feature = "tls")]
            https: None,
        }
    }

    /// It can be a whole stdio process: `run` serves the standard streams until the client goes away or a signal (SIGTERM,
    /// SIGINT, SIGHUP) asks it to end, which a second one insists on. The test program is its own child.
    #[must_use]
    pub const fn with_stdio(mut self, run: fn(Service) -> ExitCode) -> Self {
        self.stdio = Some(run);
        self
    }

    /// Its stdio process leaves signals alone: they do what they always do.
    #[must_use]
    pub const fn without_signals(mut self) -> Self {
        self.signals = false;
        self
    }

    /// It can serve one connected socket with the stdio framing.
    #[must_use]
    pub const fn with_stream(mut self, serve: Serve<TcpStream, StreamOptions, Ended>) -> Self {
        self.stream = Some(serve);
        self
    }

    /// It can serve every connection of a TCP listener with the stdio framing.
    #[must_use]
    pub const fn with_tcp(mut self, serve: Serve<TcpListener, ListenOptions, ()>) -> Self {
        self.tcp = Some(serve);
        self
    }

    /// It can serve every connection of a Unix-socket listener with the stdio framing.
    #[cfg(unix)]
    #[must_use]
    pub const fn with_unix(
        mut self,
        serve: Serve<std::os::unix::net::UnixListener, ListenOptions, ()>,
    ) -> Self {
        self.unix = Some(serve);
        self
    }

    /// It can serve Streamable HTTP on a listener.
    #[must_use]
    pub const fn with_http(mut self, serve: Serve<TcpListener, ServeOptions, Report>) -> Self {
        self.http = Some(serve);
        self
    }

    /// It can serve Streamable HTTP over TLS on a listener.
    #[cfg(feature = "tls")]
    #[must_use]
    pub const fn with_https(mut self, serve: ServeTls) -> Self {
        self.https = Some(serve);
        self
    }
}
