//! What a client's byte stream does, in both eras. Virtual time, scripted bytes.
#![allow(clippy::disallowed_types, reason = "tests compare trees")]

use std::time::Duration;

use bytes::{Buf, BytesMut};
use mcp_proto::client::{
    Client, ClientConfig, ClientEvent, ClientProfile, Invalid, Limit, Outcome, Refused,
    RequestOptions, Violation,
};
use mcp_proto::error::WireError;
use mcp_proto::id::RequestId;
use mcp_proto::json::MalformedKind;
use mcp_proto::outbox::Outbox;
use mcp_proto::server::Step;
use mcp_proto::time::{Instant, Now};
use mcp_types::{ClientCapabilities, Implementation, LoggingLevel, Revision};
use mcp_witness::Conversation;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

struct Rig {
    client: Client<&'static str>,
    input: BytesMut,
    out: Outbox,
    now: Now,
    /// Bytes that arrive at once.
    chunk: usize,
    conversation: Conversation,
}

impl Rig {
    fn new() -> Self {
        Self::with(profile())
    }

    fn legacy() -> Self {
        let mut profile = profile();
        profile.revision = Revision::V2025_11_25;
        profile.capabilities = serde_json::from_str::<ClientCapabilities>(
            r#"{"roots":{"listChanged":true},"elicitation":{}}"#,
        )
        .unwrap();
        Self::with(profile)
    }

    fn with(profile: ClientProfile) -> Self {
        let conversation = Conversation::new(profile.revision.as_str());
        Self {
            conversation,
            client: Client::new(ClientConfig::compile(profile).into()),
            input: BytesMut::new(),
            out: Outbox::new(1 << 20),
            now: Now::new(Instant::from_micros(0), 0),
            chunk: usize::MAX,
        }
    }

    fn send(&mut self, method: &str, token: &'static str) -> RequestId {
        let options = RequestOptions::default().progress();
        self.send_with(method, token, options)
    }

    fn send_with(
        &mut self,
        method: &str,
        token: &'static str,
        options: RequestOptions,
    ) -> RequestId {
        self.client
            .request(
                self.now,
                method,
                params_of(method),
                token,
                options,
                &mut self.out,
            )
            .unwrap()
    }

    fn hear(&mut self, message: &Value) -> Vec<ClientEvent<&'static str>> {
        self.conversation.note_server(message);
        self.hear_line(&message.to_string())
    }

    fn hear_line(&mut self, line: &str) -> Vec<ClientEvent<&'static str>> {
        let mut events = Vec::new();
        let line = [line.as_bytes(), b"\n"].concat();
        for piece in line.chunks(self.chunk.min(line.len())) {
            self.input.extend_from_slice(piece);
            events.extend(self.events());
        }
        events
    }

    fn events(&mut self) -> Vec<ClientEvent<&'static str>> {
        let mut events = Vec::new();
        loop {
            match self.client.next(self.now, &mut self.input, &mut self.out) {
                Step::Event(event) => events.push(event),
                Step::NeedInput => return events,
                Step::NeedFlush => panic!("a client never waits for a flush"),
            }
        }
    }

    fn written(&mut self) -> Vec<Value> {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines()
            .map(|line| {
                let message = serde_json::from_str(line).expect(line);
                self.conversation
                    .client(&message)
                    .unwrap_or_else(|error| panic!("{error}"));
                message
            })
            .collect()
    }

    fn wait(&mut self, duration: Duration) -> Vec<ClientEvent<&'static str>> {
        self.now.instant += duration;
        self.events()
    }
}

/// What a request for `method` must have.
fn params_of(method: &str) -> &'static str {
    match method {
        "initialize" => {
            r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#
        }
        "tools/call" => r#"{"name":"t"}"#,
        "subscriptions/listen" => r#"{"notifications":{}}"#,
        _ => "{}",
    }
}

fn profile() -> ClientProfile {
    ClientProfile::new(Implementation::new("c", "1"))
}

fn result(id: RequestId, result: Value) -> Value {
    json!({"jsonrpc":"2.0","id":id.wire(),"result":result})
}

fn progress(id: RequestId, value: f64) -> Value {
    json!({"jsonrpc":"2.0","method":"notifications/progress",
        "params":{"progressToken":id.wire(),"progress":value}})
}

