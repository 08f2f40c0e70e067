//! `_meta`: metadata on requests, results, notifications and many objects.
//!
//! Owns the reserved keys and their types. Other keys pass through untouched, in every revision. A reserved key is
//! written only in the revisions that define it: an old peer must not be given the context of a modern request.

use alloc::string::String;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::capabilities::ClientCapabilities;
use crate::implementation::Implementation;
use crate::json::{Json, JsonError};
use crate::logging::LoggingLevel;
use crate::map::Object;
use crate::message::RequestId;
use crate::progress::ProgressToken;
use crate::revision::Revision;
use crate::tasks::RelatedTaskMetadata;
use crate::wire::{Wire, to_json};
use crate::writer::Writer;

/// The reserved keys of `_meta`.
pub mod keys {
    /// The revision of a modern request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Who sends a modern request.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// What the sender of a modern request can do.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// The least severity of the log messages that a modern request asks for.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Who answers a modern request.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The subscription to which a notification or the end of a stream belongs.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// The task to which a message belongs (2025-11-25).
    pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
    /// What to tell the model while a task runs (2025-11-25).
    pub const MODEL_IMMEDIATE_RESPONSE: &str = "io.modelcontextprotocol/model-immediate-response";
    /// Asks for progress notifications.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// W3C Trace Context: the parent span.
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C Trace Context: vendor data.
    pub const TRACESTATE: &str = "tracestate";
    /// W3C Baggage.
    pub const BAGGAGE: &str = "baggage";
}

/// The reserved keys that not every revision has: the first and the last one.
const BOUNDED: [(&str, Revision, Revision); 8] = [
    (
        keys::PROTOCOL_VERSION,
        Revision::V2026_07_28,
        Revision::LATEST,
    ),
    (keys::CLIENT_INFO, Revision::V2026_07_28, Revision::LATEST),
    (
        keys::CLIENT_CAPABILITIES,
        Revision::V2026_07_28,
        Revision::LATEST,
    ),
    (keys::LOG_LEVEL, Revision::V2026_07_28, Revision::LATEST),
    (keys::SERVER_INFO, Revision::V2026_07_28, Revision::LATEST),
    (
        keys::SUBSCRIPTION_ID,
        Revision::V2026_07_28,
        Revision::LATEST,
    ),
    (
        keys::RELATED_TASK,
        Revision::V2025_11_25,
        Revision::V2025_11_25,
    ),
    (
        keys::MODEL_IMMEDIATE_RESPONSE,
        Revision::V2025_11_25,
        Revision::V2025_11_25,
    ),
];

fn key_exists(key: &str, revision: Revision) -> bool {
    BOUNDED
        .iter()
        .find(|(name, ..)| *name == key)
        .is_none_or(|(_, since, until)| (*since..=*until).contains(&revision))
}

/// A `_meta` object.
///
/// The typed readers return `Ok(None)` where a key is absent and an error where its value has the wrong type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta(pub Object);

impl Meta {
    /// An empty object.
    #[must_use]
    pub const fn new() -> Self {
        Self(Object::new())
    }

