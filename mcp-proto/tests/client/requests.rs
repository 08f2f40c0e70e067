//! Requests, their answers, and what is said about them meanwhile.

use mcp_proto::client::{
    ClientConfig, ClientEvent, Invalid, Outcome, Refused, RequestOptions, Violation,
};
use mcp_proto::id::RequestId;
use mcp_proto::json::MalformedKind;
use mcp_proto::outbox::Outbox;
use mcp_types::{ClientCapabilities, LoggingLevel, Revision};
use serde_json::{Value, json};

use super::rig::{Rig, ended, profile, progress, result, tagged, violation};

#[test]
fn a_modern_request_carries_version_identity_and_capabilities() {
    let mut rig = Rig::new();
    let options = RequestOptions::default()
        .progress()
        .log_level(LoggingLevel::Warning);
    let id = rig
        .client
        .request(
            rig.now,
            "tools/call",
            " {\"name\":\"a\",\n\"arguments\":{}} ",
            "t",
            options,
            &mut rig.out,
        )
        .unwrap();
    assert_eq!(
        rig.written(),
        [
            json!({"jsonrpc":"2.0","id":id.wire(),"method":"tools/call","params":{
            "name":"a","arguments":{},"_meta":{
                "io.modelcontextprotocol/protocolVersion":"2026-07-28",
                "io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},
                "io.modelcontextprotocol/clientCapabilities":{},
                "io.modelcontextprotocol/logLevel":"warning",
                "progressToken":id.wire()}}})
        ]
    );
}

