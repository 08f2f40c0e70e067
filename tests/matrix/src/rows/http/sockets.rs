//! What only a socket shows: bytes that come slowly, wrongly counted, for ever, or not at all.

use std::time::Duration;

use mcp_driver_tokio::http::{ServeOptions, serve};
use mcp_server::proto::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::*;

/// Longer than any deadline of these rows, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves a fixture on a port of its own. Small buffers, so that a peer that does not read is noticed.
fn served(fixture: &Fixture, options: ServeOptions) -> std::net::SocketAddr {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .set_send_buffer_size(8 << 10)
        .expect("a small buffer");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let listener = socket.listen(16).expect("a listener");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(
        listener,
        fixture.service.clone(),
        options,
        std::future::pending(),
    ));
    address
}

fn head(address: std::net::SocketAddr, message: &Value, more: &str) -> String {
    let name = message["params"]["name"]
        .as_str()
        .map(|name| format!("mcp-name: {name}\r\n"))
        .unwrap_or_default();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: {MODERN}\r\n\
         mcp-method: {}\r\n{name}{more}\r\n",
        message["method"].as_str().expect("a method"),
    )
}

fn echo() -> Value {
    modern(
        1,
        "tools/call",
        json!({ "name": "echo", "arguments": { "text": "x" } }),
    )
}

/// Everything until the server closes, which it must do.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is a way of closing, too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn row_54_a_length_that_promises_more_than_comes() {
    let fixture = Fixture::new();
    let address = served(&fixture, ServeOptions::default());
    let body = echo().to_string();
    let more = format!("content-length: {}\r\n", body.len() + 10);
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let text = head(address, &echo(), &more) + &body;
    stream.write_all(text.as_bytes()).await.expect("written");
    stream.shutdown().await.expect("half closed");
    let answer = until_closed(&mut stream).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(fixture.seen.started(), 0, "half of a message ran");
}

#[tokio::test]
async fn row_54_a_length_that_promises_less_than_comes() {
    let fixture = Fixture::new();
    let address = served(&fixture, ServeOptions::default());
    // The rest is no second message: whoever stands before the server counted otherwise.
    for more in [
        "content-length: 2\r\n".to_owned(),
        format!(
            "content-length: 2\r\ncontent-length: {}\r\n",
            echo().to_string().len()
        ),
        "content-length: 2\r\ntransfer-encoding: chunked\r\n".to_owned(),
        "content-length: -1\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let text = head(address, &echo(), &more) + &echo().to_string();
        stream.write_all(text.as_bytes()).await.expect("written");
        stream.shutdown().await.expect("half closed");
        let answer = until_closed(&mut stream).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{more}: {answer}"
        );
        assert!(!answer.contains("HTTP/1.1 200"), "{more}: {answer}");
    }
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn row_54_chunks_for_ever() {
    let limits = Limits {
        max_message: 100_000,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    let address = served(&fixture, ServeOptions::default());
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let text = head(address, &echo(), "transfer-encoding: chunked\r\n");
    stream.write_all(text.as_bytes()).await.expect("written");
    let chunk = format!("{:x}\r\n{}\r\n", 4096, " ".repeat(4096));
    let (mut reader, mut writer) = stream.split();
    let mut answer = [0; 64];
    let mut sent = 0_usize;
    let status = async {
        reader
            .read_exact(&mut answer[..12])
            .await
            .expect("a status before the end");
    };
    let endless = async {
        // Far more than kernel buffers hold, if somebody reads it.
        while sent < 64 << 20 && writer.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        std::future::pending::<()>().await;
    };
    tokio::time::timeout(PATIENCE, async {
        tokio::select! { () = status => {}, () = endless => {} }
    })
    .await
    .expect("a refusal in time");
    assert_eq!(&answer[..12], b"HTTP/1.1 413");
    assert!(sent < 32 << 20, "{sent} bytes were read");
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn row_55_a_head_that_trickles() {
    let fixture = Fixture::new();
    let options = ServeOptions::default().with_head_deadline(Duration::from_millis(300));
    let address = served(&fixture, options);
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let (mut reader, mut writer) = stream.split();
    let text = head(address, &echo(), "");
    let trickle = async {
        for byte in text.bytes().cycle() {
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut seen = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        tokio::select! { _ = reader.read_to_end(&mut seen) => {}, () = trickle => {} }
    })
    .await
    .expect("the server closes");
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn row_55_a_body_that_trickles() {
    let fixture = Fixture::new();
    let options = ServeOptions::default().with_body_deadline(Duration::from_millis(300));
    let address = served(&fixture, options);
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let text = head(address, &echo(), "content-length: 100000\r\n");
    stream.write_all(text.as_bytes()).await.expect("written");
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        while writer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut seen = [0; 12];
    tokio::time::timeout(PATIENCE, async {
        tokio::select! { read = reader.read_exact(&mut seen) => { read.expect("a status"); }, () = trickle => {} }
    })
    .await
    .expect("the server gives up");
    assert_eq!(&seen, b"HTTP/1.1 408");
    assert_eq!(fixture.seen.started(), 0);
}

/// Opens a connection whose peer takes next to nothing, sends `message`, and reads until `wanted`.
async fn half_open(address: std::net::SocketAddr, message: &Value, wanted: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .set_recv_buffer_size(4 << 10)
        .expect("a small buffer");
    let mut stream = socket.connect(address).await.expect("connected");
    let body = message.to_string();
    let text = head(
        address,
        message,
        &format!("content-length: {}\r\n", body.len()),
    ) + &body;
    stream.write_all(text.as_bytes()).await.expect("written");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(wanted) {
        let mut chunk = [0; 256];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut chunk))
            .await
            .expect("an answer in time")
            .expect("an answer");
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..read]);
    }
    stream
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect(what);
}

