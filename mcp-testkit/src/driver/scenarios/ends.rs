//! Ends of byte streams: of the input, of the peer, of the server.

use std::time::{Duration, Instant};

use mcp_driver::Ended;
use serde_json::json;

use super::{BOTH, LINES, LISTENERS, SOCKETS, STOPPABLE};
use crate::driver::case::{Case, End, eventually};
use crate::driver::messages::text;
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};
use crate::driver::wire::PATIENCE;

pub(super) const ROWS: &[Scenario] = rows![
    (LINES, BOTH):
        calls_in_flight_at_the_end_of_the_input_are_answered,
        the_end_of_the_input_alone_ends_the_connection,
        a_last_line_needs_no_end_and_half_a_message_is_none;
    (STOPPABLE, BOTH):
        a_shutdown_answers_what_runs_and_ends,
        a_call_that_never_ends_does_not_keep_a_server_that_is_to_end,
        a_thread_that_never_ends_does_not_keep_a_server_that_is_to_end;
    (SOCKETS, BOTH):
        a_peer_that_is_cut_off_takes_its_calls_with_it;
];

/// A server that gives what runs this long when it is to end.
fn soon() -> Settings {
    Settings {
        shutdown_bound: Some(300),
        ..Settings::default()
    }
}

/// A listener serves on when a connection has ended.
fn ends_with_its_connection(case: &Case) -> bool {
    !LISTENERS.contains(&case.transport)
}

fn calls_in_flight_at_the_end_of_the_input_are_answered(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    let mut wanted: Vec<_> = (0..10)
        .map(|_| peer.start("pend", json!({ "gate": "last" })))
        .collect();
    wanted.push(peer.start("hold", json!({ "gate": "last" })));
    wanted.push(peer.start("open_later", json!({ "gate": "last", "ms": 100 })));
    peer.wire.close_write();
    let rest = peer.rest();
    for id in &wanted {
        assert_eq!(
            rest.iter().filter(|answer| answer["id"] == *id).count(),
            1,
            "{rest:?}"
        );
    }
    assert_eq!(rest.len(), wanted.len(), "{rest:?}");
    if ends_with_its_connection(case) {
        server.ends();
    }
}

fn the_end_of_the_input_alone_ends_the_connection(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    peer.works();
    peer.wire.close_write();
    assert_eq!(peer.rest(), [] as [serde_json::Value; 0]);
    if ends_with_its_connection(case) {
        server.ends();
    } else {
        server.connect().works();
    }
}

fn a_last_line_needs_no_end_and_half_a_message_is_none(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let request = peer.message(
        "tools/call",
        json!({ "name": "echo", "arguments": { "text": "x" } }),
    );
    peer.raw(request.to_string().as_bytes());
    peer.wire.close_write();
    let rest = peer.rest();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(text(&rest[0]), "x");

    let (mut server, mut peer) = case.lines(&Settings::default());
    let line = peer.message(
        "tools/call",
        json!({ "name": "pend", "arguments": { "gate": "x" } }),
    );
    let line = line.to_string();
    peer.wire
        .write(&line.as_bytes()[..line.len() - 5])
        .expect("the server reads");
    peer.wire.close_write();
    let rest = peer.rest();
    assert!(
        rest.iter().all(|answer| answer.get("result").is_none()),
        "{rest:?}"
    );
    if ends_with_its_connection(case) {
        server.ends();
    }
}

fn a_shutdown_answers_what_runs_and_ends(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    let running = [
        peer.start("pend", json!({ "gate": "last" })),
        peer.start("hold", json!({ "gate": "last" })),
    ];
    peer.settles(|seen| seen.started == 2);
    peer.call("open_later", json!({ "gate": "last", "ms": 100 }));
    server.stop();
    let rest = peer.rest();
    for id in &running {
        let answer = rest.iter().find(|answer| answer["id"] == *id);
        assert_eq!(text(answer.expect("an answer")), "let through");
    }
    server.ends();
}

fn a_call_that_never_ends_does_not_keep_a_server_that_is_to_end(case: &Case) {
    never_ends(case, "pend");
}

fn a_thread_that_never_ends_does_not_keep_a_server_that_is_to_end(case: &Case) {
    never_ends(case, "hold");
}

fn never_ends(case: &Case, tool: &str) {
    let (mut server, mut peer) = case.lines(&soon());
    peer.start(tool, json!({ "gate": "never" }));
    peer.settles(|seen| seen.started == 1);
    let asked = Instant::now();
    server.stop();
    assert!(
        peer.rest()
            .iter()
            .all(|message| message.get("result").is_none())
    );
    let end = server.ends_within(PATIENCE);
    let took = asked.elapsed();
    assert!(
        took >= Duration::from_millis(250),
        "it gave up after {took:?}"
    );
    if let End::Connection(ended) = end {
        assert_eq!(ended, Ended::ShutdownBound);
    }
}

fn a_peer_that_is_cut_off_takes_its_calls_with_it(case: &Case) {
    let (mut server, mut peer) = case.lines(&soon());
    let world = server.world();
    for _ in 0..3 {
        peer.start("pend", json!({ "gate": "never" }));
    }
    peer.settles(|seen| seen.started == 3);
    // Reset in the middle of a message, where the transport has such a thing.
    peer.wire
        .write(b"{\"jsonrpc\":\"2.0\",\"id\":")
        .expect("the server reads");
    peer.wire.reset();
    eventually("every call is given up", || world.seen().dropped == 3);
    if ends_with_its_connection(case) {
        server.ends_within(PATIENCE);
    } else {
        eventually("nothing is left of it", || {
            server.service().hub().listeners() == 0
        });
        server.connect().works();
    }
}
