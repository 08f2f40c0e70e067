//! What each revision has on the wire and what it lacks.
//!
//! The closed schemas find what must not be there; these rows find what must.

use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::http::Http;
use crate::stdio::{LEGACY, MODERN, Stdio, initialize, legacy, modern};

async fn connect(fixture: &Fixture, revision: &str) -> Stdio {
    if revision == MODERN {
        Stdio::open(&fixture.service)
    } else {
        Stdio::initialized(&fixture.service, revision).await
    }
}

fn revisions() -> impl Iterator<Item = &'static str> {
    LEGACY.into_iter().chain([MODERN])
}

/// A tool of the fixture, from whatever page it is on.
async fn tool(client: &mut Stdio, name: &str) -> Value {
    let mut params = json!({});
    loop {
        let answer = client.request("tools/list", params.clone()).await;
        let tools = answer["result"]["tools"].as_array().expect("tools");
        if let Some(tool) = tools.iter().find(|tool| tool["name"] == name) {
            return tool.clone();
        }
        params["cursor"] = answer["result"]
            .get("nextCursor")
            .unwrap_or_else(|| panic!("no {name}"))
            .clone();
    }
}

#[tokio::test]
async fn versions_are_negotiated() {
    let fixture = Fixture::new();
    for revision in LEGACY {
        let answer = Stdio::open(&fixture.service)
            .ask(&initialize(1, revision))
            .await;
        assert_eq!(answer["result"]["protocolVersion"], revision);
    }
    // Unknown ones get the latest that has a handshake.
    for requested in ["2024-10-07", "2099-01-01", "x", MODERN] {
        let mut client = Stdio::open(&fixture.service);
        client.sent.revision = "2025-11-25".into();
        let answer = client.ask(&initialize(1, requested)).await;
        assert_eq!(
            answer["result"]["protocolVersion"], "2025-11-25",
            "{requested}"
        );
    }
}

#[tokio::test]
async fn results_have_a_type_from_2026_07_28_on() {
    let fixture = Fixture::new();
    for revision in revisions() {
        let mut client = connect(&fixture, revision).await;
        let answer = client.call("add", json!({ "a": 1, "b": 2 })).await;
        let result = &answer["result"];
        let expected = (revision == MODERN).then_some("complete");
        assert_eq!(
            result.get("resultType").and_then(Value::as_str),
            expected,
            "{revision}"
        );
        assert_eq!(
            result.get("_meta").is_some(),
            revision == MODERN,
            "{revision}"
        );
    }
}

#[tokio::test]
async fn structured_output_exists_from_2025_06_18_on() {
    let fixture = Fixture::new();
    for revision in revisions() {
        let mut client = connect(&fixture, revision).await;
        let answer = client.call("add", json!({ "a": 1, "b": 2 })).await;
        let result = &answer["result"];
        let has = revision >= "2025-06-18";
        assert_eq!(
            result.get("structuredContent"),
            has.then_some(&json!({ "sum": 3 })),
            "{revision}"
        );
        // The text mirror is there for everybody.
        let text = result["content"][0]["text"].as_str().expect("a text");
        assert_eq!(
            serde_json::from_str::<Value>(text).expect("JSON"),
            json!({ "sum": 3 })
        );
        let listed = tool(&mut client, "add").await;
        assert_eq!(listed.get("outputSchema").is_some(), has, "{revision}");
        assert_eq!(listed.get("title").is_some(), has, "{revision}");
    }
}

#[tokio::test]
async fn annotations_of_tools_exist_from_2025_03_26_on() {
    let fixture = Fixture::new();
    for revision in revisions() {
        let mut client = connect(&fixture, revision).await;
        let listed = tool(&mut client, "add").await;
        let hint = listed["annotations"]["readOnlyHint"].as_bool();
        assert_eq!(
            hint,
            (revision >= "2025-03-26").then_some(true),
            "{revision}"
        );
        assert_eq!(listed["inputSchema"]["type"], "object");
    }
}

