//! Servers of one era, clients of the other, and both eras at once.

use super::*;
use crate::peer::Peer;

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
    for mut peer in Peer::of_every_revision(&fixture.service).await {
        let answer = peer
            .request("resources/read", json!({ "uri": "test://nothing" }))
            .await;
        if peer.is_modern() {
            assert_eq!(
                (code(&answer), &answer["error"]["data"]["uri"]),
                (-32602, &json!("test://nothing")),
                "{peer}"
            );
        } else {
            assert_eq!(code(&answer), -32002, "{peer}");
        }
    }
    // A page to be visited is a question like any other, and without the capability for it no reason for -32042.
    for mut peer in Peer::both(&fixture.service, MODERN).await {
        let asked = peer.call("ask_url", json!({})).await;
        assert_eq!(asked["result"]["resultType"], "input_required", "{peer}");
        let params = json!({ "name": "ask_url", "arguments": {}, "_meta": without(CAPABILITIES) });
        let mut request = peer.message("tools/call", params);
        request["params"]["_meta"][CAPABILITIES] = json!({});
        assert_eq!(code(&peer.ask(&request).await), -32021, "{peer}");
    }
}
