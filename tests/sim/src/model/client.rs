//! What a client's link has to do.
//!
//! Owns the plain form of the rules: the request table, deadlines, subscriptions, a legacy server's
//! questions.

use serde_json::{Value, json};

use super::batch::{self, Batches};
use super::server::Room;
use super::slab::{Key, Table, unwire, wire};
use super::tree::{self, Form, Message, Tree};
use super::{Patience, Split, Splitter};

/// What the modelled client is.
#[derive(Clone, Debug)]
pub struct Shape {
    /// As in the machine's limits.
    pub max_message: usize,
    /// As in the machine's limits.
    pub max_requests: usize,
    /// As in the machine's limits.
    pub max_calls: usize,
    /// As in the machine's limits.
    pub violations: u32,
    /// The outbox is full from here on.
    pub outbox_high: usize,
    /// Declares sampling.
    pub sampling: bool,
    /// Declares roots.
    pub roots: bool,
    /// Declares elicitation.
    pub elicitation: bool,
    /// The `Implementation` object.
    pub info: Value,
    /// The capabilities object.
    pub capabilities: Value,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// `complete`
    Complete(Value),
    /// `input_required`
    InputRequired(Value),
    /// An error.
    Error(Value),
    /// The answer breaks the rules.
    Invalid,
    /// Too late; true if it was the total.
    TimedOut(bool),
    /// The server ended the subscription.
    Withdrawn,
    /// The stream ended.
    Lost,
}

/// An event, with handles as slot and generation.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A request is over.
    Ended(Key, u64, Outcome),
    /// Progress.
    Progress(Key, f64, Option<f64>, Option<String>),
    /// A subscription is open.
    Acknowledged(Key),
    /// A notification of it.
    Changed(Key, String),
    /// Another notification.
    Notified(String),
    /// The server asks.
    Asked(Key, String),
    /// And no longer wants to know.
    Forgotten(Key),
    /// An error without an id.
    Unaddressed(Value),
    /// A rule was broken.
    Violation(&'static str),
    /// The end; true after too many violations.
    Closed(bool),
}

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Something happened.
    Event(Heard),
    /// Read.
    Input,
}

/// Options of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Microseconds.
    pub idle: Option<u64>,
    /// Microseconds.
    pub total: Option<u64>,
    /// Ask for progress.
    pub progress: bool,
    /// Ask for log messages.
    pub level: Option<&'static str>,
}

#[derive(Debug)]
struct Request {
    token: u64,
    method: String,
    modern: bool,
    wants_progress: bool,
    heard: Option<f64>,
    granted: Option<[bool; 4]>,
    idle: Option<u64>,
    idle_at: u64,
    total_at: u64,
}

/// See the module.
#[derive(Debug)]
pub struct ClientModel {
    shape: Shape,
    lines: Splitter,
    requests: Table<Request>,
    asks: Table<(Value, Option<batch::Number>)>,
    batches: Batches,
    /// The batch whose member is being received.
    member_of: Option<batch::Number>,
    revision: &'static str,
    patience: Patience,
    misbehaved: bool,
    late: u64,
    over: bool,
    closing: bool,
    closed: bool,
    out: Vec<Value>,
}

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const MODERN: &str = "2026-07-28";

impl ClientModel {
    /// A client that has said nothing.
    #[must_use]
    pub fn new(shape: Shape, revision: &'static str) -> Self {
        Self {
            lines: Splitter::new(shape.max_message),
            requests: Table::new(shape.max_requests),
            asks: Table::new(shape.max_calls),
            batches: Batches::default(),
            member_of: None,
            revision,
            patience: Patience::new(shape.violations),
            misbehaved: false,
            late: 0,
            over: false,
            closing: false,
            closed: false,
            out: Vec::new(),
            shape,
        }
    }

    /// Another revision from now on.
    pub fn speak(&mut self, revision: &'static str) {
        self.revision = revision;
    }

