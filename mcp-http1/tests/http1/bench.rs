//! One connection in virtual time, with a server that has something of everything.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::request::Parts;
use mcp_http1::{ConnectionOptions, HttpConnection};
use mcp_server::http::{HttpOptions, HttpServer, Routes};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{
    Authenticating, Authenticator, Blocking, BoxFuture, Context, Demand, Denied, HandlerError,
    Machine, Principal, Runtime, Server, Tool,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// What waits until a test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    pub(crate) fn open(&self) {
        let mut state = self.0.lock().expect("no panic");
        state.0 = true;
        let wakers = core::mem::take(&mut state.1);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &Task<'_>) -> Poll<()> {
        let mut state = self.0.lock().expect("no panic");
        if state.0 {
            return Poll::Ready(());
        }
        state.1.push(cx.waker().clone());
        Poll::Pending
    }

    async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

/// Counts when it goes.
struct Ending(Arc<AtomicUsize>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Keeps what it is given.
#[derive(Default)]
struct Spawned(Mutex<VecDeque<BoxFuture<()>>>);

impl std::fmt::Debug for Spawned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spawned")
    }
}

impl Runtime for Spawned {
    fn spawn(&self, future: BoxFuture<()>) {
        self.0.lock().expect("no panic").push_back(future);
    }

    fn spawn_blocking(&self, work: Blocking) {
        work.run();
    }
}

/// Lets everybody in who has a token, as soon as the gate is open.
#[derive(Clone)]
pub(crate) struct Doorman(pub(crate) Gate);

impl Authenticator for Doorman {
    fn authenticate<'a>(&'a self, parts: &'a Parts) -> Authenticating<'a> {
        let known = parts.headers.contains_key("authorization");
        let gate = self.0.clone();
        Box::pin(async move {
            gate.wait().await;
            known
                .then(|| Principal::new("somebody"))
                .ok_or(Denied::Missing)
        })
    }
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Size {
    bytes: usize,
}

/// A connection, both of its ends.
pub(crate) struct Bench {
    pub(crate) routes: Arc<Routes>,
    pub(crate) connection: HttpConnection,
    /// What slow handlers wait for.
    pub(crate) gate: Gate,
    started: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    runtime: Arc<Spawned>,
    wakes: Arc<Wakes>,
    pub(crate) now: Now,
    pub(crate) input: BytesMut,
    pub(crate) out: Outbox,
    /// What the driver was told last.
    pub(crate) demand: Demand,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(HttpOptions::default(), ConnectionOptions::default(), |it| {
            it
        })
    }

    pub(crate) fn with(
        http: HttpOptions,
        options: ConnectionOptions,
        change: impl FnOnce(Server) -> Server,
    ) -> Self {
        let gate = Gate::default();
        let (started, ended) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let waits = |name: &str, before: fn(&Context)| {
            let (gate, started, ended) = (gate.clone(), Arc::clone(&started), Arc::clone(&ended));
            Tool::builder(name).call_async(move |_: Nothing, context| {
                started.fetch_add(1, Ordering::SeqCst);
                let (gate, ending) = (gate.clone(), Ending(Arc::clone(&ended)));
                async move {
                    before(&context);
                    gate.wait().await;
                    drop(ending);
                    Ok::<_, HandlerError>("done")
                }
            })
        };
        let server = Server::new("bench", "1.0.0")
            .tool(Tool::builder("hello").call(|_: Nothing, _| Ok("hello")))
            .tool(Tool::builder("large").call(|size: Size, _| Ok("x".repeat(size.bytes))))
            .tool(waits("slow", |_| {}))
            .tool(waits("chatty", |context| {
                context.progress(1.0, Some(2.0), None);
            }))
            .tool(
                Tool::builder("flood").call_async(|_: Nothing, context: Context| async move {
                    let mut step = 0.0;
                    poll_fn(move |cx| {
                        step += 1.0;
                        context.progress(step, None, None);
                        cx.waker().wake_by_ref();
                        Poll::<()>::Pending
                    })
                    .await;
                    Ok::<_, HandlerError>("never")
                }),
            );
        let service = change(server).build().expect("well formed");
        let runtime = Arc::new(Spawned::default());
        let server = HttpServer::new(
            service,
            http,
            Arc::clone(&runtime) as Arc<dyn Runtime>,
            [7; 32],
        );
        let routes = Arc::new(Routes::new(server, "/mcp"));
        let connection = HttpConnection::new(Arc::clone(&routes), options);
        let out = connection.outbox();
        Self {
            routes,
            connection,
            gate,
            started,
            ended,
            runtime,
            wakes: Arc::default(),
            now: Now::new(Instant::from_micros(1_000), 1_785_000_000_000),
            input: BytesMut::new(),
            out,
            demand: Demand::READ,
        }
    }

