//! What a body is made of, what may be answered, and how much of it there may be.

use super::*;

#[tokio::test]
async fn row_53_content_types() {
    let http = Http::new(&Fixture::new().service);
    for (kind, good) in [
        ("application/json", true),
        ("application/json; charset=utf-8", true),
        ("Application/JSON", true),
        ("application/json;charset=\"UTF-8\"", true),
        ("text/plain", false),
        ("application/x-www-form-urlencoded", false),
        ("multipart/form-data", false),
        ("application/jsonx", false),
        ("application/json, text/plain", false),
        ("", false),
    ] {
        let answer = http.send(&list().with("content-type", kind)).await;
        assert_eq!(answer.status, if good { 200 } else { 415 }, "{kind}");
        let answer = http
            .send(&Post::body(initialize(1, "2025-11-25").to_string()).with("content-type", kind))
            .await;
        assert_eq!(answer.status, if good { 200 } else { 415 }, "{kind}");
    }
    assert_eq!(http.send(&list().without("content-type")).await.status, 415);
    assert_eq!(
        http.send(&list().and("content-type", "text/plain"))
            .await
            .status,
        415
    );
}

#[tokio::test]
async fn row_53_accept() {
    let http = Http::new(&Fixture::new().service);
    for (accept, good) in [
        ("application/json, text/event-stream", true),
        ("text/event-stream, application/json", true),
        ("*/*", true),
        ("application/*, text/*", true),
        ("APPLICATION/JSON;q=0.5, text/event-stream;q=0.1", true),
        ("text/html", false),
        ("application/json;q=0, text/event-stream;q=0", false),
        ("*/*;q=0", false),
        ("*/*, application/json;q=0, text/event-stream;q=0", false),
    ] {
        let answer = http.send(&list().with("accept", accept)).await;
        assert_eq!(answer.status, if good { 200 } else { 406 }, "{accept}");
    }
    // A client that says nothing takes anything.
    assert_eq!(http.send(&list().without("accept")).await.status, 200);
    // Who does not want streams gets none, even where notifications would make one.
    let answer = http
        .send(&call("report", json!({})).with("accept", "application/json"))
        .await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(answer.messages.len(), 1, "{:?}", answer.messages);
    // And a listen stream is a stream or nothing.
    let listen = modern(
        1,
        "subscriptions/listen",
        json!({ "notifications": { "toolsListChanged": true } }),
    );
    let answer = http
        .send(&Post::modern(&listen).with("accept", "application/json"))
        .await;
    assert_eq!(answer.status, 406, "{}", answer.text);
}

#[tokio::test]
async fn row_54_bodies_over_the_limit() {
    let limits = mcp_server::proto::limits::Limits {
        max_message: 10_000,
        ..Default::default()
    };
    let http = Http::new(&Fixture::with(|server| server.limits(limits)).service);
    let big = call("echo", json!({ "text": "x".repeat(20_000) }));
    assert_eq!(http.send(&big).await.status, 413);
    // The announced length is enough.
    assert_eq!(
        http.send(&list().with("content-length", "999999999"))
            .await
            .status,
        413
    );
    // Encoded bodies are not unpacked.
    assert_eq!(
        http.send(&list().with("content-encoding", "gzip"))
            .await
            .status,
        415
    );
    assert_eq!(http.send(&list()).await.status, 200);
}

#[tokio::test]
async fn statuses() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    // Unknown names and cursors are the caller's mistake, not the protocol's: 200.
    for (method, params, code) in [
        (
            "tools/call",
            json!({ "name": "nothing", "arguments": {} }),
            -32602,
        ),
        ("prompts/get", json!({ "name": "nothing" }), -32602),
        ("prompts/get", json!({ "name": "greet" }), -32602),
        ("resources/read", json!({ "uri": "test://nothing" }), -32602),
        ("tools/list", json!({ "cursor": "nonsense" }), -32602),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "nothing" }, "argument": { "name": "x", "value": "" } }),
            -32602,
        ),
    ] {
        let answer = http.modern(1, method, params).await;
        assert_eq!((answer.status, answer.code()), (200, code), "{method}");
    }
    assert_eq!(http.modern(1, "no/such", json!({})).await.status, 404);
    // Notifications have no answer.
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    let answer = http.send(&Post::modern(&note)).await;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
}
