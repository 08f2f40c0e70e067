//! What threads share, run in every order of events that the memory model allows.
//!
//! Owns no code of the server. Built only with `--cfg loom`: `cargo xtask test --only interleavings`.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use mcp_proto::server::{Change, Filter, Progress};

use crate::cell::Cell;
use crate::http::gauge::{Bell, Gauge};
use crate::http::pair::inbox::{Inbox, Message, NotTaken};
use crate::hub::{Hub, Registration};
use crate::wakes::{CallWake, Wakes};

/// Counts its wake-ups.
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn new() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self(AtomicUsize::new(0)));
        (Arc::clone(&woken), Waker::from(woken))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn tools() -> Filter {
    Filter {
        tools: true,
        ..Filter::default()
    }
}

fn resource(uri: &str) -> Filter {
    Filter {
        uris: vec![uri.into()],
        ..Filter::default()
    }
}

fn taken(registration: &mut Registration, waker: &Waker) -> usize {
    let mut count = 0;
    registration.take(&mut Context::from_waker(waker), |_| count += 1);
    count
}

#[test]
fn a_change_is_reported_or_wakes() {
    loom::model(|| {
        let hub = Hub::new();
        let mut listener = hub.register();
        listener.listen(None, &tools());
        let (woken, waker) = Woken::new();
        let changes =
            [hub.clone(), hub].map(|hub| thread::spawn(move || hub.changed(Change::Tools)));
        let first = taken(&mut listener, &waker);
        for change in changes {
            change.join().unwrap();
        }
        let before = woken.count();
        let rest = taken(&mut listener, &waker);
        assert!(first + rest >= 1, "no change is lost");
        assert!(first <= 1 && rest <= 1, "each subject once");
        assert!(
            rest == 0 || before >= 1,
            "what waits has woken its listener"
        );
        assert_eq!(taken(&mut listener, &waker), 0);
    });
}

#[test]
fn a_filter_that_is_replaced_by_one_that_has_the_uri_too_loses_no_change() {
    loom::model(|| {
        let hub = Hub::new();
        let mut listener = hub.register();
        listener.listen(None, &resource("a:b"));
        let (_, waker) = Woken::new();
        let other = hub.clone();
        let change = thread::spawn(move || other.changed(Change::Resource("a:b")));
        listener.listen(None, &resource("a:b"));
        let first = taken(&mut listener, &waker);
        change.join().unwrap();
        assert_eq!(first + taken(&mut listener, &waker), 1);
    });
}

#[test]
fn a_listener_that_leaves_hears_nothing_more_and_leaves_nothing_behind() {
    loom::model(|| {
        let hub = Hub::new();
        let mut leaves = hub.register();
        leaves.listen(None, &resource("a:b"));
        let mut stays = hub.register();
        stays.listen(None, &resource("a:b"));
        let other = hub.clone();
        let change = thread::spawn(move || other.changed(Change::Resource("a:b")));
        leaves.unsubscribe();
        let (_, waker) = Woken::new();
        assert_eq!(taken(&mut leaves, &waker), 0);
        drop(leaves);
        change.join().unwrap();
        assert_eq!(taken(&mut stays, &waker), 1);
        assert_eq!(hub.listeners(), 1);
    });
}

#[test]
fn a_bell_is_heard_or_wakes() {
    loom::model(|| {
        let bell = Arc::new(Bell::default());
        let watch = bell.watch();
        let (woken, waker) = Woken::new();
        let ringer = thread::spawn({
            let bell = Arc::clone(&bell);
            move || bell.ring()
        });
        let heard = watch.poll(&waker);
        ringer.join().unwrap();
        assert!(heard || woken.count() == 1);
        assert!(watch.poll(&waker), "it has rung");
    });
}

#[test]
fn a_gauge_never_has_more_inside_than_its_limit() {
    loom::model(|| {
        let gauge = Gauge::new(1);
        let inside = Arc::new(AtomicUsize::new(0));
        let enter = |gauge: &Arc<Gauge>, inside: &Arc<AtomicUsize>| {
            if let Some(permit) = gauge.enter() {
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            }
        };
        let other = thread::spawn({
            let (gauge, inside) = (Arc::clone(&gauge), Arc::clone(&inside));
            move || enter(&gauge, &inside)
        });
        enter(&gauge, &inside);
        other.join().unwrap();
        assert_eq!(gauge.count(), 0, "every unit came back");
    });
}

