//! JSON and JSON-RPC: what is no message, and what is a strange one.

use mcp_server::proto::limits::Limits;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::http::{Http, Post};
use crate::stdio::{LEGACY, MODERN, Stdio, capabilities, legacy, meta, modern};

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

fn code(message: &Value) -> i64 {
    message["error"]["code"]
        .as_i64()
        .unwrap_or_else(|| panic!("no error: {message}"))
}

/// Sends a line on a byte stream, in both eras, and returns the one error that it must cause. The connection must live on.
async fn refused(line: &[u8]) -> Vec<Value> {
    let fixture = Fixture::new();
    let mut errors = Vec::new();
    for revision in [MODERN, "2025-11-25"] {
        let mut client = if revision == MODERN {
            Stdio::open(&fixture.service)
        } else {
            Stdio::initialized(&fixture.service, revision).await
        };
        client.raw(line).await;
        client.raw(b"\n").await;
        let error = client.next().await;
        assert!(error.get("error").is_some(), "{error}");
        client.quiet().await;
        errors.push(error);
    }
    errors
}

/// Sends a body over HTTP and returns status and error code.
async fn refused_http(body: impl Into<bytes::Bytes>) -> (u16, i64) {
    let http = Http::new(&Fixture::new().service);
    let post = Post::body(body)
        .with("mcp-protocol-version", MODERN)
        .with("mcp-method", "tools/list");
    let answer = http.send(&post).await;
    (answer.status, answer.code())
}

#[tokio::test]
async fn row_1_not_json_on_a_stream() {
    for error in refused(b"this is no JSON").await {
        assert_eq!(code(&error), PARSE_ERROR);
        assert!(error.get("id").is_none_or(Value::is_null), "{error}");
    }
}

#[tokio::test]
async fn row_1_not_json_over_http() {
    assert_eq!(refused_http("this is no JSON").await, (400, PARSE_ERROR));
    assert_eq!(refused_http("").await, (400, PARSE_ERROR));
}

#[tokio::test]
async fn row_3_json_that_is_no_json_rpc_keeps_its_id() {
    for line in [
        r#"{"id":7,"method":"tools/list"}"#,
        r#"{"jsonrpc":"1.0","id":7,"method":"tools/list"}"#,
    ] {
        for error in refused(line.as_bytes()).await {
            assert_eq!((code(&error), &error["id"]), (INVALID_REQUEST, &json!(7)));
        }
        assert_eq!(refused_http(line).await, (400, INVALID_REQUEST));
    }
    for line in ["17", "\"text\"", "null", "true"] {
        for error in refused(line.as_bytes()).await {
            assert_eq!(code(&error), INVALID_REQUEST);
        }
        assert_eq!(refused_http(line).await, (400, INVALID_REQUEST));
    }
}

#[tokio::test]
async fn row_4_a_batch_is_refused_from_2025_06_18_on() {
    let batch = json!([legacy(1, "ping", json!({})), legacy(2, "ping", json!({}))]).to_string();
    for error in refused(batch.as_bytes()).await {
        assert_eq!(code(&error), INVALID_REQUEST);
    }
    assert_eq!(refused_http(batch.clone()).await, (400, INVALID_REQUEST));
    let http = Http::new(&Fixture::new().service);
    for revision in ["2025-06-18", "2025-11-25"] {
        let session = http.initialize(revision).await;
        let answer = http.send(&session.on(Post::body(batch.clone()))).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, INVALID_REQUEST),
            "{revision}"
        );
    }
}

#[tokio::test]
async fn row_4_a_batch_is_received_by_2025_03_26() {
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } });
    let batch = json!([legacy(1, "ping", json!({})), note, legacy(2, "tools/list", json!({})), { "jsonrpc": "2.0", "id": 3 }]);
    let fixture = Fixture::new();

    let mut client = Stdio::initialized(&fixture.service, "2025-03-26").await;
    client.send(&batch).await;
    for id in [json!(1), json!(2)] {
        assert!(client.answer_to(&id).await.get("result").is_some());
    }
    assert_eq!(code(&client.answer_to(&json!(3)).await), INVALID_REQUEST);
    client.quiet().await;

    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-03-26").await;
    let answer = http.send(&session.post(&batch)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut ids: Vec<String> = answer
        .messages
        .iter()
        .map(|message| message["id"].to_string())
        .collect();
    ids.sort();
    assert_eq!(ids, ["1", "2", "3"]);
    let only_notes = http.send(&session.post(&json!([note, note]))).await;
    assert_eq!(only_notes.status, 202, "{}", only_notes.text);
}

