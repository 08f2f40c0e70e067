//! What a link tells its application, and what it asks of its driver.
//!
//! Owns the vocabulary only. Must never hold a rule: when something is said is decided in `link`.

use bytes::Bytes;

use super::subscription::Filter;
use crate::context::CallContext;
use crate::id::{CallId, RequestId};
use crate::json::Inbound;
use crate::method::Method;

/// What the caller has to do before it asks again.
#[derive(Debug)]
#[must_use = "ignoring a step can stall the peer"]
pub enum Step<E> {
    /// Something for the application. Ask again afterwards.
    Event(E),
    /// All complete input is consumed: read more, or wait for the timer.
    NeedInput,
    /// The outbox is at its high-water mark: flush it before more is admitted, and ask again when there is room.
    NeedFlush,
}

/// Who ended a call early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelledBy {
    /// The peer sent `notifications/cancelled`.
    Peer,
    /// The stream ended under a subscription.
    Disconnect,
}

/// What a link tells its application.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkEvent {
    /// A judged request that waits for [`Link::respond`](super::Link::respond) or [`Link::fail`](super::Link::fail).
    Call {
        /// Answers go to this handle.
        id: CallId,
        /// The message; slices of the read buffer, so detach what you keep.
        inbound: Inbound,
        /// What the call may rely on.
        context: CallContext,
    },
    /// A subscription was opened and acknowledged; report changes by [`Link::changed`](super::Link::changed).
    Listening {
        /// The subscription; it ends with `Cancelled` or by [`Link::drain`](super::Link::drain).
        id: CallId,
        /// What it wants to hear of.
        filter: Filter,
    },
    /// The handshake was done or the legacy subscriptions changed: what the session wants to hear of.
    Subscribed(Filter),
    /// The call is gone: stop working on it, nothing can be sent for it any more.
    Cancelled {
        /// The handle, stale from now on.
        id: CallId,
        /// The reason.
        by: CancelledBy,
    },
    /// A request of ours was answered.
    Answered {
        /// The call on whose behalf it was sent.
        call: CallId,
        /// The request.
        request: RequestId,
        /// The result object, or the error object.
        outcome: Result<Bytes, Bytes>,
    },
    /// A request of ours got no answer in time; the client was told.
    Expired {
        /// The call on whose behalf it was sent.
        call: CallId,
        /// The request.
        request: RequestId,
    },
    /// A request of ours can get no answer any more: the input is over.
    Lost {
        /// The call on whose behalf it was sent.
        call: CallId,
        /// The request.
        request: RequestId,
    },
    /// The client is initialized or its roots changed. Notifications that no server acts on are dropped.
    Notified {
        /// Which one.
        method: Method,
        /// The message.
        inbound: Inbound,
    },
    /// The input is over. Calls in flight can still be answered.
    Closed {
        /// Whether the peer used up its budget of violations.
        misbehaved: bool,
    },
}

/// Why a request to the client was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The call has ended.
    Stale,
    /// There is no legacy client on this link.
    NoSession,
    /// Too many requests wait for an answer already.
    AtCapacity,
    /// The message would be longer than `Limits::max_frame_out`.
    TooLong,
    /// The input is over: no answer could come.
    Closed,
}
