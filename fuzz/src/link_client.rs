//! The client's end of a byte stream under a list of operations: an application that asks, cancels and answers, and a server
//! that says anything.
//!
//! The model is a map of the requests that are open: each ends once, by an event or by a cancel, and with its own token.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Buf, BytesMut};
use mcp_proto::client::{
    Client, ClientConfig, ClientEvent, ClientProfile, Limit, Outcome, Refused, RequestOptions,
};
use mcp_proto::error::WireError;
use mcp_proto::id::{CallId, RequestId};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::Step;
use mcp_proto::time::{Instant, Now};
use mcp_types::{ClientCapabilities, Implementation, Revision, RootsCapability};
use serde_json::Value;

#[derive(Arbitrary, Debug)]
enum Op<'a> {
    Request(u8, u8),
    Cancel(u8),
    Stale(u8),
    Notify,
    Speak(bool),
    Respond(u8),
    Fail(u8),
    /// The server says something well-formed about the request that is chosen by the first number. The top quarter of
    /// these numbers makes it part of a batch, which goes out in front of the next message that is none.
    Say(Say, u8, u8),
    Raw(&'a [u8]),
    Newline,
    Advance(u16),
    /// To the very moment of the next deadline.
    Sleep,
    Flush(u16),
    End,
}

#[derive(Arbitrary, Debug)]
enum Say {
    Result(u8),
    Error,
    NoId,
    Broken,
    Progress,
    Acknowledge(u8),
    Changed(u8),
    Cancelled,
    Log,
    Ask(u8),
    CancelAsk,
    Ping,
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Bits: small limits, few violations.
    shape: u8,
    /// Odd: the newest one; else which of the others.
    revision: u8,
    string_ids: bool,
    ops: Vec<Op<'a>>,
}

struct Open {
    token: u32,
    since: Instant,
    options: RequestOptions,
    reported: Option<f64>,
    acknowledged: bool,
}

struct World {
    client: Client<u32>,
    input: BytesMut,
    out: Outbox,
    now: Now,
    open: BTreeMap<RequestId, Open>,
    every: Vec<RequestId>,
    asks: BTreeSet<CallId>,
    tokens: u32,
    line: Vec<u8>,
    batch: Vec<String>,
    /// What the server has read of each request: a cancel of what it never saw is a fault.
    seen: BTreeSet<u64>,
    closed: bool,
    ended_input: bool,
    max_requests: usize,
    max_asks: usize,
}

pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut world = World::new(&input);
    for op in input.ops.iter().take(200) {
        world.apply(op);
        world.drive();
    }
    world.finish();
}

const METHODS: [&str; 5] = [
    "tools/call",
    "tools/list",
    "subscriptions/listen",
    "initialize",
    "x/y",
];

impl World {
    fn new(input: &Input<'_>) -> Self {
        let mut profile = ClientProfile::new(Implementation::new("f", "1"));
        profile.capabilities = ClientCapabilities::new().with_roots(RootsCapability::new());
        profile.string_ids = input.string_ids;
        if input.revision & 1 == 0 {
            let legacy = [
                Revision::V2025_11_25,
                Revision::V2025_06_18,
                Revision::V2025_03_26,
                Revision::V2024_11_05,
            ];
            profile.revision = legacy[usize::from(input.revision >> 1) % legacy.len()];
        }
        if input.shape & 1 == 1 {
            profile.limits.max_requests = 3;
            profile.limits.max_calls = 2;
            profile.limits.max_message = 400;
            profile.limits.outbox_high = 64;
        }
        profile.limits.violations = if input.shape & 8 == 8 { 2 } else { 1000 };
        let limits = profile.limits.clone();
        Self {
            client: Client::new(ClientConfig::compile(profile).into()),
            input: BytesMut::new(),
            out: Outbox::new(limits.outbox_high),
            now: Now {
                instant: Instant::from_micros(1),
                unix_ms: 1_785_000_000_000,
            },
            open: BTreeMap::new(),
            every: Vec::new(),
            asks: BTreeSet::new(),
            tokens: 0,
            line: Vec::new(),
            batch: Vec::new(),
            seen: BTreeSet::new(),
            closed: false,
            ended_input: false,
            max_requests: limits.max_requests,
            max_asks: limits.max_calls,
        }
    }