#[tokio::test]
async fn row_5_empty_and_huge_arrays_are_refused_once() {
    for body in ["[]".to_owned(), format!("[{}1]", "1,".repeat(10_000))] {
        for error in refused(body.as_bytes()).await {
            assert_eq!(code(&error), INVALID_REQUEST);
        }
        assert_eq!(refused_http(body.clone()).await, (400, INVALID_REQUEST));
        let fixture = Fixture::new();
        let mut client = Stdio::initialized(&fixture.service, "2025-03-26").await;
        client.line(&body).await;
        assert_eq!(code(&client.next().await), INVALID_REQUEST);
    }
}

#[tokio::test]
async fn row_6_a_null_id_is_refused() {
    let line = r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#;
    for error in refused(line.as_bytes()).await {
        assert_eq!(code(&error), INVALID_REQUEST);
    }
    assert_eq!(refused_http(line).await, (400, INVALID_REQUEST));
}

#[tokio::test]
async fn row_7_a_float_is_no_id_unless_tolerated() {
    for id in ["1.5", "1.0", "1e0", "-0.0"] {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{"_meta":{}}}}}"#,
            meta()
        );
        for error in refused(line.as_bytes()).await {
            assert_eq!(code(&error), INVALID_REQUEST, "{id}");
        }
        assert_eq!(refused_http(line).await, (400, INVALID_REQUEST), "{id}");
    }
    let limits = Limits {
        integral_float_ids: true,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    for (id, echoed) in [("1.0", Some(1)), ("1e0", Some(1)), ("1.5", None)] {
        let mut client = Stdio::open(&fixture.service);
        client
            .line(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"nothing/such","params":{{"_meta":{}}}}}"#,
                meta()
            ))
            .await;
        let answer = client.next().await;
        match echoed {
            Some(echoed) => assert_eq!(
                (code(&answer), &answer["id"]),
                (METHOD_NOT_FOUND, &json!(echoed))
            ),
            None => assert_eq!(code(&answer), INVALID_REQUEST),
        }
    }
}

#[tokio::test]
async fn row_8_a_string_and_a_number_are_two_ids() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    let wait = json!({ "name": "wait", "arguments": { "ms": 100 } });
    client.send(&modern(1, "tools/call", wait.clone())).await;
    client.send(&modern("1", "tools/call", wait)).await;
    for id in [json!(1), json!("1")] {
        assert!(client.answer_to(&id).await.get("result").is_some(), "{id}");
    }
    let http = Http::new(&fixture.service);
    assert_eq!(
        http.modern("1", "tools/list", json!({})).await.message()["id"],
        json!("1")
    );
}

#[tokio::test]
async fn row_9_unusual_ids_are_echoed_exactly() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut client = Stdio::open(&fixture.service);
    let escaped: Value = serde_json::from_str(r#""\u0061\n\"ü""#).expect("JSON");
    for id in [
        json!(9_007_199_254_740_993_i64),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(0),
        json!(""),
        escaped,
    ] {
        let request = modern(id.clone(), "tools/list", json!({}));
        assert_eq!(client.ask(&request).await["id"], id);
        assert_eq!(http.send(&Post::modern(&request)).await.message()["id"], id);
    }
}

#[tokio::test]
async fn row_9_a_huge_id_is_refused() {
    let line = modern("x".repeat(1_000_000), "tools/list", json!({})).to_string();
    for error in refused(line.as_bytes()).await {
        assert_eq!(code(&error), INVALID_REQUEST);
        assert!(error.to_string().len() < 1_000, "the id was echoed");
    }
    assert_eq!(refused_http(line).await, (400, INVALID_REQUEST));
}

#[tokio::test]
async fn row_10_other_kinds_of_ids_are_refused() {
    for id in ["true", "false", "[1]", "{\"a\":1}"] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
        for error in refused(line.as_bytes()).await {
            assert_eq!(code(&error), INVALID_REQUEST, "{id}");
        }
        assert_eq!(refused_http(line).await, (400, INVALID_REQUEST), "{id}");
    }
}

