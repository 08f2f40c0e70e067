//! Cancellation, timing, progress, logging and subscriptions.

use std::time::Duration;

use mcp_driver_tokio::{Ended, StreamOptions, serve_io_until};
use mcp_server::proto::limits::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::fixture::{Fixture, visitor};
use crate::http::{Http, Post};
use crate::stdio::{LEGACY, MODERN, Stdio, legacy, meta, modern};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn cancel(id: impl Into<Value>) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id.into(), "reason": "enough" } })
}

fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    modern(
        id,
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    )
}

fn listen(id: impl Into<Value>, filter: Value) -> Value {
    modern(
        id,
        "subscriptions/listen",
        json!({ "notifications": filter }),
    )
}

/// A client of each era.
async fn both(fixture: &Fixture) -> [Stdio; 2] {
    [
        Stdio::open(&fixture.service),
        Stdio::initialized(&fixture.service, "2025-11-25").await,
    ]
}

fn in_era(client: &Stdio, id: i64, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    if client.sent.revision == MODERN {
        modern(id, "tools/call", params)
    } else {
        legacy(id, "tools/call", params)
    }
}

async fn settled(mut condition: impl FnMut() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to that");
}

#[tokio::test]
async fn row_64_a_cancelled_call_is_not_answered() {
    let fixture = Fixture::new();
    for (round, mut client) in both(&fixture).await.into_iter().enumerate() {
        client
            .send(&in_era(&client, 1, "wait", json!({ "ms": 60_000 })))
            .await;
        settled(|| fixture.seen.started() == round + 1).await;
        client.send(&cancel(1)).await;
        client.send(&cancel(1)).await;
        settled(|| fixture.seen.cancelled() == round + 1).await;
        client.quiet().await;
    }
}

#[tokio::test]
async fn row_64_cancels_that_mean_nothing() {
    let fixture = Fixture::new();
    for mut client in both(&fixture).await {
        // Before its request, after its answer, unknown, of another type, and malformed.
        client.send(&cancel(7)).await;
        let answer = client
            .ask(&in_era(&client, 7, "echo", json!({ "text": "x" })))
            .await;
        assert_eq!(answer["result"]["content"][0]["text"], "x");
        client.send(&cancel(7)).await;
        client.send(&cancel("7")).await;
        for params in [
            "{}",
            r#"{"requestId":null}"#,
            r#"{"requestId":[1]}"#,
            r#"{"requestId":1.5}"#,
        ] {
            client
                .line(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#
                ))
                .await;
        }
        client
            .line(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#)
            .await;
        client.quiet().await;
    }
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    assert_eq!(http.send(&session.post(&cancel(99))).await.status, 202);
}

#[tokio::test]
async fn row_64_a_cancel_over_http_ends_a_legacy_call() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let post = session.post(&legacy(
        5,
        "tools/call",
        json!({ "name": "wait", "arguments": { "ms": 60_000 } }),
    ));
    let stream = http.open(&post).await;
    let cancel = session.post(&cancel(5));
    let (answer, accepted) = tokio::join!(stream.rest(), http.send(&cancel));
    assert_eq!(accepted.status, 202);
    assert!(
        answer
            .messages
            .iter()
            .all(|message| message.get("result").is_none())
    );
    assert_eq!((fixture.seen.cancelled(), fixture.seen.finished()), (1, 0));
    assert_eq!(http.endpoint.server().calls(), 0);
}

#[tokio::test]
async fn row_65_a_cancel_that_crosses_the_answer() {
    let fixture = Fixture::new();
    for mut client in both(&fixture).await {
        for id in 0..50 {
            client
                .send(&in_era(&client, id, "wait", json!({ "ms": id % 3 })))
                .await;
            client.send(&cancel(id)).await;
        }
        // Each is answered once or not at all; the connection is in order afterwards.
        let mut answers = Vec::new();
        let last = in_era(&client, 1_000, "wait", json!({ "ms": 50 }));
        client.send(&last).await;
        loop {
            let answer = client.next().await;
            if answer["id"] == 1_000 {
                break;
            }
            answers.push(answer["id"].as_i64().expect("an id"));
        }
        let count = answers.len();
        answers.dedup();
        assert_eq!(answers.len(), count);
        client.quiet().await;
    }
}

