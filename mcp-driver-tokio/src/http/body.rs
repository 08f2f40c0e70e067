//! The body of a response: blocks that are there, or a stream that drives its call.
//!
//! Owns polling the call after the head is out. Dropping the body drops the
//! call; what that means (cancellation or not) is the call's business.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use mcp_server::http::HttpCall;
use mcp_server::proto::time::Now;

use crate::clock::{Clock, LazySleep};

/// The body of every response of the endpoint.
///
/// It never fails: what goes wrong ends the stream or is said in it.
pub struct McpBody(Inner);

enum Inner {
    Blocks(Blocks),
    Call(Box<Running>),
}

/// Data that is there, in the pieces in which it was made.
#[derive(Default)]
pub(super) struct Blocks {
    /// Empty only if nothing is left.
    next: Bytes,
    more: VecDeque<Bytes>,
}

impl Blocks {
    const EMPTY: Self = Self {
        next: Bytes::new(),
        more: VecDeque::new(),
    };

    fn push(&mut self, block: Bytes) {
        if self.next.is_empty() {
            self.next = block;
        } else if !block.is_empty() {
            self.more.push_back(block);
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let after = self.more.pop_front().unwrap_or_default();
        let block = std::mem::replace(&mut self.next, after);
        (!block.is_empty()).then_some(block)
    }

    fn len(&self) -> usize {
        self.next.len() + self.more.iter().map(Bytes::len).sum::<usize>()
    }
}

/// A call whose answer, or the rest of it, is still to come.
pub(super) struct Running {
    pub(super) call: HttpCall,
    pub(super) clock: Clock,
    pub(super) wakeup: LazySleep,
    /// Data that was taken from the call and not handed out yet.
    pub(super) front: Blocks,
}

impl fmt::Debug for McpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Blocks(blocks) => f.debug_tuple("McpBody").field(&blocks.len()).finish(),
            Inner::Call(_) => f.write_str("McpBody(stream)"),
        }
    }
}

impl Running {
    /// Polls `step`, now and then whenever a timer of the call is due, until it is ready.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut now: Now,
        mut step: impl FnMut(&mut HttpCall, &mut Context<'_>, Now) -> Poll<T>,
    ) -> Poll<T> {
        loop {
            if let Poll::Ready(value) = step(&mut self.call, cx, now) {
                return Poll::Ready(value);
            }
            self.wakeup
                .set(self.call.wakeup().map(|at| self.clock.deadline(at)));
            if self.wakeup.poll_fired(cx).is_pending() {
                return Poll::Pending;
            }
            now = self.clock.now();
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(block) = self.front.take() {
            return Poll::Ready(Some(block));
        }
        let now = self.clock.now();
        self.poll_with(cx, now, |call, cx, now| call.poll_data(cx, now))
    }
}

impl McpBody {
    /// An empty body.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Inner::Blocks(Blocks::EMPTY))
    }

    /// The rest of a call. What is complete already is taken from it at once, so that
    /// its length is known and the call is over.
    pub(super) fn from_call(
        mut running: Running,
        cx: &mut Context<'_>,
        now: Now,
        is_stream: bool,
    ) -> Self {
        if is_stream {
            return Self(Inner::Call(Box::new(running)));
        }
        let mut whole = Blocks::EMPTY;
        loop {
            // Whatever is there already is taken at one moment; a timer is looked at only when nothing is.
            let data = match running.call.poll_data(cx, now) {
                Poll::Pending => running.poll_data(cx),
                ready => ready,
            };
            match data {
                Poll::Ready(None) => return Self(Inner::Blocks(whole)),
                Poll::Ready(Some(block)) => whole.push(block),
                Poll::Pending => {
                    running.front = whole;
                    return Self(Inner::Call(Box::new(running)));
                }
            }
        }
    }
}

impl From<Bytes> for McpBody {
    fn from(block: Bytes) -> Self {
        let mut blocks = Blocks::EMPTY;
        blocks.push(block);
        Self(Inner::Blocks(blocks))
    }
}

impl Body for McpBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Inner::Blocks(blocks) => Poll::Ready(blocks.take().map(|block| Ok(Frame::data(block)))),
            Inner::Call(running) => match running.poll_data(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Poll::Ready(None) => {
                    // The call is over: free it now, not when the peer has read everything.
                    self.0 = Inner::Blocks(Blocks::EMPTY);
                    Poll::Ready(None)
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Blocks(blocks) if blocks.next.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Blocks(blocks) => SizeHint::with_exact(blocks.len() as u64),
            Inner::Call(_) => SizeHint::default(),
        }
    }
}
