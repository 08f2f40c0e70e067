//! Calls that nobody waits for any more, on byte streams.

use serde_json::json;

use super::{BOTH, LINES};
use crate::driver::case::Case;
use crate::driver::messages::cancel;
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(super) const ROWS: &[Scenario] = rows![
    (LINES, BOTH):
        a_cancel_drops_the_handler_and_nothing_is_sent,
        cancels_are_heard_while_every_thread_is_taken,
        cancels_that_mean_nothing_change_nothing,
        a_cancel_that_crosses_the_answer_leaves_order;
];

fn a_cancel_drops_the_handler_and_nothing_is_sent(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let id = peer.start("pend", json!({ "gate": "never" }));
    peer.settles(|seen| seen.started == 1);
    peer.send(&cancel(id.clone()));
    peer.send(&cancel(id));
    peer.settles(|seen| seen.dropped == 1);
    // Even if it could go on now.
    peer.call("open", json!({ "gate": "never" }));
    peer.works_and_nothing_came();
    assert_eq!(peer.seen().finished, 0);
}

fn cancels_are_heard_while_every_thread_is_taken(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let held: Vec<_> = (0..100)
        .map(|_| peer.start("hold", json!({ "gate": "held" })))
        .collect();
    peer.works_and_nothing_came();
    // Those that wait for a thread never start; those that have one cannot be stopped, but nobody hears of them.
    for id in &held {
        peer.send(&cancel(id.clone()));
    }
    peer.works_and_nothing_came();
    peer.call("open", json!({ "gate": "held" }));
    peer.settles(|seen| seen.finished == seen.started);
    assert!(peer.seen().started <= 64, "{:?}", peer.seen());
    peer.works_and_nothing_came();
}

fn cancels_that_mean_nothing_change_nothing(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let id = peer.start("echo", json!({ "text": "x" }));
    peer.answer_to(&id);
    peer.send(&cancel(id));
    peer.send(&cancel(4_000_000));
    peer.send(&cancel("nobody"));
    peer.works_and_nothing_came();
}

fn a_cancel_that_crosses_the_answer_leaves_order(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    for n in 0..40 {
        let id = peer.start("nap", json!({ "ms": n % 3 }));
        peer.send(&cancel(id));
    }
    let last = peer.start("nap", json!({ "ms": 20 }));
    let mut answered = Vec::new();
    loop {
        let answer = peer.next();
        if answer["id"] == last {
            break;
        }
        answered.push(answer["id"].to_string());
    }
    // Each once at most.
    let count = answered.len();
    answered.sort_unstable();
    answered.dedup();
    assert_eq!(answered.len(), count, "{answered:?}");
    peer.works_and_nothing_came();
}
