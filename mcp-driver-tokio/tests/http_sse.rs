//! HTTP+SSE over real sockets: the stream and the POSTs are connections of their own.
#![cfg(feature = "http")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_driver_tokio::http::{HttpOptions, HttpSse, McpService, Report, ServeOptions, serve};
use mcp_server::{AskError, Context, Server, tool};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Generous: a test that waits this long has failed.
const LIMIT: Duration = Duration::from_secs(20);

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Dropping;

impl Drop for Dropping {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

/// Says that it runs and does not end.
#[tool]
async fn forever(ctx: Context) -> &'static str {
    let _dropping = Dropping;
    ctx.progress(1.0, None, None);
    std::future::pending().await
}

/// Answers at once.
#[tool]
fn echo(text: String) -> String {
    text
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    name: String,
}

/// Asks for a name, from a task of its own.
#[tool(spawn)]
async fn ask(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.elicit::<Name>("name", "who?").await?;
    Ok(answer.accepted().map_or_else(String::new, |it| it.name))
}

fn server() -> Server {
    Server::new("old", "1.0.0")
        .tool(forever)
        .tool(echo)
        .tool(ask)
}

fn options() -> HttpOptions {
    HttpOptions::default().with_http_sse(HttpSse::default())
}

/// An open stream of events.
struct Stream {
    lines: Lines<BufReader<TcpStream>>,
    place: String,
}

impl Stream {
    async fn open(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut opened = Self {
            lines: BufReader::new(stream).lines(),
            place: String::new(),
        };
        assert_eq!(opened.line().await.unwrap(), "HTTP/1.1 200 OK");
        opened.place = opened.event("endpoint").await;
        opened
    }

    /// The next line; `None` at the end.
    async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line());
        line.await.expect("in time").unwrap()
    }

    /// The data of the next event, which must have this name.
    async fn event(&mut self, name: &str) -> String {
        loop {
            let line = self.line().await.expect("an event");
            if let Some(event) = line.strip_prefix("event: ") {
                assert_eq!(event, name);
                let data = self.line().await.unwrap();
                return data.strip_prefix("data: ").expect(&data).to_owned();
            }
        }
    }

    async fn message(&mut self) -> serde_json::Value {
        let data = self.event("message").await;
        serde_json::from_str(&data).expect(&data)
    }
}

/// Posts on a connection of its own and returns the status.
async fn post(address: SocketAddr, place: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {place} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer));
    read.await.expect("in time").unwrap();
    answer.split(' ').nth(1).unwrap().parse().expect(&answer)
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"0"}}}"#;

fn call(id: u32, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"progressToken":"p"}}}}}}"#
    )
}

#[tokio::test]
async fn a_session_over_sockets_from_its_stream_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = ServeOptions::default().with_http(options());
    let serving = tokio::spawn(serve(listener, server(), options, async {
        let _ = stopped.await;
    }));

    let mut stream = Stream::open(address, "/sse").await;
    let place = stream.place.clone();
    assert!(place.starts_with("/messages?sessionId="), "{place}");
    assert_eq!(post(address, &place, INITIALIZE).await, 202);
    let answer = stream.message().await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");

    // Larger than what a connection buffers.
    let text = "x".repeat(1 << 20);
    let large = call(1, "echo", &format!(r#"{{"text":"{text}"}}"#));
    assert_eq!(post(address, &place, &large).await, 202);
    let answer = stream.message().await;
    assert_eq!(answer["result"]["content"][0]["text"], text);

    assert_eq!(post(address, &place, &call(2, "ask", "{}")).await, 202);
    let question = stream.message().await;
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept","content":{{"name":"Ada"}}}}}}"#,
        question["id"]
    );
    assert_eq!(post(address, &place, &answer).await, 202);
    let answer = stream.message().await;
    assert_eq!(answer["result"]["content"][0]["text"], "Ada", "{answer}");

    // The client goes, and everything of it.
    assert_eq!(post(address, &place, &call(3, "forever", "{}")).await, 202);
    assert_eq!(stream.message().await["params"]["progress"], 1.0);
    drop(stream);
    let gone = tokio::time::timeout(LIMIT, async {
        while DROPPED.load(Ordering::SeqCst) == 0 || post(address, &place, INITIALIZE).await != 404
        {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("the session ends with its stream");

    // The server goes, and ends a stream that nobody uses.
    let mut stream = Stream::open(address, "/sse").await;
    stop.send(()).unwrap();
    while stream.line().await.is_some() {}
    let report = tokio::time::timeout(LIMIT, serving).await.unwrap();
    assert_eq!(report.unwrap().unwrap(), Report::new(0));
}

#[tokio::test]
async fn a_host_mounts_the_pair_beside_the_endpoint() {
    let pair = HttpSse::default().with_prefix("/tools").unwrap();
    let options = HttpOptions::default().with_http_sse(pair);
    let mcp = McpService::new(server(), options).unwrap();
    let tools = axum::Router::new()
        .route_service("/mcp", mcp.clone())
        .route_service("/sse", mcp.clone())
        .route_service("/messages", mcp.clone());
    let app = axum::Router::new().nest("/tools", tools);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let mut stream = Stream::open(address, "/tools/sse").await;
    let place = stream.place.clone();
    assert!(place.starts_with("/tools/messages?sessionId="), "{place}");
    assert_eq!(post(address, &place, INITIALIZE).await, 202);
    assert_eq!(stream.message().await["id"], 0);
    assert_eq!(post(address, "/tools/mcp", INITIALIZE).await, 200);
    assert_eq!(mcp.server().streams(), 1);
    mcp.shutdown();
    while stream.line().await.is_some_and(|line| line != "0") {}
    serving.abort();
}
