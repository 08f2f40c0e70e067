//! What a loop can be told to serve.
//!
//! Owns the checks before anything is served. Must never serve beyond loopback unless somebody said so.

use std::io;
use std::sync::Arc;

use mcp_driver::{ListenOptions, Silence, StreamOptions, refuse_remote};
use mcp_server::{IntoService, Service};

use crate::connection::Connection;
use crate::driver::Driver;
use crate::handle::{ConnectionHandle, ListenerHandle};
use crate::lines::Lines;
use crate::listener::{Accept, Endpoint, Listening};
use crate::wire::{Connected, Registered};

impl Driver {
    /// Serves every connection of a TCP listener: one JSON-RPC message per line, as on stdio.
    ///
    /// # Errors
    /// When the listener is beyond loopback without [`ListenOptions::allow_remote`], when the server does not compile, or
    /// when no token is left.
    pub fn serve_tcp<S: IntoService>(
        &mut self,
        listener: std::net::TcpListener,
        service: S,
        options: ListenOptions,
    ) -> io::Result<ListenerHandle> {
        refuse_remote(listener.local_addr()?, &options)?;
        listener.set_nonblocking(true)?;
        let listener = mio::net::TcpListener::from_std(listener);
        self.serve_lines(listener, service, options)
    }

    /// Serves every connection of a Unix-socket listener: one JSON-RPC message per line, as on stdio.
    ///
    /// # Errors
    /// When the server does not compile, or when no token is left.
    #[cfg(unix)]
    pub fn serve_unix<S: IntoService>(
        &mut self,
        listener: std::os::unix::net::UnixListener,
        service: S,
        options: ListenOptions,
    ) -> io::Result<ListenerHandle> {
        listener.set_nonblocking(true)?;
        let listener = mio::net::UnixListener::from_std(listener);
        self.serve_lines(listener, service, options)
    }

    fn serve_lines<L: Accept + 'static>(
        &mut self,
        listener: L,
        service: impl IntoService,
        options: ListenOptions,
    ) -> io::Result<ListenerHandle> {
        let silence = Silence::from(&options);
        let lines = self.lines(service, options.stream, silence)?;
        let door = Listening::new(listener, lines);
        self.add_listener(Box::new(door), options.max_connections)
    }

    /// Serves one peer over a TCP connection: one JSON-RPC message per line, as on stdio.
    ///
    /// # Errors
    /// When the server does not compile, when there is no randomness, or when no token is left.
    pub fn serve_tcp_stream<S: IntoService>(
        &mut self,
        stream: std::net::TcpStream,
        service: S,
        options: StreamOptions,
    ) -> io::Result<ConnectionHandle> {
        stream.set_nonblocking(true)?;
        let wire = Connected::new(mio::net::TcpStream::from_std(stream));
        self.serve_wire(wire, service, options)
    }

    /// Serves one peer over a Unix-socket connection: one JSON-RPC message per line, as on stdio.
    ///
    /// # Errors
    /// When the server does not compile, when there is no randomness, or when no token is left.
    #[cfg(unix)]
    pub fn serve_unix_stream<S: IntoService>(
        &mut self,
        stream: std::os::unix::net::UnixStream,
        service: S,
        options: StreamOptions,
    ) -> io::Result<ConnectionHandle> {
        stream.set_nonblocking(true)?;
        let wire = Connected::new(mio::net::UnixStream::from_std(stream));
        self.serve_wire(wire, service, options)
    }

    /// Serves the client that started this process, over its standard streams, until it goes away.
    ///
    /// From then on, for the rest of the process, descriptor 0 is the null device and descriptor 1 goes where stderr goes, so
    /// that a stray `println!` hurts nobody. End of file, an error and a hang-up on the input all mean the end; calls that
    /// still run get [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound). A hang-up on the output
    /// ends it at once, for nobody would hear an answer. Regular files and the null device are always ready.
    ///
    /// # Errors
    /// When the standard streams cannot be taken or cannot be waited for, when the server does not compile, when there is no
    /// randomness, or when no token is left.
    #[cfg(unix)]
    pub fn serve_stdio<S: IntoService>(
        &mut self,
        service: S,
        options: StreamOptions,
    ) -> io::Result<ConnectionHandle> {
        let service = compiled(service)?;
        let (input, output) = mcp_driver::stdio::take()?;
        let wire = crate::stdio::Stdio::new(input, output)?;
        self.serve_wire(wire, service, options)
    }

    fn serve_wire<W: Registered + 'static>(
        &mut self,
        wire: W,
        service: impl IntoService,
        options: StreamOptions,
    ) -> io::Result<ConnectionHandle> {
        let lines = self.lines(service, options.clone(), Silence::default())?;
        let machine = lines.open()?;
        self.add_connection(Box::new(Connection::new(machine, wire, options)))
    }

    fn lines(
        &self,
        service: impl IntoService,
        options: StreamOptions,
        silence: Silence,
    ) -> io::Result<Lines> {
        Ok(Lines {
            service: compiled(service)?,
            runtime: Arc::new(self.runtime.clone()),
            options,
            silence,
        })
    }
}

pub(crate) fn compiled(service: impl IntoService) -> io::Result<Service> {
    service.into_service().map_err(io::Error::other)
}
