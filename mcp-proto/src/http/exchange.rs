//! One HTTP request and its answer, as a typestate.
//!
//! Owns the body's accumulation, the decision between JSON and a stream, and the stream's signs of
//! life. Must never decide before it has to: an error keeps its real status until the first
//! notification or `commit_after`.
//!
//! ```text
//! Exchange<AwaitBody> ──finish_body──▶ Exchange<Open> ──finish / end──▶ Exchange<Draining>
//!
//! Open:  Undecided ──event, commit, commit_after──▶ Stream        (only if the client takes streams)
//! finish in Undecided: application/json with the given status;  in Stream: one last event
//! ```

use core::time::Duration;

use ::http::{StatusCode, response};
use bytes::{Bytes, BytesMut};

use super::accept::Accepts;
use super::outline::{Content, Outline};
use crate::frame::sse;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::time::{Instant, Wakeup, Why};

/// When an answer commits, how often a quiet stream shows life, and how much waits for a slow reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// An undecided answer turns into a stream after this time, so that proxies see bytes.
    pub commit_after: Duration,
    /// A comment is written to a stream that was quiet for this long.
    pub keep_alive: Duration,
    /// Bytes that may wait before [`Exchange::is_full`] says so.
    pub outbox_high: usize,
}

impl From<&Limits> for Pace {
    fn from(limits: &Limits) -> Self {
        Self {
            commit_after: limits.commit_after,
            keep_alive: limits.keep_alive,
            outbox_high: limits.outbox_high,
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// One request and its answer in state `S`.
#[derive(Debug)]
pub struct Exchange<S> {
    state: S,
}

/// The body is being read.
#[derive(Debug)]
pub struct AwaitBody {
    max: usize,
    first: Bytes,
    rest: BytesMut,
}

/// Nothing final was said yet.
#[derive(Debug)]
pub struct Open {
    accepts: Accepts,
    pace: Pace,
    answer: Answer,
    stream: bool,
    /// Written before everything else of a stream.
    preamble: Bytes,
    /// Undecided: when to commit. Stream: when to write the next comment.
    due: Option<Instant>,
}

/// The last byte is known; it only has to be taken.
#[derive(Debug)]
pub struct Draining {
    answer: Answer,
}

#[derive(Debug)]
struct Answer {
    head: Option<Outline>,
    out: Outbox,
}

/// The body is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge(pub usize);

impl core::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the body is longer than the limit of {} bytes", self.0)
    }
}

impl core::error::Error for TooLarge {}

impl Exchange<AwaitBody> {
    /// Awaits a body of at most `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            state: AwaitBody {
                max,
                first: Bytes::new(),
                rest: BytesMut::new(),
            },
        }
    }

    /// Takes a chunk. A body that arrives in one piece is never copied.
    ///
    /// # Errors
    /// [`TooLarge`] as soon as the limit is passed, whatever the head had promised.
    pub fn body(&mut self, chunk: Bytes) -> Result<(), TooLarge> {
        let AwaitBody { max, first, rest } = &mut self.state;
        if first.len() + rest.len() + chunk.len() > *max {
            return Err(TooLarge(*max));
        }
        if first.is_empty() && rest.is_empty() {
            *first = chunk;
        } else {
            rest.extend_from_slice(&core::mem::take(first));
            rest.extend_from_slice(&chunk);
        }
        Ok(())
    }

    /// The whole body. Only the first call has it.
    #[must_use]
    pub fn take_body(&mut self) -> Bytes {
        let AwaitBody { first, rest, .. } = &mut self.state;
        if rest.is_empty() {
            core::mem::take(first)
        } else {
            core::mem::take(rest).freeze()
        }
    }

    /// The whole body, and the answer that may now begin.
    #[must_use]
    pub fn finish_body(
        mut self,
        now: Instant,
        accepts: Accepts,
        pace: Pace,
    ) -> (Bytes, Exchange<Open>) {
        (self.take_body(), Exchange::open(now, accepts, pace))
    }
}

impl Exchange<Open> {
    /// An undecided answer. [`commit`](Self::commit) at once for a request that is a stream by nature.
    #[must_use]
    pub fn open(now: Instant, accepts: Accepts, pace: Pace) -> Self {
        let answer = Answer {
            head: None,
            out: Outbox::new(pace.outbox_high),
        };
        let due = accepts.stream.then(|| now + pace.commit_after);
        Self {
            state: Open {
                accepts,
                pace,
                answer,
                stream: false,
                preamble: Bytes::new(),
                due,
            },
        }
    }

