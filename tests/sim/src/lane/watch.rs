//! Watchers beside the model: each guards one thing that must never happen and knows nothing else.
//!
//! Owns what has been seen on the wire. Simple enough to be believed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::World;
use crate::failure::{Checked, require};
use crate::model::tree::{self, Form};
use crate::mutation::Mutation;

/// Watches what a server sends.
#[derive(Debug, Default)]
pub struct ServerWatch {
    /// Ids of calls that were cancelled and not used since.
    cancelled: BTreeSet<String>,
    /// Progress tokens of calls that have ended.
    dead_tokens: BTreeSet<String>,
    subscriptions: BTreeMap<String, Subscription>,
    /// The last progress by token.
    progress: BTreeMap<String, f64>,
    /// Tokens of live calls, with how many use each and whether there was ever more than one.
    tokens: BTreeMap<String, (usize, bool)>,
}

#[derive(Debug)]
struct Subscription {
    granted: Value,
}

const SUBSCRIPTION: &str = "/params/_meta/io.modelcontextprotocol~1subscriptionId";

impl ServerWatch {
    /// A line reaches the server: an id in it may be used again.
    pub fn line(&mut self, line: &[u8]) {
        if self.cancelled.is_empty() {
            return;
        }
        if let Some(id) = id_of(line) {
            self.cancelled.remove(&id.to_string());
        }
    }

    /// A call begins.
    pub fn began(&mut self, token: Option<&Value>) {
        if let Some(token) = token {
            let token = token.to_string();
            self.dead_tokens.remove(&token);
            self.progress.remove(&token);
            let (count, shared) = self.tokens.entry(token).or_insert((0, false));
            *count += 1;
            *shared |= *count > 1;
        }
    }

    /// A call ends.
    pub fn over(&mut self, id: &Value, token: Option<&Value>, cancelled: bool) {
        let id = id.to_string();
        self.subscriptions.remove(&id);
        if let Some(token) = token {
            let token = token.to_string();
            let left = self.tokens.get_mut(&token).map_or(0, |(n, _)| {
                *n -= 1;
                *n
            });
            if left == 0 {
                self.tokens.remove(&token);
                self.progress.remove(&token);
                self.dead_tokens.insert(token);
            }
        }
        if cancelled {
            self.cancelled.insert(id);
        }
    }

    /// A subscription begins: its acknowledgment must have been seen.
    pub fn listening(&self, id: &Value) -> Checked {
        require!(
            self.subscriptions.contains_key(&id.to_string()),
            AckFirst,
            "subscription {id} was opened without an acknowledgment"
        );
        Ok(())
    }

    /// The server sends a message.
    pub fn frame(&mut self, message: &Value) -> Checked {
        let method = message["method"].as_str();
        if let (None, Some(id)) = (method, message.get("id")) {
            require!(
                !self.cancelled.contains(&id.to_string()),
                SilentAfterCancel,
                "an answer to the cancelled call {id}: {message}"
            );
        }
        if method == Some("notifications/progress") {
            let token = message["params"]["progressToken"].to_string();
            require!(
                !self.dead_tokens.contains(&token),
                SilentAfterCancel,
                "progress of a call that has ended: {message}"
            );
            let value = message["params"]["progress"].as_f64().unwrap_or(f64::NAN);
            let shared = self.tokens.get(&token).is_some_and(|(_, shared)| *shared);
            let last = self.progress.insert(token, value);
            require!(
                shared || !value.is_nan() && last.is_none_or(|last| value > last),
                ProgressIncreases,
                "{last:?} is followed by {message}"
            );
        }
        let Some(id) = message.pointer(SUBSCRIPTION) else {
            return Ok(());
        };
        let id = id.to_string();
        if method == Some("notifications/subscriptions/acknowledged") {
            let granted = message["params"]["notifications"].clone();
            let twice = self
                .subscriptions
                .insert(id, Subscription { granted })
                .is_some();
            require!(!twice, AckFirst, "acknowledged twice: {message}");
            return Ok(());
        }
        require!(
            !self.cancelled.contains(&id),
            SilentAfterCancel,
            "a notification of a cancelled subscription: {message}"
        );
        let Some(subscription) = self.subscriptions.get(&id) else {
            require!(false, AckFirst, "no acknowledgment before {message}");
            return Ok(());
        };
        let granted = &subscription.granted;
        let allowed = allows(granted, message);
        require!(allowed, OnlyGranted, "granted {granted}, sent {message}");
        Ok(())
    }