#[tokio::test]
async fn row_68_cancels_are_handled_while_every_place_is_taken() {
    let limits = Limits {
        max_calls: 8,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    for (round, mut client) in both(&fixture).await.into_iter().enumerate() {
        for id in 1..=8 {
            client
                .send(&in_era(&client, id, "wait", json!({ "ms": 60_000 })))
                .await;
        }
        let refused = client
            .ask(&in_era(&client, 9, "echo", json!({ "text": "x" })))
            .await;
        assert_eq!(refused["error"]["code"], -32603, "{refused}");
        for _ in 0..100 {
            for id in 1..=8 {
                client.send(&cancel(id)).await;
            }
        }
        let answer = client
            .ask(&in_era(&client, 10, "echo", json!({ "text": "x" })))
            .await;
        assert_eq!(answer["result"]["content"][0]["text"], "x");
        assert_eq!(fixture.seen.cancelled(), 8 * (round + 1));
    }
}

#[tokio::test]
async fn row_69_a_handler_that_panics_hurts_nobody_else() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for mut client in both(&fixture).await {
        client
            .send(&in_era(&client, 1, "wait", json!({ "ms": 200 })))
            .await;
        let answer = client.ask(&in_era(&client, 2, "panics", json!({}))).await;
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert!(!answer.to_string().contains("secret"), "{answer}");
        assert_eq!(
            client.answer_to(&json!(1)).await["result"]["content"][0]["text"],
            "waited"
        );
    }
    let answer = http.call("panics", json!({})).await;
    assert_eq!(answer.code(), -32603);
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    assert_eq!(http.call("echo", json!({ "text": "x" })).await.status, 200);
}

#[tokio::test]
async fn row_70_progress_only_grows_and_only_when_asked_for() {
    let fixture = Fixture::new();
    for mut client in both(&fixture).await {
        for token in [json!("t"), json!(17), json!("")] {
            let mut request = in_era(&client, 1, "report", json!({}));
            request["params"]["_meta"]["progressToken"] = token.clone();
            client.send(&request).await;
            let mut last = 0.0;
            let mut seen = 0;
            loop {
                let message = client.next().await;
                if message["method"] != "notifications/progress" {
                    assert_eq!(
                        message["result"]["content"][0]["text"], "reported",
                        "{message}"
                    );
                    break;
                }
                assert_eq!(message["params"]["progressToken"], token);
                let progress = message["params"]["progress"].as_f64().expect("a number");
                assert!(progress > last, "{progress} after {last}");
                last = progress;
                seen += 1;
            }
            assert!(seen >= 2, "{seen}");
        }
        let answer = client.ask(&in_era(&client, 2, "report", json!({}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], "reported");
        client.quiet().await;
    }
}

#[tokio::test]
async fn row_70_progress_over_http_comes_on_the_calls_own_stream() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut request = call(1, "report", json!({}));
    request["params"]["_meta"]["progressToken"] = json!("mine");
    let answer = http.send(&Post::modern(&request)).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let progress: Vec<f64> = answer
        .messages
        .iter()
        .filter_map(|message| message["params"]["progress"].as_f64())
        .collect();
    assert!(
        progress.len() >= 2 && progress.windows(2).all(|pair| pair[0] < pair[1]),
        "{progress:?}"
    );
    assert_eq!(answer.last()["result"]["content"][0]["text"], "reported");
}

#[tokio::test]
async fn row_72_the_acknowledgment_comes_first_and_the_filter_holds() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    client
        .send(&listen("a", json!({ "toolsListChanged": true })))
        .await;
    client
        .send(&listen(
            "b",
            json!({ "resourceSubscriptions": ["test://text"], "promptsListChanged": true }),
        ))
        .await;
    for id in ["a", "b"] {
        let acknowledged = client.next().await;
        assert_eq!(
            acknowledged["method"], "notifications/subscriptions/acknowledged",
            "{acknowledged}"
        );
        assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], id);
    }
    fixture.service.tools().add(visitor()).expect("a new name");
    let changed = client.next().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"][SUBSCRIPTION], "a");
    fixture.service.notify_resource_updated("test://other");
    fixture.service.notify_resource_updated("test://text");
    let updated = client.next().await;
    assert_eq!(updated["params"]["uri"], "test://text");
    assert_eq!(updated["params"]["_meta"][SUBSCRIPTION], "b");
    // Unsubscribed, nothing comes.
    client.send(&cancel("a")).await;
    client.send(&cancel("b")).await;
    client.quiet().await;
    fixture.service.tools().remove("visitor");
    fixture.service.notify_resource_updated("test://text");
    client.quiet().await;
}

