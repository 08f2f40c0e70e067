//! One `subscriptions/listen` request and its stream.
//!
//! Owns the acknowledgment first, the changes after it, and the graceful end. Must never queue: what changed
//! between two writes is one bit for each subject.

use std::sync::Arc;
use std::task::{Context, Poll};

use mcp_proto::http::exchange::{Draining, Exchange, Open};
use mcp_proto::id::WireId;
use mcp_proto::server::{Filter, Subscription};
use mcp_proto::time::{Instant, Now};

use super::gauge::{Permit, Watch};
use super::shared::Shared;
use crate::hub::Registration;

/// An open subscription.
pub(super) struct Subscriber {
    shared: Arc<Shared>,
    subscription: Subscription,
    hub: Registration,
    closing: Watch,
    /// `None` only while it is being moved out.
    exchange: Option<Exchange<Open>>,
    _permit: Permit,
}

impl Subscriber {
    /// Opens the stream with its acknowledgment. `exchange` must take a stream.
    pub(super) fn open(
        shared: &Arc<Shared>,
        now: Instant,
        id: WireId,
        filter: Filter,
        mut exchange: Exchange<Open>,
        permit: Permit,
    ) -> Option<Self> {
        // Before the acknowledgment: what changes from here on is not lost.
        let mut hub = shared.service.hub().register();
        hub.listen(None, &filter);
        let mut opened = None;
        exchange.event(now, |out| {
            opened = Some(Subscription::open(id, filter, out))
        });
        Some(Self {
            shared: Arc::clone(shared),
            subscription: opened?,
            hub,
            closing: shared.closing.watch(),
            exchange: Some(exchange),
            _permit: permit,
        })
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Exchange<Draining>> {
        let closing = self.closing.poll(cx.waker());
        let Some(exchange) = &mut self.exchange else {
            return Poll::Pending;
        };
        self.hub.take(cx, |change| {
            self.subscription.changed(change);
        });
        while self.subscription.is_dirty() && !exchange.is_full() {
            exchange.event(now.instant, |out| {
                self.subscription.write_next(out);
            });
        }
        if closing {
            let config = self.shared.service.config();
            // The stream ends with it, which is the notice that a byte stream has to write.
            exchange.event(now.instant, |out| self.subscription.write_end(out, config));
            let ended = self
                .exchange
                .take()
                .map(|exchange| exchange.end(now.instant));
            return ended.map_or(Poll::Pending, Poll::Ready);
        }
        exchange.tick(now.instant);
        Poll::Pending
    }

    pub(super) fn exchange(&mut self) -> Option<&mut Exchange<Open>> {
        self.exchange.as_mut()
    }

    pub(super) fn wakeup(&self) -> Option<Instant> {
        self.exchange.as_ref()?.wakeup().map(|wakeup| wakeup.at)
    }
}
