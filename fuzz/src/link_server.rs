//! The server's end of a byte stream under a list of operations: a peer that says anything, an application that answers
//! anything, a small outbox, and a clock.
//!
//! A model of a few maps runs beside it: which calls are open, which requests of ours wait, what each subscription has to
//! hear of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Buf, BytesMut};
use mcp_proto::config::{Profile, RevisionSet, ServerConfig};
use mcp_proto::error::WireError;
use mcp_proto::id::{CallId, RequestId, WireId};
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{Change, Filter, Link, LinkEvent, Progress, Refused, Step};
use mcp_proto::time::{Instant, Now};
use mcp_types::{
    Implementation, LoggingLevel, Object, PromptsCapability, ResourcesCapability, Revision,
    ServerCapabilities, ToolsCapability,
};
use serde_json::{Value, json};

const URIS: [&str; 4] = ["a:", "b:1", "c:\"q\"", "d:\u{e9}"];
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":"#;

#[derive(Arbitrary, Debug)]
enum Op<'a> {
    /// The peer says something well-formed; what it chooses among, the number says. The top quarter of the numbers makes it
    /// part of a batch, which goes out in front of the next message that is none.
    Say(Say, u8),
    /// The peer sends anything.
    Raw(&'a [u8]),
    Newline,
    Answer(u8),
    Fail(u8),
    Progress(u8, i8),
    Log(u8),
    Request(u8),
    Notify(u8),
    Withdraw(u8),
    /// Uses a handle that has ended.
    Stale(u8),
    Changed(u8),
    Advance(u16),
    Flush(u16),
    End,
    Drain,
}

#[derive(Arbitrary, Debug)]
enum Say {
    Initialize,
    Ping,
    Discover,
    ModernCall,
    LegacyCall,
    Listen(u8),
    Cancel,
    /// The same id in another spelling.
    CancelRespelled,
    /// A call with the id of an open one in another spelling.
    CallRespelled,
    AnswerRequest,
    RefuseRequest,
    Subscribe,
    Unsubscribe,
    SetLevel,
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Bits: small limits, which revisions (two), few violations.
    shape: u8,
    ops: Vec<Op<'a>>,
}

/// What the model knows of one open call.
struct Open {
    /// The peer's id, decoded.
    wire: Value,
    filter: Option<Filter>,
}

struct World {
    link: Link,
    input: BytesMut,
    out: Outbox,
    now: Now,
    open: BTreeMap<CallId, Open>,
    ended: Vec<CallId>,
    requests: BTreeMap<RequestId, (CallId, Instant)>,
    /// URIs of the legacy session.
    subscribed: Vec<&'static str>,
    /// Of them, those that changed and of which the peer has not heard since.
    unheard: BTreeSet<&'static str>,
    /// How often each changed while it was subscribed: an upper bound of the notifications.
    changes: BTreeMap<&'static str, usize>,
    /// Subscriptions whose acknowledgment the peer has not read yet.
    unacknowledged: VecDeque<CallId>,
    /// Modern subscriptions that the peer knows of, by their ids on the wire.
    listening: BTreeSet<String>,
    closed: bool,
    draining: bool,
    line: Vec<u8>,
    batch: Vec<String>,
    revisions: RevisionSet,
    max_calls: usize,
    high: usize,
}

pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let mut world = World::new(input.shape);
    for op in input.ops.iter().take(200) {
        world.apply(op);
        world.drive();
    }
    world.finish();
}

/// Another token for the same id.
fn respelled(id: &Value) -> String {
    match id {
        Value::String(text) => {
            let units: String = text
                .encode_utf16()
                .map(|unit| format!("\\u{unit:04X}"))
                .collect();
            format!("\"{units}\"")
        }
        Value::Number(number) if number.as_i64() == Some(0) => "-0".into(),
        other => other.to_string(),
    }
}

