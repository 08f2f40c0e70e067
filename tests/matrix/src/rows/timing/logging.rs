//! Log messages: none that nobody asked for.

use super::*;

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
    for mut peer in Peer::of_every_revision(&fixture.service).await {
        if peer.is_modern() {
            continue;
        }
        let set = peer
            .request("logging/setLevel", json!({ "level": "error" }))
            .await;
        assert_eq!(set["result"], json!({}), "{peer}");
        let request = peer.message("tools/call", json!({ "name": "talk", "arguments": {} }));
        let messages = peer.exchange(&request).await;
        assert_eq!(messages.len(), 2, "{peer}: {messages:?}");
        assert_eq!(messages[0]["params"]["level"], "emergency", "{peer}");
        let answer = peer
            .request("logging/setLevel", json!({ "level": "loud" }))
            .await;
        assert_eq!(answer["error"]["code"], -32602, "{peer}");
    }
}
