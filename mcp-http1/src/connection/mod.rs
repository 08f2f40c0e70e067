//! One connection of a listener: requests in turn, each given to the endpoint.
//!
//! Owns the order of an exchange (authenticate, judge the head, read the body, wait for the response's head, write the
//! rest), its deadlines, and what becomes of it when the peer leaves or the server ends. Must never read a body that
//! the head already forbids, never ask a call for more than the outbox has room for, and never touch a socket or a clock.
//!
//! ```text
//! Between ──head──▶ Authenticating ──▶ Body ──▶ Waiting ──▶ Streaming ──▶ Between
//!    ▲                     │             │         │
//!    ├──── Discarding ◀────┴─ refused ───┴─ whole ─┴──▶ Between | Lingering | Over
//!    └── the rest of a body that nobody wants
//! ```

mod answer;
mod options;
mod state;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use http::{Extensions, StatusCode};
use mcp_server::http::{Begin, HttpServer, Route, Routes, text};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{Demand, Machine, Principal};

pub use self::options::ConnectionOptions;
use self::state::{Stage, State};
use crate::machine::{RequestHead, ServerMachine, Step};

/// One HTTP/1.1 connection of a listener, ready to be driven by any runtime.
///
/// The end of the input while a call runs means that the client is gone: a call of 2026-07-28 is cancelled, an older
/// one goes on without its reader. What is complete in the input by then is still answered, if its answer needs no
/// waiting.
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Context, Waker};
/// use bytes::{Buf, BytesMut};
/// use mcp_http1::{ConnectionOptions, HttpConnection};
/// use mcp_server::http::{HttpOptions, HttpServer, Routes};
/// use mcp_server::{InPlace, Machine, Server};
/// use mcp_server::proto::time::Now;
///
/// let service = Server::new("demo", "1.0.0").build().unwrap();
/// let server = HttpServer::new(service, HttpOptions::default(), Arc::new(InPlace), [7; 32]);
/// let routes = Arc::new(Routes::new(server, "/mcp"));
/// let mut connection = HttpConnection::new(routes, ConnectionOptions::default());
///
/// let mut input = BytesMut::from("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
/// let mut out = connection.outbox();
/// let mut cx = Context::from_waker(Waker::noop());
/// let demand = connection.poll(&mut cx, Now::default(), &mut input, &mut out);
/// assert!(demand.read && !demand.done);
/// assert!(out.copy_to_bytes(out.remaining()).starts_with(b"HTTP/1.1 200 OK\r\n"));
/// ```
pub struct HttpConnection {
    routes: Arc<Routes>,
    options: ConnectionOptions,
    machine: ServerMachine,
    /// The present head; its memory is used for the next one.
    request: RequestHead,
    state: State,
    input_over: bool,
    draining: bool,
    /// The graceful end has begun, and must be reached by then.
    ending: Option<Instant>,
}

/// Whether there is more to do at once.
enum Flow {
    Again,
    Wait,
}

impl HttpConnection {
    /// A connection that was just made.
    #[must_use]
    pub fn new(routes: Arc<Routes>, options: ConnectionOptions) -> Self {
        Self {
            routes,
            machine: ServerMachine::new(options.limits),
            options,
            request: RequestHead::default(),
            state: State::New,
            input_over: false,
            draining: false,
            ending: None,
        }
    }

