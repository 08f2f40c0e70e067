//! An ordered byte stream that carries many calls: stdio, sockets, pipes.
//!
//! Owns the framing, the call table and the order in which things are said. Serves both eras, per
//! message; the legacy half lives in `link_legacy`. Must never keep bytes: unread ones stay in the
//! caller's buffer, unwritten ones in the caller's outbox.
//!
//! ```text
//!            ┌────────── respond / fail / peer's cancel ──────────┐
//! request ──▶ admitted ──(subscriptions/listen)──▶ listening ─────┤──▶ gone (handle is stale)
//!    └─▶ refused: answered at once, never in the table            │
//!                                        drain / end of input ────┘
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use mcp_types::{LoggingLevel, Revision};

use super::calls::{Calls, Entry};
use super::link_legacy::write_withdrawn;
use super::progress::{Progress, write_log, write_progress};
use super::subscription::{Change, Filter, Subscription};
use crate::config::ServerConfig;
use crate::context::CallContext;
use crate::error::{self, Stale, WireError};
use crate::frame::lines::{Line, Lines};
use crate::id::{CallId, RequestId, WireId};
use crate::json::scan::scan;
use crate::json::{Inbound, Kind, Malformed, MalformedKind, write};
use crate::judge::{self, Era};
use crate::legacy::{Peer, ServerRequests, batch};
use crate::limits::Budget;
use crate::method::Method;
use crate::outbox::Outbox;
use crate::reply::{Payload, Reply};
use crate::time::{Instant, Now, Wakeup, Why};

/// What the caller has to do before it asks again.
#[derive(Debug)]
#[must_use = "ignoring a step can stall the peer"]
pub enum Step<E> {
    /// Something for the application. Ask again afterwards.
    Event(E),
    /// All complete input is consumed: read more, or wait for the timer.
    NeedInput,
    /// The outbox is at its high-water mark: flush it before more is admitted, and ask again when there is room.
    NeedFlush,
}

/// Who ended a call early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelledBy {
    /// The peer sent `notifications/cancelled`.
    Peer,
    /// The stream ended under a subscription.
    Disconnect,
}

/// What a link tells its application.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkEvent {
    /// A judged request that waits for [`Link::respond`] or [`Link::fail`].
    Call {
        /// Answers go to this handle.
        id: CallId,
        /// The message; slices of the read buffer, so detach what you keep.
        inbound: Inbound,
        /// What the call may rely on.
        context: CallContext,
    },
    /// A subscription was opened and acknowledged; report changes by [`Link::changed`].
    Listening {
        /// The subscription; it ends with `Cancelled` or by [`Link::drain`].
        id: CallId,
        /// What it wants to hear of.
        filter: Filter,
    },
    /// The handshake was done or the legacy subscriptions changed: what the session wants to hear of.
    Subscribed(Filter),
    /// The call is gone: stop working on it, nothing can be sent for it any more.
    Cancelled {
        /// The handle, stale from now on.
        id: CallId,
        /// The reason.
        by: CancelledBy,
    },
    /// A request of ours was answered.
    Answered {
        /// The call on whose behalf it was sent.
        call: CallId,
        /// The request.
        request: RequestId,
        /// The result object, or the error object.
        outcome: Result<Bytes, Bytes>,
    },
    /// A request of ours got no answer in time; the client was told.
    Expired {
        /// The call on whose behalf it was sent.
        call: CallId,
        /// The request.
        request: RequestId,
    },
    /// A request of ours can get no answer any more: the input is over.
    Lost {
        /// The call on whose behalf it was sent.
        call: CallId,
        /// The request.
        request: RequestId,
    },
    /// The client is initialized or its roots changed. Notifications that no server acts on are dropped.
    Notified {
        /// Which one.
        method: Method,
        /// The message.
        inbound: Inbound,
    },
    /// The input is over. Calls in flight can still be answered.
    Closed {
        /// Whether the peer used up its budget of violations.
        misbehaved: bool,
    },
}

/// Why a request to the client was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The call has ended.
    Stale,
    /// There is no legacy client on this link.
    NoSession,
    /// Too many requests wait for an answer already.
    AtCapacity,
    /// The message would be longer than `Limits::max_frame_out`.
    TooLong,
    /// The input is over: no answer could come.
    Closed,
}

