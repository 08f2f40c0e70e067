//! Errors that go on the wire, and the one that never does.
//!
//! Owns the JSON-RPC error object and its codes. A [`WireError`] must never carry what only we
//! should know: it is built from fixed texts and from what the peer itself sent.

use alloc::borrow::Cow;
use core::fmt;

use mcp_types::Json;

/// Invalid JSON was received (JSON-RPC 2.0).
pub const PARSE_ERROR: i64 = -32700;
/// The JSON is not a valid request object (JSON-RPC 2.0).
pub const INVALID_REQUEST: i64 = -32600;
/// The method does not exist or is not available (JSON-RPC 2.0).
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters are invalid (JSON-RPC 2.0).
pub const INVALID_PARAMS: i64 = -32602;
/// The receiver failed (JSON-RPC 2.0).
pub const INTERNAL_ERROR: i64 = -32603;
/// A mirrored header is missing or differs from the body (2026-07-28).
pub const HEADER_MISMATCH: i64 = -32020;
/// The client has not declared a capability that the request needs (2026-07-28).
pub const MISSING_CAPABILITY: i64 = -32021;
/// The protocol version is not supported (2026-07-28).
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// The resource does not exist (up to 2025-11-25; 2026-07-28 says [`INVALID_PARAMS`] instead).
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// The user must visit a URL first (2025-11-25 only).
pub const URL_ELICITATION_REQUIRED: i64 = -32042;

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WireError {
    /// One of the codes of this module, or one of an extension.
    pub code: i64,
    /// One sentence for a human. Not stable, never to be parsed.
    pub message: Cow<'static, str>,
    /// What a program may act on.
    pub data: Option<Json>,
}

impl WireError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// [`PARSE_ERROR`].
    pub fn parse_error(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(PARSE_ERROR, message)
    }

    /// [`INVALID_REQUEST`].
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_REQUEST, message)
    }

    /// [`METHOD_NOT_FOUND`].
    pub fn method_not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(METHOD_NOT_FOUND, message)
    }

    /// [`INVALID_PARAMS`].
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// [`INTERNAL_ERROR`].
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INTERNAL_ERROR, message)
    }

    /// The same error with `data`.
    #[must_use]
    pub fn with_data(mut self, data: Json) -> Self {
        self.data = Some(data);
        self
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl core::error::Error for WireError {}

/// The handle has outlived its call: it was answered, cancelled or given up. Normal after a race,
/// never a bug by itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Stale;

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call has already ended")
    }
}

impl core::error::Error for Stale {}
