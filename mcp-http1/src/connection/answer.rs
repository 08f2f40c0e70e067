//! What is said to the peer, and what the connection does next.
//!
//! Owns the shape of a response (a block or a stream) and the state that follows its end. Must never look at a request.

use bytes::Bytes;
use http::Response;
use mcp_server::proto::http::outline::{Content, Outline};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::Now;

use super::state::{Stage, State};
use super::{Flow, HttpConnection};
use crate::machine::Length;

impl HttpConnection {
    /// The response's head is decided: a block goes with it, anything else is a stream.
    pub(super) fn respond(&mut self, now: Now, head: &Outline, out: &mut Outbox) -> Flow {
        let Self { state, machine, .. } = self;
        let State::Calling { call, stage } = state else {
            return Flow::Wait;
        };
        if head.content() != Content::Stream
            && let Some(rest) = call.rest()
        {
            machine.respond_from(now, head, rest, out);
            return self.ended(now);
        }
        if !machine.respond(now, head, Length::Unknown, out) {
            return self.finish(now, out);
        }
        *stage = Stage::Streaming;
        Flow::Again
    }

    pub(super) fn answer(&mut self, now: Now, response: Response<Bytes>, out: &mut Outbox) -> Flow {
        let (head, body) = response.into_parts();
        self.machine.respond_with(now, &head, body, out);
        self.request.clear();
        self.ended(now)
    }

    /// The rest of the body will not be read, so the connection cannot be used again.
    pub(super) fn answer_and_close(
        &mut self,
        now: Now,
        response: Response<Bytes>,
        out: &mut Outbox,
    ) -> Flow {
        self.machine.close_after();
        self.answer(now, response, out)
    }

    pub(super) fn finish(&mut self, now: Now, out: &mut Outbox) -> Flow {
        self.machine.finish(out);
        self.ended(now)
    }

    /// A response has ended.
    fn ended(&mut self, now: Now) -> Flow {
        self.state = if self.machine.has_rest() {
            State::Discarding {
                until: now.instant + self.options.body_deadline,
            }
        } else {
            State::Between {
                idle: now.instant,
                head: None,
            }
        };
        Flow::Again
    }

    /// Nothing more will be said. Whether the peer has heard it shows when it closes.
    pub(super) fn linger(&mut self, now: Now) -> Flow {
        self.state = State::Lingering {
            until: now.instant + self.options.linger,
            left: self.options.limits.max_linger,
        };
        Flow::Again
    }
}
