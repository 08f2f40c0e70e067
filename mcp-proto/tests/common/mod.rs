//! A link under test: scripted bytes in, JSON values out, a clock that only moves when told.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::disallowed_types, reason = "tests compare trees")]

use bytes::{Buf, BytesMut};
use mcp_proto::config::{Profile, ServerConfig};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::{Link, LinkEvent, Step};
use mcp_proto::time::{Instant, Now};
use mcp_types::{
    Implementation, Object, PromptsCapability, ResourcesCapability, ServerCapabilities,
    ToolsCapability,
};
use mcp_witness::{Conversation, MODERN};
use serde_json::Value;

pub const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

pub fn profile() -> Profile {
    let mut profile = Profile::new(Implementation::new("test", "1.0.0"));
    profile.capabilities = ServerCapabilities::new()
        .with_tools(ToolsCapability::new().with_list_changed(true))
        .with_prompts(PromptsCapability::new().with_list_changed(true))
        .with_resources(
            ResourcesCapability::new()
                .with_list_changed(true)
                .with_subscribe(true),
        )
        .with_logging(Object::new());
    profile
}

pub struct Rig {
    pub link: Link,
    pub input: BytesMut,
    pub out: Outbox,
    pub now: Now,
    pub conversation: Conversation,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(profile())
    }

    pub fn with(profile: Profile) -> Self {
        Self {
            link: Link::new(ServerConfig::compile(profile).into()),
            input: BytesMut::new(),
            out: Outbox::new(1 << 20),
            now: Now {
                instant: Instant::from_micros(0),
                unix_ms: 1_785_000_000_000,
            },
            conversation: Conversation::new(MODERN),
        }
    }

    /// Feeds one line and returns the events that it caused.
    pub fn say(&mut self, line: &str) -> Vec<LinkEvent> {
        self.conversation.note(line);
        self.input.extend_from_slice(line.as_bytes());
        self.input.extend_from_slice(b"\n");
        self.events()
    }

    pub fn events(&mut self) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        while let Step::Event(event) = self.link.next(self.now, &mut self.input, &mut self.out) {
            let closed = matches!(event, LinkEvent::Closed { .. });
            events.push(event);
            if closed {
                break;
            }
        }
        events
    }

    /// Everything written since the last call, one value a line, each of them what its revision allows.
    pub fn written(&mut self) -> Vec<Value> {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        let text = std::str::from_utf8(&bytes).expect("output is UTF-8");
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "every message ends its line: {text}"
        );
        text.lines()
            .map(|line| {
                let message = serde_json::from_str(line).expect(line);
                self.conversation
                    .server(&message)
                    .unwrap_or_else(|error| panic!("{error}"));
                message
            })
            .collect()
    }

    /// The one message written.
    pub fn answer(&mut self) -> Value {
        let mut written = self.written();
        assert_eq!(written.len(), 1, "{written:?}");
        written.remove(0)
    }

    /// The error code of the one message written.
    pub fn code(&mut self) -> i64 {
        let answer = self.answer();
        answer["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("{answer}"))
    }

    pub fn initialize(&mut self, revision: &str, capabilities: &str) {
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":"init","method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{capabilities},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
        ));
        let answer = self.answer();
        assert_eq!(answer["result"]["protocolVersion"], revision, "{answer}");
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(self.written().is_empty());
    }
}

/// A modern request without further params.
pub fn modern(id: u64, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{META}}}}}"#)
}

/// The handle of the one call among `events`.
pub fn call(events: &[LinkEvent]) -> mcp_proto::id::CallId {
    match events {
        [LinkEvent::Call { id, .. }] => *id,
        other => panic!("expected one call: {other:?}"),
    }
}
