//! A message that was posted: scanned, judged, and given to what answers it.
//!
//! Owns the order of judgement of a POST. Must never dispatch what was not judged.

use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, HeaderName, HeaderValue, Response, StatusCode, header};
use mcp_proto::context::CallContext;
use mcp_proto::error::{HEADER_MISMATCH, WireError};
use mcp_proto::http::accept::Accepts;
use mcp_proto::http::admit::Posted;
use mcp_proto::http::exchange::{AwaitBody, Exchange, Open, Pace, TooLarge};
use mcp_proto::http::status::{Origin, status_for};
use mcp_proto::id::WireId;
use mcp_proto::json::{Inbound, Kind, Malformed, MalformedKind, write};
use mcp_proto::judge::{self, Era, Mirrors};
use mcp_proto::legacy::SessionToken;
use mcp_proto::method::Method;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::Filter;
use mcp_proto::time::Now;
use mcp_types::Revision;

use super::active::{Active, Connected, Started, conclude};
use super::call::State;
use super::lane::{self, Lane};
use super::pair::inbox::Inbox;
use super::shared::Shared;
use super::subscriber::Subscriber;
use crate::call::{CallStart, Running};
use crate::{Denied, Principal};

/// What a request is told that comes too late.
pub(super) const CLOSING: &str = "the server is shutting down";

/// A POST whose body is arriving.
pub(super) struct Reading {
    pub(super) shared: Arc<Shared>,
    pub(super) head: Posted,
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) extensions: Extensions,
    /// The stream of HTTP+SSE that the message is for.
    inbox: Option<Arc<Inbox>>,
    body: Exchange<AwaitBody>,
}

/// What answers a message.
pub(super) struct Answer {
    pub(super) state: State,
    pub(super) extra: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    pub(super) const fn from_state(state: State) -> Self {
        Self {
            state,
            extra: Vec::new(),
        }
    }

    /// A message that needs no answer was taken.
    pub(super) fn accepted() -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::ACCEPTED;
        Self::from_state(State::Draining(Exchange::respond(response)))
    }

    /// A JSON-RPC error with the status that belongs to it.
    pub(super) fn refused(
        exchange: Exchange<Open>,
        now: Now,
        origin: Origin,
        id: Option<&WireId>,
        error: &WireError,
    ) -> Self {
        let status = status_for(origin, Some(error.code));
        Self::with_status(exchange, now, status, id, error)
    }

    pub(super) fn with_status(
        exchange: Exchange<Open>,
        now: Now,
        status: StatusCode,
        id: Option<&WireId>,
        error: &WireError,
    ) -> Self {
        let write = |out: &mut Outbox| write::write_error(out, id, error);
        Self::written(exchange, now, status, write)
    }

    /// 503 with a hint when to come back, and a body that says so.
    pub(super) fn busy(
        exchange: Exchange<Open>,
        now: Now,
        write: impl FnOnce(&mut Outbox),
    ) -> Self {
        Self::written(exchange, now, StatusCode::SERVICE_UNAVAILABLE, write)
    }

    fn written(
        exchange: Exchange<Open>,
        now: Now,
        status: StatusCode,
        write: impl FnOnce(&mut Outbox),
    ) -> Self {
        let mut answer =
            Self::from_state(State::Draining(exchange.finish(now.instant, status, write)));
        if matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            answer
                .extra
                .push((header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        answer
    }
}

/// Why a judged request does not run.
pub(super) struct Refusal {
    pub(super) origin: Origin,
    pub(super) error: WireError,
    pub(super) challenge: Option<HeaderValue>,
}

impl Refusal {
    pub(super) const fn new(origin: Origin, error: WireError) -> Self {
        Self {
            origin,
            error,
            challenge: None,
        }
    }

    fn answer(self, now: Now, id: &WireId, exchange: Exchange<Open>) -> Answer {
        let mut answer = Answer::refused(exchange, now, self.origin, Some(id), &self.error);
        let challenge = self.challenge;
        answer
            .extra
            .extend(challenge.map(|challenge| (header::WWW_AUTHENTICATE, challenge)));
        answer
    }
}

/// What is needed to answer one request.
pub(super) struct Asked {
    pub(super) id: WireId,
    pub(super) inbound: Arc<Inbound>,
    pub(super) opening: Opening,
}

/// An answer before it begins. It is small, and an [`Exchange`] is not.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    accepts: Accepts,
    pace: Pace,
}

impl Opening {
    pub(super) fn open(self, now: Now) -> Exchange<Open> {
        Exchange::open(now.instant, self.accepts, self.pace)
    }
}

impl Asked {
    pub(super) fn refuse(self, now: Now, origin: Origin, error: &WireError) -> Answer {
        Answer::refused(self.opening.open(now), now, origin, Some(&self.id), error)
    }

    pub(super) fn refused(self, now: Now, refusal: Refusal) -> Answer {
        refusal.answer(now, &self.id, self.opening.open(now))
    }

