//! One request and its answer.
//!
//! Owns the states that a driver sees. Must never let a connection's end decide anything but what the era of
//! its call says.
//!
//! ```text
//! Reading ──end_body──▶ Running | Subscribed ──▶ Draining ──▶ (end)
//!                    └▶ Draining                  refused, a notification, or answered at once
//! Streaming (GET), Pair (its stream) ──────────▶ Draining
//! ```

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header, response};
use mcp_proto::http::admit::too_large;
use mcp_proto::http::cors;
use mcp_proto::http::exchange::{Draining, Exchange, Open};
use mcp_proto::http::outline::Outline;
use mcp_proto::outbox::Outbox;
use mcp_proto::time::{Instant, Now};

use super::active::Connected;
use super::batch::Batch;
use super::pair::PairStream;
use super::posted::Reading;
use super::reader::Reader;
use super::shared::Shared;
use super::subscriber::Subscriber;

/// One request and its answer: give it the body, take the head, take the data.
///
/// Dropping it is how a driver says that the client is gone. A modern call is cancelled by that; a legacy call
/// goes on in the driver's runtime, and a client that resumes its stream finds the rest. A stream of HTTP+SSE is its session,
/// and ends it with all of its calls.
pub struct HttpCall {
    shared: Arc<Shared>,
    /// To be echoed to an allowed page.
    origin: Option<Box<str>>,
    /// Headers besides what the answer itself has.
    extra: Vec<(HeaderName, HeaderValue)>,
    state: State,
}

pub(super) enum State {
    Reading(Box<Reading>),
    Running(Box<Connected>),
    Batch(Box<Batch>),
    Subscribed(Box<Subscriber>),
    Streaming(Box<Reader>),
    Pair(Box<PairStream>),
    Draining(Exchange<Draining>),
    Over,
}

impl HttpCall {
    pub(super) fn reading(shared: Arc<Shared>, origin: Option<Box<str>>, reading: Reading) -> Self {
        Self {
            shared,
            origin,
            extra: Vec::new(),
            state: State::Reading(Box::new(reading)),
        }
    }

    pub(super) fn streaming(shared: Arc<Shared>, origin: Option<Box<str>>, reader: Reader) -> Self {
        Self {
            shared,
            origin,
            extra: Vec::new(),
            state: State::Streaming(Box::new(reader)),
        }
    }

    pub(super) fn pair(
        shared: Arc<Shared>,
        origin: Option<Box<str>>,
        stream: Box<PairStream>,
    ) -> Self {
        // Its first event is a secret.
        let uncached = HeaderValue::from_static("no-store, no-transform");
        Self {
            shared,
            origin,
            extra: vec![(header::CACHE_CONTROL, uncached)],
            state: State::Pair(stream),
        }
    }

