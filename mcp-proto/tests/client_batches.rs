//! Batches that a server of 2025-03-26 sends on a byte stream; from any other server they are violations.
#![allow(clippy::disallowed_types, reason = "tests compare trees")]

use bytes::{Buf, BytesMut};
use mcp_proto::client::{
    Client, ClientConfig, ClientEvent, ClientProfile, Invalid, Outcome, RequestOptions, Violation,
};
use mcp_proto::error::WireError;
use mcp_proto::id::{CallId, RequestId};
use mcp_proto::json::MalformedKind;
use mcp_proto::outbox::Outbox;
use mcp_proto::server::Step;
use mcp_proto::time::Now;
use mcp_types::{ClientCapabilities, Implementation, Revision};
use serde_json::{Value, json};

type Event = ClientEvent<&'static str>;

struct Rig {
    client: Client<&'static str>,
    input: BytesMut,
    out: Outbox,
}

impl Rig {
    fn with(change: impl FnOnce(&mut ClientProfile)) -> Self {
        let mut profile = ClientProfile::new(Implementation::new("test", "1.0.0"));
        profile.revision = Revision::V2025_03_26;
        profile.capabilities =
            serde_json::from_str::<ClientCapabilities>(r#"{"roots":{}}"#).unwrap();
        change(&mut profile);
        Self {
            client: Client::new(ClientConfig::compile(profile).into()),
            input: BytesMut::new(),
            out: Outbox::new(1 << 20),
        }
    }

    fn new() -> Self {
        Self::with(|_| {})
    }

    fn send(&mut self, token: &'static str) -> RequestId {
        let options = RequestOptions::default().progress();
        let sent = self.client.request(
            Now::default(),
            "tools/list",
            "{}",
            token,
            options,
            &mut self.out,
        );
        self.written();
        sent.unwrap()
    }

    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Step::Event(event) =
            self.client
                .next(Now::default(), &mut self.input, &mut self.out)
        {
            events.push(event);
        }
        events
    }

    fn hear(&mut self, message: &Value) -> Vec<Event> {
        self.input
            .extend_from_slice(format!("{message}\n").as_bytes());
        self.events()
    }

    fn written(&mut self) -> Vec<Value> {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }
}

fn result(id: RequestId) -> Value {
    json!({"jsonrpc":"2.0","id":id.wire(),"result":{"tools":[]}})
}

fn ask(id: u64) -> Value {
    json!({"jsonrpc":"2.0","id":id,"method":"roots/list"})
}

fn ping(id: u64) -> Value {
    json!({"jsonrpc":"2.0","id":id,"method":"ping"})
}

fn asked(events: &[Event]) -> Vec<CallId> {
    let asked = |event: &Event| match event {
        ClientEvent::Asked { id, .. } => Some(*id),
        _ => None,
    };
    events.iter().filter_map(asked).collect()
}

#[test]
fn everything_in_a_batch_is_heard_however_it_was_cut_and_its_requests_are_answered_together() {
    let ids = |rig: &mut Rig| [rig.send("a"), rig.send("b")];
    let [a, b] = ids(&mut Rig::new());
    let log = json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}});
    let progress = json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":b.wire(),"progress":1}});
    let line = format!(
        "{}\n",
        json!([result(a), log, ping(1), progress, ask(2), {"jsonrpc":"2.0","id":b.wire()}, ask(3)])
    );
    for cut in 0..=line.len() {
        let mut rig = Rig::new();
        assert_eq!(ids(&mut rig), [a, b]);
        rig.input.extend_from_slice(&line.as_bytes()[..cut]);
        let mut events = rig.events();
        rig.input.extend_from_slice(&line.as_bytes()[cut..]);
        events.extend(rig.events());
        let [
            ClientEvent::Ended {
                token: "a",
                outcome: Outcome::Complete(_),
                ..
            },
            ClientEvent::Notified { .. },
            ClientEvent::Progress { .. },
            ClientEvent::Asked { id: first, .. },
            ClientEvent::Ended {
                token: "b",
                outcome: Outcome::Invalid(Invalid::Message(MalformedKind::NoMethodNoResult)),
                ..
            },
            ClientEvent::Asked { id: second, .. },
        ] = events[..]
        else {
            panic!("{cut}: {events:?}")
        };
        rig.client
            .respond(second, r#"{"roots":[]}"#, &mut rig.out)
            .unwrap();
        assert!(rig.written().is_empty(), "{cut}: one is missing");
        let error = WireError::new(-32000, "no");
        rig.client.fail(first, &error, &mut rig.out).unwrap();
        assert_eq!(
            rig.written(),
            [json!([
                {"jsonrpc":"2.0","id":1,"result":{}},
                {"jsonrpc":"2.0","id":3,"result":{"roots":[]}},
                {"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"no"}},
            ])],
            "{cut}"
        );
    }
}

#[test]
fn what_needs_no_answer_has_none() {
    let mut rig = Rig::new();
    let id = rig.send("a");
    rig.hear(&json!([result(id), {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}]));
    let withdraw =
        json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}});
    let events = rig.hear(&json!([ask(1), withdraw]));
    assert!(matches!(
        events[..],
        [ClientEvent::Asked { id: a, .. }, ClientEvent::Forgotten { id: b }] if a == b
    ));
    let question = asked(&rig.hear(&json!([ask(1), ping(2)])))[0];
    assert!(rig.written().is_empty());
    rig.hear(&withdraw);
    assert!(rig.client.respond(question, "{}", &mut rig.out).is_err());
    assert_eq!(
        rig.written(),
        [json!([{"jsonrpc":"2.0","id":2,"result":{}}])]
    );
}

