//! The way of one call's messages to its client.
//!
//! Owns where an event goes: straight into the exchange (modern), or through the session's replay ring
//! (legacy), with or without a connected reader. Must never send a message of one call on the stream of
//! another, and never write an event for a client that takes no streams.

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use mcp_proto::context::CallContext;
use mcp_proto::http::exchange::{Exchange, Open};
use mcp_proto::id::{RequestId, WireId};
use mcp_proto::json::write;
use mcp_proto::legacy::{GENERAL, SessionToken};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::{Pacer, Progress, Refused, write_log, write_progress};
use mcp_proto::time::{Instant, Now};
use mcp_types::{LoggingLevel, Revision};

use super::session::{News, SessionCell, lock};
use super::shared::{Pin, Shared};
use crate::call::CallSink;
use crate::later::{self, Later};

/// The sending side of one call.
pub(super) struct Lane {
    pub(super) shared: Arc<Shared>,
    pub(super) id: WireId,
    pub(super) context: CallContext,
    /// Set for a legacy call.
    pub(super) session: Option<SessionToken>,
    attached: Option<Attached>,
    /// The session has no room for this call's state.
    full: bool,
    progress: Pacer,
    /// Whether the stream is this call's alone, so that it can be resumed.
    resumable: bool,
    /// The handler asked to close the stream.
    pub(super) close: Option<Option<Duration>>,
}

/// A legacy call's place in its session.
struct Attached {
    cell: SessionCell,
    key: u64,
    /// Numbered as soon as there may be a stream; gone when nobody can ever read it.
    stream: Option<u64>,
    _pin: Pin,
}

impl Lane {
    pub(super) fn new(
        shared: Arc<Shared>,
        id: WireId,
        context: CallContext,
        session: Option<SessionToken>,
    ) -> Self {
        Self {
            shared,
            id,
            context,
            session,
            attached: None,
            full: false,
            progress: Pacer::default(),
            resumable: true,
            close: None,
        }
    }

    /// Shares its stream with other calls of a batch.
    pub(super) const fn in_batch(mut self) -> Self {
        self.resumable = false;
        self
    }

    /// Whether the call's answer survives the loss of its connection.
    pub(super) const fn is_legacy(&self) -> bool {
        self.session.is_some()
    }

    /// Enters a legacy call into its session, so that it can be cancelled, answered and resumed.
    /// A modern call has nothing to enter.
    pub(super) fn attach(
        &mut self,
        now: Now,
        waker: &Waker,
        exchange: Option<&mut Exchange<Open>>,
    ) {
        let Some(token) = &self.session else { return };
        if self.attached.is_some() || self.full {
            return;
        }
        self.full = true;
        let Ok((cell, pin)) = self.shared.attach(now, token) else {
            return;
        };
        let max = self.shared.service.config().limits().max_calls;
        let mut session = lock(&cell);
        let Some(key) = session.enlist(self.id.clone(), waker, max) else {
            return;
        };
        let exchange = exchange.filter(|exchange| self.resumable && exchange.can_stream());
        let stream = exchange.is_some().then(|| session.replay.open());
        if let (Some(exchange), Some(stream), Revision::V2025_11_25) =
            (exchange, stream, token.revision)
        {
            // Older clients would take the empty event for a broken message.
            exchange.set_preamble(
                session
                    .replay
                    .prime(stream, Some(self.shared.options.retry)),
            );
        }
        drop(session);
        self.full = false;
        self.attached = Some(Attached {
            cell,
            key,
            stream,
            _pin: pin,
        });
    }

    /// What happened to the call since it was last asked.
    pub(super) fn news(&self, now: Now, waker: &Waker) -> News {
        let Some(attached) = &self.attached else {
            return News::default();
        };
        let mut session = lock(&attached.cell);
        let overdue = session.expire(now.instant);
        let news = session.news(attached.key, waker);
        drop(session);
        overdue.into_iter().for_each(Waker::wake);
        news
    }

    /// When one of our requests is overdue, or a report of progress due. One that waits for room needs no time.
    pub(super) fn deadline(&self, has_room: bool) -> Option<Instant> {
        let attached = self.attached.as_ref();
        let overdue = attached.and_then(|it| lock(&it.cell).requests.deadline());
        let report = self.progress.due().filter(|_| has_room);
        [overdue, report].into_iter().flatten().min()
    }

