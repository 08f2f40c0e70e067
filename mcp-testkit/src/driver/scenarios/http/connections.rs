//! Connections: used again, used ahead, used by many.

use std::thread;

use serde_json::json;

use crate::driver::case::{Case, Client, eventually};
use crate::driver::http::{Link, Request};
use crate::driver::messages::{Era, text};
use crate::driver::scenarios::{BOTH, HTTP};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};
use crate::driver::wire::MOMENT;

pub(in crate::driver::scenarios) const ROWS: &[Scenario] = rows![
    (HTTP, BOTH):
        one_connection_carries_many_requests,
        requests_sent_ahead_are_answered_in_their_order,
        a_request_in_pieces_of_one_byte,
        a_client_that_wants_to_close_is_let_go,
        a_target_may_name_the_server,
        many_clients_with_the_same_ids_each_get_their_own_answers,
        one_client_s_slow_call_never_delays_another_s,
        connections_beyond_the_limit_wait_and_are_served_when_there_is_room,
        a_reset_hurts_no_other;
];

fn one_connection_carries_many_requests(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let mut link = Link::open(server.address());
    for n in 0..20 {
        let said = format!("canary {n}");
        let request = caller.calling("echo", json!({ "text": said }));
        link.write(&request.bytes());
        let answer = link.answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(text(&caller.last(&answer)), said);
    }
    // An error of MCP's is no reason to close either.
    let id = caller.fresh_id();
    let unknown = case.era.request(id, "no/such", json!({}));
    caller.note(&unknown);
    link.write(&caller.post(&unknown).bytes());
    caller.last(&link.answer());
    let request = caller.calling("echo", json!({ "text": "x" }));
    link.write(&request.bytes());
    assert_eq!(text(&caller.last(&link.answer())), "x");
}

fn requests_sent_ahead_are_answered_in_their_order(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let mut link = Link::open(server.address());
    let mut all = caller.calling("nap", json!({ "ms": 30 })).bytes();
    for n in 0..6 {
        all.extend(
            caller
                .calling("echo", json!({ "text": n.to_string() }))
                .bytes(),
        );
    }
    link.write(&all);
    assert_eq!(text(&caller.last(&link.answer())), "slept 30");
    for n in 0..6 {
        assert_eq!(text(&caller.last(&link.answer())), n.to_string());
    }
}

fn a_request_in_pieces_of_one_byte(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let mut link = Link::open(server.address());
    let request = caller.calling("echo", json!({ "text": "日本" }));
    for byte in request.bytes() {
        link.write(&[byte]);
    }
    assert_eq!(text(&caller.last(&link.answer())), "日本");
}

fn a_client_that_wants_to_close_is_let_go(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let request = caller.calling("echo", json!({ "text": "x" }));
    let mut link = Link::open(server.address());
    link.write(&request.clone().with("connection", "close").bytes());
    assert_eq!(text(&caller.last(&link.answer())), "x");
    assert_eq!(link.closed(), "");
    // Without the word it holds for the version before.
    let mut link = Link::open(server.address());
    let mut bytes = request.sized().head_of("HTTP/1.0");
    bytes.extend_from_slice(request.body());
    link.write(&bytes);
    assert_eq!(text(&caller.last(&link.answer())), "x");
    assert_eq!(link.closed(), "");
    // Half closed after the request, the answer still comes.
    let mut link = Link::open(server.address());
    let request = caller.calling("nap", json!({ "ms": 1 }));
    link.write(&request.with("connection", "close").bytes());
    assert_eq!(text(&caller.last(&link.answer())), "slept 1");
}

fn a_target_may_name_the_server(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let request = caller.calling("echo", json!({ "text": "x" }));
    let mut link = Link::open(server.address());
    link.write(&request.at("http://127.0.0.1/mcp").bytes());
    assert_eq!(text(&caller.last(&link.answer())), "x");
}

fn many_clients_with_the_same_ids_each_get_their_own_answers(case: &Case) {
    let (server, _) = case.http(&Settings::default());
    let threads: Vec<_> = (0..20)
        .map(|number| {
            let mut caller = server.caller();
            thread::spawn(move || {
                let mut link = Link::open(caller.address);
                for n in 0..5 {
                    let said = format!("canary {number}.{n}");
                    let message = caller.era().call(n, "echo", json!({ "text": said }));
                    caller.note(&message);
                    link.write(&caller.post(&message).bytes());
                    let answer = caller.last(&link.answer());
                    assert_eq!((text(&answer), &answer["id"]), (said.as_str(), &json!(n)));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("its own answers");
    }
}

fn one_client_s_slow_call_never_delays_another_s(case: &Case) {
    let (server, mut slow) = case.http(&Settings::default());
    let mut held: Vec<_> = ["pend", "hold"]
        .map(|tool| slow.calling(tool, json!({ "gate": "slow" })))
        .iter()
        .map(|request| slow.open(request))
        .collect();
    let mut other = server.caller();
    for _ in 0..10 {
        other.works();
    }
    assert_eq!(other.seen().started, 2);
    other.call("open", json!({ "gate": "slow" }));
    for events in &mut held {
        let rest = slow.rest(events);
        assert_eq!(text(rest.last().expect("an answer")), "let through");
    }
}

fn connections_beyond_the_limit_wait_and_are_served_when_there_is_room(case: &Case) {
    let settings = Settings {
        max_connections: Some(2),
        ..Settings::default()
    };
    let server = case.serve(&settings);
    let alive = Request::new("GET", "/livez").bytes();
    let mut two: Vec<Link> = (0..2).map(|_| Link::open(server.address())).collect();
    for link in &mut two {
        link.write(&alive);
        assert_eq!(link.answer().status, 200);
    }
    let mut third = Link::open(server.address());
    third.write(&alive);
    assert!(third.is_quiet(MOMENT), "served beyond the limit");
    two.pop();
    assert_eq!(third.answer().status, 200);
    two[0].write(&alive);
    assert_eq!(two[0].answer().status, 200);
}

fn a_reset_hurts_no_other(case: &Case) {
    let (server, mut good) = case.http(&Settings::default());
    let world = server.world();
    let request = good.calling("pend", json!({ "gate": "good" }));
    let mut waiting = good.open(&request);
    for _ in 0..5 {
        let mut link = Link::open(server.address());
        link.write(&good.calling("pend", json!({ "gate": "never" })).bytes());
        let mut half = Link::open(server.address());
        half.write(b"POST /mcp HTT");
        good.works();
        link.wire.reset();
        half.wire.reset();
    }
    if case.era == Era::Modern {
        eventually("what the others ran is given up", || {
            world.seen().dropped == 5
        });
    }
    good.call("open", json!({ "gate": "good" }));
    let rest = good.rest(&mut waiting);
    assert_eq!(text(rest.last().expect("an answer")), "let through");
}
