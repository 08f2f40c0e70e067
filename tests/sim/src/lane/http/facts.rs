//! What clients know: sessions, states, questions, and what each request has to be answered with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use http::{Request, request};
use mcp_server::http::HttpCall;
use serde_json::{Value, json};

use crate::stage::Flag;

pub(super) const PRINCIPALS: [Option<&str>; 3] = [None, Some("alice"), Some("bob")];
pub(super) const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
const MODERN: &str = "2026-07-28";

/// A legacy session as its client knows it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) replica: usize,
    pub(super) principal: usize,
    pub(super) revision: &'static str,
    pub(super) minted: u64,
    /// The process that it began on.
    pub(super) life: usize,
    /// It was deleted.
    pub(super) over: bool,
    /// Where to go on on a stream that broke, and which call it was.
    pub(super) lost: Vec<Lost>,
}

/// A call whose stream broke.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) last: String,
    pub(super) errand: Errand,
    pub(super) replica: usize,
}

/// A state that some client holds.
#[derive(Clone, Debug)]
pub(super) struct Minted {
    pub(super) state: Value,
    pub(super) responses: Value,
    pub(super) replica: usize,
    pub(super) principal: usize,
    pub(super) errand: Errand,
    pub(super) at: u64,
    /// The process that it comes from.
    pub(super) life: usize,
}

/// A question on a legacy stream.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) session: usize,
    pub(super) replica: usize,
    pub(super) id: Value,
    pub(super) params: Value,
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) id: u64,
    pub(super) n: u64,
    pub(super) plan: String,
    pub(super) tool: &'static str,
}

/// What a request has to be answered with.
#[derive(Clone, Debug)]
pub(super) enum Expect {
    /// This status, and an error message where it is one.
    Status(&'static [u16]),
    /// Nothing: it is somebody else's session.
    Foreign,
    /// The call's answer, at once or at the end of a stream.
    Call {
        errand: Errand,
        session: Option<usize>,
        valid: Validity,
    },
    /// An answer with this id.
    Answer(u64),
    /// A session.
    Session {
        principal: usize,
        revision: &'static str,
    },
    /// A subscription.
    Listen { id: u64 },
    /// The stream of a session, or the rest of one of its calls.
    Stream {
        rest: Option<Errand>,
        session: usize,
    },
    /// Nothing that can be known.
    Anything,
}

/// Whether a state that is brought has to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    /// There is none, or it cannot be known.
    Unknown,
    /// It is used where it was minted for.
    Good,
    /// It is not.
    Bad,
}

/// A request and its response.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) replica: usize,
    pub(super) principal: usize,
    pub(super) call: Option<HttpCall>,
    pub(super) body: VecDeque<Bytes>,
    pub(super) phase: Phase,
    pub(super) expect: Expect,
    pub(super) flag: Arc<Flag>,
    pub(super) waker: Waker,
    pub(super) wakeup: Option<u64>,
    pub(super) stream: bool,
    pub(super) status: u16,
    /// What has not made an event or a message yet.
    pub(super) rest: Vec<u8>,
    /// `_meta.progressToken`, which is the request's id.
    pub(super) progress: Option<f64>,
    pub(super) answered: bool,
    pub(super) acknowledged: Option<Value>,
    pub(super) last_event: Option<String>,
    pub(super) seen: Vec<String>,
    /// The client cancelled the call before its handler had come to its end.
    pub(super) cancelled: bool,
    /// The state that the request brings was minted for it, then.
    pub(super) brings: Option<(bool, u64)>,
    /// The wall-clock time when the server had the whole request.
    pub(super) read: u64,
    /// The session that the request needs.
    pub(super) needs: Option<usize>,
    pub(super) dirty: bool,
    /// What a resumed stream turned out to be: the rest of a call, or the session's own stream.
    pub(super) general: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Body,
    Head,
    Data,
    Over,
}

impl Exchange {
    /// The session of a legacy call whose stream broke, and where to go on.
    pub(super) fn lost(&self) -> Option<(usize, Lost)> {
        let Expect::Call {
            errand,
            session: Some(session),
            ..
        } = &self.expect
        else {
            return None;
        };
        let last = self.last_event.clone().filter(|_| !self.cancelled)?;
        let lost = Lost {
            last,
            errand: errand.clone(),
            replica: self.replica,
        };
        Some((*session, lost))
    }
}

impl Errand {
    pub(super) fn params(&self) -> Value {
        json!({"name":self.tool,"arguments":{"n":self.n,"plan":self.plan}})
    }
}

impl Session {
    pub(super) fn post(&self) -> request::Builder {
        post()
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", self.revision)
    }
}

pub(super) fn post() -> request::Builder {
    Request::post("http://localhost/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
}

pub(super) fn modern(method: &str, name: Option<&str>) -> request::Builder {
    let head = post()
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", method);
    match name {
        Some(name) => head.header("mcp-name", name),
        None => head,
    }
}

pub(super) fn meta(token: Option<u64>) -> Value {
    let mut meta = json!({"io.modelcontextprotocol/protocolVersion":MODERN,
        "io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}});
    if let Some(token) = token {
        meta["progressToken"] = json!(token);
        meta["io.modelcontextprotocol/logLevel"] = json!("info");
    }
    meta
}

pub(super) fn message(id: u64, method: &str, params: &Value) -> Vec<u8> {
    json!({"jsonrpc":"2.0","id":id,"method":method,"params":params})
        .to_string()
        .into_bytes()
}
