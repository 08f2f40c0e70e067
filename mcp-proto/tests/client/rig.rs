//! A client under test: scripted bytes in, events and JSON values out, a clock that only moves when told.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use mcp_proto::client::{
    Client, ClientConfig, ClientEvent, ClientProfile, Outcome, RequestOptions, Violation,
};
use mcp_proto::id::RequestId;
use mcp_proto::outbox::Outbox;
use mcp_proto::server::Step;
use mcp_proto::time::{Instant, Now};
use mcp_types::{ClientCapabilities, Implementation, Revision};
use mcp_witness::Conversation;
use serde_json::{Value, json};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct Rig {
    pub(crate) client: Client<&'static str>,
    pub(crate) input: BytesMut,
    pub(crate) out: Outbox,
    pub(crate) now: Now,
    /// Bytes that arrive at once.
    pub(crate) chunk: usize,
    pub(crate) conversation: Conversation,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(profile())
    }

    pub(crate) fn legacy() -> Self {
        let mut profile = profile();
        profile.revision = Revision::V2025_11_25;
        profile.capabilities = serde_json::from_str::<ClientCapabilities>(
            r#"{"roots":{"listChanged":true},"elicitation":{}}"#,
        )
        .unwrap();
        Self::with(profile)
    }

    pub(crate) fn with(profile: ClientProfile) -> Self {
        let conversation = Conversation::new(profile.revision.as_str());
        Self {
            conversation,
            client: Client::new(ClientConfig::compile(profile).into()),
            input: BytesMut::new(),
            out: Outbox::new(1 << 20),
            now: Now::new(Instant::from_micros(0), 0),
            chunk: usize::MAX,
        }
    }

    pub(crate) fn send(&mut self, method: &str, token: &'static str) -> RequestId {
        let options = RequestOptions::default().progress();
        self.send_with(method, token, options)
    }

    pub(crate) fn send_with(
        &mut self,
        method: &str,
        token: &'static str,
        options: RequestOptions,
    ) -> RequestId {
        self.client
            .request(
                self.now,
                method,
                params_of(method),
                token,
                options,
                &mut self.out,
            )
            .unwrap()
    }

    pub(crate) fn hear(&mut self, message: &Value) -> Vec<ClientEvent<&'static str>> {
        self.conversation.note_server(message);
        self.hear_line(&message.to_string())
    }

    pub(crate) fn hear_line(&mut self, line: &str) -> Vec<ClientEvent<&'static str>> {
        let mut events = Vec::new();
        let line = [line.as_bytes(), b"\n"].concat();
        for piece in line.chunks(self.chunk.min(line.len())) {
            self.input.extend_from_slice(piece);
            events.extend(self.events());
        }
        events
    }

    pub(crate) fn events(&mut self) -> Vec<ClientEvent<&'static str>> {
        let mut events = Vec::new();
        loop {
            match self.client.next(self.now, &mut self.input, &mut self.out) {
                Step::Event(event) => events.push(event),
                Step::NeedInput => return events,
                Step::NeedFlush => panic!("a client never waits for a flush"),
            }
        }
    }

    pub(crate) fn written(&mut self) -> Vec<Value> {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines()
            .map(|line| {
                let message = serde_json::from_str(line).expect(line);
                self.conversation
                    .client(&message)
                    .unwrap_or_else(|error| panic!("{error}"));
                message
            })
            .collect()
    }

    pub(crate) fn wait(&mut self, duration: Duration) -> Vec<ClientEvent<&'static str>> {
        self.now.instant += duration;
        self.events()
    }
}

/// What a request for `method` must have.
pub(crate) fn params_of(method: &str) -> &'static str {
    match method {
        "initialize" => {
            r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#
        }
        "tools/call" => r#"{"name":"t"}"#,
        "subscriptions/listen" => r#"{"notifications":{}}"#,
        _ => "{}",
    }
}

pub(crate) fn profile() -> ClientProfile {
    ClientProfile::new(Implementation::new("c", "1"))
}

pub(crate) fn result(id: RequestId, result: Value) -> Value {
    json!({"jsonrpc":"2.0","id":id.wire(),"result":result})
}

pub(crate) fn progress(id: RequestId, value: f64) -> Value {
    json!({"jsonrpc":"2.0","method":"notifications/progress",
        "params":{"progressToken":id.wire(),"progress":value}})
}

pub(crate) fn tagged(method: &str, id: RequestId, mut params: Value) -> Value {
    params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId":id.wire()});
    json!({"jsonrpc":"2.0","method":format!("notifications/{method}"),"params":params})
}

/// The outcome of the one request that ended.
pub(crate) fn ended(events: &[ClientEvent<&'static str>]) -> (&'static str, Outcome) {
    match events {
        [ClientEvent::Ended { token, outcome, .. }] => (token, outcome.clone()),
        other => panic!("expected one ending: {other:?}"),
    }
}

pub(crate) fn violation(events: &[ClientEvent<&'static str>]) -> Violation {
    match events {
        [ClientEvent::Violation(violation)] => *violation,
        other => panic!("expected one violation: {other:?}"),
    }
}
