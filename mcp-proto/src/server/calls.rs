//! The call table of a link: every admitted request that has no answer yet.
//!
//! Owns the peer's id, what is needed to answer, and the progress of each call. A call leaves the
//! table in one place and for one reason; its handle is stale from then on.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mcp_types::{LoggingLevel, Revision};

use super::pacer::Pacer;
use super::subscription::Subscription;
use crate::context::CallContext;
use crate::error::Stale;
use crate::id::{CallId, Slab, WireId};
use crate::legacy::batch::BatchKey;
use crate::method::Method;

/// One admitted request.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: WireId,
    /// Of the id, for the index.
    digest: u32,
    pub(super) method: Method,
    pub(super) revision: Revision,
    pub(super) progress_token: Option<WireId>,
    pub(super) log_level: Option<LoggingLevel>,
    pub(super) progress: Pacer,
    /// The batch that its answer belongs to.
    pub(super) batch: Option<BatchKey>,
    /// Set for `subscriptions/listen`.
    pub(super) subscription: Option<Box<Subscription>>,
}

impl Entry {
    /// Whether something waits for room in the outbox, or for its time.
    pub(super) fn has_frame(&self) -> bool {
        self.progress.due().is_some() || self.subscription.as_ref().is_some_and(|s| s.is_dirty())
    }
}

/// Bounded by `Limits::max_calls`.
#[derive(Debug)]
pub(super) struct Calls {
    slab: Slab<Entry>,
    index: Index,
    subscriptions: usize,
}

/// Slots by the digest of their id: chains through one table, so that nothing is allocated once it is large enough.
#[derive(Debug, Default)]
struct Index {
    /// The first slot of each chain; a power of two of them.
    heads: Vec<u32>,
    /// The slot behind each slot.
    next: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Index {
    fn head(&mut self, digest: u32) -> Option<&mut u32> {
        let mask = self.heads.len().checked_sub(1)?;
        // The multiplication of the digest leaves its best bits on top.
        let at = (digest ^ (digest >> 15)) as usize & mask;
        self.heads.get_mut(at)
    }

    fn first(&self, digest: u32) -> u32 {
        let Some(mask) = self.heads.len().checked_sub(1) else {
            return NONE;
        };
        let at = (digest ^ (digest >> 15)) as usize & mask;
        self.heads.get(at).copied().unwrap_or(NONE)
    }

    fn after(&self, slot: u32) -> u32 {
        self.next.get(slot as usize).copied().unwrap_or(NONE)
    }

    fn link(&mut self, slot: u32, digest: u32) {
        let Some(head) = self.head(digest) else {
            return;
        };
        let behind = core::mem::replace(head, slot);
        if self.next.len() <= slot as usize {
            self.next.resize(slot as usize + 1, NONE);
        }
        if let Some(next) = self.next.get_mut(slot as usize) {
            *next = behind;
        }
    }

    fn unlink(&mut self, slot: u32, digest: u32) {
        let behind = self.after(slot);
        let mut at = self.first(digest);
        if at == slot {
            if let Some(head) = self.head(digest) {
                *head = behind;
            }
            return;
        }
        while at != NONE {
            let next = self.after(at);
            if next == slot {
                if let Some(next) = self.next.get_mut(at as usize) {
                    *next = behind;
                }
                return;
            }
            at = next;
        }
    }
}

impl Calls {
    pub(super) fn new(max: usize) -> Self {
        Self {
            slab: Slab::new(max),
            index: Index::default(),
            subscriptions: 0,
        }
    }

    pub(super) fn insert(
        &mut self,
        id: WireId,
        context: &CallContext,
        subscription: Option<Box<Subscription>>,
    ) -> Option<CallId> {
        let digest = id.digest();
        let listens = subscription.is_some();
        let entry = Entry {
            id,
            digest,
            method: context.method,
            revision: context.revision,
            progress_token: context.progress_token.clone(),
            log_level: context.log_level,
            progress: Pacer::default(),
            batch: None,
            subscription,
        };
        let key = self.slab.insert(entry).ok()?;
        self.subscriptions += usize::from(listens);
        if self.slab.len() > self.index.heads.len() {
            self.grow();
        } else {
            self.index.link(key.0, digest);
        }
        Some(CallId::new(key))
    }

    /// Twice the chains, and every call in its own.
    fn grow(&mut self) {
        let chains = (self.index.heads.len() * 2).max(8);
        self.index.heads.clear();
        self.index.heads.resize(chains, NONE);
        for ((slot, _), entry) in self.slab.iter() {
            self.index.link(slot, entry.digest);
        }
    }

    /// The call with this id. Does not depend on how many there are.
    pub(super) fn find(&self, id: &WireId) -> Option<CallId> {
        if self.slab.is_empty() {
            return None;
        }
        let mut slot = self.index.first(id.digest());
        while slot != NONE {
            let (key, entry) = self.slab.at(slot)?;
            if entry.id == *id {
                return Some(CallId::new(key));
            }
            slot = self.index.after(slot);
        }
        None
    }

    /// How many of the calls are subscriptions.
    pub(super) const fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    pub(super) fn get(&mut self, call: CallId) -> Result<&mut Entry, Stale> {
        let (slot, generation) = call.key();
        self.slab.get_mut(slot, generation).ok_or(Stale)
    }

    pub(super) fn remove(&mut self, call: CallId) -> Result<Entry, Stale> {
        let (slot, generation) = call.key();
        let entry = self.slab.remove(slot, generation).ok_or(Stale)?;
        self.index.unlink(slot, entry.digest);
        self.subscriptions -= usize::from(entry.subscription.is_some());
        Ok(entry)
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use mcp_types::Revision;

    fn id(token: &str) -> WireId {
        WireId::from_token(token).expect("an id")
    }

    #[test]
    fn every_call_is_found_by_its_id_and_by_no_other_while_the_table_grows_and_shrinks() {
        let context = CallContext::new(Method::ToolsCall, Revision::LATEST);
        let mut calls = Calls::new(4096);
        let mut open: Vec<Option<CallId>> = vec![None; 1000];
        // A walk that opens and closes in an order without pattern.
        let mut at = 7_usize;
        for _ in 0..20_000 {
            at = (at * 1_103_515_245 + 12_345) % 2_147_483_648;
            let n = (at / 8) % open.len();
            let wire = WireId::from(n as u64);
            assert_eq!(calls.find(&wire), open[n]);
            open[n] = match open[n] {
                Some(call) => {
                    assert_eq!(calls.remove(call).expect("open").id, wire);
                    None
                }
                None => calls.insert(wire, &context, None),
            };
        }
        assert_eq!(calls.len(), open.iter().flatten().count());
    }

    #[test]
    fn ids_are_found_however_they_are_written() {
        let context = CallContext::new(Method::ToolsCall, Revision::LATEST);
        let mut calls = Calls::new(16);
        for token in [r#""a\u0062\u00e9""#, "0", "7", r#""7""#] {
            assert!(calls.insert(id(token), &context, None).is_some());
        }
        assert!(calls.find(&id("\"ab\u{e9}\"")).is_some());
        assert!(calls.find(&id("-0")).is_some());
        assert_ne!(calls.find(&id("7")), calls.find(&id(r#""7""#)));
        assert!(calls.find(&id(r#""a""#)).is_none());
    }
}
