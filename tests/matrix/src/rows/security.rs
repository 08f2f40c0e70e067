//! What broke into other implementations: one test for each.

use std::time::Duration;

use http::Method;
use mcp_driver_tokio::http::HttpOptions;
use mcp_server::{Principal, StaticBearer};
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::http::{Http, Post, Session};
use crate::peer::Peer;
use crate::stdio::{Stdio, initialize, legacy, meta, modern};

const ALICE: &str = "the-key-of-alice-0123456789";
const MALLORY: &str = "the-key-of-mallory-0123456789";

#[tokio::test]
async fn dns_rebinding() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let requests = || {
        [
            Post::body(initialize(1, "2025-11-25").to_string()),
            Post::modern(&modern(
                1,
                "tools/call",
                json!({ "name": "echo", "arguments": { "text": "x" } }),
            )),
            Post::modern(&modern(1, "server/discover", json!({}))),
            Post::bare(Method::GET, "").with("accept", "text/event-stream"),
            Post::bare(Method::DELETE, "").with("mcp-session-id", "x"),
            Post::bare(Method::OPTIONS, "").with("access-control-request-method", "POST"),
        ]
    };
    // A default endpoint: whatever one header says, a foreign one in the other place is enough.
    for (host, origin) in [
        ("evil.test", None),
        ("evil.test:8080", Some("http://evil.test:8080")),
        ("127.0.0.1:8080", Some("http://evil.test")),
        ("127.0.0.1:8080", Some("https://evil.test:8080")),
        ("127.0.0.1:8080", Some("null")),
        ("evil.test", Some("http://127.0.0.1:8080")),
        ("169.254.169.254", None),
        ("0.0.0.0:8080", Some("http://evil.test")),
    ] {
        for post in requests() {
            let post = match origin {
                Some(origin) => post.with("host", host).with("origin", origin),
                None => post.with("host", host),
            };
            let answer = http.send(&post).await;
            assert_eq!(answer.status, 403, "{host} {origin:?} {}", post.method);
            assert!(answer.header("mcp-session-id").is_none());
            assert!(answer.header("access-control-allow-origin").is_none());
        }
    }
    assert_eq!(
        (http.endpoint.server().sessions(), fixture.seen.started()),
        (0, 0)
    );
    // The legitimate page and the legitimate program.
    let post = Post::modern(&modern(1, "tools/list", json!({})));
    assert_eq!(
        http.send(&post.clone().with("origin", "http://127.0.0.1:6274"))
            .await
            .status,
        200
    );
    assert_eq!(http.send(&post).await.status, 200);
}

#[tokio::test]
async fn session_growth() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let bad = [
        Post::body("no JSON"),
        Post::body(legacy(1, "tools/list", json!({})).to_string()),
        Post::body(legacy(1, "initialize", json!({})).to_string()),
        Post::body(legacy(1, "initialize", json!({ "protocolVersion": 7 })).to_string()),
        Post::modern(&modern(1, "server/discover", json!({}))),
        Post::body(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string()),
    ];
    for at in 0..100_000 {
        let answer = http.send(&bad[at % bad.len()]).await;
        assert!(answer.header("mcp-session-id").is_none(), "{}", answer.text);
    }
    assert_eq!(http.endpoint.server().sessions(), 0);
    // Nor do good ones that are never used.
    let good = Post::body(initialize(1, "2025-11-25").to_string());
    for _ in 0..1_000 {
        assert_eq!(http.send(&good).await.status, 200);
    }
    assert_eq!(http.endpoint.server().sessions(), 0);
}

fn guarded(fixture: &Fixture) -> Http {
    let keys = StaticBearer::new()
        .with_key(ALICE, Principal::new("alice"))
        .with_key(MALLORY, Principal::new("mallory"));
    Http::with(
        &fixture.service,
        HttpOptions::default().with_authenticator(keys),
    )
}

#[tokio::test]
async fn session_and_principal_binding() {
    let fixture = Fixture::new();
    let http = guarded(&fixture);
    let alice = http.initialize_as("2025-11-25", Some(ALICE)).await;
    let mut mallory = alice.clone();
    mallory.token = Some(MALLORY.to_owned());
    let call = legacy(
        1,
        "tools/call",
        json!({ "name": "whoami", "arguments": {} }),
    );
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    for post in [
        mallory.post(&call),
        mallory.post(&note),
        mallory.get(),
        mallory.get().with("last-event-id", "1-1-1"),
        mallory.delete(),
    ] {
        assert_eq!(http.send(&post).await.status, 404, "{:?}", post.method);
    }
    assert_eq!(
        alice.call("whoami", json!({})).await.last()["result"]["content"][0]["text"],
        "alice"
    );
}