    fn pick(&self, at: u8) -> Option<RequestId> {
        let open: Vec<_> = self.open.keys().collect();
        (!open.is_empty()).then(|| *open[usize::from(at) % open.len()])
    }

    fn apply(&mut self, op: &Op<'_>) {
        match op {
            Op::Request(method, options) => self.request(*method, *options),
            Op::Cancel(at) => {
                if let Some(id) = self.pick(*at) {
                    let token = self
                        .client
                        .cancel(id, Some("r\n"), &mut self.out)
                        .expect("the request is open");
                    assert_eq!(self.open.remove(&id).map(|open| open.token), Some(token));
                }
            }
            Op::Stale(at) => {
                let id = self
                    .every
                    .get(usize::from(*at) % self.every.len().max(1))
                    .filter(|id| !self.open.contains_key(id));
                if let Some(id) = id {
                    let before = self.out.remaining();
                    assert!(self.client.cancel(*id, None, &mut self.out).is_err());
                    assert!(self.client.token(*id).is_none());
                    assert_eq!(self.out.remaining(), before);
                }
            }
            Op::Notify => {
                let full = self.out.is_full();
                if self
                    .client
                    .notify("notifications/x", "{}", &mut self.out)
                    .is_ok()
                {
                    assert!(!full);
                }
            }
            Op::Speak(modern) => self.client.speak(if *modern {
                Revision::LATEST
            } else {
                Revision::V2025_11_25
            }),
            Op::Respond(at) => {
                if let Some(id) = self.ask(*at) {
                    let out = &mut self.out;
                    self.client
                        .respond(id, "{\n}", out)
                        .expect("the question is open");
                    assert!(self.client.respond(id, "{}", out).is_err());
                }
            }
            Op::Fail(at) => {
                if let Some(id) = self.ask(*at) {
                    let error = WireError::new(-1, "no");
                    self.client
                        .fail(id, &error, &mut self.out)
                        .expect("the question is open");
                    assert!(self.client.fail(id, &error, &mut self.out).is_err());
                }
            }
            Op::Say(say, at, number) => self.say(say, *at, *number),
            Op::Raw(bytes) => self.input.extend_from_slice(bytes),
            Op::Newline => self.input.extend_from_slice(b"\n"),
            Op::Advance(ms) => self.advance(Duration::from_millis(u64::from(*ms) * 8)),
            Op::Sleep => {
                if let Some(wakeup) = self.client.poll_timeout() {
                    self.advance(wakeup.at.duration_since(self.now.instant));
                }
            }
            Op::Flush(bytes) => self.flush(usize::from(*bytes)),
            Op::End => {
                self.client.end_of_input();
                self.ended_input = true;
            }
        }
    }

    fn advance(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_ms += time.as_millis() as u64;
    }

    fn ask(&mut self, at: u8) -> Option<CallId> {
        let at = usize::from(at) % self.asks.len().max(1);
        let id = self.asks.iter().nth(at).copied()?;
        self.asks.remove(&id);
        Some(id)
    }