#[test]
fn a_legacy_request_carries_at_most_a_progress_token() {
    let mut rig = Rig::legacy();
    let id = rig.send("tools/list", "t");
    rig.send_with("prompts/list", "u", RequestOptions::default());
    let written = rig.written();
    assert_eq!(
        written[0]["params"],
        json!({"_meta":{"progressToken":id.wire()}})
    );
    assert_eq!(written[1]["params"], json!({}));
    let params = ClientConfig::compile(profile()).initialize_params(Revision::V2025_03_26);
    assert_eq!(
        serde_json::from_str::<Value>(&params).unwrap(),
        json!({"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"c","version":"1"}})
    );
}

#[test]
fn answers_find_their_requests_in_any_order_at_any_chunk_size() {
    for chunk in 1..120 {
        let mut rig = Rig::new();
        rig.chunk = chunk;
        let (a, b) = (rig.send("tools/list", "a"), rig.send("prompts/list", "b"));
        assert_eq!(
            ended(&rig.hear(&result(b, json!({"resultType":"complete","x":1})))),
            (
                "b",
                Outcome::Complete(r#"{"resultType":"complete","x":1}"#.into())
            )
        );
        let events = rig.hear(&json!({"jsonrpc":"2.0","id":a.wire(),
            "error":{"code":-32602,"message":"n\u{e4}","data":[1]}}));
        let ("a", Outcome::Error(error)) = ended(&events) else {
            panic!("{events:?}")
        };
        assert_eq!(
            (error.code(), &*error.message(), error.data()),
            (-32602, "n\u{e4}", Some("[1]"))
        );
        assert_eq!(rig.client.in_flight(), 0);
        assert_eq!(rig.client.poll_timeout(), None);
    }
}

#[test]
fn a_second_answer_is_nobodys() {
    let mut rig = Rig::new();
    let id = rig.send("tools/list", "a");
    let answer = result(id, json!({}));
    assert_eq!(ended(&rig.hear(&answer)).0, "a");
    assert_eq!(violation(&rig.hear(&answer)), Violation::UnknownResponse);
    let next = rig.send("tools/list", "b");
    assert_eq!(
        next.wire() % 65536,
        id.wire() % 65536,
        "the slot is used again"
    );
    assert_eq!(violation(&rig.hear(&answer)), Violation::UnknownResponse);
    for id in [
        json!(0),
        json!("x"),
        json!(-1),
        json!(next.wire().to_string()),
    ] {
        let stray = json!({"jsonrpc":"2.0","id":id,"result":{}});
        assert_eq!(
            violation(&rig.hear(&stray)),
            Violation::UnknownResponse,
            "{id}"
        );
    }
    assert_eq!(ended(&rig.hear(&result(next, json!({})))).0, "b");
}

#[test]
fn ids_as_strings_are_a_tolerance() {
    let mut profile = profile();
    profile.string_ids = true;
    let mut rig = Rig::with(profile);
    let id = rig.send("tools/list", "a");
    for stray in [format!("+{}", id.wire()), format!("0{}", id.wire())] {
        let stray = json!({"jsonrpc":"2.0","id":stray,"result":{}});
        assert_eq!(violation(&rig.hear(&stray)), Violation::UnknownResponse);
    }
    let answer = json!({"jsonrpc":"2.0","id":id.wire().to_string(),"result":{}});
    assert_eq!(ended(&rig.hear(&answer)).0, "a");
}

#[test]
fn refusals_give_the_token_back() {
    let mut profile = profile();
    profile.limits.max_requests = 1;
    profile.limits.max_frame_out = 2000;
    let mut rig = Rig::with(profile);
    let options = RequestOptions::default();
    let ask = |rig: &mut Rig, params: &str| {
        let result = rig
            .client
            .request(rig.now, "tools/list", params, "t", options, &mut rig.out);
        result.inspect_err(|refused| assert_eq!(refused.into_token(), "t"))
    };
    assert_eq!(ask(&mut rig, "[]"), Err(Refused::Params("t")));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2000));
    assert_eq!(ask(&mut rig, &long), Err(Refused::TooLong("t")));
    assert!(rig.written().is_empty());
    let id = ask(&mut rig, "").unwrap();
    assert_eq!(ask(&mut rig, "{}"), Err(Refused::AtCapacity("t")));
    rig.hear(&result(id, json!({})));
    rig.out = Outbox::new(1);
    ask(&mut rig, "{}").map(|_| ()).unwrap();
    let id = RequestId::from_wire(2 << 16).unwrap();
    assert_eq!(
        rig.client.token(id),
        Some(&"t"),
        "the slot's second generation"
    );
    rig.hear(&result(id, json!({})));
    assert_eq!(ask(&mut rig, "{}"), Err(Refused::OutboxFull("t")));
    rig.client.end_of_input();
    assert_eq!(ask(&mut rig, "{}"), Err(Refused::Closed("t")));
}

#[test]
fn answers_that_break_the_rules_fail_their_request_at_once() {
    let rows = [
        (
            "tools/list",
            json!({"result":{},"error":{"code":1,"message":""}}),
            Invalid::Message(MalformedKind::ResultAndError),
        ),
        (
            "tools/list",
            json!({}),
            Invalid::Message(MalformedKind::NoMethodNoResult),
        ),
        (
            "tools/list",
            json!({"error":{"code":"1","message":""}}),
            Invalid::Message(MalformedKind::ErrorShape),
        ),
        (
            "tools/list",
            json!({"error":null}),
            Invalid::Message(MalformedKind::ErrorShape),
        ),
        (
            "tools/list",
            json!({"result":{},"jsonrpc":"1.0"}),
            Invalid::Message(MalformedKind::Version),
        ),
        ("tools/list", json!({"result":[]}), Invalid::NotAnObject),
        ("tools/list", json!({"result":null}), Invalid::NotAnObject),
        (
            "tools/call",
            json!({"result":{"resultType":"odd"}}),
            Invalid::ResultType,
        ),
        (
            "tools/call",
            json!({"result":{"resultType":"task"}}),
            Invalid::ResultType,
        ),
        (
            "tools/call",
            json!({"result":{"resultType":1}}),
            Invalid::ResultType,
        ),
        (
            "tools/call",
            json!({"result":{"resultType":"input_required"}}),
            Invalid::NothingToAnswer,
        ),
        (
            "tools/list",
            json!({"result":{"resultType":"input_required","requestState":"s"}}),
            Invalid::InputNotAllowed,
        ),
        (
            "subscriptions/listen",
            json!({"result":{}}),
            Invalid::Unacknowledged,
        ),
    ];
    let mut rig = Rig::new();
    for (method, mut answer, expected) in rows {
        let id = rig.send(method, "t");
        answer["id"] = json!(id.wire());
        if answer.get("jsonrpc").is_none() {
            answer["jsonrpc"] = json!("2.0");
        }
        assert_eq!(
            ended(&rig.hear(&answer)),
            ("t", Outcome::Invalid(expected)),
            "{answer}"
        );
    }
    let id = rig.send("tools/call", "t");
    let line = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}},oops",
        id.wire()
    );
    assert_eq!(
        ended(&rig.hear_line(&line)).1,
        Outcome::Invalid(Invalid::Message(MalformedKind::Syntax))
    );
    let id = rig.send("tools/call", "t");
    let ask = json!({"resultType":"input_required","requestState":"s"});
    assert!(matches!(
        ended(&rig.hear(&result(id, ask))).1,
        Outcome::InputRequired(_)
    ));
    assert_eq!(rig.client.in_flight(), 0);
}

#[test]
fn an_extension_result_needs_the_declared_extension() {
    let mut profile = profile();
    profile.capabilities = serde_json::from_str::<ClientCapabilities>(
        r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#,
    )
    .unwrap();
    let mut rig = Rig::with(profile);
    let id = rig.send("tools/call", "t");
    let events = rig.hear(&result(id, json!({"resultType":"task","taskId":"1"})));
    assert!(matches!(ended(&events).1, Outcome::Task(_)));
}

#[test]
fn result_types_mean_nothing_to_a_legacy_client() {
    let mut rig = Rig::legacy();
    let id = rig.send("tools/call", "t");
    let events = rig.hear(&result(id, json!({"resultType":"odd"})));
    assert!(matches!(ended(&events).1, Outcome::Complete(_)));
}

