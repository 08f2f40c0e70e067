//! One connection over any byte stream of tokio's: newline-delimited messages, both ways.
//!
//! Owns the spelling of tokio's readers, writers and timers in the terms of the shared loop ([`mcp_driver::Pump`]). Must
//! never look inside the bytes.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use mcp_driver::{Alarm, Ended, Pump, Stream, StreamOptions, run, seed};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{Connection, IntoService, Service};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::clock::{Clock, LazySleep};
use crate::runtime::TokioRuntime;

/// How much room is offered to one read.
const READ_CHUNK: usize = 16 * 1024;

/// Serves one peer over a byte stream until it ends.
///
/// The framing is that of the stdio transport: one JSON-RPC message per line.
/// Dropping the future drops the connection and cancels what runs on it.
///
/// # Errors
/// When the operating system has no randomness, or when the server does not compile.
pub async fn serve_io<S, R, W>(service: S, reader: R, writer: W) -> io::Result<Ended>
where
    S: IntoService,
    R: AsyncRead,
    W: AsyncWrite,
{
    serve_io_until(
        service,
        reader,
        writer,
        StreamOptions::default(),
        std::future::pending(),
    )
    .await
}

/// Like [`serve_io`], and ends gracefully when `shutdown` completes: open
/// subscriptions are completed, running calls get
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound).
///
/// # Errors
/// When the operating system has no randomness, or when the server does not compile.
pub async fn serve_io_until<S, R, W>(
    service: S,
    reader: R,
    writer: W,
    options: StreamOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Ended>
where
    S: IntoService,
    R: AsyncRead,
    W: AsyncWrite,
{
    let service = service.into_service().map_err(io::Error::other)?;
    let hang_up = std::future::pending();
    let runtime = TokioRuntime::current();
    pump(service, runtime, reader, writer, options, shutdown, hang_up).await
}

/// The same on a runtime that several connections may share, and ends at once
/// when `hang_up` completes: the peer reads no more.
pub(crate) async fn pump<R, W>(
    service: Service,
    runtime: TokioRuntime,
    reader: R,
    writer: W,
    options: StreamOptions,
    shutdown: impl Future<Output = ()>,
    hang_up: impl Future<Output = ()>,
) -> io::Result<Ended>
where
    R: AsyncRead,
    W: AsyncWrite,
{
    let alarm = TokioAlarm::new(runtime.clock);
    let connection = Connection::new(service, Arc::new(runtime), seed()?);
    let halves = Halves {
        reader: pin!(reader),
        writer: pin!(writer),
    };
    let pump = Pump::new(connection, options);
    Ok(run(pump, halves, alarm, shutdown, hang_up).await)
}

/// The two directions of a stream.
struct Halves<'a, R, W> {
    reader: Pin<&'a mut R>,
    writer: Pin<&'a mut W>,
}

impl<R: AsyncRead, W: AsyncWrite> Stream for Halves<'_, R, W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        input.reserve(READ_CHUNK);
        pin!(self.reader.read_buf(input)).poll(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        // Vectored where the writer is, and advances the outbox by what was taken.
        pin!(self.writer.write_buf(out)).poll(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_shutdown(cx)
    }
}

/// Tokio's clock and timer.
pub(crate) struct TokioAlarm {
    clock: Clock,
    sleep: LazySleep,
}

impl TokioAlarm {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            sleep: LazySleep::default(),
        }
    }
}

impl Alarm for TokioAlarm {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn set(&mut self, at: Option<Instant>) {
        self.sleep.set(at.map(|at| self.clock.deadline(at)));
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.poll_fired(cx)
    }
}
