//! The client's end of an ordered byte stream: stdio, sockets, pipes.
//!
//! Owns the framing, the request table and the deadlines. Must never keep bytes, and must never ask for
//! a flush before it reads on: a server may be waiting for exactly that (two peers that stop reading
//! when they cannot write are stuck).
//!
//! ```text
//!            ┌── answer ──────────────▶ Ended(Complete | InputRequired | Task | Error | Invalid)
//! request ──▶│── deadline ── notice ──▶ Ended(TimedOut)
//!  (pending) │── cancel() ── notice ──▶ the token
//!            └── end of the stream ───▶ Ended(Lost)
//! ```
//! What comes for a request that has ended dies on the generation of its id.

use alloc::sync::Arc;

use bytes::BytesMut;
use mcp_types::Revision;

use super::asks::Asks;
use super::config::ClientConfig;
use super::event::{ClientEvent, Outcome, Refused, RequestOptions, Violation};
use super::requests::{Request, Requests};
use crate::error::Stale;
use crate::frame::lines::{Line, Lines};
use crate::id::RequestId;
use crate::json::write;
use crate::legacy::batch::Batches;
use crate::limits::Budget;
use crate::method::Method;
use crate::outbox::Outbox;
use crate::server::Step;
use crate::time::{Instant, Now, Wakeup, Why};

/// The client's end of one byte stream. `T` is the caller's own: what it wants back when a request
/// ends, for instance a channel or an index.
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use mcp_proto::client::{Client, ClientConfig, ClientEvent, ClientProfile, Outcome, RequestOptions};
/// use mcp_proto::outbox::Outbox;
/// use mcp_proto::server::Step;
/// use mcp_proto::time::{Instant, Now};
/// use mcp_types::Implementation;
///
/// let config = ClientConfig::compile(ClientProfile::new(Implementation::new("c", "1")));
/// let mut client = Client::new(config.into());
/// let (mut input, mut out) = (BytesMut::new(), Outbox::new(64 << 10));
/// let now = Now { instant: Instant::from_micros(0), unix_ms: 0 };
///
/// let options = RequestOptions::default();
/// let id = client.request(now, "tools/list", "{}", "my list", options, &mut out).expect("there is room");
/// let written = out.copy_to_bytes(out.remaining()); // … and the server answers:
/// let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"tools\":[]}}}}\n", id.wire());
/// input.extend_from_slice(answer.as_bytes());
/// let Step::Event(ClientEvent::Ended { token, outcome: Outcome::Complete(result), .. }) =
///     client.next(now, &mut input, &mut out) else { panic!() };
/// assert_eq!((token, &result[..]), ("my list", &b"{\"tools\":[]}"[..]));
/// ```
#[derive(Debug)]
pub struct Client<T> {
    pub(super) config: Arc<ClientConfig>,
    pub(super) revision: Revision,
    pub(super) requests: Requests<T>,
    pub(super) asks: Asks,
    /// Batches of a server of 2025-03-26.
    pub(super) batches: Batches,
    pub(super) budget: Budget,
    /// Answers that may still come to requests which ended early.
    pub(super) late: u32,
    lines: Lines,
    pub(super) misbehaved: bool,
    last_now: Instant,
    input_over: bool,
    /// Every request is being ended.
    closing: bool,
    closed: bool,
}

impl<T> Client<T> {
    /// A client that has said nothing yet.
    #[must_use]
    pub fn new(config: Arc<ClientConfig>) -> Self {
        let limits = config.limits();
        Self {
            revision: config.revision(),
            requests: Requests::new(limits.max_requests),
            asks: Asks::new(limits.max_calls),
            batches: Batches::new(limits.max_calls),
            budget: Budget::new(limits.violations),
            late: 0,
            lines: Lines::new(limits.max_message),
            misbehaved: false,
            last_now: Instant::default(),
            input_over: false,
            closing: false,
            closed: false,
            config,
        }
    }