    /// Bytes to write first, if this becomes a stream (the priming event of 2025-11-25).
    pub fn set_preamble(&mut self, preamble: Bytes) {
        self.state.preamble = preamble;
    }

    /// Whether the answer is committed to a stream.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        self.state.stream
    }

    /// Whether the answer is or may become a stream.
    #[must_use]
    pub const fn can_stream(&self) -> bool {
        self.state.accepts.stream
    }

    /// Whether the output waits for a slow reader.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.state.answer.out.is_full()
    }

    /// Bytes of output that nobody has taken yet.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.state.answer.out.len()
    }

    /// Turns the answer into a stream; `false` if the client does not take one.
    pub fn commit(&mut self, now: Instant) -> bool {
        let state = &mut self.state;
        if !state.stream && state.accepts.stream {
            state.stream = true;
            state.answer.head = Some(Outline::new(StatusCode::OK, Content::Stream));
            state
                .answer
                .out
                .put_shared(core::mem::take(&mut state.preamble));
        }
        if state.stream {
            state.due = Some(now + state.pace.keep_alive);
        }
        state.stream
    }

    /// Writes one event, committing to a stream; `false` if the client does not take one.
    pub fn event(&mut self, now: Instant, data: impl FnOnce(&mut Outbox)) -> bool {
        let stream = self.commit(now);
        if stream {
            sse::event(&mut self.state.answer.out, None, None, data);
        }
        stream
    }

    /// Writes events that are encoded already; `false` if the client does not take a stream.
    pub fn encoded(&mut self, now: Instant, events: Bytes) -> bool {
        let stream = self.commit(now);
        if stream {
            self.state.answer.out.put_shared(events);
        }
        stream
    }

    /// Writes a comment: a sign of life that no client reads.
    pub fn comment(&mut self, now: Instant) {
        if self.commit(now) {
            sse::comment(&mut self.state.answer.out);
        }
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub fn wakeup(&self) -> Option<Wakeup> {
        let why = if self.state.stream {
            Why::KeepAlive
        } else {
            Why::Commit
        };
        self.state.due.map(|at| Wakeup::new(at, why))
    }

    /// Commits a slow answer, or shows that a quiet stream lives.
    pub fn tick(&mut self, now: Instant) {
        if self.state.due.is_none_or(|due| due > now) {
            return;
        }
        if self.state.stream && !self.is_full() {
            sse::comment(&mut self.state.answer.out);
        }
        self.commit(now);
    }

    /// Gives the final message: the body of a JSON answer with `status`, or the last event of a stream,
    /// whose status was sent long ago. A client that takes streams alone gets a stream, unless the
    /// answer has an error status.
    #[must_use]
    pub fn finish(
        mut self,
        now: Instant,
        status: StatusCode,
        message: impl FnOnce(&mut Outbox),
    ) -> Exchange<Draining> {
        let accepts = self.state.accepts;
        let wants_stream = !accepts.json || accepts.prefers_stream;
        if !self.state.stream && wants_stream && status == StatusCode::OK {
            self.commit(now);
        }
        let Open {
            mut answer, stream, ..
        } = self.state;
        if stream {
            sse::event(&mut answer.out, None, None, message);
            // Events stay whole: there are clients that take a chunk for an event. Nobody sees the pieces of a body
            // whose length is known.
            answer.out.join();
        } else {
            message(&mut answer.out);
            answer.head = Some(Outline::new(status, Content::Json(answer.out.len())));
        }
        Exchange {
            state: Draining { answer },
        }
    }

    /// Ends without a final message: a stream stops after what it has, an undecided answer becomes
    /// an empty stream, or 202 for a client that takes none.
    #[must_use]
    pub fn end(mut self, now: Instant) -> Exchange<Draining> {
        let stream = self.commit(now);
        let mut answer = self.state.answer;
        answer.out.join();
        if !stream {
            answer.head = Some(Outline::new(StatusCode::ACCEPTED, Content::Empty));
        }
        Exchange {
            state: Draining { answer },
        }
    }

    /// The head, once, as soon as it is decided.
    pub fn take_head(&mut self) -> Option<response::Parts> {
        self.take_outline().map(Outline::into_parts)
    }

    /// The same before it is a map of fields.
    pub const fn take_outline(&mut self) -> Option<Outline> {
        self.state.answer.head.take()
    }

    /// What there is to send; never empty.
    pub fn take_data(&mut self) -> Option<Bytes> {
        self.state.answer.out.join();
        self.state.answer.out.take_part()
    }
}

