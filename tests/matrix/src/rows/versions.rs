//! Versions, metadata and capabilities.

use mcp_server::proto::config::RevisionSet;
use mcp_server::types::Revision;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::http::{Http, Post};
use crate::stdio::{LEGACY, MODERN, Stdio, initialize, legacy, meta, modern};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

fn code(message: &Value) -> i64 {
    message["error"]["code"]
        .as_i64()
        .unwrap_or_else(|| panic!("no error: {message}"))
}

fn modern_only() -> RevisionSet {
    RevisionSet::of([Revision::LATEST])
}

fn legacy_only() -> RevisionSet {
    RevisionSet::of(
        Revision::ALL
            .into_iter()
            .filter(|revision| !revision.is_modern()),
    )
}

/// A server with only some revisions.
fn only(revisions: RevisionSet) -> Fixture {
    Fixture::with(|server| server.revisions(revisions))
}

fn without(key: &str) -> Value {
    let mut meta = meta();
    meta.as_object_mut().expect("an object").remove(key);
    meta
}

#[tokio::test]
async fn row_29_missing_metadata() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for missing in [VERSION, CAPABILITIES] {
        let request = modern(1, "tools/list", json!({ "_meta": without(missing) }));
        let mut client = Stdio::open(&fixture.service);
        let answer = client.ask(&request).await;
        assert_eq!(code(&answer), -32602);
        assert!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains(missing)),
            "{answer}"
        );
        let answer = http.send(&Post::modern(&request)).await;
        assert_eq!((answer.status, answer.code()), (400, -32602));
    }
    for params in [json!({ "_meta": {} }), json!({})] {
        let request = legacy(1, "tools/list", params);
        let answer = http.send(&Post::modern(&request)).await;
        assert_eq!((answer.status, answer.code()), (400, -32602), "{request}");
    }
    // A method of this era alone says which era is meant.
    let answer = Stdio::open(&fixture.service)
        .ask(&legacy(1, "server/discover", json!({})))
        .await;
    assert_eq!(code(&answer), -32602);
    // Who the client is may stay unsaid.
    let request = modern(
        1,
        "tools/list",
        json!({ "_meta": without("io.modelcontextprotocol/clientInfo") }),
    );
    assert_eq!(http.send(&Post::modern(&request)).await.status, 200);
}

#[tokio::test]
async fn row_29_metadata_of_the_wrong_kind() {
    let fixture = Fixture::new();
    for (key, value) in [
        (VERSION, json!(1)),
        (CAPABILITIES, json!([])),
        (CAPABILITIES, json!("all")),
    ] {
        let mut meta = meta();
        meta[key] = value;
        let request = modern(1, "tools/list", json!({ "_meta": meta }));
        assert_eq!(
            code(&Stdio::open(&fixture.service).ask(&request).await),
            -32602,
            "{request}"
        );
        let answer = Http::new(&fixture.service)
            .send(&Post::modern(&request))
            .await;
        assert_eq!((answer.status, answer.code()), (400, -32602), "{request}");
    }
}

#[tokio::test]
async fn row_30_an_unsupported_version() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for requested in ["2099-01-01", "2025-11-25", "x", ""] {
        let mut meta = meta();
        meta[VERSION] = json!(requested);
        let request = modern(1, "tools/list", json!({ "_meta": meta }));
        let over_stream = Stdio::open(&fixture.service).ask(&request).await;
        let answer = http
            .send(&Post::modern(&request).with("mcp-protocol-version", requested))
            .await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        for message in [&over_stream, answer.message()] {
            assert_eq!(code(message), -32022, "{message}");
            let data = &message["error"]["data"];
            assert_eq!(data["requested"], requested);
            assert!(
                data["supported"]
                    .as_array()
                    .is_some_and(|all| all.contains(&json!(MODERN))),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn row_31_the_header_differs_from_the_metadata() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let request = modern(1, "tools/list", json!({}));
    for header in ["2025-11-25", "2025-06-18", "2099-01-01", "nonsense"] {
        let answer = http
            .send(&Post::modern(&request).with("mcp-protocol-version", header))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, -32020),
            "{header}: {}",
            answer.text
        );
    }
    // Before the version itself is judged.
    let mut meta = meta();
    meta[VERSION] = json!("2099-01-01");
    let answer = http
        .send(&Post::modern(&modern(
            1,
            "tools/list",
            json!({ "_meta": meta }),
        )))
        .await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
}

