//! What comes in: answers, questions, notifications, and batches of a legacy server.

use serde_json::{Value, json};

use super::super::batch;
use super::super::line::Room;
use super::super::slab::{Key, unwire};
use super::super::tree::{self, Form, Message, Tree};
use super::{ClientModel, Heard, LISTEN, Outcome, Request, SUBSCRIPTION};

const CHANGES: [&str; 4] = [
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
];

impl ClientModel {
    pub(super) fn receive_member(
        &mut self,
        now: u64,
        number: batch::Number,
        member: &[u8],
        room: &Room<'_>,
    ) -> Option<Heard> {
        self.line.member_of = Some(number);
        let heard = self.receive(now, member, room);
        self.line.member_of = None;
        let mut pending = false;
        if let Some(Heard::Asked(key, _)) = &heard
            && let Some((_, batch)) = self.asks.get_mut(*key)
        {
            *batch = Some(number);
            pending = true;
        }
        self.line.batches.received(number, pending);
        self.line.send_batches();
        heard
    }

    /// Only 2025-03-26 has batches.
    pub(super) fn take_apart(&mut self, line: &[u8]) -> Option<Heard> {
        let max = self.shape.max_calls;
        let members = tree::elements(line)?;
        if !(1..=max).contains(&members.len()) {
            return Some(self.violation("malformed"));
        }
        if self.line.batches.waiting() + members.len() > max {
            return Some(self.violation("too many requests"));
        }
        self.line.batches.begin(members);
        None
    }

    pub(super) fn receive(&mut self, now: u64, line: &[u8], room: &Room<'_>) -> Option<Heard> {
        let message = match tree::read(line) {
            Ok(message) => message,
            Err(fault)
                if fault.batch
                    && self.line.member_of.is_none()
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
                let full = self.line.full(room);
                self.asked(&message, full)
            }
            Form::Notification => {
                let heard = self.notified(now, &message);
                if !matches!(heard, Some(Heard::Violation(_))) {
                    self.line.patience.regain();
                }
                heard
            }
        }
    }

    pub(super) fn answered(&mut self, message: &Message) -> Option<Heard> {
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
            self.line.violation();
        } else {
            self.line.patience.regain();
        }
        Some(Heard::Ended(key, request.token, outcome))
    }

    pub(super) fn asked(&mut self, message: &Message, full: bool) -> Option<Heard> {
        if self.modern() {
            return Some(self.violation("request in modern era"));
        }
        let id = message.id.as_ref().map(Tree::value)?;
        let refusal = |code: i64| json!({"jsonrpc":"2.0","id":id,"error":{"code":code}});
        if self.asks.iter().any(|(_, (known, _))| *known == id) {
            self.line.say(refusal(-32600));
            return Some(self.violation("duplicate request"));
        }
        let offered = match message.method.as_str() {
            "sampling/createMessage" => self.shape.sampling,
            "roots/list" => self.shape.roots,
            "elicitation/create" => self.shape.elicitation,
            _ => false,
        };
        if message.method == "ping" {
            self.line.say(json!({"jsonrpc":"2.0","id":id,"result":{}}));
        } else if offered {
            let refusal = refusal(-32603);
            if let Some(key) = self.asks.insert((id, None)) {
                self.line.patience.regain();
                return Some(Heard::Asked(key, message.method.clone()));
            }
            self.line.say(refusal);
            return Some(self.violation("too many requests"));
        } else {
            self.line.say(refusal(-32601));
        }
        if full {
            return Some(self.violation("too many requests"));
        }
        self.line.patience.regain();
        None
    }

    pub(super) fn notified(&mut self, now: u64, message: &Message) -> Option<Heard> {
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
                    self.line.member_ended(batch);
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
