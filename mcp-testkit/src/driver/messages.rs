//! The messages of a client, in each era.
//!
//! Owns the envelopes. What is in them is the scenario's.

use serde_json::{Value, json};

/// The latest revision.
pub(super) use mcp_witness::MODERN;

/// The latest revision with a handshake.
pub(super) const LEGACY: &str = "2025-11-25";

/// Where a message says which subscription it belongs to.
pub(super) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Modern,
    Legacy,
}

impl Era {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }

    pub(super) const fn revision(self) -> &'static str {
        match self {
            Self::Modern => MODERN,
            Self::Legacy => LEGACY,
        }
    }

    /// A request.
    pub(super) fn request(self, id: impl Into<Value>, method: &str, mut params: Value) -> Value {
        if self == Self::Modern {
            let meta = params["_meta"].take();
            params["_meta"] = envelope();
            if let Some(more) = meta.as_object() {
                for (key, value) in more {
                    params["_meta"][key] = value.clone();
                }
            }
        }
        json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
    }

    /// A tool call.
    pub(super) fn call(self, id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        self.request(id, "tools/call", params)
    }
}

fn capabilities() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} })
}

fn envelope() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "contract", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": capabilities(),
        "io.modelcontextprotocol/logLevel": "info",
    })
}

/// The first request of a legacy client.
pub(super) fn initialize(id: impl Into<Value>) -> Value {
    let params = json!({
        "protocolVersion": LEGACY, "capabilities": capabilities(),
        "clientInfo": { "name": "contract", "version": "1" },
    });
    Era::Legacy.request(id, "initialize", params)
}

/// What a legacy client says when its handshake is over.
pub(super) fn initialized() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
}

/// The notice that nobody waits for an answer any more.
pub(super) fn cancel(id: impl Into<Value>) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id.into() } })
}

/// The text of a tool's answer.
#[track_caller]
pub(super) fn text(answer: &Value) -> &str {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer}"))
}

/// The code of an error.
#[track_caller]
pub(super) fn code(answer: &Value) -> i64 {
    let code = answer["error"]["code"].as_i64();
    code.unwrap_or_else(|| panic!("no error: {answer}"))
}
