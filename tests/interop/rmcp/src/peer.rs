//! What the server asked of, and told, one client.
//!
//! Owns the answers to its questions. Types of the SDK are made from JSON, for few of them can be built otherwise.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rmcp::model::{
    ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
    ListRootsResult, LoggingMessageNotificationParam, ProgressNotificationParam,
    ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::{Map, Value, json};

/// A client's memory.
#[derive(Default)]
pub struct Memory {
    pub forms: Mutex<Vec<String>>,
    pub urls: Mutex<Vec<String>>,
    pub prompts: Mutex<Vec<String>>,
    pub progress: Mutex<Vec<f64>>,
    pub updated: Mutex<Vec<String>>,
    pub logs: AtomicUsize,
    pub root_requests: AtomicUsize,
    pub tools_changed: AtomicUsize,
}

#[derive(Clone, Default)]
pub struct Peer(pub std::sync::Arc<Memory>);

/// A value of the SDK's from JSON.
pub fn made<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("what the schema says")
}

/// An acceptable answer for any form: its defaults, and something plausible for what is required.
fn answer(schema: &Value) -> Value {
    let mut content = Map::new();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let value = if let Some(default) = field.get("default") {
            default.clone()
        } else if !required.contains(&json!(name)) {
            continue;
        } else if let Some(first) = field.pointer("/enum/0").or(field.pointer("/oneOf/0/const")) {
            first.clone()
        } else {
            match (field["type"].as_str(), field["format"].as_str()) {
                (Some("boolean"), _) => json!(true),
                (Some("integer" | "number"), _) => {
                    field.get("minimum").cloned().unwrap_or(json!(1))
                }
                (Some("array"), _) => {
                    let items = &field["items"];
                    json!([items.pointer("/enum/0").or(items.pointer("/anyOf/0/const"))])
                }
                (_, Some("email")) => json!("ada@example.com"),
                (_, Some("date")) => json!("2026-07-28"),
                (_, Some("uri")) => json!("https://example.com/"),
                _ => json!("Ada"),
            }
        };
        content.insert(name.clone(), value);
    }
    Value::Object(content)
}

impl ClientHandler for Peer {
    fn get_info(&self) -> ClientConfig {
        made(json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {
                "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": { "listChanged": true },
            },
            "clientInfo": { "name": "interop", "version": "1.0.0" },
        }))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(match request {
            ElicitRequestParams::FormElicitationParams {
                message,
                requested_schema,
                ..
            } => {
                self.0.forms.lock().unwrap().push(message);
                let schema = serde_json::to_value(requested_schema).expect("a schema");
                made(json!({ "action": "accept", "content": answer(&schema) }))
            }
            ElicitRequestParams::UrlElicitationParams { url, .. } => {
                self.0.urls.lock().unwrap().push(url);
                made(json!({ "action": "accept" }))
            }
            _ => made(json!({ "action": "decline" })),
        })
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let asked = serde_json::to_string(&params.messages).expect("messages");
        self.0.prompts.lock().unwrap().push(asked);
        Ok(made(json!({
            "role": "assistant", "content": { "type": "text", "text": "forty-two" },
            "model": "canary", "stopReason": "endTurn",
        })))
    }

    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        self.0.root_requests.fetch_add(1, Ordering::SeqCst);
        Ok(made(
            json!({ "roots": [{ "uri": "file:///canary", "name": "canary" }] }),
        ))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.progress.lock().unwrap().push(params.progress);
    }

    async fn on_logging_message(
        &self,
        _: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.logs.fetch_add(1, Ordering::SeqCst);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.updated.lock().unwrap().push(params.uri);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.tools_changed.fetch_add(1, Ordering::SeqCst);
    }
}