#[tokio::test]
async fn row_11_an_id_in_flight_twice_on_a_stream() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    client
        .send(&modern(
            1,
            "tools/call",
            json!({ "name": "wait", "arguments": { "ms": 200 } }),
        ))
        .await;
    client
        .send(&modern(
            1,
            "tools/call",
            json!({ "name": "echo", "arguments": { "text": "second" } }),
        ))
        .await;
    assert_eq!(code(&client.next().await), INVALID_REQUEST);
    let first = client.next().await;
    assert_eq!(first["result"]["content"][0]["text"], "waited", "{first}");
    // Afterwards the id is free again, although a client should not use it.
    client
        .send(&modern(
            1,
            "tools/call",
            json!({ "name": "echo", "arguments": { "text": "again" } }),
        ))
        .await;
    assert_eq!(client.next().await["result"]["content"][0]["text"], "again");
}

#[tokio::test]
async fn row_11_the_same_id_in_two_posts_is_two_requests() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let wait = json!({ "ms": 100 });
    let (first, second, third) = tokio::join!(
        http.call("wait", wait.clone()),
        http.call("wait", wait),
        http.call("echo", json!({ "text": "x" }))
    );
    for answer in [first, second, third] {
        assert_eq!(answer.status, 200);
        assert!(answer.last().get("result").is_some());
    }
    let session = http.initialize("2025-11-25").await;
    let wait = json!({ "ms": 100 });
    let (first, second) = tokio::join!(
        session.call("wait", wait.clone()),
        session.call("wait", wait)
    );
    assert!(first.last().get("result").is_some() && second.last().get("result").is_some());
}

#[tokio::test]
async fn row_12_an_answer_to_nothing() {
    let fixture = Fixture::new();
    let answer = json!({ "jsonrpc": "2.0", "id": 4711, "result": {} });
    let error = json!({ "jsonrpc": "2.0", "id": 4711, "error": { "code": -1, "message": "x" } });
    for message in [&answer, &error] {
        let mut client = Stdio::open(&fixture.service);
        client.send(message).await;
        client.quiet().await;
        let mut client = Stdio::initialized(&fixture.service, "2025-11-25").await;
        client.send(message).await;
        client.quiet().await;
        let http = Http::new(&fixture.service);
        let post = Post::body(message.to_string()).with("mcp-protocol-version", MODERN);
        assert_eq!(http.send(&post).await.status, 400);
    }
}

/// Starts a legacy call that asks for a name; returns the client and the server's request.
async fn asked(fixture: &Fixture) -> (Stdio, Value) {
    let mut client = Stdio::initialized(&fixture.service, "2025-11-25").await;
    client
        .send(&legacy(
            1,
            "tools/call",
            json!({ "name": "ask", "arguments": {} }),
        ))
        .await;
    let question = client.next().await;
    assert_eq!(question["method"], "elicitation/create");
    (client, question)
}

#[tokio::test]
async fn row_13_a_second_answer_is_dropped() {
    let fixture = Fixture::new();
    let (mut client, question) = asked(&fixture).await;
    for name in ["Ada", "Eve"] {
        let result = json!({ "action": "accept", "content": { "name": name } });
        client
            .send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }))
            .await;
    }
    let answer = client.answer_to(&json!(1)).await;
    assert_eq!(answer["result"]["content"][0]["text"], "Hello Ada");
    client.quiet().await;
}

#[tokio::test]
async fn row_14_an_answer_with_both_result_and_error_or_neither() {
    for broken in [
        json!({ "result": {}, "error": { "code": 1, "message": "x" } }),
        json!({}),
    ] {
        let fixture = Fixture::new();
        let (mut client, question) = asked(&fixture).await;
        let mut answer = broken.clone();
        answer["jsonrpc"] = json!("2.0");
        answer["id"] = question["id"].clone();
        client.send(&answer).await;
        let answer = client.answer_to(&json!(1)).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
}

#[tokio::test]
async fn row_15_an_error_without_id_ends_nothing() {
    let fixture = Fixture::new();
    let (mut client, question) = asked(&fixture).await;
    client
        .line(r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"?"}}"#)
        .await;
    let good = json!({ "action": "accept", "content": { "name": "Ada" } });
    client
        .send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": good }))
        .await;
    assert_eq!(
        client.answer_to(&json!(1)).await["result"]["content"][0]["text"],
        "Hello Ada"
    );
}

