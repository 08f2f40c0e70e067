//! Batches on a byte stream: only 2025-03-26 has them, and what answers one goes out together.
#![allow(clippy::disallowed_types, reason = "tests compare trees")]

mod common;

use bytes::Bytes;
use common::{META, Rig, call, modern, profile};
use mcp_proto::error::WireError;
use mcp_proto::id::CallId;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{CancelledBy, LinkEvent, Step};
use serde_json::{Value, json};

/// A stream on which 2025-03-26 was agreed on.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.initialize("2025-03-26", "{\"roots\":{}}");
    rig
}

fn list(id: u64) -> Value {
    json!({"jsonrpc":"2.0","id":id,"method":"tools/list"})
}

fn ping(id: u64) -> Value {
    json!({"jsonrpc":"2.0","id":id,"method":"ping"})
}

fn cancel(id: u64) -> Value {
    json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":id}})
}

fn note() -> Value {
    json!({"jsonrpc":"2.0","method":"notifications/roots/list_changed"})
}

fn calls(events: &[LinkEvent]) -> Vec<CallId> {
    let call = |event: &LinkEvent| match event {
        LinkEvent::Call { id, .. } => Some(*id),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

/// Answers and errors of a batch by id.
fn short(answer: &Value) -> Vec<String> {
    let members = answer.as_array().unwrap_or_else(|| panic!("{answer}"));
    members
        .iter()
        .map(|m| match m["error"]["code"].as_i64() {
            Some(code) => format!("{} {code}", m["id"]),
            None => m["id"].to_string(),
        })
        .collect()
}

impl Rig {
    fn batch(&mut self, members: &Value) -> Vec<LinkEvent> {
        self.say(&members.to_string())
    }

    fn respond(&mut self, id: CallId) {
        let reply = Reply::complete(Payload::Slice(b"{\"tools\":[]}"));
        self.link.respond(id, &reply, &mut self.out).unwrap();
    }
}

#[test]
fn the_answers_go_out_together_once_all_are_there_however_the_batch_was_cut() {
    let batch =
        json!([ping(1), note(), 7, list(2), {"jsonrpc":"2.0","id":3,"method":"nope"}, list(4), []])
            .to_string();
    let line = format!("{batch}\n");
    for cut in 0..=line.len() {
        let mut rig = rig();
        rig.conversation.note(&batch);
        rig.input.extend_from_slice(&line.as_bytes()[..cut]);
        let mut events = rig.events();
        rig.input.extend_from_slice(&line.as_bytes()[cut..]);
        events.extend(rig.events());
        assert!(
            matches!(
                events[..],
                [
                    LinkEvent::Notified { .. },
                    LinkEvent::Call { .. },
                    LinkEvent::Call { .. }
                ]
            ),
            "{cut}: {events:?}"
        );
        let calls = calls(&events);
        rig.respond(calls[1]);
        assert!(rig.written().is_empty(), "{cut}: one is missing");
        rig.respond(calls[0]);
        assert_eq!(
            short(&rig.answer()),
            ["1", "null -32600", "3 -32601", "null -32600", "4", "2"],
            "{cut}"
        );
        assert_eq!(rig.link.in_flight(), 0);
    }
}

#[test]
fn a_batch_that_needs_nobody_is_answered_at_once() {
    let mut rig = rig();
    assert!(rig.batch(&json!([ping(1), ping(2)])).is_empty());
    assert_eq!(short(&rig.answer()), ["1", "2"]);
    assert!(rig.say(" [ 1 ]\r").is_empty());
    assert_eq!(short(&rig.answer()), ["null -32600"]);
}

#[test]
fn notifications_and_responses_are_answered_by_nothing() {
    let mut rig = rig();
    let waiting = call(&rig.say(&list(1).to_string()));
    let asked = rig
        .link
        .request(rig.now, waiting, "roots/list", "{}", &mut rig.out)
        .unwrap();
    let question = rig.answer()["id"].clone();
    let events = rig.batch(&json!([
        note(),
        {"jsonrpc":"2.0","id":question,"result":{"roots":[]}},
        {"jsonrpc":"2.0","id":77,"result":{}},
        note(),
    ]));
    assert!(
        matches!(&events[..], [
            LinkEvent::Notified { .. },
            LinkEvent::Answered { request, outcome: Ok(_), .. },
            LinkEvent::Notified { .. },
        ] if *request == asked),
        "{events:?}"
    );
    assert!(rig.written().is_empty());
    rig.respond(waiting);
    assert_eq!(
        rig.answer()["id"],
        1,
        "a request of its own has an answer of its own"
    );
}

#[test]
fn what_is_cancelled_has_no_answer_and_holds_up_none() {
    let mut rig = rig();
    // From outside, the last that others wait for.
    let ids = calls(&rig.batch(&json!([list(1), ping(2), list(3)])));
    rig.respond(ids[0]);
    let events = rig.say(&cancel(3).to_string());
    assert!(
        matches!(events[..], [LinkEvent::Cancelled { id, by: CancelledBy::Peer }] if id == ids[1])
    );
    assert_eq!(short(&rig.answer()), ["2", "1"]);
    // From the same batch, and from another one.
    let events = rig.batch(&json!([list(4), cancel(4), ping(5), list(6)]));
    assert!(matches!(
        events[..],
        [
            LinkEvent::Call { .. },
            LinkEvent::Cancelled { .. },
            LinkEvent::Call { .. }
        ]
    ));
    assert!(rig.written().is_empty());
    rig.batch(&json!([cancel(6)]));
    assert_eq!(short(&rig.answer()), ["5"]);
    // Nothing is left to say: no empty array.
    rig.batch(&json!([list(7), list(8), cancel(8)]));
    rig.batch(&json!([cancel(7)]));
    assert!(rig.written().is_empty());
    assert_eq!(rig.link.in_flight(), 0);
}

#[test]
fn batches_wait_each_for_its_own() {
    let mut rig = rig();
    let first = calls(&rig.batch(&json!([list(1), list(2)])));
    let second = calls(&rig.batch(&json!([list(3), ping(4)])));
    let alone = call(&rig.say(&list(5).to_string()));
    rig.respond(first[1]);
    rig.respond(alone);
    assert_eq!(rig.answer()["id"], 5);
    rig.respond(second[0]);
    assert_eq!(short(&rig.answer()), ["4", "3"]);
    let error = WireError::new(-32002, "gone");
    rig.link.fail(first[0], &error, &mut rig.out).unwrap();
    assert_eq!(short(&rig.answer()), ["2", "1 -32002"]);
}

#[test]
fn progress_and_questions_of_a_member_do_not_wait() {
    let mut rig = rig();
    let mut request = list(1);
    request["params"] = json!({"_meta":{"progressToken":"t"}});
    let id = calls(&rig.batch(&json!([request, list(2)])))[0];
    let progress = mcp_proto::server::Progress {
        progress: 1.0,
        total: None,
        message: None,
    };
    rig.link
        .progress(rig.now, id, progress, &mut rig.out)
        .unwrap();
    assert_eq!(rig.answer()["method"], "notifications/progress");
    rig.link
        .request(rig.now, id, "roots/list", "{}", &mut rig.out)
        .unwrap();
    assert_eq!(rig.answer()["method"], "roots/list");
    rig.respond(id);
    assert_eq!(
        rig.answer()["method"],
        "notifications/cancelled",
        "the question is void although the answer waits"
    );
}

#[test]
fn neither_a_handshake_nor_a_modern_request_is_a_member() {
    let mut rig = rig();
    let initialize = json!({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}});
    let modern: Value = serde_json::from_str(&modern(2, "tools/list")).unwrap();
    let listen: Value = serde_json::from_str(&format!(
        r#"{{"jsonrpc":"2.0","id":3,"method":"subscriptions/listen","params":{{{META},"notifications":{{}}}}}}"#
    ))
    .unwrap();
    assert!(rig.batch(&json!([initialize, modern, listen])).is_empty());
    assert_eq!(short(&rig.answer()), ["1 -32600", "2 -32600", "3 -32600"]);
    let id = call(&rig.batch(&json!([list(4)])));
    rig.respond(id);
    assert_eq!(short(&rig.answer()), ["4"], "the session is what it was");
}

#[test]
fn elsewhere_a_batch_is_refused_as_one_and_the_stream_lives() {
    for revision in ["", "2024-11-05", "2025-06-18", "2025-11-25"] {
        let mut rig = Rig::new();
        if !revision.is_empty() {
            rig.initialize(revision, "{}");
        }
        assert!(rig.batch(&json!([ping(1), list(2)])).is_empty());
        assert_eq!(rig.code(), -32600, "{revision}");
        assert!(rig.say(&ping(3).to_string()).is_empty());
        assert_eq!(rig.answer()["result"], json!({}), "{revision}");
    }
}

#[test]
fn what_is_no_batch_is_refused_as_one() {
    let mut rig = rig();
    let limit = profile().limits.max_calls;
    let long = format!("[{}1]", "1,".repeat(limit));
    for (text, code) in [
        ("[]", -32600),
        ("[1,]", -32700),
        ("[1", -32700),
        ("[\"\u{1}\"]", -32700),
        (long.as_str(), -32600),
    ] {
        assert!(rig.say(text).is_empty());
        assert_eq!(rig.code(), code, "{text}");
    }
    assert!(rig.batch(&json!([ping(1)])).is_empty());
    assert_eq!(short(&rig.answer()), ["1"]);
}

#[test]
fn a_member_beyond_the_limit_of_calls_is_refused_alone() {
    let mut profile = profile();
    profile.limits.max_calls = 3;
    let mut rig = Rig::with(profile);
    rig.initialize("2025-03-26", "{}");
    let alone = [1, 2].map(|id| call(&rig.say(&list(id).to_string())));
    let id = call(&rig.batch(&json!([list(3), list(4), ping(5)])));
    rig.respond(id);
    assert_eq!(short(&rig.answer()), ["4 -32603", "5", "3"]);
    alone.into_iter().for_each(|id| rig.respond(id));
    assert_eq!(rig.written().len(), 2);
}

#[test]
fn so_many_members_wait_and_no_more_but_what_ends_them_passes() {
    let mut profile = profile();
    profile.limits.max_calls = 4;
    let mut rig = Rig::with(profile);
    rig.initialize("2025-03-26", "{}");
    let ids = calls(&rig.batch(&json!([list(1), ping(2), ping(3)])));
    assert!(rig.batch(&json!([ping(4), ping(5)])).is_empty());
    let refusal = rig.answer();
    assert_eq!(refusal["error"]["code"], -32603, "{refusal}");
    assert_eq!(refusal["error"]["data"]["reason"], "overloaded");
    assert!(rig.batch(&json!([ping(6)])).is_empty(), "one more fits");
    assert_eq!(short(&rig.answer()), ["6"]);
    let events = rig.batch(&json!([note(), note(), cancel(1), note()]));
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(short(&rig.answer()), ["2", "3"]);
    assert!(
        rig.link
            .respond(
                ids[0],
                &Reply::complete(Payload::Slice(b"{}")),
                &mut rig.out
            )
            .is_err()
    );
}

#[test]
fn results_that_wait_are_together_no_longer_than_one_message() {
    let mut profile = profile();
    profile.limits.max_frame_out = 20_000;
    let mut rig = Rig::with(profile);
    rig.initialize("2025-03-26", "{}");
    let first = calls(&rig.batch(&json!([list(1), list(2), list(3)])));
    let second = calls(&rig.batch(&json!([list(4), list(5)])));
    let tool = json!({"tools":[{"name":"t","description":"x".repeat(8000),"inputSchema":{"type":"object"}}]}).to_string();
    let respond = |rig: &mut Rig, id| {
        let body = Payload::Shared(Bytes::from(tool.clone()));
        rig.link
            .respond(id, &Reply::complete(body), &mut rig.out)
            .unwrap();
    };
    respond(&mut rig, first[0]);
    respond(&mut rig, second[0]);
    respond(&mut rig, first[1]);
    // What has gone out no longer counts.
    rig.respond(second[1]);
    assert_eq!(short(&rig.answer()), ["4", "5"]);
    respond(&mut rig, first[2]);
    assert_eq!(short(&rig.answer()), ["1", "2 -32603", "3"]);
}

#[test]
fn a_full_outbox_stops_the_reading_of_a_batch_but_none_of_its_answers() {
    let mut rig = rig();
    rig.out = Outbox::new(10);
    let line = format!("{}\n", json!([list(1), note(), list(2), ping(3)]));
    rig.conversation.note(line.trim());
    rig.input.extend_from_slice(line.as_bytes());
    let Step::Event(LinkEvent::Call { id, .. }) =
        rig.link.next(rig.now, &mut rig.input, &mut rig.out)
    else {
        panic!("the first member is a call")
    };
    rig.link
        .request(rig.now, id, "roots/list", "{}", &mut rig.out)
        .unwrap();
    assert!(matches!(
        rig.link.next(rig.now, &mut rig.input, &mut rig.out),
        Step::NeedFlush
    ));
    rig.respond(id);
    let written: Vec<Value> = rig.written();
    assert_eq!(
        [&written[0]["method"], &written[1]["method"]],
        ["roots/list", "notifications/cancelled"],
        "the array waits for the rest: {written:?}"
    );
    let id = calls(&rig.events())[0];
    rig.respond(id);
    assert_eq!(short(&rig.answer()), ["1", "3", "2"]);
}

#[test]
fn a_batch_ends_with_the_patience_and_says_what_it_has() {
    let mut profile = profile();
    profile.limits.violations = 2;
    let mut rig = Rig::with(profile);
    rig.initialize("2025-03-26", "{}");
    let events = rig.batch(&json!([ping(1), list(2), 0, 0, 0, 0, 0, list(3)]));
    let [
        LinkEvent::Call { id, .. },
        LinkEvent::Closed { misbehaved: true },
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    assert!(rig.written().is_empty());
    rig.respond(id);
    let answer = rig.answer();
    assert_eq!(short(&answer).first().map(String::as_str), Some("1"));
    assert_eq!(short(&answer).last().map(String::as_str), Some("2"));
    assert!(
        !short(&answer).contains(&"3".to_owned()),
        "never read: {answer}"
    );
}

#[test]
fn the_end_of_the_input_leaves_a_batch_its_answers() {
    let mut rig = rig();
    let line = json!([list(1), ping(2)]).to_string();
    rig.conversation.note(&line);
    // The last line has no ending.
    rig.input.extend_from_slice(line.as_bytes());
    rig.link.end_of_input();
    let events = rig.events();
    let id = calls(&events)[0];
    assert!(matches!(
        events.last(),
        Some(LinkEvent::Closed { misbehaved: false })
    ));
    rig.respond(id);
    assert_eq!(short(&rig.answer()), ["2", "1"]);
}

#[test]
fn a_new_handshake_waits_for_the_batches() {
    let mut rig = rig();
    let id = call(&rig.batch(&json!([list(1)])));
    rig.say(r#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#);
    assert_eq!(rig.code(), -32600);
    rig.respond(id);
    assert_eq!(short(&rig.answer()), ["1"]);
    rig.initialize("2025-11-25", "{}");
    assert!(rig.batch(&json!([ping(3)])).is_empty());
    assert_eq!(rig.code(), -32600);
}
