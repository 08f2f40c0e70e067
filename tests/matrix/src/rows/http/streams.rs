//! Answers that turn into streams, and clients that leave them.

use super::*;

#[tokio::test]
async fn row_56_a_modern_client_that_leaves_cancels() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    // While the head is out and the answer is not.
    let stream = http.open(&call("wait", json!({ "ms": 60_000 }))).await;
    assert!(stream.is_events());
    assert_eq!(fixture.seen.started(), 1);
    drop(stream);
    assert_eq!(fixture.seen.cancelled(), 1);
    assert_eq!(http.endpoint.server().calls(), 0);
    // Before the head.
    let post = call("wait", json!({ "ms": 60_000 }));
    let head = http.open(&post);
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(50), head)
            .await
            .is_err()
    );
    assert_eq!((fixture.seen.started(), fixture.seen.cancelled()), (2, 2));
    assert_eq!(http.endpoint.server().calls(), 0);
}

#[tokio::test]
async fn row_56_a_legacy_client_that_leaves_finds_its_answer() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let wait = legacy(
        5,
        "tools/call",
        json!({ "name": "wait", "arguments": { "ms": 700 } }),
    );
    let mut stream = http.open(&session.post(&wait)).await;
    assert!(stream.is_events());
    let primed = stream.event().await.expect("a first event");
    let last_id = primed.id.expect("an id to come back with");
    assert!(primed.message.is_none());
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert_eq!((fixture.seen.cancelled(), fixture.seen.finished()), (0, 1));
    let mut again = http
        .open(&session.get().with("last-event-id", &last_id))
        .await;
    let answer = again.next().await;
    assert_eq!(
        (&answer["id"], &answer["result"]["content"][0]["text"]),
        (&json!(5), &json!("waited"))
    );
}

#[tokio::test]
async fn a_slow_call_turns_into_a_stream_and_a_quick_one_does_not() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    assert!(
        !http
            .open(&call("wait", json!({ "ms": 10 })))
            .await
            .is_events()
    );
    let slow = http.open(&call("wait", json!({ "ms": 900 }))).await;
    assert!(slow.is_events());
    assert_eq!(
        slow.headers
            .get("x-accel-buffering")
            .map(http::HeaderValue::as_bytes),
        Some(&b"no"[..])
    );
    let answer = slow.rest().await;
    assert_eq!(answer.last()["result"]["content"][0]["text"], "waited");
    // Without an answer that a stream can carry, the client waits.
    let answer = http
        .send(&call("wait", json!({ "ms": 900 })).with("accept", "application/json"))
        .await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.message()["result"]["content"][0]["text"], "waited");
    let post = list().with("mcp-protocol-version", MODERN);
    assert_eq!(
        http.send(&post).await.header("content-type"),
        Some("application/json")
    );
}
