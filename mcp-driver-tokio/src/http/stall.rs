//! One stalled HTTP/2 stream must not cost its connection.
//!
//! On HTTP/2 each response runs in a task that hyper hands to an executor. A
//! peer that stops granting window to one stream makes hyper stop polling that
//! response's body, for ever if nothing outside looks. Owns looking: the body
//! notes when a block left it and when it was polled again, and the executor
//! drops the task (which resets that stream only) when too long passed
//! between the two.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use mcp_server::proto::time::Instant;
use pin_project_lite::pin_project;

use crate::clock::{Clock, LazySleep};

/// What a body tells about itself: since when a block of it waits for the peer.
#[derive(Debug)]
pub(super) struct Flow {
    /// Microseconds of the driver's clock; zero while nothing waits.
    waiting_since: AtomicU64,
    clock: Clock,
}

impl Flow {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            waiting_since: AtomicU64::new(0),
            clock,
        })
    }

    /// The body was polled: everything before was taken.
    pub(super) fn asked(&self) {
        self.waiting_since.store(0, Ordering::Relaxed);
    }

    /// A block left the body.
    pub(super) fn gave(&self) {
        self.waiting_since
            .store(self.clock.instant().as_micros().max(1), Ordering::Relaxed);
    }

    fn waiting_since(&self) -> Option<Instant> {
        match self.waiting_since.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Instant::from_micros(micros)),
        }
    }
}

/// Where a service call leaves its flow for the executor call that follows it
/// in the same poll of the connection.
pub(super) type FlowSlot = Arc<Mutex<Option<Arc<Flow>>>>;

pub(super) fn put(slot: &FlowSlot, flow: Arc<Flow>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(flow);
}

/// Runs the streams of one HTTP/2 connection on tokio, each under the stall limit.
#[derive(Debug, Clone)]
pub(super) struct StreamExecutor {
    pub(super) slot: FlowSlot,
    pub(super) limit: Duration,
    pub(super) clock: Clock,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let flow = self
            .slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        tokio::spawn(Watched {
            future,
            flow,
            limit: self.limit,
            clock: self.clock,
            timer: LazySleep::default(),
        });
    }
}

pin_project! {
    /// A stream's task that ends when its flow stalls.
    struct Watched<F> {
        #[pin]
        future: F,
        flow: Option<Arc<Flow>>,
        limit: Duration,
        clock: Clock,
        timer: LazySleep,
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.future.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(flow) = this.flow else {
            return Poll::Pending;
        };
        // The flow only changes inside the poll above, so arming here misses nothing.
        let deadline = flow
            .waiting_since()
            .map(|since| this.clock.deadline(since + *this.limit));
        this.timer.set(deadline);
        this.timer.poll_fired(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::time::timeout;

    async fn ends_within(limit: Duration, behaviour: impl Fn(&Flow) + Send + 'static) -> bool {
        let clock = Clock::start();
        let flow = Flow::new(clock);
        let inner = Arc::clone(&flow);
        let watched = Watched {
            future: poll_fn(move |_| {
                behaviour(&inner);
                Poll::<()>::Pending
            }),
            flow: Some(flow),
            limit: Duration::from_secs(5),
            clock,
            timer: LazySleep::default(),
        };
        timeout(limit, watched).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_block_is_never_taken_ends() {
        assert!(
            ends_within(Duration::from_secs(6), |flow| {
                if flow.waiting_since().is_none() {
                    flow.gave();
                }
            })
            .await
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_whose_peer_took_everything_goes_on() {
        assert!(
            !ends_within(Duration::from_secs(60), |flow| {
                flow.gave();
                flow.asked();
            })
            .await
        );
    }
}
