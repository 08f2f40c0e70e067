//! What one call may rely on: its revision and what its client declared.
//!
//! Owns the reading of capabilities into a small `Copy` set. Must never be built from a connection:
//! a modern call's context comes from its own `_meta`, a legacy call's from the handshake of its session.

use bytes::Bytes;
use mcp_types::{LoggingLevel, Revision};

use crate::id::WireId;
use crate::json::text;
use crate::method::Method;

/// Client features that a server may ask for, as a set.
///
/// Built from a `ClientCapabilities` object; unknown members are ignored.
///
/// ```
/// use mcp_proto::context::ClientFeatures;
/// let features = ClientFeatures::from_json(r#"{"elicitation":{},"roots":{"listChanged":true}}"#);
/// assert!(features.contains(ClientFeatures::ELICITATION_FORM));
/// assert!(!features.contains(ClientFeatures::ELICITATION_URL));
/// assert!(features.contains(ClientFeatures::ROOTS | ClientFeatures::ROOTS_LIST_CHANGED));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ClientFeatures(u16);

impl ClientFeatures {
    /// Nothing declared.
    pub const NONE: Self = Self(0);
    /// `elicitation` (an empty object means form mode) or `elicitation.form`.
    pub const ELICITATION_FORM: Self = Self(1);
    /// `elicitation.url`.
    pub const ELICITATION_URL: Self = Self(1 << 1);
    /// `sampling`.
    pub const SAMPLING: Self = Self(1 << 2);
    /// `sampling.tools`.
    pub const SAMPLING_TOOLS: Self = Self(1 << 3);
    /// `sampling.context`.
    pub const SAMPLING_CONTEXT: Self = Self(1 << 4);
    /// `roots`.
    pub const ROOTS: Self = Self(1 << 5);
    /// `roots.listChanged` (legacy revisions).
    pub const ROOTS_LIST_CHANGED: Self = Self(1 << 6);
    /// The tasks extension, `extensions["io.modelcontextprotocol/tasks"]`.
    pub const TASKS: Self = Self(1 << 7);

    /// Whether every feature of `other` is in `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set as bits, for sealing into a session id.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The inverse of [`bits`](Self::bits); unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 0xff)
    }

    /// Reads a `ClientCapabilities` object (valid JSON text).
    #[must_use]
    pub fn from_json(object: &str) -> Self {
        let mut features = Self::NONE;
        for (key, value) in text::members(object) {
            if text::eq_decoded(key, "elicitation") {
                let url = text::get(value, "url").is_some();
                if url {
                    features |= Self::ELICITATION_URL;
                }
                // An empty object is the form-only declaration of 2025-06-18 and stays valid later.
                if !url || text::get(value, "form").is_some() {
                    features |= Self::ELICITATION_FORM;
                }
            } else if text::eq_decoded(key, "sampling") {
                features |= Self::SAMPLING;
                if text::get(value, "tools").is_some() {
                    features |= Self::SAMPLING_TOOLS;
                }
                if text::get(value, "context").is_some() {
                    features |= Self::SAMPLING_CONTEXT;
                }
            } else if text::eq_decoded(key, "roots") {
                features |= Self::ROOTS;
                if text::get(value, "listChanged") == Some("true") {
                    features |= Self::ROOTS_LIST_CHANGED;
                }
            } else if text::eq_decoded(key, "extensions")
                && text::get(value, "io.modelcontextprotocol/tasks").is_some()
            {
                features |= Self::TASKS;
            }
        }
        features
    }
}

impl core::ops::BitOr for ClientFeatures {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl core::ops::BitOrAssign for ClientFeatures {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl core::fmt::Debug for ClientFeatures {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        const NAMES: [(ClientFeatures, &str); 8] = [
            (ClientFeatures::ELICITATION_FORM, "elicitation.form"),
            (ClientFeatures::ELICITATION_URL, "elicitation.url"),
            (ClientFeatures::SAMPLING, "sampling"),
            (ClientFeatures::SAMPLING_TOOLS, "sampling.tools"),
            (ClientFeatures::SAMPLING_CONTEXT, "sampling.context"),
            (ClientFeatures::ROOTS, "roots"),
            (ClientFeatures::ROOTS_LIST_CHANGED, "roots.listChanged"),
            (ClientFeatures::TASKS, "tasks"),
        ];
        let held = NAMES.iter().filter(|(feature, _)| self.contains(*feature));
        f.debug_set().entries(held.map(|(_, name)| name)).finish()
    }
}

/// The judged facts of one admitted call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallContext {
    /// What is called.
    pub method: Method,
    /// The revision that the call is served in.
    pub revision: Revision,
    /// What the client declared: in this call's `_meta` (modern) or in the handshake (legacy).
    pub features: ClientFeatures,
    /// The lowest level that may be sent for this call; `None` sends no log message at all.
    pub log_level: Option<LoggingLevel>,
    /// Present when the client asked for progress.
    pub progress_token: Option<WireId>,
    /// The client's `Implementation` object as raw JSON, self-reported and for display only. Of a modern call, it is
    /// a slice of the read buffer, which it pins as long as it is kept.
    pub client_info: Option<Bytes>,
}

impl CallContext {
    /// A context with nothing declared.
    #[must_use]
    pub const fn new(method: Method, revision: Revision) -> Self {
        Self {
            method,
            revision,
            features: ClientFeatures::NONE,
            log_level: None,
            progress_token: None,
            client_info: None,
        }
    }

    /// Whether the call is of the modern era (2026-07-28 or later).
    #[must_use]
    pub const fn is_modern(&self) -> bool {
        self.revision.is_modern()
    }

    /// Whether a log message of `level` may be sent for this call.
    #[must_use]
    pub fn allows(&self, level: LoggingLevel) -> bool {
        self.log_level.is_some_and(|least| level >= least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elicitation_modes_follow_the_declared_members() {
        let of = |json| ClientFeatures::from_json(json);
        assert_eq!(
            of(r#"{"elicitation":{}}"#),
            ClientFeatures::ELICITATION_FORM
        );
        assert_eq!(
            of(r#"{"elicitation":{"url":{}}}"#),
            ClientFeatures::ELICITATION_URL
        );
        assert_eq!(
            of(r#"{"elicitation":{"url":{},"form":{}}}"#),
            ClientFeatures::ELICITATION_FORM | ClientFeatures::ELICITATION_URL
        );
        assert_eq!(of("{}"), ClientFeatures::NONE);
    }

    #[test]
    fn sampling_and_extensions_are_read() {
        let features = ClientFeatures::from_json(
            r#"{"sampling":{"tools":{}},"extensions":{"io.modelcontextprotocol/tasks":{}},"x":1}"#,
        );
        assert!(features.contains(ClientFeatures::SAMPLING | ClientFeatures::SAMPLING_TOOLS));
        assert!(features.contains(ClientFeatures::TASKS));
        assert!(!features.contains(ClientFeatures::SAMPLING_CONTEXT));
        assert_eq!(ClientFeatures::from_bits(features.bits()), features);
    }
}
