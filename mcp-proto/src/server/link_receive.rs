//! One message of the client: whether it is one, whose it is, and whether it is admitted.
//!
//! Owns the way from a frame to an event or an answer of the core's own. Must never answer what is not a
//! request, and never admit beyond the limits.

use alloc::boxed::Box;

use bytes::Bytes;

use super::event::{CancelledBy, LinkEvent};
use super::link::{Link, MayWatch, write_failure};
use super::subscription::{Filter, Subscription};
use crate::context::CallContext;
use crate::error::{self, WireError};
use crate::id::WireId;
use crate::json::scan::scan;
use crate::json::{Inbound, Kind, MALFORMED_ANSWER, Malformed, MalformedKind};
use crate::judge::{self, Era};
use crate::method::Method;
use crate::outbox::Outbox;
use crate::reply::{Payload, Reply};

impl Link {
    /// One message in, at most one event out.
    pub(super) fn receive(
        &mut self,
        frame: Bytes,
        out: &mut Outbox,
        may_watch: MayWatch<'_>,
    ) -> Option<LinkEvent> {
        let limits = self.config.limits();
        let envelope = match scan(&frame, &limits.scan()) {
            Ok(envelope) => envelope,
            Err(malformed) if malformed.kind == MalformedKind::Batch => {
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
            Kind::Request => {
                self.budget.replenish();
                self.request_received(inbound, out, may_watch)
            }
            Kind::Notification => self.notified(inbound, out),
            Kind::Result | Kind::Error => self.answered(&inbound),
        }
    }

    /// Answers what was, or may have been, a request; never a response or a notification, or two
    /// peers could keep each other busy with errors.
    ///
    /// What carries the id of a question of ours was meant as its answer: the question ends with an error.
    pub(super) fn refuse_malformed(
        &mut self,
        frame: &Bytes,
        malformed: &Malformed,
        out: &mut Outbox,
    ) -> Option<LinkEvent> {
        self.violation();
        let answered = malformed.answers(frame);
        if let Some(answer) = answered.and_then(|token| self.requests.answered(token)) {
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
            let token = malformed.id.get(frame).unwrap_or_default();
            let id = core::str::from_utf8(token)
                .ok()
                .and_then(WireId::from_token);
            let error = WireError::new(malformed.code(), malformed.message());
            write_failure(out, id.as_ref(), &error);
        }
        None
    }

    fn request_received(
        &mut self,
        inbound: Inbound,
        out: &mut Outbox,
        may_watch: MayWatch<'_>,
    ) -> Option<LinkEvent> {
        let id = inbound.id()?;
        match self.admit(id.clone(), inbound, out, may_watch) {
            Ok(event) => event,
            Err(error) => {
                write_failure(out, Some(&id), &error);
                None
            }
        }
    }

    pub(super) fn admit(
        &mut self,
        id: WireId,
        inbound: Inbound,
        out: &mut Outbox,
        may_watch: MayWatch<'_>,
    ) -> Result<Option<LinkEvent>, WireError> {
        if self.calls.find(&id).is_some() {
            self.violation();
            return Err(WireError::new(
                error::INVALID_REQUEST,
                "a request with this id is still in flight; ids must be unique until answered",
            ));
        }
        if judge::era(&self.config, &inbound, None) == Era::Legacy {
            return self.admit_legacy(id, inbound, out, may_watch);
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
                let mut filter = Filter::granted(&inbound, &self.config)?;
                filter.uris.retain(|uri| may_watch(uri).is_ok());
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

    pub(super) fn notified(&mut self, inbound: Inbound, out: &mut Outbox) -> Option<LinkEvent> {
        match inbound.envelope.method {
            Method::Cancelled => {
                // Unknown, late and malformed cancels are ignored (cancellation, "Error Handling").
                let id = WireId::from_token(inbound.text(inbound.envelope.request_id))?;
                let id = self.calls.find(&id)?;
                let entry = self.calls.remove(id).ok()?;
                if let Some(batch) = entry.batch {
                    self.batches.ended(batch, false, out);
                }
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
}
