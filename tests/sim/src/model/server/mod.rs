//! What a server's link has to do.
//!
//! Owns the plain form of the rules: eras, the call table, subscriptions, the legacy session, requests to
//! the client. Messages are trees in and values out; only what an error's text says is left open.

mod calls;
mod handlers;
mod legacy;
mod modern;
mod news;
mod receive;
mod say;

use serde_json::Value;

use self::calls::{Ask, Call, Session};
pub use self::news::{Change, Filter};
use super::line::{Arrived, LineEnd, Room};
use super::slab::{Key, Table, wire};

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

const MODERN: &str = "2026-07-28";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// See the module.
#[derive(Debug)]
pub struct ServerModel {
    shape: Shape,
    /// What it has in common with its peer.
    pub line: LineEnd,
    calls: Table<Call>,
    asks: Table<Ask>,
    session: Option<Session>,
    draining: bool,
}

type Refusal = i64;

impl ServerModel {
    /// A server that has heard nothing.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self {
            line: LineEnd::new(shape.max_message, shape.violations, shape.outbox_high),
            calls: Table::new(shape.max_calls),
            asks: Table::new(shape.max_requests),
            session: None,
            draining: false,
            shape,
        }
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

    /// One step of the machine.
    pub fn next(&mut self, now: u64, room: &Room<'_>) -> Next {
        self.line.out.clear();
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
            if self.line.full(room) {
                return Next::Flush;
            }
            if self.line.closed {
                self.line.lines.clear();
                return Next::Input;
            }
            if self.line.misbehaved {
                return self.close();
            }
            if let Some((number, member)) = self.line.batches.next_member() {
                if let Some(heard) = self.receive_member(number, member) {
                    return Next::Event(heard);
                }
                continue;
            }
            let line = match self.line.arrived() {
                Arrived::Line(line) => line,
                Arrived::TooLong => {
                    self.refuse(None, -32600);
                    self.line.violation();
                    continue;
                }
                Arrived::Nothing => return Next::Input,
                Arrived::Over => return self.close(),
            };
            if let Some(heard) = self.receive(line) {
                return Next::Event(heard);
            }
        }
    }

    fn close(&mut self) -> Next {
        self.line.batches.stop();
        self.line.send_batches();
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
        self.line.closed = true;
        Next::Event(Heard::Closed(self.line.misbehaved))
    }
}
