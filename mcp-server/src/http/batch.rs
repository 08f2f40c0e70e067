//! A batch of messages in one POST, which 2025-03-26 had and no other revision.
//!
//! Owns the members that run and the answers that wait for them, together no longer than one message may be. Must never
//! take a batch from a session of another revision, an `initialize` inside of one, or more members than calls may be in
//! flight, nor start a call while the server shuts down.
//! Source: 2025-03-26 basic "Batching" and basic/transports, "Sending Messages to the Server".

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use mcp_proto::error::WireError;
use mcp_proto::http::exchange::{Draining, Exchange, Open};
use mcp_proto::id::WireId;
use mcp_proto::json::{Inbound, Kind, write};
use mcp_proto::judge::{self, Era};
use mcp_proto::legacy::{SessionToken, batch};
use mcp_proto::method::Method;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::time::{Instant, Now};
use mcp_types::Revision;

use super::active::Active;
use super::call::State;
use super::lane::{self, Lane};
use super::legacy::{JUDGED, Step, no_session};
use super::posted::{Answer, CLOSING, Reading};
use super::shared::NoSession;

/// The requests of a batch that are not all answered yet.
pub(super) struct Batch {
    members: Vec<Active>,
    /// Answers that wait for the others. A stream takes each of them at once.
    answers: Vec<Bytes>,
    /// Bytes that answers may have while they wait, here or in the stream: `Limits::max_frame_out`.
    max: usize,
    /// `None` only while it is being moved out.
    exchange: Option<Exchange<Open>>,
}

impl Batch {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Exchange<Draining>> {
        let Some(exchange) = &mut self.exchange else {
            return Poll::Pending;
        };
        let (answers, max) = (&mut self.answers, self.max);
        let mut waiting: usize = answers.iter().map(Bytes::len).sum();
        self.members.retain_mut(|member| {
            let room = max.saturating_sub(waiting + exchange.waiting());
            let Some(answer) = member.poll_member(cx, now, exchange, room) else {
                return true;
            };
            waiting += answer.as_ref().map_or(0, Bytes::len);
            answers.extend(answer);
            if exchange.is_stream() {
                send(answers, now, exchange);
                waiting = 0;
            }
            false
        });
        exchange.tick(now.instant);
        if exchange.is_stream() {
            send(answers, now, exchange);
        }
        if !self.members.is_empty() {
            return Poll::Pending;
        }
        let Some(exchange) = self.exchange.take() else {
            return Poll::Pending;
        };
        if exchange.is_stream() || self.answers.is_empty() {
            return Poll::Ready(exchange.end(now.instant));
        }
        let answers = core::mem::take(&mut self.answers);
        Poll::Ready(exchange.finish(now.instant, StatusCode::OK, |out| write_array(answers, out)))
    }

    pub(super) fn exchange(&mut self) -> Option<&mut Exchange<Open>> {
        self.exchange.as_mut()
    }

    pub(super) fn wakeup(&self) -> Option<Instant> {
        let exchange = self.exchange.as_ref()?;
        let own = exchange.wakeup().map(|wakeup| wakeup.at);
        self.members
            .iter()
            .filter_map(|member| member.wakeup(!exchange.is_full()))
            .chain(own)
            .min()
    }
}

fn send(answers: &mut Vec<Bytes>, now: Now, exchange: &mut Exchange<Open>) {
    for answer in answers.drain(..) {
        exchange.event(now.instant, |out| out.put_shared(answer));
    }
}

fn write_array(answers: Vec<Bytes>, out: &mut Outbox) {
    for (index, answer) in answers.into_iter().enumerate() {
        out.put_byte(if index == 0 { b'[' } else { b',' });
        out.put_shared(answer);
    }
    out.put_byte(b']');
}

impl Drop for Batch {
    fn drop(&mut self) {
        // A disconnection is not a cancellation.
        self.members
            .drain(..)
            .for_each(|member| member.detach(false));
    }
}

