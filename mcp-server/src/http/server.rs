//! The endpoint: what all requests share.
//!
//! Owns admission, the session table, the bounds on what runs at once, and the graceful end. Must never hold
//! a lock while a handler runs, and never touch the session table for a modern request.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderValue, Method, Response, StatusCode, header};
use mcp_proto::http::admit::{self, Verdict, not_allowed, refuse};
use mcp_proto::http::cors;
use mcp_proto::http::head::Head;
use mcp_proto::time::Now;

use super::call::HttpCall;
use super::options::HttpOptions;
use super::pair::Taken;
use super::posted::{CLOSING, Reading};
use super::reader::Reader;
use super::shared::{Shared, busy};
use crate::call::Runtime;
use crate::runtime::guard;
use crate::{Authenticator, Denied, Principal, Service};

/// An MCP endpoint over HTTP, ready to be driven by any HTTP library. Clones are the same endpoint.
#[derive(Clone)]
pub struct HttpServer {
    shared: Arc<Shared>,
}

/// What to do with a request whose head was judged.
#[derive(Debug)]
pub enum Begin {
    /// Send this and read no body.
    Respond(Response<Bytes>),
    /// Give the call its body, then wait for its head.
    Read(HttpCall),
}

impl HttpServer {
    /// An endpoint for `service`. `seed` must be fresh entropy: keys and nonces are derived from it.
    #[must_use]
    pub fn new(
        service: Service,
        options: HttpOptions,
        runtime: Arc<dyn Runtime>,
        seed: [u8; 32],
    ) -> Self {
        Self {
            shared: Arc::new(Shared::new(service, options, runtime, seed)),
        }
    }

