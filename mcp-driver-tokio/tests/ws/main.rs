//! WebSocket: the server against a client that others wrote, and our client against our server.

mod ours;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::{HeaderName, HeaderValue};
use mcp_driver_tokio::http::{HttpOptions, Report, ServeOptions};
use mcp_driver_tokio::ws::{KeepAlive, WsOptions, serve};
use mcp_server::proto::limits::Limits;
use mcp_server::{Principal, Server, StaticBearer, tool};
use mcp_testkit::stream::{large, slow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Only for those who may.
#[tool(scopes("secrets"))]
fn secret() -> &'static str {
    "forty-two"
}

fn server() -> Server {
    Server::new("ws", "1.0.0")
        .tool(slow)
        .tool(large)
        .tool(secret)
}

struct Served {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    report: JoinHandle<std::io::Result<Report>>,
}

impl Served {
    async fn start(server: Server, options: ServeOptions, ws: WsOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let report = tokio::spawn(serve(listener, server, options, ws, async {
            let _ = ended.await;
        }));
        Self {
            address,
            end,
            report,
        }
    }

    async fn plain() -> Self {
        Self::start(server(), ServeOptions::default(), WsOptions::default()).await
    }

    fn url(&self) -> String {
        format!("ws://{}/mcp/ws", self.address)
    }

    async fn end(self) -> Report {
        self.end.send(()).unwrap();
        self.report.await.unwrap().unwrap()
    }

