//! Fans changes of the server out to everybody who listens: links, HTTP listens, legacy streams.
//!
//! Owns who listens to what, and one dirty bit per listener and subject. Level-triggered: a thousand
//! updates of one URI between two flushes are one, so memory is bounded by the filters and never by the
//! rate of events. Must never hold a lock while it wakes somebody, and never send anything itself.
//!
//! ```text
//!                 changed            take
//! clean ───────────────────▶ dirty ─────────▶ clean        a change of a dirty subject is free
//!        (wakes the listener)        (reports it)
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::task::{self, Waker};

use mcp_proto::id::CallId;
use mcp_proto::server::{Change, Filter};

use crate::sync::{Mutex, MutexGuard};

/// How many listeners are marked before the registry is released and the woken ones are told.
const CHUNK: usize = 1024;

const TOOLS: u8 = 1;
const PROMPTS: u8 = 1 << 1;
const RESOURCES: u8 = 1 << 2;

/// Where a server says that something changed. Cheap to clone; all clones are one hub.
///
/// ```
/// use mcp_server::Hub;
/// use mcp_server::proto::server::{Change, Filter};
/// use std::task::{Context, Waker};
///
/// let hub = Hub::new();
/// let mut listener = hub.register();
/// listener.listen(None, &Filter { tools: true, ..Filter::default() });
/// hub.changed(Change::Tools);
/// hub.changed(Change::Tools);
/// hub.changed(Change::Prompts);
/// let mut heard = 0;
/// listener.take(&mut Context::from_waker(Waker::noop()), |change| {
///     assert_eq!(change, Change::Tools);
///     heard += 1;
/// });
/// assert_eq!(heard, 1);
/// ```
#[derive(Clone, Default)]
pub struct Hub {
    registry: Arc<Mutex<Registry>>,
}

#[derive(Default)]
struct Registry {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    /// Ordered, so that marking can pause and go on while listeners come and go.
    by_uri: HashMap<Arc<str>, BTreeSet<usize>>,
}

struct Slot {
    kinds: u8,
    listener: Arc<Listener>,
}

/// What one listener has not yet been told.
#[derive(Default)]
struct Listener {
    dirty: Mutex<Dirty>,
}

#[derive(Default)]
struct Dirty {
    kinds: u8,
    /// At most the URIs of the filter, each once; they share their text with the registry.
    uris: Vec<Arc<str>>,
    waker: Option<Waker>,
}

impl Hub {
    /// A hub without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every listener whose filter `change` passes. Costs one hash of the URI and, for each
    /// listener that is not yet dirty, one bit and one wake-up.
    pub fn changed(&self, change: Change<'_>) {
        let mut wakers = Vec::new();
        let mut from = Some(0);
        while let Some(start) = from {
            from = lock(&self.registry).mark(change, start, &mut wakers);
            // Outside of the lock: a wake-up may drop a task, and with it a registration.
            wakers.drain(..).for_each(Waker::wake);
        }
    }

    /// A listener with an empty filter.
    #[must_use]
    pub fn register(&self) -> Registration {
        let listener = Arc::new(Listener::default());
        let entry = Some(Slot {
            kinds: 0,
            listener: Arc::clone(&listener),
        });
        let mut registry = lock(&self.registry);
        let slot = if let Some(slot) = registry.free.pop() {
            registry.slots[slot] = entry;
            slot
        } else {
            registry.slots.push(entry);
            registry.slots.len() - 1
        };
        drop(registry);
        Registration {
            hub: self.clone(),
            slot,
            listener,
            filters: BTreeMap::new(),
            wanted: [0; 3],
            uris: BTreeMap::new(),
        }
    }

    /// How many listeners are registered, with or without a filter.
    #[must_use]
    pub fn listeners(&self) -> usize {
        let registry = lock(&self.registry);
        registry.slots.len() - registry.free.len()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("listeners", &self.listeners())
            .finish()
    }
}

impl Registry {
    /// Marks one chunk of listeners, from slot `start`; says where to go on, if anywhere.
    fn mark(&self, change: Change<'_>, start: usize, wakers: &mut Vec<Waker>) -> Option<usize> {
        let kind = match change {
            Change::Tools => TOOLS,
            Change::Prompts => PROMPTS,
            Change::Resources => RESOURCES,
            Change::Resource(uri) => return self.mark_uri(uri, start, wakers),
            _ => return None,
        };
        let end = self.slots.len().min(start.saturating_add(CHUNK));
        for slot in self.slots.get(start..end)?.iter().flatten() {
            if slot.kinds & kind != 0 {
                wakers.extend(slot.listener.mark_kind(kind));
            }
        }
        (end < self.slots.len()).then_some(end)
    }

    fn mark_uri(&self, uri: &str, start: usize, wakers: &mut Vec<Waker>) -> Option<usize> {
        let (uri, slots) = self.by_uri.get_key_value(uri)?;
        let mut rest = slots.range(start..).copied();
        for slot in rest.by_ref().take(CHUNK) {
            if let Some(Some(slot)) = self.slots.get(slot) {
                wakers.extend(slot.listener.mark_uri(uri));
            }
        }
        rest.next()
    }
}

impl Listener {
    fn mark_kind(&self, kind: u8) -> Option<Waker> {
        let mut dirty = lock(&self.dirty);
        if dirty.kinds & kind != 0 {
            return None;
        }
        dirty.kinds |= kind;
        dirty.waker.take()
    }

