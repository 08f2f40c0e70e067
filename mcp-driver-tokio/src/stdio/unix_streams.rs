//! The streams on Unix: readiness where the descriptor has it, else a thread.
//!
//! Owns nothing but the choice that was made when the streams were taken, spelled
//! as one reader and one writer type.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use mcp_driver::stdio::Channel;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::thread::{ThreadReader, ThreadWriter};

#[derive(Debug)]
pub(super) enum Reader {
    Pipe(pipe::Receiver),
    Socket(UnixStream),
    Thread(ThreadReader),
}

#[derive(Debug)]
pub(super) enum Writer {
    Pipe(pipe::Sender),
    Socket(UnixStream),
    Thread(ThreadWriter),
}

pub(super) fn reader(channel: Channel) -> io::Result<Reader> {
    match channel {
        // The description is ours alone and does not block already.
        Channel::Pipe(fd) => pipe::Receiver::from_owned_fd_unchecked(fd).map(Reader::Pipe),
        Channel::Socket(socket) => UnixStream::from_std(socket).map(Reader::Socket),
        Channel::Blocking(file) => ThreadReader::start(file).map(Reader::Thread),
        other => Err(unknown(&other)),
    }
}

pub(super) fn writer(channel: Channel) -> io::Result<Writer> {
    match channel {
        Channel::Pipe(fd) => pipe::Sender::from_owned_fd_unchecked(fd).map(Writer::Pipe),
        Channel::Socket(socket) => UnixStream::from_std(socket).map(Writer::Socket),
        Channel::Blocking(file) => ThreadWriter::start(file).map(Writer::Thread),
        other => Err(unknown(&other)),
    }
}

fn unknown(channel: &Channel) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{channel:?}"))
}

macro_rules! each {
    ($enum:ident, $self:expr, $stream:ident => $call:expr) => {
        match $self {
            $enum::Pipe($stream) => $call,
            $enum::Socket($stream) => $call,
            $enum::Thread($stream) => $call,
        }
    };
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(Self, &mut *self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl Writer {
    /// Completes when nobody reads the other end any more; never for what cannot tell.
    ///
    /// It watches through registrations of its own, so it never takes a wake-up from a write.
    pub(super) fn hang_up(&self) -> impl Future<Output = ()> + use<> {
        let watched = match self {
            Self::Pipe(pipe) => watch_pipe(pipe).map(Watched::Pipe),
            Self::Socket(socket) => watch_socket(socket).map(Watched::Socket),
            Self::Thread(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        async move {
            let gone = match watched {
                Ok(Watched::Pipe(pipe)) => pipe.ready(Interest::ERROR).await.is_ok(),
                Ok(Watched::Socket(socket)) => socket_is_gone(&socket).await,
                Err(_) => false,
            };
            if !gone {
                std::future::pending().await
            }
        }
    }
}

enum Watched {
    Pipe(pipe::Sender),
    Socket(UnixStream),
}

fn watch_pipe(pipe: &pipe::Sender) -> io::Result<pipe::Sender> {
    // The duplicate shares the description, which is non-blocking already.
    pipe::Sender::from_owned_fd_unchecked(pipe.as_fd().try_clone_to_owned()?)
}

fn watch_socket(socket: &UnixStream) -> io::Result<UnixStream> {
    UnixStream::from_std(socket.as_fd().try_clone_to_owned()?.into())
}

async fn socket_is_gone(socket: &UnixStream) -> bool {
    while let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await {
        if ready.is_error() {
            return true;
        }
        if ready.is_read_closed() {
            // Closed in one direction or in both? One alone is not our end, and stays as it is.
            let writing = socket.ready(Interest::WRITABLE | Interest::ERROR).await;
            return writing.is_ok_and(|ready| ready.is_write_closed() || ready.is_error());
        }
        // Bytes, which are the reader's business; forget them and wait for the next event.
        let _ = socket.try_io(Interest::READABLE, || {
            Err::<(), _>(io::ErrorKind::WouldBlock.into())
        });
    }
    false
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(Self, &mut *self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(Self, &mut *self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(Self, self, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(Self, &mut *self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(Self, &mut *self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