fn tagged(method: &str, id: RequestId, mut params: Value) -> Value {
    params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId":id.wire()});
    json!({"jsonrpc":"2.0","method":format!("notifications/{method}"),"params":params})
}

/// The outcome of the one request that ended.
fn ended(events: &[ClientEvent<&'static str>]) -> (&'static str, Outcome) {
    match events {
        [ClientEvent::Ended { token, outcome, .. }] => (token, outcome.clone()),
        other => panic!("expected one ending: {other:?}"),
    }
}

fn violation(events: &[ClientEvent<&'static str>]) -> Violation {
    match events {
        [ClientEvent::Violation(violation)] => *violation,
        other => panic!("expected one violation: {other:?}"),
    }
}

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
fn a_cancelled_request_gives_its_token_back_and_hears_nothing_more() {
    let mut rig = Rig::new();
    let id = rig.send("tools/list", "a");
    rig.written();
    assert_eq!(
        rig.client.cancel(id, Some("no \"need\""), &mut rig.out),
        Ok("a")
    );
    assert!(rig.client.cancel(id, None, &mut rig.out).is_err());
    assert_eq!(
        rig.written(),
        [json!({"jsonrpc":"2.0","method":"notifications/cancelled",
            "params":{"requestId":id.wire(),"reason":"no \"need\""}})]
    );
    assert!(rig.hear(&progress(id, 1.0)).is_empty());
    assert!(
        rig.hear(&result(id, json!({}))).is_empty(),
        "it crossed the notice"
    );
    assert_eq!(
        violation(&rig.hear(&result(id, json!({})))),
        Violation::UnknownResponse,
        "one answer can be late, not two"
    );
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
fn progress_renews_the_idle_deadline_and_never_the_total() {
    let mut rig = Rig::new();
    let options = RequestOptions::default()
        .deadlines(Some(SECOND * 2), Some(SECOND * 5))
        .progress();
    let id = rig.send_with("tools/call", "t", options);
    let mut value = 0.0;
    for _ in 0..4 {
        assert!(rig.wait(SECOND).is_empty());
        value += 1.0;
        let events = rig.hear(&progress(id, value));
        assert!(
            matches!(&events[..], [ClientEvent::Progress { id: of, progress }]
                if *of == id && progress.progress == value)
        );
    }
    rig.written();
    assert_eq!(
        ended(&rig.wait(SECOND)),
        ("t", Outcome::TimedOut(Limit::Total))
    );
    assert_eq!(
        rig.written()[0]["params"]["requestId"],
        id.wire(),
        "the server is told"
    );

    let id = rig.send_with("tools/call", "u", options);
    rig.hear(&progress(id, 1.0));
    assert_eq!(
        violation(&rig.hear(&progress(id, 1.0))),
        Violation::ProgressNotIncreasing
    );
    assert_eq!(
        ended(&rig.wait(SECOND * 2)),
        ("u", Outcome::TimedOut(Limit::Idle))
    );
}

#[test]
fn the_wake_up_is_never_late_and_never_stands_still() {
    let mut rig = Rig::new();
    let of = |s| RequestOptions::default().deadlines(Some(SECOND * s), None);
    let first = rig.send_with("tools/call", "1", of(1));
    rig.send_with("tools/call", "3", of(3));
    rig.send_with("tools/call", "2", of(2));
    assert_eq!(
        rig.client.poll_timeout().map(|w| w.at),
        Some(rig.now.instant + SECOND)
    );
    rig.client.cancel(first, None, &mut rig.out).unwrap();
    let mut ends = Vec::new();
    let mut last = None;
    while let Some(wakeup) = rig.client.poll_timeout() {
        rig.now.instant = wakeup.at;
        let events = rig.events();
        assert!(
            !events.is_empty() || last < Some(wakeup.at),
            "a wake-up in vain moves the deadline"
        );
        last = Some(wakeup.at);
        ends.extend(events.iter().map(|event| match event {
            ClientEvent::Ended { token, .. } => *token,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(ends, ["2", "3"]);
}

#[test]
fn after_a_jump_of_the_clock_everything_due_ends_earliest_first() {
    let mut rig = Rig::new();
    let of = |s| RequestOptions::default().deadlines(None, Some(SECOND * s));
    for (token, seconds) in [("c", 3), ("a", 1), ("d", 9), ("b", 2)] {
        rig.send_with("tools/call", token, of(seconds));
    }
    let tokens = |events: Vec<ClientEvent<&'static str>>| -> Vec<&'static str> {
        events
            .iter()
            .map(|e| ended(std::slice::from_ref(e)).0)
            .collect()
    };
    let events = rig.wait(SECOND * 5);
    assert_eq!(tokens(events), ["a", "b", "c"]);
    assert_eq!(rig.client.in_flight(), 1);
}

#[test]
fn initialize_is_never_cancelled_on_the_wire() {
    let mut rig = Rig::legacy();
    let options = RequestOptions::default().deadlines(Some(SECOND), None);
    rig.send_with("initialize", "a", options);
    let b = rig.send_with("initialize", "b", RequestOptions::UNLIMITED);
    rig.written();
    assert_eq!(
        ended(&rig.wait(SECOND)),
        ("a", Outcome::TimedOut(Limit::Idle))
    );
    assert_eq!(rig.client.cancel(b, None, &mut rig.out), Ok("b"));
    assert!(rig.written().is_empty());
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
fn stray_lines_are_counted_never_answered_and_forgiven_by_good_messages() {
    let mut profile = profile();
    profile.limits.violations = 3;
    let mut rig = Rig::with(profile);
    for _ in 0..20 {
        assert_eq!(
            violation(&rig.hear_line("INFO starting up")),
            Violation::Malformed(MalformedKind::Syntax)
        );
        let id = rig.send("tools/list", "t");
        rig.hear(&result(id, json!({})));
        rig.written();
    }
    let waiting = rig.send("tools/list", "waits");
    rig.written();
    for _ in 0..3 {
        rig.hear_line("[]");
    }
    let events = rig.hear_line("[]");
    assert!(
        matches!(events[..], [
            ClientEvent::Violation(Violation::Malformed(MalformedKind::Batch)),
            ClientEvent::Ended { id, token: "waits", outcome: Outcome::Lost },
            ClientEvent::Closed { misbehaved: true },
        ] if id == waiting),
        "{events:?}"
    );
    assert!(rig.written().is_empty());
    assert!(rig.hear_line("[]").is_empty());
    assert!(rig.input.is_empty(), "what nobody reads is dropped");
}

#[test]
fn an_oversized_line_is_skipped_and_the_next_one_is_read() {
    let mut profile = profile();
    profile.limits.max_message = 100;
    for chunk in [1, 7, 99, 100, 101, 1000] {
        let mut rig = Rig::with(profile.clone());
        rig.chunk = chunk;
        let id = rig.send("tools/list", "t");
        assert_eq!(
            violation(&rig.hear_line(&"x".repeat(500))),
            Violation::TooLong
        );
        assert_eq!(ended(&rig.hear(&result(id, json!({})))).0, "t");
    }
}

#[test]
fn an_error_without_an_id_is_reported_and_ends_nothing() {
    let mut rig = Rig::new();
    rig.send("tools/list", "t");
    for id in ["", "\"id\":null,"] {
        let line =
            format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32700,"message":"what?"}}}}"#);
        let events = rig.hear_line(&line);
        assert!(matches!(&events[..], [ClientEvent::Unaddressed(error)] if error.code() == -32700));
    }
    assert_eq!(rig.client.in_flight(), 1);
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
fn the_silence_of_a_subscription_can_be_bounded() {
    let mut rig = Rig::new();
    let options = RequestOptions::UNLIMITED.deadlines(Some(SECOND * 2), None);
    let id = rig.send_with("subscriptions/listen", "s", options);
    rig.wait(SECOND);
    rig.hear(&tagged(
        "subscriptions/acknowledged",
        id,
        json!({"notifications":{"toolsListChanged":true}}),
    ));
    rig.wait(SECOND);
    rig.hear(&tagged("tools/list_changed", id, json!({})));
    assert!(rig.wait(SECOND).is_empty());
    assert_eq!(
        ended(&rig.wait(SECOND)),
        ("s", Outcome::TimedOut(Limit::Idle))
    );
}

#[test]
fn a_modern_server_that_asks_is_not_answered() {
    let mut rig = Rig::new();
    let ask = json!({"jsonrpc":"2.0","id":1,"method":"ping"});
    assert_eq!(violation(&rig.hear(&ask)), Violation::RequestInModernEra);
    assert!(rig.written().is_empty());
}

#[test]
fn a_legacy_server_asks_and_is_answered() {
    let mut rig = Rig::legacy();
    let ask = |id: Value, method: &str| json!({"jsonrpc":"2.0","id":id,"method":method});
    assert!(rig.hear(&ask(json!("p"), "ping")).is_empty());
    assert_eq!(
        rig.written(),
        [json!({"jsonrpc":"2.0","id":"p","result":{}})]
    );
    for method in ["sampling/createMessage", "tools/list", "nope"] {
        assert!(rig.hear(&ask(json!(1), method)).is_empty());
        assert_eq!(
            rig.written()[0]["error"]["code"],
            -32601,
            "{method} was not offered"
        );
    }
    let handle = |events: &[ClientEvent<&'static str>]| match events {
        [ClientEvent::Asked { id, .. }] => *id,
        other => panic!("{other:?}"),
    };
    let roots = handle(&rig.hear(&ask(json!(7), "roots/list")));
    let form = handle(&rig.hear(&ask(json!("7"), "elicitation/create")));
    assert_eq!(
        violation(&rig.hear(&ask(json!(7), "roots/list"))),
        Violation::DuplicateRequest
    );
    assert_eq!(rig.written()[0]["error"]["code"], -32600);
    rig.client
        .respond(roots, "{\"roots\":[]}", &mut rig.out)
        .unwrap();
    assert!(rig.client.respond(roots, "{}", &mut rig.out).is_err());
    assert_eq!(
        rig.written(),
        [json!({"jsonrpc":"2.0","id":7,"result":{"roots":[]}})]
    );
    let events = rig.hear(
        &json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}),
    );
    assert!(matches!(events[..], [ClientEvent::Forgotten { id }] if id == form));
    assert!(
        rig.client
            .fail(form, &WireError::internal("x"), &mut rig.out)
            .is_err()
    );
    let again = handle(&rig.hear(&ask(json!("7"), "elicitation/create")));
    rig.client
        .fail(again, &WireError::internal("x"), &mut rig.out)
        .unwrap();
    assert_eq!(rig.written()[0]["error"]["code"], -32603);
    assert_eq!(rig.client.asked_for(), 0);
}

#[test]
fn only_modes_of_elicitation_that_were_declared_are_handed_on() {
    let (form, url) = (
        json!({"message": "?", "requestedSchema": {"type": "object", "properties": {}}}),
        json!({"mode": "url", "message": "?", "url": "https://example.com", "elicitationId": "e"}),
    );
    let mut named = form.clone();
    named["mode"] = json!("form");
    let mut strange = form.clone();
    strange["mode"] = json!("dance");
    for (declared, forms, urls) in [
        (r#"{"elicitation":{}}"#, true, false),
        (r#"{"elicitation":{"url":{}}}"#, false, true),
        (r#"{"elicitation":{"form":{},"url":{}}}"#, true, true),
    ] {
        let mut profile = profile();
        profile.revision = Revision::V2025_11_25;
        profile.capabilities = serde_json::from_str::<ClientCapabilities>(declared).unwrap();
        let mut rig = Rig::with(profile);
        for (id, params, asked) in [
            (1, &form, forms),
            (2, &named, forms),
            (3, &url, urls),
            (4, &strange, false),
        ] {
            let question = json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params});
            let events = rig.hear_line(&question.to_string());
            assert_eq!(
                matches!(events[..], [ClientEvent::Asked { .. }]),
                asked,
                "{declared}: {params}"
            );
            let refused = rig.written().first().map(|it| it["error"]["code"].clone());
            assert_eq!(refused, (!asked).then(|| json!(-32602)));
        }
    }
}

#[test]
fn what_a_legacy_server_can_ask_at_once_is_bounded() {
    let mut rig = {
        let mut profile = profile();
        profile.revision = Revision::V2025_11_25;
        profile.capabilities =
            serde_json::from_str::<ClientCapabilities>(r#"{"roots":{}}"#).unwrap();
        profile.limits.max_calls = 2;
        profile.limits.violations = 5;
        Rig::with(profile)
    };
    let ask = |id: u32| json!({"jsonrpc":"2.0","id":id,"method":"roots/list"});
    rig.hear(&ask(1));
    rig.hear(&ask(2));
    assert_eq!(violation(&rig.hear(&ask(3))), Violation::TooManyRequests);
    assert_eq!(rig.written()[0]["error"]["code"], -32603);
    // A server that asks and asks but never reads: the answers end, too.
    rig.out = Outbox::new(1);
    for id in 10..1000 {
        rig.hear(&json!({"jsonrpc":"2.0","id":id,"method":"ping"}));
    }
    assert!(rig.written().len() <= 7);
    assert!(rig.hear(&ask(4)).is_empty());
    assert_eq!(rig.client.asked_for(), 0, "closed");
}

#[test]
fn the_end_of_the_stream_ends_everything_once() {
    for chunk in [1, 10, 1000] {
        let mut rig = Rig::legacy();
        rig.chunk = chunk;
        let (a, _) = (rig.send("tools/list", "a"), rig.send("tools/call", "b"));
        rig.hear(&json!({"jsonrpc":"2.0","id":1,"method":"roots/list"}));
        // The last line has no ending.
        rig.input
            .extend_from_slice(result(a, json!({})).to_string().as_bytes());
        assert!(rig.events().is_empty());
        rig.client.end_of_input();
        assert!(rig.client.poll_timeout().is_some(), "what waits is visible");
        let events = rig.events();
        assert!(
            matches!(
                &events[..],
                [
                    ClientEvent::Ended {
                        token: "a",
                        outcome: Outcome::Complete(_),
                        ..
                    },
                    ClientEvent::Ended {
                        token: "b",
                        outcome: Outcome::Lost,
                        ..
                    },
                    ClientEvent::Forgotten { .. },
                    ClientEvent::Closed { misbehaved: false },
                ]
            ),
            "{events:?}"
        );
        assert!(rig.events().is_empty());
        assert_eq!(rig.client.poll_timeout(), None);
        assert!(
            rig.client
                .notify("notifications/initialized", "", &mut rig.out)
                .is_err()
        );
    }
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

#[test]
fn the_events_do_not_depend_on_how_the_bytes_arrive() {
    fn transcript(chunk: usize) -> (Vec<String>, Vec<Value>) {
        let mut rig = Rig::legacy();
        rig.chunk = chunk;
        let (a, b) = (rig.send("tools/call", "a"), rig.send("tools/list", "b"));
        rig.client.speak(Revision::LATEST);
        let s = rig.send_with("subscriptions/listen", "s", RequestOptions::UNLIMITED);
        let lines = [
            "\u{feff}log line".to_owned(),
            progress(a, 1.0).to_string() + "\r",
            String::new(),
            progress(a, 0.5).to_string(),
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}".to_owned(),
            tagged(
                "subscriptions/acknowledged",
                s,
                json!({"notifications":{"toolsListChanged":true}}),
            )
            .to_string(),
            tagged("tools/list_changed", s, json!({})).to_string(),
            result(b, json!({"tools":["\u{1f600}"]})).to_string(),
            " \t".to_owned(),
            json!({"jsonrpc":"2.0","id":s.wire(),"error":{"code":-1,"message":"e"}}).to_string(),
            result(a, json!([])).to_string(),
        ];
        let mut events: Vec<String> = Vec::new();
        for line in lines {
            let heard = rig.hear_line(&line);
            events.extend(heard.iter().map(|event| format!("{event:?}")));
        }
        rig.client.end_of_input();
        events.extend(rig.events().iter().map(|event| format!("{event:?}")));
        (events, rig.written())
    }
    let whole = transcript(usize::MAX);
    assert_eq!(whole.0.len(), 10, "{:#?}", whole.0);
    for chunk in 1..300 {
        assert_eq!(transcript(chunk), whole, "chunks of {chunk}");
    }
}