    pub(super) fn overloaded(self, now: Now, what: &'static str) -> Answer {
        self.refuse(now, Origin::Overload, &judge::overloaded(what))
    }

    pub(super) fn reply(
        self,
        now: Now,
        shared: &Shared,
        revision: Revision,
        reply: &Reply<'_>,
    ) -> Answer {
        let write = |out: &mut Outbox| {
            reply.write(
                out,
                &self.id,
                self.inbound.envelope.method,
                revision,
                shared.service.config(),
            );
        };
        Answer::from_state(State::Draining(self.opening.open(now).finish(
            now.instant,
            StatusCode::OK,
            write,
        )))
    }
}

impl Reading {
    pub(super) fn new(
        shared: Arc<Shared>,
        head: Posted,
        principal: Option<Arc<Principal>>,
        extensions: Extensions,
    ) -> Self {
        let body = Exchange::new(shared.rules.max_body);
        Self {
            shared,
            head,
            principal,
            extensions,
            inbox: None,
            body,
        }
    }

    /// For a stream that is open, not for the endpoint.
    pub(super) fn into_inbox(mut self, inbox: Arc<Inbox>) -> Self {
        self.inbox = Some(inbox);
        self
    }

    /// Takes a piece of the body.
    pub(super) fn body(&mut self, chunk: Bytes) -> Result<(), TooLarge> {
        self.body.body(chunk)
    }

    /// The body is complete.
    pub(super) fn answer(mut self: Box<Self>, now: Now) -> Answer {
        let bytes = self.body.take_body();
        let opening = Opening {
            accepts: self.head.accepts,
            pace: self.shared.pace,
        };
        if let Some(inbox) = self.inbox.take() {
            return self.deliver(now, &inbox, bytes, opening.open(now));
        }
        let config = self.shared.service.config();
        let inbound = match Inbound::scan(bytes.clone(), &config.limits().scan()) {
            Ok(inbound) => inbound,
            Err(malformed) => return self.malformed(now, bytes, &malformed, opening.open(now)),
        };
        let era = judge::era(config, &inbound, self.head.mirror.version());
        match (inbound.envelope.kind, era) {
            (Kind::Request, era) => {
                let Some(id) = inbound.id() else {
                    let exchange = opening.open(now);
                    return Answer::refused(exchange, now, Origin::Judged(era), None, &no_id());
                };
                let asked = Asked {
                    id,
                    inbound: Arc::new(inbound),
                    opening,
                };
                if self.shared.closing.has_rung() {
                    return asked.overloaded(now, CLOSING);
                }
                match era {
                    Era::Modern => self.modern(now, asked),
                    Era::Legacy => self.legacy(now, asked),
                }
            }
            (Kind::Notification, Era::Modern) => {
                self.modern_notification(now, &inbound, opening.open(now))
            }
            (Kind::Notification, Era::Legacy) => {
                self.legacy_notification(now, &inbound, opening.open(now))
            }
            (Kind::Result | Kind::Error, Era::Modern) => {
                let error = WireError::invalid_request(
                    "clients do not send responses in this revision; repeat the request with inputResponses",
                );
                let exchange = opening.open(now);
                Answer::refused(exchange, now, Origin::Judged(Era::Modern), None, &error)
            }
            (Kind::Result | Kind::Error, Era::Legacy) => {
                self.legacy_response(now, &inbound, opening.open(now))
            }
        }
    }

    fn malformed(
        self: Box<Self>,
        now: Now,
        body: Bytes,
        malformed: &Malformed,
        exchange: Exchange<Open>,
    ) -> Answer {
        if malformed.kind == MalformedKind::Batch {
            return self.batch(now, body, exchange);
        }
        if malformed.answers(&body).is_some()
            && let Ok(token) = self.session(now)
        {
            self.answered_badly(now, &token, malformed, &body);
        }
        let id = malformed
            .id
            .get(&body)
            .and_then(|token| core::str::from_utf8(token).ok());
        let id = id.and_then(WireId::from_token);
        let error = WireError::new(malformed.kind.code(), malformed.kind.message());
        Answer::refused(
            exchange,
            now,
            Origin::Judged(Era::Modern),
            id.as_ref(),
            &error,
        )
    }

    fn modern(self: Box<Self>, now: Now, asked: Asked) -> Answer {
        let config = self.shared.service.config();
        let judged = judge::modern(config, &asked.inbound, Some(&self.head.mirror));
        let judged =
            judged.and_then(|context| self.mirrors_arguments(&asked.inbound).map(|()| context));
        let context = match judged {
            Ok(context) => context,
            Err(error) => return asked.refuse(now, Origin::Judged(Era::Modern), &error),
        };
        match asked.inbound.envelope.method {
            Method::Discover => {
                let (body, cache) = config.discover();
                let mut reply = Reply::complete(Payload::Shared(body));
                reply.cache = Some(cache);
                asked.reply(now, &self.shared, context.revision, &reply)
            }
            Method::Listen => self.subscribe(now, asked),
            _ => self.run(now, asked, context, None),
        }
    }

