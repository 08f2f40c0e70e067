//! Bytes, JSON and lines: what can be read, and as what.

use mcp_server::proto::limits::Limits;
use serde_json::{Value, json};

use super::{INVALID_REQUEST, PARSE_ERROR, code, refused};
use crate::fixture::Fixture;
use crate::http::{Http, Post};
use crate::peer::Peer;
use crate::stdio::{MODERN, Stdio, capabilities, legacy, meta, modern};

#[tokio::test]
async fn row_1_not_json() {
    for error in refused("this is no JSON", PARSE_ERROR).await {
        assert!(error.get("id").is_none_or(Value::is_null), "{error}");
    }
}

#[tokio::test]
async fn row_1_an_empty_body() {
    let http = Http::new(&Fixture::new().service);
    let session = http.initialize("2025-11-25").await;
    for post in [
        Post::body("").with("mcp-protocol-version", MODERN),
        session.on(Post::body("")),
    ] {
        let answer = http.send(&post).await;
        assert_eq!((answer.status, answer.code()), (400, PARSE_ERROR));
    }
}

#[tokio::test]
async fn row_3_json_that_is_no_json_rpc_keeps_its_id() {
    for line in [
        r#"{"id":7,"method":"tools/list"}"#,
        r#"{"jsonrpc":"1.0","id":7,"method":"tools/list"}"#,
        r#"{"jsonrpc":2.0,"id":7,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":7}"#,
    ] {
        for error in refused(line, INVALID_REQUEST).await {
            assert_eq!(error["id"], 7, "{error}");
        }
    }
    for line in ["17", "\"text\"", "null", "true", "{}"] {
        refused(line, INVALID_REQUEST).await;
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
        refused(line, INVALID_REQUEST).await;
    }
}

#[tokio::test]
async fn row_20_keys_that_only_look_alike() {
    let fixture = Fixture::new();
    let mut peers = Peer::both(&fixture.service, "2025-11-25").await;
    let like = legacy(1, "ping", json!({}));
    for key in [
        "Method",
        "METHOD",
        "method\\u0000",
        "method ",
        "\u{ff4d}ethod",
    ] {
        // Not the same key: the message has no method.
        refused(
            format!(r#"{{"jsonrpc":"2.0","id":1,"{key}":"tools/list"}}"#),
            INVALID_REQUEST,
        )
        .await;
        // Beside the true key it is an unknown one.
        for peer in &mut peers {
            let line =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","{key}":"tools/list"}}"#);
            assert_eq!(
                peer.text(&like, &line).await["result"],
                json!({}),
                "{peer}: {key}"
            );
        }
    }
    // The same key once escapes are decoded.
    for peer in &mut peers {
        let line = r#"{"jsonrpc":"2.0","id":1,"\u006dethod":"p\u0069ng"}"#;
        assert_eq!(peer.text(&like, line).await["result"], json!({}), "{peer}");
    }
    refused(
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/call"}"#,
        INVALID_REQUEST,
    )
    .await;
}

#[tokio::test]
async fn row_21_deep_messages() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}1{}}}"#,
            open.repeat(10_000),
            close.repeat(10_000)
        );
        refused(deep, PARSE_ERROR).await;
    }
}

#[tokio::test]
async fn row_21_long_messages() {
    let limits = Limits {
        max_message: 64 * 1024,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    for mut peer in Peer::each(&fixture.service).await {
        let params = json!({ "name": "echo", "arguments": { "text": "x".repeat(100_000) } });
        let long = peer.message("tools/call", params);
        let (status, messages) = peer.bytes(&long, long.to_string().as_bytes()).await;
        assert_eq!(
            (messages.len(), code(&messages[0])),
            (1, INVALID_REQUEST),
            "{peer}"
        );
        assert!(
            status.is_none_or(|status| status == 413),
            "{peer}: {status:?}"
        );
        peer.works().await;
    }
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn row_21_wide_messages() {
    let members: Vec<String> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let members = members.join(",");
    // Members that nobody knows are compared with each other, so their number has a limit.
    for wide in [
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list",{members}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{members}}}}}"#),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{members}}}}}}}"#
        ),
    ] {
        for error in refused(wide, INVALID_REQUEST).await {
            assert_eq!(error["id"], 1);
        }
    }
    // Arguments are the tool's own business.
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        let like = peer.message("tools/call", json!({ "name": "echo", "arguments": "?" }));
        let arguments = format!("{{{members},\"text\":\"x\"}}");
        let answer = peer
            .text(&like, &like.to_string().replace("\"?\"", &arguments))
            .await;
        assert!(answer.get("result").is_some(), "{peer}: {answer}");
    }
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
        refused(line(text), PARSE_ERROR).await;
    }
    // A lone surrogate in an escape has no UTF-8, and nothing is made up for it.
    for half in [&br"\ud800"[..], br"\udc00", br"\ud800x"] {
        refused(line(half), PARSE_ERROR).await;
    }
}

#[tokio::test]
async fn row_22_a_byte_order_mark_and_crlf_are_tolerated() {
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        for (before, after) in [("\u{feff}", ""), ("", "\r"), ("\u{feff}", "\r")] {
            let request = peer.message("tools/list", json!({}));
            let text = format!("{before}{request}{after}");
            let answer = peer.text(&request, &text).await;
            assert!(answer.get("result").is_some(), "{peer}: {answer}");
        }
        peer.works().await;
    }
}

#[tokio::test]
async fn row_23_lines_and_messages_of_a_stream() {
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
async fn row_23_a_body_is_one_message() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let list = |id: i64| modern(id, "tools/list", json!({}));
    let head = |body: String| Post::modern(&list(1)).with_body(body);
    // Two messages are none, whatever stands between them.
    for between in ["", " ", "\n", "\r\n"] {
        let answer = http
            .send(&head(format!("{}{between}{}", list(1), list(2))))
            .await;
        assert_eq!((answer.status, answer.code()), (400, PARSE_ERROR));
    }
    // A newline has no meaning of its own in a body.
    let pretty = serde_json::to_string_pretty(&list(1)).expect("JSON");
    for body in [pretty.clone(), format!("\n\n{pretty}\n")] {
        assert_eq!(http.send(&head(body)).await.status, 200);
    }
    let answer = http.send(&head("\n".into())).await;
    assert_eq!((answer.status, answer.code()), (400, PARSE_ERROR));
}

#[tokio::test]
async fn row_24_numbers_beyond_every_type() {
    let fixture = Fixture::new();
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
    for mut peer in Peer::each(&fixture.service).await {
        for (tool, arguments, good) in cases {
            // Written as text, for not every library can hold these numbers.
            let like = peer.message("tools/call", json!({ "name": tool, "arguments": "?" }));
            let text = like.to_string().replace("\"?\"", arguments);
            let answer = peer.text(&like, &text).await;
            match good {
                Some(text) => assert!(
                    answer["result"]["content"][0]["text"]
                        .as_str()
                        .is_some_and(|found| found.contains(text)),
                    "{peer}: {answer}"
                ),
                None => assert_eq!(
                    answer["result"]["isError"], true,
                    "{peer}: {tool} {arguments}: {answer}"
                ),
            }
        }
        peer.works().await;
    }
}
