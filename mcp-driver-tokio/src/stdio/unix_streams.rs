//! The streams on Unix: readiness where the descriptor has it, else a thread.
//!
//! Owns nothing but the choice made in `unix.rs`, spelled as one reader and one
//! writer type.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::thread::{ThreadReader, ThreadWriter};
use super::unix;

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

pub(super) fn take() -> io::Result<(Reader, Writer)> {
    let (input, output) = unix::take()?;
    Ok((unix::reader(input)?, unix::writer(output)?))
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
