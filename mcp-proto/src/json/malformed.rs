//! What the scanner refuses.
//!
//! Owns the faults, their codes and their texts. A fault must never quote the peer: it says what was
//! wrong and what would be right, and where.

use core::fmt;

use bytes::Bytes;

use super::cursor::Fault;
use super::envelope::{Kind, Span};
use crate::error::{INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR};

/// Why a frame is not a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Malformed {
    /// The first fault by precedence, which is the order of [`MalformedKind`].
    pub kind: MalformedKind,
    /// The id for the answer, if one could be read without doubt.
    pub id: Span,
    /// The byte at which the fault was noticed.
    pub offset: u32,
    /// What the message would be, if its members tell. Only a request, or something unreadable, is
    /// answered.
    pub form: Option<Kind>,
}

/// What is wrong with a frame, in order of precedence.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum MalformedKind {
    /// Not JSON.
    Syntax,
    /// Not UTF-8, or half of a surrogate pair.
    Utf8,
    /// Nested too deeply.
    Depth,
    /// Nothing but whitespace.
    Empty,
    /// A top-level array. Its content has not been looked at.
    Batch,
    /// A top-level string, number, boolean or null.
    NotObject,
    /// More than 4 GiB.
    TooLong,
    /// A key that occurs twice in the envelope, `params`, `_meta` or `error`, also through escapes.
    Duplicate,
    /// More than [`MAX_UNKNOWN_MEMBERS`](super::scan::MAX_UNKNOWN_MEMBERS) members that we do not know.
    Members,
    /// `jsonrpc` is missing or not `"2.0"`.
    Version,
    /// `id` is null, a boolean, an array, an object, a fraction or too long; or a result has none.
    Id,
    /// `method` is not a string.
    MethodType,
    /// Neither a method nor a result nor an error.
    NoMethodNoResult,
    /// Both `result` and `error`.
    ResultAndError,
    /// A method together with a result or an error.
    MethodAndResult,
    /// `error` is not an object with an integer `code` and a string `message`.
    ErrorShape,
    /// `params` is not an object.
    Params,
    /// `params._meta` is not an object.
    Meta,
}

impl MalformedKind {
    /// The JSON-RPC error code that answers it.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Syntax | Self::Utf8 | Self::Depth | Self::Empty => PARSE_ERROR,
            Self::Params | Self::Meta => INVALID_PARAMS,
            Self::Batch
            | Self::NotObject
            | Self::TooLong
            | Self::Duplicate
            | Self::Members
            | Self::Version
            | Self::Id
            | Self::MethodType
            | Self::NoMethodNoResult
            | Self::ResultAndError
            | Self::MethodAndResult
            | Self::ErrorShape => INVALID_REQUEST,
        }
    }

    /// What was wrong and what would be right.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Syntax => "Parse error: the message is not valid JSON",
            Self::Utf8 => "Parse error: the message is not valid UTF-8 text",
            Self::Depth => "Parse error: the message is nested too deeply",
            Self::Empty => "Parse error: the message is empty; expected a JSON-RPC object",
            Self::Batch => {
                "Invalid request: batches are not supported; send one JSON-RPC object per message"
            }
            Self::NotObject => "Invalid request: expected a JSON-RPC object",
            Self::TooLong => "Invalid request: the message is too long",
            Self::Duplicate => {
                "Invalid request: a key occurs more than once; every key must be unique"
            }
            Self::Members => {
                "Invalid request: too many unknown members in the message, `params` or `_meta`"
            }
            Self::Version => "Invalid request: `jsonrpc` must be \"2.0\"",
            Self::Id => "Invalid request: `id` must be a string or an integer of reasonable length",
            Self::MethodType => "Invalid request: `method` must be a string",
            Self::NoMethodNoResult => "Invalid request: expected `method`, `result` or `error`",
            Self::ResultAndError => "Invalid response: `result` and `error` exclude each other",
            Self::MethodAndResult => "Invalid request: `method` excludes `result` and `error`",
            Self::ErrorShape => {
                "Invalid response: `error` must have an integer `code` and a string `message`"
            }
            Self::Params => "Invalid params: `params` must be an object",
            Self::Meta => "Invalid params: `_meta` must be an object",
        }
    }
}

impl Malformed {
    /// The JSON-RPC error code that answers it.
    #[must_use]
    pub const fn code(&self) -> i64 {
        self.kind.code()
    }

    /// What was wrong and what would be right.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.kind.message()
    }

    /// The id of the question that this was probably meant to answer, as it stands in `frame`. Such a question ends
    /// with [`MALFORMED_ANSWER`]: nothing better is going to come for it.
    #[must_use]
    pub fn answers<'a>(&self, frame: &'a [u8]) -> Option<&'a str> {
        let is_answer = self.kind == MalformedKind::NoMethodNoResult
            || matches!(self.form, Some(Kind::Result | Kind::Error));
        let token = core::str::from_utf8(self.id.get(frame)?).ok()?;
        (is_answer && !token.is_empty()).then_some(token)
    }
}

/// The error object that a question ends with when its answer cannot be read.
pub const MALFORMED_ANSWER: Bytes = Bytes::from_static(
    br#"{"code":-32600,"message":"the answer was neither a result nor an error that can be read"}"#,
);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message(), self.offset)
    }
}

impl core::error::Error for Malformed {}

impl From<Fault> for MalformedKind {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax => Self::Syntax,
            Fault::Utf8 => Self::Utf8,
            Fault::Depth => Self::Depth,
        }
    }
}