    /// The server behind the endpoint.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.shared.service
    }

    /// Whether somebody decides who may call.
    #[must_use]
    pub fn has_authenticator(&self) -> bool {
        self.shared.options.authenticator.is_some()
    }

    /// Asks who is calling. Host and Origin are judged first, and preflights are answered, which carry
    /// no credentials.
    ///
    /// # Errors
    /// The response to send instead of [`begin`](Self::begin).
    pub async fn authenticate(&self, parts: &Parts) -> Result<Option<Principal>, Response<Bytes>> {
        let origin = admit::guard(&self.shared.rules, &Head::of(parts))
            .map_err(|response| decorated(*response, None))?;
        match &self.shared.options.authenticator {
            None => Ok(None),
            Some(authenticator) => match contained(&**authenticator, parts).await {
                Some(Ok(principal)) => Ok(Some(principal)),
                Some(Err(denied)) => Err(decorated(self.shared.denial(&denied), origin)),
                None => {
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    let message = "the server has failed to check the credentials";
                    Err(decorated(refuse(status, message), origin))
                }
            },
        }
    }

    /// The answer for a request whose authentication has taken too long: 503, to be tried again.
    #[must_use]
    pub fn overdue(&self) -> Response<Bytes> {
        decorated(busy("the credentials could not be checked in time"), None)
    }

    /// Judges a head before a byte of the body is read. `principal` is what
    /// [`authenticate`](Self::authenticate) returned; without one, a [`Principal`] among the request's
    /// extensions counts, which a layer in front may have put there.
    pub fn begin(&self, now: Now, mut parts: Parts, principal: Option<Principal>) -> Begin {
        let extensions = core::mem::take(&mut parts.extensions);
        self.begin_with(now, &Head::of(&parts), principal, extensions)
    }

    /// Like [`begin`](Self::begin), for a caller that reads heads itself. `extensions` are for the handlers.
    pub fn begin_with(
        &self,
        now: Now,
        head: &Head<'_>,
        principal: Option<Principal>,
        extensions: Extensions,
    ) -> Begin {
        let shared = &self.shared;
        shared.tick(now);
        let origin = match admit::guard(&shared.rules, head) {
            Ok(origin) => origin.map(Box::from),
            Err(response) => return Begin::Respond(decorated(*response, None)),
        };
        match self.judged(now, head, principal, extensions, &origin) {
            Ok(call) => Begin::Read(call),
            Err(response) => Begin::Respond(decorated(*response, origin.as_deref())),
        }
    }

    fn judged(
        &self,
        now: Now,
        head: &Head<'_>,
        principal: Option<Principal>,
        extensions: Extensions,
        origin: &Option<Box<str>>,
    ) -> Result<HttpCall, Box<Response<Bytes>>> {
        let shared = &self.shared;
        let principal = principal
            .map(Arc::new)
            .or_else(|| extensions.get::<Arc<Principal>>().cloned());
        let principal = principal.or_else(|| extensions.get::<Principal>().cloned().map(Arc::new));
        if principal.is_none() && self.has_authenticator() {
            // The driver forgot to ask: nobody gets in by that.
            return Err(Box::new(shared.denial(&Denied::Missing)));
        }
        let origin = origin.clone();
        if let Some(pair) = &shared.pair
            && let Some(place) = pair.place(head.path())
        {
            let taken = pair.admit(shared, now, place, head, principal, extensions)?;
            return Ok(match taken {
                Taken::Stream(stream) => HttpCall::pair(Arc::clone(shared), origin, stream),
                Taken::Message(reading) => HttpCall::reading(Arc::clone(shared), origin, *reading),
            });
        }
        match admit::admit(&shared.rules, head) {
            Verdict::Respond(response) => Err(Box::new(response)),
            Verdict::Read(head) => {
                let reading = Reading::new(Arc::clone(shared), head, principal, extensions);
                Ok(HttpCall::reading(Arc::clone(shared), origin, reading))
            }
            Verdict::Listen(_) if shared.closing.has_rung() => Err(Box::new(busy(CLOSING))),
            Verdict::Listen(head) => {
                let token = shared
                    .session(now, &head.session, principal.as_deref())
                    .map_err(|gone| gone.response())?;
                let reader = Reader::open(shared, now, &token, &head)?;
                Ok(HttpCall::streaming(Arc::clone(shared), origin, reader))
            }
            Verdict::Terminate(header) => {
                let token = shared
                    .session(now, &header, principal.as_deref())
                    .map_err(|gone| gone.response())?;
                Err(Box::new(shared.terminate(now, &token)))
            }
        }
    }

    /// Whether requests to `path` are for HTTP+SSE, wherever the endpoint is. [`begin`](Self::begin) tells them by their
    /// path.
    #[must_use]
    pub fn has_http_sse_at(&self, path: &str) -> bool {
        let pair = self.shared.pair.as_ref();
        pair.is_some_and(|pair| pair.place(path).is_some())
    }

    /// Whether requests are taken.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.shared.closing.has_rung()
    }

    /// Ends gracefully: subscriptions are completed, streams end, new requests are 503. Calls that run go
    /// on, and what they need from a legacy client (answers, cancellations) is still taken.
    pub fn shutdown(&self) {
        self.shared.closing.ring();
    }

    /// How many calls run, those whose client left included.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.calls.count() + self.shared.detached.count()
    }

    /// How many subscriptions and GET streams are open, HTTP+SSE included.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.shared.streams.count()
    }

    /// How many legacy sessions have state attached. Sessions without any cost nothing and are not counted.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.attached_sessions()
    }

    /// The protected-resource metadata (RFC 9728) for a request to one of its well-known URIs, which are
    /// open to everybody; `None` when none is configured.
    #[must_use]
    pub fn protected_resource_metadata(&self, head: &Head<'_>) -> Option<Response<Bytes>> {
        let document = self.shared.document.clone()?;
        let method = head.method();
        let mut response = match *method {
            Method::GET | Method::HEAD => Response::new(document),
            Method::OPTIONS => Response::new(Bytes::new()),
            _ => not_allowed("GET, HEAD, OPTIONS", "the metadata can only be read"),
        };
        let answer = response.headers_mut();
        if *method == Method::OPTIONS {
            answer.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET"),
            );
            answer.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("mcp-protocol-version"),
            );
        } else {
            answer.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            answer.insert(
                header::CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=3600"),
            );
        }
        if head.has_origin() {
            // A public document without credentials: any page may read it.
            answer.insert(
                header::ACCESS_CONTROL_ALLOW_ORIGIN,
                HeaderValue::from_static("*"),
            );
        }
        Some(response)
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("options", &self.shared.options)
            .field("calls", &self.calls())
            .field("streams", &self.streams())
            .finish_non_exhaustive()
    }
}

/// What an authenticator says; `None` if it panicked, which must cost nothing but this request.
async fn contained(
    authenticator: &dyn Authenticator,
    parts: &Parts,
) -> Option<Result<Principal, Denied>> {
    let mut asking = guard(|| authenticator.authenticate(parts))?;
    let said = poll_fn(|cx| match guard(|| asking.as_mut().poll(cx)) {
        Some(polled) => polled.map(Some),
        None => Poll::Ready(None),
    })
    .await;
    guard(|| drop(asking))?;
    said
}

fn decorated(mut response: Response<Bytes>, origin: Option<&str>) -> Response<Bytes> {
    if !response
        .headers()
        .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        cors::decorate(response.headers_mut(), origin);
    }
    response
}