impl Exchange<Draining> {
    /// A whole response in one piece.
    #[must_use]
    pub fn respond(response: ::http::Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        let mut out = Outbox::new(usize::MAX);
        out.put_shared(body);
        Self {
            state: Draining {
                answer: Answer {
                    head: Some(head.into()),
                    out,
                },
            },
        }
    }

    /// The head, once.
    pub fn take_head(&mut self) -> Option<response::Parts> {
        self.take_outline().map(Outline::into_parts)
    }

    /// The same before it is a map of fields.
    pub const fn take_outline(&mut self) -> Option<Outline> {
        self.state.answer.head.take()
    }

    /// Everything that is left to send, for a driver that has an outbox of its own ([`Outbox::append`]).
    pub const fn rest(&mut self) -> &mut Outbox {
        &mut self.state.answer.out
    }

    /// What there is to send next, in the pieces in which it was made unless it is a stream; `None` is the end.
    pub fn take_data(&mut self) -> Option<Bytes> {
        self.state.answer.out.take_part()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    const START: Instant = Instant::from_micros(0);

    fn opened(accepts: Accepts) -> Exchange<Open> {
        Exchange::open(START, accepts, Pace::default())
    }

    fn text(data: Option<Bytes>) -> String {
        String::from_utf8(data.unwrap_or_default().to_vec()).unwrap()
    }

    #[test]
    fn a_body_in_one_piece_is_not_copied_and_a_long_one_is_refused() {
        let mut exchange = Exchange::new(10);
        let chunk = Bytes::from(vec![b'x'; 10]);
        exchange.body(chunk.clone()).unwrap();
        assert_eq!(exchange.body(Bytes::from_static(b"y")), Err(TooLarge(10)));
        let (body, _) = exchange.finish_body(START, Accepts::BOTH, Pace::default());
        assert_eq!(body.as_ptr(), chunk.as_ptr());

        let mut exchange = Exchange::new(10);
        for piece in [&b"abc"[..], b"", b"def", b"g"] {
            exchange.body(Bytes::copy_from_slice(piece)).unwrap();
        }
        assert_eq!(
            exchange
                .finish_body(START, Accepts::BOTH, Pace::default())
                .0,
            "abcdefg"
        );
    }

    #[test]
    fn a_slow_reader_fills_the_output_up_to_the_limit() {
        let limits = Limits {
            outbox_high: 30,
            ..Limits::default()
        };
        let mut exchange = Exchange::open(START, Accepts::BOTH, Pace::from(&limits));
        exchange.event(START, |out| out.put(b"0123456789"));
        assert!(!exchange.is_full());
        exchange.event(START, |out| out.put(b"0123456789"));
        assert!(exchange.is_full());
        exchange.tick(Instant::MAX);
        let events = "data: 0123456789\n\n".repeat(2);
        assert_eq!(text(exchange.take_data()), events, "and no comment");
        assert!(!exchange.is_full());
    }

    #[test]
    fn an_undecided_error_keeps_its_status() {
        let mut done =
            opened(Accepts::BOTH).finish(START, StatusCode::NOT_FOUND, |out| out.put(b"{}"));
        let head = done.take_head().unwrap();
        assert_eq!(head.status, 404);
        assert_eq!(head.headers["content-type"], "application/json");
        assert_eq!(head.headers["content-length"], "2");
        assert_eq!(text(done.take_data()), "{}");
        assert_eq!(done.take_data(), None);
    }

    #[test]
    fn a_long_answer_is_handed_out_uncopied_and_a_long_event_whole() {
        let long = Bytes::from(vec![b'x'; 10_000]);
        let message = |out: &mut Outbox| {
            out.put(b"[");
            out.put_shared(long.clone());
            out.put(b"]");
        };
        let mut done = opened(Accepts::BOTH).finish(START, StatusCode::OK, message);
        assert_eq!(done.take_head().unwrap().headers["content-length"], "10002");
        assert_eq!(text(done.take_data()), "[");
        assert_eq!(done.take_data().map(|it| it.as_ptr()), Some(long.as_ptr()));
        assert_eq!(text(done.take_data()), "]");
        assert_eq!(done.take_data(), None);

        let mut exchange = opened(Accepts::BOTH);
        assert!(exchange.event(START, message));
        assert_eq!(
            text(exchange.take_data()).len(),
            "data: []\n\n".len() + 10_000
        );
        let mut done = exchange.finish(START, StatusCode::OK, message);
        assert_eq!(text(done.take_data()).len(), "data: []\n\n".len() + 10_000);
        assert_eq!(done.take_data(), None);
    }

    #[test]
    fn a_notification_commits_to_a_stream() {
        let mut exchange = opened(Accepts::BOTH);
        exchange.set_preamble(Bytes::from_static(b"id: 1\ndata:\n\n"));
        assert!(exchange.take_head().is_none());
        assert!(exchange.event(START, |out| out.put(b"{\"n\":1}")));
        let head = exchange.take_head().unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.headers["content-type"], "text/event-stream");
        assert_eq!(head.headers["x-accel-buffering"], "no");
        assert_eq!(
            text(exchange.take_data()),
            "id: 1\ndata:\n\ndata: {\"n\":1}\n\n"
        );
        let mut done = exchange.finish(START, StatusCode::NOT_FOUND, |out| out.put(b"{}"));
        assert!(done.take_head().is_none(), "the status was sent");
        assert_eq!(text(done.take_data()), "data: {}\n\n");
        assert_eq!(done.take_data(), None);
    }