impl World {
    fn new(shape: u8) -> Self {
        let mut profile = Profile::new(Implementation::new("f", "1"));
        profile.capabilities = ServerCapabilities::new()
            .with_tools(ToolsCapability::new().with_list_changed(true))
            .with_prompts(PromptsCapability::new().with_list_changed(true))
            .with_resources(
                ResourcesCapability::new()
                    .with_list_changed(true)
                    .with_subscribe(true),
            )
            .with_logging(Object::new());
        profile.revisions = match shape >> 1 & 3 {
            1 => RevisionSet::of(Revision::ALL.into_iter().filter(|r| !r.is_modern())),
            2 => RevisionSet::of([Revision::LATEST]),
            _ => RevisionSet::ALL,
        };
        if shape & 1 == 1 {
            profile.limits.max_calls = 3;
            profile.limits.max_listens = 2;
            profile.limits.max_requests = 2;
            profile.limits.max_message = 600;
            profile.limits.outbox_high = 64;
        }
        profile.limits.violations = if shape & 8 == 8 { 2 } else { 1000 };
        let (max_calls, high) = (profile.limits.max_calls, profile.limits.outbox_high);
        let revisions = profile.revisions;
        Self {
            link: Link::new(ServerConfig::compile(profile).into()),
            input: BytesMut::new(),
            out: Outbox::new(high),
            now: Now {
                instant: Instant::from_micros(1),
                unix_ms: 1_785_000_000_000,
            },
            open: BTreeMap::new(),
            ended: Vec::new(),
            requests: BTreeMap::new(),
            subscribed: Vec::new(),
            closed: false,
            draining: false,
            line: Vec::new(),
            batch: Vec::new(),
            revisions,
            unheard: BTreeSet::new(),
            changes: BTreeMap::new(),
            listening: BTreeSet::new(),
            unacknowledged: VecDeque::new(),
            max_calls,
            high,
        }
    }

    fn pick(&self, at: u8) -> Option<CallId> {
        let plain: Vec<_> = self.open.keys().collect();
        (!plain.is_empty()).then(|| *plain[usize::from(at) % plain.len()])
    }

    fn say(&mut self, text: &str) {
        self.input.extend_from_slice(text.as_bytes());
        self.input.extend_from_slice(b"\n");
    }