#[tokio::test]
async fn row_16_a_malformed_error_code_still_ends_the_question() {
    for code in ["1.5", "\"x\"", "1e400", "null"] {
        let fixture = Fixture::new();
        let (mut client, question) = asked(&fixture).await;
        client
            .line(&format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{code},"message":"x"}}}}"#,
                question["id"]
            ))
            .await;
        let answer = client.answer_to(&json!(1)).await;
        assert_eq!(answer["result"]["isError"], true, "{code}: {answer}");
    }
}

#[tokio::test]
async fn row_17_a_request_without_id_is_never_answered() {
    let fixture = Fixture::new();
    let call = json!({ "name": "echo", "arguments": { "text": "x" }, "_meta": meta() });
    let message = json!({ "jsonrpc": "2.0", "method": "tools/call", "params": call });
    let mut client = Stdio::open(&fixture.service);
    client.send(&message).await;
    client.quiet().await;
    let mut client = Stdio::initialized(&fixture.service, "2025-11-25").await;
    client.line(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}"#).await;
    client.quiet().await;
    let answer = Http::new(&fixture.service)
        .send(&Post::modern(&message))
        .await;
    assert!(
        answer
            .messages
            .iter()
            .all(|message| message.get("result").is_none()),
        "{}",
        answer.text
    );
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn row_17_a_notification_with_an_id_is_an_unknown_method() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut old = Stdio::initialized(&fixture.service, "2025-11-25").await;
    let mut new = Stdio::open(&fixture.service);
    for method in [
        "notifications/initialized",
        "notifications/progress",
        "nothing/such",
        "tools/List",
        "",
    ] {
        assert_eq!(
            code(&old.request(method, json!({})).await),
            METHOD_NOT_FOUND,
            "{method}"
        );
        assert_eq!(
            code(&new.request(method, json!({})).await),
            METHOD_NOT_FOUND,
            "{method}"
        );
        let answer = http.modern(1, method, json!({})).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, METHOD_NOT_FOUND),
            "{method}"
        );
    }
}

#[tokio::test]
async fn row_18_params_of_another_kind() {
    for params in ["[1]", "\"x\"", "null", "3"] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{params}}}"#);
        for error in refused(line.as_bytes()).await {
            assert_eq!(
                (code(&error), &error["id"]),
                (INVALID_PARAMS, &json!(5)),
                "{params}"
            );
        }
        assert_eq!(refused_http(line).await, (400, INVALID_PARAMS), "{params}");
    }
}

#[tokio::test]
async fn row_18_missing_params_where_all_is_optional() {
    let fixture = Fixture::new();
    for revision in LEGACY {
        let mut client = Stdio::initialized(&fixture.service, revision).await;
        for method in [
            "tools/list",
            "resources/list",
            "resources/templates/list",
            "prompts/list",
            "ping",
        ] {
            let answer = client
                .ask(&json!({ "jsonrpc": "2.0", "id": method, "method": method }))
                .await;
            assert!(answer.get("result").is_some(), "{revision} {answer}");
        }
    }
}

#[tokio::test]
async fn row_19_duplicate_keys_are_refused() {
    let meta = meta();
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    let cases = [
        format!(
            r#"{{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{meta}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list","params":{{"_meta":{meta}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{{"_meta":{meta}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{}},"params":{{"_meta":{meta}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","name":"add","_meta":{meta}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{}},"arguments":{{"text":"x"}},"_meta":{meta}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{meta},"_meta":{meta}}}}}"#
        ),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{version},{version},"io.modelcontextprotocol/clientCapabilities":{}}}}}}}"#,
            capabilities()
        ),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","x":1,"x":2}"#.to_owned(),
    ];
    for line in cases {
        for error in refused(line.as_bytes()).await {
            assert_eq!(code(&error), INVALID_REQUEST, "{line}");
        }
        assert_eq!(
            refused_http(line.clone()).await,
            (400, INVALID_REQUEST),
            "{line}"
        );
    }
}

