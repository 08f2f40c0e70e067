//! What a server's link has to do.
//!
//! Owns the plain form of the rules: eras, the call table, subscriptions, the legacy session, requests to
//! the client. Messages are trees in and values out; only what an error's text says is left open.

use serde_json::{Value, json};

use super::batch::{self, Batches};
use super::slab::{Key, Table, unwire, wire};
use super::tree::{self, Form, Message, Tree, integer};
use super::{Patience, Split, Splitter};

/// What the modelled server is.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Serves 2026-07-28.
    pub modern: bool,
    /// Served revisions of the older era, newest first.
    pub legacy: Vec<&'static str>,
    /// `tools`, with `listChanged`.
    pub tools: bool,
    /// `prompts`, with `listChanged`.
    pub prompts: bool,
    /// `resources`, with `listChanged` and `subscribe`.
    pub resources: bool,
    /// `logging`.
    pub logging: bool,
    /// As in the machine's limits.
    pub max_message: usize,
    /// As in the machine's limits.
    pub max_calls: usize,
    /// As in the machine's limits.
    pub max_requests: usize,
    /// As in the machine's limits.
    pub max_listens: usize,
    /// As in the machine's limits.
    pub max_uris: usize,
    /// As in the machine's limits.
    pub max_uri: usize,
    /// As in the machine's limits, in microseconds.
    pub request_timeout: u64,
    /// Microseconds between two reports of a call.
    pub progress_interval: u64,
    /// As in the machine's limits.
    pub violations: u32,
    /// The outbox is full from here on.
    pub outbox_high: usize,
    /// The capabilities object per revision.
    pub capabilities: Vec<(&'static str, Value)>,
    /// The `Implementation` object.
    pub info: Value,
}

/// The bytes of a message; prints as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Line(pub Vec<u8>);

impl core::fmt::Debug for Line {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// An event, with handles as slot and generation.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A call.
    Call {
        /// The handle.
        key: Key,
        /// The line.
        line: Line,
        /// The revision it is served in.
        revision: String,
        /// The least log level, if any.
        level: Option<usize>,
        /// The progress token.
        token: Option<Value>,
    },
    /// A subscription.
    Listening(Key, Filter),
    /// The session's filter.
    Subscribed(Filter),
    /// The end of a call; true if the stream's end did it.
    Cancelled(Key, bool),
    /// An answer to a request of the server.
    Answered(Key, u64, Result<Value, Value>),
    /// None came.
    Expired(Key, u64),
    /// None can come any more.
    Lost(Key, u64),
    /// A notification for the application.
    Notified(String),
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
    /// Flush.
    Flush,
}

/// What somebody wants to hear of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Tools, prompts, resources.
    pub lists: [bool; 3],
    /// Resources by URI.
    pub uris: Vec<String>,
}

#[derive(Debug, Default)]
struct Dirt {
    lists: [bool; 3],
    uris: Vec<String>,
}

impl Dirt {
    fn mark(&mut self, filter: &Filter, change: &Change) {
        match change {
            Change::List(n) if filter.lists[*n] => self.lists[*n] = true,
            Change::Uri(uri) if filter.uris.contains(uri) && !self.uris.contains(uri) => {
                self.uris.push(uri.clone());
            }
            _ => {}
        }
    }

    fn take(&mut self, filter: &Filter) -> Option<Change> {
        for n in 0..3 {
            if core::mem::take(&mut self.lists[n]) {
                return Some(Change::List(n));
            }
        }
        let uri = filter
            .uris
            .iter()
            .find(|uri| self.uris.contains(uri))?
            .clone();
        self.uris.retain(|known| *known != uri);
        Some(Change::Uri(uri))
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Tools, prompts, resources.
    List(usize),
    /// A resource.
    Uri(String),
}

#[derive(Debug)]
struct Call {
    id: Value,
    modern: bool,
    /// Its complete result must have caching hints.
    hints: bool,
    messages: bool,
    token: Option<Value>,
    level: Option<usize>,
    reported: Option<f64>,
    waiting: Option<(f64, Option<f64>, Option<String>)>,
    /// No progress is sent before.
    free_at: u64,
    subscription: Option<(Filter, Dirt)>,
    batch: Option<batch::Number>,
}

impl Call {
    /// Whether a report waits whose time has come.
    fn is_due(&self, now: u64) -> bool {
        self.waiting.is_some() && self.free_at <= now
    }

