//! Requests of 2026-07-28: no session, one answer, disconnecting is cancelling.

use super::*;

#[test]
fn an_answer_that_is_ready_is_one_json_object() {
    let bench = Bench::new();
    let reply = bench.modern(1, "tools/call", json!({"name": "hello", "arguments": {}}));
    assert_eq!(
        (reply.status(), reply.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(reply.header("content-length"), reply.text.len().to_string());
    let answer = reply.json();
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["result"]["resultType"], "complete");
    assert_eq!(
        answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "bench"
    );
    assert!(reply.ended);
    assert_eq!((bench.server.calls(), bench.server.sessions()), (0, 0));
    let discover = bench.modern(2, "server/discover", json!({}));
    assert_eq!(
        discover.json()["result"]["supportedVersions"][0],
        "2026-07-28"
    );
}

#[test]
fn the_status_says_who_is_at_fault() {
    let bench = Bench::new();
    let meta = |version: &str| {
        json!({"_meta": {"io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {}}})
    };
    let version = ("mcp-protocol-version", "2026-07-28");
    let list = ("mcp-method", "tools/list");
    for (headers, body, status, code) in [
        (
            &[version, list][..],
            modern_body(1, "tools/list", meta("2026-07-28")),
            200,
            0,
        ),
        (
            &[version, list],
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
            400,
            -32602,
        ),
        (
            &[list],
            modern_body(1, "tools/list", meta("2026-07-28")),
            400,
            -32020,
        ),
        (
            &[version, list],
            modern_body(1, "tools/list", meta("v999")),
            400,
            -32020,
        ),
        (
            &[("mcp-protocol-version", "v999"), list],
            modern_body(1, "tools/list", meta("v999")),
            400,
            -32022,
        ),
        (
            &[version, version, list],
            modern_body(1, "tools/list", meta("2026-07-28")),
            400,
            -32020,
        ),
        (
            &[version],
            modern_body(1, "tools/list", meta("2026-07-28")),
            400,
            -32020,
        ),
        (
            &[version, ("mcp-method", "TOOLS/LIST")],
            modern_body(1, "tools/list", meta("2026-07-28")),
            400,
            -32020,
        ),
        (
            &[version, ("mcp-method", "ping")],
            modern_body(1, "ping", meta("2026-07-28")),
            404,
            -32601,
        ),
        (
            &[version, ("mcp-method", "x/y")],
            modern_body(1, "x/y", meta("2026-07-28")),
            404,
            -32601,
        ),
    ] {
        let reply = bench.post(headers, &body);
        let code_seen = reply.json()["error"]["code"].as_i64().unwrap_or_default();
        assert_eq!(
            (reply.status(), code_seen),
            (status, code),
            "{headers:?} {body}"
        );
        assert_eq!(reply.json()["id"], 1, "{body}");
    }
    let unknown = bench.modern(1, "tools/call", json!({"name": "no-such-tool"}));
    assert_eq!((unknown.status(), unknown.code()), (200, -32602));
    let failed = bench.modern(1, "tools/call", json!({"name": "fail", "arguments": {}}));
    assert_eq!(
        (failed.status(), failed.json()["result"]["isError"].clone()),
        (200, json!(true))
    );
}

#[test]
fn a_message_that_cannot_be_read_is_400_with_its_id_if_it_has_one() {
    let bench = Bench::new();
    let headers = [("content-type", "application/json")];
    for (body, code, id) in [
        ("", -32700, Value::Null),
        ("{", -32700, Value::Null),
        (
            r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#,
            -32600,
            json!(7),
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            -32600,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":[]}"#,
            -32602,
            json!(7),
        ),
    ] {
        let reply = bench.send(Method::POST, &headers, body);
        assert_eq!((reply.status(), reply.code()), (400, code), "{body}");
        assert_eq!(reply.json()["id"], id, "{body}");
    }
    let batch = bench.post(
        &[("mcp-protocol-version", "2026-07-28")],
        &json!([call_body(1, "hello")]),
    );
    assert_eq!(batch.status(), 400);
}

#[test]
fn parameters_are_mirrored() {
    let bench = Bench::new();
    let body = modern_body(
        1,
        "tools/call",
        json!({"name": "where", "arguments": {"region": "Hello"}}),
    );
    let base = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "where"),
    ];
    for (value, accepted) in [
        (Some("Hello"), true),
        (Some("=?base64?SGVsbG8=?="), true),
        (Some("=?base64?SGVsbG8?="), false),
        (Some("hello"), false),
        (None, false),
    ] {
        let mut headers = base.to_vec();
        headers.extend(value.map(|value| ("Mcp-Param-Region", value)));
        let reply = bench.post(&headers, &body);
        assert_eq!(reply.status() == 200, accepted, "{value:?} {}", reply.text);
        assert!(accepted || reply.code() == -32020);
    }
}

#[test]
fn a_notification_turns_the_answer_into_a_stream() {
    let bench = Bench::new();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": "p",
    });
    let mut reply = bench.modern(
        5,
        "tools/call",
        json!({"name": "chatty", "arguments": {}, "_meta": meta}),
    );
    assert!(reply.is_stream() && !reply.ended);
    assert_eq!(reply.header("x-accel-buffering"), "no");
    assert_eq!(
        reply.events().len(),
        1,
        "no log level was asked for: {}",
        reply.text
    );
    assert_eq!(reply.events()[0]["params"]["progressToken"], "p");
    let before = reply.wakes();
    bench.gate.open();
    assert!(reply.wakes() > before);
    reply.poll(&bench);
    assert!(reply.ended && reply.ids().is_empty());
    assert_eq!(reply.events()[1]["id"], 5);
}