#[tokio::test]
async fn titles_exist_from_2025_06_18_on() {
    let fixture = Fixture::new();
    for revision in revisions() {
        let mut client = connect(&fixture, revision).await;
        let answer = client.request("prompts/list", json!({})).await;
        let prompt = &answer["result"]["prompts"][0];
        assert_eq!(
            prompt.get("title").is_some(),
            revision >= "2025-06-18",
            "{revision}"
        );
    }
    for revision in LEGACY {
        let answer = Stdio::open(&fixture.service)
            .ask(&initialize(1, revision))
            .await;
        assert_eq!(
            answer["result"]["serverInfo"].get("title").is_some(),
            revision >= "2025-06-18",
            "{revision}"
        );
    }
}

#[tokio::test]
async fn capabilities_of_each_revision() {
    let fixture = Fixture::new();
    for revision in LEGACY {
        let answer = Stdio::open(&fixture.service)
            .ask(&initialize(1, revision))
            .await;
        let capabilities = &answer["result"]["capabilities"];
        for always in ["tools", "resources", "prompts", "logging"] {
            assert!(capabilities.get(always).is_some(), "{revision} {always}");
        }
        assert_eq!(
            capabilities.get("completions").is_some(),
            revision >= "2025-03-26",
            "{revision}"
        );
    }
    let answer = Stdio::open(&fixture.service)
        .ask(&modern(1, "server/discover", json!({})))
        .await;
    let capabilities = &answer["result"]["capabilities"];
    for has in ["tools", "resources", "prompts", "completions"] {
        assert!(capabilities.get(has).is_some(), "{has}");
    }
}

#[tokio::test]
async fn completion_in_every_revision() {
    let fixture = Fixture::new();
    let params = json!({ "ref": { "type": "ref/prompt", "name": "greet" }, "argument": { "name": "tone", "value": "f" } });
    for revision in revisions() {
        let mut client = connect(&fixture, revision).await;
        let answer = client.request("completion/complete", params.clone()).await;
        assert_eq!(
            answer["result"]["completion"]["values"],
            json!(["formal", "friendly", "frosty"]),
            "{revision}"
        );
    }
}

#[tokio::test]
async fn resources_in_every_revision() {
    let fixture = Fixture::new();
    for revision in revisions() {
        let mut client = connect(&fixture, revision).await;
        let listed = client.request("resources/list", json!({})).await;
        assert_eq!(
            listed["result"]["resources"][0]["uri"], "test://text",
            "{revision}"
        );
        let templates = client.request("resources/templates/list", json!({})).await;
        assert_eq!(
            templates["result"]["resourceTemplates"][0]["uriTemplate"], "user://{id}",
            "{revision}"
        );
        let read = client
            .request("resources/read", json!({ "uri": "user://ada%20l" }))
            .await;
        assert_eq!(
            read["result"]["contents"][0]["text"], "user ada l",
            "{revision} {read}"
        );
    }
}

#[tokio::test]
async fn questions_of_each_era() {
    let fixture = Fixture::new();
    for revision in LEGACY {
        let mut client = Stdio::initialized(&fixture.service, revision).await;
        for (tool, method, answer, expected) in [
            (
                "ask",
                "elicitation/create",
                json!({ "action": "accept", "content": { "name": "Ada" } }),
                "Hello Ada",
            ),
            (
                "ask_model",
                "sampling/createMessage",
                json!({ "role": "assistant", "model": "canary", "content": { "type": "text", "text": "yes" } }),
                "canary",
            ),
            (
                "ask_roots",
                "roots/list",
                json!({ "roots": [{ "uri": "file:///a" }, { "uri": "file:///b" }] }),
                "file:///a file:///b",
            ),
            (
                "ask_url",
                "elicitation/create",
                json!({ "action": "accept" }),
                "looked",
            ),
        ] {
            let exists = match tool {
                "ask" => revision >= "2025-06-18",
                "ask_url" => revision >= "2025-11-25",
                _ => true,
            };
            client
                .send(&legacy(
                    1,
                    "tools/call",
                    json!({ "name": tool, "arguments": {} }),
                ))
                .await;
            let first = client.next().await;
            if !exists {
                assert_eq!(
                    first["result"]["isError"], true,
                    "{revision} {tool}: {first}"
                );
                continue;
            }
            assert_eq!(first["method"], method, "{revision} {tool}");
            client
                .send(&json!({ "jsonrpc": "2.0", "id": first["id"], "result": answer }))
                .await;
            let last = client.answer_to(&json!(1)).await;
            assert_eq!(
                last["result"]["content"][0]["text"], expected,
                "{revision} {tool}"
            );
        }
    }
}

