//! Versions, metadata and capabilities.

use mcp_server::proto::config::RevisionSet;
use mcp_server::types::Revision;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::http::{Http, Post};
use crate::stdio::{MODERN, Stdio, initialize, legacy, meta, modern};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

fn code(message: &Value) -> i64 {
    message["error"]["code"]
        .as_i64()
        .unwrap_or_else(|| panic!("no error: {message}"))
}

fn modern_only() -> RevisionSet {
    RevisionSet::of([Revision::LATEST])
}

fn legacy_only() -> RevisionSet {
    RevisionSet::of(
        Revision::ALL
            .into_iter()
            .filter(|revision| !revision.is_modern()),
    )
}

/// A server with only some revisions.
fn only(revisions: RevisionSet) -> Fixture {
    Fixture::with(|server| server.revisions(revisions))
}

fn without(key: &str) -> Value {
    let mut meta = meta();
    meta.as_object_mut().expect("an object").remove(key);
    meta
}

mod capabilities;
mod eras;
mod metadata;
