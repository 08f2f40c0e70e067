//! The stream that a legacy client opens with GET: its session's own, or a resumed one.
//!
//! Owns one reader's position in the replay ring. Must never show an event of another stream, and at most one
//! reader has a stream: a newer one takes the seat, for it is the same client come back.
//! Source: 2025-11-25 basic/transports, "Listening for Messages" and "Resumability and Redelivery".

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Response, StatusCode};
use mcp_proto::http::accept::Accepts;
use mcp_proto::http::admit::{Opened, not_allowed, refuse};
use mcp_proto::http::exchange::{Draining, Exchange, Open};
use mcp_proto::legacy::{EventId, GENERAL, SessionToken};
use mcp_proto::time::{Instant, Now};
use mcp_types::Revision;

use super::gauge::{Permit, Watch};
use super::session::{SessionCell, lock};
use super::shared::{Pin, Shared, busy};

/// A connected reader.
pub(super) struct Reader {
    cell: SessionCell,
    stream: u64,
    /// The seat.
    reader: u64,
    /// The position of the last event that was written.
    sent: Option<u64>,
    closing: Watch,
    exchange: Option<Exchange<Open>>,
    _pin: Pin,
    _permit: Permit,
}

impl Reader {
    /// Opens the stream, or resumes the one that `Last-Event-ID` names.
    pub(super) fn open(
        shared: &Arc<Shared>,
        now: Now,
        token: &SessionToken,
        head: &Opened,
    ) -> Result<Self, Box<Response<Bytes>>> {
        match head.version.as_deref().map(Revision::parse) {
            Some(Some(revision)) if revision.is_modern() => {
                return Err(Box::new(not_allowed(
                    "POST",
                    "this revision has no GET stream: subscriptions/listen",
                )));
            }
            Some(revision)
                if !revision.is_some_and(|it| shared.service.config().revisions().contains(it)) =>
            {
                return Err(Box::new(refuse(
                    StatusCode::BAD_REQUEST,
                    "this protocol version is not supported",
                )));
            }
            _ => {}
        }
        let permit = shared.streams.enter();
        let permit = permit.ok_or_else(|| Box::new(busy("too many streams are open")))?;
        let attached = shared.attach(now, token);
        let (cell, pin) = attached.map_err(|_| Box::new(busy("too many sessions are in use")))?;
        let mut session = lock(&cell);
        if session.hub.is_none() {
            session.listen(shared.service.hub());
        }
        // A stream that is not known (any more) resumes nothing: the client gets the general one.
        let resumed = head
            .last_event
            .as_deref()
            .and_then(|text| EventId::parse(session.mark, text));
        let resumed = resumed.filter(|id| session.replay.knows(id.stream));
        let (stream, sent) =
            resumed.map_or((GENERAL, session.told), |id| (id.stream, Some(id.sequence)));
        let (reader, former) = session.sit(stream, Waker::noop());
        drop(session);
        former.into_iter().for_each(Waker::wake);
        let mut exchange = Exchange::open(
            now.instant,
            Accepts {
                json: false,
                stream: true,
                prefers_stream: false,
            },
            shared.pace,
        );
        // A first byte, so that proxies pass the head on.
        exchange.comment(now.instant);
        Ok(Self {
            closing: shared.closing.watch(),
            cell,
            stream,
            reader,
            sent,
            exchange: Some(exchange),
            _pin: pin,
            _permit: permit,
        })
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Exchange<Draining>> {
        let closing = self.closing.poll(cx.waker());
        let Some(exchange) = &mut self.exchange else {
            return Poll::Pending;
        };
        let mut session = lock(&self.cell);
        let overdue = session.expire(now.instant);
        let (sits, _old) = session.sits(self.reader, cx.waker());
        let seated = sits && !session.has_ended();
        if seated && self.stream == GENERAL {
            session.collect_changes(cx);
        }
        while seated && !exchange.is_full() {
            let Some((sequence, event)) = session.replay.after(self.stream, self.sent) else {
                break;
            };
            exchange.encoded(now.instant, event);
            self.sent = Some(sequence);
            if self.stream == GENERAL {
                session.told = session.told.max(self.sent);
            }
        }
        let reached = session.replay.after(self.stream, self.sent).is_none();
        if seated && reached {
            session.replay.trim(self.stream);
        }
        let complete = self.stream != GENERAL && reached && session.replay.is_ended(self.stream);
        drop(session);
        overdue.into_iter().for_each(Waker::wake);
        if closing || !seated || complete {
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
        let alive = self.exchange.as_ref()?.wakeup().map(|wakeup| wakeup.at);
        let overdue = lock(&self.cell).requests.deadline();
        [alive, overdue].into_iter().flatten().min()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let waker = lock(&self.cell).stand(self.reader);
        drop(waker);
    }
}
