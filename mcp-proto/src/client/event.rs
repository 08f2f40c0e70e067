//! What a client hears: how requests end, what servers say unasked, and what they do wrong.
//!
//! Owns the vocabulary only. Local endings (a deadline, a lost stream) and the peer's own errors are
//! different types: one can never be mistaken for the other (2026-07-28, basic "Error Codes").

use alloc::borrow::Cow;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mcp_types::LoggingLevel;

use crate::id::{CallId, RequestId};
use crate::json::{Inbound, MalformedKind, text};
use crate::method::Method;
use crate::server::Progress;

/// How long a request may take and what comes along with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestOptions {
    /// The longest silence; progress (or, for a subscription, every message of it) starts it anew.
    /// Default 60 s.
    pub idle: Option<Duration>,
    /// The longest time in all, whatever the server reports. Default 10 minutes.
    pub total: Option<Duration>,
    /// Ask for progress. The token is the request's id on the wire.
    pub progress: bool,
    /// Ask for log messages of this level and above; modern revisions only.
    pub log_level: Option<LoggingLevel>,
}

impl RequestOptions {
    /// No deadline at all: for subscriptions, which are silent by nature.
    pub const UNLIMITED: Self = Self {
        idle: None,
        total: None,
        progress: false,
        log_level: None,
    };

    /// The same with other deadlines.
    #[must_use]
    pub const fn deadlines(mut self, idle: Option<Duration>, total: Option<Duration>) -> Self {
        self.idle = idle;
        self.total = total;
        self
    }

    /// The same with progress asked for.
    #[must_use]
    pub const fn progress(mut self) -> Self {
        self.progress = true;
        self
    }

    /// The same with log messages asked for.
    #[must_use]
    pub const fn log_level(mut self, level: LoggingLevel) -> Self {
        self.log_level = Some(level);
        self
    }
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self::UNLIMITED.deadlines(
            Some(Duration::from_secs(60)),
            Some(Duration::from_secs(600)),
        )
    }
}

/// Why a request was not sent. Gives the token back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused<T> {
    /// `Limits::max_requests` are waiting for an answer already.
    AtCapacity(T),
    /// Flush the outbox first.
    OutboxFull(T),
    /// The message would be longer than `Limits::max_frame_out`.
    TooLong(T),
    /// The parameters are not an object.
    Params(T),
    /// The stream is over.
    Closed(T),
}

impl<T> Refused<T> {
    /// The token.
    pub fn into_token(self) -> T {
        match self {
            Self::AtCapacity(token)
            | Self::OutboxFull(token)
            | Self::TooLong(token)
            | Self::Params(token)
            | Self::Closed(token) => token,
        }
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtCapacity(_) => "too many requests are waiting for an answer",
            Self::OutboxFull(_) => "the outbox has to be flushed first",
            Self::TooLong(_) => "the request is too long",
            Self::Params(_) => "the parameters of a request must be a JSON object",
            Self::Closed(_) => "the stream is over",
        })
    }
}

impl<T: fmt::Debug> core::error::Error for Refused<T> {}

/// Which of a request's two deadlines has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`RequestOptions::idle`].
    Idle,
    /// [`RequestOptions::total`].
    Total,
}

/// How a request ended. Each ends exactly once: by one of these or by
/// [`Client::cancel`](super::Client::cancel).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The result, an object.
    Complete(Bytes),
    /// The server needs input first: the result holds `inputRequests`, `requestState` or both. Answer by
    /// a new request.
    InputRequired(Bytes),
    /// A task was created (tasks extension, if the client declared it).
    Task(Bytes),
    /// The server's error.
    Error(PeerError),
    /// The answer breaks the rules.
    Invalid(Invalid),
    /// No answer in time; the server was told, unless the request was `initialize`.
    TimedOut(Limit),
    /// The server ended a subscription by a notice instead of a result.
    Withdrawn,
    /// The stream ended before the answer came.
    Lost,
}

/// The error object of a response.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerError(pub(super) Bytes);

