//! Many connections of one listener: none gets anything of another's.

use std::thread;

use serde_json::json;

use super::{BOTH, LISTENERS};
use crate::driver::case::{Case, eventually};
use crate::driver::lines::Peer;
use crate::driver::messages::text;
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(super) const ROWS: &[Scenario] = rows![
    (LISTENERS, BOTH):
        many_peers_with_the_same_ids_each_get_their_own_answers,
        one_peer_s_slow_call_never_delays_another_s,
        peers_beyond_the_limit_wait_and_are_served_when_there_is_room,
        peers_that_come_and_go_leave_nothing,
        a_reset_of_one_hurts_no_other,
        a_shutdown_ends_every_connection_and_takes_no_new_one;
];

fn many_peers_with_the_same_ids_each_get_their_own_answers(case: &Case) {
    let (mut server, first) = case.lines(&Settings::default());
    let mut peers = vec![first];
    peers.extend((1..30).map(|_| server.connect()));
    let era = case.era;
    let threads: Vec<_> = peers
        .into_iter()
        .enumerate()
        .map(|(peer_number, mut peer)| {
            thread::spawn(move || {
                for n in 0..5 {
                    let said = format!("canary {peer_number}.{n}");
                    peer.send(&era.call(n, "echo", json!({ "text": said })));
                }
                for n in 0..5 {
                    let answer = peer.answer_to(&json!(n));
                    assert_eq!(text(&answer), format!("canary {peer_number}.{n}"));
                }
                peer.works_and_nothing_came();
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("its own answers");
    }
}

fn one_peer_s_slow_call_never_delays_another_s(case: &Case) {
    let (mut server, mut slow) = case.lines(&Settings::default());
    let ids = [
        slow.start("pend", json!({ "gate": "slow" })),
        slow.start("hold", json!({ "gate": "slow" })),
    ];
    slow.settles(|seen| seen.started == 2);
    let mut other = server.connect();
    for _ in 0..10 {
        other.works_and_nothing_came();
    }
    other.call("open", json!({ "gate": "slow" }));
    for id in &ids {
        assert_eq!(text(&slow.answer_to(id)), "let through");
    }
}

fn peers_beyond_the_limit_wait_and_are_served_when_there_is_room(case: &Case) {
    let settings = Settings {
        max_connections: Some(2),
        ..Settings::default()
    };
    let (mut server, mut first) = case.lines(&settings);
    let mut second = server.connect();
    let mut third = server.open();
    let hello = crate::driver::messages::Era::Modern.call(1, "echo", json!({ "text": "x" }));
    third.send(&hello);
    assert!(third.is_quiet(), "served beyond the limit");
    first.works();
    second.works();
    drop(first);
    assert_eq!(text(&third.answer_to(&json!(1))), "x");
    second.works();
}

fn peers_that_come_and_go_leave_nothing(case: &Case) {
    let (mut server, first) = case.lines(&Settings::default());
    drop(first);
    for n in 0..60 {
        let mut peer: Peer = server.open();
        // Some say something first, some do not wait for what it led to.
        if n % 3 > 0 {
            peer.send(&case.era.request(n, "tools/list", json!({})));
        }
        if n % 3 == 2 {
            peer.next();
        }
    }
    eventually("nothing is left", || {
        server.service().hub().listeners() == 0
    });
    server.connect().works();
}

fn a_reset_of_one_hurts_no_other(case: &Case) {
    let (mut server, mut good) = case.lines(&Settings {
        shutdown_bound: Some(200),
        ..Settings::default()
    });
    let waiting = good.start("pend", json!({ "gate": "good" }));
    for _ in 0..5 {
        let mut rude = server.connect();
        rude.start("pend", json!({ "gate": "never" }));
        rude.start("large", json!({ "bytes": 300_000 }));
        rude.wire.reset();
        good.works_and_nothing_came();
    }
    eventually("one is left", || server.service().hub().listeners() == 1);
    good.call("open", json!({ "gate": "good" }));
    assert_eq!(text(&good.answer_to(&waiting)), "let through");
}

fn a_shutdown_ends_every_connection_and_takes_no_new_one(case: &Case) {
    let (mut server, first) = case.lines(&Settings::default());
    let mut peers = vec![first];
    peers.extend((1..5).map(|_| server.connect()));
    peers.iter_mut().for_each(Peer::works);
    server.stop();
    for mut peer in peers {
        assert_eq!(peer.rest(), [] as [serde_json::Value; 0]);
    }
    server.ends();
}