#[tokio::test]
async fn row_55_a_reader_that_reads_no_more_loses_its_stream_only() {
    let fixture = Fixture::new();
    let options = ServeOptions::default().with_write_stall(Duration::from_millis(300));
    let address = served(&fixture, options);
    let uris: Vec<String> = (0..200)
        .map(|n| format!("test://{n}/{}", "x".repeat(1_000)))
        .collect();
    let filter = json!({ "notifications": { "resourceSubscriptions": uris } });
    let listen = modern(1, "subscriptions/listen", filter);
    // Both are acknowledged; then one reads no more.
    let _stalled = half_open(address, &listen, "acknowledged").await;
    let small = json!({ "notifications": { "toolsListChanged": true } });
    let mut good = half_open(
        address,
        &modern(1, "subscriptions/listen", small),
        "acknowledged",
    )
    .await;
    eventually("two listeners", || fixture.service.hub().listeners() == 2).await;
    let noise = async {
        loop {
            for uri in &uris {
                fixture.service.notify_resource_updated(uri);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = noise => {}
        () = eventually("one listener", || fixture.service.hub().listeners() == 1) => {}
    }
    fixture
        .service
        .tools()
        .add(crate::fixture::visitor())
        .expect("a new name");
    let mut chunk = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, good.read(&mut chunk))
        .await
        .expect("in time")
        .expect("readable");
    let text = String::from_utf8_lossy(&chunk[..read]).into_owned();
    assert!(text.contains("list_changed"), "{text}");
}

#[tokio::test]
async fn row_57_a_peer_that_vanished_is_found_out() {
    let limits = Limits {
        keep_alive: Duration::from_millis(1),
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    let options = ServeOptions::default()
        .with_head_deadline(Duration::from_millis(300))
        .with_body_deadline(Duration::from_millis(300))
        .with_write_stall(Duration::from_millis(300));
    let address = served(&fixture, options);
    // It never says anything again and never closes: at each place the server must close by itself.
    let mut before_the_head = TcpStream::connect(address).await.expect("connected");
    until_closed(&mut before_the_head).await;
    let mut in_the_body = TcpStream::connect(address).await.expect("connected");
    let text = head(address, &echo(), "content-length: 100\r\n") + "{";
    in_the_body
        .write_all(text.as_bytes())
        .await
        .expect("written");
    let answer = until_closed(&mut in_the_body).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // On a listen stream the signs of life are what fails to be delivered.
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern(1, "subscriptions/listen", filter);
    let _vanished = half_open(address, &listen, "acknowledged").await;
    assert_eq!(fixture.service.hub().listeners(), 1);
    eventually("no listener", || fixture.service.hub().listeners() == 0).await;
    // And during a call.
    let wait = modern(
        1,
        "tools/call",
        json!({ "name": "wait", "arguments": { "ms": 600_000 } }),
    );
    let _vanished = half_open(address, &wait, "text/event-stream").await;
    assert_eq!(fixture.seen.started(), 1);
    eventually("no call", || fixture.seen.cancelled() == 1).await;
}
