//! Calls to a server from the same process, without a transport: for tests, scripts and embedding.
//!
//! Owns a minimal peer: it runs calls by the rules that every transport follows, answers the handler's questions with a closure,
//! and notes what the handler said meanwhile. Must never have a shortcut around the dispatcher.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use bytes::Bytes;
use mcp_proto::context::{CallContext, ClientFeatures};
use mcp_proto::error::WireError;
use mcp_proto::id::{RequestId, WireId};
use mcp_proto::json::{Inbound, ScanLimits};
use mcp_proto::reply::ResultKind;
use mcp_proto::server::{Progress, Refused};
use mcp_proto::time::{Instant, Now};
use mcp_types::{
    CallToolResult, CompleteResult, GetPromptResult, Json, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel, Object,
    ReadResourceResult, Revision,
};
use serde::de::DeserializeOwned;

use crate::call::{CallSink, CallStart, Finish, InPlace, Running, Runtime};
use crate::journal::Sealer;
use crate::tool::IntoJson;
use crate::{Principal, Service};

/// Rounds of questions that one call may take; more than any server of ours allows.
const MAX_ROUNDS: usize = 32;

/// Every id of ours belongs to the first generation, whose ids begin here.
const FIRST_ID: u64 = 1 << 16;

/// Answers a handler's question: the method (`elicitation/create`, `sampling/createMessage`, `roots/list`) and its parameters.
type Answer = dyn Fn(&str, &Json) -> Result<Json, String> + Send + Sync;

/// Calls tools, resources and prompts of a server without a transport.
///
/// ```
/// use mcp_server::{Server, ToolRunner, tool};
///
/// /// Adds two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a + b
/// }
///
/// let runner = ToolRunner::new(Server::new("adder", "1.0.0").tool(add).build()?);
/// let sum = runner.call("add", r#"{"a":1,"b":2}"#).wait()?;
/// assert_eq!(sum.structured_content.expect("a number").as_str(), "3");
/// // What a model would read:
/// let refused = runner.call("add", r#"{"a":"one","b":2}"#).wait()?;
/// assert_eq!(refused.content[0].as_text(), Some("Invalid arguments for tool `add`: `a`: expected an integer, got a string"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ToolRunner {
    service: Service,
    revision: Revision,
    features: ClientFeatures,
    principal: Option<Arc<Principal>>,
    runtime: Arc<dyn Runtime>,
    sealer: Arc<Sealer>,
    answer: Option<Arc<Answer>>,
    notes: Arc<Mutex<Vec<Note>>>,
}

impl fmt::Debug for ToolRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolRunner")
            .field("service", &self.service)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// What a handler said while it ran.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// Progress.
    Progress {
        /// How far it is.
        progress: f64,
        /// Of how much.
        total: Option<f64>,
        /// In words.
        message: Option<String>,
    },
    /// A log message.
    Log {
        /// How important it is.
        level: LoggingLevel,
        /// What it says.
        data: Json,
    },
}

impl ToolRunner {
    /// A caller that speaks the newest revision, has no principal, and can answer no questions.
    #[must_use]
    pub fn new(service: Service) -> Self {
        let sealer = service.sealer(seed());
        Self {
            service,
            revision: Revision::LATEST,
            features: ClientFeatures::NONE,
            principal: None,
            runtime: Arc::new(InPlace),
            sealer,
            answer: None,
            notes: Arc::default(),
        }
    }

    /// Speaks another revision.
    #[must_use]
    pub const fn with_revision(mut self, revision: Revision) -> Self {
        self.revision = revision;
        self
    }

    /// Calls in somebody's name.
    #[must_use]
    pub fn with_principal(mut self, principal: Principal) -> Self {
        self.principal = Some(Arc::new(principal));
        self
    }