    /// The revision that requests are written in.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// Changes the revision of requests from now on: what a probe or a handshake agreed upon. Requests
    /// that wait keep theirs.
    pub const fn speak(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// Sends a request. `params` is a raw JSON object without `_meta`; what the revision wants there is
    /// added. An empty string stands for no parameters.
    ///
    /// # Errors
    /// [`Refused`] gives the token back; nothing was written.
    pub fn request(
        &mut self,
        now: Now,
        method: &str,
        params: &str,
        token: T,
        options: RequestOptions,
        out: &mut Outbox,
    ) -> Result<RequestId, Refused<T>> {
        let Some(members) = members(params) else {
            return Err(Refused::Params(token));
        };
        if self.input_over || self.misbehaved {
            return Err(Refused::Closed(token));
        }
        if self.requests.is_full() {
            return Err(Refused::AtCapacity(token));
        }
        if out.is_full() {
            return Err(Refused::OutboxFull(token));
        }
        // The envelope, the id and the braces.
        let length = 64 + method.len() + members.len() + self.config.meta_len();
        if length > self.config.limits().max_frame_out {
            return Err(Refused::TooLong(token));
        }
        let request = Request::new(
            now.instant,
            Method::from_bytes(method.as_bytes()),
            self.revision.is_modern(),
            options,
            token,
        );
        let id = self
            .requests
            .insert(request)
            .map_err(|request| Refused::AtCapacity(request.token))?;
        let progress_token = options.progress.then(|| id.wire());
        write::request_start(out, id.wire(), method);
        out.put_byte(b'{');
        let meta = self
            .config
            .write_meta(out, self.revision, progress_token, options.log_level);
        if meta && !members.is_empty() {
            out.put_byte(b',');
        }
        write::raw(out, members);
        out.put(b"}}\n");
        Ok(id)
    }

    /// Gives a request up and tells the server, unless it is `initialize`, which must not be cancelled.
    /// A notice is small and there is one for each request at most: it is written to a full outbox, too.
    ///
    /// # Errors
    /// [`Stale`] when the request has ended already.
    pub fn cancel(
        &mut self,
        id: RequestId,
        reason: Option<&str>,
        out: &mut Outbox,
    ) -> Result<T, Stale> {
        let request = self.requests.remove(id).ok_or(Stale)?;
        self.withdrawn(id, &request, reason, out);
        Ok(request.token)
    }

    /// Sends a notification. `params` is a raw JSON object or empty.
    ///
    /// # Errors
    /// [`Refused`] says why nothing was written.
    pub fn notify(
        &mut self,
        method: &str,
        params: &str,
        out: &mut Outbox,
    ) -> Result<(), Refused<()>> {
        if self.closed || self.misbehaved {
            return Err(Refused::Closed(()));
        }
        if members(params).is_none() {
            return Err(Refused::Params(()));
        }
        if out.is_full() {
            return Err(Refused::OutboxFull(()));
        }
        if method.len() + params.len() > self.config.limits().max_frame_out {
            return Err(Refused::TooLong(()));
        }
        write::write_notification(out, method, params);
        out.put_byte(b'\n');
        Ok(())
    }

    /// The token of a request that has not ended.
    #[must_use]
    pub fn token(&self, id: RequestId) -> Option<&T> {
        self.requests.get(id).map(|request| &request.token)
    }

    /// Fires what is due, then reads at most one message. Never [`Step::NeedFlush`].
    pub fn next(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Step<ClientEvent<T>> {
        self.last_now = now.instant;
        if !self.closing
            && let Some((id, request, limit)) = self.requests.expired(now.instant)
        {
            self.withdrawn(id, &request, Some("timed out"), out);
            return Step::Event(ClientEvent::Ended {
                id,
                token: request.token,
                outcome: Outcome::TimedOut(limit),
            });
        }
        loop {
            if self.closed {
                input.clear();
                return Step::NeedInput;
            }
            if self.closing || self.misbehaved {
                return Step::Event(self.close());
            }
            if let Some(member) = self.batches.next_member() {
                if let Some(event) = self.receive_member(now.instant, member, out) {
                    return Step::Event(event);
                }
                continue;
            }
            let frame = match self.lines.next(input) {
                Line::Message(frame) => frame,
                Line::TooLong => match self.violated(Violation::TooLong) {
                    Some(event) => return Step::Event(event),
                    None => continue,
                },
                Line::NeedMore if self.input_over => match self.lines.finish(input) {
                    Some(frame) => frame,
                    None => return Step::Event(self.close()),
                },
                Line::NeedMore => return Step::NeedInput,
            };
            if let Some(event) = self.receive(now.instant, frame, out) {
                return Step::Event(event);
            }
        }
    }

    /// The stream has no more input: end of file, error and hang-up alike. [`next`](Self::next) reads
    /// what is left and then ends every request.
    pub const fn end_of_input(&mut self) {
        self.input_over = true;
    }

    /// When to call [`next`](Self::next) even if nothing happens. O(1).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        if self.closed {
            return None;
        }
        if self.input_over || self.misbehaved {
            return Some(Wakeup::new(self.last_now, Why::Pending));
        }
        self.requests
            .deadline()
            .map(|at| Wakeup::new(at, Why::AnswerOverdue))
    }

    /// How many requests have not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// How many requests of the server wait for an answer.
    #[must_use]
    pub fn asked_for(&self) -> usize {
        self.asks.len()
    }

    /// Counts a violation and makes it an event.
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the result of whoever notices a violation"
    )]
    pub(super) fn violated(&mut self, violation: Violation) -> Option<ClientEvent<T>> {
        self.misbehaved |= self.budget.consume().is_err();
        Some(ClientEvent::Violation(violation))
    }

    /// A request ended early: tells the server, and expects that its answer may be on the way.
    fn withdrawn(
        &mut self,
        id: RequestId,
        request: &Request<T>,
        reason: Option<&str>,
        out: &mut Outbox,
    ) {
        self.late = self.late.saturating_add(1);
        if request.method == Method::Initialize || self.closed {
            return;
        }
        write::write_cancelled(out, |out| write::integer(out, id.wire()), reason);
        out.put_byte(b'\n');
    }

    fn close(&mut self) -> ClientEvent<T> {
        if !core::mem::replace(&mut self.closing, true) {
            self.requests.end_all();
        }
        if let Some((id, request)) = self.requests.next_ended() {
            return ClientEvent::Ended {
                id,
                token: request.token,
                outcome: Outcome::Lost,
            };
        }
        if let Some(id) = self.asks.remove_any() {
            return ClientEvent::Forgotten { id };
        }
        self.closed = true;
        ClientEvent::Closed {
            misbehaved: self.misbehaved,
        }
    }
}

/// What is between the braces of `params`; nothing for empty parameters; `None` if it is no object.
fn members(params: &str) -> Option<&str> {
    let params = params.trim();
    if params.is_empty() {
        return Some("");
    }
    let members = params.strip_prefix('{')?.strip_suffix('}')?;
    Some(members.trim())
}
