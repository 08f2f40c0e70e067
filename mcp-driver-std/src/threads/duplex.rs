//! One connection's streams, each direction on a thread of its own.
//!
//! Owns the threads' ends, and the socket that frees the thread that reads it.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
#[cfg(not(unix))]
use mcp_driver::stdio::Channel;
use mcp_driver::{Stream, ThreadReader, ThreadWriter};
use mcp_server::proto::outbox::Outbox;

use super::{Bell, Input, Output};

/// See the module.
#[derive(Debug)]
pub(crate) struct Duplex {
    reader: ThreadReader,
    /// Until it is closed.
    writer: Option<ThreadWriter>,
    socket: Option<TcpStream>,
}

impl Duplex {
    /// The process's own.
    #[cfg(not(unix))]
    pub(crate) fn stdio() -> io::Result<Self> {
        match mcp_driver::stdio::take()? {
            (Channel::Blocking(input), Channel::Blocking(output)) => Self::pair(input, output),
            other => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("{other:?}"),
            )),
        }
    }

    /// A socket, for both directions.
    pub(crate) fn tcp(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        // Messages are small and latency matters; failing to say so is harmless.
        let _ = socket.set_nodelay(true);
        let (input, output) = (socket.try_clone()?, socket.try_clone()?);
        let mut duplex = Self::pair(input, output)?;
        duplex.socket = Some(socket);
        Ok(duplex)
    }

    /// Any reader and writer.
    pub(crate) fn pair(input: impl Input, output: impl Output) -> io::Result<Self> {
        Ok(Self {
            reader: ThreadReader::start("mcp-reader", input)?,
            writer: Some(ThreadWriter::start("mcp-writer", output)?),
            socket: None,
        })
    }

    /// Before the connection is polled.
    pub(crate) const fn begin(&self) {
        let _ = self;
    }

    /// What to wait for: the bell alone, which the threads ring.
    pub(crate) const fn interest(&self) -> Interest {
        let _ = self;
        Interest
    }

    /// Takes note of what came of it. True if the peer is gone, which only a write can tell here.
    pub(crate) const fn told(&self, _: Told) -> bool {
        let _ = self;
        false
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            // What was written is on its way by now; the thread that reads is freed.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// What a connection waits for.
#[derive(Debug)]
pub(crate) struct Interest;

/// What came of it: nothing that the streams do not say themselves.
#[derive(Debug)]
pub(crate) struct Told;

impl Interest {
    /// Sleeps until the bell rings or the time is over.
    pub(crate) fn wait(self, bell: &Bell, timeout: Option<Duration>) -> io::Result<Told> {
        bell.sleep(timeout).map(|()| Told)
    }
}

impl Stream for Duplex {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let take = |bytes: &[u8]| input.extend_from_slice(bytes);
        self.reader.poll_read(cx, usize::MAX, take)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        let Some(writer) = &mut self.writer else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let written = writer.poll_write(cx, out.chunk());
        if let Poll::Ready(Ok(written)) = written {
            out.advance(written);
        }
        written
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.writer {
            Some(writer) => writer.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Everything was flushed, so the thread ends and closes its end.
        self.writer = None;
        Poll::Ready(match &self.socket {
            Some(socket) => socket.shutdown(Shutdown::Write),
            None => Ok(()),
        })
    }
}
