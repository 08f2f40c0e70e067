//! Pages of lists and their cursors.

use super::*;
use crate::peer::Peer;

#[tokio::test]
async fn row_79_pages_and_cursors() {
    let fixture = Fixture::new();
    for mut client in Peer::of_every_revision(&fixture.service).await {
        let mut names = Vec::new();
        let mut cursors = Vec::new();
        let mut params = json!({});
        loop {
            let answer = client.request("tools/list", params.clone()).await;
            let result = &answer["result"];
            let tools = result["tools"].as_array().expect("tools");
            assert!(!tools.is_empty() && tools.len() <= PAGE);
            names.extend(
                tools
                    .iter()
                    .map(|tool| tool["name"].as_str().expect("a name").to_owned()),
            );
            let Some(cursor) = result.get("nextCursor") else {
                break;
            };
            cursors.push(cursor.as_str().expect("a string").to_owned());
            params["cursor"] = cursor.clone();
        }
        // All but the one for which a scope is needed.
        assert_eq!(names.len(), 15, "{names:?}");
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len());

        let cursor = &cursors[0];
        let mut tampered = cursor.clone();
        let last = tampered.pop().expect("a character");
        tampered.push(if last == 'A' { 'B' } else { 'A' });
        let truncated = &cursor[..cursor.len() - 1];
        let long = cursor.repeat(1_000);
        for (what, method, bad) in [
            ("tampered", "tools/list", tampered.as_str()),
            ("truncated", "tools/list", truncated),
            ("nonsense", "tools/list", "nonsense"),
            ("empty", "tools/list", ""),
            ("long", "tools/list", long.as_str()),
            ("of another list", "prompts/list", cursor.as_str()),
            ("of another list", "resources/list", cursor.as_str()),
        ] {
            let answer = client.request(method, json!({ "cursor": bad })).await;
            assert_eq!(code(&answer), INVALID_PARAMS, "{client}: {what}: {answer}");
        }
        let answer = client.request("tools/list", json!({ "cursor": 7 })).await;
        assert_eq!(code(&answer), INVALID_PARAMS);
    }
}

#[tokio::test]
async fn row_79_a_cursor_of_another_caller() {
    use mcp_driver_tokio::http::HttpOptions;
    use mcp_server::{Principal, StaticBearer};
    let keys = StaticBearer::new()
        .with_key("the-key-of-alice-0123456789", Principal::new("alice"))
        .with_key(
            "the-key-of-the-admin-0123456789",
            Principal::new("root").with_scopes(["admin"]),
        );
    let options = HttpOptions::default().with_authenticator(keys);
    let http = Http::with(&Fixture::new().service, options);
    let list = |params: Value, key: &str| {
        Post::modern(&modern(1, "tools/list", params))
            .with("authorization", &format!("Bearer {key}"))
    };
    // They see different lists, so a place in one is no place in the other.
    let first = http
        .send(&list(json!({}), "the-key-of-the-admin-0123456789"))
        .await;
    let cursor = json!({ "cursor": first.message()["result"]["nextCursor"] });
    assert!(cursor["cursor"].is_string());
    let foreign = http
        .send(&list(cursor.clone(), "the-key-of-alice-0123456789"))
        .await;
    assert_eq!((foreign.status, foreign.code()), (200, INVALID_PARAMS));
    let own = http
        .send(&list(cursor, "the-key-of-the-admin-0123456789"))
        .await;
    assert!(own.message().get("result").is_some(), "{}", own.text);
}

#[tokio::test]
async fn row_81_a_list_that_changes_between_pages() {
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        let first = peer.request("tools/list", json!({})).await;
        let cursor = first["result"]["nextCursor"].clone();
        fixture
            .service
            .tools()
            .add(crate::fixture::visitor())
            .expect("a new name");
        let page = peer.message("tools/list", json!({ "cursor": cursor }));
        let messages = peer.exchange(&page).await;
        // The place is in a list that is no more: start again, and find what is new.
        let second = messages.last().expect("an answer");
        assert_eq!(code(second), INVALID_PARAMS, "{peer}: {second}");
        let mut names = Vec::new();
        let mut params = json!({});
        loop {
            let request = peer.message("tools/list", params.clone());
            let messages = peer.exchange(&request).await;
            let result = &messages.last().expect("an answer")["result"];
            names.extend(
                result["tools"]
                    .as_array()
                    .expect("tools")
                    .iter()
                    .map(|tool| tool["name"].clone()),
            );
            let Some(cursor) = result.get("nextCursor") else {
                break;
            };
            params["cursor"] = cursor.clone();
        }
        assert!(names.contains(&json!("visitor")), "{peer}: {names:?}");
        fixture.service.tools().remove("visitor");
    }
}

#[tokio::test]
async fn row_92_every_connection_sees_the_same_list() {
    let fixture = Fixture::new();
    for revision in LEGACY.into_iter().chain([MODERN]) {
        let mut first = None;
        for _ in 0..2 {
            for mut peer in Peer::both(&fixture.service, revision).await {
                // What a connection did before is no concern of the list's.
                peer.call("echo", json!({ "text": "x" })).await;
                let list = peer.request("tools/list", json!({})).await["result"].clone();
                assert!(list["tools"].is_array(), "{peer}: {list}");
                let first = first.get_or_insert_with(|| list.clone());
                assert_eq!(&list, first, "{peer}");
            }
        }
    }
}