    /// Runs blocking and spawned handlers on a driver's runtime; otherwise they run in place.
    #[must_use]
    pub fn with_runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = runtime;
        self
    }

    /// Declares what the caller can be asked, and answers. The closure gets a method and its parameters and returns the result
    /// object, or why there is none.
    #[must_use]
    pub fn with_answers(
        mut self,
        features: ClientFeatures,
        answer: impl Fn(&str, &Json) -> Result<Json, String> + Send + Sync + 'static,
    ) -> Self {
        self.features = features;
        self.answer = Some(Arc::new(answer));
        self
    }

    /// Takes what handlers have said so far: progress and log messages, in order.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls a tool. An `isError` result is a result.
    pub fn call(&self, name: &str, arguments: impl IntoJson) -> Run<CallToolResult> {
        self.named("tools/call", name, arguments)
    }

    /// Reads a resource.
    pub fn read(&self, uri: &str) -> Run<ReadResourceResult> {
        let mut params = Object::new();
        params.insert("uri", uri);
        self.run("resources/read", params)
    }

    /// Gets a prompt.
    pub fn get(&self, name: &str, arguments: impl IntoJson) -> Run<GetPromptResult> {
        self.named("prompts/get", name, arguments)
    }

    /// Completes an argument of a prompt.
    pub fn complete_prompt(
        &self,
        prompt: &str,
        argument: &str,
        value: &str,
    ) -> Run<CompleteResult> {
        let mut reference = Object::new();
        reference.insert("type", "ref/prompt");
        reference.insert("name", prompt);
        self.complete(reference, argument, value)
    }

    /// Completes a variable of a resource template.
    pub fn complete_resource(
        &self,
        template: &str,
        variable: &str,
        value: &str,
    ) -> Run<CompleteResult> {
        let mut reference = Object::new();
        reference.insert("type", "ref/resource");
        reference.insert("uri", template);
        self.complete(reference, variable, value)
    }

    /// One page of the tools.
    pub fn list_tools(&self, cursor: Option<&str>) -> Run<ListToolsResult> {
        self.list("tools/list", cursor)
    }

    /// One page of the resources.
    pub fn list_resources(&self, cursor: Option<&str>) -> Run<ListResourcesResult> {
        self.list("resources/list", cursor)
    }

    /// One page of the resource templates.
    pub fn list_resource_templates(
        &self,
        cursor: Option<&str>,
    ) -> Run<ListResourceTemplatesResult> {
        self.list("resources/templates/list", cursor)
    }

    /// One page of the prompts.
    pub fn list_prompts(&self, cursor: Option<&str>) -> Run<ListPromptsResult> {
        self.list("prompts/list", cursor)
    }

    fn list<T>(&self, method: &'static str, cursor: Option<&str>) -> Run<T> {
        let mut params = Object::new();
        if let Some(cursor) = cursor {
            params.insert("cursor", cursor);
        }
        self.run(method, params)
    }

    fn named<T>(&self, method: &'static str, name: &str, arguments: impl IntoJson) -> Run<T> {
        let mut params = Object::new();
        params.insert("name", name);
        match arguments.into_json() {
            Ok(arguments) => {
                params.insert("arguments", arguments);
                self.run(method, params)
            }
            Err(problem) => {
                let mut run = self.run(method, params);
                run.state = State::Failed(Some(WireError::parse_error(problem)));
                run
            }
        }
    }

    fn complete(&self, reference: Object, argument: &str, value: &str) -> Run<CompleteResult> {
        let mut typed = Object::new();
        typed.insert("name", argument);
        typed.insert("value", value);
        let mut params = Object::new();
        params.insert("ref", reference);
        params.insert("argument", typed);
        self.run("completion/complete", params)
    }

    fn run<T>(&self, method: &'static str, params: Object) -> Run<T> {
        Run {
            runner: self.clone(),
            method,
            params,
            rounds: 0,
            state: State::New,
            result: PhantomData,
        }
    }

    fn start(&self, method: &str, params: &Object) -> Result<Running, WireError> {
        let mut frame = Object::new();
        frame.insert("jsonrpc", "2.0");
        frame.insert("id", 1_i64);
        frame.insert("method", method);
        frame.insert("params", params.clone());
        let bytes = Bytes::from(Json::from(frame).into_string());
        let inbound = Inbound::scan(bytes, &ScanLimits::default())
            .map_err(|malformed| WireError::new(malformed.kind.code(), malformed.kind.message()))?;
        let mut context = CallContext::new(inbound.envelope.method, self.revision);
        context.features = self.features;
        context.log_level = Some(LoggingLevel::Debug);
        context.progress_token = Some(WireId::from(1u64));
        let start = CallStart {
            inbound: Arc::new(inbound),
            context,
            principal: self.principal.clone(),
            extensions: None,
            sealer: Arc::clone(&self.sealer),
            later: None,
        };
        Ok(Running::start(&self.service, &self.runtime, now(), start))
    }

    fn ask(&self, method: &str, params: &Json) -> Result<Json, String> {
        match &self.answer {
            Some(answer) => answer(method, params),
            None => Err(format!("this runner does not answer {method}")),
        }
    }
}