impl PeerError {
    /// The code.
    #[must_use]
    pub fn code(&self) -> i64 {
        // The scanner has seen an integer.
        text::get(self.raw(), "code")
            .and_then(|code| code.parse().ok())
            .unwrap_or_default()
    }

    /// The message: for people.
    #[must_use]
    pub fn message(&self) -> Cow<'_, str> {
        text::get(self.raw(), "message")
            .and_then(text::decode_str)
            .unwrap_or_default()
    }

    /// `data` as raw JSON.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        text::get(self.raw(), "data")
    }

    /// The whole object as raw JSON.
    #[must_use]
    pub fn raw(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for PeerError {
    /// The code only: the text belongs to the peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerError")
            .field("code", &self.code())
            .finish_non_exhaustive()
    }
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// The message; for instance both `result` and `error`, or neither.
    Message(MalformedKind),
    /// The result is not an object.
    NotAnObject,
    /// `resultType` is neither `complete` nor `input_required` nor one that an extension allows.
    ResultType,
    /// The method cannot ask for input (2026-07-28, patterns/mrtr "Supported Requests").
    InputNotAllowed,
    /// `input_required` with neither `inputRequests` nor `requestState`.
    NothingToAnswer,
    /// A subscription ended well that was never acknowledged.
    Unacknowledged,
}

/// What a server did that no answer to a request can tell. Counted; a client that has to forgive too
/// many in a row gives the stream up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A line that is no message: never answered.
    Malformed(MalformedKind),
    /// A line longer than `Limits::max_message` was skipped.
    TooLong,
    /// An answer that belongs to no request.
    UnknownResponse,
    /// A progress notification without a number, or for what was never asked.
    UnknownProgress,
    /// Progress did not increase.
    ProgressNotIncreasing,
    /// A notification for a subscription that does not exist.
    UnknownSubscription,
    /// A second acknowledgment.
    AcknowledgedTwice,
    /// A notification came before the acknowledgment.
    BeforeAcknowledgment,
    /// A notification of a kind that was not acknowledged.
    NotGranted,
    /// A change notification that names no subscription.
    Untagged,
    /// The cancellation of something that only the client may cancel.
    ForeignCancellation,
    /// A request of the server on a modern stream: never answered.
    RequestInModernEra,
    /// A request of the server with an id that is in use.
    DuplicateRequest,
    /// More requests of the server than can be open, or than their answers have room.
    TooManyRequests,
}

/// What a client tells its application.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent<T> {
    /// A request is over; its handle is stale.
    Ended {
        /// The request.
        id: RequestId,
        /// What was given with it.
        token: T,
        /// How it ended. Bytes are slices of the read buffer.
        outcome: Outcome,
    },
    /// A request makes progress.
    Progress {
        /// The request.
        id: RequestId,
        /// The report; it increases.
        progress: Progress,
    },
    /// A subscription is open. `params.notifications` is what the server grants.
    Acknowledged {
        /// The subscription's request.
        id: RequestId,
        /// The message.
        inbound: Inbound,
    },
    /// A notification of a subscription.
    Changed {
        /// The subscription's request.
        id: RequestId,
        /// Which one.
        method: Method,
        /// The message.
        inbound: Inbound,
    },
    /// A notification that belongs to no request: log messages, a legacy server's changes.
    Notified {
        /// Which one.
        method: Method,
        /// The message.
        inbound: Inbound,
    },
    /// A legacy server asks; waits for [`Client::respond`](super::Client::respond) or
    /// [`Client::fail`](super::Client::fail).
    Asked {
        /// The answer goes to this handle.
        id: CallId,
        /// The message; slices of the read buffer, so detach what you keep.
        inbound: Inbound,
    },
    /// The server no longer wants an answer, or the stream has ended; the handle is stale.
    Forgotten {
        /// The handle.
        id: CallId,
    },
    /// An error of the server that names no request: it could not read one of ours.
    Unaddressed(PeerError),
    /// The server broke a rule; for logs.
    Violation(Violation),
    /// The stream is over and every request has ended. Nothing follows.
    Closed {
        /// Whether the server used up its budget of violations.
        misbehaved: bool,
    },
}