    /// How many subscriptions are open.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }
}

/// Watches both directions of an honest stream from outside: ids, tokens and tags, and nothing of a call after
/// its cancellation was read.
#[derive(Debug, Default)]
pub struct WireWatch {
    live: BTreeMap<String, Request>,
    /// Cancelled, but possibly not read yet.
    dying: Vec<String>,
    /// Ended.
    dead: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Request {
    token: Option<String>,
    progress: Option<f64>,
    listen: bool,
    granted: Option<Value>,
}

impl WireWatch {
    /// A line of the client reaches the server.
    pub fn line(&mut self, line: &[u8]) {
        let Ok(message) = tree::read(line) else {
            return;
        };
        let id = message.id.as_ref().map(|id| id.value().to_string());
        match (message.form, id) {
            (Form::Request, Some(id)) => {
                let token = message.meta("progressToken").map(|t| t.value().to_string());
                let listen = message.method == "subscriptions/listen";
                let request = Request {
                    token,
                    listen,
                    ..Request::default()
                };
                self.live.insert(id, request);
            }
            (Form::Notification, _) if message.method == "notifications/cancelled" => {
                let id = message.param("requestId").map(|id| id.value().to_string());
                self.dying.extend(id);
            }
            _ => {}
        }
    }

    /// The server has read everything.
    pub fn passed(&mut self) {
        for id in self.dying.drain(..) {
            if self.live.remove(&id).is_some() {
                self.dead.insert(id);
            }
        }
    }

    /// The server sends a message.
    ///
    /// # Errors
    /// The invariant that it broke.
    pub fn frame(&mut self, message: &Value) -> Checked {
        let method = message["method"].as_str();
        if let (None, Some(id)) = (method, message.get("id")) {
            let id = id.to_string();
            require!(
                !self.dead.contains(&id),
                SilentAfterCancel,
                "an answer to what has ended: {message}"
            );
            require!(
                self.live.remove(&id).is_some(),
                NoCrossTalk,
                "an answer to what nobody asked: {message}"
            );
            self.dead.insert(id);
            return Ok(());
        }
        if method == Some("notifications/progress") {
            let token = message["params"]["progressToken"].to_string();
            let request = self
                .live
                .values_mut()
                .find(|r| r.token.as_ref() == Some(&token));
            let Some(request) = request else {
                require!(
                    false,
                    SilentAfterCancel,
                    "progress of what has ended: {message}"
                );
                return Ok(());
            };
            let value = message["params"]["progress"].as_f64().unwrap_or(f64::NAN);
            let last = request.progress.replace(value);
            require!(
                !value.is_nan() && last.is_none_or(|last| value > last),
                ProgressIncreases,
                "{last:?} is followed by {message}"
            );
        }
        let Some(id) = message.pointer(SUBSCRIPTION) else {
            return Ok(());
        };
        let id = id.to_string();
        require!(
            !self.dead.contains(&id),
            SilentAfterCancel,
            "a notification of a subscription that has ended: {message}"
        );
        let Some(request) = self.live.get_mut(&id).filter(|request| request.listen) else {
            require!(
                false,
                NoCrossTalk,
                "a subscription that nobody has: {message}"
            );
            return Ok(());
        };
        if method == Some("notifications/subscriptions/acknowledged") {
            let granted = message["params"]["notifications"].clone();
            let twice = request.granted.replace(granted).is_some();
            require!(!twice, AckFirst, "acknowledged twice: {message}");
            return Ok(());
        }
        let Some(granted) = &request.granted else {
            require!(false, AckFirst, "no acknowledgment before {message}");
            return Ok(());
        };
        require!(
            allows(granted, message),
            OnlyGranted,
            "granted {granted}, sent {message}"
        );
        Ok(())
    }

