//! The bounded tables against plain maps, under any order of operations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_proto::entropy::Entropy;
use mcp_proto::id::Slab;
use mcp_proto::legacy::{ServerRequests, SessionKey, SessionLimits, Sessions};
use mcp_proto::server::{Change, Dirty, Filter};
use mcp_proto::time::{Instant, Now};
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const URIS: [&str; 4] = ["a:", "b:", "c:", "d:"];

#[derive(Clone, Debug)]
enum Subscribing {
    Add(usize),
    Remove(usize),
    Changed(usize),
    Take,
}

fn subscribing() -> impl Strategy<Value = Subscribing> {
    prop_oneof![
        (0..URIS.len()).prop_map(Subscribing::Add),
        (0..URIS.len()).prop_map(Subscribing::Remove),
        (0..URIS.len()).prop_map(Subscribing::Changed),
        Just(Subscribing::Take),
    ]
}

/// Adds and drops URIs as a legacy session does.
fn told(steps: &[Subscribing]) {
    let (mut filter, mut dirty) = (Filter::default(), Dirty::default());
    let mut waiting: BTreeSet<&str> = BTreeSet::new();
    for step in steps {
        match step {
            Subscribing::Add(uri) => {
                let uri = URIS[*uri];
                if !filter.uris.iter().any(|known| **known == *uri) {
                    filter.uris.push(uri.into());
                }
            }
            Subscribing::Remove(uri) => {
                let uri = URIS[*uri];
                if let Some(at) = filter.uris.iter().position(|known| **known == *uri) {
                    dirty.swap_remove_uri(&filter, at);
                    filter.uris.swap_remove(at);
                }
                waiting.remove(uri);
            }
            Subscribing::Changed(uri) => {
                let uri = URIS[*uri];
                let subscribed = filter.uris.iter().any(|known| **known == *uri);
                let new = dirty.mark(&filter, Change::Resource(uri));
                assert_eq!(new, subscribed && waiting.insert(uri), "{uri}");
            }
            Subscribing::Take => match dirty.take(&filter) {
                Some(Change::Resource(uri)) => {
                    assert!(waiting.remove(uri), "{uri} did not change");
                }
                other => assert!(other.is_none() && waiting.is_empty(), "{other:?}"),
            },
        }
        assert_eq!(dirty.is_dirty(), !waiting.is_empty());
    }
    while let Some(Change::Resource(uri)) = dirty.take(&filter) {
        assert!(waiting.remove(uri), "{uri} did not change");
    }
    assert!(waiting.is_empty(), "never told of {waiting:?}");
}

/// The flags were kept for the URIs of the last change; one that was added later took the flag of the one that it was
/// swapped with.
#[test]
fn dropping_a_uri_does_not_move_a_change_to_a_newer_one() {
    told(&[
        Subscribing::Add(0),
        Subscribing::Add(1),
        Subscribing::Changed(1),
        Subscribing::Add(2),
        Subscribing::Remove(0),
        Subscribing::Take,
    ]);
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn each_change_is_told_once_and_of_nothing_else(steps in prop::collection::vec(subscribing(), 0..40)) {
        told(&steps);
    }
}

#[derive(Clone, Debug)]
enum Storing {
    Insert(u16),
    Remove(usize),
    Look(usize),
    /// Any key, as a peer could invent it.
    Invent(u32, u32),
}