    /// Whether it has something to say.
    fn is_loud(&self, now: u64) -> bool {
        self.is_due(now)
            || self.subscription.as_ref().is_some_and(|(filter, dirt)| {
                dirt.lists != [false; 3] || filter.uris.iter().any(|u| dirt.uris.contains(u))
            })
    }
}

#[derive(Debug)]
struct Ask {
    call: Key,
    at: u64,
}

#[derive(Debug)]
struct Session {
    revision: &'static str,
    level: usize,
    filter: Filter,
    dirt: Dirt,
}

/// The levels, least first.
pub const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// Methods whose modern results must say how long they hold.
const HINTED: [&str; 5] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];

const MODERN: &str = "2026-07-28";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// How much the outbox holds: what was there plus what the machine wrote, message by message.
#[derive(Debug)]
pub struct Room<'a> {
    /// Bytes before the step.
    pub before: usize,
    /// Lengths of the messages that the machine wrote in the step.
    pub lengths: &'a [usize],
}

/// See the module.
#[derive(Debug)]
pub struct ServerModel {
    shape: Shape,
    lines: Splitter,
    batches: Batches,
    /// The batch whose member is being received.
    member_of: Option<batch::Number>,
    calls: Table<Call>,
    asks: Table<Ask>,
    session: Option<Session>,
    patience: Patience,
    misbehaved: bool,
    over: bool,
    closed: bool,
    draining: bool,
    /// What the present step has written.
    out: Vec<Value>,
}

type Refusal = i64;