#[test]
fn progress_needs_to_have_been_asked_for() {
    let mut rig = Rig::new();
    let quiet = rig.send_with("tools/call", "q", RequestOptions::default());
    let loud = rig.send("tools/call", "l");
    assert_eq!(
        violation(&rig.hear(&progress(quiet, 1.0))),
        Violation::UnknownProgress
    );
    for (token, value) in [
        (json!("x"), json!(1)),
        (json!(loud.wire().to_string()), json!(1)),
        (json!(loud.wire()), json!("1")),
        (json!(loud.wire()), json!(null)),
    ] {
        let message = json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":token,"progress":value}});
        assert_eq!(
            violation(&rig.hear(&message)),
            Violation::UnknownProgress,
            "{message}"
        );
    }
    let mut full = progress(loud, 0.5);
    full["params"]["total"] = json!(2);
    full["params"]["message"] = json!("half \n way");
    let events = rig.hear(&full);
    let [ClientEvent::Progress { progress, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (
            progress.progress,
            progress.total,
            progress.message.as_deref()
        ),
        (0.5, Some(2.0), Some("half \n way"))
    );
}

#[test]
fn subscriptions_are_told_apart_by_their_ids() {
    let mut rig = Rig::new();
    let a = rig.send_with("subscriptions/listen", "a", RequestOptions::UNLIMITED);
    let b = rig.send_with("subscriptions/listen", "b", RequestOptions::UNLIMITED);
    let call = rig.send("tools/call", "c");
    let grant = |kinds: Value| json!({"notifications":kinds});
    assert_eq!(
        violation(&rig.hear(&tagged("tools/list_changed", a, json!({})))),
        Violation::BeforeAcknowledgment
    );
    for (id, kinds) in [
        (b, json!({"resourceSubscriptions":["a://1"]})),
        (a, json!({"toolsListChanged":true})),
    ] {
        let events = rig.hear(&tagged("subscriptions/acknowledged", id, grant(kinds)));
        assert!(
            matches!(&events[..], [ClientEvent::Acknowledged { id: of, .. }] if *of == id),
            "{events:?}"
        );
    }
    let ack = tagged("subscriptions/acknowledged", a, grant(json!({})));
    assert_eq!(violation(&rig.hear(&ack)), Violation::AcknowledgedTwice);
    let of = |events: &[ClientEvent<&'static str>]| match events {
        [ClientEvent::Changed { id, .. }] => *id,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        of(&rig.hear(&tagged("tools/list_changed", a, json!({})))),
        a
    );
    let update = |id| tagged("resources/updated", id, json!({"uri":"a://1"}));
    assert_eq!(of(&rig.hear(&update(b))), b);
    assert_eq!(violation(&rig.hear(&update(a))), Violation::NotGranted);
    assert_eq!(
        violation(&rig.hear(&update(call))),
        Violation::UnknownSubscription
    );
    let mut foreign = update(a);
    foreign["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] = json!("a");
    assert_eq!(
        violation(&rig.hear(&foreign)),
        Violation::UnknownSubscription
    );
    let untagged = json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"});
    assert_eq!(violation(&rig.hear(&untagged)), Violation::Untagged);

    assert!(matches!(
        ended(&rig.hear(&result(a, json!({"resultType":"complete"})))).1,
        Outcome::Complete(_)
    ));
    assert!(
        rig.hear(&tagged("tools/list_changed", a, json!({})))
            .is_empty(),
        "late"
    );
    let notice = |id: RequestId| json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":id.wire()}});
    assert!(rig.hear(&notice(a)).is_empty(), "both ways to end are one");
    assert_eq!(ended(&rig.hear(&notice(b))), ("b", Outcome::Withdrawn));
    assert!(
        rig.hear(&result(b, json!({"resultType":"complete"})))
            .is_empty()
    );
    assert_eq!(
        violation(&rig.hear(&notice(call))),
        Violation::ForeignCancellation
    );
    assert_eq!(rig.client.in_flight(), 1);
}

#[test]
fn a_client_can_fall_back_to_the_older_era_on_one_stream() {
    let mut rig = Rig::new();
    let probe = rig.send("server/discover", "probe");
    let events = rig.hear(&json!({"jsonrpc":"2.0","id":probe.wire(),
        "error":{"code":-32601,"message":"Method not found"}}));
    assert!(matches!(ended(&events).1, Outcome::Error(_)));
    rig.client.speak(Revision::V2025_06_18);
    let id = rig.send("initialize", "init");
    rig.hear(&result(id, json!({"protocolVersion":"2025-06-18"})));
    rig.client
        .notify("notifications/initialized", "", &mut rig.out)
        .unwrap();
    let written = rig.written();
    assert!(written[0]["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_string());
    assert!(written[1]["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_null());
    assert_eq!(
        written[2],
        json!({"jsonrpc":"2.0","method":"notifications/initialized"})
    );
    let changed = json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"});
    assert!(matches!(
        rig.hear(&changed)[..],
        [ClientEvent::Notified { .. }]
    ));
}
