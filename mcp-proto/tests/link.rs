//! What a byte-stream link says, in both eras. Virtual time, scripted bytes.
#![allow(clippy::disallowed_types, reason = "tests compare trees")]

mod common;

use bytes::BytesMut;
use common::{META, Rig, call, modern};
use mcp_proto::config::RevisionSet;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{CancelledBy, Change, LinkEvent, Progress, Refused, Step};
use mcp_proto::time::{Instant, Wakeup, Why};
use mcp_types::{LoggingLevel, Revision};
use serde_json::json;
use std::time::Duration;

/// The answer to `tools/list` of a server without tools.
fn no_tools() -> Reply<'static> {
    Reply::complete(Payload::Slice(b"{\"tools\":[]}"))
}

#[test]
fn a_modern_call_is_answered_with_type_and_identity() {
    let mut rig = Rig::new();
    let id = call(&rig.say(&modern(1, "tools/list")));
    rig.link
        .respond(
            id,
            &Reply::complete(Payload::Slice(b"{\"tools\":[]}")),
            &mut rig.out,
        )
        .unwrap();
    let answer = rig.answer();
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["result"]["resultType"], "complete");
    assert_eq!(
        answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "test"
    );
    assert!(
        rig.link.respond(id, &no_tools(), &mut rig.out).is_err(),
        "a handle is good for one answer"
    );
    assert!(rig.written().is_empty());
}

#[test]
fn discovery_names_every_revision_and_creates_no_session() {
    let mut rig = Rig::new();
    assert!(rig.say(&modern(1, "server/discover")).is_empty());
    let result = rig.answer()["result"].take();
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
    assert_eq!(result["cacheScope"], "public");
    assert_eq!(rig.link.in_flight(), 0);
    rig.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    assert_eq!(rig.code(), -32602, "no handshake was done by the probe");
}

#[test]
fn errors_follow_the_order_of_judgement() {
    let caps = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
    let version = |v: &str| format!(r#""io.modelcontextprotocol/protocolVersion":{v}"#);
    let rows = [
        ("not json", -32700),
        ("[]", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (
            &format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"nope","params":{{"_meta":{{{caps}}}}}}}"#
            ),
            -32602,
        ),
        (
            &format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"nope","params":{{"_meta":{{{}}}}}}}"#,
                version("\"2026-07-28\"")
            ),
            -32602,
        ),
        (
            &format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"nope","params":{{"_meta":{{{},{caps}}}}}}}"#,
                version("\"1900-01-01\"")
            ),
            -32022,
        ),
        (
            &format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{},{caps}}}}}}}"#,
                version("\"2025-11-25\"")
            ),
            -32022,
        ),
        (
            &format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{},{caps}}}}}}}"#,
                version("7")
            ),
            -32602,
        ),
        (&modern(1, "nope"), -32601),
        (&modern(1, "ping"), -32601),
        (&modern(1, "initialize"), -32601),
        (&modern(1, "logging/setLevel"), -32601),
        (&modern(1, "completion/complete"), -32601),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#,
            -32602,
        ),
    ];
    let mut rig = Rig::new();
    for (line, code) in rows {
        assert!(rig.say(line).is_empty(), "{line}");
        let answer = rig.answer();
        assert_eq!(answer["error"]["code"], code, "{line}\n{answer}");
    }
    assert_eq!(
        call(&rig.say(&modern(2, "tools/list"))),
        call_again(&mut rig)
    );
}

