//! Calls of tools and their like: what is an error, what a result, and what may be called how.

use super::*;

#[tokio::test]
async fn row_89_what_is_an_error_and_what_a_result() {
    let fixture = Fixture::new();
    for mut client in Peer::of_every_revision(&fixture.service).await {
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
            assert_eq!(
                code(&answer),
                INVALID_PARAMS,
                "{client}: {method} {params}: {answer}"
            );
        }
        // An unknown resource is an error and never an empty list.
        let answer = client
            .request("resources/read", json!({ "uri": "user://nobody" }))
            .await;
        let expected = if client.is_modern() {
            INVALID_PARAMS
        } else {
            -32002
        };
        assert_eq!(code(&answer), expected, "{client}: {answer}");
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
    for mut client in Peer::of_every_revision(&fixture.service).await {
        let answer = client.call("maybe", json!({})).await;
        let expected = client.is_modern().then_some(&Value::Null);
        assert_eq!(
            answer["result"].get("structuredContent"),
            expected,
            "{client}: {answer}"
        );
    }
}

#[tokio::test]
async fn row_90_structured_content_that_is_no_object() {
    let list = mcp_server::Tool::builder("primes")
        .input_schema(r#"{"type":"object"}"#)
        .call(|_: Value, _ctx| {
            let json = mcp_server::types::Json::parse("[2,3,5]").expect("JSON");
            Ok::<_, mcp_server::HandlerError>(
                mcp_server::types::CallToolResult::new(vec![]).with_structured_content(json),
            )
        });
    let fixture = Fixture::with(|server| server.tool(list));
    for mut client in Peer::of_every_revision(&fixture.service).await {
        let answer = client.call("primes", json!({})).await;
        let structured = answer["result"].get("structuredContent");
        if client.is_modern() {
            assert_eq!(structured, Some(&json!([2, 3, 5])), "{client}");
        } else {
            // A client of these revisions takes objects only; every message is checked against its revision's schema.
            assert!(
                structured.is_none_or(Value::is_object),
                "{client}: {answer}"
            );
        }
        assert!(
            answer["result"].get("isError").is_none(),
            "{client}: {answer}"
        );
    }
}

#[tokio::test]
async fn row_90_structured_content_that_is_not_as_promised() {
    let promising = |name: &str, structured: Option<&'static str>| {
        mcp_server::Tool::builder(name)
            .input_schema(r#"{"type":"object"}"#)
            .output_schema(
                r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#,
            )
            .call(move |_: Value, _ctx| {
                let mut result = mcp_server::types::CallToolResult::new(vec![]);
                if let Some(text) = structured {
                    result = result.with_structured_content(
                        mcp_server::types::Json::parse(text).expect("JSON"),
                    );
                }
                Ok::<_, mcp_server::HandlerError>(result)
            })
    };
    let fixture = Fixture::with(|server| {
        server
            .tool(promising("kept", Some(r#"{"n":1}"#)))
            .tool(promising("broken", Some(r#"{"n":"one"}"#)))
            .tool(promising("forgotten", None))
    });
    for mut client in Peer::each(&fixture.service).await {
        let answer = client.call("kept", json!({})).await;
        assert_eq!(
            answer["result"]["structuredContent"],
            json!({ "n": 1 }),
            "{client}"
        );
        // The client, who checks, must not be the first one to notice.
        for tool in ["broken", "forgotten"] {
            let answer = client.call(tool, json!({})).await;
            assert_eq!(code(&answer), -32603, "{client}: {tool}: {answer}");
        }
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
