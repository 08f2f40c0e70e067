//! What the hub promises: coalescing, filters, and no trace of a listener that left.

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
