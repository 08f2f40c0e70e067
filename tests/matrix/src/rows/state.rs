//! State tokens, pagination, caching hints, schemas.

use mcp_server::Server;
use serde_json::{Value, json};

use crate::fixture::{Fixture, PAGE};
use crate::http::{Http, Post};
use crate::stdio::{LEGACY, MODERN, Stdio, modern};

const INVALID_PARAMS: i64 = -32602;

fn code(message: &Value) -> i64 {
    message["error"]["code"]
        .as_i64()
        .unwrap_or_else(|| panic!("no error: {message}"))
}

#[tokio::test]
async fn row_79_pages_and_cursors() {
    let fixture = Fixture::new();
    let mut eras: Vec<Stdio> = vec![Stdio::open(&fixture.service)];
    for revision in LEGACY {
        eras.push(Stdio::initialized(&fixture.service, revision).await);
    }
    for mut client in eras {
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
            assert_eq!(code(&answer), INVALID_PARAMS, "{what}: {answer}");
        }
        let answer = client.request("tools/list", json!({ "cursor": 7 })).await;
        assert_eq!(code(&answer), INVALID_PARAMS);
    }
}

#[tokio::test]
async fn row_81_a_list_that_changes_between_pages() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    let first = client.request("tools/list", json!({})).await;
    let cursor = first["result"]["nextCursor"].clone();
    fixture
        .service
        .tools()
        .add(crate::fixture::visitor())
        .expect("a new name");
    let second = client
        .request("tools/list", json!({ "cursor": cursor }))
        .await;
    // Either goes on, with gaps or repetitions, or says that it must start again; never an internal error.
    assert!(
        second.get("result").is_some() || code(&second) == INVALID_PARAMS,
        "{second}"
    );
}

/// The first round of a call: what it asks and the state that came with it.
async fn first_round(client: &mut Stdio, tool: &str) -> (Value, String) {
    let answer = client.call(tool, json!({})).await;
    let result = &answer["result"];
    assert_eq!(result["resultType"], "input_required", "{answer}");
    (
        result["inputRequests"].clone(),
        result["requestState"].as_str().expect("a state").to_owned(),
    )
}

fn accepted(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}

fn retry(tool: &str, state: &str, responses: Value) -> Value {
    json!({ "name": tool, "arguments": {}, "requestState": state, "inputResponses": responses })
}

#[tokio::test]
async fn row_82_state_that_is_not_what_we_sealed() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
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
        assert_eq!(code(&answer), INVALID_PARAMS, "byte {at}");
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
    let mut stranger = Stdio::open(&Fixture::new().service);
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

#[tokio::test]
async fn row_82_state_after_its_time() {
    let limits = mcp_server::proto::limits::Limits {
        state_ttl: std::time::Duration::from_millis(50),
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    let mut client = Stdio::open(&fixture.service);
    let (_, state) = first_round(&mut client, "ask").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    let responses = json!({ "name": accepted(json!({ "name": "Ada" })) });
    let answer = client
        .request("tools/call", retry("ask", &state, responses))
        .await;
    assert_eq!(code(&answer), INVALID_PARAMS, "{answer}");
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

#[tokio::test]
async fn row_83_answers() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
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
        answer["result"]["content"][0]["text"] == "Hello Ada" || code(&answer) == INVALID_PARAMS,
        "{answer}"
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
    assert!(
        answer["error"]["code"] == INVALID_PARAMS
            || answer["result"]["resultType"] == "input_required",
        "{answer}"
    );
}

#[tokio::test]
async fn row_83_answers_with_a_first_request() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    let call =
        |responses: Value| json!({ "name": "ask", "arguments": {}, "inputResponses": responses });
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

#[tokio::test]
async fn row_83_rounds_over_http() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let first = http.call("ask_twice", json!({})).await;
    let result = &first.last()["result"];
    assert_eq!(result["resultType"], "input_required");
    let state = result["requestState"].as_str().expect("a state");
    let responses = json!({ "first": accepted(json!({ "name": "Ada" })) });
    let second = http
        .modern(2, "tools/call", retry("ask_twice", state, responses))
        .await;
    let result = &second.last()["result"];
    assert_eq!(
        result["inputRequests"]["last"]["params"]["message"],
        "And then, Ada?"
    );
    let state = result["requestState"].as_str().expect("a state");
    let responses = json!({ "last": accepted(json!({ "name": "Lovelace" })) });
    // Row 85: the id of the first request again is no concern of the server's.
    let third = http
        .modern(1, "tools/call", retry("ask_twice", state, responses))
        .await;
    assert_eq!(third.last()["result"]["content"][0]["text"], "Ada Lovelace");
}