    /// An answer to what has ended.
    #[must_use]
    pub fn late(&self) -> Option<Value> {
        let id: Value = serde_json::from_str(self.dead.first()?).ok()?;
        Some(json!({"jsonrpc":"2.0","id":id,"result":{}}))
    }

    /// Ids of requests that have no answer.
    #[must_use]
    pub fn live(&self) -> Vec<String> {
        self.live.keys().cloned().collect()
    }
}

/// What whoever judges is shown of a message: that, or what a deliberate fault makes of it.
#[must_use]
pub fn shown(world: &World, message: &Value) -> Vec<Value> {
    let method = message["method"].as_str().unwrap_or_default();
    let acknowledged = method.ends_with("/acknowledged");
    let mut shown = vec![message.clone()];
    match world.mutation {
        Some(Mutation::SkipAck) if acknowledged => shown.clear(),
        Some(Mutation::RepeatProgress) if method == "notifications/progress" => {
            shown.push(message.clone());
        }
        Some(Mutation::WidenFilter) if acknowledged => {
            let mut more = message.clone();
            more["method"] = json!("notifications/resources/updated");
            more["params"]["uri"] = json!("a://never");
            shown.push(more);
        }
        _ => {}
    }
    shown
}

/// Whether an acknowledgment named this kind of notification.
#[must_use]
pub fn allows(granted: &Value, message: &Value) -> bool {
    match message["method"].as_str() {
        Some("notifications/tools/list_changed") => granted["toolsListChanged"] == true,
        Some("notifications/prompts/list_changed") => granted["promptsListChanged"] == true,
        Some("notifications/resources/list_changed") => granted["resourcesListChanged"] == true,
        Some("notifications/resources/updated") => granted["resourceSubscriptions"]
            .as_array()
            .is_some_and(|uris| uris.contains(&message["params"]["uri"])),
        _ => false,
    }
}

/// The lines that a machine has been given and not yet gone past.
#[derive(Debug, Default)]
pub struct Causes {
    lines: VecDeque<Vec<u8>>,
    partial: Vec<u8>,
}

impl Causes {
    /// Bytes arrive. Returns the lines that they complete.
    pub fn arrive(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut complete = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                let line = core::mem::take(&mut self.partial);
                // Each member of a batch is a cause of its own.
                match tree::elements(&line) {
                    Some(members) => complete.extend(members),
                    None => complete.push(line),
                }
            } else {
                self.partial.push(*byte);
            }
        }
        self.lines.extend(complete.iter().cloned());
        complete
    }

    /// No more bytes arrive. Returns the line that this completes.
    pub fn end(&mut self) -> Option<Vec<u8>> {
        let rest = core::mem::take(&mut self.partial);
        if rest.is_empty() {
            return None;
        }
        self.lines.push_back(rest.clone());
        Some(rest)
    }

    /// The machine has read everything.
    pub fn passed(&mut self) {
        self.lines.clear();
    }

    /// Whether a line that is yet to be read has that id.
    #[must_use]
    pub fn any_with_id(&self, id: &Value) -> bool {
        self.lines
            .iter()
            .any(|line| id_of(line).as_ref() == Some(id))
    }

    /// Takes the first line that can be the cause of something; what comes before it is passed.
    pub fn take(&mut self, matches: impl Fn(&[u8]) -> bool) -> bool {
        while let Some(line) = self.lines.pop_front() {
            if matches(&line) {
                return true;
            }
        }
        false
    }
}

fn id_of(line: &[u8]) -> Option<Value> {
    let id = match tree::read(line.strip_suffix(b"\r").unwrap_or(line)) {
        Ok(message) => message.id,
        Err(fault) => fault.id,
    };
    id.map(|id| id.value())
}

/// Whether `line` contains `part`.
#[must_use]
pub fn contains(line: &[u8], part: &str) -> bool {
    line.windows(part.len())
        .any(|window| window == part.as_bytes())
}
