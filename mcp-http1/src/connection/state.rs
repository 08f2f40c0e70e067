//! What a connection is doing, and until when.
//!
//! Owns the states and their deadlines. Must never do anything.

use std::fmt;

use bytes::Bytes;
use http::Response;
use mcp_server::http::HttpCall;
use mcp_server::proto::time::Instant;
use mcp_server::{BoxFuture, Principal};

use super::options::ConnectionOptions;

pub(super) type Authentication = BoxFuture<Result<Option<Principal>, Response<Bytes>>>;

/// What a connection is doing.
pub(super) enum State {
    /// Nothing was polled yet.
    New,
    /// No request, or its head is arriving.
    Between {
        /// Since when there is no request.
        idle: Instant,
        /// Since when a head is owed.
        head: Option<Instant>,
    },
    Authenticating {
        asking: Authentication,
        until: Instant,
    },
    /// A request that was let in, until its response has ended.
    Calling {
        call: HttpCall,
        stage: Stage,
    },
    /// Answered; what is left of the body is on its way.
    Discarding {
        until: Instant,
    },
    /// Nothing more will be said; the peer may still be speaking.
    Lingering {
        until: Instant,
        left: usize,
    },
    Over,
}

/// How far a call has come.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// The body is arriving, and has to be there by then.
    Body(Instant),
    /// The head of the response is not decided.
    Waiting,
    /// The body of the response is being written.
    Streaming,
}

impl State {
    /// When it ends by itself, or wants to be looked at.
    pub(super) fn deadline(&self, options: &ConnectionOptions) -> Option<Instant> {
        match self {
            Self::Between { idle, head } => {
                let idle = *idle + options.idle;
                let head = head.map(|since| since + options.head_deadline);
                Some(head.map_or(idle, |head| head.min(idle)))
            }
            Self::Authenticating { until, .. }
            | Self::Calling {
                stage: Stage::Body(until),
                ..
            }
            | Self::Discarding { until }
            | Self::Lingering { until, .. } => Some(*until),
            Self::Calling { call, .. } => call.wakeup(),
            Self::New | Self::Over => None,
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New | Self::Between { .. } => "between requests",
            Self::Authenticating { .. } => "authenticating",
            Self::Calling { stage, .. } => match stage {
                Stage::Body(_) => "reading the body",
                Stage::Waiting => "waiting for the head",
                Stage::Streaming => "streaming",
            },
            Self::Discarding { .. } => "discarding",
            Self::Lingering { .. } => "lingering",
            Self::Over => "over",
        })
    }
}
