//! Listeners of TCP and Unix sockets, on every platform.

mod common;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use futures_lite::future::zip;
use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use mcp_driver_futures::{AsyncIo, ListenAddress, ListenOptions, Platform, serve_incoming};
use mcp_server::Server;
use mcp_testkit::stream::{DISCOVER, call, slow};
use smol::Async;

use common::{Host, hasty};

fn server() -> Server {
    Server::new("listen", "1.0.0").tool(slow)
}

fn bind() -> (Async<TcpListener>, SocketAddr) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    (listener, address)
}

struct Client(BufReader<Async<TcpStream>>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(
            Async::<TcpStream>::connect(address).await.unwrap(),
        ))
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line
    }

    async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]).await, Ok(0) | Err(_))
    }
}

/// Serves until the client is done, and lets it go on while that ends.
async fn with<P: Platform>(
    platform: P,
    server: Server,
    options: ListenOptions,
    client: impl AsyncFnOnce(SocketAddr, Box<dyn FnOnce()>),
) {
    let (listener, address) = bind();
    let (ask, asked) = async_channel::bounded::<()>(1);
    let at = ListenAddress::Tcp(address);
    let served = serve_incoming(platform, at, listener.incoming(), server, options, async {
        let _ = asked.recv().await;
    });
    let end: Box<dyn FnOnce()> = Box::new(move || drop(ask));
    let (served, ()) = zip(served, client(address, end)).await;
    served.unwrap();
}

/// The same as it is by default.
async fn serving(
    platform: impl Platform,
    server: Server,
    client: impl AsyncFnOnce(SocketAddr, Box<dyn FnOnce()>),
) {
    with(platform, server, ListenOptions::default(), client).await;
}