    /// Polls, and takes what was said.
    pub(crate) fn poll(&mut self) -> String {
        self.poll_only();
        self.take()
    }

    /// Polls, and reads nothing.
    pub(crate) fn poll_only(&mut self) {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut cx = Task::from_waker(&waker);
        self.demand = self
            .connection
            .poll(&mut cx, self.now, &mut self.input, &mut self.out);
    }

    pub(crate) fn take(&mut self) -> String {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    /// Sends something, and takes what was said to it.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> String {
        assert!(self.demand.read, "nobody reads");
        self.input.extend_from_slice(bytes.as_ref());
        self.poll()
    }

    pub(crate) fn pass(&mut self, time: Duration) -> String {
        self.now.instant += time;
        self.now.unix_ms += u64::try_from(time.as_millis()).expect("not that long");
        self.poll()
    }

    /// Passes the time until the connection wants to be polled.
    pub(crate) fn sleep(&mut self) -> String {
        let until = self.demand.wakeup.expect("there is something to wait for");
        self.pass(until.duration_since(self.now.instant))
    }

    pub(crate) fn end_of_input(&mut self) -> String {
        self.connection.end_of_input();
        self.poll()
    }

    pub(crate) fn shutdown(&mut self) -> String {
        self.connection.shutdown();
        self.poll()
    }

    pub(crate) fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }

    /// Calls that go on without their connection.
    pub(crate) fn spawned(&self) -> usize {
        self.runtime.0.lock().expect("no panic").len()
    }
}

/// The head of a call of 2026-07-28, without its end.
pub(crate) fn head(tool: &str, more: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost:3000\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: tools/call\r\nmcp-name: {tool}\r\n{more}\r\n"
    )
}

pub(crate) fn body(tool: &str, arguments: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool,
        "arguments": arguments,
        "_meta": {
            "progressToken": "p",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }})
    .to_string()
}

/// A whole call of 2026-07-28.
pub(crate) fn call(tool: &str) -> String {
    call_with(tool, &json!({}), "")
}

pub(crate) fn call_with(tool: &str, arguments: &Value, more: &str) -> String {
    let body = body(tool, arguments);
    head(tool, &format!("content-length: {}\r\n{more}", body.len())) + &body
}

/// The status of the first response in a text.
pub(crate) fn status(text: &str) -> u16 {
    let rest = text.strip_prefix("HTTP/1.1 ");
    rest.and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or_else(|| panic!("no response: {text}"))
}

/// What the chunks of a text say.
pub(crate) fn chunks(mut text: &str) -> Vec<String> {
    let mut chunks = Vec::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        chunks.push(rest[..size].to_owned());
        text = rest[size..]
            .strip_prefix("\r\n")
            .expect("the end of a chunk");
    }
    assert_eq!(text, "");
    chunks
}

/// Head and body of a response.
pub(crate) fn parts(response: &str) -> (&str, &str) {
    response.split_once("\r\n\r\n").expect("a head")
}

/// Whether a head has exactly this line.
pub(crate) fn has(head: &str, field: &str) -> bool {
    head.lines().any(|line| line == field)
}
