//! What a listener serves besides the endpoint.
//!
//! Owns the paths: the endpoint, the health probes, the protected-resource
//! metadata. Probes are outside authentication and outside the Host rule: they
//! say one bit each, to whoever reaches the port.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::body::McpBody;
use super::guard::{Activity, InFlight};
use super::service::{McpService, ResponseFuture};
use super::stall::{Flow, FlowSlot};
use crate::clock::Clock;

/// The paths of one listener.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) mcp: McpService,
    pub(super) path: String,
    /// From the first request to end on, the server is not ready for new work.
    pub(super) ending: AtomicBool,
}

const METADATA: &str = "/.well-known/oauth-protected-resource";

impl Routes {
    fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if path == self.path {
            return Answer::Mcp {
                future: self.mcp.exchange(request),
            };
        }
        let probe = match path {
            "/livez" => Some(StatusCode::OK),
            "/readyz" if self.is_ready() => Some(StatusCode::OK),
            "/readyz" => Some(StatusCode::SERVICE_UNAVAILABLE),
            _ => None,
        };
        if let Some(status) = probe {
            return Answer::ready(if matches!(*request.method(), Method::GET | Method::HEAD) {
                text(
                    status,
                    if status == StatusCode::OK {
                        "ok\n"
                    } else {
                        "not ready\n"
                    },
                )
            } else {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
                response
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            });
        }
        // Both places: the bare one, and the one with the endpoint's path appended.
        if let Some(rest) = path.strip_prefix(METADATA)
            && (rest.is_empty() || rest == self.path)
            && let Some(response) = self
                .mcp
                .server()
                .protected_resource_metadata(request.method(), request.headers())
        {
            return Answer::ready(response.map(McpBody::from));
        }
        Answer::ready(text(StatusCode::NOT_FOUND, "not found\n"))
    }

    fn is_ready(&self) -> bool {
        !self.ending.load(Ordering::Relaxed) && self.mcp.server().is_ready()
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<McpBody> {
    let mut response = Response::new(McpBody::from(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// The routes as one connection's service.
pub(super) struct ConnectionService {
    pub(super) routes: Arc<Routes>,
    pub(super) activity: Arc<Activity>,
    pub(super) slot: FlowSlot,
    pub(super) clock: Clock,
}

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<ServedBody>;
    type Error = Infallible;
    type Future = Served;

    fn call(&self, request: Request<Incoming>) -> Served {
        let in_flight = self.activity.begin(request.version());
        let flow = (request.version() == http::Version::HTTP_2).then(|| {
            let flow = Flow::new(self.clock);
            super::stall::put(&self.slot, Arc::clone(&flow));
            flow
        });
        Served {
            answer: self.routes.answer(request),
            kept: Some((in_flight, flow)),
        }
    }
}

pin_project! {
    #[project = AnswerProject]
    enum Answer {
        Mcp { #[pin] future: ResponseFuture<Incoming> },
        Ready { response: Option<Response<McpBody>> },
    }
}

impl Answer {
    const fn ready(response: Response<McpBody>) -> Self {
        Self::Ready {
            response: Some(response),
        }
    }
}

pin_project! {
    /// A response in the making, on a listener of ours.
    pub(super) struct Served {
        #[pin]
        answer: Answer,
        kept: Option<(InFlight, Option<Arc<Flow>>)>,
    }
}

impl Future for Served {
    type Output = Result<Response<ServedBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.answer.project() {
            AnswerProject::Ready { response } => match response.take() {
                Some(response) => response,
                None => return Poll::Pending,
            },
            AnswerProject::Mcp { future } => match future.poll(cx) {
                Poll::Ready(Ok(response)) => response,
                Poll::Ready(Err(never)) => match never {},
                Poll::Pending => return Poll::Pending,
            },
        };
        let (in_flight, flow) = this
            .kept
            .take()
            .map_or((None, None), |(in_flight, flow)| (Some(in_flight), flow));
        Poll::Ready(Ok(response.map(|body| ServedBody {
            body,
            rest: Bytes::new(),
            flow,
            _in_flight: in_flight,
        })))
    }
}

/// The largest piece of a block on a multiplexed connection, in bytes.
const PIECE: usize = 64 * 1024;

/// The body of a response on a listener of ours: it keeps its request counted
/// and its flow observed.
#[derive(Debug)]
pub(super) struct ServedBody {
    body: McpBody,
    /// What is left of a block that is handed out in pieces.
    rest: Bytes,
    flow: Option<Arc<Flow>>,
    _in_flight: Option<InFlight>,
}

impl Body for ServedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(flow) = self.flow.clone() else {
            return Pin::new(&mut self.body).poll_frame(cx);
        };
        flow.asked();
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.rest = frame.into_data().unwrap_or_default(),
                other => return other,
            }
        }
        // In pieces, so that a slow reader of a large block still shows progress.
        let piece = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(piece);
        flow.gave();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(length) => SizeHint::with_exact(length + self.rest.len() as u64),
            None => SizeHint::default(),
        }
    }
}
