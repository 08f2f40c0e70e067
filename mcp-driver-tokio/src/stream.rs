//! One connection over any byte stream: newline-delimited messages, both ways.
//!
//! Owns the loop that moves bytes between a reader, a writer and a
//! [`Connection`]. Reads, writes, handlers and timers progress in the same
//! poll, so that none of them waits for another. It must never look inside the
//! bytes, and never drop bytes that it has read or half of a write: everything
//! it awaits is cancel-safe, because it awaits nothing and polls everything.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mcp_server::proto::outbox::Outbox;
use mcp_server::{Connection, IntoService, Service};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::clock::{Clock, LazySleep};
use crate::runtime::TokioRuntime;

/// How much room is offered to one read.
const READ_CHUNK: usize = 16 * 1024;

/// How often the loop goes round before it lets other tasks run.
const TURNS_PER_POLL: usize = 64;

/// What a stream connection may take; the defaults suit stdio. How long it may
/// take to end is one of the server's
/// [`Limits`](mcp_server::proto::limits::Limits::shutdown_bound).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StreamOptions {
    /// Ends the connection when the peer has read nothing for this long while
    /// answers were waiting. Default: none, because a local client may be
    /// suspended for any time.
    pub write_stall: Option<Duration>,
}

impl StreamOptions {
    /// Sets [`StreamOptions::write_stall`].
    #[must_use]
    pub const fn with_write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = Some(limit);
        self
    }
}

/// Why a stream connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The input ended (end of file, error or hang-up) and everything that ran was answered.
    EndOfInput,
    /// A shutdown was asked for and everything that ran was answered.
    Shutdown,
    /// `Limits::shutdown_bound` passed with calls unfinished or answers unread; they are lost.
    ShutdownBound,
    /// The peer no longer reads: a write failed.
    PeerGone,
    /// The peer read nothing for [`StreamOptions::write_stall`].
    WriteStall,
}

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
    let clock = runtime.clock;
    let connection = Connection::new(service, Arc::new(runtime), crate::entropy::seed()?);
    let mut shutdown = pin!(shutdown);
    let mut hang_up = pin!(hang_up);
    let mut reader = pin!(reader);
    let mut writer = pin!(writer);
    let mut pump = Pump::new(connection, clock, options);
    let ended = poll_fn(|cx| {
        if hang_up.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ended::PeerGone);
        }
        pump.poll(cx, reader.as_mut(), writer.as_mut(), shutdown.as_mut())
    });
    Ok(ended.await)
}

/// What lies between the two halves of the stream.
struct Pump {
    connection: Connection,
    options: StreamOptions,
    clock: Clock,
    input: BytesMut,
    out: Outbox,
    /// Bytes were handed to the writer since its last complete flush.
    unflushed: bool,
    ending: Option<Ended>,
    wakeup: LazySleep,
    stall: LazySleep,
}

impl Pump {
    fn new(connection: Connection, clock: Clock, options: StreamOptions) -> Self {
        Self {
            out: connection.outbox(),
            connection,
            clock,
            input: BytesMut::new(),
            options,
            unflushed: false,
            ending: None,
            wakeup: LazySleep::default(),
            stall: LazySleep::default(),
        }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<Ended>
    where
        R: AsyncRead,
        W: AsyncWrite,
    {
        if self.ending.is_none() && shutdown.as_mut().poll(cx).is_ready() {
            self.connection.shutdown();
            self.ending = Some(Ended::Shutdown);
        }
        for _ in 0..TURNS_PER_POLL {
            let demand = self
                .connection
                .poll(cx, self.clock.now(), &mut self.input, &mut self.out);
            self.wakeup
                .set(demand.wakeup.map(|at| self.clock.deadline(at)));

            let Ok(mut progress) = self.poll_write(cx, writer.as_mut()) else {
                // Nobody hears us any more, so there is nobody to drain for.
                return Poll::Ready(Ended::PeerGone);
            };
            if demand.done && !self.out.has_remaining() && !self.unflushed {
                return Poll::Ready(self.ending.unwrap_or(Ended::EndOfInput));
            }
            if demand.cut {
                return Poll::Ready(Ended::ShutdownBound);
            }
            if demand.read && self.ending.is_none() {
                progress |= self.poll_read(cx, reader.as_mut());
            }
            progress |= self.wakeup.poll_fired(cx).is_ready();
            if self.stall.poll_fired(cx).is_ready() {
                return Poll::Ready(Ended::WriteStall);
            }
            if !progress {
                return Poll::Pending;
            }
        }
        // A peer that always has something ready must not starve other tasks.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what the writer takes now. Says whether the outbox shrank.
    fn poll_write<W: AsyncWrite>(
        &mut self,
        cx: &mut Context<'_>,
        mut writer: Pin<&mut W>,
    ) -> io::Result<bool> {
        let mut progress = false;
        while self.out.has_remaining() {
            // `write_buf` is vectored where the writer is, and advances the outbox by what was taken.
            match pin!(writer.write_buf(&mut self.out)).poll(cx) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(_)) => {
                    progress = true;
                    self.unflushed = true;
                    self.stall.set(None);
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    if let (Some(limit), true) = (self.options.write_stall, self.stall.is_idle()) {
                        self.stall.set(Some(tokio::time::Instant::now() + limit));
                    }
                    return Ok(progress);
                }
            }
        }
        if self.unflushed
            && let Poll::Ready(flushed) = writer.as_mut().poll_flush(cx)
        {
            flushed?;
            self.unflushed = false;
            progress = true;
        }
        Ok(progress)
    }

    /// Reads what the reader has now. Says whether anything happened, the end included.
    fn poll_read<R: AsyncRead>(&mut self, cx: &mut Context<'_>, mut reader: Pin<&mut R>) -> bool {
        self.input.reserve(READ_CHUNK);
        match pin!(reader.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(read)) if read > 0 => true,
            // End of file, an error and a hang-up all mean that the peer is done.
            Poll::Ready(_) => {
                self.connection.end_of_input();
                self.ending = Some(Ended::EndOfInput);
                true
            }
        }
    }
}
