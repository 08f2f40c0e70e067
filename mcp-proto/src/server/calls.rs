//! The call table of a link: every admitted request that has no answer yet.
//!
//! Owns the peer's id, what is needed to answer, and the last progress of each call. A call leaves the
//! table in one place and for one reason; its handle is stale from then on.

use mcp_types::{LoggingLevel, Revision};

use super::progress::Progress;
use super::subscription::Subscription;
use crate::context::CallContext;
use crate::error::Stale;
use crate::id::{CallId, Slab, WireId};

/// One admitted request.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: WireId,
    pub(super) revision: Revision,
    pub(super) progress_token: Option<WireId>,
    pub(super) log_level: Option<LoggingLevel>,
    /// The progress of the last notification written.
    pub(super) reported: Option<f64>,
    /// Waits for room in the outbox; the latest wins.
    pub(super) waiting: Option<Progress>,
    /// Set for `subscriptions/listen`.
    pub(super) subscription: Option<Box<Subscription>>,
}

impl Entry {
    /// Whether something waits for room in the outbox.
    pub(super) fn has_frame(&self) -> bool {
        self.waiting.is_some() || self.subscription.as_ref().is_some_and(|s| s.is_dirty())
    }
}

/// Bounded by `Limits::max_calls`.
#[derive(Debug)]
pub(super) struct Calls {
    slab: Slab<Entry>,
}

impl Calls {
    pub(super) fn new(max: usize) -> Self {
        Self {
            slab: Slab::new(max),
        }
    }

    pub(super) fn insert(
        &mut self,
        id: WireId,
        context: &CallContext,
        subscription: Option<Box<Subscription>>,
    ) -> Option<CallId> {
        let entry = Entry {
            id,
            revision: context.revision,
            progress_token: context.progress_token.clone(),
            log_level: context.log_level,
            reported: None,
            waiting: None,
            subscription,
        };
        self.slab.insert(entry).ok().map(CallId::new)
    }

    pub(super) fn find(&self, id: &WireId) -> Option<CallId> {
        self.slab
            .iter()
            .find(|(_, entry)| entry.id == *id)
            .map(|(key, _)| CallId::new(key))
    }

    pub(super) fn get(&mut self, call: CallId) -> Result<&mut Entry, Stale> {
        let (slot, generation) = call.key();
        self.slab.get_mut(slot, generation).ok_or(Stale)
    }

    pub(super) fn remove(&mut self, call: CallId) -> Result<Entry, Stale> {
        let (slot, generation) = call.key();
        self.slab.remove(slot, generation).ok_or(Stale)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (CallId, &Entry)> {
        self.slab
            .iter()
            .map(|(key, entry)| (CallId::new(key), entry))
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }
}
