//! HTTP: heads, statuses, sessions and streams.

use http::Method;
use mcp_driver_tokio::http::HttpOptions;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::http::{Http, Post, Session};
use crate::stdio::{MODERN, initialize, legacy, modern};

fn list() -> Post {
    Post::modern(&modern(1, "tools/list", json!({})))
}

fn call(tool: &str, arguments: Value) -> Post {
    Post::modern(&modern(
        1,
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    ))
}

#[tokio::test]
async fn row_45_origins() {
    let options = HttpOptions::default()
        .with_allowed_origins(["https://app.example.com", "http://127.0.0.1:3000"])
        .expect("origins");
    let http = Http::with(&Fixture::new().service, options);
    for (origin, allowed) in [
        ("https://app.example.com", true),
        ("https://app.example.com:443", true),
        ("HTTPS://APP.example.com", true),
        ("http://127.0.0.1:3000", true),
        ("http://app.example.com", false),
        ("https://app.example.com:444", false),
        ("https://app.example.com.evil.test", false),
        ("https://evil.test", false),
        ("https://user@app.example.com", false),
        ("https://app.example.com@evil.test", false),
        ("https://app.example.com/path", false),
        ("null", false),
        ("", false),
        ("https://", false),
        ("file://", false),
    ] {
        let answer = http.send(&list().with("origin", origin)).await;
        assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{origin}");
        let shared = answer.header("access-control-allow-origin").is_some();
        assert_eq!(shared, allowed, "{origin}");
    }
    let two = list()
        .with("origin", "https://app.example.com")
        .and("origin", "https://app.example.com");
    assert_eq!(http.send(&two).await.status, 403);
    // Somebody who is no browser has none.
    assert_eq!(http.send(&list()).await.status, 200);
}

#[tokio::test]
async fn row_45_a_preflight_is_answered_for_allowed_origins_only() {
    let options = HttpOptions::default()
        .with_allowed_origins(["https://app.example.com"])
        .expect("origins");
    let http = Http::with(&Fixture::new().service, options);
    let preflight = |origin: &str| {
        Post::bare(Method::OPTIONS, "")
            .with("origin", origin)
            .with("access-control-request-method", "POST")
            .with(
                "access-control-request-headers",
                "content-type, mcp-protocol-version, mcp-method",
            )
    };
    let answer = http.send(&preflight("https://app.example.com")).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    let answer = http.send(&preflight("https://evil.test")).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn row_46_hosts() {
    let http = Http::new(&Fixture::new().service);
    for (host, allowed) in [
        ("localhost", true),
        ("localhost:8080", true),
        ("LOCALHOST:1", true),
        ("127.0.0.1", true),
        ("[::1]:8080", true),
        ("evil.test", false),
        ("127.0.0.1.evil.test", false),
        ("localhost.evil.test", false),
        ("[::1].evil.test", false),
        ("[::1]evil", false),
        ("user@localhost", false),
        ("evil.test@localhost", false),
        ("localhost:", false),
        ("localhost:x", false),
        ("", false),
    ] {
        let answer = http.send(&list().with("host", host)).await;
        let refused = answer.status == 403 || answer.status == 400;
        assert_eq!(!refused, allowed, "{host}: {}", answer.status);
    }
    let two = list().and("host", "evil.test");
    assert!([400, 403].contains(&http.send(&two).await.status));
}

#[tokio::test]
async fn row_46_the_authority_counts_as_the_host() {
    let http = Http::new(&Fixture::new().service);
    // HTTP/2 has no Host header.
    let mut post = list().without("host");
    post.uri = "http://127.0.0.1:8080/mcp".into();
    assert_eq!(http.send(&post).await.status, 200);
    post.uri = "http://evil.test/mcp".into();
    assert_eq!(http.send(&post).await.status, 403);
    // An absolute target does not hide behind a good header, nor the other way round.
    let mut post = list();
    post.uri = "http://evil.test/mcp".into();
    assert!([400, 403].contains(&http.send(&post).await.status));
    let mut post = list().with("host", "evil.test");
    post.uri = "http://127.0.0.1:8080/mcp".into();
    assert!([400, 403].contains(&http.send(&post).await.status));
    // Nothing at all.
    let answer = http.send(&list().without("host")).await;
    assert!([400, 403].contains(&answer.status), "{}", answer.status);
}

#[tokio::test]
async fn row_47_method_and_name_are_mirrored() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let good = || call("add", json!({ "a": 1, "b": 2 }));
    assert_eq!(http.send(&good()).await.status, 200);
    for (what, post) in [
        ("no method", good().without("mcp-method")),
        ("another method", good().with("mcp-method", "tools/list")),
        (
            "method in other case",
            good().with("mcp-method", "Tools/Call"),
        ),
        ("method twice", good().and("mcp-method", "tools/call")),
        ("no name", good().without("mcp-name")),
        ("another name", good().with("mcp-name", "echo")),
        ("name in other case", good().with("mcp-name", "Add")),
        ("name twice", good().and("mcp-name", "add")),
        ("name twice and different", good().and("mcp-name", "echo")),
        ("empty name", good().with("mcp-name", "")),
        ("bytes", good().with("mcp-name", "ädd")),
    ] {
        let answer = http.send(&post).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, -32020),
            "{what}: {}",
            answer.text
        );
    }
    // The first judgement of a body's content: no handler has run.
    assert_eq!(fixture.seen.started(), 1);
    // Names of headers have no case.
    let upper = good()
        .without("mcp-method")
        .with("MCP-METHOD", "tools/call");
    assert_eq!(http.send(&upper).await.status, 200);
    // The URI is the name of a resource, and the name that of a prompt.
    let read = Post::modern(&modern(
        1,
        "resources/read",
        json!({ "uri": "test://text" }),
    ));
    assert_eq!(http.send(&read).await.status, 200);
    let answer = http.send(&read.with("mcp-name", "test://other")).await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
    let get = Post::modern(&modern(
        1,
        "prompts/get",
        json!({ "name": "greet", "arguments": { "name": "x" } }),
    ));
    assert_eq!(http.send(&get).await.status, 200);
    let answer = http.send(&get.without("mcp-name")).await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
}