impl ServerModel {
    /// A server that has heard nothing.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self {
            lines: Splitter::new(shape.max_message),
            batches: Batches::default(),
            member_of: None,
            calls: Table::new(shape.max_calls),
            asks: Table::new(shape.max_requests),
            session: None,
            patience: Patience::new(shape.violations),
            misbehaved: false,
            over: false,
            closed: false,
            draining: false,
            out: Vec::new(),
            shape,
        }
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

    /// Calls without an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Requests of the server without an answer.
    #[must_use]
    pub fn asking(&self) -> usize {
        self.asks.len()
    }

    /// The next deadline. A report whose time has come waits for room alone.
    #[must_use]
    pub fn deadline(&self, now: u64) -> Option<u64> {
        let asks = self.asks.iter().map(|(_, ask)| ask.at);
        let calls = self.calls.iter();
        let reports = calls.filter_map(|(_, call)| call.waiting.as_ref().map(|_| call.free_at));
        asks.chain(reports.filter(|at| *at > now)).min()
    }

    /// Whether frames wait to be written.
    #[must_use]
    pub fn has_frames(&self, now: u64) -> bool {
        self.calls.iter().any(|(_, call)| call.is_loud(now))
            || self
                .session
                .as_ref()
                .is_some_and(|s| s.dirt.lists != [false; 3] || !s.dirt.uris.is_empty())
    }

    fn full(&self, room: &Room<'_>) -> bool {
        let written: usize = room.lengths.iter().take(self.out.len()).sum();
        room.before + written >= self.shape.outbox_high
    }

    /// One step of the machine.
    pub fn next(&mut self, now: u64, room: &Room<'_>) -> Next {
        self.out.clear();
        let late = self
            .asks
            .iter()
            .find(|(_, ask)| ask.at <= now)
            .map(|(key, _)| key);
        if let Some(key) = late
            && let Some(ask) = self.asks.remove(key)
        {
            self.write_withdrawn(key);
            return Next::Event(Heard::Expired(ask.call, wire(key)));
        }
        loop {
            self.write_frames(now, room);
            if self.full(room) {
                return Next::Flush;
            }
            if self.closed {
                self.lines.clear();
                return Next::Input;
            }
            if self.misbehaved {
                return self.close();
            }
            if let Some((number, member)) = self.batches.next_member() {
                if let Some(heard) = self.receive_member(number, member) {
                    return Next::Event(heard);
                }
                continue;
            }
            let line = match self.lines.next_line() {
                Split::Line(line) => line,
                Split::TooLong => {
                    self.refuse(None, -32600);
                    self.violation();
                    continue;
                }
                Split::More if self.over => match self.lines.finish() {
                    Some(line) => line,
                    None => return self.close(),
                },
                Split::More => return Next::Input,
            };
            if let Some(heard) = self.receive(line) {
                return Next::Event(heard);
            }
        }
    }

    fn write_frames(&mut self, now: u64, room: &Room<'_>) {
        let loud = self.calls.iter().filter(|(_, call)| call.is_loud(now));
        let loud: Vec<Key> = loud.map(|(key, _)| key).collect();
        for key in loud {
            if !self.full(room)
                && let Some(call) = self.calls.get_mut(key)
                && call.is_due(now)
            {
                call.free_at = now.saturating_add(self.shape.progress_interval);
                self.flush_progress(key);
            }
            loop {
                if self.full(room) {
                    break;
                }
                let Some(call) = self.calls.get_mut(key) else {
                    break;
                };
                let id = call.id.clone();
                let Some((filter, dirt)) = &mut call.subscription else {
                    break;
                };
                let Some(change) = dirt.take(filter) else {
                    break;
                };
                self.out.push(notice(&change, Some(&id)));
            }
        }
        while !self.full(room) {
            let Some(session) = &mut self.session else {
                break;
            };
            let Some(change) = session.dirt.take(&session.filter) else {
                break;
            };
            self.out.push(notice(&change, None));
        }
    }

    fn close(&mut self) -> Next {
        self.batches.stop();
        self.send_batches();
        let asked = self.asks.keys().into_iter().next();
        if let Some(key) = asked
            && let Some(ask) = self.asks.remove(key)
        {
            return Next::Event(Heard::Lost(ask.call, wire(key)));
        }
        let ended = self
            .calls
            .iter()
            .find(|(_, call)| call.subscription.is_some())
            .map(|(key, _)| key);
        if let Some(key) = ended {
            self.calls.remove(key);
            return Next::Event(Heard::Cancelled(key, true));
        }
        self.closed = true;
        Next::Event(Heard::Closed(self.misbehaved))
    }

    fn violation(&mut self) {
        self.misbehaved |= !self.patience.lose();
    }

    fn refuse(&mut self, id: Option<Value>, code: i64) {
        let mut message = json!({"jsonrpc":"2.0","error":{"code":code}});
        if let Some(id) = id {
            message["id"] = id;
        }
        self.say(message);
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

    fn receive_member(&mut self, number: batch::Number, member: Vec<u8>) -> Option<Heard> {
        self.member_of = Some(number);
        let heard = self.receive(member);
        self.member_of = None;
        let mut pending = false;
        if let Some(Heard::Call { key, .. }) = &heard
            && let Some(call) = self.calls.get_mut(*key)
        {
            call.batch = Some(number);
            pending = true;
        }
        self.batches.received(number, pending);
        self.send_batches();
        heard
    }

    /// A call of a batch has ended.
    fn member_ended(&mut self, call: &Call) {
        if let Some(number) = call.batch {
            self.batches.ended(number);
            self.send_batches();
        }
    }

    fn receive(&mut self, line: Vec<u8>) -> Option<Heard> {
        let message = match tree::read(&line) {
            Ok(message) => message,
            Err(fault) if fault.batch && self.member_of.is_none() => {
                self.take_apart(&line);
                return None;
            }
            Err(fault) => {
                self.violation();
                let answer =
                    fault.nothing || matches!(fault.form, Some(Form::Result | Form::Error));
                if let (true, Some(id)) = (answer, &fault.id)
                    && let Some((number, ask)) = self.asked(id)
                {
                    let unreadable = json!({"code":-32600,
                        "message":"the answer was neither a result nor an error that can be read"});
                    return Some(Heard::Answered(ask.call, number, Err(unreadable)));
                }
                if matches!(fault.form, None | Some(Form::Request)) {
                    self.refuse(fault.id.map(|id| id.value()), fault.code);
                }
                return None;
            }
        };
        if self.member_of.is_some()
            && message.form == Form::Request
            && (message.method == "initialize" || self.is_modern(&message))
        {
            self.refuse(message.id.map(|id| id.value()), -32600);
            return None;
        }
        match message.form {
            Form::Request => {
                self.patience.regain();
                let id = message.id.as_ref().map(Tree::value)?;
                match self.request(&id, &message, line) {
                    Ok(heard) => heard,
                    Err(code) => {
                        self.refuse(Some(id), code);
                        None
                    }
                }
            }
            Form::Notification => self.notified(&message),
            Form::Result | Form::Error => self.answered(&message),
        }
    }

    fn request(
        &mut self,
        id: &Value,
        message: &Message,
        line: Vec<u8>,
    ) -> Result<Option<Heard>, Refusal> {
        if self.find(id).is_some() {
            self.violation();
            return Err(-32600);
        }
        if self.is_modern(message) {
            self.modern(id, message, line)
        } else {
            self.legacy(id, message, line)
        }
    }

    fn is_modern(&self, message: &Message) -> bool {
        let modern_only = matches!(
            message.method.as_str(),
            "server/discover" | "subscriptions/listen" | "tasks/update"
        );
        if !self.shape.modern {
            false
        } else if self.shape.legacy.is_empty() {
            true
        } else {
            message.meta(VERSION).is_some() || message.meta(CAPABILITIES).is_some() || modern_only
        }
    }

    fn serves(&self, method: &str, modern: bool) -> bool {
        let shape = &self.shape;
        match method {
            "server/discover" | "subscriptions/listen" => modern,
            "initialize" | "ping" => !modern,
            "logging/setLevel" => !modern && shape.logging,
            "resources/subscribe" | "resources/unsubscribe" => !modern && shape.resources,
            "tools/list" | "tools/call" => shape.tools,
            "resources/list" | "resources/templates/list" | "resources/read" => shape.resources,
            "prompts/list" | "prompts/get" => shape.prompts,
            _ => false,
        }
    }

    fn modern(
        &mut self,
        id: &Value,
        message: &Message,
        line: Vec<u8>,
    ) -> Result<Option<Heard>, Refusal> {
        let version = message.meta(VERSION).and_then(Tree::text);
        let (Some(version), Some(Tree::Object(_))) = (version, message.meta(CAPABILITIES)) else {
            let legacy = message.method == "initialize" && message.param("_meta").is_none();
            return Err(if legacy { -32022 } else { -32602 });
        };
        if version != MODERN {
            return Err(-32022);
        }
        if !self.serves(&message.method, true) {
            return Err(-32601);
        }
        let token = token(message)?;
        let level = match message.meta(LEVEL) {
            None => None,
            Some(level) => {
                let name = level.text().ok_or(-32602)?;
                Some(LEVELS.iter().position(|l| *l == name).ok_or(-32602)?)
            }
        };
        if message.method == "server/discover" {
            let mut versions: Vec<&str> = self.shape.legacy.clone();
            versions.insert(0, MODERN);
            let capabilities = self.capabilities(MODERN);
            self.reply(
                id,
                true,
                json!({"supportedVersions":versions,"capabilities":capabilities,
                    "ttlMs":3_600_000,"cacheScope":"public"}),
            );
            return Ok(None);
        }
        let mut call = Call {
            id: id.clone(),
            modern: true,
            hints: HINTED.contains(&message.method.as_str()),
            messages: true,
            token,
            level,
            reported: None,
            waiting: None,
            free_at: 0,
            subscription: None,
            batch: None,
        };
        if message.method == "subscriptions/listen" {
            let filter = self.granted(message)?;
            let open = self
                .calls
                .iter()
                .filter(|(_, c)| c.subscription.is_some())
                .count();
            if open >= self.shape.max_listens || self.draining || self.calls.is_full() {
                return Err(-32603);
            }
            let mut kinds = json!({});
            for (n, name) in LISTS.iter().enumerate() {
                if filter.lists[n] {
                    kinds[*name] = json!(true);
                }
            }
            if !filter.uris.is_empty() {
                kinds["resourceSubscriptions"] = json!(filter.uris);
            }
            self.out.push(json!({"jsonrpc":"2.0",
                "method":"notifications/subscriptions/acknowledged",
                "params":{"_meta":{SUBSCRIPTION:id},"notifications":kinds}}));
            call.subscription = Some((filter.clone(), Dirt::default()));
            let key = self.calls.insert(call).ok_or(-32603)?;
            return Ok(Some(Heard::Listening(key, filter)));
        }
        self.enter(call, MODERN, line).map(Some)
    }

    fn enter(&mut self, call: Call, revision: &str, line: Vec<u8>) -> Result<Heard, Refusal> {
        if self.draining {
            return Err(-32603);
        }
        let (level, token) = (call.level, call.token.clone());
        let key = self.calls.insert(call).ok_or(-32603)?;
        let line = Line(line);
        Ok(Heard::Call {
            key,
            line,
            revision: revision.into(),
            level,
            token,
        })
    }

    fn granted(&self, message: &Message) -> Result<Filter, Refusal> {
        let Some(Tree::Object(members)) = message.param("notifications") else {
            return Err(-32602);
        };
        let offered = [self.shape.tools, self.shape.prompts, self.shape.resources];
        let mut filter = Filter::default();
        for (key, value) in members {
            if let Some(n) = LISTS.iter().position(|name| name == key) {
                filter.lists[n] = match value {
                    Tree::Bool(wanted) => *wanted && offered[n],
                    Tree::Null => false,
                    _ => return Err(-32602),
                };
            } else if key == "resourceSubscriptions" {
                let uris = match value {
                    Tree::List(uris) => uris.as_slice(),
                    Tree::Null => &[],
                    _ => return Err(-32602),
                };
                filter.uris.clear();
                for uri in uris {
                    let uri = uri.text().ok_or(-32602)?.to_owned();
                    let fits =
                        filter.uris.len() < self.shape.max_uris && uri.len() <= self.shape.max_uri;
                    if self.shape.resources && fits && !filter.uris.contains(&uri) {
                        filter.uris.push(uri);
                    }
                }
            }
        }
        Ok(filter)
    }

    fn capabilities(&self, revision: &str) -> Value {
        self.shape
            .capabilities
            .iter()
            .find(|(known, _)| *known == revision)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    }

    fn legacy(
        &mut self,
        id: &Value,
        message: &Message,
        line: Vec<u8>,
    ) -> Result<Option<Heard>, Refusal> {
        if message.method == "initialize" {
            return self.initialize(id, message).map(Some);
        }
        let Some(session) = &self.session else {
            return match message.method.as_str() {
                "ping" if !self.shape.legacy.is_empty() => {
                    self.reply(id, false, json!({}));
                    Ok(None)
                }
                "server/discover" => Err(-32601),
                _ => Err(-32602),
            };
        };
        let (revision, least) = (session.revision, session.level);
        if !self.serves(&message.method, false) {
            return Err(-32601);
        }
        let token = token(message)?;
        let uri = message.param("uri").and_then(Tree::text).map(str::to_owned);
        let (max_uri, max_uris) = (self.shape.max_uri, self.shape.max_uris);
        let Some(session) = &mut self.session else {
            return Err(-32602);
        };
        let mut heard = None;
        match message.method.as_str() {
            "ping" => {}
            "logging/setLevel" => {
                let level = message.param("level").and_then(Tree::text);
                session.level = level
                    .and_then(|name| LEVELS.iter().position(|l| *l == name))
                    .ok_or(-32602)?;
            }
            "resources/subscribe" => {
                let uri = uri.ok_or(-32602)?;
                if uri.len() > max_uri {
                    return Err(-32602);
                }
                if !session.filter.uris.contains(&uri) {
                    if session.filter.uris.len() >= max_uris {
                        return Err(-32602);
                    }
                    session.filter.uris.push(uri);
                }
                heard = Some(Heard::Subscribed(session.filter.clone()));
            }
            "resources/unsubscribe" => {
                let uri = uri.ok_or(-32602)?;
                if let Some(at) = session.filter.uris.iter().position(|known| *known == uri) {
                    session.filter.uris.swap_remove(at);
                    session.dirt.uris.retain(|known| *known != uri);
                }
                heard = Some(Heard::Subscribed(session.filter.clone()));
            }
            _ => {
                let call = Call {
                    id: id.clone(),
                    modern: false,
                    hints: false,
                    messages: revision >= "2025-03-26",
                    token,
                    level: self.shape.logging.then_some(least),
                    reported: None,
                    waiting: None,
                    free_at: 0,
                    subscription: None,
                    batch: None,
                };
                return self.enter(call, revision, line).map(Some);
            }
        }
        self.reply(id, false, json!({}));
        Ok(heard)
    }

    fn initialize(&mut self, id: &Value, message: &Message) -> Result<Heard, Refusal> {
        if self.calls.iter().any(|(_, call)| !call.modern) {
            return Err(-32600);
        }
        let requested = message
            .param("protocolVersion")
            .and_then(Tree::text)
            .ok_or(-32602)?;
        let known = self
            .shape
            .legacy
            .iter()
            .find(|revision| **revision == requested);
        let revision = *known.or_else(|| self.shape.legacy.first()).ok_or(-32022)?;
        if !message.param("capabilities").is_some_and(Tree::is_object) {
            return Err(-32602);
        }
        let capabilities = self.capabilities(revision);
        let info = self.shape.info.clone();
        self.reply(
            id,
            false,
            json!({"protocolVersion":revision,"capabilities":capabilities,"serverInfo":info}),
        );
        let filter = Filter {
            lists: [self.shape.tools, self.shape.prompts, self.shape.resources],
            uris: Vec::new(),
        };
        self.session = Some(Session {
            revision,
            level: 1,
            filter: filter.clone(),
            dirt: Dirt::default(),
        });
        Ok(Heard::Subscribed(filter))
    }

    fn reply(&mut self, id: &Value, modern: bool, mut result: Value) {
        if modern {
            result["resultType"] = json!("complete");
            result["_meta"] = json!({"io.modelcontextprotocol/serverInfo":self.shape.info});
        }
        self.say(json!({"jsonrpc":"2.0","id":id,"result":result}));
    }

    fn notified(&mut self, message: &Message) -> Option<Heard> {
        match message.method.as_str() {
            "notifications/cancelled" => {
                let id = identifier(message.param("requestId")?)?;
                let key = self.find(&id)?;
                if let Some(call) = self.calls.remove(key) {
                    self.member_ended(&call);
                }
                self.withdraw_all(key);
                Some(Heard::Cancelled(key, false))
            }
            method @ ("notifications/initialized" | "notifications/roots/list_changed") => {
                Some(Heard::Notified(method.into()))
            }
            _ => None,
        }
    }

    /// Only 2025-03-26 has batches.
    fn take_apart(&mut self, line: &[u8]) {
        let members = match &self.session {
            Some(session) if session.revision == "2025-03-26" => tree::elements(line).ok_or(-32700),
            _ => Err(-32600),
        };
        let max = self.shape.max_calls;
        match members.and_then(|m| (1..=max).contains(&m.len()).then_some(m).ok_or(-32600)) {
            Ok(members) if self.batches.waiting() + self.answerable(&members) > max => {
                self.refuse(None, -32603);
            }
            Ok(members) => self.batches.begin(members),
            Err(code) => {
                self.violation();
                self.refuse(None, code);
            }
        }
    }

    /// How many members may be answered; where nothing waits, nobody counts.
    fn answerable(&self, members: &[Vec<u8>]) -> usize {
        if self.batches.waiting() == 0 {
            return members.len();
        }
        let answered = |member: &&Vec<u8>| {
            let form = match tree::read(member) {
                Ok(message) => Some(message.form),
                Err(fault) => fault.form,
            };
            matches!(form, None | Some(Form::Request))
        };
        members.iter().filter(answered).count()
    }

    /// The request of ours that an id stands for, if it waits.
    fn asked(&mut self, id: &Tree) -> Option<(u64, Ask)> {
        let (Tree::Text(digits) | Tree::Number(digits)) = id else {
            return None;
        };
        let number = integer(digits).then(|| digits.parse().ok())??;
        Some((number, self.asks.remove(unwire(number)?)?))
    }

    fn answered(&mut self, message: &Message) -> Option<Heard> {
        let (number, ask) = self.asked(message.id.as_ref()?)?;
        let outcome = match (&message.result, &message.error) {
            (Some(result), _) => Ok(result.value()),
            (_, error) => Err(error.as_ref().map(Tree::value).unwrap_or_default()),
        };
        Some(Heard::Answered(ask.call, number, outcome))
    }

    fn find(&self, id: &Value) -> Option<Key> {
        self.calls
            .iter()
            .find(|(_, call)| call.id == *id)
            .map(|(key, _)| key)
    }

    fn write_withdrawn(&mut self, key: Key) {
        self.out
            .push(json!({"jsonrpc":"2.0","method":"notifications/cancelled",
            "params":{"requestId":wire(key)}}));
    }

    fn withdraw_all(&mut self, call: Key) {
        for key in self.asks.keys() {
            if self.asks.get(key).is_some_and(|ask| ask.call == call) {
                self.asks.remove(key);
                self.write_withdrawn(key);
            }
        }
    }

    fn flush_progress(&mut self, key: Key) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        let (Some(report), Some(token)) = (call.waiting.take(), &call.token) else {
            return;
        };
        call.reported = Some(report.0);
        let message = progress(token, &report, call.messages);
        self.out.push(message);
    }

    // What the application does.

    /// Answers a call.
    pub fn respond(&mut self, key: Key, result: Value) -> bool {
        self.out.clear();
        self.flush_progress(key);
        let Some(call) = self.calls.remove(key) else {
            return false;
        };
        let mut result = result;
        if call.modern {
            let meta = result.as_object_mut().and_then(|r| r.remove("_meta"));
            if call.hints && result["resultType"] == "complete" && result.get("ttlMs").is_none() {
                result["ttlMs"] = json!(0);
                result["cacheScope"] = json!("private");
            }
            result["_meta"] = json!({"io.modelcontextprotocol/serverInfo":self.shape.info});
            for (name, value) in meta.iter().flat_map(|m| m.as_object()).flatten() {
                result["_meta"][name] = value.clone();
            }
        } else if let Some(result) = result.as_object_mut() {
            for modern in ["resultType", "ttlMs", "cacheScope"] {
                result.remove(modern);
            }
        }
        self.member_of = call.batch;
        self.say(json!({"jsonrpc":"2.0","id":call.id,"result":result}));
        self.member_of = None;
        self.member_ended(&call);
        self.withdraw_all(key);
        true
    }

    /// Answers a call with an error.
    pub fn fail(&mut self, key: Key, code: i64) -> bool {
        self.out.clear();
        self.flush_progress(key);
        let Some(call) = self.calls.remove(key) else {
            return false;
        };
        self.member_of = call.batch;
        self.refuse(Some(call.id.clone()), code);
        self.member_of = None;
        self.member_ended(&call);
        self.withdraw_all(key);
        true
    }

    /// Reports progress.
    pub fn progress(
        &mut self,
        now: u64,
        key: Key,
        value: f64,
        total: Option<f64>,
        text: Option<String>,
        full: bool,
    ) -> bool {
        self.out.clear();
        let Some(call) = self.calls.get_mut(key) else {
            return false;
        };
        let Some(token) = call.token.clone() else {
            return true;
        };
        let last = call.waiting.as_ref().map(|w| w.0).or(call.reported);
        if last.is_some_and(|last| value <= last) {
            return true;
        }
        if full || now < call.free_at {
            call.waiting = Some((value, total, text));
        } else {
            call.free_at = now.saturating_add(self.shape.progress_interval);
            call.waiting = None;
            call.reported = Some(value);
            let message = progress(&token, &(value, total, text), call.messages);
            self.out.push(message);
        }
        true
    }

    /// Logs.
    pub fn log(&mut self, key: Key, level: usize, data: &Value, full: bool) -> bool {
        self.out.clear();
        let Some(call) = self.calls.get(key) else {
            return false;
        };
        if call.level.is_some_and(|least| level >= least) && !full {
            self.out
                .push(json!({"jsonrpc":"2.0","method":"notifications/message",
                "params":{"level":LEVELS[level],"data":data}}));
        }
        true
    }

    /// Asks the client.
    ///
    /// # Errors
    /// Why not: `stale`, `no session`, `capacity`.
    pub fn ask(
        &mut self,
        now: u64,
        key: Key,
        method: &str,
        params: &Value,
    ) -> Result<u64, &'static str> {
        self.out.clear();
        let call = self.calls.get(key).ok_or("stale")?;
        if call.modern || self.session.is_none() {
            return Err("no session");
        }
        if self.over || self.misbehaved {
            return Err("closed");
        }
        let at = now.saturating_add(self.shape.request_timeout);
        let id = wire(self.asks.insert(Ask { call: key, at }).ok_or("capacity")?);
        self.out
            .push(json!({"jsonrpc":"2.0","id":id,"method":method,"params":params}));
        Ok(id)
    }

    /// Gives a request up.
    pub fn withdraw(&mut self, id: u64) {
        self.out.clear();
        if let Some(key) = unwire(id)
            && self.asks.remove(key).is_some()
        {
            self.write_withdrawn(key);
        }
    }

    /// Something changed.
    pub fn changed(&mut self, change: &Change) {
        self.out.clear();
        for key in self.calls.keys() {
            if let Some(call) = self.calls.get_mut(key)
                && let Some((filter, dirt)) = &mut call.subscription
            {
                dirt.mark(filter, change);
            }
        }
        if let Some(session) = &mut self.session {
            session.dirt.mark(&session.filter, change);
        }
    }

    /// Goes down gracefully.
    pub fn drain(&mut self) {
        self.out.clear();
        self.draining = true;
        for key in self.calls.keys() {
            if self
                .calls
                .get(key)
                .is_some_and(|call| call.subscription.is_some())
                && let Some(call) = self.calls.remove(key)
            {
                let id = call.id;
                self.out.push(json!({"jsonrpc":"2.0","id":id,"result":{
                    "resultType":"complete",
                    "_meta":{SUBSCRIPTION:id,"io.modelcontextprotocol/serverInfo":self.shape.info}}}));
                self.out
                    .push(json!({"jsonrpc":"2.0","method":"notifications/cancelled",
                    "params":{"requestId":id,"reason":"the server ended the subscription"}}));
            }
        }
    }
}