    #[test]
    fn a_slow_answer_becomes_a_stream_and_shows_life() {
        let mut exchange = opened(Accepts::BOTH);
        let commit = START + Duration::from_millis(500);
        assert_eq!(exchange.wakeup(), Some(Wakeup::new(commit, Why::Commit)));
        exchange.tick(START + Duration::from_millis(499));
        assert!(!exchange.is_stream());
        exchange.tick(commit);
        assert!(exchange.is_stream() && exchange.take_head().is_some());
        assert_eq!(exchange.take_data(), None);
        let alive = commit + Duration::from_secs(15);
        assert_eq!(exchange.wakeup(), Some(Wakeup::new(alive, Why::KeepAlive)));
        exchange.tick(alive);
        assert!(text(exchange.take_data()).starts_with(':'));
        assert_eq!(
            exchange.wakeup(),
            Some(Wakeup::new(alive + Duration::from_secs(15), Why::KeepAlive))
        );
    }

    #[test]
    fn a_client_without_streams_gets_json_alone() {
        let mut exchange = opened(Accepts {
            json: true,
            stream: false,
            prefers_stream: false,
        });
        assert_eq!(exchange.wakeup(), None);
        assert!(!exchange.event(START, |out| out.put(b"lost")));
        exchange.tick(Instant::MAX);
        let mut done = exchange.finish(START, StatusCode::OK, |out| out.put(b"{}"));
        assert_eq!(
            done.take_head().unwrap().headers["content-type"],
            "application/json"
        );
        assert_eq!(text(done.take_data()), "{}");
    }

    #[test]
    fn a_client_without_json_gets_a_stream() {
        let streams = Accepts {
            json: false,
            stream: true,
            prefers_stream: false,
        };
        let mut done = opened(streams).finish(START, StatusCode::OK, |out| out.put(b"{}"));
        assert_eq!(
            done.take_head().unwrap().headers["content-type"],
            "text/event-stream"
        );
        assert_eq!(text(done.take_data()), "data: {}\n\n");
        let mut refused =
            opened(streams).finish(START, StatusCode::BAD_REQUEST, |out| out.put(b"{}"));
        assert_eq!(refused.take_head().unwrap().status, 400);
    }

    #[test]
    fn an_answer_that_never_comes_ends_empty() {
        let mut done = opened(Accepts::BOTH).end(START);
        assert_eq!(done.take_head().unwrap().status, 200);
        assert_eq!(done.take_data(), None);
        let mut done = opened(Accepts {
            json: true,
            stream: false,
            prefers_stream: false,
        })
        .end(START);
        assert_eq!(done.take_head().unwrap().status, 202);
    }
}