#[tokio::test]
async fn row_72_a_listen_stream_over_http() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut stream = http
        .open(&Post::modern(&listen(
            9,
            json!({ "toolsListChanged": true }),
        )))
        .await;
    assert!(stream.is_events());
    let acknowledged = stream.next().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    assert_eq!(
        acknowledged["params"]["notifications"],
        json!({ "toolsListChanged": true })
    );
    assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], 9);
    for _ in 0..3 {
        fixture.service.tools().add(visitor()).expect("a new name");
        assert_eq!(
            stream.next().await["method"],
            "notifications/tools/list_changed"
        );
        fixture.service.tools().remove("visitor");
        assert_eq!(
            stream.next().await["method"],
            "notifications/tools/list_changed"
        );
    }
    assert_eq!(http.endpoint.server().streams(), 1);
    drop(stream);
    assert_eq!(http.endpoint.server().streams(), 0);
}

#[tokio::test]
async fn row_72_many_updates_of_one_resource_are_one_message() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut stream = http
        .open(&Post::modern(&listen(
            9,
            json!({ "resourceSubscriptions": ["test://text"] }),
        )))
        .await;
    stream.next().await;
    for _ in 0..1_000 {
        fixture.service.notify_resource_updated("test://text");
    }
    let mut seen = 0;
    while let Ok(Some(event)) =
        tokio::time::timeout(Duration::from_millis(100), stream.event()).await
    {
        seen += usize::from(event.message.is_some());
    }
    assert!((1..=2).contains(&seen), "{seen} messages");
}

#[tokio::test]
async fn row_73_a_graceful_end_completes_listen_streams_over_http() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut stream = http
        .open(&Post::modern(&listen(
            9,
            json!({ "toolsListChanged": true }),
        )))
        .await;
    stream.next().await;
    http.endpoint.shutdown();
    let rest = stream.rest().await;
    let last = rest.last();
    assert_eq!(
        (&last["id"], &last["result"]["resultType"]),
        (&json!(9), &json!("complete"))
    );
    assert_eq!(last["result"]["_meta"][SUBSCRIPTION], 9);
    assert_eq!(http.modern(1, "tools/list", json!({})).await.status, 503);
}

#[tokio::test]
async fn row_73_a_graceful_end_completes_listen_streams_on_a_stream() {
    let fixture = Fixture::new();
    let (mut input, server_input) = tokio::io::duplex(1 << 16);
    let (server_output, output) = tokio::io::duplex(1 << 16);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let service = fixture.service.clone();
    let server = tokio::spawn(serve_io_until(
        service,
        server_input,
        server_output,
        StreamOptions::default(),
        shutdown,
    ));
    let mut lines = BufReader::new(output).lines();
    let request = listen("l", json!({ "toolsListChanged": true })).to_string();
    input
        .write_all(format!("{request}\n").as_bytes())
        .await
        .expect("written");
    let acknowledged = lines.next_line().await.expect("read").expect("a line");
    assert!(acknowledged.contains("acknowledged"), "{acknowledged}");
    stop.send(()).expect("the server waits");
    let completed: Value =
        serde_json::from_str(&lines.next_line().await.expect("read").expect("a line"))
            .expect("JSON");
    assert_eq!(
        (&completed["id"], &completed["result"]["resultType"]),
        (&json!("l"), &json!("complete")),
        "{completed}"
    );
    // On this transport the cancelled notice follows: the specification's pages disagree, and clients accept both.
    if let Some(line) = lines.next_line().await.expect("read") {
        let notice: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&notice["method"], &notice["params"]["requestId"]),
            (&json!("notifications/cancelled"), &json!("l"))
        );
    }
    assert_eq!(
        server.await.expect("no panic").expect("no error"),
        Ended::Shutdown
    );
}