#[test]
fn a_woken_call_is_polled() {
    loom::model(|| {
        let wakes = Arc::new(Wakes::default());
        let wakers = [1, 2].map(|key| {
            Waker::from(Arc::new(CallWake {
                key,
                wakes: Arc::clone(&wakes),
            }))
        });
        let threads = wakers.map(|waker| thread::spawn(move || waker.wake()));
        let (woken, parent) = Woken::new();
        // A poll of the connection: first whom to tell, then the look.
        wakes.set_parent(&parent);
        let mut seen = Vec::new();
        wakes.take(&mut seen);
        for thread in threads {
            thread.join().unwrap();
        }
        let told = woken.count();
        let mut rest = Vec::new();
        wakes.take(&mut rest);
        assert!(
            rest.is_empty() || told >= 1,
            "what waits has told the connection"
        );
        seen.extend(rest);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    });
}

fn progress() -> Progress {
    Progress {
        progress: 1.0,
        total: None,
        message: None,
    }
}

#[test]
fn what_a_handler_says_elsewhere_is_drained_or_wakes_the_poller() {
    loom::model(|| {
        let cell = Arc::new(Cell::default());
        let (woken, waker) = Woken::new();
        let handler = thread::spawn({
            let cell = Arc::clone(&cell);
            move || cell.send(|state| state.progress(progress()))
        });
        // A poll of the call, as it goes: no waker meanwhile, a look at what waits, and the waker again.
        drop(cell.lock().begin_poll());
        let mut state = cell.lock();
        let said = state.queue.len();
        state.queue.clear();
        drop(state.park(&waker));
        drop(state);
        handler.join().unwrap();
        let waits = cell.lock().queue.len();
        assert_eq!(said + waits, 1);
        assert!(waits == 0 || woken.count() == 1);
    });
}

#[test]
fn the_end_of_a_call_is_seen_or_wakes() {
    loom::model(|| {
        let cell = Arc::new(Cell::default());
        let (woken, waker) = Woken::new();
        let end = thread::spawn({
            let cell = Arc::clone(&cell);
            move || cell.end()
        });
        let mut place = None;
        let mut state = cell.lock();
        let ended = state.ended;
        if !ended {
            drop(state.watch(&mut place, &waker));
        }
        drop(state);
        end.join().unwrap();
        assert!(ended || woken.count() == 1);
    });
}

#[test]
fn a_message_that_is_posted_is_read_or_wakes_its_stream() {
    loom::model(|| {
        let inbox = Arc::new(Inbox::new(2, 10));
        let (woken, waker) = Woken::new();
        let posts = [0, 1].map(|_| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || inbox.put(Message::of("{}")).is_ok())
        });
        // A poll of the stream: until there is nothing.
        let mut read = 0;
        while inbox.take(&waker).is_some() {
            read += 1;
        }
        let taken = posts.map(|post| post.join().unwrap());
        assert_eq!(taken, [true, true]);
        let told = woken.count();
        let mut rest = 0;
        while inbox.take(&waker).is_some() {
            rest += 1;
        }
        assert_eq!(read + rest, 2);
        assert!(rest == 0 || told >= 1, "what waits has told the stream");
    });
}

#[test]
fn a_stream_that_ends_keeps_no_message_and_takes_none() {
    loom::model(|| {
        let inbox = Arc::new(Inbox::new(1, 10));
        let gauge = Gauge::new(1);
        let post = thread::spawn({
            let (inbox, gauge) = (Arc::clone(&inbox), Arc::clone(&gauge));
            move || {
                let mut message = Message::of("{}");
                message.permits.extend(gauge.enter());
                inbox.put(message)
            }
        });
        inbox.close();
        let posted = post.join().unwrap();
        assert_ne!(posted, Err(NotTaken::Full));
        assert_eq!(gauge.count(), 0, "what the message held was given back");
        let late = inbox.put(Message::of("{}"));
        assert_eq!(late, Err(NotTaken::Closed));
    });
}
