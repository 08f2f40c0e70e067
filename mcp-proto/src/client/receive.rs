//! One message of the server: whom it concerns and whether it may be said.
//!
//! Owns the routing of answers, progress and subscriptions to their requests. Must never answer what
//! is not a request, and never let a message about one request touch another.

use bytes::Bytes;
use mcp_types::Revision;

use super::event::{ClientEvent, Invalid, Outcome, PeerError, Violation};
use super::link::Client;
use super::requests::Granted;
use crate::context::ClientFeatures;
use crate::error;
use crate::id::{self, RequestId, WireId};
use crate::json::{Inbound, Kind, Malformed, MalformedKind, scan, text};
use crate::legacy::batch::{self, Member};
use crate::method::Method;
use crate::outbox::Outbox;
use crate::server::Progress;
use crate::time::Instant;

impl<T> Client<T> {
    /// One message in, at most one event out.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        frame: Bytes,
        out: &mut Outbox,
    ) -> Option<ClientEvent<T>> {
        let envelope = match scan(&frame, &self.config.limits().scan()) {
            Ok(envelope) => envelope,
            Err(malformed)
                if malformed.kind == MalformedKind::Batch
                    && self.revision == Revision::V2025_03_26 =>
            {
                return self.batch_received(&frame);
            }
            Err(malformed) => return self.malformed(&frame, &malformed),
        };
        let inbound = Inbound {
            bytes: frame,
            envelope,
        };
        match envelope.kind {
            Kind::Result | Kind::Error => self.answered(&inbound),
            Kind::Notification => self.notified(now, inbound, out),
            Kind::Request => {
                let full = out.is_full();
                self.asked(inbound, full, out)
            }
        }
    }

    /// Takes a batch apart. One that is too long is a violation as a whole, hence what answers our requests in it as well;
    /// so is one that would let too many of the server's requests wait for each other.
    fn batch_received(&mut self, frame: &Bytes) -> Option<ClientEvent<T>> {
        let limits = self.config.limits();
        match batch::split(frame, limits) {
            Ok(members) if self.batches.waiting() + members.len() <= limits.max_calls => {
                self.batches.begin(members);
                None
            }
            Ok(_) => self.violated(Violation::TooManyRequests),
            Err(error) if error.code == error::PARSE_ERROR => {
                self.violated(Violation::Malformed(MalformedKind::Syntax))
            }
            Err(_) => self.violated(Violation::Malformed(MalformedKind::Batch)),
        }
    }

    /// One member of a batch in, at most one event out. What answers it waits for the others.
    pub(super) fn receive_member(
        &mut self,
        now: Instant,
        mut member: Member,
        out: &mut Outbox,
    ) -> Option<ClientEvent<T>> {
        let event = match scan(&member.bytes, &self.config.limits().scan()) {
            Err(malformed) => self.malformed(&member.bytes, &malformed),
            Ok(envelope) => {
                let inbound = Inbound {
                    bytes: member.bytes.clone(),
                    envelope,
                };
                match envelope.kind {
                    Kind::Result | Kind::Error => self.answered(&inbound),
                    Kind::Notification => self.notified(now, inbound, out),
                    Kind::Request => self.asked(inbound, out.is_full(), &mut member.answers),
                }
            }
        };
        let admitted = match &event {
            Some(ClientEvent::Asked { id, .. }) => self.asks.assign(*id, member.batch),
            _ => false,
        };
        member.done(admitted, &mut self.batches, out);
        event
    }

    /// Never answered. If it was meant as the answer to a request, that request fails now instead of
    /// waiting for its deadline.
    fn malformed(&mut self, frame: &[u8], malformed: &Malformed) -> Option<ClientEvent<T>> {
        let answer = matches!(malformed.form, Some(Kind::Result | Kind::Error))
            || malformed.kind == MalformedKind::NoMethodNoResult;
        let id = malformed.id.get(frame).filter(|_| answer);
        let id = id
            .and_then(|token| core::str::from_utf8(token).ok())
            .and_then(|token| self.own(token));
        let request = id.and_then(|id| Some((id, self.requests.remove(id)?)));
        let violation = self.violated(Violation::Malformed(malformed.kind));
        match request {
            Some((id, request)) => Some(ClientEvent::Ended {
                id,
                token: request.token,
                outcome: Outcome::Invalid(Invalid::Message(malformed.kind)),
            }),
            None => violation,
        }
    }

    fn answered(&mut self, inbound: &Inbound) -> Option<ClientEvent<T>> {
        let envelope = &inbound.envelope;
        let error = envelope.kind == Kind::Error;
        if error && envelope.id.is_none() {
            return Some(ClientEvent::Unaddressed(PeerError(
                inbound.shared(envelope.error),
            )));
        }
        let id = self.own(inbound.text(envelope.id));
        let Some((id, request)) = id.and_then(|id| Some((id, self.requests.remove(id)?))) else {
            if id.is_some() && self.late > 0 {
                self.late -= 1;
                return None;
            }
            return self.violated(Violation::UnknownResponse);
        };
        let outcome = if error {
            Outcome::Error(PeerError(inbound.shared(envelope.error)))
        } else {
            let result = Answer {
                text: inbound.text(envelope.result),
                method: request.method,
                modern: request.modern,
                acknowledged: request.granted.is_some(),
                tasks: self.config.features().contains(ClientFeatures::TASKS),
            };
            match result.judge() {
                Ok(Type::Complete) => Outcome::Complete(inbound.shared(envelope.result)),
                Ok(Type::InputRequired) => Outcome::InputRequired(inbound.shared(envelope.result)),
                Ok(Type::Task) => Outcome::Task(inbound.shared(envelope.result)),
                Err(invalid) => Outcome::Invalid(invalid),
            }
        };
        if matches!(outcome, Outcome::Invalid(_)) {
            self.misbehaved |= self.budget.consume().is_err();
        } else {
            self.budget.replenish();
        }
        Some(ClientEvent::Ended {
            id,
            token: request.token,
            outcome,
        })
    }

    fn notified(
        &mut self,
        now: Instant,
        inbound: Inbound,
        out: &mut Outbox,
    ) -> Option<ClientEvent<T>> {
        let envelope = &inbound.envelope;
        let event = match envelope.method {
            Method::Progress => self.progressed(now, &inbound),
            Method::Cancelled => self.cancelled(&inbound, out),
            Method::SubscriptionsAcknowledged => self.acknowledged(now, inbound),
            method if envelope.meta_subscription_id.is_some() => {
                self.subscribed(now, method, inbound)
            }
            Method::ToolsListChanged
            | Method::PromptsListChanged
            | Method::ResourcesListChanged
            | Method::ResourcesUpdated
                if self.revision.is_modern() =>
            {
                self.violated(Violation::Untagged)
            }
            method => Some(ClientEvent::Notified { method, inbound }),
        };
        if !matches!(event, Some(ClientEvent::Violation(_))) {
            self.budget.replenish();
        }
        event
    }

    fn progressed(&mut self, now: Instant, inbound: &Inbound) -> Option<ClientEvent<T>> {
        let envelope = &inbound.envelope;
        let number = |token: &str| token.parse::<f64>().ok().filter(|n| n.is_finite());
        let Some(id) = self.own(inbound.text(envelope.progress_token)) else {
            return self.violated(Violation::UnknownProgress);
        };
        // Late, that is: it may have crossed our notice.
        let request = self.requests.get_mut(id)?;
        let (Some(heard), Some(value)) = (
            request.progress.as_mut(),
            number(inbound.text(envelope.progress)),
        ) else {
            return self.violated(Violation::UnknownProgress);
        };
        let params = inbound.text(envelope.params);
        let progress = Progress {
            progress: value,
            total: text::get(params, "total").and_then(number),
            message: text::get(params, "message")
                .and_then(text::decode_str)
                .map(|message| message.into_owned()),
        };
        if !progress.follows(heard.0) {
            return self.violated(Violation::ProgressNotIncreasing);
        }
        heard.0 = Some(value);
        request.heard(now);
        Some(ClientEvent::Progress { id, progress })
    }

    /// A modern server may end a subscription this way; a legacy one withdraws its own requests.
    fn cancelled(&mut self, inbound: &Inbound, out: &mut Outbox) -> Option<ClientEvent<T>> {
        let token = inbound.text(inbound.envelope.request_id);
        if !self.revision.is_modern() {
            // Unknown and late ones are ignored (2025-11-25, cancellation).
            let id = self.asks.find(&WireId::from_token(token)?)?;
            let ask = self.asks.remove(id).ok()?;
            if let Some(batch) = ask.batch {
                self.batches.ended(batch, false, out);
            }
            return Some(ClientEvent::Forgotten { id });
        }
        let Some(id) = self.own(token) else {
            return self.violated(Violation::ForeignCancellation);
        };
        if self.requests.get(id)?.method != Method::Listen {
            return self.violated(Violation::ForeignCancellation);
        }
        let request = self.requests.remove(id)?;
        // The result may follow the notice: specification pages disagree on which of them ends it.
        self.late = self.late.saturating_add(1);
        Some(ClientEvent::Ended {
            id,
            token: request.token,
            outcome: Outcome::Withdrawn,
        })
    }

    fn acknowledged(&mut self, now: Instant, inbound: Inbound) -> Option<ClientEvent<T>> {
        let id = self.own(inbound.text(inbound.envelope.meta_subscription_id));
        let Some(id) = id else {
            return self.violated(Violation::UnknownSubscription);
        };
        let request = self.requests.get_mut(id)?;
        if request.method != Method::Listen {
            return self.violated(Violation::UnknownSubscription);
        }
        if request.granted.is_some() {
            return self.violated(Violation::AcknowledgedTwice);
        }
        let mut granted = Granted::default();
        for (key, value) in text::members(inbound.text(inbound.envelope.notifications)) {
            if text::eq_decoded(key, "toolsListChanged") {
                granted.tools = value == "true";
            } else if text::eq_decoded(key, "promptsListChanged") {
                granted.prompts = value == "true";
            } else if text::eq_decoded(key, "resourcesListChanged") {
                granted.resources = value == "true";
            } else if text::eq_decoded(key, "resourceSubscriptions") {
                granted.updates = text::elements(value).next().is_some();
            }
        }
        request.granted = Some(granted);
        request.heard(now);
        Some(ClientEvent::Acknowledged { id, inbound })
    }

    fn subscribed(
        &mut self,
        now: Instant,
        method: Method,
        inbound: Inbound,
    ) -> Option<ClientEvent<T>> {
        let id = self.own(inbound.text(inbound.envelope.meta_subscription_id));
        let Some(id) = id else {
            return self.violated(Violation::UnknownSubscription);
        };
        // Late, that is: it may have crossed our notice.
        let request = self.requests.get_mut(id)?;
        if request.method != Method::Listen {
            return self.violated(Violation::UnknownSubscription);
        }
        let Some(granted) = request.granted else {
            return self.violated(Violation::BeforeAcknowledgment);
        };
        let allowed = match method {
            Method::ToolsListChanged => granted.tools,
            Method::PromptsListChanged => granted.prompts,
            Method::ResourcesListChanged => granted.resources,
            Method::ResourcesUpdated => granted.updates,
            _ => true,
        };
        if !allowed {
            return self.violated(Violation::NotGranted);
        }
        request.heard(now);
        Some(ClientEvent::Changed {
            id,
            method,
            inbound,
        })
    }

    /// The request that a raw id or progress token of ours names, whether or not it has ended.
    fn own(&self, token: &str) -> Option<RequestId> {
        let unquoted = token
            .strip_prefix('"')
            .and_then(|token| token.strip_suffix('"'))
            .filter(|_| self.config.string_ids());
        let digits = unquoted.unwrap_or(token);
        // Exactly as we write it: `"+1"` and `"01"` are strings of somebody else.
        let wire = id::is_integer(digits).then(|| digits.parse().ok())??;
        RequestId::from_wire(wire)
    }
}

