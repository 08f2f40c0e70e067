//! Questions in rounds: the answers that come back with a retry.

use super::*;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Name {
    #[allow(dead_code, reason = "only asked for")]
    name: String,
}

#[tokio::test]
async fn row_83_answers() {
    let fixture = Fixture::new();
    for mut client in Peer::both(&fixture.service, MODERN).await {
        let (asked, state) = first_round(&mut client, "ask").await;
        assert_eq!(asked["name"]["method"], "elicitation/create", "{asked}");

        // Missing: asked again.
        for responses in [json!({}), json!({ "other": accepted(json!({})) })] {
            let answer = client
                .request("tools/call", retry("ask", &state, responses))
                .await;
            assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
        }
        let answer = client
            .request(
                "tools/call",
                json!({ "name": "ask", "arguments": {}, "requestState": state }),
            )
            .await;
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
        // Extra ones are ignored.
        let responses = json!({ "name": accepted(json!({ "name": "Ada" })), "other": 7 });
        let answer = client
            .request("tools/call", retry("ask", &state, responses))
            .await;
        assert!(
            answer["result"]["content"][0]["text"] == "Hello Ada",
            "{client}: {answer}"
        );
        // Declined.
        for action in ["decline", "cancel"] {
            let answer = client
                .request(
                    "tools/call",
                    retry("ask", &state, json!({ "name": { "action": action } })),
                )
                .await;
            assert_eq!(
                answer["result"]["content"][0]["text"], "no name",
                "{answer}"
            );
        }
        // Malformed.
        for bad in [
            json!(null),
            json!([]),
            json!("x"),
            json!({ "name": 7 }),
            json!({ "name": { "action": "maybe" } }),
        ] {
            let answer = client
                .request("tools/call", retry("ask", &state, bad.clone()))
                .await;
            assert_eq!(code(&answer), INVALID_PARAMS, "{bad}");
        }
        // What breaks the form is never used.
        let bad = json!({ "name": accepted(json!({ "name": 7 })) });
        let answer = client
            .request("tools/call", retry("ask", &state, bad))
            .await;
        assert_eq!(code(&answer), INVALID_PARAMS, "{client}: {answer}");
    }
}

#[tokio::test]
async fn row_83_answers_with_a_first_request() {
    let fixture = Fixture::new();
    for mut client in Peer::both(&fixture.service, MODERN).await {
        let call = |responses: Value| json!({ "name": "ask", "arguments": {}, "inputResponses": responses });
        let answer = client
            .request(
                "tools/call",
                call(json!({ "name": accepted(json!({ "name": "Ada" })) })),
            )
            .await;
        assert_eq!(
            answer["result"]["content"][0]["text"], "Hello Ada",
            "{answer}"
        );
        let answer = client
            .request("tools/call", call(json!({ "other": accepted(json!({})) })))
            .await;
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
        assert_eq!(
            code(&client.request("tools/call", call(Value::Null)).await),
            INVALID_PARAMS
        );
    }
}

#[tokio::test]
async fn row_85_the_id_of_the_first_request_again() {
    let fixture = Fixture::new();
    for mut client in Peer::both(&fixture.service, MODERN).await {
        let (_, state) = first_round(&mut client, "ask_twice").await;
        let responses = json!({ "first": accepted(json!({ "name": "Ada" })) });
        // A client must take another id, and a server must not care.
        let request = |state: &str, responses: Value| {
            modern("same", "tools/call", retry("ask_twice", state, responses))
        };
        let second = client.ask(&request(&state, responses)).await;
        let result = &second["result"];
        assert_eq!(
            result["inputRequests"]["last"]["params"]["message"],
            "And then, Ada?"
        );
        let state = result["requestState"].as_str().expect("a state");
        let responses = json!({ "last": accepted(json!({ "name": "Lovelace" })) });
        let third = client.ask(&request(state, responses)).await;
        assert_eq!(
            third["result"]["content"][0]["text"], "Ada Lovelace",
            "{client}"
        );
    }
}

#[tokio::test]
async fn row_84_rounds_without_an_end_are_ended() {
    let nosy = mcp_server::Tool::builder("nosy")
        .input_schema(r#"{"type":"object"}"#)
        .call_async(|_: Value, context: mcp_server::Context| async move {
            for at in 0.. {
                context
                    .elicit::<Name>(&format!("key{at}"), "Who else?")
                    .await?;
            }
            Ok::<_, mcp_server::HandlerError>("never")
        });
    let fixture = Fixture::with(|server| server.tool(nosy));
    let limit = mcp_server::proto::limits::Limits::default().max_rounds;
    for mut client in Peer::both(&fixture.service, MODERN).await {
        let mut answer = client.call("nosy", json!({})).await;
        let mut rounds = 0;
        while answer["result"]["resultType"] == "input_required" {
            rounds += 1;
            assert!(rounds <= limit, "{client}: {rounds} rounds");
            let state = answer["result"]["requestState"].as_str().expect("a state");
            let asked = answer["result"]["inputRequests"]
                .as_object()
                .expect("questions");
            let responses: serde_json::Map<String, Value> = asked
                .keys()
                .map(|key| (key.clone(), accepted(json!({ "name": "Ada" }))))
                .collect();
            let again = retry("nosy", state, Value::Object(responses));
            answer = client.request("tools/call", again).await;
        }
        assert_eq!(rounds, limit, "{client}: {answer}");
        assert_eq!(answer["result"]["isError"], true, "{client}: {answer}");
    }
}

#[tokio::test]
async fn row_84_no_list_asks_for_input() {
    let fixture = Fixture::new();
    for mut client in Peer::both(&fixture.service, MODERN).await {
        for method in [
            "tools/list",
            "prompts/list",
            "resources/list",
            "server/discover",
        ] {
            // Not even where the client sends what belongs to a round.
            let params = json!({ "requestState": "x", "inputResponses": {} });
            let answer = client.request(method, params).await;
            assert_eq!(
                answer["result"]["resultType"], "complete",
                "{client}: {answer}"
            );
        }
    }
}
