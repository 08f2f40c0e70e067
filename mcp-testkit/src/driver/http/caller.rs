//! An MCP client over HTTP: one message a request, answers as JSON or as events.
//!
//! Owns the session of a legacy client and reading event streams. Every message that comes out of the server is checked
//! against its revision before a scenario sees it.

use mcp_witness::Conversation;
use serde_json::{Value, json};

use super::link::{Answer, Link};
use super::request::Request;
use crate::driver::case::{Address, Client};
use crate::driver::fixture::Seen;
use crate::driver::messages::{Era, initialize, initialized, text};

/// A client.
#[derive(Debug)]
pub(in crate::driver) struct Caller {
    pub(in crate::driver) address: Address,
    era: Era,
    /// Of a legacy client.
    pub(in crate::driver) session: Option<String>,
    sent: Conversation,
    next_id: i64,
}

/// One event of a stream.
#[derive(Debug, Default)]
pub(in crate::driver) struct Event {
    pub(in crate::driver) id: Option<String>,
    /// It is nothing but a sign of life.
    pub(in crate::driver) comment: bool,
    pub(in crate::driver) data: Option<String>,
}

/// An answer whose head is there, and whose body is read as it comes.
#[derive(Debug)]
pub(in crate::driver) struct Events {
    pub(in crate::driver) link: Link,
    pub(in crate::driver) head: Answer,
    text: String,
}

impl Caller {
    /// Before any handshake.
    pub(in crate::driver) fn new(address: Address, era: Era) -> Self {
        Self {
            address,
            era,
            session: None,
            sent: Conversation::new(era.revision()),
            next_id: 1000,
        }
    }

    /// After the handshake, if the era has one.
    #[track_caller]
    pub(in crate::driver) fn greet(mut self) -> Self {
        if self.era == Era::Legacy {
            let hello = initialize("init");
            let answer = self.send(&Request::post(hello.to_string()));
            assert_eq!(answer.status, 200, "{}", answer.text());
            self.session = answer.header("mcp-session-id").map(str::to_owned);
            assert!(self.session.is_some(), "a session without an id");
            let messages = self.judged(&answer);
            assert_eq!(
                messages[0]["result"]["protocolVersion"],
                Era::Legacy.revision()
            );
            self.tell(&initialized());
        }
        self
    }

    /// What this client adds to the head of a request.
    pub(in crate::driver) fn on(&self, request: Request) -> Request {
        match &self.session {
            Some(id) => request
                .with("mcp-session-id", id)
                .with("mcp-protocol-version", self.era.revision()),
            None => request,
        }
    }

    /// The request that carries a message.
    pub(in crate::driver) fn post(&self, message: &Value) -> Request {
        match self.era {
            Era::Modern => Request::modern(message),
            Era::Legacy => self.on(Request::post(message.to_string())),
        }
    }

    /// A call with an id of its own.
    pub(in crate::driver) fn message(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.fresh_id();
        self.era.call(id, tool, arguments)
    }

    /// A call as a request, already taken note of.
    pub(in crate::driver) fn calling(&mut self, tool: &str, arguments: Value) -> Request {
        let message = self.message(tool, arguments);
        self.note(&message);
        self.post(&message)
    }

    pub(in crate::driver) fn note(&mut self, message: &Value) {
        self.sent.note(&message.to_string());
    }

    /// Sends a request on a connection of its own and waits for the whole answer.
    #[track_caller]
    pub(in crate::driver) fn send(&mut self, request: &Request) -> Answer {
        if let Ok(text) = std::str::from_utf8(request.body()) {
            self.sent.note(text);
        }
        let mut link = Link::open(self.address);
        link.write(&request.bytes());
        link.answer()
    }

    /// Posts what is not answered.
    #[track_caller]
    pub(in crate::driver) fn tell(&mut self, message: &Value) {
        let answer = self.send(&self.post(message));
        assert_eq!(answer.status, 202, "{}", answer.text());
    }

    /// Sends a request on a connection of its own and waits for the head of the answer.
    #[track_caller]
    pub(in crate::driver) fn open(&mut self, request: &Request) -> Events {
        if let Ok(text) = std::str::from_utf8(request.body()) {
            self.sent.note(text);
        }
        let mut link = Link::open(self.address);
        link.write(&request.bytes());
        let head = link.head();
        Events::new(link, head)
    }