#[test]
fn a_long_answer_is_one_line_of_data_however_many_lines_its_text_has() {
    let bench = Bench::new();
    let params = |meta: Value| json!({"name": "long", "arguments": {}, "_meta": meta});
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": "p",
    });
    let reply = bench.modern(1, "tools/call", params(meta));
    assert!(reply.is_stream() && reply.ended);
    assert_eq!(
        reply
            .text
            .lines()
            .filter(|line| line.starts_with("data: "))
            .count(),
        2
    );
    assert_eq!(reply.text.lines().filter(|line| line.is_empty()).count(), 2);
    assert!(!reply.text.contains('\r'));
    assert_eq!(
        reply.events()[1]["result"]["content"][0]["text"],
        long_text()
    );

    let reply = bench.modern(2, "tools/call", json!({"name": "long", "arguments": {}}));
    assert!(reply.ended && !reply.is_stream() && !reply.text.contains(['\r', '\n']));
    assert_eq!(reply.header("content-length"), reply.text.len().to_string());
    assert_eq!(reply.json()["result"]["content"][0]["text"], long_text());
}

#[test]
fn reports_of_progress_keep_a_distance_in_time_and_the_last_one_precedes_the_answer() {
    let mut bench = Bench::new();
    let mut reply = bench.send(
        Method::POST,
        &[
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "steps"),
        ],
        &modern_body(
            1,
            "tools/call",
            json!({"name": "steps", "arguments": {}, "_meta": {"progressToken": 7,
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}}}),
        )
        .to_string(),
    );
    let heard = |reply: &Reply| -> Vec<Value> {
        let events = reply.events();
        let progress = events.iter().map(|event| &event["params"]["progress"]);
        progress.cloned().collect()
    };
    for _ in 0..3 {
        reply.poll(&bench);
    }
    assert_eq!(heard(&reply), [1]);
    let interval = Duration::from_millis(20);
    let due = reply.call.as_ref().unwrap().wakeup();
    assert_eq!(due, Some(bench.now.instant + interval));
    bench.pass(interval);
    reply.poll(&bench);
    assert_eq!(heard(&reply), [1, 3], "the latest alone");
    bench.gate.open();
    reply.poll(&bench);
    assert!(reply.ended);
    assert_eq!(heard(&reply), [json!(1), json!(3), json!(4), json!(null)]);
    assert_eq!(reply.events()[3]["id"], 1);
}

#[test]
fn a_slow_answer_turns_into_a_stream_and_shows_life() {
    let mut bench = Bench::new();
    let mut reply = bench.modern(1, "tools/call", json!({"name": "slow", "arguments": {}}));
    assert!(reply.head.is_none());
    assert_eq!(
        reply.call.as_ref().unwrap().wakeup(),
        Some(bench.now.instant + Duration::from_millis(500))
    );
    bench.pass(Duration::from_millis(500));
    reply.poll(&bench);
    assert!(reply.is_stream() && reply.text.is_empty());
    bench.pass(Duration::from_secs(15));
    reply.poll(&bench);
    assert_eq!(reply.text, ":\n\n");
    bench.gate.open();
    reply.poll(&bench);
    assert!(reply.ended);
    assert_eq!(reply.events()[0]["id"], 1);
}

#[test]
fn a_client_without_streams_waits_for_json() {
    let mut bench = Bench::new();
    let body = modern_body(1, "tools/call", json!({"name": "chatty", "arguments": {}}));
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "chatty"),
    ];
    let mut reply = bench.send(Method::POST, &headers, &body.to_string());
    bench.pass(Duration::from_secs(60));
    reply.poll(&bench);
    assert!(reply.head.is_none());
    bench.gate.open();
    reply.poll(&bench);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.json()["id"], 1);
    let listen = modern_body(1, "subscriptions/listen", json!({"notifications": {}}));
    let mut headers = headers;
    headers[3].1 = "subscriptions/listen";
    assert_eq!(
        bench
            .send(Method::POST, &headers[..4], &listen.to_string())
            .status(),
        406
    );
}

#[test]
fn disconnecting_cancels() {
    let bench = Bench::new();
    let mut reply = bench.modern(1, "tools/call", json!({"name": "slow", "arguments": {}}));
    assert_eq!((bench.ended(), bench.server.calls()), (0, 1));
    reply.disconnect();
    assert_eq!((bench.ended(), bench.server.calls()), (1, 0));
    assert!(
        bench.runtime.queue.lock().unwrap().is_empty(),
        "nothing goes on"
    );
}

