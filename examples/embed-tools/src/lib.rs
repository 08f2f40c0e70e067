//! The server that the embedding examples run: one tool, answered as soon as it is called.
//!
//! Owns what the server says of itself and what its tool does. Must never move a byte or read a clock: that is what the
//! examples show, each in its own way.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, vec};

use mcp_proto::config::{Profile, ServerConfig};
use mcp_proto::error::WireError;
use mcp_proto::json::{Inbound, text};
use mcp_proto::judge;
use mcp_proto::limits::Limits;
use mcp_proto::method::Method;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{Link, LinkEvent};
use mcp_types::{
    CallToolResult, Implementation, Json, JsonError, ListToolsResult, Revision, ServerCapabilities,
    Tool, ToolsCapability, to_vec,
};

/// What the server says of itself, with bounds for a small machine.
#[must_use]
pub fn config() -> Arc<ServerConfig> {
    let mut profile = Profile::new(Implementation::new("embedded", "1.0.0"));
    profile.capabilities = ServerCapabilities::new().with_tools(ToolsCapability::new());
    profile.limits = Limits {
        max_message: 16 << 10,
        max_calls: 8,
        max_requests: 1,
        max_listens: 1,
        max_uris: 1,
        outbox_high: 4 << 10,
        max_frame_out: 16 << 10,
        ..Limits::default()
    };
    ServerConfig::compile(profile).into()
}

/// Does what an event asks for. The core has answered the handshake, discovery and pings by itself.
pub fn act(link: &mut Link, event: LinkEvent, out: &mut Outbox) {
    // A server that works on its calls for longer keeps `id`, and drops the work on `LinkEvent::Cancelled`.
    let LinkEvent::Call {
        id,
        inbound,
        context,
    } = event
    else {
        return;
    };
    let answer = match inbound.envelope.method {
        Method::ToolsList => tools(context.revision),
        Method::ToolsCall => call(&inbound, context.revision),
        _ => Err(judge::method_not_found(&inbound)),
    };
    // `Stale` cannot come: nothing lies between the call and its answer.
    let _ = match answer {
        Ok(body) => link.respond(id, &Reply::complete(Payload::Slice(&body)), out),
        Err(error) => link.fail(id, &error, out),
    };
}

fn tools(revision: Revision) -> Result<Vec<u8>, WireError> {
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"]}"#;
    let schema = Json::parse(schema)
        .map_err(|_: JsonError| WireError::internal("the schema is not JSON"))?;
    let add = Tool::new("add", schema).with_description("Adds two integers.");
    Ok(to_vec(&ListToolsResult::new(vec![add]), revision))
}

fn call(inbound: &Inbound, revision: Revision) -> Result<Vec<u8>, WireError> {
    if inbound.string(inbound.envelope.name).as_deref() != Some("add") {
        return Err(WireError::invalid_params("this server has the tool `add`"));
    }
    let arguments = inbound.text(inbound.envelope.arguments);
    let integer = |name| text::get(arguments, name)?.parse::<i64>().ok();
    // What a model got wrong is for the model to read.
    let result = match (integer("a"), integer("b")) {
        (Some(a), Some(b)) => match a.checked_add(b) {
            Some(sum) => CallToolResult::text(format!("{sum}")),
            None => CallToolResult::error("the sum does not fit 64 bits"),
        },
        _ => CallToolResult::error("`a` and `b` must be integers"),
    };
    Ok(to_vec(&result, revision))
}