    /// The messages of a whole answer.
    #[track_caller]
    pub(in crate::driver) fn judged(&mut self, answer: &Answer) -> Vec<Value> {
        if answer.is_events() {
            let mut events = answer.text().split_inclusive("\n\n").map(parsed);
            let data: Vec<String> = events.by_ref().filter_map(|event| event.data).collect();
            return data.iter().map(|data| self.judge(data)).collect();
        }
        let kind = answer.header("content-type");
        if answer.body.is_empty() || kind != Some("application/json") {
            return Vec::new();
        }
        vec![self.judge(answer.text())]
    }

    #[track_caller]
    fn judge(&mut self, data: &str) -> Value {
        let message = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        if let Err(error) = self.sent.server(&message) {
            panic!("{error}");
        }
        message
    }

    /// The last message of a whole answer, which has one.
    #[track_caller]
    pub(in crate::driver) fn last(&mut self, answer: &Answer) -> Value {
        let last = self.judged(answer).pop();
        last.unwrap_or_else(|| panic!("no message: {} {}", answer.status, answer.text()))
    }

    #[track_caller]
    pub(in crate::driver) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let request = self.calling(tool, arguments);
        let answer = self.send(&request);
        self.last(&answer)
    }

    /// The next message of a stream, signs of life left out, or `None` at its end.
    #[track_caller]
    pub(in crate::driver) fn message_of(&mut self, events: &mut Events) -> Option<Value> {
        loop {
            if let Some(data) = events.event()?.data {
                return Some(self.judge(&data));
            }
        }
    }

    /// The next message of a stream, which must come.
    #[track_caller]
    pub(in crate::driver) fn next(&mut self, events: &mut Events) -> Value {
        self.message_of(events).expect("a message before the end")
    }

    /// Everything that is left of a stream.
    #[track_caller]
    pub(in crate::driver) fn rest(&mut self, events: &mut Events) -> Vec<Value> {
        std::iter::from_fn(|| self.message_of(events)).collect()
    }

    /// What became of the handlers that wait.
    #[track_caller]
    pub(in crate::driver) fn seen(&mut self) -> Seen {
        let answer = self.call("seen", json!({}));
        serde_json::from_value(answer["result"]["structuredContent"].clone())
            .unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Shows that the server serves.
    #[track_caller]
    pub(in crate::driver) fn works(&mut self) {
        let answer = self.call("add", json!({ "a": 1, "b": 2 }));
        assert_eq!(text(&answer), "3");
    }
}

impl Client for Caller {
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
        let mut events = self.open(&self.post(request));
        if !events.head.is_events() {
            let answer = events.whole();
            return self.judged(&answer);
        }
        let mut messages = Vec::new();
        while let Some(message) = self.message_of(&mut events) {
            if message.get("method").is_some()
                && let Some(reply) = reply(&message)
            {
                self.tell(&reply);
            }
            messages.push(message);
        }
        messages
    }
}

impl Events {
    pub(in crate::driver) const fn new(link: Link, head: Answer) -> Self {
        Self {
            link,
            head,
            text: String::new(),
        }
    }

    /// The next event, or `None` at the end of the stream.
    #[track_caller]
    pub(in crate::driver) fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                return Some(parsed(&block));
            }
            let Some(piece) = self.link.body(&self.head) else {
                assert!(
                    self.text.is_empty(),
                    "an event without an end: {}",
                    self.text
                );
                return None;
            };
            self.text += std::str::from_utf8(&piece).expect("whole characters");
        }
    }

    /// The answer as a whole.
    #[track_caller]
    pub(in crate::driver) fn whole(&mut self) -> Answer {
        while let Some(piece) = self.link.body(&self.head) {
            self.head.body.extend_from_slice(&piece);
        }
        self.head.clone()
    }
}

#[track_caller]
fn parsed(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => event.comment = true,
            "id" => event.id = Some(value.to_owned()),
            "event" => assert_eq!(value, "message", "{block}"),
            "retry" => {}
            "data" if value.is_empty() => {}
            "data" => {
                let data = event.data.get_or_insert_default();
                if !data.is_empty() {
                    data.push('\n');
                }
                *data += value;
            }
            other => panic!("field {other:?} in {block}"),
        }
    }
    event
}