    fn apply(&mut self, op: &Op<'_>) {
        match op {
            Op::Say(say, at) => self.speak(say, *at),
            Op::Raw(bytes) => self.input.extend_from_slice(bytes),
            Op::Newline => self.input.extend_from_slice(b"\n"),
            Op::Answer(at) => {
                if let Some(call) = self.pick(*at) {
                    let reply = Reply::complete(Payload::Slice(br#"{"content":[]}"#));
                    self.link
                        .respond(call, &reply, &mut self.out)
                        .expect("the call is open");
                    self.answered(call);
                }
            }
            Op::Fail(at) => {
                if let Some(call) = self.pick(*at) {
                    let error = WireError::new(-32000, "no");
                    self.link
                        .fail(call, &error, &mut self.out)
                        .expect("the call is open");
                    self.answered(call);
                }
            }
            Op::Progress(at, value) => {
                if let Some(call) = self.pick(*at) {
                    let progress = Progress {
                        progress: f64::from(*value),
                        total: None,
                        message: None,
                    };
                    self.link
                        .progress(self.now, call, progress, &mut self.out)
                        .expect("the call is open");
                }
            }
            Op::Log(at) => {
                if let Some(call) = self.pick(*at) {
                    self.link
                        .log(
                            call,
                            LoggingLevel::Error,
                            Some("l\n"),
                            "\"d\"",
                            &mut self.out,
                        )
                        .expect("the call is open");
                }
            }
            Op::Request(at) => {
                if let Some(call) = self.pick(*at) {
                    let asked =
                        self.link
                            .request(self.now, call, "roots/list", "{}", &mut self.out);
                    match asked {
                        Ok(id) => {
                            let before = self.requests.insert(id, (call, self.now.instant));
                            assert!(before.is_none(), "a request's id repeats");
                        }
                        Err(refused) => assert_ne!(refused, Refused::Stale),
                    }
                }
            }
            Op::Notify(at) => {
                if let Some(call) = self.pick(*at) {
                    let _ = self
                        .link
                        .notify(call, "notifications/x", "{}", &mut self.out);
                }
            }
            Op::Withdraw(at) => {
                let id = self
                    .requests
                    .keys()
                    .nth(usize::from(*at) % self.requests.len().max(1))
                    .copied();
                if let Some(id) = id {
                    self.link.withdraw(id, &mut self.out);
                    self.requests.remove(&id);
                }
            }
            Op::Stale(at) => self.stale(*at),
            Op::Changed(at) => self.changed(*at),
            Op::Advance(ms) => {
                self.now.instant += Duration::from_millis(u64::from(*ms) * 8);
                self.now.unix_ms += u64::from(*ms) * 8;
            }
            Op::Flush(bytes) => self.flush(usize::from(*bytes)),
            Op::End => self.link.end_of_input(),
            Op::Drain => {
                self.draining = true;
                self.link.drain(&mut self.out);
                let listens: Vec<CallId> = self
                    .open
                    .iter()
                    .filter(|(_, open)| open.filter.is_some())
                    .map(|(id, _)| *id)
                    .collect();
                listens.into_iter().for_each(|id| self.answered(id));
            }
        }
    }

    fn speak(&mut self, say: &Say, at: u8) {
        let id = at % 8;
        let uri = serde_json::to_string(URIS[usize::from(at) % URIS.len()]).expect("JSON");
        let text = match say {
            Say::Initialize => {
                let revision = match at % 8 {
                    n @ 0..5 => Revision::ALL[usize::from(n)].as_str(),
                    5 => "1999-01-01",
                    _ => "2025-11-25",
                };
                format!(
                    r#"{{"jsonrpc":"2.0","id":"i","method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{"roots":{{}}}},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
                )
            }
            Say::Ping => format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#),
            Say::Discover => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"server/discover","params":{{{META}{id}}}}}}}"#
            ),
            Say::ModernCall => format!(
                r#"{{"jsonrpc":"2.0","id":"{id}","method":"tools/call","params":{{"name":"t",{META}{at}}}}}}}"#
            ),
            Say::LegacyCall => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","_meta":{{"progressToken":"{at}"}}}}}}"#
            ),
            Say::Listen(bits) => format!(
                r#"{{"jsonrpc":"2.0","id":"l{id}","method":"subscriptions/listen","params":{{{META}{at}}},"notifications":{{"toolsListChanged":{},"promptsListChanged":{},"resourceSubscriptions":[{uri}{}]}}}}}}"#,
                bits & 1 == 1,
                bits & 2 == 2,
                if bits & 4 == 4 { ",\"a:\"" } else { "" },
            ),
            Say::Cancel => {
                let Some(open) = self.pick(at).and_then(|call| self.open.get(&call)) else {
                    return;
                };
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": open.wire}})
                    .to_string()
            }
            Say::CancelRespelled | Say::CallRespelled => {
                let Some(open) = self.pick(at).and_then(|call| self.open.get(&call)) else {
                    return;
                };
                let wire = respelled(&open.wire);
                if matches!(say, Say::CancelRespelled) {
                    format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{wire}}}}}"#
                    )
                } else {
                    format!(
                        r#"{{"jsonrpc":"2.0","id":{wire},"method":"tools/call","params":{{"name":"t",{META}{at}}}}}}}"#
                    )
                }
            }
            Say::AnswerRequest | Say::RefuseRequest => {
                let wire = self
                    .requests
                    .keys()
                    .nth(usize::from(at) % self.requests.len().max(1))
                    .map_or(u64::from(at), |id| id.wire());
                if at & 32 == 32 {
                    // An answer that is none.
                    format!(r#"{{"jsonrpc":"2.0","id":{wire},"error":{{"code":"1"}}}}"#)
                } else if matches!(say, Say::AnswerRequest) {
                    format!(r#"{{"jsonrpc":"2.0","id":{wire},"result":{{}}}}"#)
                } else {
                    format!(r#"{{"jsonrpc":"2.0","id":{wire},"error":{{"code":1,"message":"m"}}}}"#)
                }
            }
            Say::Subscribe => format!(
                r#"{{"jsonrpc":"2.0","id":"s{id}","method":"resources/subscribe","params":{{"uri":{uri}}}}}"#
            ),
            Say::Unsubscribe => format!(
                r#"{{"jsonrpc":"2.0","id":"u{id}","method":"resources/unsubscribe","params":{{"uri":{uri}}}}}"#
            ),
            Say::SetLevel => {
                let level = ["debug", "emergency", "loud", "error"][usize::from(at / 8) % 4];
                format!(
                    r#"{{"jsonrpc":"2.0","id":"v{id}","method":"logging/setLevel","params":{{"level":"{level}"}}}}"#
                )
            }
        };
        if at >= 192 {
            self.batch.push(text);
            return;
        }
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch).join(" ,");
            self.say(&format!("[{batch}]"));
        }
        self.say(&text);
    }

    fn stale(&mut self, at: u8) {
        let Some(call) = self.ended.get(usize::from(at) % self.ended.len().max(1)) else {
            return;
        };
        let call = *call;
        let before = self.out.remaining();
        let reply = Reply::complete(Payload::Slice(b"{}"));
        let out = &mut self.out;
        assert!(self.link.respond(call, &reply, out).is_err());
        assert!(self.link.fail(call, &WireError::new(1, "x"), out).is_err());
        let progress = Progress {
            progress: 1.0,
            total: None,
            message: None,
        };
        assert!(self.link.progress(self.now, call, progress, out).is_err());
        assert!(
            self.link
                .log(call, LoggingLevel::Error, None, "1", out)
                .is_err()
        );
        assert_eq!(
            self.link.request(self.now, call, "m", "{}", out),
            Err(Refused::Stale)
        );
        assert!(self.link.notify(call, "m", "{}", out).is_err());
        assert_eq!(
            self.out.remaining(),
            before,
            "nothing is written for what has ended"
        );
    }

    fn changed(&mut self, at: u8) {
        let change = match at % 8 {
            0 => Change::Tools,
            1 => Change::Prompts,
            2 => Change::Resources,
            n => Change::Resource(URIS[usize::from(n) % URIS.len()]),
        };
        if let Change::Resource(uri) = change
            && let Some(uri) = self.subscribed.iter().find(|known| **known == uri)
        {
            self.unheard.insert(uri);
            *self.changes.entry(uri).or_default() += 1;
        }
        self.link.changed(change);
    }

    /// A call that the application ended; our requests for it are withdrawn.
    fn answered(&mut self, call: CallId) {
        assert!(self.open.remove(&call).is_some());
        self.ended.push(call);
        self.requests.retain(|_, (waiter, _)| *waiter != call);
    }

    fn drive(&mut self) {
        let mut spins = 0;
        loop {
            let before = (self.input.len(), self.out.remaining());
            match self.link.next(self.now, &mut self.input, &mut self.out) {
                Step::Event(event) => self.event(event),
                Step::NeedInput => break,
                Step::NeedFlush => {
                    assert!(self.out.remaining() >= self.high, "{before:?}");
                    break;
                }
            }
            assert!(self.link.in_flight() <= self.max_calls);
            spins += 1;
            assert!(spins < 5000, "next never stops");
        }
        if let Some(wakeup) = self.link.poll_timeout() {
            assert!(
                wakeup.at > self.now.instant,
                "a spinning driver: {wakeup:?}"
            );
        }
        assert_eq!(self.link.in_flight(), self.open.len());
    }

    fn event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Call {
                id,
                inbound,
                context,
                ..
            } => {
                assert!(!self.draining && !self.closed);
                let wire = inbound.id().expect("a request has an id");
                self.admitted(id, Some(&wire), None);
                // Both eras, told apart by the message.
                let modern = inbound.envelope.meta_version.is_some()
                    || inbound.envelope.meta_capabilities.is_some();
                // A server without the modern era has no use for what a message says of itself.
                assert!(
                    context.is_modern() || !modern || !self.revisions.has_modern(),
                    "taken for legacy: {inbound:?}"
                );
                assert!(self.revisions.contains(context.revision));
            }
            LinkEvent::Listening { id, filter } => {
                assert!(!self.draining && !self.closed);
                self.admitted(id, None, Some(filter));
                self.unacknowledged.push_back(id);
            }
            LinkEvent::Cancelled { id, .. } => {
                assert!(
                    self.open.remove(&id).is_some(),
                    "only what is open can be cancelled"
                );
                self.ended.push(id);
                self.requests.retain(|_, (waiter, _)| *waiter != id);
            }
            LinkEvent::Answered { call, request, .. } => {
                let (waiter, _) = self.requests.remove(&request).expect("a request of ours");
                assert_eq!(waiter, call);
                assert!(self.open.contains_key(&call));
            }
            LinkEvent::Expired { call, request } => {
                let (waiter, since) = self.requests.remove(&request).expect("a request of ours");
                assert_eq!(waiter, call);
                assert!(self.now.instant > since);
            }
            LinkEvent::Lost { call, request } => {
                let (waiter, _) = self.requests.remove(&request).expect("a request of ours");
                assert_eq!(waiter, call);
            }
            LinkEvent::Closed { .. } => {
                assert!(
                    self.requests.is_empty(),
                    "nothing waits for what cannot come"
                );
                assert!(!self.closed, "closed once");
                self.closed = true;
            }
            LinkEvent::Subscribed(filter) => {
                let mut uris: Vec<&str> = filter.uris.iter().map(|uri| &**uri).collect();
                uris.sort_unstable();
                let all = uris.len();
                uris.dedup();
                assert_eq!(uris.len(), all, "a URI is subscribed once");
                self.subscribed = URIS.into_iter().filter(|uri| uris.contains(uri)).collect();
                if uris.is_empty() {
                    // Perhaps a new handshake, which forgets what waited.
                    self.unheard.clear();
                }
                self.unheard.retain(|uri| uris.contains(uri));
            }
            _ => {}
        }
    }

    fn admitted(&mut self, call: CallId, wire: Option<&WireId>, filter: Option<Filter>) {
        let wire = match wire.map(WireId::as_str) {
            // Until the acknowledgment of a subscription is read.
            None => Value::Null,
            Some("-0") => json!(0),
            Some(token) => serde_json::from_str(token).expect("an id is JSON"),
        };
        assert!(
            filter.is_some() || self.open.values().all(|open| open.wire != wire),
            "{wire} is in flight already"
        );
        let open = Open { wire, filter };
        assert!(self.open.insert(call, open).is_none(), "a handle repeats");
        assert!(!self.ended.contains(&call), "a handle comes back");
    }

    /// The peer takes `bytes` of what was written.
    fn flush(&mut self, bytes: usize) {
        let bytes = bytes.min(self.out.remaining());
        let taken = self.out.copy_to_bytes(bytes);
        self.line.extend_from_slice(&taken);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let value: Value = serde_json::from_slice(&line).expect("every line is JSON");
            let Value::Array(answers) = &value else {
                self.heard(&value);
                continue;
            };
            assert!((1..=self.max_calls).contains(&answers.len()), "{value}");
            for answer in answers {
                assert!(answer["method"].is_null(), "no answer: {value}");
                self.heard(answer);
            }
        }
    }

    fn heard(&mut self, message: &Value) {
        assert_eq!(message["jsonrpc"], "2.0");
        let params = &message["params"];
        let tag = &params["_meta"]["io.modelcontextprotocol/subscriptionId"];
        match message["method"].as_str() {
            Some("notifications/subscriptions/acknowledged") => {
                self.listening.insert(tag.to_string());
                let call = self.unacknowledged.pop_front().expect("a subscription");
                if let Some(open) = self.open.get_mut(&call) {
                    open.wire = tag.clone();
                }
            }
            Some("notifications/resources/updated") if tag.is_null() => {
                let uri = params["uri"].as_str().expect("a URI");
                let left = self.changes.get_mut(uri).filter(|left| **left > 0);
                *left.unwrap_or_else(|| panic!("nothing happened to {uri}")) -= 1;
                self.unheard.remove(uri);
            }
            Some(_) if !tag.is_null() => {
                assert!(
                    self.listening.contains(&tag.to_string()),
                    "a notification before its acknowledgment: {message}"
                );
            }
            Some(_) => {}
            None => {
                let known = &message["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
                if !known.is_null() {
                    assert_eq!(*known, message["id"]);
                    assert!(self.listening.remove(&known.to_string()));
                }
                assert_ne!(
                    message.get("result").is_some(),
                    message.get("error").is_some()
                );
            }
        }
    }

    fn finish(mut self) {
        loop {
            self.flush(usize::MAX);
            self.drive();
            if self.out.remaining() == 0 {
                break;
            }
        }
        assert!(self.line.is_empty(), "a message without its end");
        // With an empty outbox nothing may wait for room.
        if let Some(wakeup) = self.link.poll_timeout() {
            assert!(wakeup.at > self.now.instant);
        }
        assert!(self.unheard.is_empty(), "never told: {:?}", self.unheard);
        self.link.end_of_input();
        while !self.closed {
            self.drive();
            self.flush(usize::MAX);
        }
        for call in self.open.keys().copied().collect::<Vec<_>>() {
            let reply = Reply::complete(Payload::Slice(b"{}"));
            self.link
                .respond(call, &reply, &mut self.out)
                .expect("a call outlives the input");
            self.answered(call);
        }
        self.flush(usize::MAX);
        assert!(self.line.is_empty());
        assert_eq!(self.link.in_flight(), 0);
        assert!(self.requests.is_empty());
        let late = self.link.poll_timeout();
        assert!(late.is_none(), "{late:?}");
    }
}
