//! What is sent, and what a right answer contains.

use crate::options::Mode;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1.0"}}}"#;

/// The first request of a client.
pub(crate) fn greeting(mode: Mode) -> String {
    match mode {
        Mode::Modern => {
            format!(r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{{META}}}}}"#)
        }
        _ => INITIALIZE.to_owned(),
    }
}

pub(crate) fn call(id: usize, tool: &str, mode: Mode) -> String {
    let arguments = match tool {
        "echo" => r#"{"message":"hello performance world"}"#,
        "add" => r#"{"a":12,"b":30}"#,
        "sleep" => r#"{"ms":30000}"#,
        "burn" => r#"{"ms":3000}"#,
        _ => "{}",
    };
    let meta = if mode == Mode::Modern {
        format!(",{META}")
    } else {
        String::new()
    };
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}{meta}}}}}"#
    )
}

pub(crate) fn listen(id: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}},{META}}}}}"#
    )
}

/// What a right answer of `tool` contains.
pub(crate) fn expected(tool: &str) -> &'static [u8] {
    match tool {
        "echo" => b"hello performance world",
        "add" => b"42",
        _ => b"quick brown fox",
    }
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// Whether this is the right answer of `tool`.
pub(crate) fn is_right(answer: &[u8], tool: &str) -> bool {
    contains(answer, b"\"result\"") && contains(answer, expected(tool))
}