#[test]
fn questions_come_back_as_input_required() {
    let bench = Bench::new();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    });
    let asked = bench.modern(
        1,
        "tools/call",
        json!({"name": "ask", "arguments": {}, "_meta": meta}),
    );
    let result = asked.json()["result"].clone();
    assert_eq!(result["resultType"], "input_required", "{}", asked.text);
    assert_eq!(
        result["inputRequests"]["name"]["method"],
        "elicitation/create"
    );
    let answered = bench.modern(
        2,
        "tools/call",
        json!({"name": "ask", "arguments": {}, "_meta": meta,
        "requestState": result["requestState"],
        "inputResponses": {"name": {"action": "accept", "content": {"name": "Ada"}}}}),
    );
    assert_eq!(
        answered.json()["result"]["content"][0]["text"],
        "Ada",
        "{}",
        answered.text
    );
}

#[test]
fn a_missing_capability_is_400() {
    let bench = Bench::new();
    let reply = bench.modern(1, "tools/call", json!({"name": "ask", "arguments": {}}));
    assert_eq!(
        (reply.status(), reply.code()),
        (400, -32021),
        "{}",
        reply.text
    );
    assert!(reply.json()["error"]["data"]["requiredCapabilities"]["elicitation"].is_object());
}

#[test]
fn a_subscription_is_acknowledged_told_once_and_completed() {
    let mut bench = Bench::new();
    let mut listen = bench.modern(
        9,
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    );
    assert!(listen.is_stream());
    let tag = "io.modelcontextprotocol/subscriptionId";
    assert_eq!(
        listen.events()[0]["method"],
        "notifications/subscriptions/acknowledged"
    );
    assert_eq!(listen.events()[0]["params"]["_meta"][tag], 9);
    assert_eq!(bench.server.streams(), 1);
    let tools = bench.server.service().tools();
    for name in ["a", "b", "c"] {
        tools
            .add(Tool::builder(name).call(|_: Nothing, _| Ok("x")))
            .unwrap();
    }
    assert!(listen.wakes() > 0);
    listen.poll(&bench);
    assert_eq!(
        listen.events().len(),
        2,
        "three changes between two writes are one"
    );
    assert_eq!(
        listen.events()[1]["method"],
        "notifications/tools/list_changed"
    );
    assert_eq!(listen.events()[1]["params"]["_meta"][tag], 9);
    bench.pass(Duration::from_secs(15));
    listen.poll(&bench);
    assert!(listen.text.ends_with(":\n\n"));
    bench.server.shutdown();
    listen.poll(&bench);
    assert!(listen.ended);
    let end = &listen.events()[2];
    assert_eq!(
        (&end["id"], &end["result"]["resultType"]),
        (&json!(9), &json!("complete"))
    );
    assert_eq!(bench.server.streams(), 0);
    let refused = bench.modern(1, "tools/list", json!({}));
    assert_eq!(
        (refused.status(), refused.header("retry-after")),
        (503, "1")
    );
    assert!(!bench.server.is_ready());
}

#[test]
fn what_is_beyond_the_limits_is_refused_before_it_runs() {
    let bench = Bench::with(
        |server| server,
        HttpOptions::default().with_max_calls(1).with_max_streams(1),
    );
    let first = bench.modern(1, "tools/call", json!({"name": "slow", "arguments": {}}));
    let second = bench.modern(2, "tools/call", json!({"name": "hello", "arguments": {}}));
    assert_eq!((second.status(), second.header("retry-after")), (503, "1"));
    assert_eq!(
        (second.json()["id"].clone(), second.code()),
        (json!(2), -32603)
    );
    drop(first);
    assert_eq!(
        bench
            .modern(3, "tools/call", json!({"name": "hello", "arguments": {}}))
            .status(),
        200
    );
    let _open = bench.modern(4, "subscriptions/listen", json!({"notifications": {}}));
    assert_eq!(
        bench
            .modern(5, "subscriptions/listen", json!({"notifications": {}}))
            .status(),
        503
    );
}

#[test]
fn notifications_are_taken_and_responses_are_not() {
    let bench = Bench::new();
    let version = [("mcp-protocol-version", "2026-07-28")];
    let note =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let taken = bench.post(&version, &note);
    assert_eq!((taken.status(), taken.text.as_str()), (202, ""));
    assert_eq!(
        bench
            .post(&[("mcp-protocol-version", "v999")], &note)
            .status(),
        400
    );
    assert_eq!(
        bench
            .post(&version, &json!({"jsonrpc": "2.0", "id": 1, "result": {}}))
            .status(),
        400
    );
}

#[test]
fn a_session_header_means_nothing_here() {
    let bench = Bench::new();
    let body = modern_body(1, "tools/list", json!({}));
    let reply = bench.post(
        &[
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/list"),
            ("mcp-session-id", "whatever"),
        ],
        &body,
    );
    assert_eq!((reply.status(), reply.header("mcp-session-id")), (200, ""));
}
