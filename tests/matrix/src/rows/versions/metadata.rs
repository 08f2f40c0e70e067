//! The metadata of a request, and the header that repeats its version.

use super::*;

#[tokio::test]
async fn row_29_missing_metadata() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for missing in [VERSION, CAPABILITIES] {
        let request = modern(1, "tools/list", json!({ "_meta": without(missing) }));
        let mut client = Stdio::open(&fixture.service);
        let answer = client.ask(&request).await;
        assert_eq!(code(&answer), -32602);
        assert!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains(missing)),
            "{answer}"
        );
        let answer = http.send(&Post::modern(&request)).await;
        assert_eq!((answer.status, answer.code()), (400, -32602));
    }
    for params in [json!({ "_meta": {} }), json!({})] {
        let request = legacy(1, "tools/list", params);
        let answer = http.send(&Post::modern(&request)).await;
        assert_eq!((answer.status, answer.code()), (400, -32602), "{request}");
    }
    // A method of this era alone says which era is meant.
    let answer = Stdio::open(&fixture.service)
        .ask(&legacy(1, "server/discover", json!({})))
        .await;
    assert_eq!(code(&answer), -32602);
    // Who the client is may stay unsaid.
    let request = modern(
        1,
        "tools/list",
        json!({ "_meta": without("io.modelcontextprotocol/clientInfo") }),
    );
    assert_eq!(http.send(&Post::modern(&request)).await.status, 200);
}

#[tokio::test]
async fn row_29_metadata_of_the_wrong_kind() {
    let fixture = Fixture::new();
    for (key, value) in [
        (VERSION, json!(1)),
        (CAPABILITIES, json!([])),
        (CAPABILITIES, json!("all")),
    ] {
        let mut meta = meta();
        meta[key] = value;
        let request = modern(1, "tools/list", json!({ "_meta": meta }));
        assert_eq!(
            code(&Stdio::open(&fixture.service).ask(&request).await),
            -32602,
            "{request}"
        );
        let answer = Http::new(&fixture.service)
            .send(&Post::modern(&request))
            .await;
        assert_eq!((answer.status, answer.code()), (400, -32602), "{request}");
    }
}

#[tokio::test]
async fn row_30_an_unsupported_version() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for requested in ["2099-01-01", "2025-11-25", "x", ""] {
        let mut meta = meta();
        meta[VERSION] = json!(requested);
        let request = modern(1, "tools/list", json!({ "_meta": meta }));
        let over_stream = Stdio::open(&fixture.service).ask(&request).await;
        let answer = http
            .send(&Post::modern(&request).with("mcp-protocol-version", requested))
            .await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        for message in [&over_stream, answer.message()] {
            assert_eq!(code(message), -32022, "{message}");
            let data = &message["error"]["data"];
            assert_eq!(data["requested"], requested);
            assert!(
                data["supported"]
                    .as_array()
                    .is_some_and(|all| all.contains(&json!(MODERN))),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn row_31_the_header_differs_from_the_metadata() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let request = modern(1, "tools/list", json!({}));
    for header in ["2025-11-25", "2025-06-18", "2099-01-01", "nonsense"] {
        let answer = http
            .send(&Post::modern(&request).with("mcp-protocol-version", header))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, -32020),
            "{header}: {}",
            answer.text
        );
    }
    // Before the version itself is judged.
    let mut meta = meta();
    meta[VERSION] = json!("2099-01-01");
    let answer = http
        .send(&Post::modern(&modern(
            1,
            "tools/list",
            json!({ "_meta": meta }),
        )))
        .await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
}

#[tokio::test]
async fn row_32_the_header_is_missing() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let post = Post::modern(&modern(1, "tools/list", json!({}))).without("mcp-protocol-version");
    let answer = http.send(&post).await;
    assert_eq!((answer.status, answer.code()), (400, -32020));
    // A client of 2025-03-26 has no such header.
    let session = http.initialize("2025-03-26").await;
    let answer = http
        .send(&session.post(&legacy(1, "tools/list", json!({}))))
        .await;
    assert_eq!(answer.status, 200);
    // A server without such clients assumes nothing.
    let http = Http::new(&only(modern_only()).service);
    let answer = http.send(&post).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, -32020),
        "{}",
        answer.text
    );
    let answer = http
        .send(&Post::body(legacy(1, "tools/list", json!({})).to_string()))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, -32602),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn row_33_an_unsupported_header_in_a_session() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    for header in ["1999-01-01", "x"] {
        let post = session
            .post(&legacy(1, "tools/list", json!({})))
            .with("mcp-protocol-version", header);
        let answer = http.send(&post).await;
        assert_eq!(answer.status, 400, "{header}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_order_of_judgement() {
    // Each message has this fault and every later one.
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let bad_name = |post: Post| post.with("mcp-name", "other").with("mcp-method", "other");
    let mut strange = meta();
    strange[VERSION] = json!("2099-01-01");

    let no_envelope = modern(
        json!(1.5),
        "no/such",
        json!({ "_meta": without(CAPABILITIES) }),
    );
    let no_meta = modern(1, "no/such", json!({ "_meta": without(CAPABILITIES) }));
    let differs = modern(1, "no/such", json!({ "_meta": strange }));
    let no_method = modern(1, "no/such", json!({}));
    for (message, header, status, expected) in [
        (&no_envelope, "2025-11-25", 400, -32600),
        (&no_meta, "2025-11-25", 400, -32602),
        (&differs, "2025-11-25", 400, -32020),
        (&differs, "2099-01-01", 400, -32022),
        (&no_method, MODERN, 400, -32020),
    ] {
        let answer = http
            .send(&bad_name(Post::modern(message)).with("mcp-protocol-version", header))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, expected),
            "{message}"
        );
    }
    let answer = http.send(&Post::modern(&no_method)).await;
    assert_eq!((answer.status, answer.code()), (404, -32601));
}