    /// Whether a request is being answered.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(
            self.state,
            State::Authenticating { .. } | State::Calling { .. }
        )
    }

    fn server(&self) -> &HttpServer {
        self.routes.server()
    }

    /// One step of the present state.
    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Flow {
        match &mut self.state {
            State::New => {
                self.state = State::Between {
                    idle: now.instant,
                    head: Some(now.instant),
                };
                Flow::Again
            }
            State::Between { .. } => self.between(now, input, out),
            State::Authenticating { asking, until } => match asking.as_mut().poll(cx) {
                Poll::Pending if *until <= now.instant => {
                    let overdue = self.server().overdue();
                    self.answer(now, overdue, out)
                }
                Poll::Pending => self.unless_gone(),
                Poll::Ready(Ok(principal)) => self.begin(now, principal, out),
                Poll::Ready(Err(refusal)) => self.answer(now, refusal, out),
            },
            State::Calling { call, stage } => match stage {
                Stage::Body(_) => self.body(now, input, out),
                Stage::Waiting => match call.poll_outline(cx, now) {
                    Poll::Pending => self.unless_gone(),
                    Poll::Ready(head) => self.respond(now, &head, out),
                },
                Stage::Streaming => {
                    // A reader that takes nothing is not asked for more: the call waits with it.
                    while !out.is_full() {
                        match call.poll_data(cx, now) {
                            Poll::Pending => return self.unless_gone(),
                            Poll::Ready(Some(data)) => self.machine.data(data, out),
                            Poll::Ready(None) => return self.finish(now, out),
                        }
                    }
                    self.unless_gone()
                }
            },
            State::Discarding { until } => {
                let until = *until;
                match self.machine.next(input, &mut self.request) {
                    Step::BodyEnd | Step::Over => {
                        self.state = State::Between {
                            idle: now.instant,
                            head: None,
                        };
                        Flow::Again
                    }
                    _ if self.input_over || until <= now.instant => self.over(),
                    _ => Flow::Wait,
                }
            }
            State::Lingering { until, left } => {
                // The peer has nothing to close for before it was told.
                if out.has_remaining() {
                    *until = now.instant + self.options.linger;
                }
                *left = left.saturating_sub(input.len());
                input.clear();
                if *left == 0 || self.input_over || *until <= now.instant {
                    return self.over();
                }
                Flow::Wait
            }
            State::Over => {
                input.clear();
                Flow::Wait
            }
        }
    }

    fn between(&mut self, now: Now, input: &mut BytesMut, out: &mut Outbox) -> Flow {
        // The answers to what came before go first. How long the peer takes to read them says nothing about how long it
        // takes to ask.
        if out.is_full() {
            self.state = State::Between {
                idle: now.instant,
                head: None,
            };
            return Flow::Wait;
        }
        match self.machine.next(input, &mut self.request) {
            Step::Head => return self.arrived(now, out),
            Step::Refused(refusal) => {
                self.machine.refuse(now, refusal, out);
                return self.linger(now);
            }
            Step::Over if input.is_empty() && !self.machine.is_cut_short() => {
                return self.over();
            }
            Step::Over => return self.linger(now),
            _ => {}
        }
        if self.input_over || (self.draining && input.is_empty()) {
            return self.over();
        }
        if let State::Between { head, .. } = &mut self.state
            && !input.is_empty()
        {
            head.get_or_insert(now.instant);
        }
        if self
            .state
            .deadline(&self.options)
            .is_some_and(|at| at <= now.instant)
        {
            return self.over();
        }
        Flow::Wait
    }

    /// A head is complete.
    fn arrived(&mut self, now: Now, out: &mut Outbox) -> Flow {
        let head = self.request.judged();
        if let Route::Respond(response) = self.routes.route(&head) {
            return self.answer(now, response, out);
        }
        if !self.server().has_authenticator() {
            let begin = self
                .server()
                .begin_with(now, &head, None, Extensions::new());
            return self.begun(now, begin, out);
        }
        let server = self.server().clone();
        let parts = self.request.to_parts();
        self.state = State::Authenticating {
            asking: Box::pin(async move { server.authenticate(&parts).await }),
            until: now.instant + self.options.authentication_deadline,
        };
        Flow::Again
    }

    /// Judges the head of a caller who is known.
    fn begin(&mut self, now: Now, principal: Option<Principal>, out: &mut Outbox) -> Flow {
        let head = self.request.judged();
        let server = self.routes.server();
        let begin = server.begin_with(now, &head, principal, Extensions::new());
        self.begun(now, begin, out)
    }

    fn begun(&mut self, now: Now, begin: Begin, out: &mut Outbox) -> Flow {
        match begin {
            Begin::Respond(response) => self.answer(now, response, out),
            Begin::Read(call) => {
                let until = now.instant + self.options.body_deadline;
                self.state = State::Calling {
                    call,
                    stage: Stage::Body(until),
                };
                Flow::Again
            }
        }
    }

    fn body(&mut self, now: Now, input: &mut BytesMut, out: &mut Outbox) -> Flow {
        loop {
            let State::Calling { call, stage } = &mut self.state else {
                return Flow::Again;
            };
            let Stage::Body(until) = *stage else {
                return Flow::Again;
            };
            match self.machine.next(input, &mut self.request) {
                Step::Body(piece) => {
                    if let Err(refusal) = call.body(piece) {
                        return self.answer_and_close(now, refusal, out);
                    }
                }
                Step::BodyEnd => {
                    call.end_body(now);
                    *stage = Stage::Waiting;
                    self.request.clear();
                    return Flow::Again;
                }
                Step::Refused(refusal) => {
                    self.machine.refuse(now, refusal, out);
                    return self.linger(now);
                }
                _ if self.input_over => {
                    let refusal = text(StatusCode::BAD_REQUEST, "the request's body broke off\n");
                    return self.answer_and_close(now, refusal, out);
                }
                _ if until <= now.instant => {
                    let refusal = text(
                        StatusCode::REQUEST_TIMEOUT,
                        "the request's body took too long\n",
                    );
                    return self.answer_and_close(now, refusal, out);
                }
                _ => {
                    self.machine.want_body(out);
                    return Flow::Wait;
                }
            }
        }
    }

    /// Goes on waiting, unless nobody is there to wait for the answer.
    fn unless_gone(&mut self) -> Flow {
        if self.input_over {
            return self.over();
        }
        Flow::Wait
    }

    fn over(&mut self) -> Flow {
        self.state = State::Over;
        Flow::Again
    }
}