    /// Takes a piece of the request's body.
    ///
    /// # Errors
    /// The response to send instead: the body is longer than the limit. The call is over then.
    #[expect(
        clippy::result_large_err,
        reason = "once per request, and the driver sends it as it is"
    )]
    pub fn body(&mut self, chunk: Bytes) -> Result<(), Response<Bytes>> {
        let State::Reading(reading) = &mut self.state else {
            return Ok(());
        };
        reading.body(chunk).map_err(|limit| {
            self.state = State::Over;
            let mut response = too_large(limit.0);
            cors::decorate(response.headers_mut(), self.origin.as_deref());
            response
        })
    }

    /// The body is complete: judges the message and starts what it asks for.
    pub fn end_body(&mut self, now: Now) {
        self.shared.tick(now);
        if !matches!(self.state, State::Reading(_)) {
            return;
        }
        if let State::Reading(reading) = core::mem::replace(&mut self.state, State::Over) {
            let answer = reading.answer(now);
            self.extra = answer.extra;
            self.state = answer.state;
        }
    }

    /// The head of the response, once it is decided. Drives the call.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<response::Parts> {
        self.poll_outline(cx, now).map(Outline::into_parts)
    }

    /// Like [`poll_head`](Self::poll_head), for a driver that writes heads itself and needs no map of their fields.
    pub fn poll_outline(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Outline> {
        self.drive(cx, now);
        let head = match &mut self.state {
            State::Draining(exchange) => exchange.take_outline(),
            State::Running(call) => call.exchange().and_then(Exchange::<Open>::take_outline),
            State::Batch(batch) => batch.exchange().and_then(Exchange::<Open>::take_outline),
            State::Subscribed(subscriber) => subscriber
                .exchange()
                .and_then(Exchange::<Open>::take_outline),
            State::Streaming(reader) => reader.exchange().and_then(Exchange::<Open>::take_outline),
            State::Pair(stream) => stream.exchange().and_then(Exchange::<Open>::take_outline),
            State::Reading(_) | State::Over => None,
        };
        let Some(mut head) = head else {
            return Poll::Pending;
        };
        if !self.extra.is_empty() {
            let extra = self.extra.drain(..);
            let extra = extra.map(|(name, value)| (Some(name), value));
            head.fields_mut().extend(extra);
        }
        head.decorate(self.origin.as_deref());
        Poll::Ready(head)
    }

    /// All of the response's body, once nothing more will be added to it; what is taken from it is sent.
    pub fn rest(&mut self) -> Option<&mut Outbox> {
        match &mut self.state {
            State::Draining(exchange) => Some(exchange.rest()),
            _ => None,
        }
    }

    /// The next piece of the response's body; `None` is its end. Drives the call.
    pub fn poll_data(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Option<Bytes>> {
        self.drive(cx, now);
        let data = match &mut self.state {
            State::Draining(exchange) => {
                let data = exchange.take_data();
                if data.is_none() {
                    self.state = State::Over;
                }
                return Poll::Ready(data);
            }
            State::Over => return Poll::Ready(None),
            State::Reading(_) => None,
            State::Running(call) => call.exchange().and_then(Exchange::<Open>::take_data),
            State::Batch(batch) => batch.exchange().and_then(Exchange::<Open>::take_data),
            State::Subscribed(subscriber) => {
                subscriber.exchange().and_then(Exchange::<Open>::take_data)
            }
            State::Streaming(reader) => reader.exchange().and_then(Exchange::<Open>::take_data),
            State::Pair(stream) => stream.exchange().and_then(Exchange::<Open>::take_data),
        };
        data.map_or(Poll::Pending, |data| Poll::Ready(Some(data)))
    }

    /// Poll again at this time at the latest.
    #[must_use]
    pub fn wakeup(&self) -> Option<Instant> {
        match &self.state {
            State::Reading(_) | State::Draining(_) | State::Over => None,
            State::Running(call) => call.wakeup(),
            State::Batch(batch) => batch.wakeup(),
            State::Subscribed(subscriber) => subscriber.wakeup(),
            State::Streaming(reader) => reader.wakeup(),
            State::Pair(stream) => stream.wakeup(),
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>, now: Now) {
        self.shared.tick(now);
        let polled = match &mut self.state {
            State::Reading(_) | State::Draining(_) | State::Over => return,
            State::Running(call) => call.poll(cx, now),
            State::Batch(batch) => batch.poll(cx, now),
            State::Subscribed(subscriber) => subscriber.poll(cx, now),
            State::Streaming(reader) => reader.poll(cx, now),
            State::Pair(stream) => stream.poll(cx, now),
        };
        if let Poll::Ready(rest) = polled {
            self.state = State::Draining(rest);
        }
    }
}

impl fmt::Debug for HttpCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpCall")
            .field(&match self.state {
                State::Reading(_) => "reading",
                State::Running(_) | State::Batch(_) => "running",
                State::Subscribed(_) => "subscribed",
                State::Streaming(_) | State::Pair(_) => "streaming",
                State::Draining(_) => "draining",
                State::Over => "over",
            })
            .finish()
    }
}
