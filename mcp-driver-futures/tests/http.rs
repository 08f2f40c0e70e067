//! Streamable HTTP over TCP, on every platform, with a client that writes its requests by hand.

#![cfg(feature = "http")]

mod common;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use futures_lite::future::zip;
use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
use mcp_driver_futures::http::{HttpOptions, Report, ServeOptions, serve_incoming};
use mcp_driver_futures::{AsyncIo, ListenAddress, Platform};
use mcp_server::Server;
use mcp_testkit::stream::{INITIALIZE, call, slow};
use smol::Async;

use common::{Host, hasty};

fn server() -> Server {
    Server::new("http", "1.0.0").tool(slow)
}

fn modern(id: u32, ms: u64) -> String {
    let body = call(id, "slow", &format!(r#"{{"ms":{ms}}}"#));
    let length = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: tools/call\r\nmcp-name: slow\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn initialize() -> String {
    let body = INITIALIZE;
    let length = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
}

struct Client(Async<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(Async::<TcpStream>::connect(address).await.unwrap())
    }

    async fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Reads until `end` has come. All that came, or what came before the connection ended.
    async fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&all);
            if text.contains(end) {
                return text.into_owned();
            }
            let mut more = [0; 4096];
            match self.0.read(&mut more).await {
                Ok(read) if read > 0 => all.extend_from_slice(&more[..read]),
                _ => return String::from_utf8_lossy(&all).into_owned(),
            }
        }
    }

    async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]).await, Ok(0) | Err(_))
    }
}

async fn with(
    platform: impl Platform,
    server: Server,
    options: ServeOptions,
    client: impl AsyncFnOnce(SocketAddr, Box<dyn FnOnce()>),
) -> Report {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    let (ask, asked) = async_channel::bounded::<()>(1);
    let at = ListenAddress::Tcp(address);
    let served = serve_incoming(platform, at, listener.incoming(), server, options, async {
        let _ = asked.recv().await;
    });
    let end: Box<dyn FnOnce()> = Box::new(move || drop(ask));
    zip(served, client(address, end)).await.0.unwrap()
}

/// The same as it is by default.
async fn serving(
    platform: impl Platform,
    server: Server,
    client: impl AsyncFnOnce(SocketAddr, Box<dyn FnOnce()>),
) -> Report {
    with(platform, server, ServeOptions::default(), client).await
}

async fn both_eras_are_served_on_one_connection(platform: impl Platform) {
    let report = serving(platform, server(), async |address, end| {
        let mut client = Client::connect(address).await;
        client.send(&modern(1, 1)).await;
        let answer = client.until("slept 1").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        client.send(&initialize()).await;
        let answer = client.until(r#""protocolVersion":"2025-11-25""#).await;
        assert!(answer.contains("mcp-session-id: "), "{answer}");
        client.send(&get("/livez")).await;
        client.until("ok\n").await;
        end();
        assert!(client.is_closed().await);
    })
    .await;
    assert_eq!(report.dropped, 0);
}

async fn a_call_that_runs_at_the_end_is_answered(platform: impl Platform) {
    let report = serving(platform, server(), async |address, end| {
        let mut client = Client::connect(address).await;
        // Its head is sent when the answer takes too long for one piece: then it is known to run.
        client.send(&modern(1, 1500)).await;
        client.until("text/event-stream").await;
        end();
        client.until("slept 1500").await;
        assert!(client.is_closed().await);
    })
    .await;
    assert_eq!(report.dropped, 0);
}

async fn the_end_has_a_bound_and_says_who_was_cut_off(platform: impl Platform) {
    let report = serving(platform, hasty(server()), async |address, end| {
        let mut client = Client::connect(address).await;
        client.send(&modern(1, 600_000)).await;
        client.until("text/event-stream").await;
        end();
        assert!(!client.until("slept").await.contains("slept"));
    })
    .await;
    assert_eq!(report.dropped, 1);
}

async fn a_lame_duck_is_not_ready_and_serves(platform: impl Platform) {
    let options = ServeOptions::default().with_lame_duck(Duration::from_secs(1));
    with(platform, server(), options, async |address, end| {
        let mut client = Client::connect(address).await;
        client.send(&get("/readyz")).await;
        assert!(client.until("\r\n\r\n").await.contains(" 200 "));
        end();
        let mut late = Client::connect(address).await;
        late.send(&get("/readyz")).await;
        let answer = late.until("not ready\n").await;
        assert!(answer.contains(" 503 "), "{answer}");
        late.send(&modern(1, 1)).await;
        assert!(late.until("slept 1").await.contains("slept 1"));
    })
    .await;
}

async fn foreign_origins_are_refused(platform: impl Platform) {
    serving(platform, server(), async |address, end| {
        let mut client = Client::connect(address).await;
        let foreign = modern(1, 1).replacen("\r\n", "\r\norigin: https://evil.example\r\n", 1);
        client.send(&foreign).await;
        assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 403 "));
        end();
    })
    .await;
}

async fn nobody_is_served_from_elsewhere_without_authentication(platform: impl Platform) {
    let at = ListenAddress::Tcp(([0, 0, 0, 0], 1).into());
    let nobody = futures_lite::stream::empty::<io::Result<Async<TcpStream>>>();
    let options = ServeOptions::default().with_http(HttpOptions::default());
    let done = std::future::ready(());
    let refused = serve_incoming(platform, at, nobody, server(), options, done).await;
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}

on_every_platform!(
    both_eras_are_served_on_one_connection,
    a_call_that_runs_at_the_end_is_answered,
    the_end_has_a_bound_and_says_who_was_cut_off,
    a_lame_duck_is_not_ready_and_serves,
    foreign_origins_are_refused,
    nobody_is_served_from_elsewhere_without_authentication,
);

#[test]
fn async_ios_own_listener_is_served() {
    let smol = AsyncIo::default();
    smol.run(async {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let (ask, asked) = async_channel::bounded::<()>(1);
        let asked = async {
            let _ = asked.recv().await;
        };
        let options = ServeOptions::default();
        let served =
            mcp_driver_futures::http::serve_tcp(smol.clone(), listener, server(), options, asked);
        let (served, ()) = zip(served, async {
            let mut client = Client::connect(address).await;
            client.send(&modern(1, 1)).await;
            client.until("slept 1").await;
            drop(ask);
        })
        .await;
        served.unwrap();
    });
}
