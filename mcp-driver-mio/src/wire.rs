//! The byte streams that the loop can wait for.
//!
//! Owns descriptors, their registration and what is known about their readiness. Must never look inside the bytes.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::task::{Context, Poll};

use bytes::BytesMut;
use mcp_driver::{Scratch, Silence, Stream, write_pieces};
use mcp_server::proto::outbox::Outbox;
use mio::event::{Event, Source};
use mio::{Interest, Registry, Token};

use crate::readiness::Readiness;
use crate::tokens::Side;

/// How many reads one connection may do before others have their turn.
const READS_PER_TURN: u8 = 4;

/// A byte stream with one or two descriptors.
pub(crate) trait Wire: Send {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()>;

    fn deregister(&mut self, registry: &Registry);

    /// Remembers what an event says.
    fn on_event(&mut self, side: Side, event: &Event);

    /// Whether there may be something to read.
    fn is_readable(&self) -> bool;

    /// Whether the peer is known to read no more, by an event alone.
    fn is_unheard(&self) -> bool {
        false
    }

    fn read(&mut self, scratch: &mut Scratch, input: &mut BytesMut) -> Poll<io::Result<usize>>;

    fn write(&mut self, out: &mut Outbox) -> Poll<io::Result<usize>>;

    fn close_write(&mut self) -> io::Result<()>;
}

/// A wire for one turn of its connection.
pub(crate) struct Turn<'a, W> {
    wire: &'a mut W,
    scratch: &'a mut Scratch,
    reads: u8,
}

impl<'a, W: Wire> Turn<'a, W> {
    pub(crate) const fn new(wire: &'a mut W, scratch: &'a mut Scratch) -> Self {
        Self {
            wire,
            scratch,
            reads: 0,
        }
    }
}

impl<W: Wire> Stream for Turn<'_, W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        if !self.wire.is_readable() {
            return Poll::Pending;
        }
        if self.reads == READS_PER_TURN {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.reads += 1;
        self.wire.read(self.scratch, input)
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        self.wire.write(out)
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.wire.close_write())
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

impl<S: Socket> Wire for Connected<S> {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut self.socket, tokens[0], both)
    }

    fn deregister(&mut self, registry: &Registry) {
        // It is closed next, so that a failure changes nothing.
        let _ = registry.deregister(&mut self.socket);
    }

    fn on_event(&mut self, _side: Side, event: &Event) {
        self.readiness.on_event(event);
    }

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
