//! Cancellation, timing, progress, logging and subscriptions.

use std::time::Duration;

use mcp_driver_tokio::{Ended, StreamOptions, serve_io_until};
use mcp_server::proto::limits::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::fixture::{Fixture, visitor};
use crate::http::{Http, Post};
use crate::peer::Peer;
use crate::stdio::{MODERN, Stdio, legacy, meta, modern};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn cancel(id: impl Into<Value>) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id.into(), "reason": "enough" } })
}

fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    modern(
        id,
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    )
}

/// A client of each era.
async fn both(fixture: &Fixture) -> [Stdio; 2] {
    [
        Stdio::open(&fixture.service),
        Stdio::initialized(&fixture.service, "2025-11-25").await,
    ]
}

fn in_era(client: &Stdio, id: i64, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    if client.sent.revision == MODERN {
        modern(id, "tools/call", params)
    } else {
        legacy(id, "tools/call", params)
    }
}

async fn settled(mut condition: impl FnMut() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to that");
}

fn listen(id: impl Into<Value>, filter: Value) -> Value {
    modern(
        id,
        "subscriptions/listen",
        json!({ "notifications": filter }),
    )
}

mod cancellation;
mod deaths;
mod endings;
mod handlers;
mod logging;
mod progress;
mod questions;
mod subscriptions;
