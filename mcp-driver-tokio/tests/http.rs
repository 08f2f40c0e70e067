//! Streamable HTTP: the service in process, and the listener over real sockets.
#![cfg(feature = "http")]

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use mcp_driver_tokio::http::{HttpOptions, McpBody, McpService, Report, ServeOptions, serve};
use mcp_server::proto::limits::Limits;
use mcp_server::{AskError, Authenticating, Authenticator, Context, Server, tool};
use mcp_witness::{Conversation, MODERN};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_service::Service;

/// The tags of calls of `slow` that were dropped before they finished.
static DROPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn dropped(tag: &str) -> usize {
    DROPPED
        .lock()
        .unwrap()
        .iter()
        .filter(|dropped| *dropped == tag)
        .count()
}

struct Dropping(Option<String>);

impl Drop for Dropping {
    fn drop(&mut self) {
        DROPPED.lock().unwrap().extend(self.0.take());
    }
}

/// Sleeps and answers.
#[tool]
async fn slow(ms: u64, tag: Option<String>) -> String {
    let mut guard = Dropping(Some(tag.unwrap_or_default()));
    tokio::time::sleep(Duration::from_millis(ms)).await;
    guard.0 = None;
    format!("slept {ms}")
}

/// Reports progress and answers.
#[tool]
async fn talk(ctx: Context) -> &'static str {
    ctx.progress(1.0, Some(2.0), None);
    tokio::time::sleep(Duration::from_millis(20)).await;
    ctx.progress(2.0, Some(2.0), None);
    "talked"
}

/// Answers at once.
#[tool]
fn echo(text: String) -> String {
    text
}

/// Answers with many bytes.
#[tool]
fn large(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

/// Asks for a name.
#[tool]
async fn ask(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.elicit::<Name>("name", "who?").await?;
    Ok(answer.accepted().map_or_else(String::new, |it| it.name))
}

fn server() -> Server {
    Server::new("http", "1.0.0")
        .tool(ask)
        .tool(slow)
        .tool(talk)
        .tool(echo)
        .tool(large)
}

const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

fn call(name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},"_meta":{{{META},"progressToken":"p"}}}}}}"#
    )
}

fn request<B>(name: &str, body: B) -> Request<B> {
    Request::builder()
        .method(Method::POST)
        .uri("http://127.0.0.1/mcp")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", name)
        .body(body)
        .unwrap()
}

async fn sent(service: &mut McpService, name: &str, arguments: &str) -> Response<McpBody> {
    let body = Full::new(Bytes::from(call(name, arguments)));
    service.call(request(name, body)).await.unwrap()
}

