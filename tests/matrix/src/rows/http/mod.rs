//! HTTP: heads, statuses, sessions and streams.

use http::Method;
use mcp_driver_tokio::http::HttpOptions;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::http::{Http, Post, Session};
use crate::stdio::{MODERN, initialize, legacy, modern};

fn list() -> Post {
    Post::modern(&modern(1, "tools/list", json!({})))
}

fn call(tool: &str, arguments: Value) -> Post {
    Post::modern(&modern(
        1,
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    ))
}

mod bodies;
mod mirrors;
mod origins;
mod sessions;
mod sockets;
mod streams;