#[tokio::test]
async fn row_32_the_header_is_missing() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let post = Post::modern(&modern(1, "tools/list", json!({}))).without("mcp-protocol-version");
    let answer = http.send(&post).await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
    // A client of 2025-03-26 has no such header.
    let session = http.initialize("2025-03-26").await;
    let answer = http
        .send(&session.post(&legacy(1, "tools/list", json!({}))))
        .await;
    assert_eq!(answer.status, 200);
    // A server without such clients assumes nothing.
    let http = Http::new(&only(modern_only()).service);
    let answer = http.send(&post).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, -32020),
        "{}",
        answer.text
    );
    let answer = http
        .send(&Post::body(legacy(1, "tools/list", json!({})).to_string()))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, -32602),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn row_33_an_unsupported_header_in_a_session() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    for header in ["1999-01-01", "x"] {
        let post = session
            .post(&legacy(1, "tools/list", json!({})))
            .with("mcp-protocol-version", header);
        let answer = http.send(&post).await;
        assert_eq!(answer.status, 400, "{header}: {}", answer.text);
    }
}

#[tokio::test]
async fn row_34_initialize_to_a_modern_server_names_its_versions() {
    let fixture = only(modern_only());
    let over_stream = Stdio::open(&fixture.service)
        .ask(&initialize(1, "2025-11-25"))
        .await;
    let http = Http::new(&fixture.service);
    let answer = http
        .send(&Post::body(initialize(1, "2025-11-25").to_string()))
        .await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    for message in [&over_stream, answer.message()] {
        assert!(message["error"].to_string().contains(MODERN), "{message}");
    }
    assert_eq!(http.endpoint.server().sessions(), 0);
}

#[tokio::test]
async fn row_35_discovery_of_a_legacy_server() {
    let fixture = only(legacy_only());
    let mut client = Stdio::open(&fixture.service);
    let answer = client.ask(&modern(1, "server/discover", json!({}))).await;
    assert!(answer.get("error").is_some(), "{answer}");
    client.sent.revision = "2025-11-25".into();
    assert!(
        client
            .ask(&initialize(2, "2025-11-25"))
            .await
            .get("result")
            .is_some()
    );
    client.quiet().await;

    let http = Http::new(&fixture.service);
    let answer = http.modern(1, "server/discover", json!({})).await;
    assert!(
        (400..500).contains(&answer.status) && answer.message().get("error").is_some(),
        "{}",
        answer.text
    );
    assert!(answer.header("mcp-session-id").is_none());
    assert_eq!(http.endpoint.server().sessions(), 0);
    http.initialize("2025-11-25").await;
}

#[tokio::test]
async fn row_38_both_eras_on_one_stream() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    let discovered = client
        .ask(&modern("probe", "server/discover", json!({})))
        .await;
    let supported = discovered["result"]["supportedVersions"]
        .as_array()
        .expect("versions");
    assert!(supported.contains(&json!(MODERN)), "{discovered}");

    client.sent.revision = "2025-06-18".into();
    assert!(
        client
            .ask(&initialize(1, "2025-06-18"))
            .await
            .get("result")
            .is_some()
    );
    client
        .line(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        .await;
    for round in 0..3 {
        let old = client
            .ask(&legacy(
                10 + round,
                "tools/call",
                json!({ "name": "add", "arguments": { "a": 1, "b": 2 } }),
            ))
            .await;
        assert!(old["result"].get("resultType").is_none(), "{old}");
        let new = client
            .ask(&modern(
                20 + round,
                "tools/call",
                json!({ "name": "add", "arguments": { "a": 1, "b": 2 } }),
            ))
            .await;
        assert_eq!(new["result"]["resultType"], "complete", "{new}");
    }
}

#[tokio::test]
async fn row_38_both_eras_on_one_url() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let old = session.call("add", json!({ "a": 1, "b": 2 })).await;
    let new = http.call("add", json!({ "a": 1, "b": 2 })).await;
    assert!(old.last()["result"].get("resultType").is_none());
    assert_eq!(new.last()["result"]["resultType"], "complete");
    assert!(new.header("mcp-session-id").is_none());
    // A session id on a modern request means nothing, even one that never was.
    let post = Post::modern(&modern(1, "tools/list", json!({})))
        .with("mcp-session-id", "nonsense")
        .with("last-event-id", "7");
    assert_eq!(http.send(&post).await.status, 200);
}