fn storing() -> impl Strategy<Value = Storing> {
    prop_oneof![
        any::<u16>().prop_map(Storing::Insert),
        any::<usize>().prop_map(Storing::Remove),
        any::<usize>().prop_map(Storing::Look),
        (0..6u32, 0..6u32).prop_map(|(slot, generation)| Storing::Invent(slot, generation)),
    ]
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn a_slab_is_a_bounded_map_whose_keys_never_return(
        capacity in 0..5usize,
        steps in prop::collection::vec(storing(), 0..80),
    ) {
        let mut slab = Slab::new(capacity);
        let mut model: BTreeMap<(u32, u32), u16> = BTreeMap::new();
        let mut every: Vec<(u32, u32)> = Vec::new();
        for step in steps {
            match step {
                Storing::Insert(value) => match slab.insert(value) {
                    Ok(key) => {
                        prop_assert!(model.len() < capacity);
                        prop_assert!(!every.contains(&key), "a key returned");
                        every.push(key);
                        model.insert(key, value);
                    }
                    Err(back) => {
                        prop_assert_eq!(back, value);
                        prop_assert_eq!(model.len(), capacity);
                    }
                },
                Storing::Remove(at) => {
                    if !every.is_empty() {
                        let key = every[at % every.len()];
                        prop_assert_eq!(slab.remove(key.0, key.1), model.remove(&key));
                    }
                }
                Storing::Look(at) => {
                    if !every.is_empty() {
                        let key = every[at % every.len()];
                        prop_assert_eq!(slab.get(key.0, key.1), model.get(&key));
                        prop_assert_eq!(slab.get_mut(key.0, key.1), model.get_mut(&key));
                    }
                }
                Storing::Invent(slot, generation) => {
                    let key = (slot, generation);
                    prop_assert_eq!(slab.get(slot, generation), model.get(&key));
                    prop_assert_eq!(slab.get_mut(slot, generation), model.get_mut(&key));
                    prop_assert_eq!(slab.remove(slot, generation), model.remove(&key));
                }
            }
            prop_assert_eq!(slab.len(), model.len());
            prop_assert_eq!(slab.is_empty(), model.is_empty());
            prop_assert_eq!(slab.is_full(), model.len() == capacity);
            let listed: BTreeMap<_, _> = slab.iter().map(|(key, value)| (key, *value)).collect();
            prop_assert_eq!(&listed, &model);
            let listed: BTreeMap<_, _> = slab.iter_mut().map(|(key, value)| (key, *value)).collect();
            prop_assert_eq!(&listed, &model);
        }
    }
}

#[derive(Clone, Debug)]
enum Asking {
    Ask(u64, u8),
    Answer(usize, bool),
    Advance(u64),
    Leave(u8),
    Remove(usize),
}

