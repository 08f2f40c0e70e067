//! What comes in: requests to whom they belong, answers, notifications, batches and their members.

use serde_json::{Value, json};

use super::super::batch;
use super::super::slab::{Key, unwire};
use super::super::tree::{self, Form, Message, Tree, integer};
use super::calls::{Ask, Call};
use super::{CAPABILITIES, Heard, Line, Refusal, ServerModel, VERSION};

impl ServerModel {
    pub(super) fn receive_member(
        &mut self,
        number: batch::Number,
        member: Vec<u8>,
    ) -> Option<Heard> {
        self.line.member_of = Some(number);
        let heard = self.receive(member);
        self.line.member_of = None;
        let mut pending = false;
        if let Some(Heard::Call { key, .. }) = &heard
            && let Some(call) = self.calls.get_mut(*key)
        {
            call.batch = Some(number);
            pending = true;
        }
        self.line.batches.received(number, pending);
        self.line.send_batches();
        heard
    }

    pub(super) fn receive(&mut self, line: Vec<u8>) -> Option<Heard> {
        let message = match tree::read(&line) {
            Ok(message) => message,
            Err(fault) if fault.batch && self.line.member_of.is_none() => {
                self.take_apart(&line);
                return None;
            }
            Err(fault) => {
                self.line.violation();
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
        if self.line.member_of.is_some()
            && message.form == Form::Request
            && (message.method == "initialize" || self.is_modern(&message))
        {
            self.refuse(message.id.map(|id| id.value()), -32600);
            return None;
        }
        match message.form {
            Form::Request => {
                self.line.patience.regain();
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

    pub(super) fn request(
        &mut self,
        id: &Value,
        message: &Message,
        line: Vec<u8>,
    ) -> Result<Option<Heard>, Refusal> {
        if self.find(id).is_some() {
            self.line.violation();
            return Err(-32600);
        }
        if self.is_modern(message) {
            self.modern(id, message, line)
        } else {
            self.legacy(id, message, line)
        }
    }

    pub(super) fn is_modern(&self, message: &Message) -> bool {
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

    pub(super) fn serves(&self, method: &str, modern: bool) -> bool {
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

    pub(super) fn enter(
        &mut self,
        call: Call,
        revision: &str,
        line: Vec<u8>,
    ) -> Result<Heard, Refusal> {
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

    pub(super) fn capabilities(&self, revision: &str) -> Value {
        self.shape
            .capabilities
            .iter()
            .find(|(known, _)| *known == revision)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    }

    pub(super) fn notified(&mut self, message: &Message) -> Option<Heard> {
        match message.method.as_str() {
            "notifications/cancelled" => {
                let id = identifier(message.param("requestId")?)?;
                let key = self.find(&id)?;
                if let Some(call) = self.calls.remove(key) {
                    self.line.member_ended(call.batch);
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
    pub(super) fn take_apart(&mut self, line: &[u8]) {
        let members = match &self.session {
            Some(session) if session.revision == "2025-03-26" => tree::elements(line).ok_or(-32700),
            _ => Err(-32600),
        };
        let max = self.shape.max_calls;
        match members.and_then(|m| (1..=max).contains(&m.len()).then_some(m).ok_or(-32600)) {
            Ok(members) if self.line.batches.waiting() + self.answerable(&members) > max => {
                self.refuse(None, -32603);
            }
            Ok(members) => self.line.batches.begin(members),
            Err(code) => {
                self.line.violation();
                self.refuse(None, code);
            }
        }
    }

    /// How many members may be answered; where nothing waits, nobody counts.
    pub(super) fn answerable(&self, members: &[Vec<u8>]) -> usize {
        if self.line.batches.waiting() == 0 {
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
    pub(super) fn asked(&mut self, id: &Tree) -> Option<(u64, Ask)> {
        let (Tree::Text(digits) | Tree::Number(digits)) = id else {
            return None;
        };
        let number = integer(digits).then(|| digits.parse().ok())??;
        Some((number, self.asks.remove(unwire(number)?)?))
    }

    pub(super) fn answered(&mut self, message: &Message) -> Option<Heard> {
        let (number, ask) = self.asked(message.id.as_ref()?)?;
        let outcome = match (&message.result, &message.error) {
            (Some(result), _) => Ok(result.value()),
            (_, error) => Err(error.as_ref().map(Tree::value).unwrap_or_default()),
        };
        Some(Heard::Answered(ask.call, number, outcome))
    }

    pub(super) fn find(&self, id: &Value) -> Option<Key> {
        self.calls
            .iter()
            .find(|(_, call)| call.id == *id)
            .map(|(key, _)| key)
    }
}

/// A progress token is a string or an integer, however that is written, and as short as an id.
pub(super) fn token(message: &Message) -> Result<Option<Value>, Refusal> {
    match message.meta("progressToken") {
        None => Ok(None),
        Some(token) if token.written() > tree::MAX_ID => Err(-32602),
        Some(token) => identifier(token).map(Some).ok_or(-32602),
    }
}

pub(super) fn identifier(tree: &Tree) -> Option<Value> {
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
