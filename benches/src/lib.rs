//! What the benchmarks share: the messages that are measured and a server to send them to.

use std::fmt::Write;

use bytes::BytesMut;
use mcp_proto::outbox::Outbox;
use mcp_proto::time::{Instant, Now};
use mcp_server::{Connection, Demand, InPlace, Server, Service, Tool};
use serde::Deserialize;
use std::sync::Arc;
use std::task::{Context, Waker};

/// The members of `_meta` that every request of 2026-07-28 carries.
pub const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

/// Messages from clients and from servers, by name and text. Names say the kind and the size.
#[must_use]
pub fn messages() -> Vec<Sample> {
    vec![
        Sample::client(
            "ping-40",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.into(),
        ),
        Sample::client("call-309", call_300()),
        Sample::client("call-491", call_500()),
        Sample::client("call-4k", call_text(4 << 10)),
        Sample::client("call-64k", call_text(64 << 10)),
        Sample::client("call-1m", call_text(1 << 20)),
        Sample::server("list-4k", tool_list(6)),
        Sample::server("list-62k", tool_list(100)),
        Sample::server("list-1m", tool_list(1700)),
    ]
}

/// One message.
#[derive(Debug)]
pub struct Sample {
    /// Kind and size.
    pub name: &'static str,
    /// The JSON text.
    pub text: String,
    /// Whether a client sends it.
    pub from_client: bool,
}

impl Sample {
    fn client(name: &'static str, text: String) -> Self {
        Self {
            name,
            text,
            from_client: true,
        }
    }

    fn server(name: &'static str, text: String) -> Self {
        Self {
            name,
            text,
            from_client: false,
        }
    }
}

/// A legacy call with strings, numbers, an escape and nested objects: 309 bytes.
#[must_use]
pub fn call_300() -> String {
    r#"{"jsonrpc":"2.0","id":1234,"method":"tools/call","params":{"name":"search_documents","arguments":{"query":"quarterly revenue report for the \"north\" region","limit":25,"offset":0,"filters":{"lang":"en","year":2026,"archived":false},"fields":["title","summary","author"]},"_meta":{"progressToken":"tok-981"}}}"#.into()
}

/// The same as a modern call with full `_meta`: 491 bytes.
#[must_use]
pub fn call_500() -> String {
    r#"{"jsonrpc":"2.0","id":1234,"method":"tools/call","params":{"name":"search_documents","arguments":{"query":"quarterly revenue report for the \"north\" region","limit":25,"offset":0,"filters":{"lang":"en","year":2026,"archived":false},"fields":["title","summary","author"]},"_meta":{"progressToken":"tok-981","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}"#.into()
}

/// Prose of a given length, with one line break to escape every 64 bytes.
#[must_use]
pub fn prose(length: usize) -> String {
    let line = "The quick brown fox jumps over the lazy dog, 0123456789 times..\n";
    line.repeat(length / line.len() + 1)[..length].to_owned()
}

/// A call with one long string.
#[must_use]
pub fn call_text(length: usize) -> String {
    let text = serde_json::to_string(&prose(length)).expect("a string");
    format!(
        r#"{{"jsonrpc":"2.0","id":1234,"method":"tools/call","params":{{"name":"write_file","arguments":{{"path":"/var/out.txt","content":{text}}}}}}}"#
    )
}

/// A page of tools: dense structure, 617 bytes a tool.
#[must_use]
pub fn tool_list(count: usize) -> String {
    let mut text = String::from(r#"{"jsonrpc":"2.0","id":7,"result":{"tools":["#);
    for i in 0..count {
        let comma = if i == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"name":"tool_{i:03}","title":"Tool number {i}","description":"Does thing number {i} with the given path and options, returning a structured report.","inputSchema":{{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{{"path":{{"type":"string","description":"Absolute path of the file"}},"limit":{{"type":"integer","minimum":1,"maximum":1000,"default":100}},"mode":{{"type":"string","enum":["fast","safe","dry-run"]}},"tags":{{"type":"array","items":{{"type":"string"}}}}}},"required":["path"]}},"annotations":{{"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":false}}}}"#
        )
        .expect("a string takes everything");
    }
    text.push_str("]}}");
    text
}

/// A call of `echo`, 2026-07-28, with its newline.
#[must_use]
pub fn echo_modern(id: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"hello performance world"}},{META}}}}}"#
    ) + "\n"
}

/// A call of `echo` as 2025-06-18 has it, with its newline.
#[must_use]
pub fn echo_legacy(id: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"hello performance world"}}}}}}"#
    ) + "\n"
}

/// `tools/list`, 2026-07-28, with its newline.
#[must_use]
pub fn list_modern(id: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{META}}}}}"#) + "\n"
}

/// An open subscription to changes of the tools, with its newline.
#[must_use]
pub fn listen(id: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}},{META}}}}}"#
    ) + "\n"
}

/// The handshake of 2025-06-18, both lines.
#[must_use]
pub fn handshake() -> String {
    String::from(concat!(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1.0"}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        "\n"
    ))
}

/// The arguments of `echo`.
#[derive(Deserialize, schemars::JsonSchema)]
pub struct Echo {
    message: String,
}

/// A server with `echo` and so many tools in all.
#[must_use]
pub fn service(tools: usize, limits: mcp_proto::limits::Limits) -> Service {
    let tool = |name: String| {
        Tool::builder(name)
            .description("Echo the message back")
            .call(|echo: Echo, _context| Ok(echo.message))
    };
    let others = (1..tools).map(|at| tool(format!("tool_{at}")));
    Server::new("bench", "1.0.0")
        .limits(limits)
        .dynamic(true)
        .tool(tool("echo".into()))
        .tools(others)
        .build()
        .expect("the server is well formed")
}

/// A connection in virtual time, without driver.
#[derive(Debug)]
pub struct Bench {
    /// The connection.
    pub connection: Connection,
    /// What it has not read.
    pub input: BytesMut,
    /// What it has written.
    pub out: Outbox,
}

impl Bench {
    /// A connection to a service; the outbox is never full.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self {
            connection: Connection::new(service, Arc::new(InPlace), [7; 32]),
            input: BytesMut::with_capacity(64 << 10),
            out: Outbox::new(1 << 30),
        }
    }

    /// Feeds bytes and polls once.
    pub fn feed(&mut self, bytes: &[u8]) -> Demand {
        self.input.extend_from_slice(bytes);
        self.poll()
    }

    /// Polls once.
    pub fn poll(&mut self) -> Demand {
        let now = Now {
            instant: Instant::from_micros(1),
            unix_ms: 0,
        };
        let mut cx = Context::from_waker(Waker::noop());
        self.connection
            .poll(&mut cx, now, &mut self.input, &mut self.out)
    }
}