    fn request(&mut self, method: u8, bits: u8) {
        self.tokens += 1;
        let deadline = |bit: u8, ms| (bits & bit != 0).then(|| Duration::from_millis(ms));
        let mut options = RequestOptions::UNLIMITED.deadlines(deadline(1, 100), deadline(2, 1000));
        if bits & 4 != 0 {
            options = options.progress();
        }
        let params = ["{}", "", "{\"name\":\"t\"}", " { } "][usize::from(bits >> 6)];
        let full = self.out.is_full();
        let before = self.out.remaining();
        let sent = self.client.request(
            self.now,
            METHODS[usize::from(method) % METHODS.len()],
            params,
            self.tokens,
            options,
            &mut self.out,
        );
        match sent {
            Ok(id) => {
                assert!(!full && !self.ended_input && self.open.len() < self.max_requests);
                assert!(!self.every.contains(&id), "a handle comes back");
                assert_eq!(self.client.token(id), Some(&self.tokens));
                self.every.push(id);
                let open = Open {
                    token: self.tokens,
                    since: self.now.instant,
                    options,
                    reported: None,
                    acknowledged: false,
                };
                self.open.insert(id, open);
            }
            Err(refused) => {
                assert_eq!(
                    self.out.remaining(),
                    before,
                    "nothing is written for a refusal"
                );
                assert!(!matches!(refused, Refused::Params(_)));
                assert_eq!(refused.into_token(), self.tokens);
            }
        }
    }