#[tokio::test]
async fn row_40_a_capability_that_was_not_declared() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let tools = [
        ("ask", "elicitation"),
        ("ask_model", "sampling"),
        ("ask_roots", "roots"),
        ("ask_url", "elicitation"),
    ];
    for (tool, capability) in tools {
        let mut meta = meta();
        meta[CAPABILITIES] = if tool == "ask_url" {
            json!({ "elicitation": { "form": {} } })
        } else {
            json!({})
        };
        let request = modern(
            1,
            "tools/call",
            json!({ "name": tool, "arguments": {}, "_meta": meta }),
        );
        let over_stream = Stdio::open(&fixture.service).ask(&request).await;
        let answer = http.send(&Post::modern(&request)).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        for message in [&over_stream, answer.last()] {
            assert_eq!(code(message), -32021, "{message}");
            assert!(
                message["error"]["data"]["requiredCapabilities"]
                    .get(capability)
                    .is_some(),
                "{message}"
            );
        }
        // Before this era had an error for it, the model is told.
        let mut client = Stdio::open(&fixture.service);
        client.sent.revision = "2025-11-25".into();
        let mut first = initialize("init", "2025-11-25");
        first["params"]["capabilities"] = json!({});
        client.ask(&first).await;
        let answer = client
            .request("tools/call", json!({ "name": tool, "arguments": {} }))
            .await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
}

#[tokio::test]
async fn row_41_a_method_whose_capability_the_server_lacks() {
    let service = mcp_server::Server::new("bare", "1")
        .dynamic(false)
        .logging(false)
        .build()
        .expect("a bare server");
    let http = Http::new(&service);
    let mut new = Stdio::open(&service);
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "completion/complete",
    ] {
        let answer = new.ask(&modern(method, method, json!({}))).await;
        assert_eq!(code(&answer), -32601, "{answer}");
        let answer = http.modern(1, method, json!({})).await;
        assert_eq!((answer.status, answer.code()), (404, -32601), "{method}");
    }
    let mut old = Stdio::initialized(&service, "2025-11-25").await;
    for method in [
        "tools/list",
        "prompts/get",
        "resources/subscribe",
        "logging/setLevel",
    ] {
        let answer = old
            .ask(&legacy(
                method,
                method,
                json!({ "name": "x", "uri": "x", "level": "info" }),
            ))
            .await;
        assert_eq!(code(&answer), -32601, "{answer}");
    }
}

#[tokio::test]
async fn row_42_methods_that_were_removed() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut client = Stdio::open(&fixture.service);
    for method in [
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "initialize",
        "tasks/list",
    ] {
        let request = modern(
            method,
            method,
            json!({ "uri": "test://text", "level": "info" }),
        );
        assert_eq!(code(&client.ask(&request).await), -32601, "{method}");
        let answer = http.send(&Post::modern(&request).without("mcp-name")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, -32601),
            "{method}: {}",
            answer.text
        );
    }
    // And the other way round.
    let mut old = Stdio::initialized(&fixture.service, "2025-11-25").await;
    let answer = old.ask(&legacy(1, "nothing/such", json!({}))).await;
    assert_eq!(code(&answer), -32601);
}

#[tokio::test]
async fn row_43_codes_of_the_other_era() {
    let fixture = Fixture::new();
    let request = modern(1, "resources/read", json!({ "uri": "test://nothing" }));
    let over_stream = Stdio::open(&fixture.service).ask(&request).await;
    let answer = Http::new(&fixture.service)
        .send(&Post::modern(&request))
        .await;
    assert_eq!(answer.status, 200);
    for message in [&over_stream, answer.message()] {
        assert_eq!(
            (code(message), &message["error"]["data"]["uri"]),
            (-32602, &json!("test://nothing"))
        );
    }
    for revision in LEGACY {
        let mut client = Stdio::initialized(&fixture.service, revision).await;
        let answer = client
            .request("resources/read", json!({ "uri": "test://nothing" }))
            .await;
        assert_eq!(code(&answer), -32002, "{revision}");
    }
}

#[tokio::test]
async fn the_order_of_judgement() {
    // Each message has this fault and every later one.
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let bad_name = |post: Post| post.with("mcp-name", "other").with("mcp-method", "other");
    let mut strange = meta();
    strange[VERSION] = json!("2099-01-01");

    let no_envelope = modern(
        json!(1.5),
        "no/such",
        json!({ "_meta": without(CAPABILITIES) }),
    );
    let no_meta = modern(1, "no/such", json!({ "_meta": without(CAPABILITIES) }));
    let differs = modern(1, "no/such", json!({ "_meta": strange }));
    let no_method = modern(1, "no/such", json!({}));
    for (message, header, status, expected) in [
        (&no_envelope, "2025-11-25", 400, -32600),
        (&no_meta, "2025-11-25", 400, -32602),
        (&differs, "2025-11-25", 400, -32020),
        (&differs, "2099-01-01", 400, -32022),
        (&no_method, MODERN, 400, -32020),
    ] {
        let answer = http
            .send(&bad_name(Post::modern(message)).with("mcp-protocol-version", header))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, expected),
            "{message}"
        );
    }
    let answer = http.send(&Post::modern(&no_method)).await;
    assert_eq!((answer.status, answer.code()), (404, -32601));
}
