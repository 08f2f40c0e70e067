//! What a legacy server asks of its client.
//!
//! Owns the ids of the server's requests until they are answered, and what the core answers by itself.
//! Nothing of this exists on a modern stream.

use super::event::{ClientEvent, Violation};
use super::link::Client;
use crate::error::{self, Stale, WireError};
use crate::id::{CallId, Slab, WireId};
use crate::json::{Inbound, write};
use crate::legacy::batch::BatchKey;
use crate::method::Method;
use crate::outbox::Outbox;

/// Bounded by `Limits::max_calls`.
#[derive(Debug)]
pub(super) struct Asks {
    slab: Slab<Ask>,
}

/// One request of the server.
#[derive(Debug)]
pub(super) struct Ask {
    id: WireId,
    /// The batch that its answer belongs to.
    pub(super) batch: Option<BatchKey>,
}

impl Asks {
    pub(super) fn new(max: usize) -> Self {
        Self {
            slab: Slab::new(max),
        }
    }

    pub(super) fn find(&self, id: &WireId) -> Option<CallId> {
        self.slab
            .iter()
            .find(|(_, known)| known.id == *id)
            .map(|(key, _)| CallId::new(key))
    }

    /// Says that the answer belongs to a batch; false when nobody waits for one.
    pub(super) fn assign(&mut self, id: CallId, batch: BatchKey) -> bool {
        let (slot, generation) = id.key();
        let ask = self.slab.get_mut(slot, generation);
        ask.map(|ask| ask.batch = Some(batch)).is_some()
    }

    pub(super) fn remove(&mut self, id: CallId) -> Result<Ask, Stale> {
        let (slot, generation) = id.key();
        self.slab.remove(slot, generation).ok_or(Stale)
    }

    /// Forgets one of them, because the stream is over.
    pub(super) fn remove_any(&mut self) -> Option<CallId> {
        let key = self.slab.iter().next().map(|(key, _)| key)?;
        self.slab.remove(key.0, key.1).map(|_| CallId::new(key))
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }
}

impl<T> Client<T> {
    /// Answers a request of the server. `result` is a raw JSON object. The answer to a member of a batch (2025-03-26) is
    /// written when the last of the batch is there.
    ///
    /// # Errors
    /// [`Stale`] when the server withdrew it; nothing is written then.
    pub fn respond(&mut self, id: CallId, result: &str, out: &mut Outbox) -> Result<(), Stale> {
        let ask = self.asks.remove(id)?;
        self.conclude(&ask, out, |out| write::write_result(out, &ask.id, result));
        Ok(())
    }

    /// Answers a request of the server with an error.
    ///
    /// # Errors
    /// [`Stale`] when the server withdrew it; nothing is written then.
    pub fn fail(&mut self, id: CallId, error: &WireError, out: &mut Outbox) -> Result<(), Stale> {
        let ask = self.asks.remove(id)?;
        self.conclude(&ask, out, |out| {
            write::write_error(out, Some(&ask.id), error)
        });
        Ok(())
    }

    fn conclude(&mut self, ask: &Ask, out: &mut Outbox, write: impl FnOnce(&mut Outbox)) {
        let Some(batch) = ask.batch else {
            write(out);
            return out.put_byte(b'\n');
        };
        let max = self.config.limits().max_frame_out;
        if let Some((answers, room)) = self.batches.answers(batch, max) {
            let (mark, before) = (answers.mark(), answers.len());
            write(answers);
            if answers.len() - before > room {
                answers.rollback(mark);
                let error = WireError::internal("the answers are larger than this client may send");
                write::write_error(answers, Some(&ask.id), &error);
            }
            answers.put_byte(b'\n');
        }
        self.batches.ended(batch, true, out);
    }

    /// A request of the server, answered at once in `out` or later by the application. Reading must never wait for a
    /// flush, so what it writes is bounded: each answer when the outbox was `full` costs a violation.
    pub(super) fn asked(
        &mut self,
        inbound: Inbound,
        full: bool,
        out: &mut Outbox,
    ) -> Option<ClientEvent<T>> {
        if self.revision.is_modern() {
            return self.violated(Violation::RequestInModernEra);
        }
        let id = inbound.id()?;
        let method = inbound.envelope.method;
        if self.asks.find(&id).is_some() {
            let error = WireError::invalid_request(
                "a request with this id is still in flight; ids must be unique until answered",
            );
            write_failure(out, &id, &error);
            return self.violated(Violation::DuplicateRequest);
        }
        if method == Method::Ping {
            write::write_result(out, &id, "{}");
            out.put_byte(b'\n');
        } else if let Err(error) = self.config.answers(&inbound) {
            write_failure(out, &id, &error);
        } else {
            let ask = Ask {
                id: id.clone(),
                batch: None,
            };
            if let Ok(key) = self.asks.slab.insert(ask) {
                self.budget.replenish();
                let id = CallId::new(key);
                return Some(ClientEvent::Asked { id, inbound });
            }
            let error = WireError::new(error::INTERNAL_ERROR, "too many requests are in flight");
            write_failure(out, &id, &error);
            return self.violated(Violation::TooManyRequests);
        }
        if full {
            return self.violated(Violation::TooManyRequests);
        }
        self.budget.replenish();
        None
    }
}

fn write_failure(out: &mut Outbox, id: &WireId, error: &WireError) {
    write::write_error(out, Some(id), error);
    out.put_byte(b'\n');
}
