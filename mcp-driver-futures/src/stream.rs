//! One connection over any byte stream of futures-io: newline-delimited messages, both ways.
//!
//! Owns the spelling of its readers and writers in the terms of the shared loop ([`mcp_driver::Pump`]). Must never look
//! inside the bytes.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};
use mcp_driver::{Ended, Pump, Scratch, Stream, StreamOptions, run, seed, write_from};
use mcp_server::proto::outbox::Outbox;
use mcp_server::{Connection, IntoService, Service};

use crate::platform::Platform;
use crate::runtime::FuturesRuntime;

/// Serves one peer over a byte stream until it ends.
///
/// The framing is that of the stdio transport: one JSON-RPC message per line. Dropping the future drops the connection and
/// cancels what runs on it.
///
/// # Errors
/// When the operating system has no randomness, or when the server does not compile.
pub async fn serve_io<P, S, R, W>(
    platform: P,
    service: S,
    reader: R,
    writer: W,
) -> io::Result<Ended>
where
    P: Platform,
    S: IntoService,
    R: AsyncRead,
    W: AsyncWrite,
{
    let options = StreamOptions::default();
    let shutdown = std::future::pending();
    serve_io_until(platform, service, reader, writer, options, shutdown).await
}

/// Like [`serve_io`], and ends gracefully when `shutdown` completes: open subscriptions are completed, running calls get
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
///
/// # Errors
/// When the operating system has no randomness, or when the server does not compile.
pub async fn serve_io_until<P, S, R, W>(
    platform: P,
    service: S,
    reader: R,
    writer: W,
    options: StreamOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Ended>
where
    P: Platform,
    S: IntoService,
    R: AsyncRead,
    W: AsyncWrite,
{
    let service = service.into_service().map_err(io::Error::other)?;
    let runtime = FuturesRuntime::new(platform);
    let hang_up = std::future::pending();
    serve_halves(
        service, &runtime, reader, writer, options, shutdown, hang_up,
    )
    .await
}

/// The same, and ends at once when `hang_up` completes: the peer reads no more.
pub(crate) async fn serve_halves<P, R, W>(
    service: Service,
    runtime: &FuturesRuntime<P>,
    reader: R,
    writer: W,
    options: StreamOptions,
    shutdown: impl Future<Output = ()>,
    hang_up: impl Future<Output = ()>,
) -> io::Result<Ended>
where
    P: Platform,
    R: AsyncRead,
    W: AsyncWrite,
{
    let connection = Connection::new(service, runtime.shared(), seed()?);
    let stream = Halves {
        reader: pin!(reader),
        writer: pin!(writer),
    };
    let pump = Pump::new(connection, options);
    Ok(run(pump, stream, runtime.alarm(), shutdown, hang_up).await)
}

/// The two directions of a stream.
struct Halves<'a, R, W> {
    reader: Pin<&'a mut R>,
    writer: Pin<&'a mut W>,
}

impl<R: AsyncRead, W: AsyncWrite> Stream for Halves<'_, R, W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        read(self.reader.as_mut(), cx, input)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        write(self.writer.as_mut(), cx, out)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_close(cx)
    }
}

/// A stream that is read and written in one piece.
pub(crate) struct Whole<'a, C>(pub(crate) Pin<&'a mut C>);

impl<C: AsyncRead + AsyncWrite> Stream for Whole<'_, C> {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        read(self.0.as_mut(), cx, input)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        write(self.0.as_mut(), cx, out)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_close(cx)
    }
}

thread_local! {
    /// Room for one read: futures-io reads into memory that is initialised already.
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

fn read<R: AsyncRead>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    input: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    // Taken out, in case that the reader itself drives a connection.
    let mut scratch = SCRATCH.take().unwrap_or_default();
    let read = scratch.read(&mut Polled(reader, cx), input);
    SCRATCH.set(Some(scratch));
    polled(read)
}

fn write<W: AsyncWrite>(
    writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    out: &mut Outbox,
) -> Poll<io::Result<usize>> {
    polled(write_from(&mut Polled(writer, cx), out))
}

/// A stream in the middle of a poll, as the standard library's traits have it: not ready is `WouldBlock`.
struct Polled<'a, 'b, T>(Pin<&'a mut T>, &'a mut Context<'b>);

fn polled<T>(outcome: io::Result<T>) -> Poll<io::Result<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        outcome => Poll::Ready(outcome),
    }
}

fn blocking<T>(outcome: Poll<io::Result<T>>) -> io::Result<T> {
    match outcome {
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        Poll::Ready(outcome) => outcome,
    }
}

impl<R: AsyncRead> Read for Polled<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        blocking(self.0.as_mut().poll_read(self.1, buffer))
    }
}

impl<W: AsyncWrite> Write for Polled<'_, '_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        blocking(self.0.as_mut().poll_write(self.1, buffer))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(self.0.as_mut().poll_write_vectored(self.1, buffers))
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(self.0.as_mut().poll_flush(self.1))
    }
}