/// The link still works after every refusal: the same slot is given to the next call.
fn call_again(rig: &mut Rig) -> mcp_proto::id::CallId {
    let events =
        rig.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#);
    let [
        LinkEvent::Cancelled {
            id,
            by: CancelledBy::Peer,
        },
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    id
}

#[test]
fn an_unsupported_version_is_answered_with_what_is_supported() {
    let mut rig = Rig::new();
    rig.say(&modern(1, "server/discover").replace("2026-07-28", "v999"));
    let error = rig.answer()["error"].take();
    assert_eq!(error["data"]["requested"], "v999");
    assert_eq!(error["data"]["supported"][0], "2026-07-28");
}

#[test]
fn a_server_of_one_era_says_so() {
    let mut modern_only = common::profile();
    modern_only.revisions = RevisionSet::of([Revision::V2026_07_28]);
    let mut rig = Rig::with(modern_only);
    rig.say(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#);
    let error = rig.answer()["error"].take();
    assert!(
        error["message"].as_str().unwrap().contains("2026-07-28"),
        "{error}"
    );

    let mut legacy_only = common::profile();
    legacy_only.revisions = RevisionSet::of([Revision::V2025_06_18]);
    let mut rig = Rig::with(legacy_only);
    rig.say(&modern(1, "server/discover"));
    assert_eq!(
        rig.code(),
        -32601,
        "not a modern error, so that a client falls back"
    );
    rig.initialize("2025-06-18", "{}");
}

#[test]
fn both_eras_are_served_on_one_stream() {
    let mut rig = Rig::new();
    rig.initialize("2025-11-25", "{}");
    let legacy = call(&rig.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
    let modern_call = call(&rig.say(&modern(2, "tools/list")));
    rig.link
        .respond(modern_call, &no_tools(), &mut rig.out)
        .unwrap();
    rig.link.respond(legacy, &no_tools(), &mut rig.out).unwrap();
    let written = rig.written();
    assert_eq!(written[0]["result"]["resultType"], "complete");
    assert_eq!(
        written[1],
        json!({"jsonrpc":"2.0","id":1,"result":{"tools":[]}})
    );
}

#[test]
fn a_cancelled_call_gets_no_answer() {
    let mut rig = Rig::new();
    let id = call(&rig.say(&modern(7, "tools/list")));
    let events =
        rig.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#);
    assert!(
        matches!(
            events[..],
            [LinkEvent::Cancelled {
                by: CancelledBy::Peer,
                ..
            }]
        ),
        "{events:?}"
    );
    assert!(rig.link.respond(id, &no_tools(), &mut rig.out).is_err());
    assert!(
        rig.link
            .progress(
                rig.now,
                id,
                Progress {
                    progress: 1.0,
                    total: None,
                    message: None
                },
                &mut rig.out
            )
            .is_err()
    );
    for again in ["7", "8", "null", "\"7\"", "{}"] {
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{again}}}}}"#
        );
        assert!(rig.say(&line).is_empty(), "{again}");
    }
    assert!(rig.written().is_empty());
}

#[test]
fn a_second_request_with_the_same_id_is_refused_and_the_first_unaffected() {
    let mut rig = Rig::new();
    let id = call(&rig.say(&modern(1, "tools/list")));
    rig.say(&modern(1, "prompts/list"));
    assert_eq!(rig.code(), -32600);
    rig.link.respond(id, &no_tools(), &mut rig.out).unwrap();
    assert_eq!(rig.answer()["id"], 1);
    call(&rig.say(&modern(1, "tools/list").replace("\"id\":1", "\"id\":\"1\"")));
}

#[test]
fn a_full_table_refuses_but_still_sees_the_cancel_that_frees_a_slot() {
    let mut profile = common::profile();
    profile.limits.max_calls = 2;
    let mut rig = Rig::with(profile);
    rig.say(&modern(1, "tools/list"));
    rig.say(&modern(2, "tools/list"));
    rig.say(&modern(3, "tools/list"));
    assert_eq!(rig.code(), -32603);
    rig.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    call(&rig.say(&modern(4, "tools/list")));
}

