//! Many calls at once on one connection: none waits for another.

use serde_json::{Value, json};

use super::{BOTH, LINES, MODERN};
use crate::driver::case::Case;
use crate::driver::messages::{Era, cancel, code, initialize, text};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(super) const ROWS: &[Scenario] = rows![
    (LINES, BOTH):
        many_calls_in_one_write_are_answered_by_their_ids,
        a_slow_call_never_delays_a_cheap_one,
        more_blocking_calls_than_threads_stop_nobody,
        a_long_timer_delays_no_short_one;
    (LINES, MODERN):
        both_eras_are_served_on_one_connection;
];

fn many_calls_in_one_write_are_answered_by_their_ids(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let requests: Vec<Value> = (0..100)
        .map(|n| {
            case.era
                .call(n, "echo", json!({ "text": format!("canary {n}") }))
        })
        .collect();
    let lines: String = requests
        .iter()
        .map(|request| format!("{request}\n"))
        .collect();
    peer.raw(lines.as_bytes());
    // Asked for backwards: the order in which they come is the server's.
    for (n, request) in requests.iter().enumerate().rev() {
        let answer = peer.answer_to(&request["id"]);
        assert_eq!(text(&answer), format!("canary {n}"));
    }
    peer.works_and_nothing_came();
}

fn a_slow_call_never_delays_a_cheap_one(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let slow = [
        peer.start("pend", json!({ "gate": "slow" })),
        peer.start("hold", json!({ "gate": "slow" })),
        peer.start("spawned", json!({ "gate": "slow" })),
    ];
    for _ in 0..10 {
        peer.works_and_nothing_came();
    }
    peer.settles(|seen| seen.started == 2);
    peer.call("open", json!({ "gate": "slow" }));
    for id in &slow {
        assert!(peer.answer_to(id).get("result").is_some());
    }
    assert_eq!(peer.seen().finished, 2);
}

fn more_blocking_calls_than_threads_stop_nobody(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let held: Vec<Value> = (0..80)
        .map(|_| peer.start("hold", json!({ "gate": "held" })))
        .collect();
    peer.works_and_nothing_came();
    // One that waits for a thread can be taken back.
    peer.call("open", json!({ "gate": "held" }));
    for id in &held {
        assert_eq!(text(&peer.answer_to(id)), "let through");
    }
    assert_eq!(peer.seen().finished, 80);
}

fn a_long_timer_delays_no_short_one(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let long = peer.start("nap", json!({ "ms": 600_000 }));
    for ms in [1, 30, 10] {
        assert_eq!(
            text(&peer.call("nap", json!({ "ms": ms }))),
            format!("slept {ms}")
        );
    }
    peer.send(&cancel(long));
    peer.works_and_nothing_came();
}

fn both_eras_are_served_on_one_connection(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let probe = Era::Modern.request("a", "server/discover", json!({}));
    assert!(peer.ask(&probe).get("result").is_some());
    let answer = peer.ask(&initialize("b"));
    assert_eq!(answer["result"]["protocolVersion"], Era::Legacy.revision());
    let answer = peer.ask(&Era::Modern.call("c", "echo", json!({ "text": "modern" })));
    assert_eq!(text(&answer), "modern");
    let answer = peer.ask(&Era::Legacy.request("d", "ping", json!({})));
    assert_eq!(answer["result"], json!({}));
    let answer = peer.ask(&Era::Modern.request("e", "ping", json!({})));
    assert_eq!(code(&answer), -32601, "{answer}");
}