/// The body of an answer to a [`call`], whose messages must be what the revision allows.
async fn text(response: Response<McpBody>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut conversation = Conversation::new(MODERN);
    conversation.note(&call("any", "{}"));
    let messages = text
        .lines()
        .map(|line| line.strip_prefix("data: ").unwrap_or(line))
        .filter(|line| line.starts_with('{'));
    for message in messages {
        conversation
            .server(&serde_json::from_str(message).expect("JSON"))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(conversation.judged > 0, "{text}");
    text
}

#[tokio::test]
async fn an_answer_that_is_ready_is_one_block_of_known_length() {
    let mut service = McpService::new(server(), HttpOptions::default()).unwrap();
    let response = sent(&mut service, "echo", r#"{"text":"hi"}"#).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    let length = response.body().size_hint().exact().expect("a known length");
    let text = text(response).await;
    assert_eq!(text.len() as u64, length);
    assert!(text.contains(r#""text":"hi""#), "{text}");
}

#[tokio::test]
async fn the_first_notification_opens_a_stream() {
    let mut service = McpService::new(server(), HttpOptions::default()).unwrap();
    let response = sent(&mut service, "talk", "{}").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = text(response).await;
    assert_eq!(text.matches("notifications/progress").count(), 2, "{text}");
    assert!(text.contains("talked"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_modern_response_drops_the_work() {
    let mut service = McpService::new(server(), HttpOptions::default()).unwrap();
    let body = Full::new(Bytes::from(call(
        "slow",
        r#"{"ms":60000,"tag":"response"}"#,
    )));
    let future = service.call(request("slow", body));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), future)
            .await
            .is_err()
    );
    assert_eq!(dropped("response"), 1);
    // The same once the head is out.
    let response = sent(&mut service, "slow", r#"{"ms":60000,"tag":"response"}"#).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    drop(response);
    assert_eq!(dropped("response"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_legacy_call_whose_client_left_stops_waiting_for_its_answer() {
    let mut service = McpService::new(server(), HttpOptions::default()).unwrap();
    let legacy = |session: Option<&str>, body: &str| {
        let mut request = Request::post("http://127.0.0.1/mcp")
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap()
    };
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"0"}}}"#;
    let response = service.call(legacy(None, initialize)).await.unwrap();
    let session = response.headers()["mcp-session-id"].to_str().unwrap();
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}}"#;
    let response = service.call(legacy(Some(session), call)).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    drop(response);
    tokio::task::yield_now().await;
    assert_eq!(service.server().calls(), 1);
    // Nobody ever sends another request.
    tokio::time::sleep(Limits::default().request_timeout + Duration::from_secs(1)).await;
    assert_eq!(service.server().calls(), 0);
}

/// A body that never ends and never says anything.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::convert::Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408() {
    let mut service = McpService::new(server(), HttpOptions::default()).unwrap();
    let before = tokio::time::Instant::now();
    let response = service.call(request("echo", Silent)).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(response.headers()["connection"], "close");
    assert!(before.elapsed() >= Duration::from_secs(60));
}

/// Never says who somebody is, and notices when nobody waits for it any more.
struct Undecided(Arc<AtomicUsize>);

impl Authenticator for Undecided {
    fn authenticate<'a>(&'a self, _parts: &'a Parts) -> Authenticating<'a> {
        struct Asked<'a>(&'a AtomicUsize);

        impl Drop for Asked<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let asked = Asked(&self.0);
        Box::pin(async move {
            let _asked = asked;
            std::future::pending().await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_authentication_that_does_not_end_is_503_at_its_deadline() {
    for deadline in [None, Some(Duration::from_secs(3))] {
        let abandoned = Arc::new(AtomicUsize::new(0));
        let options = HttpOptions::default().with_authenticator(Undecided(Arc::clone(&abandoned)));
        let mut service = McpService::new(server(), options).unwrap();
        if let Some(deadline) = deadline {
            service = service.with_authentication_deadline(deadline);
        }
        let expected = deadline.unwrap_or(Duration::from_secs(10));
        let before = tokio::time::Instant::now();
        let response = sent(&mut service, "echo", r#"{"text":"hi"}"#).await;
        let waited = before.elapsed();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            response.headers().contains_key("retry-after"),
            "{response:?}"
        );
        // The timer counts in milliseconds.
        let late = waited.checked_sub(expected).expect("not too early");
        assert!(late <= Duration::from_millis(2), "{waited:?}");
        assert_eq!(abandoned.load(Ordering::Relaxed), 1);
        assert_eq!(service.server().calls(), 0);
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413_before_it_is_over() {
    let mut service = McpService::new(server(), HttpOptions::default()).unwrap();
    let block = Bytes::from(vec![b' '; 1 << 20]);
    let endless = http_body_util::StreamBody::new(Endless(block));
    let response = service.call(request("echo", endless)).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

struct Endless(Bytes);

impl futures_core::Stream for Endless {
    type Item = Result<Frame<Bytes>, std::convert::Infallible>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Frame::data(self.0.clone()))))
    }
}

// ---- the listener --------------------------------------------------------

struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<Report>>,
}

async fn listening(options: ServeOptions) -> Listening {
    listening_with(server(), options).await
}

async fn listening_with(server: Server, options: ServeOptions) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(listener, server, options, async {
        let _ = stopped.await;
    }));
    Listening {
        address,
        stop: Some(stop),
        serving,
    }
}

impl Listening {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a whole request on a new connection and returns everything until the server closes.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nhost: health.example\r\nconnection: close\r\n\r\n"
        ))
        .await
    }

    fn ask_to_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

fn posted(address: SocketAddr, method: &str, name: Option<&str>, body: &str, more: &str) -> String {
    let name = name
        .map(|name| format!("mcp-name: {name}\r\n"))
        .unwrap_or_default();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n{name}content-length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

/// Reads until `wanted` has been seen.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut chunk))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(
            read,
            0,
            "closed before '{wanted}': {}",
            String::from_utf8_lossy(&seen)
        );
        seen.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&seen);
        if text.contains(wanted) {
            return text.into_owned();
        }
    }
}

