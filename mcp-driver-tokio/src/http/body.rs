//! The body of a response: one block, or a stream that drives its call.
//!
//! Owns polling the call after the head is out. Dropping the body drops the
//! call; what that means (cancellation or not) is the call's business.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use mcp_server::http::HttpCall;

use crate::clock::{Clock, LazySleep};

/// The body of every response of the endpoint.
///
/// It never fails: what goes wrong ends the stream or is said in it.
pub struct McpBody(Inner);

enum Inner {
    Block(Bytes),
    Call(Box<Running>),
}

/// A call whose answer, or the rest of it, is still to come.
pub(super) struct Running {
    pub(super) call: HttpCall,
    pub(super) clock: Clock,
    pub(super) wakeup: LazySleep,
    /// Data that was taken from the call and not handed out yet.
    pub(super) front: Bytes,
}

impl fmt::Debug for McpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Block(bytes) => f.debug_tuple("McpBody").field(&bytes.len()).finish(),
            Inner::Call(_) => f.write_str("McpBody(stream)"),
        }
    }
}

impl Running {
    /// Polls `step` until it is ready or no timer of the call is due.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut HttpCall, &mut Context<'_>, mcp_server::proto::time::Now) -> Poll<T>,
    ) -> Poll<T> {
        loop {
            if let Poll::Ready(value) = step(&mut self.call, cx, self.clock.now()) {
                return Poll::Ready(value);
            }
            self.wakeup
                .set(self.call.wakeup().map(|at| self.clock.deadline(at)));
            if self.wakeup.poll_fired(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.front.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.front)));
        }
        self.poll_with(cx, |call, cx, now| call.poll_data(cx, now))
    }
}

impl McpBody {
    /// An empty body.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Inner::Block(Bytes::new()))
    }

    /// The rest of a call. Whatever is a single block already becomes one, so
    /// that its length is known.
    pub(super) fn from_call(mut running: Running, cx: &mut Context<'_>, is_stream: bool) -> Self {
        if is_stream {
            return Self(Inner::Call(Box::new(running)));
        }
        let mut whole = Bytes::new();
        let now = running.clock.now();
        loop {
            // Whatever is there already is taken at one moment; a timer is looked at only when nothing is.
            let data = match running.call.poll_data(cx, now) {
                Poll::Pending => running.poll_data(cx),
                ready => ready,
            };
            match data {
                Poll::Ready(None) => return Self(Inner::Block(whole)),
                Poll::Ready(Some(block)) if whole.is_empty() => whole = block,
                Poll::Ready(Some(block)) => whole = [whole, block].concat().into(),
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
        Self(Inner::Block(block))
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
            Inner::Block(block) if block.is_empty() => Poll::Ready(None),
            Inner::Block(block) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(block))))),
            Inner::Call(running) => match running.poll_data(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Poll::Ready(None) => {
                    // The call is over: free it now, not when the peer has read everything.
                    self.0 = Inner::Block(Bytes::new());
                    Poll::Ready(None)
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Block(block) if block.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Block(block) => SizeHint::with_exact(block.len() as u64),
            Inner::Call(_) => SizeHint::default(),
        }
    }
}
