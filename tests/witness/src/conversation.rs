//! One exchange of messages between two peers, judged as it goes.
//!
//! Owns which request an answer belongs to and which revision a message speaks, by the rules of the protocol itself: a
//! modern request says it, everything else speaks what the handshake agreed on.

use std::collections::HashMap;

use serde_json::Value;

use crate::check::{Direction, Kind, check_message};

/// The latest revision.
pub const MODERN: &str = "2026-07-28";

/// The one revision in which a message may be an array of messages.
const BATCHES: &str = "2025-03-26";

/// What a result speaks that was asked for in no era.
const BEFORE: &str = "2025-11-25";

/// What is known of the messages of a conversation so far.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// Requests of the client by id: methods, and whether they are modern; the latest last. A client may use an id again,
    /// rightly or not.
    requests: HashMap<String, Vec<(String, bool)>>,
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

    /// Takes note of several lines of the client.
    pub fn note_lines(&mut self, lines: &str) {
        for line in lines.lines() {
            self.note(line);
        }
    }

    fn note_one(&mut self, message: &Value) {
        let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) else {
            return;
        };
        let request = (method.to_owned(), speaks_modern(message, method));
        let known = self.requests.entry(id.to_string()).or_default();
        known.retain(|earlier| *earlier != request);
        known.push(request);
    }

    /// Takes note of what a server sent that need not be right.
    pub fn note_server(&mut self, message: &Value) {
        if let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) {
            self.asked.insert(id.to_string(), method.to_owned());
        }
    }

    /// The messages in `message`, which may be a batch where there are batches.
    fn members<'a>(&self, message: &'a Value) -> Result<&'a [Value], String> {
        match message {
            Value::Array(members) if self.revision == BATCHES && !members.is_empty() => Ok(members),
            Value::Array(_) => Err(format!("no batch in {}: {message}", self.revision)),
            _ => Ok(std::slice::from_ref(message)),
        }
    }

    /// Judges a message of the server.
    ///
    /// # Errors
    ///
    /// What its revision does not allow, with the message.
    pub fn server(&mut self, message: &Value) -> Result<(), String> {
        for message in self.members(message)? {
            self.server_one(message)?;
        }
        Ok(())
    }

    fn server_one(&mut self, message: &Value) -> Result<(), String> {
        let id = message.get("id").map(Value::to_string).unwrap_or_default();
        let none = [(String::new(), self.revision == MODERN)];
        let requests = match self.requests.get(&id) {
            Some(requests) if message.get("method").is_none() => requests.as_slice(),
            _ => &none,
        };
        // Which of several requests with one id is answered is not said; the error is told for the latest.
        let mut verdict = Err(String::new());
        for (method, modern) in requests.iter().rev() {
            let revision = match self.revision.as_str() {
                _ if *modern => MODERN,
                // What comes before any handshake and is no modern request either.
                MODERN if message.get("error").is_none() => BEFORE,
                agreed => agreed,
            };
            let judged = judge(message, method, revision);
            if judged.is_ok() || verdict == Err(String::new()) {
                verdict = judged;
            }
        }
        let agreed = verdict?;
        if let Some(agreed) = agreed {
            self.revision = agreed;
        }
        self.note_server(message);
        self.judged += 1;
        Ok(())
    }

    /// Judges a message of the client and takes note of it.
    ///
    /// # Errors
    ///
    /// What its revision does not allow, with the message.
    pub fn client(&mut self, message: &Value) -> Result<(), String> {
        for message in self.members(message)? {
            self.client_one(message)?;
        }
        Ok(())
    }

    fn client_one(&mut self, message: &Value) -> Result<(), String> {
        self.note_one(message);
        let id = message.get("id").map(Value::to_string).unwrap_or_default();
        let answered = self.asked.get(&id).map_or("", String::as_str);
        if message["method"] == "initialize"
            && let Some(revision) = message["params"]["protocolVersion"].as_str()
        {
            self.revision = revision.to_owned();
        }
        let revision = match message["method"].as_str() {
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

/// Judges a server's message that belongs to a request for `method`, if it belongs to one. Returns the revision that a
/// handshake agreed on.
fn judge(message: &Value, method: &str, revision: &str) -> Result<Option<String>, String> {
    let mut revision = revision;
    let mut agreed = None;
    if method == "initialize"
        && let Some(answered) = message["result"]["protocolVersion"].as_str()
    {
        revision = answered;
        agreed = Some(answered.to_owned());
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
    Ok(agreed)
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
