//! The routes of a listener as hyper's service.
//!
//! Owns the way of a request to its place and of the response back, with what is counted and observed on the way. Which
//! path is what is the framework's ([`mcp_server::http::Routes`]).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use mcp_server::BoxFuture;
use mcp_server::http::Route;
use mcp_server::proto::http::head::Head;
use pin_project_lite::pin_project;

use super::body::McpBody;
use super::guard::{Activity, InFlight};
use super::service::{McpService, ResponseFuture};
use super::stall::{Flow, FlowSlot};
use crate::clock::Clock;

/// The paths of one listener, and what serves the endpoint.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) mcp: McpService,
    pub(super) paths: mcp_server::http::Routes,
    #[cfg(feature = "ws")]
    pub(super) ws: Option<crate::ws::Acceptor>,
}

impl Routes {
    pub(super) fn new(mcp: McpService, path: &str) -> Self {
        let paths = mcp_server::http::Routes::new(mcp.server().clone(), path);
        Self {
            mcp,
            paths,
            #[cfg(feature = "ws")]
            ws: None,
        }
    }

    fn answer(&self, request: Request<Incoming>) -> Answer {
        let mut head = Head::to(request.method(), request.uri());
        head.fields(request.headers());
        match self.paths.route(&head) {
            Route::Endpoint => Answer::Mcp {
                future: self.mcp.exchange(request),
            },
            Route::Respond(response) => Answer::ready(response.map(McpBody::from)),
        }
    }
}

/// The routes as one connection's service.
pub(super) struct ConnectionService {
    pub(super) routes: Arc<Routes>,
    pub(super) activity: Arc<Activity>,
    pub(super) slot: FlowSlot,
    pub(super) clock: Clock,
    /// Where a connection is left that changes its protocol.
    #[cfg(feature = "ws")]
    pub(super) upgraded: crate::ws::Upgraded,
}

impl ConnectionService {
    fn answer(&self, request: Request<Incoming>) -> Answer {
        #[cfg(feature = "ws")]
        if let Some(ws) = &self.routes.ws
            && ws.is_at(request.uri().path())
        {
            let future = ws.clone().accept(request, Arc::clone(&self.upgraded));
            let future: BoxFuture<Response<Bytes>> = Box::pin(future);
            return Answer::Upgrade { future };
        }
        self.routes.answer(request)
    }
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
            answer: self.answer(request),
            kept: Some((in_flight, flow)),
        }
    }
}

pin_project! {
    #[project = AnswerProject]
    #[cfg_attr(not(feature = "ws"), allow(dead_code, reason = "a variant cannot be left out"))]
    enum Answer {
        Mcp { #[pin] future: ResponseFuture<Incoming> },
        Upgrade { future: BoxFuture<Response<Bytes>> },
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
            AnswerProject::Upgrade { future } => match future.as_mut().poll(cx) {
                Poll::Ready(response) => response.map(McpBody::from),
                Poll::Pending => return Poll::Pending,
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