#[tokio::test]
async fn row_74_nothing_is_logged_without_a_level() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut client = Stdio::open(&fixture.service);
    client.call("talk", json!({})).await;
    client.quiet().await;
    assert_eq!(http.call("talk", json!({})).await.messages.len(), 1);
    for (level, expected) in [
        ("debug", 3),
        ("info", 2),
        ("warning", 2),
        ("error", 1),
        ("emergency", 1),
    ] {
        let mut meta = meta();
        meta["io.modelcontextprotocol/logLevel"] = json!(level);
        let request = modern(
            1,
            "tools/call",
            json!({ "name": "talk", "arguments": {}, "_meta": meta }),
        );
        let answer = http.send(&Post::modern(&request)).await;
        let logs = answer
            .messages
            .iter()
            .filter(|message| message["method"] == "notifications/message")
            .count();
        assert_eq!(logs, expected, "{level}");
        client.send(&request).await;
        for _ in 0..expected {
            assert_eq!(client.next().await["method"], "notifications/message");
        }
        assert!(client.next().await.get("result").is_some());
    }
    // One request's level is no other's.
    client.call("talk", json!({})).await;
    client.quiet().await;
    let mut meta = meta();
    meta["io.modelcontextprotocol/logLevel"] = json!("loud");
    let request = modern(
        2,
        "tools/call",
        json!({ "name": "talk", "arguments": {}, "_meta": meta }),
    );
    assert_eq!(client.ask(&request).await["error"]["code"], -32602);
}

#[tokio::test]
async fn row_74_the_level_of_a_legacy_connection() {
    let fixture = Fixture::new();
    for revision in LEGACY {
        let mut client = Stdio::initialized(&fixture.service, revision).await;
        assert_eq!(
            client
                .request("logging/setLevel", json!({ "level": "error" }))
                .await["result"],
            json!({})
        );
        client
            .send(&legacy(
                1,
                "tools/call",
                json!({ "name": "talk", "arguments": {} }),
            ))
            .await;
        let log = client.next().await;
        assert_eq!(log["params"]["level"], "emergency", "{revision}");
        assert!(client.next().await.get("result").is_some());
        let answer = client
            .request("logging/setLevel", json!({ "level": "loud" }))
            .await;
        assert_eq!(answer["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn row_76_the_end_of_input_with_a_hundred_calls_in_flight() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    for id in 0..100 {
        client.send(&call(id, "wait", json!({ "ms": 200 }))).await;
    }
    let (answers, ended) = client.finish().await;
    assert_eq!(answers.len(), 100);
    assert_eq!(ended, Ended::EndOfInput);
}

#[tokio::test]
async fn row_76_the_peer_reads_no_more() {
    let fixture = Fixture::new();
    let (mut input, server_input) = tokio::io::duplex(1 << 16);
    let (server_output, output) = tokio::io::duplex(1 << 10);
    drop(output);
    let server = tokio::spawn(mcp_driver_tokio::serve_io(
        fixture.service.clone(),
        server_input,
        server_output,
    ));
    let line = format!("{}\n", call(1, "echo", json!({ "text": "x" })));
    input.write_all(line.as_bytes()).await.expect("written");
    let ended = tokio::time::timeout(Duration::from_secs(5), server)
        .await
        .expect("an end in time");
    assert_eq!(ended.expect("no panic").expect("no error"), Ended::PeerGone);
}

#[tokio::test]
async fn a_slow_call_delays_nobody() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for mut client in both(&fixture).await {
        client
            .send(&in_era(&client, 1, "wait", json!({ "ms": 60_000 })))
            .await;
        let start = std::time::Instant::now();
        client.call("echo", json!({ "text": "x" })).await;
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    let slow = Post::modern(&call(1, "wait", json!({ "ms": 60_000 })));
    let _slow = http.open(&slow).await;
    let start = std::time::Instant::now();
    assert_eq!(http.call("echo", json!({ "text": "x" })).await.status, 200);
    assert!(start.elapsed() < Duration::from_secs(2));
}
