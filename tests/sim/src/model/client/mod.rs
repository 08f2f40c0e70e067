//! What a client's link has to do.
//!
//! Owns the plain form of the rules: the request table, deadlines, subscriptions, a legacy server's
//! questions.

mod application;
mod receive;

use serde_json::{Value, json};

use super::batch;
use super::line::{Arrived, LineEnd, Room};
use super::slab::{Key, Table, wire};

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
    /// What it has in common with its peer.
    pub line: LineEnd,
    requests: Table<Request>,
    asks: Table<(Value, Option<batch::Number>)>,
    revision: &'static str,
    late: u64,
    closing: bool,
}

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const MODERN: &str = "2026-07-28";

impl ClientModel {
    /// A client that has said nothing.
    #[must_use]
    pub fn new(shape: Shape, revision: &'static str) -> Self {
        Self {
            line: LineEnd::new(shape.max_message, shape.violations, shape.outbox_high),
            requests: Table::new(shape.max_requests),
            asks: Table::new(shape.max_calls),
            revision,
            late: 0,
            closing: false,
            shape,
        }
    }

    /// Another revision from now on.
    pub fn speak(&mut self, revision: &'static str) {
        self.revision = revision;
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
        self.line.closed
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

    /// One step of the machine.
    pub fn next(&mut self, now: u64, room: &Room<'_>) -> Next {
        self.line.out.clear();
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
            if self.line.closed {
                self.line.lines.clear();
                return Next::Input;
            }
            if self.closing || self.line.misbehaved {
                return self.close();
            }
            if let Some((number, member)) = self.line.batches.next_member() {
                if let Some(heard) = self.receive_member(now, number, &member, room) {
                    return Next::Event(heard);
                }
                continue;
            }
            let line = match self.line.arrived() {
                Arrived::Line(line) => line,
                Arrived::TooLong => return Next::Event(self.violation("too long")),
                Arrived::Nothing => return Next::Input,
                Arrived::Over => return self.close(),
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
        self.line.closed = true;
        Next::Event(Heard::Closed(self.line.misbehaved))
    }

    fn violation(&mut self, what: &'static str) -> Heard {
        self.line.violation();
        Heard::Violation(what)
    }

    fn withdrawn(&mut self, key: Key, method: &str, reason: Option<&str>) {
        self.late += 1;
        if method == "initialize" || self.line.closed {
            return;
        }
        let mut params = json!({"requestId":wire(key)});
        if let Some(reason) = reason {
            params["reason"] = json!(reason);
        }
        self.line
            .out
            .push(json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":params}));
    }
}

const LISTEN: &str = "subscriptions/listen";

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