#[test]
fn progress_increases_and_the_latest_wins_while_the_outbox_is_full() {
    let mut profile = common::profile();
    profile.limits.max_calls = 4;
    profile.limits.progress_interval = Duration::ZERO;
    let mut rig = Rig::with(profile);
    let line =
        modern(1, "tools/list").replace("\"_meta\":{", "\"_meta\":{\"progressToken\":\"t\",");
    let id = call(&rig.say(&line));
    let report = |n: f64| Progress {
        progress: n,
        total: Some(10.0),
        message: Some("m".into()),
    };
    rig.link
        .progress(rig.now, id, report(1.0), &mut rig.out)
        .unwrap();
    rig.link
        .progress(rig.now, id, report(1.0), &mut rig.out)
        .unwrap();
    rig.link
        .progress(rig.now, id, report(f64::NAN), &mut rig.out)
        .unwrap();
    assert_eq!(
        rig.answer()["params"],
        json!({"progressToken":"t","progress":1,"total":10,"message":"m"})
    );
    rig.out = mcp_proto::outbox::Outbox::new(1);
    rig.link
        .progress(rig.now, id, report(2.0), &mut rig.out)
        .unwrap();
    assert!(matches!(
        rig.link.next(rig.now, &mut BytesMut::new(), &mut rig.out),
        Step::NeedFlush
    ));
    for n in 3..100 {
        rig.link
            .progress(rig.now, id, report(f64::from(n)), &mut rig.out)
            .unwrap();
    }
    assert_eq!(rig.answer()["params"]["progress"], 2);
    assert!(rig.events().is_empty());
    assert_eq!(rig.answer()["params"]["progress"], 99);
    assert!(rig.link.poll_timeout().is_none());
}

fn asked_for_progress(rig: &mut Rig, id: u64) -> mcp_proto::id::CallId {
    let line = modern(id, "tools/list").replace(
        "\"_meta\":{",
        &format!("\"_meta\":{{\"progressToken\":{id},"),
    );
    call(&rig.say(&line))
}

fn tell(rig: &mut Rig, id: mcp_proto::id::CallId, progress: f64) {
    let progress = Progress {
        progress,
        total: None,
        message: None,
    };
    rig.link
        .progress(rig.now, id, progress, &mut rig.out)
        .unwrap();
}

#[test]
fn reports_of_a_call_keep_a_distance_in_time_and_the_latest_is_not_lost() {
    let mut rig = Rig::new();
    let interval = mcp_proto::limits::Limits::default().progress_interval;
    let start = rig.now.instant;
    let (a, b) = (
        asked_for_progress(&mut rig, 1),
        asked_for_progress(&mut rig, 2),
    );
    tell(&mut rig, a, 1.0);
    assert_eq!(rig.answer()["params"]["progress"], 1);
    assert_eq!(rig.link.poll_timeout(), None);
    for n in [2.0, 3.0] {
        rig.now.instant += interval / 4;
        tell(&mut rig, a, n);
        assert!(rig.events().is_empty());
    }
    tell(&mut rig, b, 7.0);
    let other = rig.answer();
    assert_eq!(other["params"]["progressToken"], 2, "each call has its own");
    let due = Wakeup::new(start + interval, Why::Progress);
    assert_eq!(rig.link.poll_timeout(), Some(due));
    rig.now.instant = due.at;
    assert!(rig.events().is_empty());
    assert_eq!(rig.answer()["params"]["progress"], 3, "the latest alone");
    assert_eq!(rig.link.poll_timeout(), None);
    // Of two calls that wait, the earlier one wakes; then the other.
    tell(&mut rig, b, 8.0);
    tell(&mut rig, a, 4.0);
    rig.events();
    let (first, second) = (start + interval / 2 + interval, due.at + interval);
    for (at, token) in [(first, 2), (second, 1)] {
        assert_eq!(
            rig.link.poll_timeout(),
            Some(Wakeup::new(at, Why::Progress))
        );
        rig.now.instant = at;
        rig.events();
        assert_eq!(rig.answer()["params"]["progressToken"], token);
    }
    assert_eq!(rig.link.poll_timeout(), None);
}

#[test]
fn a_report_that_waits_precedes_the_answer_and_dies_with_a_cancel() {
    let mut rig = Rig::new();
    let calls = [1, 2, 3].map(|id| asked_for_progress(&mut rig, id));
    for id in calls {
        tell(&mut rig, id, 1.0);
        tell(&mut rig, id, 2.0);
    }
    assert_eq!(rig.written().len(), 3);
    rig.link
        .respond(calls[0], &no_tools(), &mut rig.out)
        .unwrap();
    let error = mcp_proto::error::WireError::internal("no");
    rig.link.fail(calls[1], &error, &mut rig.out).unwrap();
    let written = rig.written();
    assert_eq!(written.len(), 4);
    for (n, pair) in written.chunks(2).enumerate() {
        assert_eq!(pair[0]["params"]["progress"], 2, "{pair:?}");
        assert_eq!(pair[1]["id"], n + 1);
    }
    assert!(rig.link.poll_timeout().is_some(), "the third one waits");
    rig.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}"#);
    assert_eq!(rig.link.poll_timeout(), None);
    rig.now.instant = Instant::MAX;
    rig.events();
    assert!(rig.written().is_empty());
}