/// Fresh entropy, of which the standard library has only its hash keys: idempotency keys leave the process, and must not be
/// those of another run.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for piece in seed.chunks_exact_mut(8) {
        let word = RandomState::new().hash_one(());
        piece.copy_from_slice(&word.to_ne_bytes());
    }
    seed
}

/// The runner has no clock: nothing in it ages.
const fn now() -> Now {
    Now {
        instant: Instant::from_micros(0),
        unix_ms: 0,
    }
}

/// A call that is under way. Await it, or [`wait`](Self::wait) for it.
#[must_use = "nothing happens until it is awaited or waited for"]
pub struct Run<T> {
    runner: ToolRunner,
    method: &'static str,
    params: Object,
    rounds: usize,
    state: State,
    result: PhantomData<fn() -> T>,
}

enum State {
    New,
    Running(Box<Running>),
    Failed(Option<WireError>),
}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl<T> Unpin for Run<T> {}

impl<T: DeserializeOwned + Completed> Run<T> {
    /// Runs the call to its end on this thread. Handlers that need a runtime of their own must be awaited inside of it instead.
    ///
    /// # Errors
    /// The JSON-RPC error that a client would see.
    pub fn wait(mut self) -> Result<T, WireError> {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = task::Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut cx) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread::park(),
            }
        }
    }

    /// The next round, with the answers to what the last one asked for.
    fn answer(&mut self, body: &Bytes) -> Result<(), WireError> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(WireError::internal("the call asks for input without end"));
        }
        let unreadable = |_| WireError::internal("the input request cannot be read");
        let result: Object = serde_json::from_slice(body).map_err(unreadable)?;
        let mut responses = Object::new();
        if let Some(requests) = result.get("inputRequests") {
            for (key, request) in requests.decode::<Object>().map_err(unreadable)?.iter() {
                let request: Object = request.decode().map_err(unreadable)?;
                let method: String = request
                    .get("method")
                    .and_then(|method| method.decode().ok())
                    .unwrap_or_default();
                let params = request.get("params").cloned().unwrap_or_default();
                let answer = self
                    .runner
                    .ask(&method, &params)
                    .map_err(WireError::internal)?;
                responses.insert(key, answer);
            }
        }
        self.params.insert("inputResponses", responses);
        match result.get("requestState") {
            Some(state) => self.params.insert("requestState", state.clone()),
            None => self.params.remove("requestState"),
        };
        self.state = State::New;
        Ok(())
    }
}

