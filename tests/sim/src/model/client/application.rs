//! What the application does: asks, gives up, tells, and answers questions.

use serde_json::{Value, json};

use super::super::slab::{Key, wire};
use super::{ClientModel, Options, Request};

impl ClientModel {
    /// Sends a request.
    ///
    /// # Errors
    /// Why not: `closed`, `capacity`, `outbox`.
    pub fn request(
        &mut self,
        now: u64,
        method: &str,
        params: &Value,
        token: u64,
        options: Options,
        full: bool,
    ) -> Result<Key, &'static str> {
        self.line.out.clear();
        if self.line.over || self.line.misbehaved {
            return Err("closed");
        }
        if self.requests.is_full() {
            return Err("capacity");
        }
        if full {
            return Err("outbox");
        }
        let modern = self.modern();
        let after = |d: Option<u64>| d.map_or(u64::MAX, |d| now.saturating_add(d));
        let request = Request {
            token,
            method: method.into(),
            modern,
            wants_progress: options.progress,
            heard: None,
            granted: None,
            idle: options.idle,
            idle_at: after(options.idle),
            total_at: after(options.total),
        };
        let key = self.requests.insert(request).ok_or("capacity")?;
        let mut params = params.clone();
        if modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion":self.revision,
                "io.modelcontextprotocol/clientInfo":self.shape.info,
                "io.modelcontextprotocol/clientCapabilities":self.shape.capabilities});
            if let Some(level) = options.level {
                params["_meta"]["io.modelcontextprotocol/logLevel"] = json!(level);
            }
        }
        if options.progress {
            params["_meta"]["progressToken"] = json!(wire(key));
        }
        self.line
            .out
            .push(json!({"jsonrpc":"2.0","id":wire(key),"method":method,"params":params}));
        Ok(key)
    }

    /// Gives a request up.
    pub fn cancel(&mut self, key: Key, reason: Option<&str>) -> Option<u64> {
        self.line.out.clear();
        let request = self.requests.remove(key)?;
        self.withdrawn(key, &request.method, reason);
        Some(request.token)
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, full: bool) -> bool {
        self.line.out.clear();
        if self.line.closed || self.line.misbehaved || full {
            return false;
        }
        self.line.out.push(json!({"jsonrpc":"2.0","method":method}));
        true
    }

    /// Answers a question.
    pub fn reply(&mut self, key: Key, result: Result<&Value, i64>) -> bool {
        self.line.out.clear();
        let Some((id, batch)) = self.asks.remove(key) else {
            return false;
        };
        self.line.member_of = batch;
        self.line.say(match result {
            Ok(result) => json!({"jsonrpc":"2.0","id":id,"result":result}),
            Err(code) => json!({"jsonrpc":"2.0","id":id,"error":{"code":code}}),
        });
        self.line.member_of = None;
        self.line.member_ended(batch);
        true
    }
}
