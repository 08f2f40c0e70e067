//! A client and a stream for the tests of calls: requests in, finishes and messages out, in virtual time.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use mcp_proto::context::{CallContext, ClientFeatures};
use mcp_proto::id::{RequestId, WireId};
use mcp_proto::json::{Inbound, ScanLimits};
use mcp_proto::method::Method;
use mcp_proto::reply::ResultKind;
use mcp_proto::server::{Progress, Refused};
use mcp_proto::time::{Instant, Now};
use mcp_types::{LoggingLevel, Revision};
use serde_json::{Value, json};

use super::{Blocking, CallSink, CallStart, Finish, InPlace, Running, Runtime};
use crate::journal::Sealer;
use crate::outcome::{BoxFuture, Dispatched, Outcome, OwnedReply};
use crate::{Context, Principal, Server};

pub(super) type Handler = Arc<dyn Fn(Context) -> BoxFuture<Outcome> + Send + Sync>;

/// A handler that answers `{"text": …}`.
pub(super) fn handler<F, Fut, T>(work: F) -> Handler
where
    F: Fn(Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = T> + Send + 'static,
    T: std::fmt::Display,
{
    Arc::new(move |context| {
        let work = work(context);
        Box::pin(async move { reply(&work.await.to_string()) })
    })
}

pub(super) fn reply(text: &str) -> Outcome {
    let body = json!({ "text": text }).to_string().into();
    Outcome::Reply(OwnedReply {
        body,
        meta: None,
        cache: None,
    })
}

/// What a call has sent.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) sent: Vec<String>,
    pub(super) requests: Vec<(RequestId, String, Value)>,
    pub(super) refuse: Option<Refused>,
    pub(super) full: bool,
}

impl CallSink for Stream {
    fn has_room(&self) -> bool {
        !self.full
    }
    fn progress(&mut self, progress: &Progress) {
        self.sent.push(format!("progress {}", progress.progress));
    }
    fn log(&mut self, level: LoggingLevel, logger: Option<&str>, data: &str) {
        self.sent.push(format!(
            "log {} {} {data}",
            level.as_str(),
            logger.unwrap_or("-")
        ));
    }
    fn request(&mut self, method: &str, params: &str) -> Result<RequestId, Refused> {
        if let Some(refused) = self.refuse {
            return Err(refused);
        }
        let id = RequestId::from_wire(self.requests.len() as u64 + 65536).expect("an id");
        self.requests.push((
            id,
            method.to_owned(),
            serde_json::from_str(params).expect("JSON"),
        ));
        Ok(id)
    }
    fn withdraw(&mut self, request: RequestId) {
        self.sent
            .push(format!("withdraw {}", request.wire() - 65536));
    }
    fn notify(&mut self, method: &str, params: &str) {
        self.sent.push(format!("{method} {params}"));
    }
    fn close_stream(&mut self, retry: Option<Duration>) {
        self.sent.push(format!("close {retry:?}"));
    }
}

/// How a client calls.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) revision: Revision,
    pub(super) features: ClientFeatures,
    pub(super) principal: Option<&'static str>,
    pub(super) tool: &'static str,
    pub(super) arguments: &'static str,
    pub(super) method: &'static str,
    pub(super) now: u64,
    pub(super) sealer: Arc<Sealer>,
    pub(super) log_level: Option<LoggingLevel>,
}

pub(super) const NOW: u64 = 1_785_000_000_000;

impl Client {
    pub(super) fn modern() -> Self {
        let everything = ClientFeatures::from_bits(u16::MAX);
        Self {
            revision: Revision::V2026_07_28,
            features: everything,
            principal: None,
            tool: "tool",
            arguments: "{}",
            method: "tools/call",
            now: NOW,
            sealer: Sealer::ephemeral([5; 32], &crate::proto::limits::Limits::default()),
            log_level: Some(LoggingLevel::Debug),
        }
    }

    pub(super) fn legacy() -> Self {
        Self {
            revision: Revision::V2025_11_25,
            ..Self::modern()
        }
    }

    /// The request; `more` is put into its params.
    pub(super) fn start(&self, more: &Value) -> CallStart {
        let mut params = json!({"name": self.tool});
        params["arguments"] = serde_json::from_str(self.arguments).expect("JSON");
        for (key, value) in more.as_object().expect("an object") {
            params[key] = value.clone();
        }
        let frame = json!({"jsonrpc": "2.0", "id": 1, "method": self.method, "params": params});
        let inbound = Inbound::scan(Bytes::from(frame.to_string()), &ScanLimits::default());
        let method = Method::from_bytes(self.method.as_bytes());
        let mut context = CallContext::new(method, self.revision);
        context.features = self.features;
        context.log_level = self.log_level;
        context.progress_token = WireId::from_token("1");
        CallStart {
            inbound: Arc::new(inbound.expect("a valid message")),
            context,
            principal: self.principal.map(|id| Arc::new(Principal::new(id))),
            extensions: None,
            sealer: Arc::clone(&self.sealer),
            later: None,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            instant: Instant::from_micros(0),
            unix_ms: self.now,
        }
    }

    pub(super) fn run(&self, handler: &Handler, more: &Value) -> Call {
        self.dispatch(more, Arc::new(InPlace), |context| {
            Dispatched::Pending(handler(context))
        })
    }

