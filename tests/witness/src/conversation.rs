//! One exchange of messages between two peers, judged as it goes.
//!
//! Owns which request an answer belongs to and which revision a message speaks, by the rules of the protocol itself: a
//! modern request says it, everything else speaks what the handshake agreed on.

use std::collections::HashMap;

use serde_json::Value;

use crate::check::{Direction, Kind, check_message};

/// The latest revision.
pub const MODERN: &str = "2026-07-28";

/// What is known of the messages of a conversation so far.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// Requests of the client by id, with method and revision.
    requests: HashMap<String, (String, String)>,
    /// Requests of the server by id: methods.
    asked: HashMap<String, String>,
    /// The revision of what belongs to no request of the client.
    pub revision: String,
    /// How many messages were judged.
    pub judged: u64,
}

impl Conversation {
    /// A conversation in which nothing was said. What belongs to no request of the client is judged as `revision`.
    pub fn new(revision: &str) -> Self {
        Self {
            revision: revision.to_owned(),
            ..Self::default()
        }
    }

    /// Takes note of what the client sent, which need not be a message at all.
    pub fn note(&mut self, line: &str) {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return;
        };
        match message {
            Value::Array(messages) => messages.iter().for_each(|message| self.note_one(message)),
            message => self.note_one(&message),
        }
    }

    fn note_one(&mut self, message: &Value) {
        let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) else {
            return;
        };
        let revision = if speaks_modern(message, method) {
            MODERN
        } else {
            self.revision.as_str()
        };
        self.requests
            .insert(id.to_string(), (method.to_owned(), revision.to_owned()));
    }

    /// Judges a message of the server.
    ///
    /// # Errors
    ///
    /// What its revision does not allow, with the message.
    pub fn server(&mut self, message: &Value) -> Result<(), String> {
        let id = message.get("id").map(Value::to_string).unwrap_or_default();
        let answered = if message.get("method").is_none() {
            self.requests.get(&id)
        } else {
            None
        };
        let (method, mut revision) = answered
            .map_or(("", self.revision.as_str()), |(method, revision)| {
                (method, revision)
            });
        if method == "initialize" {
            revision = message["result"]["protocolVersion"]
                .as_str()
                .unwrap_or(revision);
        }
        if message["params"]["_meta"]
            .get("io.modelcontextprotocol/subscriptionId")
            .is_some()
        {
            revision = MODERN;
        }
        let kind = Kind::of(message, method);
        check_message(revision, Direction::FromServer, kind, message)?;
        if revision == MODERN
            && message.get("result").is_some()
            && !message["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string()
        {
            return Err(format!("a modern result without serverInfo: {message}"));
        }
        if method == "initialize" {
            self.revision = revision.to_owned();
        }
        if let (Kind::Request, Some(method)) = (kind, message["method"].as_str()) {
            self.asked.insert(id, method.to_owned());
        }
        self.judged += 1;
        Ok(())
    }

    /// Judges a message of the client and takes note of it.
    ///
    /// # Errors
    ///
    /// What its revision does not allow, with the message.
    pub fn client(&mut self, message: &Value) -> Result<(), String> {
        self.note_one(message);
        let id = message.get("id").map(Value::to_string).unwrap_or_default();
        let answered = self.asked.get(&id).map_or("", String::as_str);
        let revision = match message["method"].as_str() {
            Some("initialize") => message["params"]["protocolVersion"]
                .as_str()
                .unwrap_or(&self.revision),
            Some(method) if speaks_modern(message, method) => MODERN,
            _ => &self.revision,
        };
        check_message(
            revision,
            Direction::FromClient,
            Kind::of(message, answered),
            message,
        )?;
        self.judged += 1;
        Ok(())
    }
}

fn speaks_modern(message: &Value, method: &str) -> bool {
    let envelope = &message["params"]["_meta"];
    envelope
        .get("io.modelcontextprotocol/protocolVersion")
        .is_some()
        || envelope
            .get("io.modelcontextprotocol/clientCapabilities")
            .is_some()
        || matches!(method, "server/discover" | "subscriptions/listen")
}
