//! One connection's descriptors, as the shared loop wants them.
//!
//! Owns what is known of their readiness: nothing is read or written for which `poll(2)` would have to be asked first, and
//! nothing is asked of the kernel twice. Must never block: where a descriptor cannot be made non-blocking, it is touched
//! once for each time that it was said to be ready.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mcp_driver::stdio::{Channel, SURE_WRITE};
use mcp_driver::{Scratch, Stream, write_from};
use mcp_server::proto::outbox::Outbox;
use rustix::event::PollFlags;
use rustix::net::Shutdown;

use super::bell::{Bell, Watch};
use super::make_nonblocking;

/// The descriptors. Whoever sleeps holds them for the time of the sleep, so they are closed when the connection ends.
#[derive(Debug)]
pub(crate) struct Ends {
    input: File,
    output: Output,
}

#[derive(Debug)]
enum Output {
    /// The input is a socket, and both.
    Same,
    Own(File),
    Closed,
}

impl Ends {
    fn output(&self) -> io::Result<&File> {
        match &self.output {
            Output::Same => Ok(&self.input),
            Output::Own(output) => Ok(output),
            Output::Closed => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Duplex {
    ends: Arc<Ends>,
    scratch: Scratch,
    input: Half,
    output: Half,
    /// The end was read, or an error.
    over: bool,
}

/// One direction.
#[derive(Debug, Clone, Copy)]
struct Half {
    blocking: bool,
    /// It is worth trying.
    ready: bool,
    /// It was tried, or would have been, and has to be waited for.
    wanted: bool,
}

impl Half {
    const fn new(blocking: bool) -> Self {
        Self {
            blocking,
            ready: false,
            wanted: false,
        }
    }

    /// Whether to try now.
    const fn attempt(&mut self) -> bool {
        self.wanted = !self.ready;
        self.ready
    }

    /// What was tried has to be waited for.
    const fn exhausted(&mut self) {
        self.ready = false;
        self.wanted = true;
    }
}

impl Duplex {
    /// The process's own.
    pub(crate) fn stdio() -> io::Result<Self> {
        let (input, output) = mcp_driver::stdio::take()?;
        let ((input, input_blocks), (output, output_blocks)) =
            (descriptor(input)?, descriptor(output)?);
        let output = Output::Own(output.into());
        Ok(Self::of(
            input.into(),
            output,
            [input_blocks, output_blocks],
        ))
    }

    /// A socket, for both directions.
    pub(crate) fn tcp(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Messages are small and latency matters; failing to say so is harmless.
        let _ = socket.set_nodelay(true);
        Ok(Self::socket(socket.into()))
    }

    /// A socket, for both directions.
    pub(crate) fn unix(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::socket(socket.into()))
    }

    fn socket(socket: OwnedFd) -> Self {
        Self::of(socket.into(), Output::Same, [false; 2])
    }

    /// Any two descriptors.
    pub(crate) fn pair(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> io::Result<Self> {
        let (input, output) = (input.into(), output.into());
        make_nonblocking(&input)?;
        make_nonblocking(&output)?;
        let output = Output::Own(output.into());
        Ok(Self::of(input.into(), output, [false; 2]))
    }

    fn of(input: File, output: Output, blocking: [bool; 2]) -> Self {
        Self {
            ends: Arc::new(Ends { input, output }),
            scratch: Scratch::default(),
            input: Half::new(blocking[0]),
            // Worth trying at once, as most writes succeed; but one that would block must be asked about first.
            output: Half {
                ready: !blocking[1],
                ..Half::new(blocking[1])
            },
            over: false,
        }
    }

    /// Before the connection is polled: what it does not want by then is not waited for.
    pub(crate) const fn begin(&mut self) {
        self.input.wanted = false;
        self.output.wanted = false;
    }

    /// What to wait for. The output is always watched: it says when nobody reads any more.
    pub(crate) fn interest(&self) -> Interest {
        Interest {
            ends: Arc::clone(&self.ends),
            read: self.input.wanted && !self.over,
            write: self.output.wanted,
        }
    }

    /// Takes note of what came of it. True if the peer is gone.
    pub(crate) fn told(&mut self, told: Told) -> bool {
        self.input.ready |= told.readable;
        self.output.ready |= told.writable;
        let gone = told.broken || (told.hung_up && (self.over || !told.hears));
        if gone {
            self.expect_last_words();
        }
        gone
    }

    /// Nobody reads what is written, and it may have been said why.
    const fn expect_last_words(&mut self) {
        self.input.ready |= !self.input.blocking;
    }
}

/// What a connection waits for.
#[derive(Debug)]
pub(crate) struct Interest {
    ends: Arc<Ends>,
    read: bool,
    write: bool,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    readable: bool,
    writable: bool,
    broken: bool,
    hung_up: bool,
    /// Something is there to be read, or will be: then the end is learned by reading.
    hears: bool,
}

impl Interest {
    /// Sleeps until the bell rings, one of the descriptors is ready, or the time is over.
    pub(crate) fn wait(self, bell: &Bell, timeout: Option<Duration>) -> io::Result<Told> {
        let doze = |watched: &mut [Watch<'_>]| bell.doze(watched, timeout);
        let writing = if self.write {
            PollFlags::OUT
        } else {
            PollFlags::empty()
        };
        let reading = if self.read {
            PollFlags::IN
        } else {
            PollFlags::empty()
        };
        // An input that nobody wants is not watched: its end would be told all the time.
        let reads = usize::from(self.read);
        let watch_input = Watch::new(self.ends.input.as_fd(), reading);
        let (input, output) = match &self.ends.output {
            Output::Own(output) => {
                let mut watched = [Watch::new(output.as_fd(), writing), watch_input];
                doze(&mut watched[..1 + reads])?;
                (watched[1].revents, watched[0].revents)
            }
            Output::Same => {
                let mut watched = [Watch::new(self.ends.input.as_fd(), reading | writing)];
                doze(&mut watched)?;
                let revents = watched[0].revents;
                (revents.difference(PollFlags::OUT), revents)
            }
            Output::Closed => {
                let mut watched = [watch_input];
                doze(&mut watched[..reads])?;
                (watched[0].revents, PollFlags::empty())
            }
        };
        // An end and an error are learned by reading.
        let readable = self.read && !input.is_empty();
        Ok(Told {
            readable,
            writable: output.intersects(PollFlags::OUT),
            broken: output.intersects(PollFlags::ERR | PollFlags::NVAL),
            hung_up: output.intersects(PollFlags::HUP),
            hears: match self.ends.output {
                Output::Same => self.read,
                // An input of its own may stay open and silent for ever.
                _ => readable,
            },
        })
    }
}

impl Stream for Duplex {
    fn poll_read(
        &mut self,
        _cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if !self.input.attempt() {
            return Poll::Pending;
        }
        match self.scratch.read(&mut &self.ends.input, input) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.input.exhausted();
                Poll::Pending
            }
            Ok(read) if read > 0 => {
                // Less than there was room for is all that there was.
                if self.input.blocking || read < self.scratch.room() {
                    self.input.ready = false;
                }
                Poll::Ready(Ok(read))
            }
            ended => {
                self.over = true;
                Poll::Ready(ended)
            }
        }
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        if !self.output.attempt() {
            return Poll::Pending;
        }
        let mut output = self.ends.output()?;
        let written = if self.output.blocking {
            self.output.ready = false;
            let chunk = out.chunk();
            let written = io::Write::write(&mut output, &chunk[..chunk.len().min(SURE_WRITE)]);
            if let Ok(written) = &written {
                out.advance(*written);
            }
            written
        } else {
            write_from(&mut output, out)
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.output.exhausted();
                Poll::Pending
            }
            written => {
                if written.is_err() {
                    self.expect_last_words();
                }
                Poll::Ready(written)
            }
        }
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(self.ends.output()?, Shutdown::Write) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(rustix::io::Errno::NOTSOCK) => {
                // A pipe. Nobody sleeps while the connection is polled, so nobody else has it.
                if let Some(ends) = Arc::get_mut(&mut self.ends) {
                    ends.output = Output::Closed;
                }
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

/// The descriptor, and whether it blocks.
fn descriptor(channel: Channel) -> io::Result<(OwnedFd, bool)> {
    match channel {
        Channel::Pipe(fd) => Ok((fd, false)),
        Channel::Socket(socket) => Ok((socket.into(), false)),
        Channel::Blocking(file) => Ok((file.into(), true)),
        other => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("{other:?}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, Write, pipe};
    use std::task::Waker;

    use super::*;

    fn read(duplex: &mut Duplex) -> Poll<io::Result<usize>> {
        let mut cx = Context::from_waker(Waker::noop());
        duplex.poll_read(&mut cx, &mut BytesMut::new())
    }

    /// Waits for what there is, and says whether the peer is gone.
    fn wait(duplex: &mut Duplex) -> bool {
        let bell = Bell::new().unwrap();
        let told = duplex.interest().wait(&bell, None).unwrap();
        duplex.told(told)
    }

    #[test]
    fn an_output_that_hangs_up_is_the_end_although_the_input_is_open_and_silent() {
        let (input, mut theirs) = UnixStream::pair().unwrap();
        let (output, reader) = UnixStream::pair().unwrap();
        let mut duplex = Duplex::pair(input, output).unwrap();
        assert!(read(&mut duplex).is_pending());
        theirs.write_all(b"x").unwrap();
        drop(reader);
        assert!(!wait(&mut duplex), "something is there to be read");
        assert!(matches!(read(&mut duplex), Poll::Ready(Ok(1))));
        duplex.begin();
        assert!(read(&mut duplex).is_pending());
        assert!(wait(&mut duplex));
    }

    fn pipes() -> (Duplex, PipeWriter, PipeReader) {
        let (input, theirs) = pipe().unwrap();
        let (reader, output) = pipe().unwrap();
        let duplex = Duplex::pair(input, output).unwrap();
        (duplex, theirs, reader)
    }

    #[test]
    fn what_was_said_before_the_output_broke_can_be_read_at_once() {
        // Told by an event, while nothing was wanted of the input.
        let (mut duplex, mut theirs, reader) = pipes();
        theirs.write_all(b"x").unwrap();
        drop(reader);
        assert!(wait(&mut duplex));
        assert!(matches!(read(&mut duplex), Poll::Ready(Ok(1))));
        // Told by a write.
        let (mut duplex, mut theirs, reader) = pipes();
        theirs.write_all(b"x").unwrap();
        drop(reader);
        let mut out = Outbox::new(1024);
        out.put(b"x");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(
            duplex.poll_write(&mut cx, &mut out),
            Poll::Ready(Err(_))
        ));
        assert!(matches!(read(&mut duplex), Poll::Ready(Ok(1))));
    }
}
