//! The endpoint in virtual time: every request is driven by hand, no socket and no clock.

mod bounds;
mod legacy;
mod modern;
mod pair;
mod resume;
mod security;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{Method, Request, Response};
use mcp_proto::time::{Instant, Now};
use mcp_types::Json;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Begin, HttpCall, HttpOptions, HttpServer};
use crate::{Blocking, BoxFuture, Context, HandlerError, Principal, Runtime, Server, Tool};

/// Keeps what it is given until it is told to run it, and has the time that it is told.
#[derive(Default)]
struct Spawned {
    queue: Mutex<VecDeque<BoxFuture<()>>>,
    /// In microseconds.
    time: Arc<AtomicU64>,
}

impl std::fmt::Debug for Spawned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spawned")
    }
}

impl Runtime for Spawned {
    fn spawn(&self, future: BoxFuture<()>) {
        self.queue.lock().unwrap().push_back(future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        work.run();
    }

    fn clock(&self) -> Option<Instant> {
        Some(Instant::from_micros(self.time.load(Ordering::SeqCst)))
    }

    fn sleep_until(&self, at: Instant) -> Option<BoxFuture<()>> {
        let time = Arc::clone(&self.time);
        Some(Box::pin(poll_fn(move |_| {
            if time.load(Ordering::SeqCst) >= at.as_micros() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })))
    }
}

/// Counts wake-ups.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What a handler waits for, until the test opens it.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let wakers = core::mem::take(&mut state.1);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// An endpoint and its time.
struct Bench {
    server: HttpServer,
    runtime: Arc<Spawned>,
    gate: Gate,
    /// How many handlers were dropped or ended.
    ended: Arc<AtomicUsize>,
    now: Now,
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// Counts when it goes.
struct Ending(Arc<AtomicUsize>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Lets what was said be sent.
async fn pass_once() {
    let mut passed = false;
    poll_fn(|cx| {
        if core::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Too long to be copied, and full of what would break a line.
fn long_text() -> String {
    "one\r\ntwo\n\ndata: \"three\"\u{b}\n".repeat(2000)
}

fn service(gate: &Gate, ended: &Arc<AtomicUsize>) -> Server {
    let waits = |name: &str, before: fn(&Context)| {
        let (gate, ended) = (gate.clone(), Arc::clone(ended));
        Tool::builder(name).call_async(move |_: Nothing, context| {
            let (gate, ending) = (gate.clone(), Ending(Arc::clone(&ended)));
            async move {
                before(&context);
                gate.wait().await;
                drop(ending);
                Ok::<_, HandlerError>("done")
            }
        })
    };
    let region = Json::parse(
        r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}"#,
    );
    Server::new("bench", "1.0.0")
        .tool(Tool::builder("hello").call(|_: Nothing, _| Ok("hello")))
        .tool(Tool::builder("fail").call(|_: Nothing, _| Err::<&str, _>(HandlerError::new("no"))))
        .tool(waits("slow", |_| {}))
        .tool(waits("chatty", |context| {
            context.progress(1.0, Some(2.0), None);
            context.info("working");
        }))
        .tool({
            let gate = gate.clone();
            Tool::builder("steps").call_async(move |_: Nothing, context: Context| {
                let gate = gate.clone();
                async move {
                    for step in 1..=3 {
                        context.progress(f64::from(step), None, None);
                        pass_once().await;
                    }
                    gate.wait().await;
                    context.progress(4.0, None, None);
                    Ok::<_, HandlerError>("done")
                }
            })
        })
        .tool(Tool::builder("long").call(|_: Nothing, context: Context| {
            context.progress(1.0, None, None);
            Ok(long_text())
        }))
        .tool(waits("poll", |context| {
            context.close_stream(Some(Duration::from_millis(50)))
        }))
        .tool(
            Tool::builder("ask").call_async(|_: Nothing, context: Context| async move {
                let answer = context.elicit::<Name>("name", "who?").await?;
                Ok::<_, HandlerError>(
                    answer
                        .accepted()
                        .map_or_else(|| "nobody".to_owned(), |it| it.name),
                )
            }),
        )
        .tool(
            Tool::builder("where")
                .input_schema(region.unwrap())
                .call(|_: Value, _| Ok::<_, HandlerError>("there")),
        )
        .tool(
            Tool::builder("secret")
                .scopes(["admin"])
                .call(|_: Nothing, _| Ok("secret")),
        )
}

impl Bench {
    fn new() -> Self {
        Self::with(|server| server, HttpOptions::default())
    }

    fn with(change: impl FnOnce(Server) -> Server, options: HttpOptions) -> Self {
        let (gate, ended) = (Gate::default(), Arc::default());
        let service = change(service(&gate, &ended)).build().expect("well formed");
        let runtime = Arc::new(Spawned::default());
        let server = HttpServer::new(
            service,
            options,
            Arc::clone(&runtime) as Arc<dyn Runtime>,
            [7; 32],
        );
        let now = Now::new(Instant::from_micros(0), 1_785_000_000_000);
        Self {
            server,
            runtime,
            gate,
            ended,
            now,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_ms += u64::try_from(time.as_millis()).unwrap();
        let micros = self.now.instant.as_micros();
        self.runtime.time.store(micros, Ordering::SeqCst);
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// Polls what was handed to the runtime.
    fn run_spawned(&self) {
        let futures: Vec<_> = self.runtime.queue.lock().unwrap().drain(..).collect();
        for mut future in futures {
            if future
                .as_mut()
                .poll(&mut Task::from_waker(Waker::noop()))
                .is_pending()
            {
                self.runtime.queue.lock().unwrap().push_back(future);
            }
        }
    }

    fn begin(&self, method: Method, headers: &[(&str, &str)], principal: Option<&str>) -> Begin {
        let mut request = Request::builder().method(method).uri("/mcp");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:3000");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).expect("a request").into_parts().0;
        self.server
            .begin(self.now, parts, principal.map(Principal::new))
    }

    fn send(&self, method: Method, headers: &[(&str, &str)], body: &str) -> Reply {
        self.send_as(None, method, headers, body)
    }

    fn send_as(
        &self,
        principal: Option<&str>,
        method: Method,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        match self.begin(method, headers, principal) {
            Begin::Respond(response) => Reply::of(response),
            Begin::Read(mut call) => {
                if let Err(response) = call.body(Bytes::copy_from_slice(body.as_bytes())) {
                    return Reply::of(response);
                }
                call.end_body(self.now);
                let mut reply = Reply {
                    head: None,
                    text: String::new(),
                    ended: false,
                    call: Some(call),
                    wakes: Arc::default(),
                };
                reply.poll(self);
                reply
            }
        }
    }

    fn post(&self, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut all = vec![
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        all.extend_from_slice(headers);
        self.send(Method::POST, &all, &body.to_string())
    }

    /// A conforming modern request.
    fn modern(&self, id: u64, method: &str, params: Value) -> Reply {
        let body = modern_body(id, method, params);
        let name = body["params"]["name"]
            .as_str()
            .or_else(|| body["params"]["uri"].as_str())
            .map(str::to_owned);
        let mut headers = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        if let (Some(name), true) = (&name, method != "subscriptions/listen") {
            headers.push(("mcp-name", name));
        }
        self.post(&headers, &body)
    }

    /// A legacy session.
    fn initialize(&self, revision: &str) -> String {
        let reply = self.post(&[], &initialize_body(revision));
        assert_eq!(reply.status(), 200, "{}", reply.text);
        reply.header("mcp-session-id").to_owned()
    }

    fn in_session(&self, session: &str, body: &Value) -> Reply {
        self.post(
            &[
                ("mcp-session-id", session),
                ("mcp-protocol-version", "2025-11-25"),
            ],
            body,
        )
    }

    fn get(&self, session: &str, last_event: Option<&str>) -> Reply {
        let mut headers = vec![("accept", "text/event-stream"), ("mcp-session-id", session)];
        headers.extend(last_event.map(|id| ("last-event-id", id)));
        self.send(Method::GET, &headers, "")
    }
}

fn modern_body(id: u64, method: &str, mut params: Value) -> Value {
    if params.get("_meta").is_none() {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn initialize_body(revision: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": revision,
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "bench", "version": "1"},
    }})
}

fn call_body(id: u64, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": {}, "_meta": {"progressToken": "p"}}})
}

/// A response, as far as it came.
struct Reply {
    head: Option<Parts>,
    text: String,
    ended: bool,
    call: Option<HttpCall>,
    wakes: Arc<Wakes>,
}

impl Reply {
    fn of(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Self {
            head: Some(head),
            text,
            ended: true,
            call: None,
            wakes: Arc::default(),
        }
    }

    /// Takes what there is.
    fn poll(&mut self, bench: &Bench) {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut cx = Task::from_waker(&waker);
        let Some(call) = &mut self.call else { return };
        if self.head.is_none() {
            match call.poll_head(&mut cx, bench.now) {
                Poll::Ready(head) => self.head = Some(head),
                Poll::Pending => return,
            }
        }
        while !self.ended {
            match call.poll_data(&mut cx, bench.now) {
                Poll::Ready(Some(data)) => self.text.push_str(std::str::from_utf8(&data).unwrap()),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => return,
            }
        }
    }

    fn status(&self) -> u16 {
        self.head.as_ref().expect("the head is out").status.as_u16()
    }

    fn header(&self, name: &str) -> &str {
        let head = self.head.as_ref().expect("the head is out");
        head.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn is_stream(&self) -> bool {
        self.head.is_some() && self.header("content-type") == "text/event-stream"
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_default()
    }

    /// The messages of a stream.
    fn events(&self) -> Vec<Value> {
        let data = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| !data.is_empty())
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    /// The ids of a stream's events.
    fn ids(&self) -> Vec<&str> {
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix("id: "))
            .collect()
    }

    /// The client is gone.
    fn disconnect(&mut self) {
        self.call = None;
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}
