//! What handlers do: answer, report, log, ask; and what befalls the server as a whole.

use serde_json::{Value, json};

use super::super::slab::{Key, unwire, wire};
use super::calls::Ask;
use super::news::Change;
use super::say::progress;
use super::{LEVELS, SUBSCRIPTION, ServerModel};

impl ServerModel {
    /// Answers a call.
    pub fn respond(&mut self, key: Key, result: Value) -> bool {
        self.line.out.clear();
        self.flush_progress(key);
        let Some(call) = self.calls.remove(key) else {
            return false;
        };
        let mut result = result;
        if call.modern {
            let meta = result.as_object_mut().and_then(|r| r.remove("_meta"));
            if call.hints && result["resultType"] == "complete" && result.get("ttlMs").is_none() {
                result["ttlMs"] = json!(0);
                result["cacheScope"] = json!("private");
            }
            result["_meta"] = json!({"io.modelcontextprotocol/serverInfo":self.shape.info});
            for (name, value) in meta.iter().flat_map(|m| m.as_object()).flatten() {
                result["_meta"][name] = value.clone();
            }
        } else if let Some(result) = result.as_object_mut() {
            for modern in ["resultType", "ttlMs", "cacheScope"] {
                result.remove(modern);
            }
        }
        self.line.member_of = call.batch;
        self.line
            .say(json!({"jsonrpc":"2.0","id":call.id,"result":result}));
        self.line.member_of = None;
        self.line.member_ended(call.batch);
        self.withdraw_all(key);
        true
    }

    /// Answers a call with an error.
    pub fn fail(&mut self, key: Key, code: i64) -> bool {
        self.line.out.clear();
        self.flush_progress(key);
        let Some(call) = self.calls.remove(key) else {
            return false;
        };
        self.line.member_of = call.batch;
        self.refuse(Some(call.id.clone()), code);
        self.line.member_of = None;
        self.line.member_ended(call.batch);
        self.withdraw_all(key);
        true
    }

    /// Reports progress.
    pub fn progress(
        &mut self,
        now: u64,
        key: Key,
        value: f64,
        total: Option<f64>,
        text: Option<String>,
        full: bool,
    ) -> bool {
        self.line.out.clear();
        let Some(call) = self.calls.get_mut(key) else {
            return false;
        };
        let Some(token) = call.token.clone() else {
            return true;
        };
        let last = call.waiting.as_ref().map(|w| w.0).or(call.reported);
        if last.is_some_and(|last| value <= last) {
            return true;
        }
        if full || now < call.free_at {
            call.waiting = Some((value, total, text));
        } else {
            call.free_at = now.saturating_add(self.shape.progress_interval);
            call.waiting = None;
            call.reported = Some(value);
            let message = progress(&token, &(value, total, text), call.messages);
            self.line.out.push(message);
        }
        true
    }

    /// Logs.
    pub fn log(&mut self, key: Key, level: usize, data: &Value, full: bool) -> bool {
        self.line.out.clear();
        let Some(call) = self.calls.get(key) else {
            return false;
        };
        if call.level.is_some_and(|least| level >= least) && !full {
            self.line
                .out
                .push(json!({"jsonrpc":"2.0","method":"notifications/message",
                "params":{"level":LEVELS[level],"data":data}}));
        }
        true
    }

    /// Asks the client.
    ///
    /// # Errors
    /// Why not: `stale`, `no session`, `capacity`.
    pub fn ask(
        &mut self,
        now: u64,
        key: Key,
        method: &str,
        params: &Value,
    ) -> Result<u64, &'static str> {
        self.line.out.clear();
        let call = self.calls.get(key).ok_or("stale")?;
        if call.modern || self.session.is_none() {
            return Err("no session");
        }
        if self.line.over || self.line.misbehaved {
            return Err("closed");
        }
        let at = now.saturating_add(self.shape.request_timeout);
        let id = wire(self.asks.insert(Ask { call: key, at }).ok_or("capacity")?);
        self.line
            .out
            .push(json!({"jsonrpc":"2.0","id":id,"method":method,"params":params}));
        Ok(id)
    }

    /// Gives a request up.
    pub fn withdraw(&mut self, id: u64) {
        self.line.out.clear();
        if let Some(key) = unwire(id)
            && self.asks.remove(key).is_some()
        {
            self.write_withdrawn(key);
        }
    }

    /// Something changed.
    pub fn changed(&mut self, change: &Change) {
        self.line.out.clear();
        for key in self.calls.keys() {
            if let Some(call) = self.calls.get_mut(key)
                && let Some((filter, dirt)) = &mut call.subscription
            {
                dirt.mark(filter, change);
            }
        }
        if let Some(session) = &mut self.session {
            session.dirt.mark(&session.filter, change);
        }
    }

    /// Goes down gracefully.
    pub fn drain(&mut self) {
        self.line.out.clear();
        self.draining = true;
        for key in self.calls.keys() {
            if self
                .calls
                .get(key)
                .is_some_and(|call| call.subscription.is_some())
                && let Some(call) = self.calls.remove(key)
            {
                let id = call.id;
                self.line.out.push(json!({"jsonrpc":"2.0","id":id,"result":{
                    "resultType":"complete",
                    "_meta":{SUBSCRIPTION:id,"io.modelcontextprotocol/serverInfo":self.shape.info}}}));
                self.line
                    .out
                    .push(json!({"jsonrpc":"2.0","method":"notifications/cancelled",
                    "params":{"requestId":id,"reason":"the server ended the subscription"}}));
            }
        }
    }
}
