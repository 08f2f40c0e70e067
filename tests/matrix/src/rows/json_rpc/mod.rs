//! JSON and JSON-RPC: what is no message, and what is a strange one.

mod answers;
mod batches;
mod ids;
mod messages;
mod syntax;

use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::peer::Peer;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

fn code(message: &Value) -> i64 {
    message["error"]["code"]
        .as_i64()
        .unwrap_or_else(|| panic!("no error: {message}"))
}

/// Sends bytes that are no good message, on both transports and in both eras. Each must answer with one error of this
/// code, over HTTP with 400; nothing runs, and what was good before goes on.
async fn refused(bytes: impl AsRef<[u8]>, expected: i64) -> Vec<Value> {
    let bytes = bytes.as_ref();
    let fixture = Fixture::new();
    let mut errors = Vec::new();
    for mut peer in Peer::each(&fixture.service).await {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let like = json!({ "method": "tools/list" });
        let (status, mut messages) = peer.bytes(&like, bytes).await;
        assert_eq!(messages.len(), 1, "{peer}: {shown}: {messages:?}");
        let error = messages.remove(0);
        assert_eq!(code(&error), expected, "{peer}: {shown}: {error}");
        assert!(status.is_none_or(|status| status == 400), "{peer}: {shown}");
        peer.works().await;
        errors.push(error);
    }
    assert_eq!(fixture.seen.started(), 0);
    errors
}
