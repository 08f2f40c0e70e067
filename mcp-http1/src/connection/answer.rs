//! What is said to the peer, and what the connection does next.
//!
//! Owns the shape of a response (a block or a stream) and the state that follows its end. Must never look at a request.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response, Uri};
use mcp_server::proto::http::outline::{Content, Outline};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::Now;

use super::state::State;
use super::{Flow, HttpConnection};
use crate::machine::Length;

/// A quiet connection keeps the memory for so many fields of the next head, about 100 bytes each.
const FIELDS_KEPT: usize = 32;

impl HttpConnection {
    /// The response's head is decided: a block that is there already goes with it, anything else is a stream.
    pub(super) fn respond(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        head: &Outline,
        out: &mut Outbox,
    ) -> Flow {
        let State::Waiting(mut call) = core::mem::replace(&mut self.state, State::Over) else {
            return Flow::Wait;
        };
        let is_stream = head.content() == Content::Stream;
        // A long answer comes in pieces, which need not be joined to know their length.
        let (mut block, mut more) = (Bytes::new(), Vec::new());
        if !is_stream {
            loop {
                match call.poll_data(cx, now) {
                    Poll::Ready(None) if more.is_empty() => {
                        drop(call);
                        self.machine.respond_with(now, head, block, out);
                        return self.ended(now);
                    }
                    Poll::Ready(None) => {
                        drop(call);
                        let length = block.len() + more.iter().map(Bytes::len).sum::<usize>();
                        let length = Length::Known(length as u64);
                        self.machine.respond(now, head, length, out);
                        self.machine.data(block, out);
                        for data in more {
                            self.machine.data(data, out);
                        }
                        self.machine.finish(out);
                        return self.ended(now);
                    }
                    Poll::Ready(Some(data)) if block.is_empty() => block = data,
                    Poll::Ready(Some(data)) => more.push(data),
                    Poll::Pending => break,
                }
            }
        }
        if !self.machine.respond(now, head, Length::Unknown, out) {
            return self.finish(now, out);
        }
        self.machine.data(block, out);
        for data in more {
            self.machine.data(data, out);
        }
        self.state = State::Streaming(call);
        Flow::Again
    }

    pub(super) fn answer(&mut self, now: Now, response: Response<Bytes>, out: &mut Outbox) -> Flow {
        let (head, body) = response.into_parts();
        self.machine.respond_with(now, &head, body, out);
        self.release();
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

    /// Gives up what the head borrows from the input, so that the memory is there for the next read.
    pub(super) fn release(&mut self) {
        if self.request.headers.capacity() > FIELDS_KEPT {
            self.request.headers = HeaderMap::new();
        }
        self.request.headers.clear();
        self.request.uri = Uri::default();
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