impl Machine for HttpConnection {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand {
        if self.draining && self.ending.is_none() {
            let bound = self.server().service().config().limits().shutdown_bound;
            self.ending = Some(now.instant + bound);
            self.machine.close_after();
        }
        while let Flow::Again = self.advance(cx, now, input, out) {}

        let waits = matches!(
            self.state,
            State::Between { .. }
                | State::Calling {
                    stage: Stage::Streaming,
                    ..
                }
        );
        let is_blocked = out.is_full() && waits;
        // What a call wants to do later can wait for room, and so can the next one.
        let own = self.state.deadline(&self.options).filter(|_| !is_blocked);
        let mut demand = Demand::READ;
        demand.wakeup = [own, self.ending].into_iter().flatten().min();
        demand.done = matches!(self.state, State::Over);
        demand.close_write = matches!(self.state, State::Lingering { .. });
        demand.cut = self.ending.is_some_and(|until| until <= now.instant);
        demand.read = match &self.state {
            _ if self.input_over => false,
            State::Over => false,
            State::Calling {
                stage: Stage::Body(_),
                ..
            }
            | State::Discarding { .. }
            | State::Lingering { .. } => true,
            // Reading goes on during a call, for its end is how a client leaves; but what it sends meanwhile is bounded.
            _ => input.len() < self.options.limits.max_head,
        };
        demand
    }

    fn end_of_input(&mut self) {
        self.input_over = true;
    }

    fn shutdown(&mut self) {
        self.draining = true;
    }

    fn outbox(&self) -> Outbox {
        Outbox::new(self.server().service().config().limits().outbox_high)
    }
}

impl fmt::Debug for HttpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnection")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use mcp_server::http::HttpOptions;
    use mcp_server::{InPlace, Server};

    use super::*;

    #[test]
    fn a_quiet_connection_is_small_whatever_it_was_sent() {
        let service = Server::new("demo", "1.0.0").build().unwrap();
        let server = HttpServer::new(service, HttpOptions::default(), Arc::new(InPlace), [7; 32]);
        let routes = Arc::new(Routes::new(server, "/mcp"));
        let mut connection = HttpConnection::new(routes, ConnectionOptions::default());
        assert!(size_of_val(&connection) <= 1024);
        for (fields, kept) in [(10, true), (90, false)] {
            let head = format!(
                "GET /livez HTTP/1.1\r\nhost: a\r\n{}\r\n",
                "x: y\r\n".repeat(fields)
            );
            let mut input = BytesMut::from(&head[..]);
            let mut out = connection.outbox();
            let mut cx = Context::from_waker(Waker::noop());
            connection.poll(&mut cx, Now::default(), &mut input, &mut out);
            assert!(matches!(connection.state, State::Between { .. }));
            assert_eq!(connection.request.keeps_memory(), kept);
            // Nobody else has what was read.
            assert!(connection.request.fields().next().is_none() && input.is_empty());
            assert!(input.try_reclaim(head.len()));
        }
    }
}