    /// Bytes arrive.
    pub fn input(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// No more do.
    pub fn end_of_input(&mut self) {
        self.over = true;
    }

    /// What the last step has written.
    pub fn written(&mut self) -> Vec<Value> {
        core::mem::take(&mut self.out)
    }

    /// Requests without an ending.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Tokens of requests without an ending.
    #[must_use]
    pub fn tokens(&self) -> Vec<u64> {
        self.requests.iter().map(|(_, r)| r.token).collect()
    }

    /// Questions without an answer.
    #[must_use]
    pub fn asked_for(&self) -> usize {
        self.asks.len()
    }

    /// Whether the end was said.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The next deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let next = self
            .requests
            .iter()
            .map(|(_, r)| r.idle_at.min(r.total_at))
            .min();
        next.filter(|at| *at != u64::MAX)
    }

    fn modern(&self) -> bool {
        self.revision >= MODERN
    }

    fn full(&self, room: &Room<'_>) -> bool {
        let written: usize = room.lengths.iter().take(self.out.len()).sum();
        room.before + written >= self.shape.outbox_high
    }

    /// One step of the machine.
    pub fn next(&mut self, now: u64, room: &Room<'_>) -> Next {
        self.out.clear();
        if !self.closing {
            let due = self
                .requests
                .iter()
                .map(|(key, r)| (r.idle_at.min(r.total_at), key))
                .filter(|(at, _)| *at <= now)
                .min();
            if let Some((_, key)) = due
                && let Some(request) = self.requests.remove(key)
            {
                self.withdrawn(key, &request.method, Some("timed out"));
                let total = request.total_at <= request.idle_at;
                return ended(key, &request, Outcome::TimedOut(total));
            }
        }
        loop {
            if self.closed {
                self.lines.clear();
                return Next::Input;
            }
            if self.closing || self.misbehaved {
                return self.close();
            }
            if let Some((number, member)) = self.batches.next_member() {
                if let Some(heard) = self.receive_member(now, number, &member, room) {
                    return Next::Event(heard);
                }
                continue;
            }
            let line = match self.lines.next_line() {
                Split::Line(line) => line,
                Split::TooLong => return Next::Event(self.violation("too long")),
                Split::More if self.over => match self.lines.finish() {
                    Some(line) => line,
                    None => return self.close(),
                },
                Split::More => return Next::Input,
            };
            if let Some(heard) = self.receive(now, &line, room) {
                return Next::Event(heard);
            }
        }
    }

    fn close(&mut self) -> Next {
        self.closing = true;
        if let Some(key) = self.requests.keys().first()
            && let Some(request) = self.requests.remove(*key)
        {
            return ended(*key, &request, Outcome::Lost);
        }
        if let Some(key) = self.asks.keys().first() {
            self.asks.remove(*key);
            return Next::Event(Heard::Forgotten(*key));
        }
        self.closed = true;
        Next::Event(Heard::Closed(self.misbehaved))
    }

    fn violation(&mut self, what: &'static str) -> Heard {
        self.misbehaved |= !self.patience.lose();
        Heard::Violation(what)
    }

