//! The span scanner against serde_json: what is accepted, why something is refused, and every value found.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use mcp_proto::json::scan::{MAX_UNKNOWN_MEMBERS, validate};
use mcp_proto::json::{Inbound, Kind, MalformedKind, ScanLimits, Span, scan, text};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The members of an object in order, each time they occur.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    members.push((Cow::Owned(key), map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl<'a> Members<'a> {
    fn of(raw: &'a str) -> Option<Self> {
        serde_json::from_str(raw).ok()
    }

    fn repeats(&self) -> bool {
        let mut keys: Vec<&str> = self.0.iter().map(|(key, _)| &**key).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn last(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.get())
    }

    fn unknown(&self, known: &[&str]) -> usize {
        self.0
            .iter()
            .filter(|(key, _)| !known.contains(&&**key))
            .count()
    }
}

const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: [&str; 19] = [
    "_meta",
    "name",
    "uri",
    "cursor",
    "arguments",
    "requestState",
    "inputResponses",
    "level",
    "requestId",
    "notifications",
    "ref",
    "argument",
    "progress",
    "progressToken",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "task",
    "taskId",
];
const META: [&str; 8] = [
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/logLevel",
    "progressToken",
    "io.modelcontextprotocol/subscriptionId",
    "io.modelcontextprotocol/related-task",
    "traceparent",
];
const ERROR: [&str; 3] = ["code", "message", "data"];

/// What the reference says about the grammar; `None` where serde_json has a limit that JSON does not have.
fn is_json(text: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<Value>(text) {
        Ok(_) => Some(true),
        Err(error) => {
            let error = error.to_string();
            let limited = error.contains("out of range") || error.contains("recursion limit");
            (!limited).then_some(false)
        }
    }
}

fn depth(value: &Value) -> u32 {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_integer(token: &str) -> bool {
    !token.contains(['.', 'e', 'E']) && token.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// The rules, written down a second time over a parsed tree. `None`: the reference cannot tell.
fn expected(frame: &[u8], limits: &ScanLimits) -> Option<Result<Kind, MalformedKind>> {
    use MalformedKind as M;
    let frame = frame.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(frame);
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    let Some(start) = frame.iter().position(|b| !blank(b)) else {
        return Some(Err(M::Empty));
    };
    if frame[start] == b'[' {
        return Some(Err(M::Batch));
    }
    if !is_json(frame)? {
        return Some(Err(M::Syntax));
    }
    let tree: Value = serde_json::from_slice(frame).ok()?;
    if depth(&tree) > limits.max_depth {
        return Some(Err(M::Depth));
    }
    if !tree.is_object() {
        return Some(Err(M::NotObject));
    }
    let envelope = Members::of(std::str::from_utf8(frame).ok()?)?;
    let params = envelope.last("params").and_then(Members::of);
    let meta = params
        .as_ref()
        .and_then(|params| params.last("_meta"))
        .and_then(Members::of);
    let error = envelope.last("error").and_then(Members::of);
    let levels = [
        (Some(&envelope), &ENVELOPE[..]),
        (params.as_ref(), &PARAMS),
        (meta.as_ref(), &META),
        (error.as_ref(), &ERROR),
    ];
    let unknown: usize = levels
        .iter()
        .map(|(level, known)| level.map_or(0, |level| level.unknown(known)))
        .sum();
    // Which of the two is noticed, and whether at all, depends on the order: not worth a second scanner.
    if unknown > MAX_UNKNOWN_MEMBERS {
        return None;
    }
    if levels
        .iter()
        .any(|(level, _)| level.is_some_and(Members::repeats))
    {
        return Some(Err(M::Duplicate));
    }
    let has = |key| envelope.last(key).is_some();
    let (has_method, has_id) = (has("method"), has("id"));
    let (has_result, has_error) = (has("result"), has("error"));
    let kind = match (has_method, has_id) {
        (true, true) => Kind::Request,
        (true, false) => Kind::Notification,
        (false, _) if has_error => Kind::Error,
        (false, _) => Kind::Result,
    };
    let id_fits = envelope.last("id").is_none_or(|token| {
        if token == "null" {
            return kind == Kind::Error;
        }
        token.len() <= limits.max_id && (token.starts_with('"') || is_integer(token))
    });
    let error_fits = !has_error
        || error.as_ref().is_some_and(|error| {
            error
                .last("code")
                .is_some_and(|code| code.parse::<i64>().is_ok())
                && error
                    .last("message")
                    .is_some_and(|message| message.starts_with('"'))
        });
    let object = |value: Option<&str>| value.is_none_or(|value| value.starts_with('{'));
    let rules = [
        (tree["jsonrpc"] == "2.0", M::Version),
        (
            id_fits && !(kind == Kind::Result && has_result && !has_id),
            M::Id,
        ),
        (!has_method || tree["method"].is_string(), M::MethodType),
        (has_method || has_result || has_error, M::NoMethodNoResult),
        (!(has_result && has_error), M::ResultAndError),
        (
            !(has_method && (has_result || has_error)),
            M::MethodAndResult,
        ),
        (error_fits, M::ErrorShape),
        (object(envelope.last("params")), M::Params),
        (
            params
                .as_ref()
                .is_none_or(|params| object(params.last("_meta"))),
            M::Meta,
        ),
    ];
    Some(
        rules
            .iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(kind), |(_, broken)| Err(*broken)),
    )
}

/// Grammar faults are one class: which of them comes first is the scanner's choice.
fn class(kind: MalformedKind) -> MalformedKind {
    match kind {
        MalformedKind::Utf8 | MalformedKind::Depth => MalformedKind::Syntax,
        other => other,
    }
}

/// Walks raw text and tree side by side.
fn same(raw: &str, value: &Value) {
    match value {
        Value::String(string) => {
            assert_eq!(text::decode_str(raw).as_deref(), Some(string.as_str()));
            assert!(text::eq_decoded(raw, string));
            assert!(text::is_string(raw));
        }
        Value::Array(items) => {
            let elements: Vec<&str> = text::elements(raw).collect();
            assert_eq!(elements.len(), items.len(), "{raw}");
            for (raw, value) in elements.iter().zip(items) {
                same(raw, value);
            }
        }
        Value::Object(_) => {
            let expected = Members::of(raw).expect("an object");
            let found: Vec<(&str, &str)> = text::members(raw).collect();
            assert_eq!(found.len(), expected.0.len(), "{raw}");
            for ((key, raw), (name, expected)) in found.iter().zip(&expected.0) {
                assert!(text::eq_decoded(key, name), "{key} {name}");
                assert_eq!(*raw, expected.get());
                same(raw, &serde_json::from_str(raw).expect("a value"));
            }
            for (name, _) in &expected.0 {
                let first = expected.0.iter().find(|(other, _)| other == name);
                assert_eq!(
                    text::get(raw, name),
                    first.map(|(_, value)| value.get()),
                    "{name}"
                );
            }
        }
        Value::Number(_) => assert!(text::is_number(raw), "{raw}"),
        _ => assert_eq!(raw, value.to_string()),
    }
}

pub(crate) fn run(data: &[u8]) {
    if let Some(expected) = is_json(data) {
        let ours = validate(data, 128);
        assert_eq!(ours.is_ok(), expected, "validate: {ours:?}");
    }
    let limits = ScanLimits::default();
    let ours = scan(data, &limits);
    if let Some(expected) = expected(data, &limits) {
        let kinds = ours
            .map(|envelope| envelope.kind)
            .map_err(|m| class(m.kind));
        assert_eq!(kinds, expected.map_err(class), "scan");
    }
    // The tolerance only ever adds.
    let tolerant = scan(
        data,
        &ScanLimits {
            integral_float_ids: true,
            ..limits
        },
    );
    assert!(ours.is_err() || tolerant == ours);
    match ours {
        Ok(envelope) => values(data, envelope),
        Err(malformed) => {
            // An id that is offered can be echoed.
            if let Some(token) = malformed.id.get(data) {
                let token = std::str::from_utf8(token).expect("UTF-8");
                let id = mcp_proto::id::WireId::from_token(token).expect("an id");
                assert_eq!(id.as_str(), token);
            }
        }
    }
}

fn values(data: &[u8], envelope: mcp_proto::json::Envelope) {
    let inbound = Inbound {
        bytes: Bytes::copy_from_slice(data),
        envelope,
    };
    let Ok(tree) =
        serde_json::from_slice::<Value>(data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data))
    else {
        return;
    };
    let check = |span: Span, value: &Value| match inbound.text(span) {
        "" => assert!(value.is_null(), "{span:?} missed {value}"),
        raw => {
            let found: Value = serde_json::from_str(raw).expect("a span is a value");
            assert_eq!(found, *value);
            if let Value::String(string) = value {
                assert_eq!(inbound.string(span).as_deref(), Some(string.as_str()));
            }
        }
    };
    let params = &tree["params"];
    let meta = &params["_meta"];
    check(envelope.id, &tree["id"]);
    check(envelope.params, params);
    check(envelope.result, &tree["result"]);
    check(envelope.error, &tree["error"]);
    assert_eq!(
        inbound.method_name(),
        tree["method"].as_str().unwrap_or_default()
    );
    let found = [
        envelope.meta,
        envelope.name,
        envelope.uri,
        envelope.cursor,
        envelope.arguments,
        envelope.request_state,
        envelope.input_responses,
        envelope.level,
        envelope.request_id,
        envelope.notifications,
        envelope.reference,
        envelope.argument,
        envelope.progress,
        envelope.progress_token,
        envelope.protocol_version,
        envelope.capabilities,
        envelope.client_info,
        envelope.task,
        envelope.task_id,
    ];
    for (span, key) in found.into_iter().zip(PARAMS) {
        check(span, &params[key]);
    }
    let found = [
        envelope.meta_version,
        envelope.meta_client_info,
        envelope.meta_capabilities,
        envelope.meta_log_level,
        envelope.meta_progress_token,
        envelope.meta_subscription_id,
        envelope.meta_related_task,
        envelope.meta_traceparent,
    ];
    for (span, key) in found.into_iter().zip(META) {
        check(span, &meta[key]);
    }
    if params.is_object() {
        same(inbound.text(envelope.params), params);
    }
    let mut detached = inbound.clone();
    detached.detach();
    assert_eq!(detached.bytes, inbound.bytes);
}