#[test]
fn members_that_are_no_messages_are_violations_one_by_one() {
    let mut rig = Rig::new();
    let id = rig.send("a");
    let events = rig.hear(&json!([1, [], result(id)]));
    assert!(
        matches!(
            events[..],
            [
                ClientEvent::Violation(Violation::Malformed(MalformedKind::NotObject)),
                ClientEvent::Violation(Violation::Malformed(MalformedKind::Batch)),
                ClientEvent::Ended { token: "a", .. },
            ]
        ),
        "{events:?}"
    );
    assert!(rig.written().is_empty(), "never answered");
}

#[test]
fn elsewhere_a_batch_is_a_violation() {
    for revision in [
        Revision::V2024_11_05,
        Revision::V2025_06_18,
        Revision::V2025_11_25,
        Revision::LATEST,
    ] {
        let mut rig = Rig::with(|profile| profile.revision = revision);
        let id = rig.send("a");
        let events = rig.hear(&json!([result(id)]));
        assert!(
            matches!(
                events[..],
                [ClientEvent::Violation(Violation::Malformed(
                    MalformedKind::Batch
                ))]
            ),
            "{revision:?}: {events:?}"
        );
        assert_eq!(rig.client.in_flight(), 1);
    }
}

#[test]
fn what_is_no_batch_within_the_limits_is_one_violation() {
    let mut rig = Rig::with(|profile| profile.limits.max_calls = 3);
    let violation = |rig: &mut Rig, text: &str| {
        rig.input.extend_from_slice(format!("{text}\n").as_bytes());
        match rig.events()[..] {
            [ClientEvent::Violation(violation)] => violation,
            ref other => panic!("{text}: {other:?}"),
        }
    };
    let malformed = Violation::Malformed;
    assert_eq!(violation(&mut rig, "[]"), malformed(MalformedKind::Batch));
    assert_eq!(violation(&mut rig, "[1,"), malformed(MalformedKind::Syntax));
    assert_eq!(
        violation(&mut rig, "[1,2,3,4]"),
        malformed(MalformedKind::Batch)
    );
    let questions = asked(&rig.hear(&json!([ask(1), ping(2)])));
    assert_eq!(
        violation(&mut rig, &json!([ping(3), ping(4)]).to_string()),
        Violation::TooManyRequests
    );
    rig.client
        .respond(questions[0], "{}", &mut rig.out)
        .unwrap();
    assert_eq!(rig.written()[0].as_array().map(Vec::len), Some(2));
    assert!(rig.hear(&json!([ping(3), ping(4)])).is_empty());
    assert_eq!(rig.written().len(), 1);
}

#[test]
fn answers_that_wait_are_together_no_longer_than_one_message() {
    let mut rig = Rig::with(|profile| profile.limits.max_frame_out = 1000);
    let questions = asked(&rig.hear(&json!([ask(1), ask(2)])));
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(600));
    for id in questions {
        rig.client.respond(id, &long, &mut rig.out).unwrap();
    }
    let answers = rig.written().remove(0);
    assert!(answers[0].get("result").is_some());
    assert_eq!(answers[1]["error"]["code"], -32603, "{answers}");
}

#[test]
fn pings_in_batches_cannot_fill_a_full_outbox_for_ever() {
    let mut rig = Rig::with(|profile| profile.limits.violations = 5);
    rig.out = Outbox::new(1);
    let pings: Vec<Value> = (0..20).map(ping).collect();
    // The first batch finds room; what is beyond costs patience.
    assert!(rig.hear(&pings.clone().into()).is_empty());
    let events = rig.hear(&pings.into());
    assert!(
        matches!(
            events.last(),
            Some(ClientEvent::Closed { misbehaved: true })
        ),
        "{events:?}"
    );
}
