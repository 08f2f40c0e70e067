//! Schemas that point elsewhere, explode, or are of another dialect.

use super::*;

fn pointer(schema: &str) -> mcp_server::Tool {
    mcp_server::Tool::builder("pointer")
        .input_schema(schema)
        .call(|_: Value, _ctx| Ok("ran".to_owned()))
}

#[tokio::test]
async fn row_88_schemas_that_point_elsewhere_are_not_followed() {
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = trap.local_addr().expect("an address");
    let secret = std::env::temp_dir().join(format!("mcp-matrix-schema-{}", std::process::id()));
    std::fs::write(&secret, r#"{"type":"integer"}"#).expect("written");
    for reference in [
        format!("http://{address}/schema.json"),
        format!("file://{}", secret.display()),
    ] {
        let schema =
            format!(r#"{{"type":"object","properties":{{"a":{{"$ref":"{reference}"}}}}}}"#);
        // What cannot be resolved without leaving cannot be promised: the server does not start, and says what is wrong.
        let refused = Server::new("x", "1").tool(pointer(&schema)).build();
        let error = refused
            .expect_err("a schema that points elsewhere")
            .to_string();
        assert!(
            error.contains("pointer") && error.contains(&reference),
            "{error}"
        );
        // Nor does it take one while it runs.
        let running = Fixture::new();
        assert!(running.service.tools().add(pointer(&schema)).is_err());
    }
    std::fs::remove_file(secret).expect("removed");
    let visit = tokio::time::timeout(std::time::Duration::from_millis(50), trap.accept()).await;
    assert!(visit.is_err(), "the reference was fetched");
}

#[tokio::test]
async fn row_88_a_dialect_that_is_not_supported_is_named() {
    let dialect = "https://example.com/no-such-dialect";
    let schema = format!(r#"{{"$schema":"{dialect}","type":"object"}}"#);
    let refused = Server::new("x", "1").tool(pointer(&schema)).build();
    let error = refused.expect_err("another dialect").to_string();
    assert!(error.contains(dialect), "{error}");
    for known in [
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/draft-07/schema#",
    ] {
        let schema = format!(r#"{{"$schema":"{known}","type":"object"}}"#);
        assert!(
            Server::new("x", "1").tool(pointer(&schema)).build().is_ok(),
            "{known}"
        );
    }
}

#[tokio::test]
async fn row_88_schemas_that_explode_are_bounded() {
    let many: Vec<String> = (0..100_000)
        .map(|n| format!(r#"{{"const":{n}}}"#))
        .collect();
    let recursive = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"},{"$ref":"#/$defs/c"},{"type":"null"}]},"b":{"type":"array","items":{"$ref":"#/$defs/a"}},"c":{"type":"array","items":{"$ref":"#/$defs/a"}}}}"##;
    let nested = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let text = format!("\"{}!\"", "a".repeat(30_000));
    for (schema, bad, good) in [
        (recursive.to_owned(), nested.as_str(), "[[null],[]]"),
        (
            r#"{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}"#
                .to_owned(),
            text.as_str(),
            "\"aaa\"",
        ),
        (
            format!(
                r#"{{"type":"object","properties":{{"a":{{"anyOf":[{}]}}}}}}"#,
                many.join(",")
            ),
            "-1",
            "99999",
        ),
    ] {
        let service = Server::new("x", "1")
            .tool(pointer(&schema))
            .build()
            .expect("a schema that stays at home");
        for mut peer in Peer::each(&service).await {
            for (argument, fits) in [(bad, false), (good, true)] {
                // An answer in the harness's patience is the bound; unbounded work would take years.
                let like =
                    peer.message("tools/call", json!({ "name": "pointer", "arguments": "?" }));
                let arguments = format!(r#"{{"a":{argument}}}"#);
                let answer = peer
                    .text(&like, &like.to_string().replace("\"?\"", &arguments))
                    .await;
                let found = answer["result"]["content"][0]["text"] == "ran";
                assert_eq!(found, fits, "{peer}: {}", &schema[..schema.len().min(200)]);
            }
        }
    }
}