    fn say(&mut self, say: &Say, at: u8, number: u8) {
        // Of an open request, or of one that is over.
        let id = self.pick(at).or_else(|| {
            self.every
                .get(usize::from(at) % self.every.len().max(1))
                .copied()
        });
        let wire = match id {
            Some(id) if number != 255 => id.wire(),
            _ => u64::from(number),
        };
        let tag = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{wire}}}"#);
        let text = match say {
            Say::Result(kind) => {
                let body = [
                    "{}",
                    r#"{"resultType":"complete"}"#,
                    r#"{"resultType":"input_required","requestState":"s"}"#,
                    r#"{"resultType":"input_required"}"#,
                    r#"{"resultType":"task"}"#,
                    "[]",
                ][usize::from(*kind) % 6];
                format!(r#"{{"jsonrpc":"2.0","id":{wire},"result":{body}}}"#)
            }
            Say::Error => {
                format!(r#"{{"jsonrpc":"2.0","id":{wire},"error":{{"code":{number},"message":"\ud83e\udd80"}}}}"#)
            }
            Say::NoId => r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":""}}"#.into(),
            Say::Broken => format!(r#"{{"jsonrpc":"2.0","id":{wire},"result":{{}},"error":{{}}}}"#),
            Say::Progress => format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{wire},"progress":{number}}}}}"#
            ),
            Say::Acknowledge(bits) => format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{{tag},"notifications":{{"toolsListChanged":{},"resourceSubscriptions":["a:"]}}}}}}"#,
                bits & 1 == 1
            ),
            Say::Changed(kind) => {
                let method = [
                    "notifications/tools/list_changed",
                    "notifications/prompts/list_changed",
                    "notifications/resources/updated",
                ][usize::from(*kind) % 3];
                let tag = if kind & 8 == 8 { String::new() } else { tag };
                format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{tag}}}}}"#)
            }
            Say::Cancelled => format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{wire}}}}}"#
            ),
            Say::Log => {
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#.into()
            }
            Say::Ask(id) => format!(r#"{{"jsonrpc":"2.0","id":"q{}","method":"roots/list"}}"#, id % 4),
            Say::CancelAsk => format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"q{}"}}}}"#,
                number % 4
            ),
            Say::Ping => format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"ping"}}"#),
        };
        if at >= 192 {
            self.batch.push(text);
            return;
        }
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch).join(" ,");
            self.input
                .extend_from_slice(format!("[{batch}]\n").as_bytes());
        }
        self.input.extend_from_slice(text.as_bytes());
        self.input.extend_from_slice(b"\n");
    }

    fn drive(&mut self) {
        for _ in 0..5000 {
            match self.client.next(self.now, &mut self.input, &mut self.out) {
                Step::Event(event) => self.event(event),
                Step::NeedInput => {
                    assert_eq!(self.client.in_flight(), self.open.len());
                    assert_eq!(self.client.asked_for(), self.asks.len());
                    // Asking at once again must not be asked for.
                    if let Some(wakeup) = self.client.poll_timeout() {
                        assert!(wakeup.at > self.now.instant, "a hot loop: {wakeup:?}");
                    }
                    for open in self.open.values() {
                        let total = open.options.total.map(|total| open.since + total);
                        assert!(total.is_none_or(|at| at > self.now.instant), "overdue");
                    }
                    return;
                }
                Step::NeedFlush => panic!("a client never asks for a flush"),
            }
            assert!(self.client.asked_for() <= self.max_asks);
        }
        panic!("next never stops");
    }

    fn event(&mut self, event: ClientEvent<u32>) {
        assert!(!self.closed, "nothing follows the end: {event:?}");
        match event {
            ClientEvent::Ended { id, token, outcome } => {
                let open = self.open.remove(&id).expect("only what is open can end");
                assert_eq!(open.token, token);
                match outcome {
                    Outcome::TimedOut(Limit::Idle) => {
                        assert!(
                            open.options
                                .idle
                                .is_some_and(|idle| open.since + idle <= self.now.instant)
                        );
                    }
                    Outcome::TimedOut(Limit::Total) => {
                        assert!(
                            open.options
                                .total
                                .is_some_and(|total| open.since + total <= self.now.instant)
                        );
                    }
                    Outcome::Complete(body)
                    | Outcome::InputRequired(body)
                    | Outcome::Task(body) => {
                        let body: Value = serde_json::from_slice(&body).expect("JSON");
                        assert!(body.is_object());
                    }
                    Outcome::Error(error) => {
                        let tree: Value = serde_json::from_str(error.raw()).expect("JSON");
                        assert_eq!(tree["code"].as_i64(), Some(error.code()));
                        assert_eq!(tree["message"].as_str(), Some(&*error.message()));
                    }
                    _ => {}
                }
            }
            ClientEvent::Progress { id, progress } => {
                let open = self.open.get_mut(&id).expect("progress of what is open");
                assert!(open.options.progress);
                assert!(progress.follows(open.reported));
                open.reported = Some(progress.progress);
            }
            ClientEvent::Acknowledged { id, .. } => {
                let open = self.open.get_mut(&id).expect("a subscription that is open");
                assert!(!open.acknowledged);
                open.acknowledged = true;
            }
            ClientEvent::Changed { id, .. } => {
                assert!(self.open.get(&id).is_some_and(|open| open.acknowledged));
            }
            ClientEvent::Asked { id, .. } => assert!(self.asks.insert(id), "a handle repeats"),
            ClientEvent::Forgotten { id } => assert!(self.asks.remove(&id)),
            ClientEvent::Closed { .. } => {
                assert!(self.open.is_empty() && self.asks.is_empty());
                self.closed = true;
            }
            _ => {}
        }
    }

    fn flush(&mut self, bytes: usize) {
        let bytes = bytes.min(self.out.remaining());
        let taken = self.out.copy_to_bytes(bytes);
        self.line.extend_from_slice(&taken);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let message: Value = serde_json::from_slice(&line).expect("every line is JSON");
            if let Value::Array(answers) = &message {
                assert!((1..=self.max_asks).contains(&answers.len()), "{message}");
                for answer in answers {
                    assert_eq!(answer["jsonrpc"], "2.0");
                    assert!(answer["method"].is_null(), "no answer: {message}");
                }
                continue;
            }
            assert_eq!(message["jsonrpc"], "2.0");
            match (message["method"].as_str(), message["id"].as_u64()) {
                (Some("notifications/cancelled"), None) => {
                    let id = message["params"]["requestId"].as_u64().expect("an id");
                    assert!(self.seen.contains(&id), "cancelled before it was sent");
                    assert!(self.open.keys().all(|open| open.wire() != id));
                }
                (Some(_), Some(id)) => assert!(self.seen.insert(id), "an id repeats"),
                _ => {}
            }
        }
    }

    fn finish(mut self) {
        self.client.end_of_input();
        self.drive();
        assert!(self.closed && self.open.is_empty());
        self.flush(usize::MAX);
        assert!(self.line.is_empty(), "a message without its end");
        assert!(self.client.poll_timeout().is_none());
        assert_eq!(self.client.in_flight() + self.client.asked_for(), 0);
    }
}
