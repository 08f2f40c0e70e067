//! The endpoint as a `tower` service.
//!
//! Owns the order of one exchange: authenticate, judge the head, read the body
//! under its limits, wait for the response's head, hand the rest to the body.
//! It must never read a body that the head already forbids, and never spawn.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode, request};
use http_body::Body;
use mcp_driver::http::{AUTHENTICATION_DEADLINE, BODY_DEADLINE};
use mcp_driver::{NoEntropy, seed};
use mcp_server::http::{Begin, HttpCall, HttpOptions, HttpServer, text};
use mcp_server::proto::time::Now;
use mcp_server::{BoxFuture, IntoService, Principal};
use pin_project_lite::pin_project;
use tower_service::Service as TowerService;

use super::body::{Blocks, McpBody, Running};
use crate::clock::{Clock, LazySleep};
use crate::runtime::TokioRuntime;

/// The endpoint cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The server does not compile: a name twice, a bad schema, and so on.
    Server(mcp_server::BuildError),
    /// The operating system has no randomness.
    Entropy(NoEntropy),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => write!(f, "this server cannot be built: {error}"),
            Self::Entropy(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {}

impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> Self {
        Self::other(error)
    }
}

/// The MCP endpoint: every method of one URL, both eras.
///
/// Clones share everything. The service is always ready and never fails;
/// whatever path a request has, it is the endpoint's, unless it is one of the
/// two of [`HttpSse`](super::HttpSse).
#[derive(Clone)]
pub struct McpService {
    server: HttpServer,
    clock: Clock,
    authentication_deadline: Duration,
    body_deadline: Duration,
}

impl fmt::Debug for McpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpService").finish_non_exhaustive()
    }
}

impl McpService {
    /// Makes the endpoint. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the server does not compile or the operating system has no randomness.
    pub fn new<S: IntoService>(service: S, options: HttpOptions) -> Result<Self, BuildError> {
        Self::with_runtime(service, options, TokioRuntime::current())
    }

    /// Like [`McpService::new`], with a runtime of the caller's configuration.
    ///
    /// # Errors
    /// When the server does not compile or the operating system has no randomness.
    pub fn with_runtime<S: IntoService>(
        service: S,
        options: HttpOptions,
        runtime: TokioRuntime,
    ) -> Result<Self, BuildError> {
        let service = service.into_service().map_err(BuildError::Server)?;
        let seed = seed().map_err(BuildError::Entropy)?;
        let clock = runtime.clock;
        Ok(Self {
            server: HttpServer::new(service, options, Arc::new(runtime), seed),
            clock,
            authentication_deadline: AUTHENTICATION_DEADLINE,
            body_deadline: BODY_DEADLINE,
        })
    }

    /// How long it may take to find out who sent a request before it is answered
    /// with 503. Default: 10 seconds.
    #[must_use]
    pub const fn with_authentication_deadline(mut self, deadline: Duration) -> Self {
        self.authentication_deadline = deadline;
        self
    }

    /// How long a request's body may take to arrive before it is answered with
    /// 408. Default: 60 seconds.
    #[must_use]
    pub const fn with_body_deadline(mut self, deadline: Duration) -> Self {
        self.body_deadline = deadline;
        self
    }

    /// The exchange logic behind the endpoint.
    #[must_use]
    pub const fn server(&self) -> &HttpServer {
        &self.server
    }

    /// Completes open subscriptions and refuses new ones; running calls go on.
    pub fn shutdown(&self) {
        self.server.shutdown();
    }

    pub(super) fn exchange<B: Body>(&self, request: Request<B>) -> ResponseFuture<B> {
        let (parts, body) = request.into_parts();
        ResponseFuture {
            service: self.clone(),
            state: State::Start(Some(parts)),
            body: Some(body),
            timer: LazySleep::default(),
        }
    }
}

impl<B> TowerService<Request<B>> for McpService
where
    B: Body,
{
    type Response = Response<McpBody>;
    type Error = Infallible;
    type Future = ResponseFuture<B>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<B> {
        self.exchange(request)
    }
}

type Authentication = BoxFuture<(request::Parts, Result<Option<Principal>, Response<Bytes>>)>;

enum State {
    Start(Option<request::Parts>),
    Authenticating(Authentication),
    Reading(HttpCall),
    Waiting(Running),
    Answered(Option<Response<McpBody>>),
}

pin_project! {
    /// A response in the making; dropping it drops the call.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<B> {
        service: McpService,
        state: State,
        #[pin]
        body: Option<B>,
        timer: LazySleep,
    }
}

impl<B> fmt::Debug for ResponseFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Start(_) => "start",
            State::Authenticating(_) => "authenticating",
            State::Reading(_) => "reading the body",
            State::Waiting(_) => "waiting for the head",
            State::Answered(_) => "answered",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish()
    }
}

