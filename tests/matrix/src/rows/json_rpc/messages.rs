//! Requests and notifications in each other's place, parameters of another kind, and what nobody knows.

use serde_json::{Value, json};

use super::{INVALID_PARAMS, METHOD_NOT_FOUND, code};
use crate::fixture::Fixture;
use crate::peer::Peer;
use crate::stdio::meta;

#[tokio::test]
async fn row_17_a_request_without_id_is_never_answered() {
    let fixture = Fixture::new();
    let call = json!({ "name": "echo", "arguments": { "text": "x" }, "_meta": meta() });
    let message = json!({ "jsonrpc": "2.0", "method": "tools/call", "params": call });
    for mut peer in Peer::each(&fixture.service).await {
        let mut message = message.clone();
        if !peer.is_modern() {
            message["params"]["_meta"] = json!({});
        }
        let status = peer.tell(&message.to_string()).await;
        // Taken and dropped like any notification that is not known.
        assert!(
            status.is_none_or(|status| status == 202),
            "{peer}: {status:?}"
        );
        peer.works().await;
    }
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn row_17_a_notification_with_an_id_is_an_unknown_method() {
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        for method in [
            "notifications/initialized",
            "notifications/progress",
            "notifications/cancelled",
            "nothing/such",
            "tools/List",
            "",
        ] {
            let request = peer.message(method, json!({}));
            let (status, messages) = peer.bytes(&request, request.to_string().as_bytes()).await;
            assert_eq!(messages.len(), 1, "{peer}: {method}");
            assert_eq!(code(&messages[0]), METHOD_NOT_FOUND, "{peer}: {method}");
            assert_eq!(messages[0]["id"], request["id"]);
            // In a session, 404 would say that the session is gone.
            let expected = if peer.is_modern() { 404 } else { 200 };
            assert!(
                status.is_none_or(|status| status == expected),
                "{peer}: {method}: {status:?}"
            );
        }
    }
}

#[tokio::test]
async fn row_18_params_of_another_kind() {
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        for params in ["[1]", "\"x\"", "null", "3"] {
            let text =
                format!(r#"{{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{params}}}"#);
            let like = json!({ "id": 5, "method": "tools/list" });
            let (status, messages) = peer.bytes(&like, text.as_bytes()).await;
            assert_eq!(messages.len(), 1, "{peer}: {params}");
            assert_eq!(
                (code(&messages[0]), &messages[0]["id"]),
                (INVALID_PARAMS, &json!(5)),
                "{peer}: {params}"
            );
            assert!(
                status.is_none_or(|status| status == 400),
                "{peer}: {params}: {status:?}"
            );
        }
        peer.works().await;
    }
}

#[tokio::test]
async fn row_18_missing_params_where_all_is_optional() {
    let fixture = Fixture::new();
    // The latest revision always needs parameters, for they hold its metadata.
    for mut peer in Peer::of_every_revision(&fixture.service).await {
        if peer.is_modern() {
            continue;
        }
        for method in [
            "tools/list",
            "resources/list",
            "resources/templates/list",
            "prompts/list",
            "ping",
        ] {
            let request = json!({ "jsonrpc": "2.0", "id": method, "method": method });
            let answer = peer.ask(&request).await;
            assert!(answer.get("result").is_some(), "{peer} {answer}");
        }
    }
}

#[tokio::test]
async fn row_25_unknown_things_are_ignored() {
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        let params = json!({ "name": "echo", "arguments": { "text": "x" }, "future": [1, 2] });
        let mut request = peer.message("tools/call", params);
        request["params"]["_meta"]["com.example/mine"] = json!({ "deep": [null] });
        request["extra"] = json!("x");
        assert_eq!(
            peer.ask(&request).await["result"]["content"][0]["text"],
            "x",
            "{peer}"
        );
        let mut note = json!({ "jsonrpc": "2.0", "method": "notifications/of/the/future", "params": { "x": 1 } });
        if peer.is_modern() {
            note["params"]["_meta"] = meta();
        }
        let status = peer.tell(&note.to_string()).await;
        assert!(
            status.is_none_or(|status| status == 202),
            "{peer}: {status:?}"
        );
        let bare: Value = json!({ "jsonrpc": "2.0", "method": "notifications/of/the/future" });
        let status = peer.tell(&bare.to_string()).await;
        assert!(
            status.is_none_or(|status| status == 202),
            "{peer}: {status:?}"
        );
        peer.works().await;
    }
}