/// The server's end of one byte stream.
#[derive(Debug)]
pub struct Link {
    pub(super) config: Arc<ServerConfig>,
    pub(super) calls: Calls,
    pub(super) peer: Option<Peer>,
    pub(super) requests: ServerRequests<CallId>,
    lines: Lines,
    budget: Budget,
    /// The rest of a batch, slices of its frame; no more than calls may be in flight.
    batch: VecDeque<Bytes>,
    /// The budget was overdrawn: nothing more is read.
    pub(super) misbehaved: bool,
    /// A subscription is dirty, a progress report waits, or the legacy peer is dirty.
    pub(super) pending_frames: bool,
    /// The outbox was full when it was last seen: what waits needs room, not time.
    blocked: bool,
    /// When a report of progress that waits for its time is due: never late, early at most once after its call ended.
    progress_at: Instant,
    last_now: Now,
    pub(super) input_over: bool,
    closed: bool,
    /// New requests are refused: the server is going down.
    draining: bool,
}

impl Link {
    /// A link that has seen nothing yet.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> Self {
        let limits = config.limits();
        Self {
            lines: Lines::new(limits.max_message),
            calls: Calls::new(limits.max_calls),
            requests: ServerRequests::new(limits.max_requests),
            budget: Budget::new(limits.violations),
            misbehaved: false,
            batch: VecDeque::new(),
            peer: None,
            pending_frames: false,
            blocked: false,
            progress_at: Instant::MAX,
            last_now: Now::default(),
            input_over: false,
            closed: false,
            draining: false,
            config,
        }
    }

    /// Fires what is due, writes what waits, and reads at most one message.
    pub fn next(&mut self, now: Now, input: &mut BytesMut, out: &mut Outbox) -> Step<LinkEvent> {
        self.last_now = now;
        if let Some(late) = self.requests.expired(now.instant) {
            write_withdrawn(out, late.id);
            return Step::Event(LinkEvent::Expired {
                call: late.waiter,
                request: late.id,
            });
        }
        if self.progress_at <= now.instant {
            self.progress_at = Instant::MAX;
            self.pending_frames = true;
        }
        loop {
            self.write_pending(now, out);
            self.blocked = out.is_full();
            if self.blocked {
                return Step::NeedFlush;
            }
            if self.closed {
                input.clear();
                return Step::NeedInput;
            }
            if self.misbehaved {
                return self.close();
            }
            if let Some(member) = self.batch.pop_front() {
                if let Some(event) = self.receive(member, true, out) {
                    return Step::Event(event);
                }
                continue;
            }
            let frame = match self.lines.next(input) {
                Line::Message(frame) => frame,
                Line::TooLong => {
                    let limit = self.config.limits().max_message;
                    let error = WireError::new(
                        error::INVALID_REQUEST,
                        format!("the message is longer than {limit} bytes and was skipped"),
                    );
                    write_failure(out, None, &error);
                    self.violation();
                    continue;
                }
                Line::NeedMore if self.input_over => match self.lines.finish(input) {
                    Some(frame) => frame,
                    None => return self.close(),
                },
                Line::NeedMore => return Step::NeedInput,
            };
            if let Some(event) = self.receive(frame, false, out) {
                return Step::Event(event);
            }
        }
    }

    /// The stream has no more input: end of file, error and hang-up alike.
    pub fn end_of_input(&mut self) {
        self.input_over = true;
    }

    /// Refuses requests from now on and ends every subscription gracefully; no event tells of their ends.
    ///
    /// Calls in flight can still be answered. 2026-07-28, subscriptions "Graceful Closure".
    pub fn drain(&mut self, out: &mut Outbox) {
        self.draining = true;
        let ids: Vec<CallId> = self.subscriptions().collect();
        for id in ids {
            let Ok(entry) = self.calls.remove(id) else {
                continue;
            };
            if let Some(subscription) = entry.subscription {
                subscription.write_end(out, &self.config);
                out.put_byte(b'\n');
                // The pages disagree on response or notice; clients accept both, so a stream gets both.
                subscription.write_cancelled(out);
                out.put_byte(b'\n');
            }
        }
    }

    /// Answers a call; with -32603 when the message would be longer than `Limits::max_frame_out`.
    ///
    /// # Errors
    /// [`Stale`] when the call has ended; nothing is written then.
    pub fn respond(
        &mut self,
        id: CallId,
        reply: &Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), Stale> {
        self.conclude(id, out, |out, entry, config| {
            reply.write(out, &entry.id, entry.method, entry.revision, config);
        })
    }

    /// Answers a call with an error; with -32603 when the message would be longer than `Limits::max_frame_out`.
    ///
    /// # Errors
    /// [`Stale`] when the call has ended; nothing is written then.
    pub fn fail(&mut self, id: CallId, error: &WireError, out: &mut Outbox) -> Result<(), Stale> {
        self.conclude(id, out, |out, entry, _| {
            write::write_error(out, Some(&entry.id), error);
        })
    }

    /// The last words of a call: the progress that waits, the answer, and that its questions are void.
    fn conclude(
        &mut self,
        id: CallId,
        out: &mut Outbox,
        write: impl FnOnce(&mut Outbox, &Entry, &ServerConfig),
    ) -> Result<(), Stale> {
        self.flush_progress(id, out)?;
        let entry = self.calls.remove(id)?;
        let (mark, before) = (out.mark(), out.len());
        write(out, &entry, &self.config);
        if out.len() - before > self.config.limits().max_frame_out {
            out.rollback(mark);
            let error = WireError::internal("the result is larger than this server may send");
            write::write_error(out, Some(&entry.id), &error);
        }
        out.put_byte(b'\n');
        self.withdraw_all(id, out);
        Ok(())
    }

    /// Reports progress. Without a token, or when the value does not increase, nothing is sent; while
    /// the outbox is full, and within `Limits::progress_interval` of the last one, only the latest report is kept.
    ///
    /// # Errors
    /// [`Stale`] when the call has ended.
    pub fn progress(
        &mut self,
        now: Now,
        id: CallId,
        progress: Progress,
        out: &mut Outbox,
    ) -> Result<(), Stale> {
        let interval = self.config.limits().progress_interval;
        let entry = self.calls.get(id)?;
        let Some(token) = &entry.progress_token else {
            return Ok(());
        };
        if !entry.progress.offer(progress) {
            return Ok(());
        }
        if out.is_full() {
            self.pending_frames = true;
            self.blocked = true;
        } else if let Some(progress) = entry.progress.take(now.instant, interval) {
            write_progress(out, token, &progress, entry.revision);
            out.put_byte(b'\n');
        } else if let Some(due) = entry.progress.due() {
            self.progress_at = self.progress_at.min(due);
        }
        Ok(())
    }

    /// Sends a log message, if the client asked for its level. `data` is raw JSON. While the outbox is
    /// full the message is dropped, for the call's result matters more; so is one of more than
    /// `Limits::max_frame_out` bytes.
    ///
    /// # Errors
    /// [`Stale`] when the call has ended.
    pub fn log(
        &mut self,
        id: CallId,
        level: LoggingLevel,
        logger: Option<&str>,
        data: &str,
        out: &mut Outbox,
    ) -> Result<(), Stale> {
        let entry = self.calls.get(id)?;
        let wanted = entry.log_level.is_some_and(|least| level >= least);
        if wanted && !out.is_full() && data.len() <= self.config.limits().max_frame_out {
            write_log(out, level, logger, data);
            out.put_byte(b'\n');
        }
        Ok(())
    }

    /// Takes note of a change; the notifications are written by [`next`](Self::next).
    pub fn changed(&mut self, change: Change<'_>) {
        let ids: Vec<CallId> = self.subscriptions().collect();
        for id in ids {
            if let Ok(entry) = self.calls.get(id)
                && let Some(subscription) = &mut entry.subscription
            {
                self.pending_frames |= subscription.changed(change);
            }
        }
        if let Some(peer) = &mut self.peer {
            self.pending_frames |= peer.changed(change);
        }
    }

    /// When to call [`next`](Self::next) even if nothing happens. O(1).
    ///
    /// What waits for room in the outbox is no reason to wake up: call `next` after the flush.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        if self.pending_frames && !self.blocked {
            return Some(Wakeup::new(self.last_now.instant, Why::Pending));
        }
        let progress = (self.progress_at < Instant::MAX && self.calls.len() > 0)
            .then_some(Wakeup::new(self.progress_at, Why::Progress));
        let answer = self.requests.deadline();
        Wakeup::earlier(
            answer.map(|at| Wakeup::new(at, Why::AnswerOverdue)),
            progress,
        )
    }

    /// How many calls have no answer yet, subscriptions included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    fn subscriptions(&self) -> impl Iterator<Item = CallId> {
        self.calls
            .iter()
            .filter(|(_, entry)| entry.subscription.is_some())
            .map(|(id, _)| id)
    }

    /// One message in, at most one event out.
    fn receive(&mut self, frame: Bytes, batched: bool, out: &mut Outbox) -> Option<LinkEvent> {
        let limits = self.config.limits();
        let envelope = match scan(&frame, &limits.scan()) {
            Ok(envelope) => envelope,
            Err(malformed) if malformed.kind == MalformedKind::Batch && !batched => {
                self.batch_received(&frame, &malformed, out);
                return None;
            }
            Err(malformed) => return self.refuse_malformed(&frame, &malformed, out),
        };
        let inbound = Inbound {
            bytes: frame,
            envelope,
        };
        match envelope.kind {
            Kind::Request if batched && envelope.method == Method::Initialize => {
                let error = WireError::invalid_request("`initialize` must not be part of a batch");
                write_failure(out, inbound.id().as_ref(), &error);
                None
            }
            Kind::Request => {
                self.budget.replenish();
                self.request_received(inbound, out)
            }
            Kind::Notification => self.notified(inbound, out),
            Kind::Result | Kind::Error => self.answered(&inbound),
        }
    }

    /// Answers what was, or may have been, a request; never a response or a notification, or two
    /// peers could keep each other busy with errors.
    ///
    /// What carries the id of a question of ours was meant as its answer: the question ends with an error.
    fn refuse_malformed(
        &mut self,
        frame: &Bytes,
        malformed: &Malformed,
        out: &mut Outbox,
    ) -> Option<LinkEvent> {
        self.violation();
        let token = malformed
            .id
            .get(frame)
            .and_then(|token| core::str::from_utf8(token).ok())
            .unwrap_or_default();
        let is_answer = malformed.kind == MalformedKind::NoMethodNoResult
            || matches!(malformed.form, Some(Kind::Result | Kind::Error));
        if is_answer && let Some(answer) = self.requests.answered(token) {
            return Some(LinkEvent::Answered {
                call: answer.waiter,
                request: answer.id,
                outcome: Err(MALFORMED_ANSWER),
            });
        }
        if !matches!(
            malformed.form,
            Some(Kind::Notification | Kind::Result | Kind::Error)
        ) {
            let error = WireError::new(malformed.code(), malformed.message());
            write_failure(out, WireId::from_token(token).as_ref(), &error);
        }
        None
    }

    /// Takes a batch apart, from a peer whose revision has them.
    fn batch_received(&mut self, frame: &Bytes, malformed: &Malformed, out: &mut Outbox) {
        let peer = self.peer.as_ref().map(Peer::revision);
        let members = if peer == Some(Revision::V2025_03_26) {
            batch::split(frame, self.config.limits())
        } else {
            Err(WireError::new(malformed.code(), malformed.message()))
        };
        match members {
            Ok(members) => self.batch = members.into(),
            Err(error) => {
                self.violation();
                write_failure(out, None, &error);
            }
        }
    }

    fn request_received(&mut self, inbound: Inbound, out: &mut Outbox) -> Option<LinkEvent> {
        let id = inbound.id()?;
        match self.admit(id.clone(), inbound, out) {
            Ok(event) => event,
            Err(error) => {
                write_failure(out, Some(&id), &error);
                None
            }
        }
    }

    fn admit(
        &mut self,
        id: WireId,
        inbound: Inbound,
        out: &mut Outbox,
    ) -> Result<Option<LinkEvent>, WireError> {
        if self.calls.find(&id).is_some() {
            self.violation();
            return Err(WireError::new(
                error::INVALID_REQUEST,
                "a request with this id is still in flight; ids must be unique until answered",
            ));
        }
        if judge::era(&self.config, &inbound, None) == Era::Legacy {
            return self.admit_legacy(id, inbound, out);
        }
        let context = judge::modern(&self.config, &inbound, None)?;
        match inbound.envelope.method {
            Method::Discover => {
                let (body, cache) = self.config.discover();
                let mut reply = Reply::complete(Payload::Shared(body));
                reply.cache = Some(cache);
                reply.write(out, &id, Method::Discover, context.revision, &self.config);
                out.put_byte(b'\n');
                Ok(None)
            }
            Method::Listen => {
                let filter = Filter::granted(&inbound, &self.config)?;
                if self.calls.subscriptions() >= self.config.limits().max_listens {
                    return Err(judge::overloaded("too many subscriptions are open"));
                }
                self.check_capacity()?;
                let subscription = Subscription::open(id.clone(), filter.clone(), out);
                out.put_byte(b'\n');
                let call = self
                    .calls
                    .insert(id, &context, Some(Box::new(subscription)));
                Ok(call.map(|id| LinkEvent::Listening { id, filter }))
            }
            _ => self.enter(id, inbound, context).map(Some),
        }
    }

    /// Puts a judged request into the call table.
    pub(super) fn enter(
        &mut self,
        id: WireId,
        inbound: Inbound,
        context: CallContext,
    ) -> Result<LinkEvent, WireError> {
        self.check_capacity()?;
        let call = self
            .calls
            .insert(id, &context, None)
            .ok_or_else(|| judge::overloaded("too many requests are in flight"))?;
        Ok(LinkEvent::Call {
            id: call,
            inbound,
            context,
        })
    }

    /// Refused, not paused: a server that stops reading cannot see the cancel that frees a slot.
    fn check_capacity(&self) -> Result<(), WireError> {
        if self.draining {
            return Err(judge::overloaded("the server is shutting down"));
        }
        if self.calls.len() >= self.config.limits().max_calls {
            return Err(judge::overloaded("too many requests are in flight"));
        }
        Ok(())
    }

    fn notified(&mut self, inbound: Inbound, out: &mut Outbox) -> Option<LinkEvent> {
        match inbound.envelope.method {
            Method::Cancelled => {
                // Unknown, late and malformed cancels are ignored (cancellation, "Error Handling").
                let id = WireId::from_token(inbound.text(inbound.envelope.request_id))?;
                let id = self.calls.find(&id)?;
                self.calls.remove(id).ok()?;
                self.withdraw_all(id, out);
                Some(LinkEvent::Cancelled {
                    id,
                    by: CancelledBy::Peer,
                })
            }
            method @ (Method::Initialized | Method::RootsListChanged) => {
                Some(LinkEvent::Notified { method, inbound })
            }
            _ => None,
        }
    }

    /// Writes frames that waited for room, as far as there is room, and reports whose time has come.
    fn write_pending(&mut self, now: Now, out: &mut Outbox) {
        if !self.pending_frames {
            return;
        }
        let interval = self.config.limits().progress_interval;
        let ids: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, entry)| entry.has_frame())
            .map(|(id, _)| id)
            .collect();
        for id in ids {
            let Ok(entry) = self.calls.get(id) else {
                continue;
            };
            if !out.is_full()
                && let Some(token) = &entry.progress_token
                && let Some(progress) = entry.progress.take(now.instant, interval)
            {
                write_progress(out, token, &progress, entry.revision);
                out.put_byte(b'\n');
            }
            if let Some(due) = entry.progress.due().filter(|due| *due > now.instant) {
                self.progress_at = self.progress_at.min(due);
            }
            let Some(subscription) = &mut entry.subscription else {
                continue;
            };
            while !out.is_full() && subscription.write_next(out) {
                out.put_byte(b'\n');
            }
        }
        if let Some(peer) = &mut self.peer {
            while !out.is_full() && peer.write_next(out) {
                out.put_byte(b'\n');
            }
        }
        self.pending_frames = out.is_full()
            && (self.calls.iter().any(|(_, entry)| entry.has_frame())
                || self.peer.as_ref().is_some_and(Peer::is_dirty));
    }

    /// Writes the report that waits, however early: nothing may follow the answer.
    fn flush_progress(&mut self, id: CallId, out: &mut Outbox) -> Result<(), Stale> {
        let entry = self.calls.get(id)?;
        if let Some(token) = &entry.progress_token
            && let Some(progress) = entry.progress.flush()
        {
            write_progress(out, token, &progress, entry.revision);
            out.put_byte(b'\n');
        }
        Ok(())
    }

    fn violation(&mut self) {
        self.misbehaved |= self.budget.consume().is_err();
    }

    fn close(&mut self) -> Step<LinkEvent> {
        if let Some(gone) = self.requests.withdraw(|_| true) {
            return Step::Event(LinkEvent::Lost {
                call: gone.waiter,
                request: gone.id,
            });
        }
        // Nobody is left to hear of changes; the application learns it one subscription at a time.
        let ended = self.subscriptions().next();
        if let Some(id) = ended {
            let _ = self.calls.remove(id);
            return Step::Event(LinkEvent::Cancelled {
                id,
                by: CancelledBy::Disconnect,
            });
        }
        self.closed = true;
        Step::Event(LinkEvent::Closed {
            misbehaved: self.misbehaved,
        })
    }
}

/// What a question of ours ends with when its answer cannot be read.
const MALFORMED_ANSWER: Bytes = Bytes::from_static(
    br#"{"code":-32600,"message":"the answer was neither a result nor an error that can be read"}"#,
);

/// Writes an error response and its newline.
pub(super) fn write_failure(out: &mut Outbox, id: Option<&WireId>, error: &WireError) {
    write::write_error(out, id, error);
    out.put_byte(b'\n');
}
