//! What the scanner finds.
//!
//! Owns the record of offsets. It must stay `Copy` and must never hold a reference: offsets survive
//! moves, threads and buffers that are handed on.

use crate::method::Method;

/// A range of bytes in the frame, or nothing.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Span {
    start: u32,
    /// Zero for [`Span::NONE`]: no token ends at the frame's beginning.
    end: u32,
}

impl Span {
    /// What is not in the frame.
    pub const NONE: Self = Self { start: 0, end: 0 };

    pub(super) const fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// Whether it is in the frame.
    #[inline]
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.end != 0
    }

    /// Whether it is not in the frame.
    #[inline]
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.end == 0
    }

    /// The bytes in `frame`, which must be the frame that was scanned for the answer to make sense.
    #[inline]
    #[must_use]
    pub fn get(self, frame: &[u8]) -> Option<&[u8]> {
        if self.is_none() {
            return None;
        }
        frame.get(self.range())
    }

    /// The same as a range; empty for [`Span::NONE`].
    #[must_use]
    pub const fn range(self) -> core::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it has no bytes; true for [`Span::NONE`].
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// What a message is, by its members.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Kind {
    /// `method` and `id`.
    #[default]
    Request,
    /// `method` without `id`.
    Notification,
    /// `result` and `id`.
    Result,
    /// `error`; `id` may be absent or null if the peer could not read ours.
    Error,
}

/// Where everything is that the protocol decides on. All spans are raw JSON tokens unless said
/// otherwise.
///
/// Spans of `params` members are filled for every method; whether one has a meaning for the method
/// is not known here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Envelope {
    /// What the message is.
    pub kind: Kind,
    /// The method, [`Method::Other`] in a response.
    pub method: Method,
    /// The method's name: the string's contents, without quotes, escapes not decoded.
    pub method_name: Span,
    /// The id: a string or a number.
    pub id: Span,
    /// `params`: an object.
    pub params: Span,
    /// `result`: any value.
    pub result: Span,
    /// `error`: an object with an integer `code` and a string `message`.
    pub error: Span,

    /// `params._meta`: an object.
    pub meta: Span,
    /// `params.name`
    pub name: Span,
    /// `params.uri`
    pub uri: Span,
    /// `params.cursor`
    pub cursor: Span,
    /// `params.arguments`
    pub arguments: Span,
    /// `params.requestState`
    pub request_state: Span,
    /// `params.inputResponses`
    pub input_responses: Span,
    /// `params.level`
    pub level: Span,
    /// `params.requestId`
    pub request_id: Span,
    /// `params.notifications`
    pub notifications: Span,
    /// `params.ref`
    pub reference: Span,
    /// `params.argument`
    pub argument: Span,
    /// `params.progress`
    pub progress: Span,
    /// `params.progressToken` (of a progress notification)
    pub progress_token: Span,
    /// `params.protocolVersion` (of `initialize`)
    pub protocol_version: Span,
    /// `params.capabilities` (of `initialize`)
    pub capabilities: Span,
    /// `params.clientInfo` (of `initialize`)
    pub client_info: Span,
    /// `params.task` (2025-11-25)
    pub task: Span,
    /// `params.taskId`
    pub task_id: Span,

    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`
    pub meta_version: Span,
    /// `params._meta["io.modelcontextprotocol/clientInfo"]`
    pub meta_client_info: Span,
    /// `params._meta["io.modelcontextprotocol/clientCapabilities"]`
    pub meta_capabilities: Span,
    /// `params._meta["io.modelcontextprotocol/logLevel"]`
    pub meta_log_level: Span,
    /// `params._meta.progressToken`
    pub meta_progress_token: Span,
    /// `params._meta["io.modelcontextprotocol/subscriptionId"]`
    pub meta_subscription_id: Span,
    /// `params._meta["io.modelcontextprotocol/related-task"]` (2025-11-25)
    pub meta_related_task: Span,
    /// `params._meta.traceparent`
    pub meta_traceparent: Span,
}