    /// Somebody else's client, with these headers besides its own and the subprotocol.
    async fn connect(&self, headers: &[(&'static str, &str)]) -> Result<Peer, u16> {
        let mut request = self.url().into_client_request().unwrap();
        let map = request.headers_mut();
        map.insert("sec-websocket-protocol", HeaderValue::from_static("mcp"));
        for (name, value) in headers {
            map.insert(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "mcp");
                Ok(Peer(socket))
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text message.
    async fn text(&mut self) -> String {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    assert!(!text.contains('\n'), "one message, one line");
                    return text.to_string();
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no message but {other:?}"),
            }
        }
    }

    /// Reads to the close frame.
    async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("no close but {other:?}"),
            }
        }
    }

    async fn close_code(&mut self) -> CloseCode {
        self.closed().await.expect("a code").code
    }

    /// Reads until the connection is no more, however that is.
    async fn gone(&mut self) {
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

fn call(id: u32, name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":"l","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;

#[tokio::test]
async fn both_eras_are_served_on_one_connection() {
    let served = Served::plain().await;
    let mut peer = served.connect(&[]).await.unwrap();
    peer.send(call(9, "slow", r#"{"ms":300}"#)).await;
    peer.send(LIST).await;
    assert!(peer.text().await.contains(r#""name":"large""#));
    peer.send(INITIALIZE).await;
    assert!(
        peer.text()
            .await
            .contains(r#""protocolVersion":"2025-11-25""#)
    );
    assert!(peer.text().await.contains("slept 300"));
    peer.0.close(None).await.unwrap();
    peer.gone().await;
    assert_eq!(served.end().await.dropped, 0);
}

#[tokio::test]
async fn a_message_is_one_whatever_is_between_its_tokens() {
    let served = Served::plain().await;
    let mut peer = served.connect(&[]).await.unwrap();
    peer.send("{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 5,\r\n  \"method\": \"ping\"\n}\n")
        .await;
    assert!(peer.text().await.contains(r#""id":5,"result""#));
    // Two messages in one are none, and a line feed in a string makes none either.
    let two = r#"{"jsonrpc":"2.0","id":6,"method":"ping"}"#;
    peer.send(format!("{two}\n{two}")).await;
    assert!(peer.text().await.contains("-32700"));
    peer.send("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"pi\nng\"}")
        .await;
    assert!(peer.text().await.contains("-32700"));
}

#[tokio::test]
async fn large_messages_go_both_ways() {
    let served = Served::plain().await;
    let mut peer = served.connect(&[]).await.unwrap();
    peer.send(call(1, "large", r#"{"bytes":1000000}"#)).await;
    let padding = " ".repeat(2_000_000);
    peer.send(format!(
        r#"{{"jsonrpc":"2.0","id":2,{padding}"method":"ping"}}"#
    ))
    .await;
    let (one, two) = (peer.text().await, peer.text().await);
    assert!(one.len() > 1_000_000 && two.contains(r#""id":2"#));
}

#[tokio::test]
async fn what_is_no_text_is_refused() {
    let served = Served::plain().await;
    let mut peer = served.connect(&[]).await.unwrap();
    peer.0
        .send(Message::binary(LIST.as_bytes().to_vec()))
        .await
        .unwrap();
    assert_eq!(peer.close_code().await, CloseCode::Unsupported);
}

#[tokio::test]
async fn what_is_too_long_is_refused_whole_or_in_pieces() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    let limits = Limits {
        max_message: 1000,
        ..Limits::default()
    };
    let ws = WsOptions::default();
    let served = Served::start(server().limits(limits), ServeOptions::default(), ws).await;
    let mut whole = served.connect(&[]).await.unwrap();
    whole.send("x".repeat(1001)).await;
    assert_eq!(whole.close_code().await, CloseCode::Size);
    let mut pieces = served.connect(&[]).await.unwrap();
    for piece in 0..3 {
        let kind = if piece == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        let frame = Frame::message(vec![b'x'; 400], OpCode::Data(kind), false);
        pieces.0.send(Message::Frame(frame)).await.unwrap();
    }
    assert_eq!(pieces.close_code().await, CloseCode::Size);
}

#[tokio::test]
async fn a_frame_without_a_mask_is_a_breach_of_protocol() {
    let served = Served::plain().await;
    let peer = served.connect(&[]).await.unwrap();
    let mut raw = peer.0.into_inner();
    raw.write_all(&[0x81, 2, b'{', b'}']).await.unwrap();
    let mut answer = Vec::new();
    raw.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[0], 0x88);
    assert_eq!(answer[2..4], 1002_u16.to_be_bytes());
}

#[tokio::test]
async fn pings_are_answered_and_a_flood_of_them_is_not() {
    let served = Served::plain().await;
    let mut peer = served.connect(&[]).await.unwrap();
    peer.0
        .send(Message::Ping(b"here?".as_ref().into()))
        .await
        .unwrap();
    let pong = peer.0.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(b"here?".as_ref().into()));
    for _ in 0..100 {
        if peer
            .0
            .send(Message::Ping(b"".as_ref().into()))
            .await
            .is_err()
        {
            break;
        }
    }
    assert_eq!(peer.close_code().await, CloseCode::Policy);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_gone_and_one_that_does_stays() {
    let often = KeepAlive::default().with_interval(Duration::from_millis(200));
    let ws = WsOptions::default().with_keep_alive(often);
    let served = Served::start(server(), ServeOptions::default(), ws).await;
    let mut lively = served.connect(&[]).await.unwrap();
    let silent = served.connect(&[]).await.unwrap();
    let mut raw = silent.0.into_inner();
    let mut heard = Vec::new();
    // Reads what comes and says nothing.
    let end = tokio::time::timeout(Duration::from_secs(30), raw.read_to_end(&mut heard));
    tokio::select! {
        end = end => { end.unwrap().unwrap(); }
        () = lively.gone() => panic!("it had answered"),
    }
    assert_eq!(heard[..2], [0x89, 0], "a ping came first");
    lively.send(LIST).await;
    assert!(lively.text().await.contains("tools"));
}

#[tokio::test]
async fn a_shutdown_answers_what_runs_and_says_that_it_goes_away() {
    let served = Served::plain().await;
    let mut busy = served.connect(&[]).await.unwrap();
    let mut idle = served.connect(&[]).await.unwrap();
    busy.send(call(1, "slow", r#"{"ms":400}"#)).await;
    busy.send(LIST).await;
    busy.text().await;
    let ending = tokio::spawn(served.end());
    assert_eq!(idle.close_code().await, CloseCode::Away);
    assert!(busy.text().await.contains("slept 400"));
    assert_eq!(busy.close_code().await, CloseCode::Away);
    // The rest of the closing handshake is the client's.
    tokio::join!(idle.gone(), busy.gone());
    assert_eq!(ending.await.unwrap().dropped, 0);
}

#[tokio::test]
async fn a_shutdown_has_a_bound() {
    let limits = Limits {
        shutdown_bound: Duration::from_millis(200),
        ..Limits::default()
    };
    let ws = WsOptions::default();
    let served = Served::start(server().limits(limits), ServeOptions::default(), ws).await;
    let mut peer = served.connect(&[]).await.unwrap();
    peer.send(call(1, "slow", r#"{"ms":600000}"#)).await;
    peer.send(LIST).await;
    peer.text().await;
    let ended = tokio::time::timeout(Duration::from_secs(20), served.end()).await;
    assert_eq!(ended.unwrap().dropped, 1);
}

#[tokio::test]
async fn whoever_closes_waits_for_no_call() {
    let options = ServeOptions::default().with_max_connections(1);
    let served = Served::start(server(), options, WsOptions::default()).await;
    let mut first = served.connect(&[]).await.unwrap();
    first.send(call(1, "slow", r#"{"ms":600000}"#)).await;
    first.send(LIST).await;
    first.text().await;
    first.0.close(None).await.unwrap();
    // There is room for it only when the first one is over.
    let second = tokio::time::timeout(Duration::from_secs(4), served.connect(&[])).await;
    assert!(second.unwrap().is_ok());
}

#[tokio::test]
async fn whoever_does_not_read_is_dropped() {
    let options = ServeOptions::default().with_write_stall(Duration::from_millis(300));
    let served = Served::start(server(), options, WsOptions::default()).await;
    let mut peer = served.connect(&[]).await.unwrap();
    for id in 0..40 {
        let request = call(id, "large", r#"{"bytes":1000000}"#);
        if peer.0.feed(Message::text(request)).await.is_err() {
            break;
        }
    }
    let _ = peer.0.flush().await;
    // Without reading: the server is done with it nevertheless.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(served.end().await.dropped, 0);
}

#[tokio::test]
async fn nobody_is_upgraded_whom_the_endpoint_would_not_serve() {
    let served = Served::plain().await;
    let refused = async |name, value| served.connect(&[(name, value)]).await.map(drop);
    assert_eq!(refused("origin", "https://evil.example").await, Err(403));
    assert_eq!(refused("origin", "null").await, Err(403));
    assert_eq!(refused("host", "evil.example").await, Err(403));
    assert_eq!(refused("sec-websocket-protocol", "graphql").await, Err(400));
    assert_eq!(refused("sec-websocket-version", "8").await, Err(426));
    let allowed = HttpOptions::default()
        .with_allowed_origins(["https://app.example"])
        .unwrap();
    let options = ServeOptions::default().with_http(allowed);
    let served = Served::start(server(), options, WsOptions::default()).await;
    let origin = [("origin", "https://app.example")];
    assert!(served.connect(&origin).await.is_ok());
}

#[tokio::test]
async fn a_refusal_of_the_version_names_upgrade_on_the_wire() {
    let served = Served::plain().await;
    let mut raw = TcpStream::connect(served.address).await.unwrap();
    let request = "GET /mcp/ws HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: mcp\r\n\r\n";
    raw.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(raw.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 426 "), "{head}");
    for field in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-version: 13",
    ] {
        assert!(head.lines().any(|line| line == field), "{field}: {head}");
    }
}

#[tokio::test]
async fn a_connection_is_whose_it_was_when_it_was_upgraded() {
    let keys = StaticBearer::new()
        .with_key("an-ordinary-key-1", Principal::new("ada"))
        .with_key(
            "a-very-secret-key",
            Principal::new("eve").with_scopes(["secrets"]),
        );
    let http = HttpOptions::default().with_authenticator(keys);
    let options = ServeOptions::default().with_http(http);
    let served = Served::start(server(), options, WsOptions::default()).await;
    assert_eq!(served.connect(&[]).await.map(drop), Err(401));
    let wrong = [("authorization", "Bearer wrong-key-altogether")];
    assert_eq!(served.connect(&wrong).await.map(drop), Err(401));
    let list = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let mut peer = served.connect(&[("authorization", &bearer)]).await.unwrap();
        peer.send(LIST).await;
        let listed = peer.text().await.contains(r#""secret""#);
        peer.send(call(1, "secret", "{}")).await;
        (listed, peer.text().await.contains("forty-two"))
    };
    assert_eq!(list("an-ordinary-key-1").await, (false, false));
    assert_eq!(list("a-very-secret-key").await, (true, true));
}

#[tokio::test]
async fn http_is_served_beside_it() {
    let served = Served::plain().await;
    let mut raw = TcpStream::connect(served.address).await.unwrap();
    let request = "GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    raw.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    raw.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}