    pub(super) fn dispatch(
        &self,
        more: &Value,
        runtime: Arc<dyn Runtime>,
        dispatch: impl FnOnce(Context) -> Dispatched,
    ) -> Call {
        let service = Server::new("test", "1").build().expect("a server");
        let start = self.start(more);
        let running = Running::start_with(&service, &runtime, self.now(), start, |context, _| {
            dispatch(context.clone())
        });
        Call {
            running,
            stream: Stream::default(),
            now: self.now(),
        }
    }

    /// A whole round of a modern call: its result or error.
    pub(super) fn round(&self, handler: &Handler, more: &Value) -> Answer {
        let mut call = self.run(handler, more);
        let finish = call
            .poll()
            .unwrap_or_else(|| panic!("the call is still pending"));
        Answer {
            sent: call.stream.sent,
            ..finish
        }
    }
}

/// A call that is being polled.
pub(super) struct Call {
    pub(super) running: Running,
    pub(super) stream: Stream,
    now: Now,
}

impl Call {
    pub(super) fn poll(&mut self) -> Option<Answer> {
        self.poll_with(Waker::noop())
    }

    pub(super) fn poll_with(&mut self, waker: &Waker) -> Option<Answer> {
        let polled = self
            .running
            .poll(&mut task::Context::from_waker(waker), self.now);
        self.running.drain(&mut self.stream, polled.is_ready());
        match polled {
            Poll::Ready(finish) => Some(Answer::from(finish)),
            Poll::Pending => None,
        }
    }

    /// Answers the request with this number.
    pub(super) fn answer(&self, number: usize, answer: Result<Value, Value>) {
        let bytes = |value: Value| Bytes::from(value.to_string());
        let id = self.stream.requests[number].0;
        self.running.answered(id, answer.map(bytes).map_err(bytes));
    }
}

/// How a call ended, for comparison.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// `complete`, `input_required`, or the error's code.
    pub(super) kind: String,
    pub(super) body: Value,
    pub(super) sent: Vec<String>,
}

impl From<Finish> for Answer {
    fn from(finish: Finish) -> Self {
        let (kind, body) = match finish {
            Finish::Reply { body, kind, .. } => {
                let body = body.to_bytes();
                assert!(!body.contains(&b'\n'));
                let kind = if kind == ResultKind::Complete {
                    "complete"
                } else {
                    "input_required"
                };
                (
                    kind.to_owned(),
                    serde_json::from_slice(&body).expect("JSON"),
                )
            }
            Finish::Fail(error) => {
                let data = error.data.map(|data| data.decode::<Value>().expect("JSON"));
                (
                    error.code.to_string(),
                    json!({"message": error.message, "data": data}),
                )
            }
        };
        Self {
            kind,
            body,
            sent: Vec::new(),
        }
    }
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        assert_eq!(self.kind, "complete", "{self:?}");
        self.body["text"].as_str().expect("a text")
    }

    pub(super) fn keys(&self) -> Vec<&str> {
        assert_eq!(self.kind, "input_required", "{self:?}");
        let requests = self.body["inputRequests"].as_object().expect("requests");
        let mut keys: Vec<&str> = requests.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    /// The params of the retry.
    pub(super) fn retry(&self, answers: Value) -> Value {
        json!({"requestState": self.body["requestState"], "inputResponses": answers})
    }

    pub(super) fn message(&self) -> &str {
        self.body["message"].as_str().expect("a message")
    }
}

/// Polls all of them, in this order, until all are ready.
pub(super) async fn join<T>(futures: Vec<BoxFuture<T>>) -> Vec<T> {
    let mut slots: Vec<_> = futures
        .into_iter()
        .map(|future| (Some(future), None))
        .collect();
    std::future::poll_fn(move |cx| {
        for (future, result) in &mut slots {
            if let Some(Poll::Ready(value)) = future.as_mut().map(|future| future.as_mut().poll(cx))
            {
                *result = Some(value);
                *future = None;
            }
        }
        if slots.iter().all(|(_, result)| result.is_some()) {
            return Poll::Ready(
                slots
                    .iter_mut()
                    .filter_map(|(_, result)| result.take())
                    .collect(),
            );
        }
        Poll::Pending
    })
    .await
}

/// Polls in this order until one is ready; the others are dropped.
pub(super) async fn select<T>(mut futures: Vec<BoxFuture<T>>) -> T {
    std::future::poll_fn(move |cx| {
        futures
            .iter_mut()
            .map(|future| future.as_mut().poll(cx))
            .find(Poll::is_ready)
            .unwrap_or(Poll::Pending)
    })
    .await
}

/// Is pending for the given number of polls, and wakes nobody.
pub(super) async fn pend(mut polls: usize) {
    std::future::poll_fn(move |_| {
        polls = polls.saturating_sub(1);
        if polls == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Runs spawned futures when it is told to, and blocking work on threads of its own.
#[derive(Default)]
pub(super) struct Manual {
    pub(super) tasks: Mutex<Vec<BoxFuture<()>>>,
}

impl std::fmt::Debug for Manual {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Manual")
    }
}

impl Runtime for Manual {
    fn spawn(&self, future: BoxFuture<()>) {
        self.tasks.lock().expect("no panic").push(future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        std::thread::spawn(|| work.run());
    }
}

impl Manual {
    /// Polls every task once; says how many are left.
    pub(super) fn poll(&self) -> usize {
        let mut cx = task::Context::from_waker(Waker::noop());
        let mut tasks = self.tasks.lock().expect("no panic");
        tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
        tasks.len()
    }
}

/// Blocks the thread until the future is ready.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut task::Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

/// Counts wake-ups.
#[derive(Default)]
pub(super) struct Wakes(pub(super) std::sync::atomic::AtomicUsize);

impl task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

pub(super) fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}