impl McpService {
    /// Judges the head. Answers at once what needs no body.
    fn begin(&self, now: Now, parts: request::Parts, principal: Option<Principal>) -> State {
        match self.server.begin(now, parts, principal) {
            Begin::Read(call) => State::Reading(call),
            Begin::Respond(response) => State::Answered(Some(response.map(McpBody::from))),
        }
    }

    fn running(&self, call: HttpCall) -> Running {
        Running {
            call,
            clock: self.clock,
            wakeup: LazySleep::default(),
            front: Blocks::default(),
        }
    }
}

impl<B: Body> Future for ResponseFuture<B> {
    type Output = Result<Response<McpBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // One reading of the clock for everything that is done at once.
        let now = this.service.clock.now();
        loop {
            match this.state {
                State::Start(parts) => {
                    let Some(parts) = parts.take() else {
                        return Poll::Pending;
                    };
                    if this.service.server.has_authenticator() {
                        let server = this.service.server.clone();
                        *this.state = State::Authenticating(Box::pin(async move {
                            let outcome = server.authenticate(&parts).await;
                            (parts, outcome)
                        }));
                        continue;
                    }
                    *this.state = this.service.begin(now, parts, None);
                }
                State::Authenticating(authentication) => {
                    let Poll::Ready((parts, outcome)) = authentication.as_mut().poll(cx) else {
                        if this.timer.is_idle() {
                            let deadline = this.service.authentication_deadline;
                            this.timer.set(Some(tokio::time::Instant::now() + deadline));
                        }
                        ready!(this.timer.poll_fired(cx));
                        let overdue = this.service.server.overdue();
                        return finish(this.state, overdue.map(McpBody::from));
                    };
                    this.timer.set(None);
                    *this.state = match outcome {
                        Ok(principal) => this.service.begin(now, parts, principal),
                        Err(refusal) => State::Answered(Some(refusal.map(McpBody::from))),
                    };
                }
                State::Reading(call) => {
                    let frame = match this.body.as_mut().as_pin_mut() {
                        None => None,
                        Some(body) => match body.poll_frame(cx) {
                            Poll::Ready(frame) => frame,
                            Poll::Pending => {
                                // One deadline for the whole body: a trickle is not progress.
                                if this.timer.is_idle() {
                                    this.timer.set(Some(
                                        tokio::time::Instant::now() + this.service.body_deadline,
                                    ));
                                }
                                ready!(this.timer.poll_fired(cx));
                                return finish(this.state, too_slow());
                            }
                        },
                    };
                    match frame {
                        Some(Ok(frame)) => {
                            let Ok(mut data) = frame.into_data() else {
                                continue;
                            };
                            // `Bytes` come through uncopied.
                            let chunk = data.copy_to_bytes(data.remaining());
                            if let Err(refusal) = call.body(chunk) {
                                return finish(this.state, closing(refusal.map(McpBody::from)));
                            }
                        }
                        // The peer went away in the middle; nobody will see this.
                        Some(Err(_)) => {
                            return finish(
                                this.state,
                                closing(plain(
                                    StatusCode::BAD_REQUEST,
                                    "the request's body broke off\n",
                                )),
                            );
                        }
                        None => {
                            this.body.set(None);
                            this.timer.set(None);
                            call.end_body(now);
                            let State::Reading(call) =
                                std::mem::replace(this.state, State::Answered(None))
                            else {
                                return Poll::Pending;
                            };
                            *this.state = State::Waiting(this.service.running(call));
                        }
                    }
                }
                State::Waiting(running) => {
                    let parts =
                        ready!(running.poll_with(cx, now, |call, cx, now| call.poll_head(cx, now)));
                    let State::Waiting(running) =
                        std::mem::replace(this.state, State::Answered(None))
                    else {
                        return Poll::Pending;
                    };
                    let is_stream = parts
                        .headers
                        .get(CONTENT_TYPE)
                        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
                    let body = McpBody::from_call(running, cx, now, is_stream);
                    return Poll::Ready(Ok(Response::from_parts(parts, body)));
                }
                // Polled again after the end: nothing more will come.
                State::Answered(response) => {
                    return response
                        .take()
                        .map_or(Poll::Pending, |it| Poll::Ready(Ok(it)));
                }
            }
        }
    }
}

fn finish(
    state: &mut State,
    response: Response<McpBody>,
) -> Poll<Result<Response<McpBody>, Infallible>> {
    *state = State::Answered(None);
    Poll::Ready(Ok(response))
}

fn plain(status: StatusCode, line: &'static str) -> Response<McpBody> {
    text(status, line).map(McpBody::from)
}

fn too_slow() -> Response<McpBody> {
    closing(plain(
        StatusCode::REQUEST_TIMEOUT,
        "the request's body took too long\n",
    ))
}

/// The rest of the body will not be read, so the connection cannot be used again.
fn closing(mut response: Response<McpBody>) -> Response<McpBody> {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