const LISTS: [&str; 3] = [
    "toolsListChanged",
    "promptsListChanged",
    "resourcesListChanged",
];

fn notice(change: &Change, subscription: Option<&Value>) -> Value {
    let method = match change {
        Change::List(n) => [
            "tools/list_changed",
            "prompts/list_changed",
            "resources/list_changed",
        ][*n],
        Change::Uri(_) => "resources/updated",
    };
    let mut message = json!({"jsonrpc":"2.0","method":format!("notifications/{method}")});
    if let Some(id) = subscription {
        message["params"]["_meta"][SUBSCRIPTION] = id.clone();
    }
    if let Change::Uri(uri) = change {
        message["params"]["uri"] = json!(uri);
    }
    message
}

fn progress(token: &Value, report: &(f64, Option<f64>, Option<String>), messages: bool) -> Value {
    let mut params = json!({"progressToken":token,"progress":number(report.0)});
    if let Some(total) = report.1 {
        params["total"] = number(total);
    }
    if let (Some(text), true) = (&report.2, messages) {
        params["message"] = json!(text);
    }
    json!({"jsonrpc":"2.0","method":"notifications/progress","params":params})
}

/// Whole numbers are written without a fraction.
fn number(value: f64) -> Value {
    if value.trunc() == value {
        json!(value as i64)
    } else {
        json!(value)
    }
}

/// A progress token is a string or an integer, however that is written, and as short as an id.
fn token(message: &Message) -> Result<Option<Value>, Refusal> {
    match message.meta("progressToken") {
        None => Ok(None),
        Some(token) if token.written() > tree::MAX_ID => Err(-32602),
        Some(token) => identifier(token).map(Some).ok_or(-32602),
    }
}

fn identifier(tree: &Tree) -> Option<Value> {
    match tree {
        Tree::Text(_) => Some(tree.value()),
        Tree::Number(raw) if integer(raw) => Some(tree.value()),
        Tree::Number(raw) => {
            let value: f64 = raw.parse().ok()?;
            let whole = value.trunc() == value && value.abs() <= 9_007_199_254_740_991.0;
            whole.then(|| json!(value as i64))
        }
        _ => None,
    }
}
