//! The process's standard streams as a connection, without a thread.
//!
//! Owns how each kind of descriptor is waited for. Must never make a description non-blocking that others use.

use std::fs::File;
use std::io::{self, IoSlice, IsTerminal, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::task::Poll;

use bytes::BytesMut;
use mcp_driver::edges::{Readiness, Wire};
use mcp_driver::stdio::{Channel, SURE_WRITE};
use mcp_driver::{Scratch, write_pieces};
use mcp_server::proto::outbox::Outbox;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::tokens::Side;
use crate::wire::{Registered, edges};

/// Two descriptors, one for each direction.
#[derive(Debug)]
pub(crate) struct Stdio {
    input: End,
    /// `None` once it is closed.
    output: Option<End>,
    unheard: bool,
}

impl Stdio {
    pub(crate) fn new(input: Channel, output: Channel) -> io::Result<Self> {
        Ok(Self {
            input: End::new(input)?,
            output: Some(End::new(output)?),
            unheard: false,
        })
    }
}

impl Registered for Stdio {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()> {
        self.input
            .register(registry, tokens[0], Interest::READABLE)?;
        match &mut self.output {
            Some(output) => output.register(registry, tokens[1], Interest::WRITABLE),
            None => Ok(()),
        }
    }

    fn deregister(&mut self, registry: &Registry) {
        self.input.deregister(registry);
        if let Some(output) = &self.output {
            output.deregister(registry);
        }
    }

    fn on_event(&mut self, side: Side, event: &Event) {
        match (side, &mut self.output) {
            (Side::Input, _) => self.input.readiness.on_event(edges(event)),
            (Side::Output, None) => {}
            (Side::Output, Some(output)) => {
                output.readiness.on_event(edges(event));
                self.unheard |= event.is_error() || event.is_write_closed();
            }
        }
    }

    fn is_unheard(&self) -> bool {
        self.unheard
    }
}

impl Wire for Stdio {
    fn is_readable(&self) -> bool {
        self.input.readiness.is_readable()
    }

    fn read(&mut self, scratch: &mut Scratch, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let End { body, readiness } = &mut self.input;
        readiness.read(scratch.room(), || scratch.read(body, input))
    }

    fn write(&mut self, out: &mut Outbox) -> Poll<io::Result<usize>> {
        match &mut self.output {
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Some(End { body, readiness }) => readiness.write(|| write_pieces(body, out)),
        }
    }

    fn close_write(&mut self) -> io::Result<()> {
        match self.output.take() {
            Some(End {
                body: Body::Socket(socket),
                ..
            }) => socket.shutdown(Shutdown::Write),
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct End {
    body: Body,
    readiness: Readiness,
}

#[derive(Debug)]
enum Body {
    Socket(UnixStream),
    /// A pipe or terminal that does not block, or what is always ready.
    File(File),
    /// It blocks, and must go on to: the system is asked before every call.
    Polite(File),
}

impl End {
    fn new(channel: Channel) -> io::Result<Self> {
        let (body, readiness) = match channel {
            Channel::Socket(socket) => (Body::Socket(socket), Readiness::STREAM),
            Channel::Pipe(fd) if fd.is_terminal() => (Body::File(fd.into()), Readiness::EXACT),
            Channel::Pipe(fd) => (Body::File(fd.into()), Readiness::STREAM),
            Channel::Blocking(file) => (Body::Polite(file), Readiness::EXACT),
            other => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("{other:?} cannot be waited for"),
                ));
            }
        };
        Ok(Self { body, readiness })
    }

    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let fd = self.body.as_fd().as_raw_fd();
        match registry.register(&mut SourceFd(&fd), token, interest) {
            // Regular files and the null device: there is nothing to wait for, they are always ready.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.readiness = Readiness::ALWAYS;
                if let Body::Polite(file) = &self.body {
                    self.body = Body::File(file.try_clone()?);
                }
                Ok(())
            }
            result => result,
        }
    }

    fn deregister(&self, registry: &Registry) {
        // What was never registered is refused, and that is as well.
        let _ = registry.deregister(&mut SourceFd(&self.body.as_fd().as_raw_fd()));
    }
}

impl Body {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) => socket.as_fd(),
            Self::File(file) | Self::Polite(file) => file.as_fd(),
        }
    }
}

/// `WouldBlock` unless a call would return at once.
fn ask(file: &File, flags: PollFlags) -> io::Result<()> {
    let mut asked = [PollFd::new(file, flags)];
    let at_once = Timespec::default();
    match rustix::event::poll(&mut asked, Some(&at_once))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(buffer),
            Self::File(file) => file.read(buffer),
            Self::Polite(file) => {
                ask(file, PollFlags::IN)?;
                file.read(buffer)
            }
        }
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write(bytes),
            Self::File(file) => file.write(bytes),
            Self::Polite(file) => {
                ask(file, PollFlags::OUT)?;
                file.write(&bytes[..bytes.len().min(SURE_WRITE)])
            }
        }
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write_vectored(pieces),
            Self::File(file) => file.write_vectored(pieces),
            Self::Polite(_) => self.write(pieces.first().map_or(&[], |piece| piece)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
