//! Whether a message is what its revision allows.
//!
//! Owns [`check_message`]. It must never be lenient: a field that the revision does not name is an error, and so is a
//! message that an independent implementation cannot decode.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::{closed, decode, spec};

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The server.
    FromServer,
    /// The client.
    FromClient,
}

/// What a message is. The method of an answer is that of its request.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// It wants an answer.
    Request,
    /// It wants none.
    Notification,
    /// A good answer.
    Result {
        /// That of the request which it answers.
        method: &'a str,
    },
    /// A bad answer.
    Error,
}

impl<'a> Kind<'a> {
    /// What a message looks like; `method` is that of the request which it answers, if it answers one.
    pub fn of(message: &Value, method: &'a str) -> Self {
        if message.get("error").is_some() {
            Kind::Error
        } else if message.get("result").is_some() {
            Kind::Result { method }
        } else if message.get("id").is_some() {
            Kind::Request
        } else {
            Kind::Notification
        }
    }
}

/// Checks one message against the closed schema of `revision`, where the schemas are at hand, and by decoding it with an
/// independent implementation. The error says what is wrong and where.
pub fn check_message(
    revision: &str,
    direction: Direction,
    kind: Kind<'_>,
    message: &Value,
) -> Result<(), String> {
    envelope(kind, message)?;
    let definition = definition(revision, direction, kind, message)?;
    let part = match kind {
        Kind::Result { .. } => message["result"].clone(),
        Kind::Error => message.clone(),
        Kind::Request | Kind::Notification => message.clone(),
    };
    if spec::folder().is_some() {
        let validator = validator(revision, &definition)?;
        let mut part = part.clone();
        // Before 2025-11-25 the definitions of requests and notifications leave out the envelope, which is checked above.
        if matches!(kind, Kind::Request | Kind::Notification)
            && !names_the_envelope(revision, &definition)
            && let Some(object) = part.as_object_mut()
        {
            object.remove("jsonrpc");
            object.remove("id");
        }
        let errors: Vec<String> = validator
            .iter_errors(&part)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if !errors.is_empty() {
            return Err(format!(
                "not a {definition} of {revision}: {}\n{message:#}",
                errors.join("; ")
            ));
        }
    }
    decode::decode(revision, &definition, &part)
        .map_err(|error| format!("{definition} of {revision}: {error}\n{message:#}"))
}

/// The members of every JSON-RPC message.
fn envelope(kind: Kind<'_>, message: &Value) -> Result<(), String> {
    let object = message
        .as_object()
        .ok_or_else(|| format!("not an object: {message}"))?;
    let allowed: &[&str] = match kind {
        Kind::Request => &["jsonrpc", "id", "method", "params"],
        Kind::Notification => &["jsonrpc", "method", "params"],
        Kind::Result { .. } => &["jsonrpc", "id", "result"],
        Kind::Error => &["jsonrpc", "id", "error"],
    };
    if let Some(other) = object.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(format!("member {other:?} in {message}"));
    }
    if object.get("jsonrpc") != Some(&json!("2.0")) {
        return Err(format!("no jsonrpc 2.0 in {message}"));
    }
    let id = object.get("id");
    let fits = match kind {
        Kind::Request | Kind::Result { .. } => {
            id.is_some_and(|id| id.is_string() || id.is_i64() || id.is_u64())
        }
        Kind::Notification => id.is_none(),
        Kind::Error => {
            id.is_none_or(|id| id.is_string() || id.is_i64() || id.is_u64() || id.is_null())
        }
    };
    if fits {
        Ok(())
    } else {
        Err(format!("a wrong id in {message}"))
    }
}