#[tokio::test]
async fn row_48_the_base64_sentinel() {
    let http = Http::new(&Fixture::new().service);
    let named = |name: &str, header: &str| call(name, json!({})).with("mcp-name", header);
    // "echo", "é", "=?base64?ZWNobw==?=" in their encoded forms.
    for (name, header, good) in [
        ("echo", "=?base64?ZWNobw==?=", true),
        ("é", "=?base64?w6k=?=", true),
        (
            "=?base64?ZWNobw==?=",
            "=?base64?PT9iYXNlNjQ/WldOb2J3PT0/PQ==?=",
            true,
        ),
        // A plain value that looks encoded is decoded, so it is another name.
        ("=?base64?ZWNobw==?=", "=?base64?ZWNobw==?=", false),
        ("echo", "=?base64?PT9iYXNlNjQ/WldOb2J3PT0/PQ==?=", false),
        ("echo", "=?base64?ZWNob?=", false),
        ("echo", "=?base64?****?=", false),
        ("echo", "=?base64?/w==?=", false),
        ("echo", "=?base64?ZWNobw==", false),
        ("echo", "=?BASE64?ZWNobw==?=", false),
    ] {
        let answer = http.send(&named(name, header)).await;
        let mismatch = answer.last()["error"]["code"] == -32020;
        assert_eq!(mismatch, !good, "{name} {header}: {:?}", answer.messages);
        if mismatch {
            assert_eq!(answer.status, 400);
        }
    }
}

