//! One connection with the stdio framing, in this process, fed with raw bytes.
//!
//! Owns the client's end of the pipe. Every message that comes out of it is checked against its revision before a row
//! sees it.

use std::time::Duration;

use mcp_driver_tokio::{Ended, serve_io};
use mcp_server::Service;
use mcp_witness::Conversation;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines};
use tokio::task::JoinHandle;

/// How long a message may take that must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The latest revision.
pub(crate) const MODERN: &str = "2026-07-28";

/// The revisions with a handshake.
pub(crate) const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Every capability that a client of the latest revision can have.
pub(crate) fn capabilities() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} })
}

/// The `_meta` of a modern request.
pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "matrix", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": capabilities(),
    })
}

/// A request of the latest revision.
pub(crate) fn modern(id: impl Into<Value>, method: &str, mut params: Value) -> Value {
    if params.get("_meta").is_none() {
        params["_meta"] = meta();
    }
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// A request without the envelope of the latest revision.
pub(crate) fn legacy(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// The first request of a legacy connection.
pub(crate) fn initialize(id: impl Into<Value>, revision: &str) -> Value {
    let mut capabilities = capabilities();
    if revision < "2025-11-25" {
        capabilities["elicitation"] = json!({});
    }
    let params = json!({
        "protocolVersion": revision, "capabilities": capabilities, "clientInfo": { "name": "matrix", "version": "1" },
    });
    legacy(id, "initialize", params)
}

/// A client on a connection of its own.
pub(crate) struct Stdio {
    input: DuplexStream,
    output: Lines<BufReader<DuplexStream>>,
    server: JoinHandle<std::io::Result<Ended>>,
    pub(crate) sent: Conversation,
    next_id: i64,
    /// Messages that came while an answer was awaited.
    early: Vec<Value>,
}

impl Stdio {
    /// A connection on which nothing was said yet.
    pub(crate) fn open(service: &Service) -> Self {
        let (input, server_input) = tokio::io::duplex(1 << 20);
        let (server_output, output) = tokio::io::duplex(1 << 20);
        let server = tokio::spawn(serve_io(service.clone(), server_input, server_output));
        Self {
            input,
            output: BufReader::new(output).lines(),
            server,
            sent: Conversation::new(MODERN),
            next_id: 1000,
            early: Vec::new(),
        }
    }

    /// A connection after the handshake of `revision`.
    pub(crate) async fn initialized(service: &Service, revision: &str) -> Self {
        let mut client = Self::open(service);
        client.sent.revision = revision.to_owned();
        let answer = client.ask(&initialize("init", revision)).await;
        assert_eq!(answer["result"]["protocolVersion"], revision, "{answer}");
        client
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        client
    }

    /// Sends bytes as they are.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(line) = std::str::from_utf8(line) {
                self.sent.note(line);
            }
        }
        self.input.write_all(bytes).await.expect("the server reads");
    }

    /// Sends one line.
    pub(crate) async fn line(&mut self, line: &str) {
        self.raw(format!("{line}\n").as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.line(&message.to_string()).await;
    }

    /// The next message, which must come.
    pub(crate) async fn next(&mut self) -> Value {
        if self.early.is_empty() {
            self.receive().await
        } else {
            self.early.remove(0)
        }
    }

    async fn receive(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line())
            .await
            .expect("a message in time");
        let line = line
            .expect("a readable stream")
            .expect("a message before the end");
        let message: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.judge(&message);
        message
    }

    /// Panics unless `message` is what its revision allows.
    fn judge(&mut self, message: &Value) {
        if let Err(error) = self.sent.server(message) {
            panic!("{error}");
        }
    }

    /// Sends a request and returns its answer; what else comes meanwhile waits for [`next`](Self::next).
    pub(crate) async fn ask(&mut self, request: &Value) -> Value {
        self.send(request).await;
        self.answer_to(&request["id"].clone()).await
    }

    /// The answer to the request `id`; what else comes meanwhile waits for [`next`](Self::next).
    pub(crate) async fn answer_to(&mut self, id: &Value) -> Value {
        let answers =
            |message: &Value| message.get("method").is_none() && message.get("id") == Some(id);
        if let Some(found) = self.early.iter().position(answers) {
            return self.early.remove(found);
        }
        loop {
            let message = self.receive().await;
            if answers(&message) {
                return message;
            }
            self.early.push(message);
        }
    }

    /// A request with an id of its own in the era of this connection, and its answer.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let request = if self.sent.revision == MODERN {
            modern(self.next_id, method, params)
        } else {
            legacy(self.next_id, method, params)
        };
        self.ask(&request).await
    }

    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// Panics if anything comes within a moment, after showing that the connection works.
    pub(crate) async fn quiet(&mut self) {
        let answer = self.request("tools/list", json!({})).await;
        assert!(answer.get("result").is_some(), "{answer}");
        assert!(self.early.is_empty(), "unexpected: {:?}", self.early);
    }

    /// Everything until the end of the stream, after the input ended.
    pub(crate) async fn finish(mut self) -> (Vec<Value>, Ended) {
        drop(self.input);
        let mut rest = std::mem::take(&mut self.early);
        let end = async {
            while let Ok(Some(line)) = self.output.next_line().await {
                let message: Value =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                self.sent
                    .server(&message)
                    .unwrap_or_else(|error| panic!("{error}"));
                rest.push(message);
            }
            self.server.await.expect("no panic").expect("no error")
        };
        let ended = tokio::time::timeout(PATIENCE, end)
            .await
            .expect("an end in time");
        (rest, ended)
    }
}
