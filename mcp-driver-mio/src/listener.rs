//! Listeners: accepting in bounded batches, for any kind of connection.
//!
//! Owns the descriptor of a listener, its limit on connections and its graceful end. Must never let one peer's error end the
//! listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mcp_driver::{Silence, StreamOptions};
use mcp_server::Machine;
use mcp_server::proto::time::Instant;
use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::connection::{Connection, Driven};
use crate::handle::Status;
use crate::wire::{Connected, Socket};

/// How many connections are accepted before others have their turn.
pub(crate) const ACCEPTS_PER_TURN: usize = 16;

/// Makes the machines of a listener's connections.
pub(crate) trait Endpoint: Send {
    type Machine: Machine + Send + 'static;

    fn open(&self) -> io::Result<Self::Machine>;

    /// The options of every connection.
    fn stream(&self) -> StreamOptions;

    /// An end was asked for; for how long everything goes on as before.
    fn announce_end(&self) -> Duration {
        Duration::ZERO
    }

    /// The end begins: no connection is accepted any more.
    fn end(&self) {}

    /// How a peer is noticed that vanished.
    fn silence(&self) -> Silence;
}

/// A listening socket of mio's.
pub(crate) trait Accept: Source + Send {
    type Socket: Socket + 'static;

    fn accept(&self) -> io::Result<Self::Socket>;
}

impl Accept for mio::net::TcpListener {
    type Socket = mio::net::TcpStream;

    fn accept(&self) -> io::Result<Self::Socket> {
        let (stream, _) = self.accept()?;
        // Answers are small and latency matters; failing to say so is harmless.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

#[cfg(unix)]
impl Accept for mio::net::UnixListener {
    type Socket = mio::net::UnixStream;

    fn accept(&self) -> io::Result<Self::Socket> {
        Ok(self.accept()?.0)
    }
}

/// A listening socket with its endpoint, as the loop sees it.
pub(crate) trait Door: Send {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()>;

    fn accept(&mut self) -> io::Result<Box<dyn Driven>>;

    fn announce_end(&self) -> Duration;

    /// Closes the listener, then tells the endpoint.
    fn close(&mut self, registry: &Registry);
}

pub(crate) struct Listening<L, E> {
    /// `None` once it is closed.
    listener: Option<L>,
    endpoint: E,
}

impl<L, E> Listening<L, E> {
    pub(crate) const fn new(listener: L, endpoint: E) -> Self {
        Self {
            listener: Some(listener),
            endpoint,
        }
    }
}

impl<L: Accept, E: Endpoint> Door for Listening<L, E> {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.listener.as_mut().map_or(Ok(()), |listener| {
            registry.register(listener, token, Interest::READABLE)
        })
    }

    fn accept(&mut self) -> io::Result<Box<dyn Driven>> {
        let Some(listener) = &self.listener else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let socket = listener.accept()?;
        socket.notice(self.endpoint.silence());
        let machine = self.endpoint.open()?;
        Ok(Box::new(Connection::new(
            machine,
            Connected::new(socket),
            self.endpoint.stream(),
        )))
    }

    fn announce_end(&self) -> Duration {
        self.endpoint.announce_end()
    }

    fn close(&mut self, registry: &Registry) {
        if let Some(mut listener) = self.listener.take() {
            // It is closed next, so that a failure changes nothing.
            let _ = registry.deregister(&mut listener);
            self.endpoint.end();
        }
    }
}

/// How far a listener has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// An end was asked for; it begins then.
    Going(Instant),
    /// Closed; its connections end.
    Ending,
}

/// A listener in its slot.
pub(crate) struct Listener {
    pub(crate) door: Box<dyn Door>,
    pub(crate) status: Arc<Status>,
    pub(crate) max_connections: usize,
    pub(crate) phase: Phase,
    /// There may be somebody to accept.
    pub(crate) ready: bool,
    /// Nobody is accepted before.
    pub(crate) rests_until: Option<Instant>,
}

impl Listener {
    pub(crate) fn new(door: Box<dyn Door>, max_connections: usize) -> Self {
        Self {
            door,
            status: Arc::default(),
            max_connections,
            phase: Phase::Open,
            ready: true,
            rests_until: None,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.status.connections() >= self.max_connections
    }

    /// When it has to be looked at again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let begins = match self.phase {
            Phase::Going(at) => Some(at),
            Phase::Open | Phase::Ending => None,
        };
        [begins, self.rests_until].into_iter().flatten().min()
    }
}