    /// Writes one message as an event; `false` if it reaches nobody.
    pub(super) fn emit(
        &self,
        now: Instant,
        exchange: Option<&mut Exchange<Open>>,
        write: impl FnOnce(&mut Outbox),
    ) -> bool {
        match self
            .attached
            .as_ref()
            .and_then(|attached| Some((attached, attached.stream?)))
        {
            None => exchange.is_some_and(|exchange| exchange.event(now, write)),
            Some((attached, stream)) => {
                let (event, reader) = lock(&attached.cell).send(stream, write);
                if let Some(exchange) = exchange {
                    exchange.encoded(now, event);
                }
                reader.into_iter().for_each(Waker::wake);
                true
            }
        }
    }

    /// Writes the last event of the call's stream.
    pub(super) fn emit_last(
        &self,
        now: Instant,
        exchange: Option<&mut Exchange<Open>>,
        write: impl FnOnce(&mut Outbox),
    ) {
        self.emit(now, exchange, write);
        if let Some((attached, stream)) = self.attached.as_ref().and_then(|a| Some((a, a.stream?)))
        {
            let reader = lock(&attached.cell).end_stream(stream);
            reader.into_iter().for_each(Waker::wake);
        }
    }

    /// The connection is gone. A stream that never began has no id to resume from: nobody can read it.
    pub(super) fn disconnected(&mut self, began: bool) {
        if let (false, Some(attached)) = (began, &mut self.attached)
            && let Some(stream) = attached.stream.take()
        {
            let _ = lock(&attached.cell).end_stream(stream);
        }
    }

    /// Writes the event that closes a connection without ending its stream.
    pub(super) fn emit_retry(
        &self,
        now: Instant,
        exchange: &mut Exchange<Open>,
        retry: Option<Duration>,
    ) -> bool {
        let Some((attached, stream)) = self.attached.as_ref().and_then(|a| Some((a, a.stream?)))
        else {
            return false;
        };
        let retry = retry.unwrap_or(self.shared.options.retry);
        let event = lock(&attached.cell).replay.prime(stream, Some(retry));
        exchange.encoded(now, event)
    }

    /// Tells the client that nobody waits for its answers any more.
    pub(super) fn withdraw_all(&self, now: Instant, mut exchange: Option<&mut Exchange<Open>>) {
        let Some(attached) = &self.attached else {
            return;
        };
        loop {
            let gone = lock(&attached.cell)
                .requests
                .withdraw(|waiter| *waiter == attached.key);
            let Some(gone) = gone else { return };
            self.emit(now, exchange.as_deref_mut(), |out| {
                write_withdrawal(out, gone.id)
            });
        }
    }

    fn request(
        &self,
        now: Instant,
        exchange: Option<&mut Exchange<Open>>,
        method: &str,
        params: &str,
    ) -> Result<RequestId, Refused> {
        let reachable = exchange
            .as_ref()
            .is_some_and(|exchange| exchange.can_stream());
        let attached = self
            .attached
            .as_ref()
            .filter(|attached| reachable || attached.stream.is_some());
        let attached = attached.ok_or(Refused::NoSession)?;
        let limits = self.shared.service.config().limits();
        if params.len() > limits.max_frame_out {
            return Err(Refused::TooLong);
        }
        let timeout = limits.request_timeout;
        let id = lock(&attached.cell)
            .requests
            .insert(now, timeout, attached.key);
        let id = id.map_err(|_| Refused::AtCapacity)?;
        self.emit(now, exchange, |out| {
            write::write_request(out, id.wire(), method, params)
        });
        Ok(id)
    }

    fn withdraw(&self, now: Instant, exchange: Option<&mut Exchange<Open>>, request: RequestId) {
        let Some(attached) = &self.attached else {
            return;
        };
        let known = lock(&attached.cell)
            .requests
            .answered(&request.wire().to_string());
        if known.is_some() {
            self.emit(now, exchange, |out| write_withdrawal(out, request));
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(attached) = &self.attached {
            let mut session = lock(&attached.cell);
            let _own = session.strike(attached.key);
            let reader = attached
                .stream
                .and_then(|stream| session.end_stream(stream));
            drop(session);
            reader.into_iter().for_each(Waker::wake);
        }
    }
}

/// A copy of what is known about a call, for its lane: without the client's words about itself, which are a slice of the body.
pub(super) fn own(context: &mut CallContext) -> CallContext {
    let client_info = context.client_info.take();
    let own = context.clone();
    context.client_info = client_info;
    own
}

/// The way to the client once a call is over, where there is something to tell it then.
pub(super) fn later(
    shared: &Arc<Shared>,
    session: Option<&SessionToken>,
    context: &CallContext,
) -> Option<Arc<dyn Later>> {
    let token = session.filter(|_| later::concerns(context))?.clone();
    let shared = Arc::downgrade(shared);
    Some(Arc::new(SessionLater { shared, token }))
}

/// The way to a session's own stream.
struct SessionLater {
    /// What is kept for later does not keep the endpoint.
    shared: Weak<Shared>,
    token: SessionToken,
}

impl fmt::Debug for SessionLater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionLater")
    }
}

