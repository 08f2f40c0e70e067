//! Why the client could not be asked, or did not answer.
//!
//! Owns the one error of all questions, and what it becomes when it leaves a handler.

use mcp_proto::context::ClientFeatures;
use mcp_proto::error::{self, WireError};
use mcp_proto::json::text;
use mcp_proto::server::Refused;
use mcp_types::{Json, Revision};

/// Why a question to the client has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The client has not declared that it can answer such a question. When a handler returns this error, a
    /// modern client gets -32021 with `data.requiredCapabilities`, a legacy one a result with `isError`.
    #[error("the client has not declared the capability {}", capability(*.0))]
    Undeclared(ClientFeatures),
    /// The revision that the client speaks has no such question.
    #[error("{what} needs a client that speaks {since} or later")]
    TooOld {
        /// What was asked for.
        what: &'static str,
        /// The first revision that has it.
        since: Revision,
    },
    /// The question itself is not one that a client can be asked; says which field, and why.
    #[error("{0}")]
    Question(String),
    /// A key is empty, longer than 128 bytes, or has a `#` in it.
    #[error("`{0}` is not a key: it must have 1 to 128 bytes and no `#`")]
    Key(String),
    /// The client's answer does not fit the question (legacy; a modern client gets -32602 instead).
    #[error("the client's answer to `{key}` is not valid: {problem}")]
    Answer {
        /// The key of the question.
        key: String,
        /// Where, what was expected, what came.
        problem: String,
    },
    /// The client answered with an error (legacy): the user or the client refused.
    #[error("the client refused: {message} ({code})")]
    Refused {
        /// The JSON-RPC code.
        code: i64,
        /// The client's words.
        message: String,
    },
    /// The client did not answer in time (legacy).
    #[error("the client did not answer in time")]
    TimedOut,
    /// The stream to the client ended before it answered (legacy).
    #[error("the client is gone")]
    Lost,
    /// The question could not be sent: there is no stream to the client, or too many questions are open.
    #[error("the client cannot be asked now: {0}")]
    NotSent(&'static str),
    /// The call has asked for input too often (modern).
    #[error("the call has asked for input too many times")]
    TooManyRounds,
    /// Only `tools/call`, `prompts/get` and `resources/read` may ask for input (modern).
    #[error("a {0} request may not ask for input")]
    NotHere(String),
    /// Inside of `once` nothing can be asked: its work is recorded as a whole.
    #[error("`once` may not ask the client: ask before it and pass the answer in")]
    InsideOnce,
    /// A memo could not be written or read.
    #[error("the result of `{key}` cannot be recorded: {problem}")]
    Memo {
        /// The key of the memo.
        key: String,
        /// What serde says.
        problem: String,
    },
    /// The call is over: cancelled, answered, or suspended until the client comes back.
    #[error("the call is over")]
    Ended,
}

impl AskError {
    /// The JSON-RPC error that this becomes when it leaves a handler; `None` where an ordinary handler
    /// error (an `isError` result of a tool) is right.
    #[must_use]
    pub fn to_wire(&self, revision: Revision) -> Option<WireError> {
        let Self::Undeclared(features) = self else {
            return None;
        };
        if !revision.is_modern() {
            return None;
        }
        let data = Json::parse(format!(
            "{{\"requiredCapabilities\":{}}}",
            required(*features)
        ))
        .ok()?;
        Some(WireError::new(error::MISSING_CAPABILITY, self.to_string()).with_data(data))
    }

    /// The [`AskError`] in a chain of sources, if there is one.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        core::iter::successors(Some(error), |error| error.source())
            .find_map(|error| error.downcast_ref())
    }

    /// From the error object of a client's answer.
    pub(crate) fn refused(object: &str) -> Self {
        let code = text::get(object, "code")
            .and_then(|code| code.parse().ok())
            .unwrap_or_default();
        let message = text::get(object, "message").and_then(text::decode_str);
        Self::Refused {
            code,
            message: message.map_or_else(|| "no reason given".into(), Into::into),
        }
    }
}

impl From<Refused> for AskError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::AtCapacity => Self::NotSent("too many questions are open"),
            Refused::TooLong => Self::NotSent("the question is longer than this server may send"),
            Refused::Stale => Self::Ended,
            Refused::Closed => Self::Lost,
            _ => Self::NotSent("there is no stream to it"),
        }
    }
}

const NAMES: [(ClientFeatures, &str, &str); 6] = [
    (
        ClientFeatures::ELICITATION_FORM,
        "elicitation.form",
        r#"{"elicitation":{"form":{}}}"#,
    ),
    (
        ClientFeatures::ELICITATION_URL,
        "elicitation.url",
        r#"{"elicitation":{"url":{}}}"#,
    ),
    (
        ClientFeatures::SAMPLING_TOOLS,
        "sampling.tools",
        r#"{"sampling":{"tools":{}}}"#,
    ),
    (
        ClientFeatures::SAMPLING_CONTEXT,
        "sampling.context",
        r#"{"sampling":{"context":{}}}"#,
    ),
    (ClientFeatures::SAMPLING, "sampling", r#"{"sampling":{}}"#),
    (ClientFeatures::ROOTS, "roots", r#"{"roots":{}}"#),
];

fn capability(features: ClientFeatures) -> &'static str {
    NAMES
        .iter()
        .find(|(feature, ..)| features.contains(*feature))
        .map_or("asked for", |(_, name, _)| name)
}

fn required(features: ClientFeatures) -> &'static str {
    NAMES
        .iter()
        .find(|(feature, ..)| features.contains(*feature))
        .map_or("{}", |(.., json)| json)
}
