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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Waker};

use mcp_proto::id::CallId;
use mcp_proto::server::{Change, Filter};

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
            uris: HashMap::new(),
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
    /// How many of the filters name a URI.
    uris: HashMap<Arc<str>, u32>,
}

impl Registration {
    /// Sets the filter `key` and replaces the one that it had.
    pub fn listen(&mut self, key: Option<CallId>, filter: &Filter) {
        let old = self.filters.insert(key, filter.clone());
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

    fn kinds(&self) -> u8 {
        self.filters.values().fold(0, |kinds, filter| {
            let bit = |wanted: bool, kind| if wanted { kind } else { 0 };
            kinds
                | bit(filter.tools, TOOLS)
                | bit(filter.prompts, PROMPTS)
                | bit(filter.resources, RESOURCES)
        })
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
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn uris(uris: &[&str]) -> Filter {
        Filter {
            uris: uris.iter().map(|uri| (*uri).into()).collect(),
            ..Filter::default()
        }
    }

    fn heard(listener: &mut Registration) -> Vec<String> {
        let mut heard = Vec::new();
        listener.take(&mut task::Context::from_waker(Waker::noop()), |change| {
            heard.push(format!("{change:?}"));
        });
        heard
    }

    #[test]
    fn a_thousand_updates_between_two_flushes_are_one_and_wake_once() {
        let hub = Hub::new();
        let mut listener = hub.register();
        listener.listen(None, &uris(&["a", "b"]));
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        listener.take(&mut task::Context::from_waker(&waker), |_| {
            panic!("nothing changed yet")
        });
        for _ in 0..1000 {
            hub.changed(Change::Resource("a"));
        }
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(heard(&mut listener), ["Resource(\"a\")"]);
        assert!(heard(&mut listener).is_empty());
    }

    #[test]
    fn only_what_was_asked_for_is_heard() {
        let hub = Hub::new();
        let mut listener = hub.register();
        listener.listen(
            None,
            &Filter {
                prompts: true,
                ..uris(&["a"])
            },
        );
        for change in [
            Change::Tools,
            Change::Resources,
            Change::Resource("b"),
            Change::Prompts,
        ] {
            hub.changed(change);
        }
        assert_eq!(heard(&mut listener), ["Prompts"]);
    }

    #[test]
    fn filters_add_up_and_a_replaced_filter_loses_nothing_that_stays() {
        let hub = Hub::new();
        let mut listener = hub.register();
        listener.listen(None, &uris(&["a", "b"]));
        hub.changed(Change::Resource("a"));
        hub.changed(Change::Resource("b"));
        listener.listen(
            None,
            &Filter {
                tools: true,
                ..uris(&["b"])
            },
        );
        hub.changed(Change::Tools);
        assert_eq!(heard(&mut listener), ["Tools", "Resource(\"b\")"]);
        hub.changed(Change::Resource("a"));
        assert!(heard(&mut listener).is_empty());
        listener.unsubscribe();
        hub.changed(Change::Resource("b"));
        assert!(heard(&mut listener).is_empty());
        assert!(
            lock(&hub.registry).by_uri.is_empty(),
            "nothing is kept for a filter that is gone"
        );
    }

    #[test]
    fn dropping_deregisters_and_the_slot_is_used_again() {
        let hub = Hub::new();
        let mut first = hub.register();
        first.listen(None, &uris(&["a"]));
        drop(first);
        assert_eq!(hub.listeners(), 0);
        let mut second = hub.register();
        hub.changed(Change::Resource("a"));
        assert!(
            heard(&mut second).is_empty(),
            "the filter of a former tenant does not linger"
        );
        assert_eq!(lock(&hub.registry).slots.len(), 1);
    }

    #[test]
    fn a_hundred_thousand_listeners_are_each_told_once() {
        let hub = Hub::new();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = task::Context::from_waker(&waker);
        let mut listeners: Vec<_> = (0..100_000)
            .map(|n| {
                let mut listener = hub.register();
                listener.listen(
                    None,
                    &Filter {
                        tools: n % 2 == 0,
                        ..uris(&["shared"])
                    },
                );
                listener.take(&mut cx, |_| {});
                listener
            })
            .collect();
        hub.changed(Change::Resource("shared"));
        hub.changed(Change::Resource("shared"));
        assert_eq!(count.0.load(Ordering::SeqCst), 100_000);
        listeners.truncate(50_001);
        listeners
            .iter_mut()
            .for_each(|listener| listener.take(&mut cx, |_| {}));
        hub.changed(Change::Tools);
        assert_eq!(count.0.load(Ordering::SeqCst), 125_001);
    }

    #[test]
    fn a_wake_up_may_drop_a_listener() {
        struct Owner(Mutex<Option<Registration>>);
        impl Wake for Owner {
            fn wake(self: Arc<Self>) {
                lock(&self.0).take();
            }
        }
        let hub = Hub::new();
        let mut listener = hub.register();
        listener.listen(
            None,
            &Filter {
                tools: true,
                ..Filter::default()
            },
        );
        let owner = Arc::new(Owner(Mutex::new(None)));
        listener.take(
            &mut task::Context::from_waker(&Waker::from(Arc::clone(&owner))),
            |_| {},
        );
        *lock(&owner.0) = Some(listener);
        hub.changed(Change::Tools);
        assert_eq!(hub.listeners(), 0);
    }
}