#[tokio::test]
async fn row_20_keys_that_only_look_alike() {
    // Not the same key: the message has no method.
    for key in [
        "Method",
        "METHOD",
        "method\\u0000",
        "method ",
        "\u{ff4d}ethod",
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"{key}":"tools/list"}}"#);
        for error in refused(line.as_bytes()).await {
            assert_eq!(code(&error), INVALID_REQUEST, "{line}");
        }
        assert_eq!(
            refused_http(line.clone()).await,
            (400, INVALID_REQUEST),
            "{line}"
        );
        // Beside the true key it is an unknown one.
        let fixture = Fixture::new();
        let mut client = Stdio::initialized(&fixture.service, "2025-11-25").await;
        client
            .line(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"ping","{key}":"tools/list"}}"#
            ))
            .await;
        assert_eq!(client.next().await["result"], json!({}), "{key}");
    }
    // The same key once escapes are decoded.
    let fixture = Fixture::new();
    let mut client = Stdio::initialized(&fixture.service, "2025-11-25").await;
    client
        .line(r#"{"jsonrpc":"2.0","id":1,"\u006dethod":"p\u0069ng"}"#)
        .await;
    assert_eq!(client.next().await["result"], json!({}));
    let line = r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/call"}"#;
    for error in refused(line.as_bytes()).await {
        assert_eq!(code(&error), INVALID_REQUEST);
    }
}

#[tokio::test]
async fn row_21_deep_long_and_wide_messages() {
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}1{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    for error in refused(deep.as_bytes()).await {
        assert!(
            [PARSE_ERROR, INVALID_REQUEST].contains(&code(&error)),
            "{error}"
        );
    }
    let (status, code_over_http) = refused_http(deep).await;
    assert!(status == 400 && [PARSE_ERROR, INVALID_REQUEST].contains(&code_over_http));

    let limits = Limits {
        max_message: 64 * 1024,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    let long = modern(
        1,
        "tools/call",
        json!({ "name": "echo", "arguments": { "text": "x".repeat(100_000) } }),
    );
    let mut client = Stdio::open(&fixture.service);
    client.send(&long).await;
    assert_eq!(code(&client.next().await), INVALID_REQUEST);
    client.quiet().await;
    let answer = Http::new(&fixture.service).send(&Post::modern(&long)).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert_eq!(fixture.seen.started(), 0);

    let members: Vec<String> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let wide = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping",{}}}"#,
        members.join(",")
    );
    let fixture = Fixture::new();
    let mut client = Stdio::initialized(&fixture.service, "2025-11-25").await;
    client.line(&wide).await;
    let answer = client.next().await;
    assert!(
        answer.get("result").is_some() || code(&answer) == INVALID_REQUEST,
        "{answer}"
    );
}

#[tokio::test]
async fn row_22_bytes_that_are_not_utf_8() {
    let line = |text: &[u8]| {
        let mut bytes = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":""#.to_vec();
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(br#""}}}"#);
        bytes
    };
    // Invalid, overlong, a surrogate in UTF-8, cut off, and an unescaped NUL.
    for text in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xe2\x82",
        b"\0",
    ] {
        for error in refused(&line(text)).await {
            assert_eq!(code(&error), PARSE_ERROR, "{text:?}");
        }
        assert_eq!(
            refused_http(line(text)).await,
            (400, PARSE_ERROR),
            "{text:?}"
        );
    }
    // A lone surrogate in an escape has no UTF-8: the message is refused or the call fails, and nothing is made up.
    let fixture = Fixture::new();
    let mut client = Stdio::initialized(&fixture.service, "2025-11-25").await;
    client.raw(&line(br"\ud800")).await;
    client.raw(b"\n").await;
    let answer = client.next().await;
    assert!(
        answer.get("error").is_some() || answer["result"]["isError"] == true,
        "{answer}"
    );
    client.quiet().await;
}

#[tokio::test]
async fn row_22_a_byte_order_mark_and_crlf_are_tolerated() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    let request = modern(1, "tools/list", json!({})).to_string();
    client.raw(b"\xef\xbb\xbf").await;
    client.raw(format!("{request}\r\n").as_bytes()).await;
    client.sent.note(&request);
    assert!(client.next().await.get("result").is_some());
    client.quiet().await;
    let mut body = b"\xef\xbb\xbf".to_vec();
    body.extend_from_slice(request.as_bytes());
    let post = Post::body(body)
        .with("mcp-protocol-version", MODERN)
        .with("mcp-method", "tools/list");
    let http = Http::new(&fixture.service);
    http.send(&Post::modern(&modern(1, "tools/list", json!({}))))
        .await;
    assert_eq!(http.send(&post).await.status, 200);
}