/// The name of the definition that a message must satisfy.
fn definition(
    revision: &str,
    direction: Direction,
    kind: Kind<'_>,
    message: &Value,
) -> Result<String, String> {
    Ok(match kind {
        Kind::Error => error_definition(revision, message).into(),
        Kind::Result { method } => result_definition(revision, method, &message["result"])?.into(),
        Kind::Request | Kind::Notification => {
            let method = message["method"]
                .as_str()
                .ok_or_else(|| format!("no method in {message}"))?;
            message_definition(direction, kind, method)
                .ok_or_else(|| format!("{direction:?} sends no {method}"))?
                .into()
        }
    })
}

fn error_definition(revision: &str, message: &Value) -> &'static str {
    match (revision, message["error"]["code"].as_i64()) {
        ("2026-07-28", Some(-32020)) => "HeaderMismatchError",
        ("2026-07-28", Some(-32021)) => "MissingRequiredClientCapabilityError",
        ("2026-07-28", Some(-32022)) => "UnsupportedProtocolVersionError",
        ("2025-11-25", Some(-32042)) => "URLElicitationRequiredError",
        ("2025-11-25" | "2026-07-28", _) => "JSONRPCErrorResponse",
        _ => "JSONRPCError",
    }
}

fn result_definition(revision: &str, method: &str, result: &Value) -> Result<&'static str, String> {
    if result["resultType"] == json!("input_required") {
        return Ok("InputRequiredResult");
    }
    Ok(match method {
        "initialize" => "InitializeResult",
        "server/discover" => "DiscoverResult",
        "subscriptions/listen" => "SubscriptionsListenResult",
        "tools/list" => "ListToolsResult",
        "tools/call" => "CallToolResult",
        "resources/list" => "ListResourcesResult",
        "resources/templates/list" => "ListResourceTemplatesResult",
        "resources/read" => "ReadResourceResult",
        "prompts/list" => "ListPromptsResult",
        "prompts/get" => "GetPromptResult",
        "completion/complete" => "CompleteResult",
        "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
            "EmptyResult"
        }
        "roots/list" => "ListRootsResult",
        "sampling/createMessage" => "CreateMessageResult",
        "elicitation/create" => "ElicitResult",
        other => return Err(format!("{revision} has no result for {other}")),
    })
}

fn message_definition(direction: Direction, kind: Kind<'_>, method: &str) -> Option<&'static str> {
    match (direction, kind) {
        (Direction::FromServer, Kind::Request) => server_request(method),
        (Direction::FromClient, Kind::Request) => client_request(method),
        (_, Kind::Notification) => notification(direction, method),
        (_, Kind::Result { .. } | Kind::Error) => None,
    }
}

fn server_request(method: &str) -> Option<&'static str> {
    Some(match method {
        "ping" => "PingRequest",
        "roots/list" => "ListRootsRequest",
        "sampling/createMessage" => "CreateMessageRequest",
        "elicitation/create" => "ElicitRequest",
        _ => return None,
    })
}

fn client_request(method: &str) -> Option<&'static str> {
    Some(match method {
        "initialize" => "InitializeRequest",
        "ping" => "PingRequest",
        "server/discover" => "DiscoverRequest",
        "subscriptions/listen" => "SubscriptionsListenRequest",
        "tools/list" => "ListToolsRequest",
        "tools/call" => "CallToolRequest",
        "resources/list" => "ListResourcesRequest",
        "resources/templates/list" => "ListResourceTemplatesRequest",
        "resources/read" => "ReadResourceRequest",
        "resources/subscribe" => "SubscribeRequest",
        "resources/unsubscribe" => "UnsubscribeRequest",
        "prompts/list" => "ListPromptsRequest",
        "prompts/get" => "GetPromptRequest",
        "completion/complete" => "CompleteRequest",
        "logging/setLevel" => "SetLevelRequest",
        _ => return None,
    })
}