    /// True without members.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The raw value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0.get(key)
    }

    /// Sets the raw value of a key.
    pub fn insert(&mut self, key: &str, value: impl Into<Json>) -> Option<Json> {
        self.0.insert(key, value)
    }

    /// Sets the raw value of a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.insert(key, value);
        self
    }

    /// The members in order.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = (&str, &Json)> + DoubleEndedIterator + Clone {
        self.0.iter()
    }

    /// Decodes the value of a key.
    ///
    /// # Errors
    /// When the value is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, JsonError> {
        self.get(key).map(Json::decode).transpose()
    }

    fn set<T: Wire + ?Sized>(mut self, key: &str, value: &T) -> Self {
        self.insert(key, to_json(value, Revision::LATEST));
        self
    }

    /// The revision of the request, verbatim: it may be one that this crate does not know.
    ///
    /// # Errors
    /// When it is not a string.
    pub fn protocol_version(&self) -> Result<Option<String>, JsonError> {
        self.decode(keys::PROTOCOL_VERSION)
    }

    /// Sets the revision of the request.
    #[must_use]
    pub fn with_protocol_version(self, version: &str) -> Self {
        self.set(keys::PROTOCOL_VERSION, version)
    }

    /// Who sends the request.
    ///
    /// # Errors
    /// When it is not an [`Implementation`].
    pub fn client_info(&self) -> Result<Option<Implementation>, JsonError> {
        self.decode(keys::CLIENT_INFO)
    }

    /// Sets who sends the request.
    #[must_use]
    pub fn with_client_info(self, info: &Implementation) -> Self {
        self.set(keys::CLIENT_INFO, info)
    }

    /// What the sender of the request can do.
    ///
    /// # Errors
    /// When it is not a [`ClientCapabilities`].
    pub fn client_capabilities(&self) -> Result<Option<ClientCapabilities>, JsonError> {
        self.decode(keys::CLIENT_CAPABILITIES)
    }

    /// Sets what the sender of the request can do.
    #[must_use]
    pub fn with_client_capabilities(self, capabilities: &ClientCapabilities) -> Self {
        self.set(keys::CLIENT_CAPABILITIES, capabilities)
    }

    /// The least severity of the log messages that the request asks for; without it, none may be sent.
    ///
    /// # Errors
    /// When it is not a [`LoggingLevel`].
    pub fn log_level(&self) -> Result<Option<LoggingLevel>, JsonError> {
        self.decode(keys::LOG_LEVEL)
    }

    /// Sets the least severity of the log messages that the request asks for.
    #[must_use]
    pub fn with_log_level(self, level: LoggingLevel) -> Self {
        self.set(keys::LOG_LEVEL, &level)
    }

    /// Who answered.
    ///
    /// # Errors
    /// When it is not an [`Implementation`].
    pub fn server_info(&self) -> Result<Option<Implementation>, JsonError> {
        self.decode(keys::SERVER_INFO)
    }

    /// Sets who answers.
    #[must_use]
    pub fn with_server_info(self, info: &Implementation) -> Self {
        self.set(keys::SERVER_INFO, info)
    }

    /// The subscription: the id of the `subscriptions/listen` request.
    ///
    /// # Errors
    /// When it is not a [`RequestId`].
    pub fn subscription_id(&self) -> Result<Option<RequestId>, JsonError> {
        self.decode(keys::SUBSCRIPTION_ID)
    }

    /// Sets the subscription.
    #[must_use]
    pub fn with_subscription_id(self, id: &RequestId) -> Self {
        self.set(keys::SUBSCRIPTION_ID, id)
    }

    /// The token with which progress is to be notified.
    ///
    /// # Errors
    /// When it is not a [`ProgressToken`].
    pub fn progress_token(&self) -> Result<Option<ProgressToken>, JsonError> {
        self.decode(keys::PROGRESS_TOKEN)
    }

    /// Asks for progress notifications with this token.
    #[must_use]
    pub fn with_progress_token(self, token: &ProgressToken) -> Self {
        self.set(keys::PROGRESS_TOKEN, token)
    }

    /// The task to which the message belongs (2025-11-25).
    ///
    /// # Errors
    /// When it is not a [`RelatedTaskMetadata`].
    pub fn related_task(&self) -> Result<Option<RelatedTaskMetadata>, JsonError> {
        self.decode(keys::RELATED_TASK)
    }

    /// Sets the task to which the message belongs.
    #[must_use]
    pub fn with_related_task(self, task: &RelatedTaskMetadata) -> Self {
        self.set(keys::RELATED_TASK, task)
    }

    /// The trace that the message belongs to. Values of a wrong type or form are ignored, as W3C Trace Context asks.
    #[must_use]
    pub fn trace_context(&self) -> Option<TraceContext> {
        let text = |key| {
            self.get(key)
                .filter(|value| value.is_string())
                .and_then(|value| value.decode().ok())
        };
        let traceparent: String = text(keys::TRACEPARENT)?;
        is_traceparent(&traceparent).then(|| TraceContext {
            traceparent,
            tracestate: text(keys::TRACESTATE),
            baggage: text(keys::BAGGAGE),
        })
    }

    /// Sets the trace that the message belongs to.
    #[must_use]
    pub fn with_trace_context(mut self, trace: &TraceContext) -> Self {
        self.insert(keys::TRACEPARENT, trace.traceparent.as_str());
        for (key, value) in [
            (keys::TRACESTATE, &trace.tracestate),
            (keys::BAGGAGE, &trace.baggage),
        ] {
            if let Some(value) = value {
                self.insert(key, value.as_str());
            }
        }
        self
    }

    /// True if a key keeps the naming rules of `_meta`: an optional prefix of dot-separated labels and a slash, then a
    /// name. Labels begin with a letter and end with a letter or digit; names begin and end with a letter or digit.
    #[must_use]
    pub fn is_valid_key(key: &str) -> bool {
        let (prefix, name) = match key.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, key),
        };
        let label = |label: &str| {
            let bytes = label.as_bytes();
            bytes.first().is_some_and(u8::is_ascii_alphabetic)
                && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
                && bytes
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        };
        let name = name.as_bytes();
        let ends = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
        prefix.is_none_or(|prefix| prefix.split('.').all(label))
            && (prefix.is_some() || !name.is_empty())
            && ends(name.first())
            && ends(name.last())
            && name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    }

    /// True if the specification keeps the key's prefix for itself: its second label is `modelcontextprotocol` or
    /// `mcp`, as in `io.modelcontextprotocol/…` or `dev.mcp/…`.
    #[must_use]
    pub fn is_reserved_key(key: &str) -> bool {
        key.split_once('/')
            .and_then(|(prefix, _)| prefix.split('.').nth(1))
            .is_some_and(|label| label == "modelcontextprotocol" || label == "mcp")
    }
}