#[tokio::test]
async fn row_49_mirrored_arguments() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let send = |arguments: Value, headers: &[(&str, &str)]| {
        let mut post = call("region", arguments);
        for (name, value) in headers {
            post = post.and(name, value);
        }
        post
    };
    let region = ("mcp-param-region", "eu");
    for (what, post, good) in [
        ("equal", send(json!({ "region": "eu" }), &[region]), true),
        ("missing", send(json!({ "region": "eu" }), &[]), false),
        (
            "different",
            send(json!({ "region": "eu" }), &[("mcp-param-region", "us")]),
            false,
        ),
        (
            "other case",
            send(json!({ "region": "eu" }), &[("mcp-param-region", "EU")]),
            false,
        ),
        (
            "twice",
            send(json!({ "region": "eu" }), &[region, region]),
            false,
        ),
        (
            "encoded",
            send(
                json!({ "region": "eu" }),
                &[("mcp-param-region", "=?base64?ZXU=?=")],
            ),
            true,
        ),
        (
            "badly encoded",
            send(
                json!({ "region": "eu" }),
                &[("mcp-param-region", "=?base64?ZX?=")],
            ),
            false,
        ),
        (
            "integer",
            send(
                json!({ "region": "eu", "count": 42 }),
                &[region, ("mcp-param-count", "42")],
            ),
            true,
        ),
        (
            "integral float",
            send(
                json!({ "region": "eu", "count": 42 }),
                &[region, ("mcp-param-count", "42.0")],
            ),
            true,
        ),
        (
            "other integer",
            send(
                json!({ "region": "eu", "count": 42 }),
                &[region, ("mcp-param-count", "43")],
            ),
            false,
        ),
        (
            "no number",
            send(
                json!({ "region": "eu", "count": 42 }),
                &[region, ("mcp-param-count", "x")],
            ),
            false,
        ),
        (
            "absent value",
            send(
                json!({ "region": "eu" }),
                &[region, ("mcp-param-count", "1")],
            ),
            false,
        ),
        (
            "null value",
            send(
                json!({ "region": "eu", "count": null }),
                &[region, ("mcp-param-count", "1")],
            ),
            false,
        ),
        (
            "null without header",
            send(json!({ "region": "eu", "count": null }), &[region]),
            true,
        ),
        (
            "beyond the safe integers",
            send(
                json!({ "region": "eu", "count": 9_007_199_254_740_993_i64 }),
                &[region, ("mcp-param-count", "9007199254740993")],
            ),
            false,
        ),
        (
            "unknown header",
            send(
                json!({ "region": "eu" }),
                &[region, ("mcp-param-other", "1")],
            ),
            true,
        ),
    ] {
        let answer = http.send(&post).await;
        let mismatch = answer.last()["error"]["code"] == -32020;
        assert_eq!(
            (mismatch, answer.status == 400),
            (!good, !good),
            "{what}: {:?}",
            answer.messages
        );
    }
    // Other tools have no such headers.
    let answer = http
        .send(&call("add", json!({ "a": 1, "b": 2 })).with("mcp-param-region", "eu"))
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn row_49_the_list_names_the_mirrored_arguments() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut cursor = Value::Null;
    loop {
        let params = if cursor.is_null() {
            json!({})
        } else {
            json!({ "cursor": cursor })
        };
        let answer = http.modern(1, "tools/list", params).await;
        let result = &answer.message()["result"];
        let tools = result["tools"].as_array().expect("tools");
        if let Some(tool) = tools.iter().find(|tool| tool["name"] == "region") {
            assert_eq!(
                tool["inputSchema"]["properties"]["region"]["x-mcp-header"],
                "Region"
            );
            return;
        }
        cursor = result["nextCursor"].clone();
        assert!(cursor.is_string(), "region is not listed");
    }
}

#[tokio::test]
async fn row_51_a_modern_endpoint_has_only_post() {
    let modern_only =
        mcp_server::proto::config::RevisionSet::of([mcp_server::types::Revision::LATEST]);
    let http = Http::new(&Fixture::with(|server| server.revisions(modern_only)).service);
    for method in [
        Method::GET,
        Method::DELETE,
        Method::PUT,
        Method::PATCH,
        Method::HEAD,
    ] {
        let post = Post::bare(method.clone(), "")
            .with("accept", "text/event-stream")
            .with("mcp-session-id", "x");
        let answer = http.send(&post).await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(
            answer
                .header("allow")
                .is_some_and(|allowed| allowed.contains("POST")),
            "{method}"
        );
    }
    let post = list()
        .with("mcp-session-id", "x")
        .with("last-event-id", "x");
    assert_eq!(http.send(&post).await.status, 200);
}

