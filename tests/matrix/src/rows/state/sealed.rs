//! State that a server hands out sealed, and what comes back instead of it.

use super::*;

#[tokio::test]
async fn row_82_state_that_is_not_what_we_sealed() {
    let fixture = Fixture::new();
    for mut client in Peer::both(&fixture.service, MODERN).await {
        let (_, state) = first_round(&mut client, "ask").await;
        let responses = json!({ "name": accepted(json!({ "name": "Ada" })) });

        // Any changed byte.
        for at in (0..state.len()).step_by(7) {
            let mut bytes = state.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(bytes).expect("ASCII");
            let answer = client
                .request("tools/call", retry("ask", &tampered, responses.clone()))
                .await;
            assert_eq!(code(&answer), INVALID_PARAMS, "{client}: byte {at}");
        }
        let long = "A".repeat(1_000_000);
        for bad in ["", "nonsense", &state[..state.len() / 2], long.as_str()] {
            let answer = client
                .request("tools/call", retry("ask", bad, responses.clone()))
                .await;
            assert_eq!(code(&answer), INVALID_PARAMS);
        }
        // Another tool, other arguments, another method.
        let answer = client
            .request("tools/call", retry("ask_twice", &state, responses.clone()))
            .await;
        assert_eq!(code(&answer), INVALID_PARAMS);
        let mut other = retry("ask", &state, responses.clone());
        other["arguments"] = json!({ "x": 1 });
        assert_eq!(
            code(&client.request("tools/call", other).await),
            INVALID_PARAMS
        );
        let get = json!({ "name": "greet", "arguments": { "name": "x" }, "requestState": state, "inputResponses": responses });
        assert_eq!(
            code(&client.request("prompts/get", get).await),
            INVALID_PARAMS
        );
        // A server with another key.
        let [mut stranger, _] = Peer::both(&Fixture::new().service, MODERN).await;
        let answer = stranger
            .request("tools/call", retry("ask", &state, responses.clone()))
            .await;
        assert_eq!(code(&answer), INVALID_PARAMS);
        // The wrong kind of value.
        let mut number = retry("ask", &state, responses.clone());
        number["requestState"] = json!(7);
        assert_eq!(
            code(&client.request("tools/call", number).await),
            INVALID_PARAMS
        );
        // The state itself is good all the while, and again: nothing but the server's store could make it single use.
        for _ in 0..2 {
            let answer = client
                .request("tools/call", retry("ask", &state, responses.clone()))
                .await;
            assert_eq!(
                answer["result"]["content"][0]["text"], "Hello Ada",
                "{answer}"
            );
        }
    }
}

#[tokio::test]
async fn row_82_state_after_its_time() {
    let limits = mcp_server::proto::limits::Limits {
        state_ttl: std::time::Duration::from_millis(50),
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    for mut client in Peer::both(&fixture.service, MODERN).await {
        let (_, state) = first_round(&mut client, "ask").await;
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let responses = json!({ "name": accepted(json!({ "name": "Ada" })) });
        let answer = client
            .request("tools/call", retry("ask", &state, responses))
            .await;
        assert_eq!(code(&answer), INVALID_PARAMS, "{answer}");
    }
}

#[tokio::test]
async fn row_82_state_of_another_principal() {
    use mcp_driver_tokio::http::HttpOptions;
    use mcp_server::{Principal, StaticBearer};
    let keys = StaticBearer::new()
        .with_key("the-key-of-alice-0123456789", Principal::new("alice"))
        .with_key("the-key-of-mallory-0123456789", Principal::new("mallory"));
    let http = Http::with(
        &Fixture::new().service,
        HttpOptions::default().with_authenticator(keys),
    );
    let ask = Post::modern(&modern(
        1,
        "tools/call",
        json!({ "name": "ask", "arguments": {} }),
    ));
    let answer = http
        .send(&ask.with("authorization", "Bearer the-key-of-alice-0123456789"))
        .await;
    let state = answer.last()["result"]["requestState"]
        .as_str()
        .expect("a state")
        .to_owned();
    let responses = json!({ "name": accepted(json!({ "name": "Ada" })) });
    let again = Post::modern(&modern(2, "tools/call", retry("ask", &state, responses)));
    let foreign = http
        .send(
            &again
                .clone()
                .with("authorization", "Bearer the-key-of-mallory-0123456789"),
        )
        .await;
    assert_eq!(foreign.code(), INVALID_PARAMS);
    let own = http
        .send(&again.with("authorization", "Bearer the-key-of-alice-0123456789"))
        .await;
    assert_eq!(own.last()["result"]["content"][0]["text"], "Hello Ada");
}