#[tokio::test]
async fn row_86_caching_hints() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
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
        assert!(result["ttlMs"].is_u64(), "{method}: {answer}");
        assert!(
            ["public", "private"].contains(&result["cacheScope"].as_str().expect("a scope")),
            "{method}"
        );
    }
    for answer in [
        client.call("add", json!({ "a": 1, "b": 2 })).await,
        client.call("ask", json!({})).await,
    ] {
        assert!(
            answer["result"].get("ttlMs").is_none() && answer["result"].get("cacheScope").is_none(),
            "{answer}"
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
    scopes.dedup();
    assert_eq!(scopes.len(), 1);
}

#[tokio::test]
async fn row_88_schemas_that_point_elsewhere_are_not_followed() {
    for schema in [
        r#"{"type":"object","properties":{"a":{"$ref":"http://127.0.0.1:9/schema.json"}}}"#,
        r#"{"type":"object","properties":{"a":{"$ref":"file:///etc/passwd"}}}"#,
        r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}}}"##,
        r#"{"$schema":"https://example.com/no-such-dialect","type":"object"}"#,
        r#"{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}"#,
    ] {
        let tool = mcp_server::Tool::builder("pointer")
            .input_schema(schema)
            .call(|_: Value, _ctx| Ok("ok".to_owned()));
        // Refusing the schema is one good answer.
        let Ok(service) = Server::new("x", "1").tool(tool).build() else {
            continue;
        };
        let mut client = Stdio::open(&service);
        let start = std::time::Instant::now();
        let answer = client
            .call("pointer", json!({ "a": format!("{}!", "a".repeat(40)) }))
            .await;
        assert!(answer.get("result").is_some() || answer.get("error").is_some());
        assert!(
            start.elapsed() < std::time::Duration::from_secs(2),
            "{schema}"
        );
    }
}

#[tokio::test]
async fn row_89_what_is_an_error_and_what_a_result() {
    let fixture = Fixture::new();
    let mut eras: Vec<Stdio> = vec![Stdio::open(&fixture.service)];
    for revision in LEGACY {
        eras.push(Stdio::initialized(&fixture.service, revision).await);
    }
    for mut client in eras {
        // The model can mend these.
        for (tool, arguments, hint) in [
            ("add", json!({ "a": 1 }), "b"),
            ("add", json!({ "a": "one", "b": 2 }), "a"),
            ("echo", json!({ "text": null }), "text"),
            ("fails", json!({}), "moon"),
        ] {
            let answer = client.call(tool, arguments).await;
            assert_eq!(answer["result"]["isError"], true, "{answer}");
            assert!(
                answer["result"]["content"][0]["text"]
                    .as_str()
                    .is_some_and(|text| text.contains(hint)),
                "{answer}"
            );
        }
        let answer = client.request("tools/call", json!({ "name": "add" })).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        // The caller's program must mend these.
        for (method, params) in [
            ("tools/call", json!({ "name": "ad", "arguments": {} })),
            ("tools/call", json!({ "arguments": {} })),
            ("tools/call", json!({ "name": 7 })),
            ("tools/call", json!({ "name": "add", "arguments": [1, 2] })),
            ("tools/call", json!({ "name": "add", "arguments": "x" })),
            ("prompts/get", json!({ "name": "greet" })),
            (
                "prompts/get",
                json!({ "name": "greet", "arguments": { "name": 7 } }),
            ),
            ("prompts/get", json!({ "name": "nothing" })),
            ("resources/read", json!({})),
            (
                "completion/complete",
                json!({ "ref": { "type": "ref/nothing" }, "argument": { "name": "x", "value": "" } }),
            ),
            ("completion/complete", json!({})),
        ] {
            let answer = client.request(method, params.clone()).await;
            assert_eq!(code(&answer), INVALID_PARAMS, "{method} {params}: {answer}");
        }
        let answer = client
            .request("tools/call", json!({ "name": "ad", "arguments": {} }))
            .await;
        assert!(
            answer["error"].to_string().contains("add"),
            "no hint at what was meant: {answer}"
        );
    }
}

#[tokio::test]
async fn row_90_structured_content_that_is_null() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    let answer = client.call("maybe", json!({})).await;
    assert_eq!(
        answer["result"].get("structuredContent"),
        Some(&Value::Null),
        "{answer}"
    );
    for revision in LEGACY {
        let mut client = Stdio::initialized(&fixture.service, revision).await;
        let answer = client.call("maybe", json!({})).await;
        assert!(
            answer["result"].get("structuredContent").is_none(),
            "{revision}: {answer}"
        );
    }
}

#[tokio::test]
async fn row_92_every_connection_sees_the_same_list() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let over_http = http.modern(1, "tools/list", json!({})).await.message()["result"].clone();
    for _ in 0..3 {
        let mut client = Stdio::open(&fixture.service);
        assert_eq!(
            client.request("tools/list", json!({})).await["result"],
            over_http
        );
        assert_eq!(client.sent.revision, MODERN);
    }
}

#[tokio::test]
async fn row_93_tool_names() {
    let build = |names: &[&str]| {
        let tools = names.iter().map(|name| {
            let builder = mcp_server::Tool::builder(*name)
                .description("x")
                .input_schema(r#"{"type":"object"}"#);
            builder.call(|_: Value, _ctx| Ok("ok".to_owned()))
        });
        Server::new("x", "1").tools(tools).build()
    };
    for good in ["a", &"a".repeat(64), "with-dash_and_9"] {
        let service = build(&[good]).expect("a good name");
        assert!(
            service.warnings().is_empty(),
            "{good}: {:?}",
            service.warnings()
        );
    }
    // Allowed by the protocol, refused by some clients: said, not forbidden.
    for warned in [&"a".repeat(65), &"a".repeat(128), "with.dots"] {
        let service = build(&[warned]).expect("an allowed name");
        assert!(!service.warnings().is_empty(), "{warned}");
    }
    for bad in ["", &"a".repeat(129), "with space", "é", "а", "a\nb"] {
        assert!(build(&[bad]).is_err(), "{bad:?}");
    }
    assert!(build(&["same", "same"]).is_err());
}