#[test]
fn a_report_whose_time_comes_while_the_outbox_is_full_waits_for_room() {
    let mut rig = Rig::new();
    let id = asked_for_progress(&mut rig, 1);
    tell(&mut rig, id, 1.0);
    tell(&mut rig, id, 2.0);
    rig.out = mcp_proto::outbox::Outbox::new(1);
    rig.out.put(b"\n");
    let due = rig.link.poll_timeout().expect("it waits");
    rig.now.instant = due.at;
    assert!(matches!(
        rig.link.next(rig.now, &mut BytesMut::new(), &mut rig.out),
        Step::NeedFlush
    ));
    assert_eq!(rig.link.poll_timeout(), None, "only a flush helps");
    rig.out.clear();
    rig.events();
    assert_eq!(rig.answer()["params"]["progress"], 2);
}

#[test]
fn without_an_interval_every_report_is_sent() {
    let mut profile = common::profile();
    profile.limits.progress_interval = Duration::ZERO;
    let mut rig = Rig::with(profile);
    let id = asked_for_progress(&mut rig, 1);
    for n in 1..=5 {
        tell(&mut rig, id, f64::from(n));
    }
    assert_eq!(rig.written().len(), 5);
}

#[test]
fn log_messages_need_a_requested_level() {
    let mut rig = Rig::new();
    let silent = call(&rig.say(&modern(1, "tools/list")));
    rig.link
        .log(silent, LoggingLevel::Emergency, None, "1", &mut rig.out)
        .unwrap();
    assert!(rig.written().is_empty());
    let line = modern(2, "tools/list").replace(
        "\"_meta\":{",
        "\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"warning\",",
    );
    let loud = call(&rig.say(&line));
    rig.link
        .log(loud, LoggingLevel::Info, None, "1", &mut rig.out)
        .unwrap();
    rig.link
        .log(
            loud,
            LoggingLevel::Error,
            Some("db"),
            "{\"a\":\n1}",
            &mut rig.out,
        )
        .unwrap();
    assert_eq!(
        rig.answer()["params"],
        json!({"level":"error","logger":"db","data":{"a":1}})
    );
    rig.say(
        &line
            .replace("\"id\":2", "\"id\":3")
            .replace("warning", "loud"),
    );
    assert_eq!(rig.code(), -32602);
}

#[test]
fn a_subscription_acknowledges_first_coalesces_and_ends_gracefully() {
    let mut rig = Rig::new();
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true,"resourceSubscriptions":["a://1","a://2"]}}}}}}"#
    );
    let events = rig.say(&line);
    assert!(
        matches!(&events[..], [LinkEvent::Listening { filter, .. }] if filter.tools && !filter.prompts)
    );
    let ack = rig.answer();
    assert_eq!(ack["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        ack["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        "s"
    );
    assert_eq!(
        ack["params"]["notifications"],
        json!({"toolsListChanged":true,"resourceSubscriptions":["a://1","a://2"]})
    );
    for _ in 0..1000 {
        rig.link.changed(Change::Resource("a://2"));
        rig.link.changed(Change::Resource("a://3"));
        rig.link.changed(Change::Prompts);
        rig.link.changed(Change::Tools);
    }
    assert!(rig.events().is_empty());
    let written = rig.written();
    assert_eq!(written.len(), 2, "{written:?}");
    assert_eq!(written[0]["method"], "notifications/tools/list_changed");
    assert_eq!(written[1]["params"]["uri"], "a://2");
    assert_eq!(
        written[1]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        "s"
    );
    rig.link.drain(&mut rig.out);
    let end = rig.written();
    assert_eq!(end[0]["id"], "s");
    assert_eq!(
        end[0]["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        "s"
    );
    assert_eq!(end[1]["params"]["requestId"], "s");
    rig.say(&modern(1, "tools/list"));
    assert_eq!(rig.code(), -32603, "a draining server refuses");
}

#[test]
fn one_subscription_too_many_is_refused_until_another_ends() {
    let mut profile = common::profile();
    profile.limits.max_listens = 2;
    let mut rig = Rig::with(profile);
    let listen = |id: u64| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true}}}}}}"#
        )
    };
    let cancel = |id: u64| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        )
    };
    // Calls do not count as subscriptions.
    assert!(matches!(
        &rig.say(&modern(9, "tools/list"))[..],
        [LinkEvent::Call { .. }]
    ));
    for round in 0..3 {
        let first = round * 3;
        for id in [first, first + 1] {
            let events = rig.say(&listen(id + 100));
            assert!(matches!(&events[..], [LinkEvent::Listening { .. }]));
            assert!(rig.answer()["method"].is_string());
        }
        assert!(rig.say(&listen(first + 102)).is_empty());
        assert_eq!(rig.code(), -32603);
        for id in [first, first + 1] {
            let events = rig.say(&cancel(id + 100));
            assert!(matches!(&events[..], [LinkEvent::Cancelled { .. }]));
        }
    }
}

