//! Serving byte streams: one peer, standard input and output, and what listeners bring.
//!
//! Owns how descriptors become connections. Must never accept beyond loopback unless the caller said so: this framing
//! carries no credentials.

use std::io;
use std::net::TcpListener;
#[cfg(unix)]
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use mcp_driver::{Ended, ListenOptions, Silence, StreamOptions, refuse_remote, seed};
use mcp_server::{Connection, IntoService, Runtime, Service};

use crate::crew::{Crew, Opened, Shift};
use crate::line::Line;
use crate::runtime::StdRuntime;
use crate::stopper::Stopper;
use crate::system::{Door, Duplex, Input, Listener, Output};

/// How many calls are read at most before one of them is run. Few: memory that a call has given back is the next one's as long
/// as it is in the cache and in the allocator's first drawer.
const AHEAD: usize = 6;

/// Serves the client that started this process, until it goes away.
///
/// End of file, an error and a hang-up on the input all mean the end; calls that still run get
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound). A hang-up on the output ends it at once,
/// for nobody would hear an answer. Signals are left alone: see [`run`](crate::run()) for the whole life of a stdio process.
///
/// # Errors
/// When the standard streams cannot be taken, or the server does not compile.
pub fn serve_stdio<S: IntoService>(service: S) -> io::Result<Ended> {
    serve_stdio_until(service, StreamOptions::default(), &Stopper::new())
}

/// Like [`serve_stdio`], and ends gracefully when `stopper` says so.
///
/// # Errors
/// When the standard streams cannot be taken, or the server does not compile.
pub fn serve_stdio_until<S: IntoService>(
    service: S,
    options: StreamOptions,
    stopper: &Stopper,
) -> io::Result<Ended> {
    StdRuntime::new().serve_stdio(service, options, stopper)
}

/// Serves one peer over a pair of descriptors until it ends: a socket and its clone, two pipes.
///
/// The framing is that of the stdio transport: one JSON-RPC message per line. On Unix the descriptors are made non-blocking,
/// which concerns everybody who shares them; elsewhere each direction has a thread, which a reader that never ends keeps.
///
/// # Errors
/// When a thread cannot be started, when the operating system has no randomness, or when the server does not compile.
pub fn serve_io<S: IntoService>(
    service: S,
    reader: impl Input,
    writer: impl Output,
) -> io::Result<Ended> {
    serve_io_until(
        service,
        reader,
        writer,
        StreamOptions::default(),
        &Stopper::new(),
    )
}

/// Like [`serve_io`], and ends gracefully when `stopper` says so: open subscriptions are completed, running calls get
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
///
/// # Errors
/// When a thread cannot be started, when the operating system has no randomness, or when the server does not compile.
pub fn serve_io_until<S: IntoService>(
    service: S,
    reader: impl Input,
    writer: impl Output,
    options: StreamOptions,
    stopper: &Stopper,
) -> io::Result<Ended> {
    StdRuntime::new().serve_io(service, reader, writer, options, stopper)
}

/// Serves every connection of a TCP listener until `stopper` says otherwise; then each gets
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
///
/// # Errors
/// When the listener is beyond loopback without [`ListenOptions::allow_remote`], or the server does not compile.
pub fn serve_tcp<S: IntoService>(
    listener: TcpListener,
    service: S,
    options: ListenOptions,
    stopper: &Stopper,
) -> io::Result<()> {
    StdRuntime::new().serve_tcp(listener, service, options, stopper)
}

/// Serves every connection of a Unix-socket listener until `stopper` says otherwise.
///
/// # Errors
/// When the server does not compile.
#[cfg(unix)]
pub fn serve_unix<S: IntoService>(
    listener: UnixListener,
    service: S,
    options: ListenOptions,
    stopper: &Stopper,
) -> io::Result<()> {
    StdRuntime::new().serve_unix(listener, service, options, stopper)
}

impl StdRuntime {
    /// [`serve_stdio_until`] with the handlers of this runtime.
    ///
    /// # Errors
    /// The same.
    pub fn serve_stdio<S: IntoService>(
        &self,
        service: S,
        options: StreamOptions,
        stopper: &Stopper,
    ) -> io::Result<Ended> {
        let service = service.into_service().map_err(io::Error::other)?;
        let stream = Duplex::stdio()?;
        self.serve_one(service, stream, options, stopper)
    }

    /// [`serve_io_until`] with the handlers of this runtime.
    ///
    /// # Errors
    /// The same.
    pub fn serve_io<S: IntoService>(
        &self,
        service: S,
        reader: impl Input,
        writer: impl Output,
        options: StreamOptions,
        stopper: &Stopper,
    ) -> io::Result<Ended> {
        let service = service.into_service().map_err(io::Error::other)?;
        let stream = Duplex::pair(reader, writer)?;
        self.serve_one(service, stream, options, stopper)
    }

    /// [`serve_tcp`] with the handlers of this runtime.
    ///
    /// # Errors
    /// The same.
    pub fn serve_tcp<S: IntoService>(
        &self,
        listener: TcpListener,
        service: S,
        options: ListenOptions,
        stopper: &Stopper,
    ) -> io::Result<()> {
        refuse_remote(listener.local_addr()?, &options)?;
        let silence = Silence::from(&options);
        self.serve_lines(listener, service, options, stopper, |socket| {
            silence.notice(&socket);
            Duplex::tcp(socket)
        })
    }

    /// [`serve_unix`] with the handlers of this runtime.
    ///
    /// # Errors
    /// The same.
    #[cfg(unix)]
    pub fn serve_unix<S: IntoService>(
        &self,
        listener: UnixListener,
        service: S,
        options: ListenOptions,
        stopper: &Stopper,
    ) -> io::Result<()> {
        self.serve_lines(listener, service, options, stopper, Duplex::unix)
    }

    fn serve_one(
        &self,
        service: Service,
        stream: Duplex,
        options: StreamOptions,
        stopper: &Stopper,
    ) -> io::Result<Ended> {
        let shift = Shift::new(self, stopper)?;
        let line = self.line(service, stream, options, shift.crew())?;
        shift.serve(line)
    }

    fn serve_lines<S: IntoService, L: Listener>(
        &self,
        listener: L,
        service: S,
        options: ListenOptions,
        stopper: &Stopper,
        duplex: impl Fn(L::Stream) -> io::Result<Duplex>,
    ) -> io::Result<()> {
        let service = service.into_service().map_err(io::Error::other)?;
        let bound = service.config().limits().shutdown_bound;
        let door = Door::new(listener)?;
        let mut shift = Shift::new(self, stopper)?;
        let at_once = || Duration::ZERO;
        shift.listen(&door, options.max_connections, at_once, |stream, crew| {
            let stream = duplex(stream)?;
            self.line(service.clone(), stream, options.stream.clone(), crew)
        })?;
        // From now on connections are refused.
        drop(door);
        shift.drain(bound).map(drop)
    }

    fn line(
        &self,
        service: Service,
        stream: Duplex,
        options: StreamOptions,
        crew: &Arc<Crew>,
    ) -> io::Result<Opened> {
        let runtime: Arc<dyn Runtime> = Arc::new(self.clone());
        // What was read ahead is in flight, and must not make others be refused that could have been answered in turn.
        let ahead = (service.config().limits().max_calls / 4).clamp(1, AHEAD);
        let connection = Connection::new(service, runtime, seed()?);
        let crew = Arc::clone(crew);
        Line::new(connection, stream, options, self.clone(), crew, ahead)?.begin()
    }
}