    fn mark_uri(&self, uri: &Arc<str>) -> Option<Waker> {
        let mut dirty = lock(&self.dirty);
        if dirty.uris.iter().any(|known| Arc::ptr_eq(known, uri)) {
            return None;
        }
        dirty.uris.push(Arc::clone(uri));
        dirty.waker.take()
    }
}

/// One listener's place in the hub; dropping it leaves.
///
/// It may hold several filters, told apart by a key: a link has one for each `subscriptions/listen`
/// and one, without a key, for its legacy session. What it hears of is their union.
pub struct Registration {
    hub: Hub,
    slot: usize,
    listener: Arc<Listener>,
    filters: BTreeMap<Option<CallId>, Filter>,
    /// How many of the filters want each kind, by bit.
    wanted: [usize; 3],
    /// How many of the filters name a URI.
    uris: BTreeMap<Arc<str>, u32>,
}

impl Registration {
    /// Sets the filter `key` and replaces the one that it had.
    pub fn listen(&mut self, key: Option<CallId>, filter: &Filter) {
        self.count(filter, 1);
        let old = self.filters.insert(key, filter.clone());
        if let Some(old) = &old {
            self.count(old, -1);
        }
        let kinds = self.kinds();
        let mut registry = lock(&self.hub.registry);
        registry.set_kinds(self.slot, kinds);
        for uri in &filter.uris {
            let count = registry.add_uri(self.slot, uri);
            *self.uris.entry(count).or_insert(0) += 1;
        }
        drop(registry);
        // Only now: a URI in both filters never leaves, and a change in between is never lost.
        if let Some(old) = old {
            self.release(&old);
        }
    }

    /// Removes the filter `key`, if there is one.
    pub fn unlisten(&mut self, key: CallId) {
        self.remove(Some(key));
    }

    /// Removes the filter without a key, if there is one.
    pub fn unsubscribe(&mut self) {
        self.remove(None);
    }

    fn remove(&mut self, key: Option<CallId>) {
        if let Some(old) = self.filters.remove(&key) {
            self.count(&old, -1);
            let kinds = self.kinds();
            lock(&self.hub.registry).set_kinds(self.slot, kinds);
            self.release(&old);
        }
    }

    /// Reports what changed since the last time, each subject once, and wakes `cx` at the next change.
    pub fn take(&mut self, cx: &mut task::Context<'_>, mut report: impl FnMut(Change<'_>)) {
        let mut dirty = lock(&self.listener.dirty);
        if !dirty
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            dirty.waker = Some(cx.waker().clone());
        }
        let kinds = core::mem::take(&mut dirty.kinds);
        let uris = core::mem::take(&mut dirty.uris);
        drop(dirty);
        for (kind, change) in [
            (TOOLS, Change::Tools),
            (PROMPTS, Change::Prompts),
            (RESOURCES, Change::Resources),
        ] {
            if kinds & kind != 0 {
                report(change);
            }
        }
        for uri in uris {
            report(Change::Resource(&uri));
        }
    }

    /// What any of the filters wants. Does not depend on how many there are.
    fn kinds(&self) -> u8 {
        let bits = [TOOLS, PROMPTS, RESOURCES].into_iter().zip(self.wanted);
        bits.fold(
            0,
            |kinds, (bit, count)| if count > 0 { kinds | bit } else { kinds },
        )
    }

    fn count(&mut self, filter: &Filter, by: isize) {
        for (count, wants) in
            self.wanted
                .iter_mut()
                .zip([filter.tools, filter.prompts, filter.resources])
        {
            if wants {
                *count = count.saturating_add_signed(by);
            }
        }
    }

    /// Forgets the URIs of a filter that is gone, and what is dirty only because of it.
    fn release(&mut self, filter: &Filter) {
        let mut gone: Vec<Arc<str>> = Vec::new();
        for uri in &filter.uris {
            let Some(count) = self.uris.get_mut(&**uri) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                gone.extend(self.uris.remove_entry(&**uri).map(|(uri, _)| uri));
            }
        }
        let kinds = self.kinds();
        let mut registry = lock(&self.hub.registry);
        gone.iter()
            .for_each(|uri| registry.remove_uri(self.slot, uri));
        drop(registry);
        let mut dirty = lock(&self.listener.dirty);
        dirty.kinds &= kinds;
        dirty.uris.retain(|uri| !gone.contains(uri));
    }
}

impl Registry {
    fn set_kinds(&mut self, slot: usize, kinds: u8) {
        if let Some(Some(slot)) = self.slots.get_mut(slot) {
            slot.kinds = kinds;
        }
    }

    /// Returns the shared text of the URI.
    fn add_uri(&mut self, slot: usize, uri: &str) -> Arc<str> {
        if let Some((known, _)) = self.by_uri.get_key_value(uri) {
            let known = Arc::clone(known);
            self.by_uri
                .entry(Arc::clone(&known))
                .or_default()
                .insert(slot);
            return known;
        }
        let uri: Arc<str> = uri.into();
        self.by_uri.insert(Arc::clone(&uri), BTreeSet::from([slot]));
        uri
    }

    fn remove_uri(&mut self, slot: usize, uri: &str) {
        if let Some(slots) = self.by_uri.get_mut(uri) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.by_uri.remove(uri);
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut registry = lock(&self.hub.registry);
        for uri in self.uris.keys() {
            registry.remove_uri(self.slot, uri);
        }
        if let Some(slot) = registry.slots.get_mut(self.slot) {
            *slot = None;
            registry.free.push(self.slot);
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("filters", &self.filters)
            .finish_non_exhaustive()
    }
}

/// A panic elsewhere must not silence everybody: all states between two statements are valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