#[tokio::test]
async fn row_52_session_ids() {
    let http = Http::new(&Fixture::new().service);
    let session = http.initialize("2025-11-25").await;
    assert!(
        session.id.len() <= 1024 && session.id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)),
        "{}",
        session.id
    );
    let ping = legacy(1, "ping", json!({}));
    assert_eq!(http.send(&session.post(&ping)).await.status, 200);
    assert_eq!(
        http.send(&session.post(&ping).without("mcp-session-id"))
            .await
            .status,
        400
    );
    let mut flipped = session.id.clone().into_bytes();
    for at in [0, flipped.len() / 2, flipped.len() - 2] {
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        let id = String::from_utf8(flipped.clone()).expect("ASCII");
        assert_eq!(
            http.send(&session.post(&ping).with("mcp-session-id", &id))
                .await
                .status,
            404
        );
    }
    for id in [
        "x",
        "123e4567-e89b-12d3-a456-426614174000",
        &"A".repeat(4000),
    ] {
        assert_eq!(
            http.send(&session.post(&ping).with("mcp-session-id", id))
                .await
                .status,
            404,
            "{id}"
        );
        assert_eq!(
            http.send(&session.get().with("mcp-session-id", id))
                .await
                .status,
            404,
            "{id}"
        );
        assert_eq!(
            http.send(&session.delete().with("mcp-session-id", id))
                .await
                .status,
            404,
            "{id}"
        );
    }
    assert_eq!(
        http.send(&session.get().without("mcp-session-id"))
            .await
            .status,
        400
    );
    let twice = session.post(&ping).and("mcp-session-id", &session.id);
    assert!([400, 404].contains(&http.send(&twice).await.status));
    // After its end.
    let ended = http.send(&session.delete()).await;
    assert!((200..300).contains(&ended.status), "{}", ended.status);
    for post in [session.post(&ping), session.get(), session.delete()] {
        assert_eq!(http.send(&post).await.status, 404);
    }
}

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
    ] {
        let answer = http.send(&list().with("accept", accept)).await;
        assert_eq!(answer.status, if good { 200 } else { 406 }, "{accept}");
    }
    // Who does not want streams gets none, even where notifications would make one.
    let answer = http
        .send(&call("report", json!({})).with("accept", "application/json"))
        .await;
    assert!([200, 406].contains(&answer.status));
    assert!(
        answer
            .header("content-type")
            .is_none_or(|kind| kind == "application/json")
    );
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
async fn row_62_events_of_another_stream_or_session_are_never_replayed() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let first = http.initialize("2025-11-25").await;
    let second = http.initialize("2025-11-25").await;
    let last_id = left_behind(&http, &first).await;
    // Another session, an id that never was, and nonsense: a stream without anything of the first one, or a refusal.
    for id in [last_id.as_str(), "7-7-7", "nonsense", ""] {
        let mut stream = http.open(&second.get().with("last-event-id", id)).await;
        if stream.status == 200 {
            let event =
                tokio::time::timeout(std::time::Duration::from_millis(200), stream.event()).await;
            let replayed = event.ok().flatten().and_then(|event| event.message);
            assert!(replayed.is_none(), "{id}: {replayed:?}");
        } else {
            assert!(
                (400..500).contains(&stream.status.as_u16()),
                "{id}: {}",
                stream.status
            );
        }
    }
    // Its own session gets it.
    let mut stream = http
        .open(&first.get().with("last-event-id", &last_id))
        .await;
    assert_eq!(stream.next().await["id"], 5);
}

/// Leaves a call before its answer and waits until the answer is kept; returns the last event id that was seen.
async fn left_behind(http: &Http, session: &Session<'_>) -> String {
    let wait = legacy(
        5,
        "tools/call",
        json!({ "name": "wait", "arguments": { "ms": 600 } }),
    );
    let mut stream = http.open(&session.post(&wait)).await;
    let id = stream
        .event()
        .await
        .expect("a first event")
        .id
        .expect("an id");
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    id
}

#[tokio::test]
async fn row_63_a_message_goes_to_one_stream_only() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let mut one = http.open(&session.get()).await;
    let mut two = http.open(&session.get()).await;
    assert_eq!(one.status, 200);
    fixture
        .service
        .tools()
        .add(crate::fixture::visitor())
        .expect("a new name");
    let mut seen = 0;
    for stream in [&mut one, &mut two] {
        if stream.status != 200 {
            continue;
        }
        while let Ok(Some(event)) =
            tokio::time::timeout(std::time::Duration::from_millis(200), stream.event()).await
        {
            seen += usize::from(event.message.is_some());
        }
    }
    assert_eq!(seen, 1);
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