/// A result and what decides whether it may be one.
struct Answer<'a> {
    text: &'a str,
    method: Method,
    modern: bool,
    acknowledged: bool,
    tasks: bool,
}

enum Type {
    Complete,
    InputRequired,
    Task,
}

impl Answer<'_> {
    fn judge(&self) -> Result<Type, Invalid> {
        if !self.text.starts_with('{') {
            return Err(Invalid::NotAnObject);
        }
        if !self.modern {
            return Ok(Type::Complete);
        }
        if self.method == Method::Listen && !self.acknowledged {
            return Err(Invalid::Unacknowledged);
        }
        // Absent means complete (2026-07-28, basic "ResultType").
        let Some(kind) = text::get(self.text, "resultType") else {
            return Ok(Type::Complete);
        };
        if text::eq_decoded(kind, "complete") {
            Ok(Type::Complete)
        } else if text::eq_decoded(kind, "input_required") {
            let allowed = matches!(
                self.method,
                Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead
            );
            if !allowed {
                return Err(Invalid::InputNotAllowed);
            }
            let asks = ["inputRequests", "requestState"];
            if asks.iter().all(|key| text::get(self.text, key).is_none()) {
                return Err(Invalid::NothingToAnswer);
            }
            Ok(Type::InputRequired)
        } else if text::eq_decoded(kind, "task") && self.tasks {
            Ok(Type::Task)
        } else {
            Err(Invalid::ResultType)
        }
    }
}