fn asking() -> impl Strategy<Value = Asking> {
    prop_oneof![
        3 => (0..50u64, 0..4u8).prop_map(|(ms, waiter)| Asking::Ask(ms, waiter)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, quoted)| Asking::Answer(at, quoted)),
        2 => (0..40u64).prop_map(Asking::Advance),
        1 => (0..4u8).prop_map(Asking::Leave),
        1 => any::<usize>().prop_map(Asking::Remove),
    ]
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn every_request_to_a_client_ends_once(steps in prop::collection::vec(asking(), 0..60)) {
        const MAX: usize = 4;
        let mut table = ServerRequests::new(MAX);
        let mut model = BTreeMap::new();
        let mut every = Vec::new();
        let mut now = Instant::from_micros(0);
        for step in steps {
            match step {
                Asking::Ask(ms, waiter) => {
                    let timeout = Duration::from_millis(ms);
                    match table.insert(now, timeout, waiter) {
                        Ok(id) => {
                            prop_assert!(model.len() < MAX);
                            prop_assert!(!every.contains(&id));
                            every.push(id);
                            model.insert(id, (waiter, now + timeout));
                        }
                        Err(back) => prop_assert!(back == waiter && model.len() == MAX),
                    }
                }
                Asking::Answer(at, quoted) => {
                    if !every.is_empty() {
                        let id = every[at % every.len()];
                        let wire = id.wire();
                        let token = if quoted { format!("\"{wire}\"") } else { wire.to_string() };
                        let answer = table.answered(&token);
                        prop_assert_eq!(answer.as_ref().map(|a| a.waiter), model.remove(&id).map(|(w, _)| w));
                        prop_assert!(answer.is_none_or(|answer| answer.id == id));
                    }
                }
                Asking::Advance(ms) => {
                    now += Duration::from_millis(ms);
                    while let Some(late) = table.expired(now) {
                        let (waiter, at) = model.remove(&late.id).expect("pending");
                        prop_assert_eq!(waiter, late.waiter);
                        prop_assert!(at <= now);
                    }
                    prop_assert!(model.values().all(|(_, at)| *at > now), "overdue");
                    prop_assert!(table.deadline().is_none_or(|at| at > now), "a hot loop");
                }
                Asking::Leave(waiter) => {
                    while let Some(gone) = table.withdraw(|other| *other == waiter) {
                        prop_assert_eq!(model.remove(&gone.id).map(|(w, _)| w), Some(waiter));
                    }
                    prop_assert!(model.values().all(|(other, _)| *other != waiter));
                }
                Asking::Remove(at) => {
                    if !every.is_empty() {
                        let id = every[at % every.len()];
                        let removed = table.remove(id).map(|answer| answer.waiter);
                        prop_assert_eq!(removed, model.remove(&id).map(|(w, _)| w));
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.is_empty(), model.is_empty());
            match (table.deadline(), model.values().map(|(_, at)| *at).min()) {
                (deadline, None) => prop_assert_eq!(deadline, None),
                (Some(deadline), Some(due)) => prop_assert!(deadline <= due, "late"),
                (None, Some(_)) => prop_assert!(false, "no deadline"),
            }
        }
    }
}

/// Only the decimal number that was sent is an answer's id.
#[test]
fn other_spellings_of_a_request_id_are_nobodys() {
    let mut table = ServerRequests::new(1);
    let id = table
        .insert(Instant::from_micros(0), Duration::from_secs(1), ())
        .expect("room");
    let wire = id.wire();
    for token in [
        format!("\"+{wire}\""),
        format!("\"0{wire}\""),
        format!("\" {wire}\""),
        format!("\"{wire}"),
        format!("{wire}.0"),
    ] {
        assert_eq!(table.answered(&token), None, "{token}");
    }
    assert!(table.answered(&wire.to_string()).is_some());
}

#[derive(Clone, Debug)]
enum Serving {
    Get(usize),
    Attach(usize),
    Enter(usize),
    Leave(usize),
    Terminate(usize, u64),
    Sweep,
    Advance(u64),
}

fn serving() -> impl Strategy<Value = Serving> {
    prop_oneof![
        (0..5usize).prop_map(Serving::Get),
        (0..5usize).prop_map(Serving::Attach),
        (0..5usize).prop_map(Serving::Enter),
        (0..5usize).prop_map(Serving::Leave),
        (0..5usize, 0..60u64).prop_map(|(key, ttl)| Serving::Terminate(key, ttl)),
        Just(Serving::Sweep),
        (0..30u64).prop_map(Serving::Advance),
    ]
}

/// What the model knows of one attached state.
#[derive(Clone, Debug, PartialEq)]
struct Attached {
    state: u32,
    calls: usize,
    used: Instant,
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn session_states_leave_only_when_they_may(steps in prop::collection::vec(serving(), 0..60)) {
        const TTL: Duration = Duration::from_millis(40);
        const MAX: usize = 3;
        const TOMBSTONES: usize = 2;
        let mut entropy = Entropy::new([1; 32]);
        let keys: Vec<SessionKey> = (0..5).map(|_| SessionKey::random(&mut entropy)).collect();
        let mut table = Sessions::new(SessionLimits {
            max_attached: MAX,
            idle_ttl: TTL,
            max_tombstones: TOMBSTONES,
        });
        let mut attached: BTreeMap<SessionKey, Attached> = BTreeMap::new();
        let mut tombstones: BTreeMap<SessionKey, u64> = BTreeMap::new();
        let mut now = Now { instant: Instant::from_micros(0), unix_ms: 1000 };
        let mut made = 0;
        for step in steps {
            match step {
                Serving::Get(at) => {
                    let found = table.get(now.instant, keys[at]).copied();
                    let known = attached.get_mut(&keys[at]);
                    prop_assert_eq!(found, known.as_ref().map(|it| it.state));
                    if let Some(known) = known {
                        known.used = now.instant;
                    }
                }
                Serving::Attach(at) => {
                    let before = attached.get(&keys[at]).cloned();
                    made += 1;
                    let result = table.attach(now.instant, keys[at], || made).copied();
                    match (before, result) {
                        (Some(known), Ok(state)) => {
                            prop_assert_eq!(state, known.state);
                            attached.get_mut(&keys[at]).expect("known").used = now.instant;
                        }
                        (Some(_), Err(_)) => prop_assert!(false, "it is there"),
                        (None, Ok(state)) => {
                            prop_assert_eq!(state, made);
                            if attached.len() >= MAX {
                                let idlest = attached
                                    .iter()
                                    .filter(|(_, it)| it.calls == 0)
                                    .min_by_key(|(key, it)| (it.used, **key))
                                    .map(|(key, _)| *key);
                                attached.remove(&idlest.expect("room was made"));
                            }
                            attached.insert(keys[at], Attached { state, calls: 0, used: now.instant });
                        }
                        (None, Err(_)) => {
                            prop_assert!(attached.len() >= MAX && attached.values().all(|it| it.calls > 0));
                        }
                    }
                }
                Serving::Enter(at) => {
                    table.enter(keys[at]);
                    if let Some(known) = attached.get_mut(&keys[at]) {
                        known.calls += 1;
                    }
                }
                Serving::Leave(at) => {
                    table.leave(now.instant, keys[at]);
                    // One without an `enter` (its state came later, or left with the session) changes nothing.
                    if let Some(known) = attached.get_mut(&keys[at]).filter(|it| it.calls > 0) {
                        known.calls -= 1;
                        if known.calls == 0 {
                            known.used = now.instant;
                        }
                    }
                }
                Serving::Terminate(at, ttl) => {
                    let expires = now.unix_ms + ttl;
                    let full = !tombstones.contains_key(&keys[at])
                        && tombstones.values().filter(|at| **at > now.unix_ms).count() >= TOMBSTONES;
                    match table.terminate(now, keys[at], expires) {
                        Ok(state) => {
                            prop_assert!(!full);
                            prop_assert_eq!(state, attached.remove(&keys[at]).map(|it| it.state));
                            if !tombstones.contains_key(&keys[at]) {
                                tombstones.retain(|_, at| *at > now.unix_ms);
                                tombstones.insert(keys[at], expires);
                            }
                        }
                        Err(_) => {
                            prop_assert!(full);
                            tombstones.retain(|_, at| *at > now.unix_ms);
                        }
                    }
                }
                Serving::Sweep => {
                    table.sweep(now);
                    tombstones.retain(|_, at| *at > now.unix_ms);
                    attached.retain(|_, it| it.calls > 0 || it.used + TTL > now.instant);
                    prop_assert!(table.next_sweep().is_none_or(|at| at > now.instant), "a hot loop");
                }
                Serving::Advance(ms) => {
                    now.instant += Duration::from_millis(ms);
                    now.unix_ms += ms;
                }
            }
            prop_assert_eq!(table.len(), attached.len());
            prop_assert_eq!(table.is_empty(), attached.is_empty());
            let mut states: Vec<u32> = table.iter_mut().map(|state| *state).collect();
            let mut known: Vec<u32> = attached.values().map(|it| it.state).collect();
            states.sort_unstable();
            known.sort_unstable();
            prop_assert_eq!(states, known);
            for key in &keys {
                prop_assert_eq!(table.is_terminated(*key), tombstones.contains_key(key));
            }
            let due = attached.values().filter(|it| it.calls == 0).map(|it| it.used + TTL).min();
            prop_assert_eq!(table.next_sweep(), due);
        }
    }
}