#[tokio::test]
async fn questions_of_a_legacy_session_over_http() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = http.initialize(revision).await;
        let call = session.post(&legacy(
            1,
            "tools/call",
            json!({ "name": "ask_roots", "arguments": {} }),
        ));
        let mut stream = http.open(&call).await;
        assert!(stream.is_events(), "{revision}");
        let question = stream.next().await;
        assert_eq!(question["method"], "roots/list", "{revision}");
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [{ "uri": "file:///a" }] } });
        assert_eq!(http.send(&session.post(&answer)).await.status, 202);
        assert_eq!(
            stream.next().await["result"]["content"][0]["text"],
            "file:///a",
            "{revision}"
        );
        assert!(stream.event().await.is_none());
    }
}

#[tokio::test]
async fn subscriptions_of_the_handshake_era() {
    let fixture = Fixture::new();
    for revision in LEGACY {
        let mut client = Stdio::initialized(&fixture.service, revision).await;
        let uri = json!({ "uri": "test://text" });
        assert_eq!(
            client.request("resources/subscribe", uri.clone()).await["result"],
            json!({}),
            "{revision}"
        );
        fixture.service.notify_resource_updated("test://other");
        fixture.service.notify_resource_updated("test://text");
        let updated = client.next().await;
        assert_eq!(
            (&updated["method"], &updated["params"]["uri"]),
            (
                &json!("notifications/resources/updated"),
                &json!("test://text")
            )
        );
        assert_eq!(
            client.request("resources/unsubscribe", uri).await["result"],
            json!({})
        );
        fixture.service.notify_resource_updated("test://text");
        client.quiet().await;
        fixture
            .service
            .tools()
            .add(crate::fixture::visitor())
            .expect("a new name");
        assert_eq!(
            client.next().await["method"],
            "notifications/tools/list_changed",
            "{revision}"
        );
        fixture.service.tools().remove("visitor");
        assert_eq!(
            client.next().await["method"],
            "notifications/tools/list_changed",
            "{revision}"
        );
    }
}

#[tokio::test]
async fn event_streams_of_each_revision() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = http.initialize(revision).await;
        let mut request = legacy(
            1,
            "tools/call",
            json!({ "name": "report", "arguments": {} }),
        );
        request["params"]["_meta"]["progressToken"] = json!(1);
        let mut stream = http.open(&session.post(&request)).await;
        let first = stream.event().await.expect("an event");
        // Only the last of them primes its clients with an id and says when to come back.
        let primed = first.id.is_some() && first.message.is_none();
        assert_eq!(
            (primed, first.retry.is_some()),
            (revision == "2025-11-25", revision == "2025-11-25"),
            "{revision}"
        );
        assert_eq!(
            stream.rest().await.last()["result"]["content"][0]["text"],
            "reported"
        );
    }
    let mut request = modern(
        1,
        "tools/call",
        json!({ "name": "report", "arguments": {} }),
    );
    request["params"]["_meta"]["progressToken"] = json!(1);
    let mut stream = http.open(&crate::http::Post::modern(&request)).await;
    let first = stream.event().await.expect("an event");
    assert!(first.id.is_none() && first.retry.is_none() && first.message.is_some());
}