#[tokio::test]
async fn row_23_lines_and_messages() {
    let fixture = Fixture::new();
    let ping = |id: i64| modern(id, "tools/list", json!({})).to_string();

    // A newline inside a message is the sender's framing error: two lines that are no messages.
    let mut client = Stdio::open(&fixture.service);
    client
        .raw(b"{\"jsonrpc\":\"2.0\",\n\"id\":1,\"method\":\"ping\"}\n")
        .await;
    assert_eq!(code(&client.next().await), PARSE_ERROR);
    assert_eq!(code(&client.next().await), PARSE_ERROR);
    client.quiet().await;

    // Two messages on a line are none.
    client.line(&format!("{} {}", ping(1), ping(2))).await;
    assert_eq!(code(&client.next().await), PARSE_ERROR);
    client.quiet().await;

    // Blank lines are nothing.
    client.raw(b"\n\r\n  \n\n").await;
    client.quiet().await;

    // Pieces arrive as they like.
    let (id, line) = (7, format!("{}\n", ping(7)));
    client.sent.note(line.trim());
    for byte in line.as_bytes() {
        client.raw(&[*byte]).await;
    }
    assert_eq!(client.next().await["id"], id);

    // The last line counts without its newline.
    client.raw(ping(8).as_bytes()).await;
    let (rest, _) = client.finish().await;
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["id"], 8);
}

#[tokio::test]
async fn row_24_numbers_beyond_every_type() {
    let fixture = Fixture::new();
    let mut client = Stdio::initialized(&fixture.service, "2025-11-25").await;
    let http = Http::new(&fixture.service);
    let cases = [
        ("add", r#"{"a":1e400,"b":1}"#, None),
        ("add", r#"{"a":-0,"b":0.1}"#, Some("0.1")),
        (
            "add",
            r#"{"a":18446744073709551616,"b":0}"#,
            Some("1.8446744073709552e+19"),
        ),
        ("wait", r#"{"ms":18446744073709551616}"#, None),
        ("wait", r#"{"ms":-1}"#, None),
        ("wait", r#"{"ms":0.5}"#, None),
    ];
    for (tool, arguments, good) in cases {
        // serde_json cannot read all of these, so the harness cannot take note of the request by itself.
        client
            .sent
            .note(&legacy(1, "tools/call", json!({})).to_string());
        http.note(&modern(1, "tools/call", json!({})));
        client.line(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#)).await;
        let over_stream = client.next().await;
        let meta = meta();
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{meta}}}}}"#
        );
        let post = Post::body(body)
            .with("mcp-protocol-version", MODERN)
            .with("mcp-method", "tools/call")
            .with("mcp-name", tool);
        let over_http = http.send(&post).await.last().clone();
        for answer in [over_stream, over_http] {
            match good {
                Some(text) => assert!(
                    answer["result"]["content"][0]["text"]
                        .as_str()
                        .is_some_and(|found| found.contains(text)),
                    "{answer}"
                ),
                None => assert_eq!(
                    answer["result"]["isError"], true,
                    "{tool} {arguments}: {answer}"
                ),
            }
        }
    }
    client.quiet().await;
}

#[tokio::test]
async fn row_25_unknown_things_are_ignored() {
    let fixture = Fixture::new();
    let mut params =
        json!({ "name": "echo", "arguments": { "text": "x" }, "future": [1, 2], "_meta": meta() });
    params["_meta"]["com.example/mine"] = json!({ "deep": [null] });
    let mut request = modern(1, "tools/call", params);
    request["extra"] = json!("x");
    let mut client = Stdio::open(&fixture.service);
    assert_eq!(
        client.ask(&request).await["result"]["content"][0]["text"],
        "x"
    );
    client
        .line(r#"{"jsonrpc":"2.0","method":"notifications/of/the/future","params":{"x":1}}"#)
        .await;
    client.quiet().await;
    let http = Http::new(&fixture.service);
    assert_eq!(
        http.send(&Post::modern(&request)).await.last()["result"]["content"][0]["text"],
        "x"
    );
    let session = http.initialize("2025-11-25").await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/of/the/future" });
    assert_eq!(http.send(&session.post(&note)).await.status, 202);
}