    fn withdrawn(&mut self, key: Key, method: &str, reason: Option<&str>) {
        self.late += 1;
        if method == "initialize" || self.closed {
            return;
        }
        let mut params = json!({"requestId":wire(key)});
        if let Some(reason) = reason {
            params["reason"] = json!(reason);
        }
        self.out
            .push(json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":params}));
    }

    /// Says something, or keeps it for the batch that it belongs to.
    fn say(&mut self, message: Value) {
        match self.member_of {
            Some(number) => self.batches.say(number, message),
            None => self.out.push(message),
        }
    }

    fn send_batches(&mut self) {
        self.out.extend(self.batches.complete());
    }

    /// A question of a batch has ended.
    fn member_ended(&mut self, number: Option<batch::Number>) {
        if let Some(number) = number {
            self.batches.ended(number);
            self.send_batches();
        }
    }

    fn receive_member(
        &mut self,
        now: u64,
        number: batch::Number,
        member: &[u8],
        room: &Room<'_>,
    ) -> Option<Heard> {
        self.member_of = Some(number);
        let heard = self.receive(now, member, room);
        self.member_of = None;
        let mut pending = false;
        if let Some(Heard::Asked(key, _)) = &heard
            && let Some((_, batch)) = self.asks.get_mut(*key)
        {
            *batch = Some(number);
            pending = true;
        }
        self.batches.received(number, pending);
        self.send_batches();
        heard
    }

    /// Only 2025-03-26 has batches.
    fn take_apart(&mut self, line: &[u8]) -> Option<Heard> {
        let max = self.shape.max_calls;
        let members = tree::elements(line)?;
        if !(1..=max).contains(&members.len()) {
            return Some(self.violation("malformed"));
        }
        if self.batches.waiting() + members.len() > max {
            return Some(self.violation("too many requests"));
        }
        self.batches.begin(members);
        None
    }

    fn receive(&mut self, now: u64, line: &[u8], room: &Room<'_>) -> Option<Heard> {
        let message = match tree::read(line) {
            Ok(message) => message,
            Err(fault)
                if fault.batch
                    && self.member_of.is_none()
                    && self.revision == "2025-03-26"
                    && tree::elements(line).is_some() =>
            {
                return self.take_apart(line);
            }
            Err(fault) => {
                let answer =
                    fault.nothing || matches!(fault.form, Some(Form::Result | Form::Error));
                let key = fault.id.as_ref().filter(|_| answer).and_then(own);
                let request = key.and_then(|key| Some((key, self.requests.remove(key)?)));
                let violation = self.violation("malformed");
                return Some(match request {
                    Some((key, r)) => Heard::Ended(key, r.token, Outcome::Invalid),
                    None => violation,
                });
            }
        };
        match message.form {
            Form::Result | Form::Error => self.answered(&message),
            Form::Request => {
                let full = self.full(room);
                self.asked(&message, full)
            }
            Form::Notification => {
                let heard = self.notified(now, &message);
                if !matches!(heard, Some(Heard::Violation(_))) {
                    self.patience.regain();
                }
                heard
            }
        }
    }

    fn answered(&mut self, message: &Message) -> Option<Heard> {
        let error = message.error.as_ref().map(Tree::value);
        let Some(id) = &message.id else {
            return Some(Heard::Unaddressed(error.unwrap_or_default()));
        };
        let key = own(id);
        let Some((key, request)) = key.and_then(|key| Some((key, self.requests.remove(key)?)))
        else {
            if key.is_some() && self.late > 0 {
                self.late -= 1;
                return None;
            }
            return Some(self.violation("unknown response"));
        };
        let outcome = match (error, &message.result) {
            (Some(error), _) => Outcome::Error(error),
            (None, result) => judge(&request, result.as_ref()),
        };
        if outcome == Outcome::Invalid {
            self.misbehaved |= !self.patience.lose();
        } else {
            self.patience.regain();
        }
        Some(Heard::Ended(key, request.token, outcome))
    }

    fn asked(&mut self, message: &Message, full: bool) -> Option<Heard> {
        if self.modern() {
            return Some(self.violation("request in modern era"));
        }
        let id = message.id.as_ref().map(Tree::value)?;
        let refusal = |code: i64| json!({"jsonrpc":"2.0","id":id,"error":{"code":code}});
        if self.asks.iter().any(|(_, (known, _))| *known == id) {
            self.say(refusal(-32600));
            return Some(self.violation("duplicate request"));
        }
        let offered = match message.method.as_str() {
            "sampling/createMessage" => self.shape.sampling,
            "roots/list" => self.shape.roots,
            "elicitation/create" => self.shape.elicitation,
            _ => false,
        };
        if message.method == "ping" {
            self.say(json!({"jsonrpc":"2.0","id":id,"result":{}}));
        } else if offered {
            let refusal = refusal(-32603);
            if let Some(key) = self.asks.insert((id, None)) {
                self.patience.regain();
                return Some(Heard::Asked(key, message.method.clone()));
            }
            self.say(refusal);
            return Some(self.violation("too many requests"));
        } else {
            self.say(refusal(-32601));
        }
        if full {
            return Some(self.violation("too many requests"));
        }
        self.patience.regain();
        None
    }

    fn notified(&mut self, now: u64, message: &Message) -> Option<Heard> {
        let tag = message.meta(SUBSCRIPTION);
        match message.method.as_str() {
            "notifications/progress" => {
                let key = message.param("progressToken").and_then(own);
                let Some(key) = key else {
                    return Some(self.violation("unknown progress"));
                };
                let request = self.requests.get_mut(key)?;
                let value = message.param("progress").and_then(float);
                let (true, Some(value)) = (request.wants_progress, value) else {
                    return Some(self.violation("unknown progress"));
                };
                if request.heard.is_some_and(|last| value <= last) {
                    return Some(self.violation("progress not increasing"));
                }
                request.heard = Some(value);
                request.alive(now);
                let total = message.param("total").and_then(float);
                let text = message
                    .param("message")
                    .and_then(Tree::text)
                    .map(str::to_owned);
                Some(Heard::Progress(key, value, total, text))
            }
            "notifications/cancelled" => {
                let id = message.param("requestId");
                if !self.modern() {
                    let id = id?.value();
                    let asked = |known: &Value| *known == id;
                    let key = self.asks.iter().find(|(_, (known, _))| asked(known))?.0;
                    let (_, batch) = self.asks.remove(key)?;
                    self.member_ended(batch);
                    return Some(Heard::Forgotten(key));
                }
                let Some(key) = id.and_then(own) else {
                    return Some(self.violation("foreign cancellation"));
                };
                if self.requests.get(key)?.method != LISTEN {
                    return Some(self.violation("foreign cancellation"));
                }
                let request = self.requests.remove(key)?;
                self.late += 1;
                Some(Heard::Ended(key, request.token, Outcome::Withdrawn))
            }
            "notifications/subscriptions/acknowledged" => {
                let Some(key) = tag.and_then(own) else {
                    return Some(self.violation("unknown subscription"));
                };
                let request = self.requests.get_mut(key)?;
                if request.method != LISTEN {
                    return Some(self.violation("unknown subscription"));
                }
                if request.granted.is_some() {
                    return Some(self.violation("acknowledged twice"));
                }
                let kinds = message.param("notifications");
                let flag = |name| kinds.and_then(|k| k.get(name)) == Some(&Tree::Bool(true));
                let uris = matches!(kinds.and_then(|k| k.get("resourceSubscriptions")),
                    Some(Tree::List(uris)) if !uris.is_empty());
                request.granted = Some([
                    flag("toolsListChanged"),
                    flag("promptsListChanged"),
                    flag("resourcesListChanged"),
                    uris,
                ]);
                request.alive(now);
                Some(Heard::Acknowledged(key))
            }
            method => {
                let kind = CHANGES.iter().position(|known| *known == method);
                let Some(tag) = tag else {
                    return Some(if kind.is_some() && self.modern() {
                        self.violation("untagged")
                    } else {
                        Heard::Notified(method.into())
                    });
                };
                let Some(key) = own(tag) else {
                    return Some(self.violation("unknown subscription"));
                };
                let request = self.requests.get_mut(key)?;
                if request.method != LISTEN {
                    return Some(self.violation("unknown subscription"));
                }
                let Some(granted) = request.granted else {
                    return Some(self.violation("before acknowledgment"));
                };
                if kind.is_some_and(|kind| !granted[kind]) {
                    return Some(self.violation("not granted"));
                }
                request.alive(now);
                Some(Heard::Changed(key, method.into()))
            }
        }
    }

    // What the application does.

    /// Sends a request.
    ///
    /// # Errors
    /// Why not: `closed`, `capacity`, `outbox`.
    pub fn request(
        &mut self,
        now: u64,
        method: &str,
        params: &Value,
        token: u64,
        options: Options,
        full: bool,
    ) -> Result<Key, &'static str> {
        self.out.clear();
        if self.over || self.misbehaved {
            return Err("closed");
        }
        if self.requests.is_full() {
            return Err("capacity");
        }
        if full {
            return Err("outbox");
        }
        let modern = self.modern();
        let after = |d: Option<u64>| d.map_or(u64::MAX, |d| now.saturating_add(d));
        let request = Request {
            token,
            method: method.into(),
            modern,
            wants_progress: options.progress,
            heard: None,
            granted: None,
            idle: options.idle,
            idle_at: after(options.idle),
            total_at: after(options.total),
        };
        let key = self.requests.insert(request).ok_or("capacity")?;
        let mut params = params.clone();
        if modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion":self.revision,
                "io.modelcontextprotocol/clientInfo":self.shape.info,
                "io.modelcontextprotocol/clientCapabilities":self.shape.capabilities});
            if let Some(level) = options.level {
                params["_meta"]["io.modelcontextprotocol/logLevel"] = json!(level);
            }
        }
        if options.progress {
            params["_meta"]["progressToken"] = json!(wire(key));
        }
        self.out
            .push(json!({"jsonrpc":"2.0","id":wire(key),"method":method,"params":params}));
        Ok(key)
    }

    /// Gives a request up.
    pub fn cancel(&mut self, key: Key, reason: Option<&str>) -> Option<u64> {
        self.out.clear();
        let request = self.requests.remove(key)?;
        self.withdrawn(key, &request.method, reason);
        Some(request.token)
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, full: bool) -> bool {
        self.out.clear();
        if self.closed || self.misbehaved || full {
            return false;
        }
        self.out.push(json!({"jsonrpc":"2.0","method":method}));
        true
    }

    /// Answers a question.
    pub fn reply(&mut self, key: Key, result: Result<&Value, i64>) -> bool {
        self.out.clear();
        let Some((id, batch)) = self.asks.remove(key) else {
            return false;
        };
        self.member_of = batch;
        self.say(match result {
            Ok(result) => json!({"jsonrpc":"2.0","id":id,"result":result}),
            Err(code) => json!({"jsonrpc":"2.0","id":id,"error":{"code":code}}),
        });
        self.member_of = None;
        self.member_ended(batch);
        true
    }
}