impl Reading {
    pub(super) fn batch(
        self: Box<Self>,
        now: Now,
        body: Bytes,
        exchange: Exchange<Open>,
    ) -> Answer {
        let refuse =
            |exchange, error: WireError| Answer::refused(exchange, now, JUDGED, None, &error);
        let token = match self.session(now) {
            Ok(token) if token.revision == Revision::V2025_03_26 => token,
            Ok(_) => {
                let error = WireError::invalid_request(
                    "batches exist in 2025-03-26 only; send each message as a POST of its own",
                );
                return refuse(exchange, error);
            }
            // A new session would help, but not without knowing of batches.
            Err(NoSession::Missing) => {
                let error = WireError::invalid_request(
                    "this endpoint takes batches in sessions of 2025-03-26 only; send each message as a POST of its own",
                );
                return refuse(exchange, error);
            }
            Err(none) => return no_session(none, now, exchange, None),
        };
        let members = match batch::split(&body, self.shared.service.config().limits()) {
            Ok(members) => members,
            Err(error) => return refuse(exchange, error),
        };
        let closing = self.shared.closing.has_rung();
        let mut batch = Batch {
            members: Vec::new(),
            answers: Vec::new(),
            max: self.shared.service.config().limits().max_frame_out,
            exchange: Some(exchange),
        };
        for member in members {
            self.member(now, &token, member, closing, &mut batch);
        }
        if batch.members.is_empty() && batch.answers.is_empty() {
            return Answer::accepted();
        }
        if closing && let Some(exchange) = batch.exchange.take() {
            // Nothing was started, and every request was refused.
            let answers = core::mem::take(&mut batch.answers);
            return Answer::busy(exchange, now, |out| write_array(answers, out));
        }
        Answer::from_state(State::Batch(Box::new(batch)))
    }

    fn member(
        &self,
        now: Now,
        token: &SessionToken,
        bytes: Bytes,
        closing: bool,
        batch: &mut Batch,
    ) {
        let config = self.shared.service.config();
        let inbound = match Inbound::scan(bytes.clone(), &config.limits().scan()) {
            Ok(inbound) => inbound,
            Err(malformed) => {
                self.answered_badly(now, token, &malformed, &bytes);
                let id = malformed
                    .id
                    .get(&bytes)
                    .and_then(|token| core::str::from_utf8(token).ok());
                let id = id.and_then(WireId::from_token);
                let error = WireError::new(malformed.kind.code(), malformed.kind.message());
                return batch.answers.push(refusal(id.as_ref(), &error));
            }
        };
        match inbound.envelope.kind {
            Kind::Notification => self.notified(now, token, &inbound),
            Kind::Result | Kind::Error => self.answered(now, token, &inbound),
            Kind::Request => {
                let Some(id) = inbound.id() else { return };
                if closing {
                    let error = judge::overloaded(CLOSING);
                    return batch.answers.push(refusal(Some(&id), &error));
                }
                match self.member_request(now, token, id.clone(), &inbound) {
                    Ok(Ok(active)) => batch.members.push(active),
                    Ok(Err(answer)) => batch.answers.push(answer),
                    Err(error) => batch.answers.push(refusal(Some(&id), &error)),
                }
            }
        }
    }

    /// A call that runs, or an answer at once.
    fn member_request(
        &self,
        now: Now,
        token: &SessionToken,
        id: WireId,
        inbound: &Inbound,
    ) -> Result<Result<Active, Bytes>, WireError> {
        let config = self.shared.service.config();
        let modern = judge::era(config, inbound, None) == Era::Modern;
        if modern || inbound.envelope.method == Method::Initialize {
            return Err(WireError::invalid_request(
                "this request cannot be part of a batch",
            ));
        }
        match self
            .step(now, token, inbound)
            .map_err(|refusal| refusal.error)?
        {
            Step::Done(revision) => {
                let mut out = Outbox::new(usize::MAX);
                Reply::complete(Payload::Slice(b"{}")).write(
                    &mut out,
                    &id,
                    inbound.envelope.method,
                    revision,
                    config,
                );
                Ok(Err(out.take_bytes()))
            }
            Step::Run(mut context) => {
                let own = lane::own(&mut context);
                let inbound = Arc::new(inbound.clone());
                let extensions = self.extensions.clone();
                let started = self.start(now, inbound, context, Some(token), extensions);
                let started = started.map_err(|refusal| refusal.error)?;
                let lane = Lane::new(Arc::clone(&self.shared), id, own, Some(token.clone()));
                Ok(Ok(Active::new(started, lane.in_batch())))
            }
        }
    }
}

fn refusal(id: Option<&WireId>, error: &WireError) -> Bytes {
    let mut out = Outbox::new(usize::MAX);
    write::write_error(&mut out, id, error);
    out.take_bytes()
}