#[test]
fn a_cancelled_subscription_is_silent() {
    let mut rig = Rig::new();
    rig.say(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true}}}}}}"#
    ));
    rig.written();
    rig.link.changed(Change::Tools);
    rig.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    rig.link.changed(Change::Tools);
    rig.events();
    // The first change may be written before the cancel is read, as on the wire.
    assert!(rig.written().len() <= 1);
}

#[test]
fn a_legacy_session_subscribes_and_hears_of_changes_untagged() {
    let mut rig = Rig::new();
    rig.initialize("2025-06-18", "{}");
    rig.say(r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a://1"}}"#);
    assert_eq!(rig.answer(), json!({"jsonrpc":"2.0","id":1,"result":{}}));
    rig.link.changed(Change::Resource("a://1"));
    rig.link.changed(Change::Resource("a://2"));
    rig.link.changed(Change::Tools);
    rig.events();
    assert_eq!(
        rig.written(),
        [
            json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"}),
            json!({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://1"}}),
        ]
    );
    rig.say(
        r#"{"jsonrpc":"2.0","id":2,"method":"resources/unsubscribe","params":{"uri":"a://1"}}"#,
    );
    rig.written();
    rig.link.changed(Change::Resource("a://1"));
    rig.events();
    assert!(rig.written().is_empty());
}

#[test]
fn requests_to_a_legacy_client_end_once() {
    let mut rig = Rig::new();
    rig.initialize("2025-11-25", r#"{"roots":{}}"#);
    let id = call(&rig.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
    let first = rig
        .link
        .request(rig.now, id, "roots/list", "{}", &mut rig.out)
        .unwrap();
    let sent = rig.answer();
    assert_eq!(sent["method"], "roots/list");
    let reply = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"roots":[]}}}}"#,
        sent["id"]
    );
    let events = rig.say(&reply);
    assert!(
        matches!(&events[..], [LinkEvent::Answered { request, outcome: Ok(body), .. }]
            if *request == first && &body[..] == b"{\"roots\":[]}"),
        "{events:?}"
    );
    assert!(rig.say(&reply).is_empty(), "a second answer is nobody's");

    let late = rig
        .link
        .request(rig.now, id, "roots/list", "{}", &mut rig.out)
        .unwrap();
    rig.written();
    rig.now.instant = rig.link.poll_timeout().unwrap().at;
    let events = rig.events();
    assert!(
        matches!(events[..], [LinkEvent::Expired { request, .. }] if request == late),
        "{events:?}"
    );
    assert_eq!(rig.answer()["method"], "notifications/cancelled");

    rig.link
        .request(rig.now, id, "roots/list", "{}", &mut rig.out)
        .unwrap();
    rig.written();
    rig.link.respond(id, &no_tools(), &mut rig.out).unwrap();
    let written = rig.written();
    assert_eq!(
        written[1]["method"], "notifications/cancelled",
        "nobody waits any more: {written:?}"
    );
    assert!(rig.link.poll_timeout().is_none());
    rig.now.instant += Duration::from_secs(1 << 20);
    assert!(rig.events().is_empty());
}

