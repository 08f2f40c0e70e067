//! What revisions up to 2025-11-25 do with a POST: the handshake, sessions, notifications, responses.
//!
//! Owns the answers that need a session. A session's id is all that most requests need; state is attached only
//! by what leaves something behind. Must never tell a session of another principal from one that never was.
//! Source: 2025-11-25 basic/transports, "Sending Messages to the Server" and "Session Management".

use std::task::Waker;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use mcp_proto::context::CallContext;
use mcp_proto::error::WireError;
use mcp_proto::http::admit::SESSION_ID;
use mcp_proto::http::exchange::{Exchange, Open};
use mcp_proto::http::status::Origin;
use mcp_proto::id::WireId;
use mcp_proto::json::{Inbound, Kind, MALFORMED_ANSWER, Malformed};
use mcp_proto::judge::{self, Era, Mirrors};
use mcp_proto::legacy::{Peer, SessionToken};
use mcp_proto::method::Method;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::time::Now;
use mcp_types::Revision;

use super::posted::{Answer, Asked, Reading, Refusal};
use super::session::lock;
use super::shared::NoSession;

pub(super) const JUDGED: Origin = Origin::Judged(Era::Legacy);

impl Reading {
    pub(super) fn legacy(self: Box<Self>, now: Now, asked: Asked) -> Answer {
        if asked.inbound.envelope.method == Method::Initialize {
            return self.initialize(now, asked);
        }
        let token = match self.session(now) {
            Ok(token) => token,
            Err(none) => {
                let Asked { id, opening, .. } = asked;
                return no_session(none, now, opening.open(now), Some(&id));
            }
        };
        match self.step(now, &token, &asked.inbound) {
            Ok(Step::Done(revision)) => asked.reply(
                now,
                &self.shared,
                revision,
                &Reply::complete(Payload::Slice(b"{}")),
            ),
            Ok(Step::Run(context)) => self.run(now, asked, context, Some(token)),
            Err(refusal) => asked.refused(now, refusal),
        }
    }

