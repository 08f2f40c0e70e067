//! Answers that are streams of events, clients that leave them, and the sessions of the older era.

use serde_json::{Value, json};

use crate::driver::case::{Case, Client, eventually};
use crate::driver::fixture::WATCHED;
use crate::driver::http::{Caller, Events, Link, Request};
use crate::driver::messages::{Era, SUBSCRIPTION, cancel, text};
use crate::driver::scenarios::{BOTH, HTTP, LEGACY, MODERN};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(in crate::driver::scenarios) const ROWS: &[Scenario] = rows![
    (HTTP, BOTH):
        a_slow_call_turns_into_a_stream_that_stays_alive,
        what_a_call_says_is_seen_before_its_answer,
        a_connection_can_be_used_after_a_stream,
        a_change_is_told_while_the_stream_is_idle;
    (HTTP, MODERN):
        a_client_that_leaves_cancels,
        a_reader_that_reads_no_more_loses_its_stream_only;
    (HTTP, LEGACY):
        a_client_that_leaves_finds_its_answer,
        a_cancel_ends_a_call,
        a_session_that_was_deleted_is_gone;
];

fn a_slow_call_turns_into_a_stream_that_stays_alive(case: &Case) {
    let settings = Settings {
        keep_alive: Some(40),
        ..Settings::default()
    };
    let (_server, mut caller) = case.http(&settings);
    let request = caller.calling("pend", json!({ "gate": "slow" }));
    let mut events = caller.open(&request);
    assert!(events.head.is_events());
    assert_eq!(events.head.header("x-accel-buffering"), Some("no"));
    // Signs of life, one after another.
    for _ in 0..3 {
        while !events.event().expect("it goes on").comment {}
    }
    caller.call("open", json!({ "gate": "slow" }));
    assert_eq!(text(&caller.next(&mut events)), "let through");
    assert!(caller.rest(&mut events).is_empty());
}

fn what_a_call_says_is_seen_before_its_answer(case: &Case) {
    let (_server, mut caller) = case.http(&Settings::default());
    let id = caller.fresh_id();
    let params = json!({
        "name": "hold", "arguments": { "gate": "held" }, "_meta": { "progressToken": "t" },
    });
    let message = case.era.request(id, "tools/call", params);
    let mut events = caller.open(&caller.post(&message));
    let said = caller.next(&mut events);
    assert_eq!(said["params"]["message"], "holding", "{said}");
    caller.call("open", json!({ "gate": "held" }));
    assert_eq!(text(&caller.next(&mut events)), "let through");
}

fn a_connection_can_be_used_after_a_stream(case: &Case) {
    let (_server, mut caller) = case.http(&Settings::default());
    let request = caller.calling("pend", json!({ "gate": "slow" }));
    let mut events = caller.open(&request);
    assert!(events.head.is_events());
    caller.call("open", json!({ "gate": "slow" }));
    assert_eq!(text(&caller.next(&mut events)), "let through");
    assert!(caller.rest(&mut events).is_empty());
    let mut link = events.link;
    let request = caller.calling("echo", json!({ "text": "again" }));
    link.write(&request.bytes());
    assert_eq!(text(&caller.last(&link.answer())), "again");
}

/// Opens the stream on which changes of the resource are told; returns its id, if it has one.
fn listen(caller: &mut Caller) -> (Events, Value) {
    if caller.era() == Era::Legacy {
        let id = caller.fresh_id();
        let subscribe = Era::Legacy.request(id, "resources/subscribe", json!({ "uri": WATCHED }));
        let answer = caller.exchange(&subscribe, &mut |_| None);
        assert!(answer[0].get("result").is_some(), "{answer:?}");
        let get = caller.on(Request::new("GET", "/mcp").with("accept", "text/event-stream"));
        let events = caller.open(&get);
        assert_eq!(events.head.status, 200);
        return (events, Value::Null);
    }
    let id = caller.fresh_id();
    let filter = json!({ "notifications": { "resourceSubscriptions": [WATCHED] } });
    let message = Era::Modern.request(id, "subscriptions/listen", filter);
    let mut events = caller.open(&caller.post(&message));
    let acknowledged = caller.next(&mut events);
    assert_eq!(
        acknowledged["method"], "notifications/subscriptions/acknowledged",
        "{acknowledged}"
    );
    (events, message["id"].clone())
}

