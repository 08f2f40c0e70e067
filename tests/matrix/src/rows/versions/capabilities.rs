//! Capabilities that one side lacks.

use super::*;
use crate::http::Session;
use crate::peer::Peer;

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
        // Before this era had an error for it, the model is told, and the client is not asked.
        let mut client = Stdio::open(&fixture.service);
        client.sent.revision = "2025-11-25".into();
        let mut first = initialize("init", "2025-11-25");
        first["params"]["capabilities"] = json!({});
        client.ask(&first).await;
        let answer = client
            .request("tools/call", json!({ "name": tool, "arguments": {} }))
            .await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        client.quiet().await;
        http.speaks("2025-11-25");
        let opened = http.send(&Post::body(first.to_string())).await;
        let session = Session {
            http: &http,
            revision: "2025-11-25".into(),
            id: opened
                .header("mcp-session-id")
                .expect("a session id")
                .into(),
            token: None,
        };
        let answer = session.call(tool, json!({})).await;
        assert_eq!(
            answer.message()["result"]["isError"],
            true,
            "{}",
            answer.text
        );
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
    for mut old in Peer::both(&service, "2025-11-25").await {
        for method in [
            "tools/list",
            "prompts/get",
            "resources/subscribe",
            "logging/setLevel",
        ] {
            let params = json!({ "name": "x", "uri": "x", "level": "info" });
            let answer = old.request(method, params).await;
            assert_eq!(code(&answer), -32601, "{old}: {answer}");
        }
    }
}