#[test]
fn the_end_of_input_ends_subscriptions_and_leaves_calls_answerable() {
    let mut rig = Rig::new();
    let id = call(&rig.say(&modern(1, "tools/list")));
    rig.say(&format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen","params":{{{META},"notifications":{{}}}}}}"#
    ));
    rig.written();
    rig.input
        .extend_from_slice(modern(3, "prompts/list").as_bytes());
    rig.link.end_of_input();
    let events = rig.events();
    assert!(
        matches!(
            &events[..],
            [
                LinkEvent::Call { .. },
                LinkEvent::Cancelled {
                    by: CancelledBy::Disconnect,
                    ..
                },
                LinkEvent::Closed { misbehaved: false }
            ]
        ),
        "the last line needs no newline: {events:?}"
    );
    rig.link.respond(id, &no_tools(), &mut rig.out).unwrap();
    assert_eq!(rig.answer()["id"], 1);
}

#[test]
fn the_end_of_input_ends_what_waits_for_an_answer() {
    let mut rig = Rig::new();
    rig.initialize("2025-11-25", "{}");
    let id = call(&rig.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
    let ask = |rig: &mut Rig| {
        rig.link
            .request(rig.now, id, "roots/list", "{}", &mut rig.out)
    };
    let (answered, lost) = (ask(&mut rig).unwrap(), ask(&mut rig).unwrap());
    rig.written();
    // The answer was on its way.
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
        answered.wire()
    );
    rig.input.extend_from_slice(answer.as_bytes());
    rig.link.end_of_input();
    assert_eq!(ask(&mut rig), Err(Refused::Closed));
    let events = rig.events();
    assert!(
        matches!(
            &events[..],
            [
                LinkEvent::Answered { request: first, .. },
                LinkEvent::Lost { call, request },
                LinkEvent::Closed { .. }
            ] if *first == answered && *call == id && *request == lost
        ),
        "{events:?}"
    );
    assert_eq!(rig.link.poll_timeout(), None);
    rig.link.respond(id, &no_tools(), &mut rig.out).unwrap();
    assert_eq!(rig.answer()["id"], 1, "and no notice to who is gone");
}

#[test]
fn an_oversized_line_is_skipped_and_the_stream_goes_on() {
    let mut profile = common::profile();
    profile.limits.max_message = 1024;
    let mut rig = Rig::with(profile);
    rig.say(&"x".repeat(5000));
    assert_eq!(rig.code(), -32600);
    call(&rig.say(&modern(1, "tools/list")));
}

#[test]
fn a_flood_of_violations_closes_the_link() {
    let mut rig = Rig::new();
    let mut closed = false;
    for _ in 0..100_000 {
        closed = rig
            .say("garbage")
            .iter()
            .any(|e| matches!(e, LinkEvent::Closed { misbehaved: true }));
        if closed {
            break;
        }
    }
    assert!(closed);
    assert!(
        rig.say(&modern(1, "tools/list")).is_empty(),
        "closed is absorbing"
    );
}

#[test]
fn every_chunking_gives_the_same_answers() {
    let script = [
        modern(1, "server/discover"),
        r#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#.into(),
        "garbage".into(),
        r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#.into(),
        String::new(),
    ]
    .join("\r\n");
    let whole = {
        let mut rig = Rig::new();
        rig.conversation.note_lines(&script);
        rig.say(script.trim_end());
        rig.written()
    };
    assert_eq!(whole.len(), 4);
    for size in 1..script.len() {
        let mut rig = Rig::new();
        rig.conversation.note_lines(&script);
        for chunk in script.as_bytes().chunks(size) {
            rig.input.extend_from_slice(chunk);
            rig.events();
        }
        assert_eq!(rig.written(), whole, "chunks of {size}");
    }
}

