//! Caching hints, and lists that are cached although they changed.

use super::*;

#[tokio::test]
async fn row_86_caching_hints() {
    let fixture = Fixture::new();
    for mut client in Peer::both(&fixture.service, MODERN).await {
        for (method, params) in [
            ("server/discover", json!({})),
            ("tools/list", json!({})),
            ("prompts/list", json!({})),
            ("resources/list", json!({})),
            ("resources/templates/list", json!({})),
            ("resources/read", json!({ "uri": "test://text" })),
        ] {
            let answer = client.request(method, params).await;
            let result = &answer["result"];
            assert!(result["ttlMs"].is_u64(), "{client}: {method}: {answer}");
            assert!(
                ["public", "private"].contains(&result["cacheScope"].as_str().expect("a scope")),
                "{client}: {method}"
            );
        }
        // One scope for all pages.
        let mut scopes = Vec::new();
        let mut params = json!({});
        loop {
            let answer = client.request("tools/list", params.clone()).await;
            scopes.push(answer["result"]["cacheScope"].clone());
            let Some(cursor) = answer["result"].get("nextCursor") else {
                break;
            };
            params["cursor"] = cursor.clone();
        }
        assert!(scopes.len() > 1);
        scopes.dedup();
        assert_eq!(scopes.len(), 1);
    }
    // The older revisions have no such hints; every message is checked for that.
    for mut client in Peer::both(&fixture.service, "2025-11-25").await {
        let answer = client.request("tools/list", json!({})).await;
        assert!(
            answer["result"].get("ttlMs").is_none(),
            "{client}: {answer}"
        );
    }
}

#[tokio::test]
async fn row_87_a_changed_list_is_never_served_from_before() {
    let fixture = Fixture::with(|server| server.page_size(100));
    for mut peer in Peer::each(&fixture.service).await {
        let sees = |answer: Value| {
            let tools = answer["result"]["tools"].as_array().expect("tools").clone();
            tools.iter().any(|tool| tool["name"] == "visitor")
        };
        for _ in 0..3 {
            let request = peer.message("tools/list", json!({}));
            assert!(
                !sees(peer.exchange(&request).await.pop().expect("an answer")),
                "{peer}"
            );
            let visitor = crate::fixture::visitor();
            fixture.service.tools().add(visitor).expect("a new name");
            let request = peer.message("tools/list", json!({}));
            assert!(
                sees(last(peer.exchange(&request).await, &request)),
                "{peer}"
            );
            fixture.service.tools().remove("visitor");
        }
    }
}

/// The answer to a request among what came before it.
fn last(messages: Vec<Value>, request: &Value) -> Value {
    let answer = messages.into_iter().last().expect("an answer");
    assert_eq!(answer["id"], request["id"], "{answer}");
    answer
}

#[tokio::test]
async fn row_87_what_answers_a_call_is_never_cached() {
    let fixture = Fixture::new();
    for mut client in Peer::both(&fixture.service, MODERN).await {
        let (_, state) = first_round(&mut client, "ask").await;
        let responses = json!({ "name": accepted(json!({ "name": "Ada" })) });
        let again = retry("ask", &state, responses);
        for answer in [
            client.call("add", json!({ "a": 1, "b": 2 })).await,
            client.call("ask", json!({})).await,
            client.request("tools/call", again).await,
        ] {
            let result = answer["result"].as_object().expect("a result");
            assert!(
                !result.contains_key("ttlMs") && !result.contains_key("cacheScope"),
                "{client}: {answer}"
            );
        }
    }
}
