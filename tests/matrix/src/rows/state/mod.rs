//! State tokens, pagination, caching hints, schemas.

use mcp_server::Server;
use serde_json::{Value, json};

use crate::fixture::{Fixture, PAGE};
use crate::http::{Http, Post};
use crate::peer::Peer;
use crate::stdio::{LEGACY, MODERN, modern};

const INVALID_PARAMS: i64 = -32602;

fn code(message: &Value) -> i64 {
    message["error"]["code"]
        .as_i64()
        .unwrap_or_else(|| panic!("no error: {message}"))
}

/// The first round of a call: what it asks and the state that came with it.
async fn first_round(client: &mut Peer, tool: &str) -> (Value, String) {
    let answer = client.call(tool, json!({})).await;
    let result = &answer["result"];
    assert_eq!(result["resultType"], "input_required", "{answer}");
    (
        result["inputRequests"].clone(),
        result["requestState"].as_str().expect("a state").to_owned(),
    )
}

fn accepted(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}

fn retry(tool: &str, state: &str, responses: Value) -> Value {
    json!({ "name": tool, "arguments": {}, "requestState": state, "inputResponses": responses })
}

mod caching;
mod pages;
mod rounds;
mod schemas;
mod sealed;
mod tasks;
mod tools;