#[tokio::test]
async fn probes_answer_whoever_asks() {
    let listening = listening(ServeOptions::default()).await;
    assert!(listening.get("/livez").await.starts_with("HTTP/1.1 200"));
    assert!(listening.get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(
        listening
            .get("/elsewhere")
            .await
            .starts_with("HTTP/1.1 404")
    );
    let posted =
        "POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert!(listening.exchange(posted).await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn the_endpoint_answers_over_a_socket() {
    let listening = listening(ServeOptions::default()).await;
    let request = posted(
        listening.address,
        "tools/call",
        Some("echo"),
        &call("echo", r#"{"text":"hi"}"#),
        "connection: close\r\n",
    );
    let answer = listening.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("content-length: "), "{answer}");
    assert!(answer.contains(r#""text":"hi""#), "{answer}");
}

#[tokio::test]
async fn readiness_ends_before_serving_does() {
    let mut listening =
        listening(ServeOptions::default().with_lame_duck(Duration::from_millis(400))).await;
    listening.ask_to_stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(listening.get("/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(listening.get("/livez").await.starts_with("HTTP/1.1 200"));
    assert_eq!(listening.serving.await.unwrap().unwrap().dropped, 0);
    assert!(TcpStream::connect(listening.address).await.is_err());
}

#[tokio::test]
async fn a_graceful_end_completes_listens_and_lets_calls_finish() {
    let mut listening = listening(ServeOptions::default()).await;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"sub","method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}},"_meta":{{{META}}}}}}}"#
    );
    let mut listen = listening.connect().await;
    listen
        .write_all(posted(listening.address, "subscriptions/listen", None, &body, "").as_bytes())
        .await
        .unwrap();
    read_until(&mut listen, "notifications/subscriptions/acknowledged").await;
    let mut running = listening.connect().await;
    let slow = posted(
        listening.address,
        "tools/call",
        Some("slow"),
        &call("slow", r#"{"ms":300}"#),
        "",
    );
    running.write_all(slow.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    listening.ask_to_stop();
    let ended = read_until(&mut listen, r#""id":"sub""#).await;
    assert!(ended.contains(r#""result""#), "{ended}");
    assert!(
        read_until(&mut running, "slept 300")
            .await
            .contains("slept 300")
    );
    assert_eq!(listening.serving.await.unwrap().unwrap().dropped, 0);
}

#[tokio::test]
async fn the_drain_has_a_bound() {
    let server = server().limits(Limits {
        shutdown_bound: Duration::from_millis(200),
        ..Limits::default()
    });
    let mut listening = listening_with(server, ServeOptions::default()).await;
    let mut running = listening.connect().await;
    let slow = posted(
        listening.address,
        "tools/call",
        Some("slow"),
        &call("slow", r#"{"ms":60000}"#),
        "",
    );
    running.write_all(slow.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    listening.ask_to_stop();
    let before = std::time::Instant::now();
    assert_eq!(listening.serving.await.unwrap().unwrap().dropped, 1);
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_trickled_head_loses_its_connection() {
    let listening =
        listening(ServeOptions::default().with_head_deadline(Duration::from_millis(300))).await;
    let mut stream = listening.connect().await;
    let before = std::time::Instant::now();
    for byte in b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx: "
        .iter()
        .cycle()
    {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(before.elapsed() < Duration::from_secs(5), "still connected");
    }
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let listening =
        listening(ServeOptions::default().with_head_deadline(Duration::from_millis(200))).await;
    let mut stream = listening.connect().await;
    let mut nothing = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut nothing))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_long_call_is_not_an_idle_connection() {
    let options = ServeOptions::default()
        .with_head_deadline(Duration::from_millis(100))
        .with_idle(Duration::from_millis(200));
    let listening = listening(options).await;
    let mut stream = listening.connect().await;
    let slow = posted(
        listening.address,
        "tools/call",
        Some("slow"),
        &call("slow", r#"{"ms":700}"#),
        "",
    );
    stream.write_all(slow.as_bytes()).await.unwrap();
    read_until(&mut stream, "slept 700").await;
    // Afterwards it is idle, and that has a limit.
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_read_loses_its_connection() {
    let listening =
        listening(ServeOptions::default().with_write_stall(Duration::from_millis(300))).await;
    let large = posted(
        listening.address,
        "tools/call",
        Some("large"),
        &call("large", r#"{"bytes":8000000}"#),
        "connection: close\r\n",
    );
    // How soon a busy machine gets to the answer is nobody's promise: less patience only means another round.
    for patience in [1, 5, 20].map(Duration::from_secs) {
        let mut stream = listening.connect().await;
        stream.write_all(large.as_bytes()).await.unwrap();
        tokio::time::sleep(patience).await;
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got).await;
        if got.len() < 8_000_000 {
            return;
        }
    }
    panic!("everything arrived at a peer that did not read for 20 seconds");
}

#[tokio::test]
async fn beyond_loopback_needs_an_authenticator_or_a_word() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = serve(
        listener,
        server(),
        ServeOptions::default(),
        std::future::ready(()),
    )
    .await
    .unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let options = ServeOptions::default().with_allow_unauthenticated(true);
    serve(listener, server(), options, std::future::ready(()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_that_closes_its_connection_cancels_its_modern_call() {
    let listening = listening(ServeOptions::default()).await;
    for wait in [100, 900] {
        // Before the head is out, and after it went out as a stream.
        let mut stream = listening.connect().await;
        let slow = posted(
            listening.address,
            "tools/call",
            Some("slow"),
            &call("slow", r#"{"ms":60000,"tag":"connection"}"#),
            "",
        );
        stream.write_all(slow.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    tokio::time::timeout(Duration::from_secs(5), async {
        while dropped("connection") < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("both calls are dropped");
}

#[tokio::test]
async fn the_service_mounts_in_axum() {
    let mcp = McpService::new(server(), HttpOptions::default()).unwrap();
    let app = axum::Router::new()
        .route("/", axum::routing::get(async || "the host's own page"))
        .route_service("/mcp", mcp);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = call("echo", r#"{"text":"mounted"}"#);
    stream
        .write_all(posted(address, "tools/call", Some("echo"), &body, "").as_bytes())
        .await
        .unwrap();
    read_until(&mut stream, "mounted").await;
}

// ---- HTTP/2 --------------------------------------------------------------

async fn http2(address: SocketAddr) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    sender
}

fn request2(address: SocketAddr, name: &str, arguments: &str) -> Request<Full<Bytes>> {
    let mut request = request(name, Full::new(Bytes::from(call(name, arguments))));
    request.headers_mut().remove("host");
    *request.uri_mut() = format!("http://{address}/mcp").parse().unwrap();
    request
}

#[tokio::test]
async fn http2_carries_many_calls_on_one_connection() {
    let listening = listening(ServeOptions::default()).await;
    let mut sender = http2(listening.address).await;
    let slow = sender.send_request(request2(listening.address, "slow", r#"{"ms":300}"#));
    let mut sender2 = sender.clone();
    let quick = sender2.send_request(request2(listening.address, "echo", r#"{"text":"quick"}"#));
    let quick = quick
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert!(String::from_utf8_lossy(&quick).contains("quick"));
    let slow = slow
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert!(String::from_utf8_lossy(&slow).contains("slept 300"));
}

#[tokio::test]
async fn a_stalled_http2_stream_costs_only_itself() {
    let listening =
        listening(ServeOptions::default().with_write_stall(Duration::from_millis(300))).await;
    let mut sender = http2(listening.address).await;
    // As above: less patience only means another round.
    for patience in [1, 5, 20].map(Duration::from_secs) {
        let stalled = sender
            .send_request(request2(listening.address, "large", r#"{"bytes":4000000}"#))
            .await
            .unwrap();
        tokio::time::sleep(patience).await;
        let quick = sender
            .send_request(request2(listening.address, "echo", r#"{"text":"quick"}"#))
            .await
            .unwrap();
        assert_eq!(quick.status(), StatusCode::OK);
        if stalled.into_body().collect().await.is_err() {
            return;
        }
    }
    panic!("the stalled stream was not reset");
}

#[tokio::test]
async fn the_service_is_send_and_clone() {
    fn assert_mountable<S: Clone + Send + Sync + 'static>(_: &S) {}
    let service = McpService::new(server(), HttpOptions::default()).unwrap();
    assert_mountable(&service);
    assert_mountable(&Arc::new(service));
}