    /// `Mcp-Param-*` against the arguments, for the tool that is called.
    fn mirrors_arguments(&self, inbound: &Inbound) -> Result<(), WireError> {
        let Some(params) = self.shared.service.param_headers(inbound) else {
            return Ok(());
        };
        let arguments =
            Some(inbound.text(inbound.envelope.arguments)).filter(|text| !text.is_empty());
        params
            .check(self.head.mirror.params(), arguments)
            .map_err(|mismatch| WireError::new(HEADER_MISMATCH, mismatch.to_string()))
    }

    fn subscribe(self: Box<Self>, now: Now, asked: Asked) -> Answer {
        let filter = match Filter::granted(&asked.inbound, self.shared.service.config()) {
            Ok(filter) => filter,
            Err(error) => return asked.refuse(now, Origin::Handled(Era::Modern), &error),
        };
        let service = &self.shared.service;
        let filter = service
            .permitted(self.principal.as_deref(), &filter)
            .into_owned();
        if !asked.opening.accepts.stream {
            let error = WireError::invalid_request(
                "subscriptions/listen answers with text/event-stream only",
            );
            return Answer::with_status(
                asked.opening.open(now),
                now,
                StatusCode::NOT_ACCEPTABLE,
                Some(&asked.id),
                &error,
            );
        }
        let Some(permit) = self.shared.streams.enter() else {
            return asked.overloaded(now, "too many subscriptions are open");
        };
        let Asked { id, opening, .. } = asked;
        let exchange = opening.open(now);
        let subscriber = Subscriber::open(&self.shared, now.instant, id, filter, exchange, permit);
        subscriber.map_or_else(Answer::accepted, |subscriber| {
            Answer::from_state(State::Subscribed(Box::new(subscriber)))
        })
    }

    /// Runs what the dispatcher knows.
    pub(super) fn run(
        mut self: Box<Self>,
        now: Now,
        asked: Asked,
        mut context: CallContext,
        session: Option<SessionToken>,
    ) -> Answer {
        let extensions = core::mem::take(&mut self.extensions);
        let Asked {
            id,
            inbound,
            opening,
        } = asked;
        let own = lane::own(&mut context);
        let started = self.start(now, inbound, context, session.as_ref(), extensions);
        let mut running = match started {
            Ok(running) => running,
            Err(refusal) => return refusal.answer(now, &id, opening.open(now)),
        };
        if let Some(finish) = running.call.take_finish() {
            let service = &self.shared.service;
            let exchange = opening.open(now);
            let answered = conclude(service, &id, &own, now.instant, exchange, finish);
            return Answer::from_state(State::Draining(answered));
        }
        let lane = Lane::new(Arc::clone(&self.shared), id, own, session);
        let active = Active::new(running, lane);
        let call = Connected::new(active, opening.open(now));
        Answer::from_state(State::Running(Box::new(call)))
    }

    /// Whether the caller may use what the request names.
    pub(super) fn authorize(&self, inbound: &Inbound) -> Result<(), Refusal> {
        let shared = &self.shared;
        let authorized = shared.service.authorize(self.principal.as_deref(), inbound);
        authorized.map_err(|missing| Refusal {
            origin: Origin::Scope,
            error: missing.to_wire(),
            challenge: shared.challenge(&Denied::Scope(missing.needed)),
        })
    }

    /// Starts a call: a handler that is a plain `fn` runs in here, a future is not polled yet.
    pub(super) fn start(
        &self,
        now: Now,
        inbound: Arc<Inbound>,
        context: CallContext,
        session: Option<&SessionToken>,
        extensions: Extensions,
    ) -> Result<Started, Refusal> {
        let shared = &self.shared;
        self.authorize(&inbound)?;
        let Some(permit) = shared.calls.enter() else {
            let error = judge::overloaded("too many requests are running");
            return Err(Refusal::new(Origin::Overload, error));
        };
        let start = CallStart {
            inbound,
            later: lane::later(shared, session, &context),
            context,
            principal: self.principal.clone(),
            extensions: Some(extensions),
            sealer: Arc::clone(&shared.sealer),
        };
        let call = Running::start(&shared.service, &shared.runtime, now, start);
        Ok(Started { call, permit })
    }

    /// No notification of a client is defined for this transport; unknown ones are taken and mean nothing.
    fn modern_notification(&self, now: Now, inbound: &Inbound, exchange: Exchange<Open>) -> Answer {
        let config = self.shared.service.config();
        let body = inbound.string(inbound.envelope.meta_version);
        let Some(version) = self.head.mirror.version().or(body.as_deref()) else {
            return Answer::accepted();
        };
        let served =
            Revision::parse(version).is_some_and(|revision| config.revisions().contains(revision));
        if served {
            return Answer::accepted();
        }
        let error = judge::unsupported_version(config, version);
        Answer::refused(exchange, now, Origin::Judged(Era::Modern), None, &error)
    }
}

fn no_id() -> WireError {
    WireError::invalid_request("the id must be a string or an integer")
}
