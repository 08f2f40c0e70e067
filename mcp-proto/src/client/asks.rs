//! What a legacy server asks of its client.
//!
//! Owns the ids of the server's requests until they are answered, and what the core answers by itself.
//! Nothing of this exists on a modern stream.

use super::event::{ClientEvent, Violation};
use super::link::Client;
use crate::error::{self, Stale, WireError};
use crate::id::{CallId, Slab, WireId};
use crate::json::{Inbound, write};
use crate::method::Method;
use crate::outbox::Outbox;

/// Bounded by `Limits::max_calls`.
#[derive(Debug)]
pub(super) struct Asks {
    slab: Slab<WireId>,
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
            .find(|(_, known)| *known == id)
            .map(|(key, _)| CallId::new(key))
    }

    pub(super) fn remove(&mut self, id: CallId) -> Result<WireId, Stale> {
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
    /// Answers a request of the server. `result` is a raw JSON object.
    ///
    /// # Errors
    /// [`Stale`] when the server withdrew it; nothing is written then.
    pub fn respond(&mut self, id: CallId, result: &str, out: &mut Outbox) -> Result<(), Stale> {
        let id = self.asks.remove(id)?;
        write::write_result(out, &id, result);
        out.put_byte(b'\n');
        Ok(())
    }

    /// Answers a request of the server with an error.
    ///
    /// # Errors
    /// [`Stale`] when the server withdrew it; nothing is written then.
    pub fn fail(&mut self, id: CallId, error: &WireError, out: &mut Outbox) -> Result<(), Stale> {
        let id = self.asks.remove(id)?;
        write_failure(out, &id, error);
        Ok(())
    }

    /// A request of the server. Reading must never wait for a flush, so what it writes is bounded: each
    /// answer beyond a full outbox costs a violation.
    pub(super) fn asked(&mut self, inbound: Inbound, out: &mut Outbox) -> Option<ClientEvent<T>> {
        if self.revision.is_modern() {
            return self.violated(Violation::RequestInModernEra);
        }
        let id = inbound.id()?;
        let full = out.is_full();
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
        } else if self.config.answers(method) {
            if let Ok(key) = self.asks.slab.insert(id.clone()) {
                self.budget.replenish();
                let id = CallId::new(key);
                return Some(ClientEvent::Asked { id, inbound });
            }
            let error = WireError::new(error::INTERNAL_ERROR, "too many requests are in flight");
            write_failure(out, &id, &error);
            return self.violated(Violation::TooManyRequests);
        } else {
            let error = WireError::method_not_found(
                "Method not found: this client does not offer what was asked for",
            );
            write_failure(out, &id, &error);
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