#[test]
fn a_malformed_answer_still_ends_the_question() {
    for broken in [
        r#"{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":1,"message":"m"}}"#,
        r#"{"jsonrpc":"2.0","id":ID}"#,
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":"one","message":"m"}}"#,
    ] {
        let mut rig = Rig::new();
        rig.initialize("2025-11-25", r#"{"roots":{}}"#);
        let id = call(&rig.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
        let asked = rig
            .link
            .request(rig.now, id, "roots/list", "{}", &mut rig.out)
            .unwrap();
        let sent = rig.answer()["id"].to_string();
        let events = rig.say(&broken.replace("ID", &sent));
        assert!(
            matches!(&events[..], [LinkEvent::Answered { request, outcome: Err(_), .. }] if *request == asked),
            "{broken}: {events:?}"
        );
        assert!(rig.written().is_empty(), "an answer is never answered");
    }
}

#[test]
fn a_progress_token_is_as_short_as_an_id() {
    let mut rig = Rig::new();
    let max = mcp_proto::limits::Limits::default().max_id;
    let asked = |rig: &mut Rig, id: u64, meta: &str, len: usize| {
        let token = "t".repeat(len - 2);
        rig.say(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{"_meta":{{"progressToken":"{token}"{meta}}}}}}}"#
        ))
    };
    let meta = META.strip_prefix("\"_meta\":{").unwrap().strip_suffix('}');
    let modern = format!(",{}", meta.unwrap());
    call(&asked(&mut rig, 1, &modern, max));
    assert!(asked(&mut rig, 2, &modern, max + 1).is_empty());
    assert_eq!(rig.code(), -32602);
    rig.initialize("2025-11-25", "{}");
    call(&asked(&mut rig, 3, "", max));
    assert!(asked(&mut rig, 4, "", max + 1).is_empty());
    assert_eq!(rig.code(), -32602);
}

#[test]
fn nothing_longer_than_the_limit_is_sent() {
    let mut profile = common::profile();
    profile.limits.max_frame_out = 400;
    let mut rig = Rig::with(profile);
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(5000));
    let calls = [1, 2, 3].map(|id| call(&rig.say(&modern(id, "tools/list"))));
    let reply = Reply::complete(Payload::Slice(long.as_bytes()));
    rig.link.respond(calls[0], &reply, &mut rig.out).unwrap();
    let reply = Reply::complete(Payload::Shared(long.clone().into()));
    rig.link.respond(calls[1], &reply, &mut rig.out).unwrap();
    let data = mcp_types::Json::parse(&*long).unwrap();
    let error = mcp_proto::error::WireError::invalid_params("no").with_data(data);
    rig.link.fail(calls[2], &error, &mut rig.out).unwrap();
    for (n, answer) in rig.written().iter().enumerate() {
        assert_eq!(answer["id"], n + 1);
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
    }
    assert_eq!(rig.link.in_flight(), 0);
    rig.initialize("2025-11-25", "{}");
    let id = call(&rig.say(r#"{"jsonrpc":"2.0","id":4,"method":"tools/list"}"#));
    let asked = rig
        .link
        .request(rig.now, id, "roots/list", &long, &mut rig.out);
    assert_eq!(asked, Err(Refused::TooLong));
    assert_eq!(
        rig.link.notify(id, "notifications/x", &long, &mut rig.out),
        Err(Refused::TooLong)
    );
    rig.link
        .log(id, LoggingLevel::Error, None, &long, &mut rig.out)
        .unwrap();
    assert!(rig.written().is_empty());
    rig.link.respond(id, &no_tools(), &mut rig.out).unwrap();
    assert_eq!(rig.answer()["result"], json!({"tools":[]}));
}

#[test]
fn a_server_without_logging_logs_nothing_whatever_a_request_asks_for() {
    let request = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{}}}}}"#,
        META.replace(
            "\"io.modelcontextprotocol/clientCapabilities\"",
            "\"io.modelcontextprotocol/logLevel\":\"debug\",\"io.modelcontextprotocol/clientCapabilities\""
        )
    );
    let mut silent = common::profile();
    silent.capabilities.logging = None;
    for (profile, logs) in [(common::profile(), true), (silent, false)] {
        let mut rig = Rig::with(profile);
        let events = rig.say(&request);
        let [LinkEvent::Call { context, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(context.log_level.is_some(), logs);
    }
}
