//! One connection: a socket, a machine and its two buffers.
//!
//! Owns the translation between what epoll reports and what the machine asks for. Must never block, and never know of
//! another connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use mcp_proto::config::ServerConfig;
use mcp_proto::outbox::Outbox;
use mcp_proto::server::{Link, LinkEvent, Step};
use mcp_proto::time::{Instant, Now};
use rustix::event::epoll::EventFlags;

/// Bytes that are read at a time, so that a peer that sends without end does not keep the others waiting.
const CHUNK: usize = 16 << 10;

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    link: Link,
    input: BytesMut,
    outbox: Outbox,
    /// The machine allows it, and there may still come something.
    may_read: bool,
    input_over: bool,
    /// The machine has nothing more to say than what the outbox holds.
    closed: bool,
    /// Nobody is left to write to.
    gone: bool,
    /// Something happened since the last turn.
    news: bool,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, config: Arc<ServerConfig>) -> Self {
        Self {
            stream,
            outbox: Outbox::new(config.limits().outbox_high),
            link: Link::new(config),
            input: BytesMut::new(),
            may_read: true,
            input_over: false,
            closed: false,
            gone: false,
            news: false,
        }
    }

    /// When the machine wants a turn whatever happens.
    pub(crate) fn wakeup(&self) -> Option<Instant> {
        self.link.poll_timeout().map(|wakeup| wakeup.at)
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.news || self.wakeup().is_some_and(|at| at <= now)
    }

    /// Takes in what epoll reports.
    pub(crate) fn ready(&mut self, flags: EventFlags) {
        self.news = true;
        // Both directions are over, and epoll would say so again and again.
        self.gone |= flags.intersects(EventFlags::HUP | EventFlags::ERR);
        if !self.may_read || !flags.contains(EventFlags::IN) {
            return;
        }
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.end_of_input(),
            Ok(count) => self.input.extend_from_slice(&chunk[..count]),
            Err(error) if is_transient(&error) => {}
            Err(_) => self.end_of_input(),
        }
    }

    fn end_of_input(&mut self) {
        self.input_over = true;
        self.link.end_of_input();
    }

    /// The loop of the contract. What to wait for, or `None` when the connection is over.
    pub(crate) fn turn(&mut self, now: Now) -> Option<EventFlags> {
        self.news = false;
        loop {
            let wants_input = loop {
                match self.link.next(now, &mut self.input, &mut self.outbox) {
                    Step::Event(LinkEvent::Closed { .. }) => self.closed = true,
                    Step::Event(event) => {
                        embed_tools::act(&mut self.link, event, &mut self.outbox);
                    }
                    Step::NeedInput => break true,
                    Step::NeedFlush => break false,
                }
            };
            self.may_read = wants_input && !self.input_over;
            match self.write() {
                // It made room: ask again.
                Ok(written) if written > 0 => {}
                Ok(_) => break,
                Err(_) => self.gone = true,
            }
            if self.gone {
                break;
            }
        }
        if self.gone || (self.closed && !self.outbox.has_remaining()) {
            return None;
        }
        let mut interest = EventFlags::empty();
        interest.set(EventFlags::IN, self.may_read);
        interest.set(EventFlags::OUT, self.outbox.has_remaining());
        Some(interest)
    }

    /// Writes as much as the socket takes; says how much that was.
    fn write(&mut self) -> io::Result<usize> {
        let mut total = 0;
        while self.outbox.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 8];
            let used = self.outbox.chunks_vectored(&mut slices);
            match self.stream.write_vectored(&slices[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.outbox.advance(written);
                    total += written;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
