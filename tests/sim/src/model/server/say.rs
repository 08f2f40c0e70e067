//! What goes out: answers, alone or with their batch, and frames for as long as there is room.

use serde_json::{Value, json};

use super::super::line::Room;
use super::super::slab::{Key, wire};
use super::ServerModel;
use super::news::notice;

impl ServerModel {
    pub(super) fn write_frames(&mut self, now: u64, room: &Room<'_>) {
        let loud = self.calls.iter().filter(|(_, call)| call.is_loud(now));
        let loud: Vec<Key> = loud.map(|(key, _)| key).collect();
        for key in loud {
            if !self.line.full(room)
                && let Some(call) = self.calls.get_mut(key)
                && call.is_due(now)
            {
                call.free_at = now.saturating_add(self.shape.progress_interval);
                self.flush_progress(key);
            }
            loop {
                if self.line.full(room) {
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
                self.line.out.push(notice(&change, Some(&id)));
            }
        }
        while !self.line.full(room) {
            let Some(session) = &mut self.session else {
                break;
            };
            let Some(change) = session.dirt.take(&session.filter) else {
                break;
            };
            self.line.out.push(notice(&change, None));
        }
    }

    pub(super) fn refuse(&mut self, id: Option<Value>, code: i64) {
        let mut message = json!({"jsonrpc":"2.0","error":{"code":code}});
        if let Some(id) = id {
            message["id"] = id;
        }
        self.line.say(message);
    }

    pub(super) fn reply(&mut self, id: &Value, modern: bool, mut result: Value) {
        if modern {
            result["resultType"] = json!("complete");
            result["_meta"] = json!({"io.modelcontextprotocol/serverInfo":self.shape.info});
        }
        self.line
            .say(json!({"jsonrpc":"2.0","id":id,"result":result}));
    }

    pub(super) fn write_withdrawn(&mut self, key: Key) {
        self.line
            .out
            .push(json!({"jsonrpc":"2.0","method":"notifications/cancelled",
            "params":{"requestId":wire(key)}}));
    }

    pub(super) fn withdraw_all(&mut self, call: Key) {
        for key in self.asks.keys() {
            if self.asks.get(key).is_some_and(|ask| ask.call == call) {
                self.asks.remove(key);
                self.write_withdrawn(key);
            }
        }
    }

    pub(super) fn flush_progress(&mut self, key: Key) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        let (Some(report), Some(token)) = (call.waiting.take(), &call.token) else {
            return;
        };
        call.reported = Some(report.0);
        let message = progress(token, &report, call.messages);
        self.line.out.push(message);
    }
}

pub(super) fn progress(
    token: &Value,
    report: &(f64, Option<f64>, Option<String>),
    messages: bool,
) -> Value {
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