fn a_change_is_told_while_the_stream_is_idle(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let (mut events, id) = listen(&mut caller);
    for ms in [0, 1, 3, 10, 40] {
        caller.call("touch_later", json!({ "ms": ms }));
        let updated = caller.next(&mut events);
        assert_eq!(
            updated["method"], "notifications/resources/updated",
            "{updated}"
        );
        assert_eq!(updated["params"]["_meta"][SUBSCRIPTION], id, "{updated}");
    }
    if case.era == Era::Modern {
        let listeners = server.service().hub().listeners();
        drop(events);
        eventually("it is gone with its client", || {
            server.service().hub().listeners() < listeners
        });
    }
}

fn a_client_that_leaves_cancels(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let world = server.world();
    // After the head, and before it.
    let request = caller.calling("pend", json!({ "gate": "never" }));
    drop(caller.open(&request));
    eventually("it is given up", || world.seen().dropped == 1);
    let mut link = Link::open(server.address());
    link.write(&request.bytes());
    eventually("it runs", || world.seen().started == 2);
    drop(link);
    eventually("it is given up", || world.seen().dropped == 2);
    caller.works();
}

fn a_reader_that_reads_no_more_loses_its_stream_only(case: &Case) {
    let settings = Settings {
        write_stall: Some(300),
        ..Settings::default()
    };
    let (server, mut caller) = case.http(&settings);
    let mut stalled = Link::open(server.address());
    stalled.wire.shrink(8 << 10);
    // More than the buffers of the system hold for a client that takes little.
    let large = caller.calling("large", json!({ "bytes": 8 << 20 }));
    stalled.write(&large.bytes());
    let (mut good, _) = listen(&mut caller);
    let until = std::time::Instant::now() + crate::driver::wire::PATIENCE;
    let mut piece = [0; 1024];
    // It reads a little, and then no more.
    assert!(
        stalled
            .wire
            .read_within(crate::driver::wire::PATIENCE, &mut piece)
            > Some(0)
    );
    loop {
        caller.works();
        // A closed connection takes no more requests.
        if stalled.wire.write(b"G").is_err() {
            break;
        }
        assert!(std::time::Instant::now() < until, "it is still connected");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    caller.call("touch_later", json!({ "ms": 0 }));
    let updated = caller.next(&mut good);
    assert_eq!(updated["params"]["uri"], WATCHED, "{updated}");
}

fn a_client_that_leaves_finds_its_answer(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let world = server.world();
    let message = caller.message("pend", json!({ "gate": "slow" }));
    caller.note(&message);
    let mut events = caller.open(&caller.post(&message));
    let last = events
        .event()
        .expect("a first event")
        .id
        .expect("an id to come back with");
    drop(events);
    caller.works();
    assert_eq!(world.seen().dropped, 0, "its end was taken for a cancel");
    caller.call("open", json!({ "gate": "slow" }));
    eventually("it goes on by itself", || world.seen().finished == 1);
    let get = caller.on(Request::new("GET", "/mcp").with("accept", "text/event-stream"));
    let mut again = caller.open(&get.with("last-event-id", &last));
    let answer = caller.next(&mut again);
    assert_eq!(
        (text(&answer), &answer["id"]),
        ("let through", &message["id"])
    );
}

fn a_cancel_ends_a_call(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let world = server.world();
    let message = caller.message("pend", json!({ "gate": "never" }));
    let mut events = caller.open(&caller.post(&message));
    caller.tell(&cancel(message["id"].clone()));
    let rest = caller.rest(&mut events);
    assert!(
        rest.iter().all(|message| message.get("result").is_none()),
        "{rest:?}"
    );
    assert_eq!((world.seen().dropped, world.seen().finished), (1, 0));
}

fn a_session_that_was_deleted_is_gone(case: &Case) {
    let (_server, mut caller) = case.http(&Settings::default());
    let delete = caller.on(Request::new("DELETE", "/mcp"));
    let answer = caller.send(&delete);
    assert!((200..300).contains(&answer.status), "{}", answer.status);
    let request = caller.calling("echo", json!({ "text": "x" }));
    assert_eq!(caller.send(&request).status, 404);
    assert_eq!(caller.send(&request.without("mcp-session-id")).status, 400);
    let get = caller.on(Request::new("GET", "/mcp").with("accept", "text/event-stream"));
    assert_eq!(caller.send(&get).status, 404);
}