async fn every_connection_is_served_and_none_disturbs_another(platform: impl Platform) {
    serving(platform, server(), async |address, end| {
        let mut one = Client::connect(address).await;
        let mut two = Client::connect(address).await;
        one.send(&call(1, "slow", r#"{"ms":300}"#)).await;
        let gone = Client::connect(address).await;
        drop(gone);
        two.send(DISCOVER).await;
        assert!(two.line().await.contains("supportedVersions"));
        assert!(one.line().await.contains("slept 300"));
        end();
        assert!(one.is_closed().await && two.is_closed().await);
    })
    .await;
}

async fn a_shutdown_lets_what_runs_finish(platform: impl Platform) {
    serving(platform, server(), async |address, end| {
        let mut client = Client::connect(address).await;
        client.send(&call(1, "slow", r#"{"ms":300}"#)).await;
        client.send(DISCOVER).await;
        client.line().await;
        end();
        assert!(client.line().await.contains("slept 300"));
        assert!(client.is_closed().await);
    })
    .await;
}

async fn a_shutdown_has_a_bound(platform: impl Platform) {
    serving(platform, hasty(server()), async |address, end| {
        let mut client = Client::connect(address).await;
        client.send(&call(1, "slow", r#"{"ms":600000}"#)).await;
        client.send(DISCOVER).await;
        client.line().await;
        end();
        assert!(client.is_closed().await);
    })
    .await;
}

async fn beyond_the_limit_a_peer_waits_for_its_turn(platform: impl Platform) {
    let mut options = ListenOptions::default();
    options.max_connections = 1;
    with(platform, server(), options, async |address, end| {
        let mut first = Client::connect(address).await;
        first.send(DISCOVER).await;
        first.line().await;
        let mut second = Client::connect(address).await;
        second.send(DISCOVER).await;
        first.send(&call(1, "slow", r#"{"ms":200}"#)).await;
        let waits = async {
            assert!(first.line().await.contains("slept"));
            drop(first);
            1
        };
        let answered = async {
            second.line().await;
            2
        };
        // Whichever comes first.
        assert_eq!(futures_lite::future::or(waits, answered).await, 1);
        end();
    })
    .await;
}

async fn dropping_the_listener_drops_its_connections(platform: impl Platform) {
    let (listener, address) = bind();
    let at = ListenAddress::Tcp(address);
    let never = std::future::pending();
    let options = ListenOptions::default();
    let mut client = None;
    let served = serve_incoming(platform, at, listener.incoming(), server(), options, never);
    let talk = async {
        let mut connected = Client::connect(address).await;
        connected.send(&call(1, "slow", r#"{"ms":600000}"#)).await;
        connected.send(DISCOVER).await;
        connected.line().await;
        client = Some(connected);
        Ok(())
    };
    futures_lite::future::or(served, talk).await.unwrap();
    assert!(client.unwrap().is_closed().await);
}

async fn a_listener_that_ends_lets_everybody_finish(platform: impl Platform) {
    let (listener, address) = bind();
    let at = ListenAddress::Tcp(address);
    let never = std::future::pending();
    let options = ListenOptions::default();
    let one = futures_lite::StreamExt::take(listener.incoming(), 1);
    let served = serve_incoming(platform, at, one, server(), options, never);
    let (served, ()) = zip(served, async {
        let mut client = Client::connect(address).await;
        client.send(&call(1, "slow", r#"{"ms":50}"#)).await;
        assert!(client.line().await.contains("slept"));
    })
    .await;
    served.unwrap();
}

async fn nobody_is_served_from_elsewhere_unless_somebody_said_so(platform: impl Platform) {
    let at = ListenAddress::Tcp(([0, 0, 0, 0], 1).into());
    let nobody = futures_lite::stream::empty::<io::Result<Async<TcpStream>>>();
    let done = std::future::ready(());
    let options = ListenOptions::default();
    let refused = serve_incoming(platform.clone(), at, nobody, server(), options, done).await;
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    let nobody = futures_lite::stream::empty::<io::Result<Async<TcpStream>>>();
    let mut open = ListenOptions::default();
    open.allow_remote = true;
    let done = std::future::ready(());
    serve_incoming(platform, at, nobody, server(), open, done)
        .await
        .unwrap();
}

on_every_platform!(
    every_connection_is_served_and_none_disturbs_another,
    a_shutdown_lets_what_runs_finish,
    a_shutdown_has_a_bound,
    beyond_the_limit_a_peer_waits_for_its_turn,
    dropping_the_listener_drops_its_connections,
    a_listener_that_ends_lets_everybody_finish,
    nobody_is_served_from_elsewhere_unless_somebody_said_so,
);

async fn shutdown_of(client: impl Future<Output = ()>, ask: async_channel::Sender<()>) {
    client.await;
    drop(ask);
}

#[test]
fn async_ios_own_tcp_listener_is_served() {
    let smol = AsyncIo::default();
    smol.run(async {
        let (listener, address) = bind();
        let (ask, asked) = async_channel::bounded::<()>(1);
        let asked = async {
            let _ = asked.recv().await;
        };
        let options = ListenOptions::default();
        let served =
            mcp_driver_futures::serve_tcp(smol.clone(), listener, server(), options, asked);
        let client = async {
            let mut client = Client::connect(address).await;
            client.send(DISCOVER).await;
            assert!(client.line().await.contains("supportedVersions"));
        };
        let (served, ()) = zip(served, shutdown_of(client, ask)).await;
        served.unwrap();
    });
}

#[cfg(unix)]
#[test]
fn async_ios_own_unix_listener_is_served() {
    use std::os::unix::net::{UnixListener, UnixStream};

    let path = std::env::temp_dir().join(format!("mcp-futures-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let smol = AsyncIo::default();
    smol.run(async {
        let listener = Async::<UnixListener>::bind(&path).unwrap();
        let (ask, asked) = async_channel::bounded::<()>(1);
        let asked = async {
            let _ = asked.recv().await;
        };
        let options = ListenOptions::default();
        let served =
            mcp_driver_futures::serve_unix(smol.clone(), listener, server(), options, asked);
        let client = async {
            let stream = Async::<UnixStream>::connect(&path).await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.write_all(DISCOVER.as_bytes()).await.unwrap();
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            assert!(line.contains("supportedVersions"), "{line}");
        };
        let (served, ()) = zip(served, shutdown_of(client, ask)).await;
        served.unwrap();
    });
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn async_std_s_own_listener_is_served() {
    use async_std::os::unix::net::UnixListener;

    let path = std::env::temp_dir().join(format!("mcp-async-std-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let host = common::AsyncStd;
    host.run(async {
        let listener = UnixListener::bind(&path).await.unwrap();
        let (ask, asked) = async_channel::bounded::<()>(1);
        let asked = async {
            let _ = asked.recv().await;
        };
        let (at, options) = (ListenAddress::Local, ListenOptions::default());
        let incoming = listener.incoming();
        let served = serve_incoming(host.clone(), at, incoming, server(), options, asked);
        let client = async {
            let stream = async_std::os::unix::net::UnixStream::connect(&path).await;
            let mut stream = BufReader::new(stream.unwrap());
            stream.write_all(DISCOVER.as_bytes()).await.unwrap();
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            assert!(line.contains("supportedVersions"), "{line}");
        };
        let (served, ()) = zip(served, shutdown_of(client, ask)).await;
        served.unwrap();
    });
    std::fs::remove_file(&path).unwrap();
}
