//! A client on a byte stream: one message a line, judged as it comes.
//!
//! Owns the framing of the client's side and which answer belongs to which request. Every message that comes out of the
//! server is checked against its revision before a scenario sees it.

use std::time::{Duration, Instant};

use mcp_witness::Conversation;
use serde_json::{Value, json};

use super::case::Client;
use super::fixture::Seen;
use super::messages::{Era, initialize, initialized, text};
use super::wire::{MOMENT, PATIENCE, Wire};

/// A client.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) wire: Wire,
    era: Era,
    sent: Conversation,
    next_id: i64,
    buffer: Vec<u8>,
    /// How much of the buffer has no line's end in it.
    searched: usize,
    /// Messages that came while an answer was awaited.
    early: Vec<Value>,
}

impl Peer {
    /// On a connection where nothing was said yet.
    pub(super) fn new(wire: Wire, era: Era) -> Self {
        Self {
            wire,
            era,
            sent: Conversation::new(era.revision()),
            next_id: 1000,
            buffer: Vec::new(),
            searched: 0,
            early: Vec::new(),
        }
    }

    /// After the handshake, if the era has one.
    pub(super) fn greet(mut self) -> Self {
        if self.era == Era::Legacy {
            let answer = self.ask(&initialize("init"));
            assert_eq!(
                answer["result"]["protocolVersion"],
                Era::Legacy.revision(),
                "{answer}"
            );
            self.send(&initialized());
        }
        self
    }

    /// Sends bytes as they are; the server must be there.
    #[track_caller]
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(line) = std::str::from_utf8(line) {
                self.sent.note(line);
            }
        }
        self.wire.write(bytes).expect("the server reads");
    }

    /// Takes note of what is sent in pieces.
    pub(super) fn note(&mut self, message: &Value) {
        self.sent.note(&message.to_string());
    }

    #[track_caller]
    pub(super) fn send(&mut self, message: &Value) {
        self.raw(format!("{message}\n").as_bytes());
    }

    /// The next line, or nothing within `limit`; the end of the stream is an empty one.
    fn line(&mut self, limit: Duration) -> Option<String> {
        let until = Instant::now() + limit;
        loop {
            let end = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let rest = self.buffer.split_off(self.searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                line.pop();
                assert!(!line.is_empty(), "an empty line");
                return Some(String::from_utf8(line).expect("UTF-8"));
            }
            self.searched = self.buffer.len();
            let left = until.checked_duration_since(Instant::now())?;
            let mut piece = [0; 16 << 10];
            match self
                .wire
                .read_within(left.max(Duration::from_millis(1)), &mut piece)?
            {
                0 => {
                    let cut = String::from_utf8_lossy(&self.buffer);
                    assert!(cut.is_empty(), "the stream ends within a line: {cut}");
                    return Some(String::new());
                }
                read => self.buffer.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// The next message, which must come, or `None` at the end of the stream.
    #[track_caller]
    fn receive(&mut self) -> Option<Value> {
        let line = self.line(PATIENCE).expect("a message in time");
        if line.is_empty() {
            return None;
        }
        let message = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if let Err(error) = self.sent.server(&message) {
            panic!("{error}");
        }
        Some(message)
    }

    /// The next message, which must come.
    #[track_caller]
    pub(super) fn next(&mut self) -> Value {
        if self.early.is_empty() {
            self.receive().expect("a message before the end")
        } else {
            self.early.remove(0)
        }
    }

    /// Whether nothing comes for a moment.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.early.is_empty() && self.line(MOMENT).is_none()
    }

    /// The answer to the request `id`; what else comes meanwhile waits for [`next`](Self::next).
    #[track_caller]
    pub(super) fn answer_to(&mut self, id: &Value) -> Value {
        let answers =
            |message: &Value| message.get("method").is_none() && message.get("id") == Some(id);
        if let Some(found) = self.early.iter().position(answers) {
            return self.early.remove(found);
        }
        loop {
            let message = self.receive().expect("an answer before the end");
            if answers(&message) {
                return message;
            }
            self.early.push(message);
        }
    }

    #[track_caller]
    pub(super) fn ask(&mut self, request: &Value) -> Value {
        self.send(request);
        self.answer_to(&request["id"])
    }

    /// A request in this era, with an id of its own.
    pub(super) fn message(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        self.era.request(self.next_id, method, params)
    }

    #[track_caller]
    pub(super) fn request(&mut self, method: &str, params: Value) -> Value {
        let request = self.message(method, params);
        self.ask(&request)
    }

    #[track_caller]
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.start(tool, arguments);
        self.answer_to(&id)
    }

    /// Sends a call and does not wait for its answer; returns its id.
    #[track_caller]
    pub(super) fn start(&mut self, tool: &str, arguments: Value) -> Value {
        let request = self.message(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        );
        self.send(&request);
        request["id"].clone()
    }

    /// What became of the handlers that wait.
    #[track_caller]
    pub(super) fn seen(&mut self) -> Seen {
        let answer = self.call("seen", json!({}));
        serde_json::from_value(answer["result"]["structuredContent"].clone())
            .unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Asks until the handlers are as wanted, which must come.
    #[track_caller]
    pub(super) fn settles(&mut self, wanted: impl Fn(Seen) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let seen = self.seen();
            if wanted(seen) {
                return;
            }
            assert!(Instant::now() < until, "it never came to that: {seen:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Shows that the connection serves.
    #[track_caller]
    pub(super) fn works(&mut self) {
        let answer = self.call("add", json!({ "a": 1, "b": 2 }));
        assert_eq!(text(&answer), "3");
    }

    /// Shows that the connection serves and that nothing else has come.
    #[track_caller]
    pub(super) fn works_and_nothing_came(&mut self) {
        self.works();
        assert!(self.early.is_empty(), "unexpected: {:?}", self.early);
    }

    /// Everything until the end of the stream, which must come.
    #[track_caller]
    pub(super) fn rest(&mut self) -> Vec<Value> {
        let mut rest = std::mem::take(&mut self.early);
        while let Some(message) = self.receive() {
            rest.push(message);
        }
        rest
    }
}

impl Client for Peer {
    fn era(&self) -> Era {
        self.era
    }

    fn fresh_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    fn exchange(
        &mut self,
        request: &Value,
        reply: &mut dyn FnMut(&Value) -> Option<Value>,
    ) -> Vec<Value> {
        self.send(request);
        let mut messages = Vec::new();
        loop {
            let message = self.next();
            if message.get("method").is_some()
                && let Some(reply) = reply(&message)
            {
                self.send(&reply);
            }
            let over = message.get("method").is_none() && message["id"] == request["id"];
            messages.push(message);
            if over {
                return messages;
            }
        }
    }
}
