//! Headers that repeat what the body says.

use super::*;

#[tokio::test]
async fn row_47_method_and_name_are_mirrored() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let good = || call("add", json!({ "a": 1, "b": 2 }));
    assert_eq!(http.send(&good()).await.status, 200);
    for (what, post) in [
        ("no method", good().without("mcp-method")),
        ("another method", good().with("mcp-method", "tools/list")),
        (
            "method in other case",
            good().with("mcp-method", "Tools/Call"),
        ),
        ("method twice", good().and("mcp-method", "tools/call")),
        ("no name", good().without("mcp-name")),
        ("another name", good().with("mcp-name", "echo")),
        ("name in other case", good().with("mcp-name", "Add")),
        ("name twice", good().and("mcp-name", "add")),
        ("name twice and different", good().and("mcp-name", "echo")),
        ("empty name", good().with("mcp-name", "")),
        ("bytes", good().with("mcp-name", "ädd")),
    ] {
        let answer = http.send(&post).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, -32020),
            "{what}: {}",
            answer.text
        );
    }
    // The first judgement of a body's content: no handler has run.
    assert_eq!(fixture.seen.started(), 1);
    // Names of headers have no case.
    let upper = good()
        .without("mcp-method")
        .with("MCP-METHOD", "tools/call");
    assert_eq!(http.send(&upper).await.status, 200);
    // The URI is the name of a resource, and the name that of a prompt.
    let read = Post::modern(&modern(
        1,
        "resources/read",
        json!({ "uri": "test://text" }),
    ));
    assert_eq!(http.send(&read).await.status, 200);
    let answer = http.send(&read.with("mcp-name", "test://other")).await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
    let get = Post::modern(&modern(
        1,
        "prompts/get",
        json!({ "name": "greet", "arguments": { "name": "x" } }),
    ));
    assert_eq!(http.send(&get).await.status, 200);
    let answer = http.send(&get.without("mcp-name")).await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
}

#[tokio::test]
async fn row_48_the_base64_sentinel() {
    let http = Http::new(&Fixture::new().service);
    let named = |name: &str, header: &str| call(name, json!({})).with("mcp-name", header);
    // "echo", "é", "=?base64?ZWNobw==?=" in their encoded forms.
    for (name, header, good) in [
        ("echo", "=?base64?ZWNobw==?=", true),
        ("é", "=?base64?w6k=?=", true),
        (
            "=?base64?ZWNobw==?=",
            "=?base64?PT9iYXNlNjQ/WldOb2J3PT0/PQ==?=",
            true,
        ),
        // A plain value that looks encoded is decoded, so it is another name.
        ("=?base64?ZWNobw==?=", "=?base64?ZWNobw==?=", false),
        ("echo", "=?base64?PT9iYXNlNjQ/WldOb2J3PT0/PQ==?=", false),
        ("echo", "=?base64?ZWNob?=", false),
        ("echo", "=?base64?****?=", false),
        ("echo", "=?base64?/w==?=", false),
        ("echo", "=?base64?ZWNobw==", false),
        ("echo", "=?BASE64?ZWNobw==?=", false),
    ] {
        let answer = http.send(&named(name, header)).await;
        let mismatch = answer.last()["error"]["code"] == -32020;
        assert_eq!(mismatch, !good, "{name} {header}: {:?}", answer.messages);
        if mismatch {
            assert_eq!(answer.status, 400);
        }
    }
}

#[tokio::test]
async fn row_49_mirrored_arguments() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let send = |arguments: Value, headers: &[(&str, &str)]| {
        let mut post = call("region", arguments);
        for (name, value) in headers {
            post = post.and(name, value);
        }
        post
    };
    let region = ("mcp-param-region", "eu");
    for (what, post, good) in [
        ("equal", send(json!({ "region": "eu" }), &[region]), true),
        ("missing", send(json!({ "region": "eu" }), &[]), false),
        (
            "different",
            send(json!({ "region": "eu" }), &[("mcp-param-region", "us")]),
            false,
        ),
        (
            "other case",
            send(json!({ "region": "eu" }), &[("mcp-param-region", "EU")]),
            false,
        ),
        (
            "twice",
            send(json!({ "region": "eu" }), &[region, region]),
            false,
        ),
        (
            "encoded",
            send(
                json!({ "region": "eu" }),
                &[("mcp-param-region", "=?base64?ZXU=?=")],
            ),
            true,
        ),
        (
            "badly encoded",
            send(
                json!({ "region": "eu" }),
                &[("mcp-param-region", "=?base64?ZX?=")],
            ),
            false,
        ),
        (
            "integer",
            send(
                json!({ "region": "eu", "count": 42 }),
                &[region, ("mcp-param-count", "42")],
            ),
            true,
        ),
        (
            "integral float",
            send(
                json!({ "region": "eu", "count": 42 }),
                &[region, ("mcp-param-count", "42.0")],
            ),
            true,
        ),
        (
            "other integer",
            send(
                json!({ "region": "eu", "count": 42 }),
                &[region, ("mcp-param-count", "43")],
            ),
            false,
        ),
        (
            "no number",
            send(
                json!({ "region": "eu", "count": 42 }),
                &[region, ("mcp-param-count", "x")],
            ),
            false,
        ),
        (
            "absent value",
            send(
                json!({ "region": "eu" }),
                &[region, ("mcp-param-count", "1")],
            ),
            false,
        ),
        (
            "null value",
            send(
                json!({ "region": "eu", "count": null }),
                &[region, ("mcp-param-count", "1")],
            ),
            false,
        ),
        (
            "null without header",
            send(json!({ "region": "eu", "count": null }), &[region]),
            true,
        ),
        (
            "beyond the safe integers",
            send(
                json!({ "region": "eu", "count": 9_007_199_254_740_993_i64 }),
                &[region, ("mcp-param-count", "9007199254740993")],
            ),
            false,
        ),
        (
            "unknown header",
            send(
                json!({ "region": "eu" }),
                &[region, ("mcp-param-other", "1")],
            ),
            true,
        ),
    ] {
        let answer = http.send(&post).await;
        let mismatch = answer.last()["error"]["code"] == -32020;
        assert_eq!(
            (mismatch, answer.status == 400),
            (!good, !good),
            "{what}: {:?}",
            answer.messages
        );
    }
    // Other tools have no such headers.
    let answer = http
        .send(&call("add", json!({ "a": 1, "b": 2 })).with("mcp-param-region", "eu"))
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn row_49_the_list_names_the_mirrored_arguments() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut cursor = Value::Null;
    loop {
        let params = if cursor.is_null() {
            json!({})
        } else {
            json!({ "cursor": cursor })
        };
        let answer = http.modern(1, "tools/list", params).await;
        let result = &answer.message()["result"];
        let tools = result["tools"].as_array().expect("tools");
        if let Some(tool) = tools.iter().find(|tool| tool["name"] == "region") {
            assert_eq!(
                tool["inputSchema"]["properties"]["region"]["x-mcp-header"],
                "Region"
            );
            return;
        }
        cursor = result["nextCursor"].clone();
        assert!(cursor.is_string(), "region is not listed");
    }
}
