//! Deadlines of a connection that the HTTP layer does not keep.
//!
//! Owns two limits on one TCP connection: a request head must be complete a
//! while after its first byte (or after the connection was made), and a write
//! must make progress while anything waits. It must never count the time in
//! which a call runs or in which both sides are simply quiet, except against
//! the long idle limit.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use mcp_server::proto::time::Instant;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::{Clock, LazySleep};

/// The limits on one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) head: Duration,
    pub(super) idle: Duration,
}

/// What the reader, the service and the connection task know together.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Clock,
    limits: Limits,
    /// Requests whose response is not finished.
    in_flight: AtomicUsize,
    /// When the head that is arriving began, in microseconds; zero if none is.
    head_since: AtomicU64,
    /// When the connection last became quiet, in microseconds.
    idle_since: AtomicU64,
    /// HTTP/2: heads share the connection with pings and window updates, so
    /// incoming bytes say nothing about a head.
    multiplexed: AtomicBool,
}

impl Activity {
    pub(super) fn new(clock: Clock, limits: Limits) -> Arc<Self> {
        let now = clock.instant().as_micros().max(1);
        Arc::new(Self {
            clock,
            limits,
            in_flight: AtomicUsize::new(0),
            head_since: AtomicU64::new(now),
            idle_since: AtomicU64::new(now),
            multiplexed: AtomicBool::new(false),
        })
    }

    fn micros(&self) -> u64 {
        self.clock.instant().as_micros().max(1)
    }

    /// Bytes arrived.
    fn read(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0
            && !self.multiplexed.load(Ordering::Relaxed)
            && self.head_since.load(Ordering::Relaxed) == 0
        {
            self.head_since.store(self.micros(), Ordering::Relaxed);
        }
    }

    /// A head is complete; the request is in flight until the value is dropped.
    pub(super) fn begin(self: &Arc<Self>, version: http::Version) -> InFlight {
        self.head_since.store(0, Ordering::Relaxed);
        if version == http::Version::HTTP_2 {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// When the connection must end if nothing changes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let idle = Instant::from_micros(self.idle_since.load(Ordering::Relaxed)) + self.limits.idle;
        match self.head_since.load(Ordering::Relaxed) {
            0 => Some(idle),
            since => Some((Instant::from_micros(since) + self.limits.head).min(idle)),
        }
    }
}

/// One request between its head and the end of its response.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.micros(), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project! {
    /// A stream that reports its reads and fails when a write stalls.
    pub(super) struct Guarded<T> {
        #[pin]
        stream: T,
        activity: Arc<Activity>,
        write_stall: Duration,
        stall: LazySleep,
    }
}

impl<T> Guarded<T> {
    pub(super) fn new(stream: T, activity: Arc<Activity>, write_stall: Duration) -> Self {
        Self {
            stream,
            activity,
            write_stall,
            stall: LazySleep::default(),
        }
    }
}

/// Arms the limit while a write waits and turns its passing into an error.
fn watch<T>(
    result: Poll<io::Result<T>>,
    stall: &mut LazySleep,
    limit: Duration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if result.is_ready() {
        stall.set(None);
        return result;
    }
    if stall.is_idle() {
        stall.set(Some(tokio::time::Instant::now() + limit));
    }
    match stall.poll_fired(cx) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer stopped reading",
        ))),
    }
}

impl<T: AsyncRead> AsyncRead for Guarded<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buf.filled().len();
        let result = this.stream.poll_read(cx, buf);
        if result.is_ready() && buf.filled().len() > before {
            this.activity.read();
        }
        result
    }
}

impl<T: AsyncWrite> AsyncWrite for Guarded<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        watch(
            this.stream.poll_write(cx, buf),
            this.stall,
            *this.write_stall,
            cx,
        )
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        watch(
            this.stream.poll_write_vectored(cx, bufs),
            this.stall,
            *this.write_stall,
            cx,
        )
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    const LIMITS: Limits = Limits {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(120),
    };

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_owes_a_head() {
        let clock = Clock::start();
        let activity = Activity::new(clock, LIMITS);
        let left = activity.deadline().unwrap().duration_since(clock.instant());
        assert_eq!(left, LIMITS.head);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_call_owes_nothing_and_an_idle_one_little() {
        let clock = Clock::start();
        let activity = Activity::new(clock, LIMITS);
        let request = activity.begin(http::Version::HTTP_11);
        assert_eq!(activity.deadline(), None);
        tokio::time::advance(Duration::from_secs(3600)).await;
        drop(request);
        let left = activity.deadline().unwrap().duration_since(clock.instant());
        assert_eq!(left, LIMITS.idle);
        activity.read();
        let left = activity.deadline().unwrap().duration_since(clock.instant());
        assert_eq!(left, LIMITS.head);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_an_error_after_the_limit() {
        let (near, _far) = tokio::io::duplex(16);
        let activity = Activity::new(Clock::start(), LIMITS);
        let mut guarded = Guarded::new(near, activity, Duration::from_secs(30));
        let before = tokio::time::Instant::now();
        let error = guarded.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(before.elapsed() >= Duration::from_secs(30));
    }
}