impl From<Object> for Meta {
    fn from(object: Object) -> Self {
        Self(object)
    }
}

impl Wire for Meta {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        let mut object = out.object();
        for (key, value) in self.iter().filter(|(key, _)| key_exists(key, revision)) {
            value.write_at(revision, object.named(key));
        }
        object.end();
    }

    fn present_at(&self, revision: Revision) -> bool {
        self.is_empty() || self.iter().any(|(key, _)| key_exists(key, revision))
    }
}

impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Object::deserialize(deserializer).map(Self)
    }
}

/// A trace to which a message belongs, in the forms of W3C Trace Context and W3C Baggage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// `version-trace-parent-flags`, such as `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
    pub traceparent: String,
    /// Vendor data.
    pub tracestate: Option<String>,
    /// Application data.
    pub baggage: Option<String>,
}

/// The form of W3C Trace Context: version `ff` and all-zero ids are invalid, later versions may be longer.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let mut parts = text.split('-');
    let (Some(version), Some(trace), Some(parent), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    version.len() == 2
        && version != "ff"
        && trace.len() == 32
        && parent.len() == 16
        && flags.len() == 2
        && [version, trace, parent, flags].into_iter().all(hex)
        && [trace, parent]
            .into_iter()
            .all(|id| id.bytes().any(|byte| byte != b'0'))
        && (version != "00" || parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::{Meta, TraceContext, keys};
    use crate::progress::ProgressToken;
    use crate::revision::Revision;
    use crate::wire::{Wire, to_string};
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;

    #[test]
    fn reserved_keys_are_written_only_where_they_exist_and_others_everywhere() {
        let meta = Meta::new()
            .with_protocol_version("2026-07-28")
            .with_progress_token(&ProgressToken::from(7))
            .with("com.example/trace", "x");
        assert_eq!(
            to_string(&meta, Revision::V2025_11_25),
            r#"{"progressToken":7,"com.example/trace":"x"}"#
        );
        assert_eq!(
            to_string(&meta, Revision::V2026_07_28),
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7,"com.example/trace":"x"}"#
        );
        assert!(
            !Meta::new()
                .with_protocol_version("2026-07-28")
                .present_at(Revision::V2025_06_18)
        );
        assert!(Meta::new().present_at(Revision::V2025_06_18));
    }

    #[test]
    fn a_reserved_key_of_the_wrong_type_is_an_error_and_not_absence() {
        let meta = Meta::new()
            .with(keys::LOG_LEVEL, "loud")
            .with(keys::PROGRESS_TOKEN, true);
        assert!(
            meta.log_level()
                .expect_err("unknown level")
                .to_string()
                .contains("one of debug, info")
        );
        assert!(meta.progress_token().is_err());
        assert_eq!(meta.client_info().expect("absent"), None);
    }

    #[test]
    fn a_trace_is_read_only_if_it_is_well_formed() {
        let good = TraceContext {
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            tracestate: Some("a=b".to_owned()),
            baggage: None,
        };
        assert_eq!(
            Meta::new().with_trace_context(&good).trace_context(),
            Some(good)
        );
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(
                Meta::new().with(keys::TRACEPARENT, bad).trace_context(),
                None,
                "{bad}"
            );
        }
    }

    #[test]
    fn key_rules() {
        for good in [
            "a",
            "progressToken",
            "com.example/",
            "io.modelcontextprotocol/x.y_z",
            "a1-b.c/d",
        ] {
            assert!(Meta::is_valid_key(good), "{good}");
        }
        for bad in ["", "/a", "1a.b/c", "a-.b/c", "a..b/c", "-a", "a/b/c", "ä"] {
            assert!(!Meta::is_valid_key(bad), "{bad}");
        }
        assert!(
            Meta::is_reserved_key("io.modelcontextprotocol/x")
                && Meta::is_reserved_key("dev.mcp/x")
        );
        assert!(!Meta::is_reserved_key("com.example.mcp/x") && !Meta::is_reserved_key("mcp"));
    }
}
