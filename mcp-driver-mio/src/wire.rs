//! The byte streams that the loop can wait for.
//!
//! Owns descriptors, their registration and what is known about their readiness. Must never look inside the bytes.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::task::Poll;

use bytes::BytesMut;
use mcp_driver::edges::{Edges, Readiness, Wire};
use mcp_driver::{Scratch, Silence, write_pieces};
use mcp_server::proto::outbox::Outbox;
use mio::event::{Event, Source};
use mio::{Interest, Registry, Token};

use crate::tokens::Side;

/// A byte stream with one or two descriptors that mio knows of.
pub(crate) trait Registered: Wire + Send {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()>;

    fn deregister(&mut self, registry: &Registry);

    /// Remembers what an event says.
    fn on_event(&mut self, side: Side, event: &Event);

    /// Whether the peer is known to read no more, by an event alone.
    fn is_unheard(&self) -> bool {
        false
    }
}

/// What mio's event says.
pub(crate) fn edges(event: &Event) -> Edges {
    Edges {
        readable: event.is_readable(),
        writable: event.is_writable(),
        read_closed: event.is_read_closed(),
        write_closed: event.is_write_closed(),
        error: event.is_error(),
    }
}

/// A socket of mio's.
pub(crate) trait Socket: Source + Read + Write + Send {
    fn shut_down_write(&self) -> io::Result<()>;

    /// Has the system notice a peer that vanished without a word.
    fn notice(&self, _: Silence) {}
}

impl Socket for mio::net::TcpStream {
    fn shut_down_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn notice(&self, silence: Silence) {
        silence.notice(self);
    }
}

#[cfg(unix)]
impl Socket for mio::net::UnixStream {
    fn shut_down_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Connected<S> {
    socket: S,
    readiness: Readiness,
}

impl<S> Connected<S> {
    pub(crate) const fn new(socket: S) -> Self {
        Self {
            socket,
            readiness: Readiness::STREAM,
        }
    }
}

impl<S: Socket> Registered for Connected<S> {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut self.socket, tokens[0], both)
    }

    fn deregister(&mut self, registry: &Registry) {
        // It is closed next, so that a failure changes nothing.
        let _ = registry.deregister(&mut self.socket);
    }

    fn on_event(&mut self, _side: Side, event: &Event) {
        self.readiness.on_event(edges(event));
    }
}

impl<S: Socket> Wire for Connected<S> {
    fn is_readable(&self) -> bool {
        self.readiness.is_readable()
    }

    fn read(&mut self, scratch: &mut Scratch, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let Self { socket, readiness } = self;
        readiness.read(scratch.room(), || scratch.read(socket, input))
    }

    fn write(&mut self, out: &mut Outbox) -> Poll<io::Result<usize>> {
        let Self { socket, readiness } = self;
        readiness.write(|| write_pieces(socket, out))
    }

    fn close_write(&mut self) -> io::Result<()> {
        self.socket.shut_down_write()
    }
}