fn notification(direction: Direction, method: &str) -> Option<&'static str> {
    Some(match (direction, method) {
        (_, "notifications/cancelled") => "CancelledNotification",
        (_, "notifications/progress") => "ProgressNotification",
        (Direction::FromServer, "notifications/message") => "LoggingMessageNotification",
        (Direction::FromServer, "notifications/tools/list_changed") => {
            "ToolListChangedNotification"
        }
        (Direction::FromServer, "notifications/prompts/list_changed") => {
            "PromptListChangedNotification"
        }
        (Direction::FromServer, "notifications/resources/list_changed") => {
            "ResourceListChangedNotification"
        }
        (Direction::FromServer, "notifications/resources/updated") => "ResourceUpdatedNotification",
        (Direction::FromServer, "notifications/subscriptions/acknowledged") => {
            "SubscriptionsAcknowledgedNotification"
        }
        (Direction::FromServer, "notifications/elicitation/complete") => {
            "ElicitationCompleteNotification"
        }
        (Direction::FromClient, "notifications/initialized") => "InitializedNotification",
        (Direction::FromClient, "notifications/roots/list_changed") => {
            "RootsListChangedNotification"
        }
        _ => return None,
    })
}

fn names_the_envelope(revision: &str, definition: &str) -> bool {
    let Some(schema) = spec::schema(revision) else {
        return false;
    };
    let (_, definitions) = spec::definitions(schema);
    definitions
        .get(definition)
        .is_some_and(|definition| definition["properties"].get("jsonrpc").is_some())
}

/// A validator for one definition of a closed schema.
pub(crate) fn compile(closed: &Value, definition: &str) -> Validator {
    let (key, _) = spec::definitions(closed);
    let mut schema = closed.clone();
    schema["allOf"] = json!([{ "$ref": format!("#/{key}/{definition}") }]);
    jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{definition}: {error}"))
}

fn validator(revision: &str, definition: &str) -> Result<Arc<Validator>, String> {
    type Known = HashMap<(String, String), Arc<Validator>>;
    static VALIDATORS: OnceLock<Mutex<Known>> = OnceLock::new();
    let schema = spec::schema(revision).ok_or("no schemas")?;
    if !spec::definitions(schema).1.contains_key(definition) {
        return Err(format!("{revision} has no {definition}"));
    }
    let key = (revision.to_owned(), definition.to_owned());
    let mut known = VALIDATORS
        .get_or_init(Mutex::default)
        .lock()
        .map_err(|_| "a test panicked while compiling a schema")?;
    let validator = known
        .entry(key)
        .or_insert_with(|| Arc::new(compile(&closed::close(schema), definition)));
    Ok(Arc::clone(validator))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_server(revision: &str, method: &str, message: &Value) -> Result<(), String> {
        check_message(
            revision,
            Direction::FromServer,
            Kind::of(message, method),
            message,
        )
    }

    #[test]
    fn good_messages_pass() {
        let result = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [{ "type": "text", "text": "x" }] } });
        for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            from_server(revision, "tools/call", &result).unwrap();
        }
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 0.5 } });
        for revision in [
            "2024-11-05",
            "2025-03-26",
            "2025-06-18",
            "2025-11-25",
            "2026-07-28",
        ] {
            from_server(revision, "", &note).unwrap();
        }
        let error =
            json!({ "jsonrpc": "2.0", "id": "a", "error": { "code": -32601, "message": "no" } });
        for revision in ["2024-11-05", "2025-11-25", "2026-07-28"] {
            from_server(revision, "", &error).unwrap();
        }
    }

    #[test]
    fn an_envelope_with_more_members_is_refused() {
        let both = json!({ "jsonrpc": "2.0", "id": 1, "result": {}, "extra": 1 });
        assert!(from_server("2025-11-25", "ping", &both).is_err());
        let null = json!({ "jsonrpc": "2.0", "id": null, "result": {} });
        assert!(from_server("2025-11-25", "ping", &null).is_err());
    }

    #[test]
    fn a_modern_result_needs_its_type() {
        let result = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [] } });
        assert!(from_server("2026-07-28", "tools/call", &result).is_err());
    }

    #[test]
    fn a_server_sends_no_requests_of_its_client() {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        assert!(from_server("2025-11-25", "", &request).is_err());
    }
}
