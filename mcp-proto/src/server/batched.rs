//! A batch of the client: whether it is taken, and what becomes of its members.
//!
//! Owns the rules for members; each of them is received as if it had come alone, but its answer waits in the batch. Must
//! never let `initialize` or a modern request in: neither has a batch (2025-03-26 lifecycle, "Initialization").

use bytes::Bytes;
use mcp_types::Revision;

use super::event::LinkEvent;
use super::link::{Link, MayWatch, write_failure};
use crate::error::WireError;
use crate::json::scan::scan;
use crate::json::{Inbound, Kind, Malformed};
use crate::judge::{self, Era};
use crate::legacy::Peer;
use crate::legacy::batch::{self, Member};
use crate::method::Method;
use crate::outbox::Outbox;

impl Link {
    /// Takes a batch apart, from a peer whose revision has them.
    pub(super) fn batch_received(
        &mut self,
        frame: &Bytes,
        malformed: &Malformed,
        out: &mut Outbox,
    ) {
        let limits = self.config.limits();
        let members = if self.peer.as_ref().map(Peer::revision) == Some(Revision::V2025_03_26) {
            batch::split(frame, limits)
        } else {
            Err(WireError::new(malformed.code(), malformed.message()))
        };
        match members {
            Ok(members)
                if self.batches.waiting() + self.answerable(&members) > limits.max_calls =>
            {
                let error =
                    judge::overloaded("too many requests wait for the others of their batch");
                write_failure(out, None, &error);
            }
            Ok(members) => self.batches.begin(members),
            Err(error) => {
                self.violation();
                write_failure(out, None, &error);
            }
        }
    }

    /// At most how many of these will be answered. A batch of notifications and responses always passes: it may be what
    /// ends the others.
    fn answerable(&self, members: &[Bytes]) -> usize {
        if self.batches.waiting() == 0 {
            return members.len();
        }
        let limits = self.config.limits().scan();
        let answered = |member: &&Bytes| {
            let form = match scan(member, &limits) {
                Ok(envelope) => Some(envelope.kind),
                Err(malformed) => malformed.form,
            };
            !matches!(form, Some(Kind::Notification | Kind::Result | Kind::Error))
        };
        members.iter().filter(answered).count()
    }

    /// One member in, at most one event out.
    pub(super) fn receive_member(
        &mut self,
        mut member: Member,
        out: &mut Outbox,
        may_watch: MayWatch<'_>,
    ) -> Option<LinkEvent> {
        let event = self.member(&mut member, out, may_watch);
        let mut admitted = false;
        if let Some(LinkEvent::Call { id, .. }) = &event
            && let Ok(entry) = self.calls.get(*id)
        {
            entry.batch = Some(member.batch);
            admitted = true;
        }
        member.done(admitted, &mut self.batches, out);
        event
    }

    fn member(
        &mut self,
        member: &mut Member,
        out: &mut Outbox,
        may_watch: MayWatch<'_>,
    ) -> Option<LinkEvent> {
        let frame = &member.bytes;
        let envelope = match scan(frame, &self.config.limits().scan()) {
            Ok(envelope) => envelope,
            Err(malformed) => {
                return self.refuse_malformed(frame, &malformed, &mut member.answers);
            }
        };
        let inbound = Inbound {
            bytes: frame.clone(),
            envelope,
        };
        match envelope.kind {
            Kind::Request => self.member_requested(inbound, &mut member.answers, may_watch),
            Kind::Notification => self.notified(inbound, out),
            Kind::Result | Kind::Error => self.answered(&inbound),
        }
    }

    fn member_requested(
        &mut self,
        inbound: Inbound,
        answers: &mut Outbox,
        may_watch: MayWatch<'_>,
    ) -> Option<LinkEvent> {
        let id = inbound.id()?;
        let modern = judge::era(&self.config, &inbound, None) == Era::Modern;
        let admitted = if modern || inbound.envelope.method == Method::Initialize {
            Err(WireError::invalid_request(
                "this request cannot be part of a batch",
            ))
        } else {
            self.budget.replenish();
            self.admit(id.clone(), inbound, answers, may_watch)
        };
        admitted.unwrap_or_else(|error| {
            write_failure(answers, Some(&id), &error);
            None
        })
    }
}