impl Later for SessionLater {
    fn tell(&self, method: &'static str, params: &str) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let now = shared.now();
        if self.token.expires_ms <= now.unix_ms {
            return;
        }
        // Kept for a reader that comes back, as long as sessions are.
        let Ok((cell, pin)) = shared.attach(now, &self.token) else {
            return;
        };
        let write = |out: &mut Outbox| write::write_notification(out, method, params);
        let (_, reader) = lock(&cell).send(GENERAL, write);
        reader.into_iter().for_each(Waker::wake);
        drop(pin);
    }
}

fn write_withdrawal(out: &mut Outbox, request: RequestId) {
    write::write_cancelled(out, |out| write::integer(out, request.wire()), None);
}

/// Takes what a call has to say, into its lane and, if somebody reads, its exchange.
pub(super) struct LaneSink<'a> {
    pub(super) lane: &'a mut Lane,
    pub(super) exchange: Option<&'a mut Exchange<Open>>,
    pub(super) now: Now,
    pub(super) waker: &'a Waker,
}

impl LaneSink<'_> {
    /// Whether a message with this in it may be sent; a notification that may not is dropped.
    fn fits(&self, text: &str) -> bool {
        text.len() <= self.lane.shared.service.config().limits().max_frame_out
    }

    fn emit(&mut self, write: impl FnOnce(&mut Outbox)) {
        self.lane
            .attach(self.now, self.waker, self.exchange.as_deref_mut());
        self.lane
            .emit(self.now.instant, self.exchange.as_deref_mut(), write);
    }

    /// Sends the report of progress that waits, if its time has come or the call is over.
    pub(super) fn report(&mut self, over: bool) {
        let interval = self.lane.shared.service.config().limits().progress_interval;
        let report = if over {
            self.lane.progress.flush()
        } else if self.has_room() {
            self.lane.progress.take(self.now.instant, interval)
        } else {
            None
        };
        if let (Some(report), Some(token)) = (report, self.lane.context.progress_token.clone()) {
            let revision = self.lane.context.revision;
            self.emit(|out| write_progress(out, &token, &report, revision));
        }
    }
}

impl CallSink for LaneSink<'_> {
    fn has_room(&self) -> bool {
        self.exchange
            .as_ref()
            .is_none_or(|exchange| !exchange.is_full())
    }

    fn progress(&mut self, progress: &Progress) {
        let wanted = self.lane.context.progress_token.is_some();
        if wanted && self.lane.progress.offer(progress.clone()) {
            self.report(false);
        }
    }

    fn log(&mut self, level: LoggingLevel, logger: Option<&str>, data: &str) {
        if self.lane.context.allows(level) && self.fits(data) {
            self.emit(|out| write_log(out, level, logger, data));
        }
    }

    fn request(&mut self, method: &str, params: &str) -> Result<RequestId, Refused> {
        if self.lane.context.is_modern() {
            return Err(Refused::NoSession);
        }
        self.lane
            .attach(self.now, self.waker, self.exchange.as_deref_mut());
        self.lane.request(
            self.now.instant,
            self.exchange.as_deref_mut(),
            method,
            params,
        )
    }

    fn withdraw(&mut self, request: RequestId) {
        self.lane
            .withdraw(self.now.instant, self.exchange.as_deref_mut(), request);
    }

    fn notify(&mut self, method: &str, params: &str) {
        if !self.lane.context.is_modern() && self.fits(params) {
            self.emit(|out| write::write_notification(out, method, params));
        }
    }

    fn close_stream(&mut self, retry: Option<Duration>) {
        self.lane.close = Some(retry);
    }
}