const LISTEN: &str = "subscriptions/listen";

const CHANGES: [&str; 4] = [
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
];

impl Request {
    fn alive(&mut self, now: u64) {
        if let Some(idle) = self.idle {
            self.idle_at = now.saturating_add(idle);
        }
    }
}

fn ended(key: Key, request: &Request, outcome: Outcome) -> Next {
    Next::Event(Heard::Ended(key, request.token, outcome))
}

fn own(id: &Tree) -> Option<Key> {
    unwire(id.wire()?)
}

fn float(tree: &Tree) -> Option<f64> {
    match tree {
        Tree::Number(raw) => raw.parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

fn judge(request: &Request, result: Option<&Tree>) -> Outcome {
    let Some(result @ Tree::Object(_)) = result else {
        return Outcome::Invalid;
    };
    let value = result.value();
    if !request.modern {
        return Outcome::Complete(value);
    }
    if request.method == LISTEN && request.granted.is_none() {
        return Outcome::Invalid;
    }
    let asks = ["tools/call", "prompts/get", "resources/read"].contains(&request.method.as_str());
    match result.get("resultType") {
        None => Outcome::Complete(value),
        Some(Tree::Text(kind)) if kind == "complete" => Outcome::Complete(value),
        Some(Tree::Text(kind)) if kind == "input_required" => {
            let question =
                result.get("inputRequests").is_some() || result.get("requestState").is_some();
            if asks && question {
                Outcome::InputRequired(value)
            } else {
                Outcome::Invalid
            }
        }
        Some(_) => Outcome::Invalid,
    }
}