impl<T: DeserializeOwned + Completed> Future for Run<T> {
    type Output = Result<T, WireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.state {
                State::New => match self.runner.start(self.method, &self.params) {
                    Ok(running) => self.state = State::Running(Box::new(running)),
                    Err(error) => self.state = State::Failed(Some(error)),
                },
                State::Failed(error) => {
                    let error = error.take();
                    return Poll::Ready(Err(
                        error.unwrap_or_else(|| WireError::internal("polled after it was done"))
                    ));
                }
                State::Running(running) => {
                    let finish = running.poll(cx, now());
                    let runner = self.runner.clone();
                    let State::Running(running) = &mut self.state else {
                        continue;
                    };
                    let mut sink = Sink {
                        runner: &runner,
                        asked: Vec::new(),
                    };
                    running.drain(&mut sink, finish.is_ready());
                    let asked = sink.asked;
                    let answered = !asked.is_empty();
                    for (request, answer) in asked {
                        running.answered(request, answer);
                    }
                    match finish {
                        Poll::Pending if answered => {}
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Finish::Fail(error)) => self.state = State::Failed(Some(error)),
                        Poll::Ready(Finish::Reply {
                            body,
                            kind: ResultKind::InputRequired,
                            ..
                        }) => {
                            if let Err(error) = self.answer(&body.to_bytes()) {
                                self.state = State::Failed(Some(error));
                            }
                        }
                        Poll::Ready(Finish::Reply {
                            body, meta, cache, ..
                        }) => {
                            self.state = State::Failed(None);
                            let result = serde_json::from_slice::<T>(&body.to_bytes())
                                .map_err(|_| WireError::internal("the result cannot be read"));
                            return Poll::Ready(result.map(|mut result| {
                                result.complete(meta, cache);
                                result
                            }));
                        }
                    }
                }
            }
        }
    }
}

/// Where progress, log messages and legacy questions of one call go.
struct Sink<'a> {
    runner: &'a ToolRunner,
    asked: Vec<(RequestId, Result<Bytes, Bytes>)>,
}

impl Sink<'_> {
    fn note(&self, note: Note) {
        self.runner
            .notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(note);
    }
}

impl CallSink for Sink<'_> {
    fn progress(&mut self, progress: &Progress) {
        let Progress {
            progress,
            total,
            message,
        } = progress.clone();
        self.note(Note::Progress {
            progress,
            total,
            message,
        });
    }

    fn log(&mut self, level: LoggingLevel, _logger: Option<&str>, data: &str) {
        let data = Json::parse(data).unwrap_or_else(|_| Json::null());
        self.note(Note::Log { level, data });
    }

    fn request(&mut self, method: &str, params: &str) -> Result<RequestId, Refused> {
        let id =
            RequestId::from_wire(FIRST_ID + self.asked.len() as u64).ok_or(Refused::AtCapacity)?;
        let params = Json::parse(params).unwrap_or_default();
        let answer = match self.runner.ask(method, &params) {
            Ok(answer) => Ok(Bytes::from(answer.into_string())),
            Err(message) => {
                let mut error = Object::new();
                error.insert("code", -1_i64);
                error.insert("message", message);
                Err(Bytes::from(Json::from(error).into_string()))
            }
        };
        self.asked.push((id, answer));
        Ok(id)
    }

    fn notify(&mut self, _method: &str, _params: &str) {}

    fn close_stream(&mut self, _retry: Option<Duration>) {}
}

/// Results to which the core adds members after the handler; the runner adds those that handlers and servers decide.
#[doc(hidden)]
pub trait Completed {
    fn complete(&mut self, meta: Option<Json>, cache: Option<mcp_proto::config::CacheHint>);
}

macro_rules! completed {
    (cached: $($cached:ty),*; plain: $($plain:ty),*) => {
        $(impl Completed for $cached {
            fn complete(&mut self, meta: Option<Json>, cache: Option<mcp_proto::config::CacheHint>) {
                self.meta = meta.and_then(|meta| meta.decode().ok());
                self.ttl_ms = cache.map(|hint| hint.ttl_ms);
                self.cache_scope = cache.map(|hint| hint.scope);
            }
        })*
        $(impl Completed for $plain {
            fn complete(&mut self, meta: Option<Json>, _: Option<mcp_proto::config::CacheHint>) {
                self.meta = meta.and_then(|meta| meta.decode().ok());
            }
        })*
    };
}

completed! {
    cached: ReadResourceResult, ListToolsResult, ListResourcesResult, ListResourceTemplatesResult, ListPromptsResult;
    plain: CallToolResult, GetPromptResult, CompleteResult
}