#[tokio::test]
async fn nobody_cancels_or_answers_for_another_session() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let victim = http.initialize("2025-11-25").await;
    let attacker = http.initialize("2025-11-25").await;
    let ask = legacy(5, "tools/call", json!({ "name": "ask", "arguments": {} }));
    let mut stream = http.open(&victim.post(&ask)).await;
    let question = stream.next().await;
    assert_eq!(question["method"], "elicitation/create");
    let answer = |name: &str| json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept", "content": { "name": name } } });
    http.send(&attacker.post(&answer("Mallory"))).await;
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 5 } });
    http.send(&attacker.post(&cancel)).await;
    assert_eq!(http.send(&victim.post(&answer("Ada"))).await.status, 202);
    assert_eq!(
        stream.next().await["result"]["content"][0]["text"],
        "Hello Ada"
    );
}

#[tokio::test]
async fn id_collision_between_clients() {
    // Every client uses the same ids at the same time, and the answers come in another order than the questions.
    let late = mcp_server::Tool::builder("late")
        .input_schema(r#"{"type":"object"}"#)
        .call_async(|arguments: Value, _ctx| async move {
            let ms = arguments["ms"].as_u64().unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok::<_, mcp_server::HandlerError>(
                arguments["text"].as_str().unwrap_or_default().to_owned(),
            )
        });
    let fixture = Fixture::with(|server| server.tool(late));
    let http = Http::new(&fixture.service);
    let sessions = [
        http.initialize("2025-11-25").await.id,
        http.initialize("2025-11-25").await.id,
    ];
    let canary = |client: u64, id: u64, how: &str| format!("canary {client} {id} of {how}");
    let arguments = |client: u64, id: u64, how: &str| json!({ "name": "late", "arguments": { "ms": (client * 7 + id * 13) % 90, "text": canary(client, id, how) } });
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..20 {
        let service = fixture.service.clone();
        let said = [1, 2, 3].map(|id| {
            (
                id,
                arguments(client, id, "a stream"),
                canary(client, id, "a stream"),
            )
        });
        clients.spawn(async move {
            let mut stdio = Stdio::open(&service);
            for (id, params, _) in &said {
                stdio.send(&modern(*id, "tools/call", params.clone())).await;
            }
            for (id, _, canary) in &said {
                let answer = stdio.answer_to(&json!(id)).await;
                assert_eq!(answer["result"]["content"][0]["text"], *canary);
            }
            stdio.quiet().await;
        });
        for id in [1, 2, 3] {
            let (params, canary) = (arguments(client, id, "HTTP"), canary(client, id, "HTTP"));
            let session = (client % 2 == 0).then(|| sessions[(client / 2 % 2) as usize].clone());
            let revision = if session.is_some() {
                "2025-11-25"
            } else {
                crate::stdio::MODERN
            };
            let http = http.beside(revision);
            clients.spawn(async move {
                let answer = match session {
                    None => http.modern(id, "tools/call", params).await,
                    Some(session) => {
                        let session = Session {
                            http: &http,
                            revision: "2025-11-25".into(),
                            id: session,
                            token: None,
                        };
                        session.request(id, "tools/call", params).await
                    }
                };
                assert_eq!(answer.messages.len(), 1);
                assert_eq!(answer.message()["result"]["content"][0]["text"], canary);
            });
        }
    }
    while let Some(done) = clients.join_next().await {
        done.expect("each gets its own canary and nothing else");
    }
}

#[tokio::test]
async fn replay_across_sessions() {
    let fixture = Fixture::new();
    let http = guarded(&fixture);
    let alice = http.initialize_as("2025-11-25", Some(ALICE)).await;
    let mallory = http.initialize_as("2025-11-25", Some(MALLORY)).await;
    let wait = legacy(
        5,
        "tools/call",
        json!({ "name": "wait", "arguments": { "ms": 600 } }),
    );
    let mut stream = http.open(&alice.post(&wait)).await;
    let last_id = stream
        .event()
        .await
        .expect("a first event")
        .id
        .expect("an id");
    drop(stream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Her event id on his session: nothing of hers.
    let mut foreign = http
        .open(&mallory.get().with("last-event-id", &last_id))
        .await;
    assert_eq!(foreign.status, 200);
    let event = tokio::time::timeout(Duration::from_millis(200), foreign.event()).await;
    let replayed = event.ok().flatten().and_then(|event| event.message);
    assert!(replayed.is_none(), "{replayed:?}");
    let mut own = http
        .open(&alice.get().with("last-event-id", &last_id))
        .await;
    assert_eq!(own.next().await["id"], 5);
}

#[tokio::test]
async fn content_type() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    // What a page of another site can send without asking first.
    for kind in [
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        None,
    ] {
        let post = Post::modern(&modern(
            1,
            "tools/call",
            json!({ "name": "echo", "arguments": { "text": "x" } }),
        ));
        let post = match kind {
            Some(kind) => post.with("content-type", kind),
            None => post.without("content-type"),
        };
        assert_eq!(http.send(&post).await.status, 415, "{kind:?}");
    }
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn a_missing_session_id_never_finds_the_only_session() {
    let http = Http::new(&Fixture::new().service);
    let session = http.initialize("2025-11-25").await;
    for message in [
        legacy(1, "tools/list", json!({})),
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
    ] {
        let answer = http
            .send(&session.post(&message).without("mcp-session-id"))
            .await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
}

#[tokio::test]
async fn session_ids_are_random() {
    let http = Http::new(&Fixture::new().service);
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..200 {
        ids.insert(http.initialize("2025-11-25").await.id);
    }
    assert_eq!(ids.len(), 200);
}

/// What two other parsers make of a message: its method, as `serde_json` sees it (the last of equal keys wins), and as a
/// reader without decoding would.
fn other_parsers(line: &str) -> [Option<String>; 2] {
    let value: Option<Value> = serde_json::from_str(line).ok();
    let last = value.and_then(|value| value["method"].as_str().map(str::to_owned));
    let first = line.find("\"method\":\"").map(|at| {
        let rest = &line[at + 10..];
        rest[..rest.find('"').unwrap_or(rest.len())].to_owned()
    });
    [last, first]
}

#[tokio::test]
async fn parser_differentials() {
    let fixture = Fixture::new();
    let meta = meta();
    let params =
        format!(r#""params":{{"name":"echo","arguments":{{"text":"ran"}},"_meta":{meta}}}"#);
    for (keys, good) in [
        // One key twice, however it is written: nobody may choose.
        (r#""method":"tools/list","method":"tools/call""#, false),
        (r#""method":"tools/call","method":"tools/list""#, false),
        (r#""method":"tools/list","\u006dethod":"tools/call""#, false),
        (r#""\u006dethod":"tools/call","method":"tools/list""#, false),
        // Another key: everybody sees the same message.
        (r#""method":"tools/list","Method":"tools/call""#, true),
        (r#""METHOD":"tools/call","method":"tools/list""#, true),
        (r#""method":"tools/list","method\u0000":"tools/call""#, true),
        (
            r#""method":"tools/list","metho\u0064\u0000x":"tools/call""#,
            true,
        ),
        (
            "\"method\":\"tools/list\",\"m\u{435}thod\":\"tools/call\"",
            true,
        ),
        (
            r#""method":"tools/list","param\u017f":{"name":"secret"}"#,
            true,
        ),
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,{keys},{params}}}"#);
        let like = modern(1, "tools/list", json!({}));
        for mut peer in Peer::both(&fixture.service, crate::stdio::MODERN).await {
            let answer = peer.text(&like, &line).await;
            if good {
                assert!(
                    answer["result"]["tools"].is_array(),
                    "{peer}: {line}: {answer}"
                );
            } else {
                assert_eq!(answer["error"]["code"], -32600, "{peer}: {line}: {answer}");
            }
        }
        let agreed = other_parsers(&line)
            .iter()
            .all(|seen| seen.as_deref() == Some("tools/list"));
        assert!(
            agreed || !good,
            "{line}: accepted, and others see another message"
        );
    }
    // And the name that a gateway judged is the one that runs.
    for keys in [
        r#""name":"echo","name":"secret""#,
        r#""name":"secret","name":"echo""#,
        r#""name":"echo","\u006eame":"secret""#,
    ] {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{keys},"arguments":{{"text":"x"}},"_meta":{meta}}}}}"#
        );
        let like = modern(1, "tools/call", json!({ "name": "echo" }));
        for mut peer in Peer::both(&fixture.service, crate::stdio::MODERN).await {
            let answer = peer.text(&like, &line).await;
            assert_eq!(answer["error"]["code"], -32600, "{peer}: {keys}");
        }
    }
    assert_eq!(fixture.seen.started(), 0);
}