    /// Judges a request of a session and does what the session itself answers.
    pub(super) fn step(
        &self,
        now: Now,
        token: &SessionToken,
        inbound: &Inbound,
    ) -> Result<Step, Refusal> {
        let judged = |error| Refusal::new(JUDGED, error);
        let (context, full) = self.admit(now, token, inbound).map_err(judged)?;
        match inbound.envelope.method {
            Method::Ping => {}
            Method::SetLevel | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                self.authorize(inbound)?;
                let full = || {
                    let error = judge::overloaded("too many sessions are in use");
                    Refusal::new(Origin::Overload, error)
                };
                let kept = self.keep(now, token, inbound).ok_or_else(full)?;
                kept.map_err(judged)?;
            }
            // It could neither be cancelled nor ask anything.
            _ if full => {
                let error = judge::overloaded("too many requests of this session are running");
                return Err(Refusal::new(Origin::Overload, error));
            }
            _ => return Ok(Step::Run(context)),
        }
        Ok(Step::Done(context.revision))
    }

    /// Answers the handshake. The session is its id: nothing is kept.
    fn initialize(&self, now: Now, asked: Asked) -> Answer {
        let config = self.shared.service.config();
        let peer = match Peer::initialize(config, &asked.inbound) {
            Ok(peer) => peer,
            Err(error) => return asked.refuse(now, JUDGED, &error),
        };
        let info = asked.inbound.text(asked.inbound.envelope.client_info);
        let info = info
            .starts_with('{')
            .then(|| Bytes::copy_from_slice(info.as_bytes()));
        let id = self
            .shared
            .mint(now, &peer, info, self.principal.as_deref());
        let reply = Reply::complete(Payload::Shared(config.initialize_body(peer.revision())));
        let mut answer = asked.reply(now, &self.shared, peer.revision(), &reply);
        if let Ok(id) = HeaderValue::try_from(id) {
            answer.extra.push((HeaderName::from_static(SESSION_ID), id));
        }
        answer
    }

    /// The session of this request. A version header need not name the session's revision, but one that is served.
    pub(super) fn session(&self, now: Now) -> Result<SessionToken, NoSession> {
        let served = self.shared.service.config().revisions();
        let names_served =
            |version| Revision::parse(version).is_some_and(|revision| served.contains(revision));
        if !self.head.mirror.version().is_none_or(names_served) {
            return Err(NoSession::Version);
        }
        self.shared
            .session(now, &self.head.session, self.principal.as_deref())
    }

    /// The context of a request, and whether the session has no room for another call.
    fn admit(
        &self,
        now: Now,
        token: &SessionToken,
        inbound: &Inbound,
    ) -> Result<(CallContext, bool), WireError> {
        let config = self.shared.service.config();
        let (mut context, full) = match self.shared.attached(now, token) {
            Some(cell) => {
                let session = lock(&cell);
                let full = session.is_full(config.limits().max_calls);
                (session.peer.admit(config, inbound)?, full)
            }
            None => {
                let peer = Peer::restored(config, token.revision, token.features);
                (peer.admit(config, inbound)?, false)
            }
        };
        context.client_info.clone_from(&token.client_info);
        Ok((context, full))
    }

    /// Keeps what the session has to remember; `None` when there is no room.
    fn keep(
        &self,
        now: Now,
        token: &SessionToken,
        inbound: &Inbound,
    ) -> Option<Result<(), WireError>> {
        let (cell, _pin) = self.shared.attach(now, token).ok()?;
        let config = self.shared.service.config();
        let mut session = lock(&cell);
        let kept = match inbound.envelope.method {
            Method::SetLevel => return Some(session.peer.set_level(inbound)),
            Method::ResourcesSubscribe => session.peer.subscribe(config, inbound),
            _ => session.peer.unsubscribe(inbound),
        };
        if kept.is_ok() {
            session.listen(self.shared.service.hub());
        }
        Some(kept)
    }

    pub(super) fn legacy_notification(
        &self,
        now: Now,
        inbound: &Inbound,
        exchange: Exchange<Open>,
    ) -> Answer {
        let token = match self.session(now) {
            Ok(token) => token,
            Err(none) => return no_session(none, now, exchange, None),
        };
        self.notified(now, &token, inbound);
        Answer::accepted()
    }

    pub(super) fn legacy_response(
        &self,
        now: Now,
        inbound: &Inbound,
        exchange: Exchange<Open>,
    ) -> Answer {
        let token = match self.session(now) {
            Ok(token) => token,
            Err(none) => return no_session(none, now, exchange, None),
        };
        self.answered(now, &token, inbound);
        Answer::accepted()
    }

    /// Takes a notification. Those that are not known mean nothing.
    pub(super) fn notified(&self, now: Now, token: &SessionToken, inbound: &Inbound) {
        if inbound.envelope.method == Method::Cancelled
            && let Some(id) = WireId::from_token(inbound.text(inbound.envelope.request_id))
            && let Some(cell) = self.shared.attached(now, token)
        {
            // Of this session only: ids of other sessions are other requests.
            let cancelled = lock(&cell).cancel(&id);
            cancelled.into_iter().for_each(Waker::wake);
        }
    }

    /// Takes the answer to a request of ours. A late one is nobody's.
    pub(super) fn answered(&self, now: Now, token: &SessionToken, inbound: &Inbound) {
        let Some(cell) = self.shared.attached(now, token) else {
            return;
        };
        let envelope = &inbound.envelope;
        let outcome = match envelope.kind {
            Kind::Result => Ok(inbound.shared(envelope.result)),
            _ => Err(inbound.shared(envelope.error)),
        };
        let waiting = lock(&cell).answered(inbound.text(envelope.id), outcome);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Takes what cannot be read. If it was meant to answer a request of ours, that ends with an error.
    pub(super) fn answered_badly(
        &self,
        now: Now,
        token: &SessionToken,
        malformed: &Malformed,
        message: &[u8],
    ) {
        let Some(id) = malformed.answers(message) else {
            return;
        };
        let Some(cell) = self.shared.attached(now, token) else {
            return;
        };
        let waiting = lock(&cell).answered(id, Err(MALFORMED_ANSWER));
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// How a request of a session goes on.
pub(super) enum Step {
    /// An empty result.
    Done(Revision),
    /// The dispatcher knows.
    Run(CallContext),
}

pub(super) fn no_session(
    none: NoSession,
    now: Now,
    exchange: Exchange<Open>,
    id: Option<&WireId>,
) -> Answer {
    let error = WireError::invalid_request(none.message());
    let status: StatusCode = none.status();
    Answer::with_status(exchange, now, status, id, &error)
}
