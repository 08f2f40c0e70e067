//! What peers say that they should not.
//!
//! Owns two tables of bad lines. `x` is a number to play with, `id` one that is or was in use.

/// What a client may send.
#[must_use]
pub fn of_client(kind: u32, x: u32, id: &str, ask: u64) -> Vec<u8> {
    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    let n = x % 7;
    let line = match kind % 48 {
        0 => "INFO ready".into(),
        1 => "[]".into(),
        2 => format!(r#"[{{"jsonrpc":"2.0","id":{n},"method":"ping"}}]"#),
        3 => r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.into(),
        4 => format!(r#"{{"jsonrpc":"1.0","id":{id},"method":"ping"}}"#),
        5 => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{{META},"name":"t"}}}}"#
        ),
        6 => format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#),
        7 => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ),
        8 => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"{n}"}}}}"#
        ),
        9 => r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#.into(),
        10 => format!(r#"{{"jsonrpc":"2.0","id":{ask},"result":{{}}}}"#),
        11 => format!(r#"{{"jsonrpc":"2.0","id":"{ask}","result":[{x}]}}"#),
        12 => format!(r#"{{"jsonrpc":"2.0","id":{ask},"error":{{"code":-1,"message":"no"}}}}"#),
        13 => format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
            u64::from(x) * 65536 + 1
        ),
        14 => format!(
            r#"{{"jsonrpc":"2.0","id":{ask},"result":{{}},"error":{{"code":1,"message":""}}}}"#
        ),
        15 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2099-01-01","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        ),
        16 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
        ),
        17 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":7,"io.modelcontextprotocol/clientCapabilities":[]}}}}}}"#
        ),
        18 => format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"{}\"}}",
            "x".repeat(x as usize % 3000)
        ),
        19 => format!(
            "{}{}",
            "[".repeat(x as usize % 200),
            "]".repeat(x as usize % 200)
        ),
        20 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"ping","params":{}{}}}"#,
            "{\"a\":".repeat(x as usize % 80) + "1",
            "}".repeat(x as usize % 80)
        ),
        21 => format!(r#"{{"jsonrpc":"2.0","id":1,"id":{n},"method":"ping"}}"#),
        22 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{{{META},"name":"a","name":"b"}}}}"#
        ),
        23 => format!(
            r#"{{"jsonrpc":"2.0","id":"s{n}","method":"tools/call","params":{{{META},"name":"t"}}}}"#
        ),
        24 => format!(r#"{{"jsonrpc":"2.0","id":{n}.0,"method":"ping"}}"#),
        25 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"progressToken":{}}},"name":"t"}}}}"#,
            ["true", "1.5", "1e3", "\"t\"", "{}", "null", "-0"][n as usize]
        ),
        26 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"subscriptions/listen","params":{{{META},"notifications":{}}}}}"#,
            [
                "[]",
                "null",
                "{\"toolsListChanged\":1}",
                "{\"resourceSubscriptions\":[1]}",
                "{\"x\":1}",
                "{\"resourceSubscriptions\":\"a\"}",
                "{\"toolsListChanged\":true,\"resourceSubscriptions\":null}"
            ][n as usize]
        ),
        27 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"l","version":"0"}}}}}}"#,
            [
                "2025-11-25",
                "2024-11-05",
                "1999-01-01",
                "2026-07-28",
                "x",
                "",
                "2025-03-26"
            ][n as usize]
        ),
        28 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"initialize","params":{{"protocolVersion":{n},"capabilities":[]}}}}"#
        ),
        29 => format!("{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"ping\"}}\r"),
        30 => " \t\r".into(),
        31 => format!("\u{feff}{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"ping\"}}"),
        32 => format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"ping","params":[]}}"#),
        33 => format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"ping","params":{{"_meta":null}}}}"#),
        34 => return b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\xffing\"}\n".to_vec(),
        35 => format!(
            r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#,
            "i".repeat(250 + n as usize)
        ),
        36 => format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"tools\/list","params":{{{META}}}}}"#),
        37 => format!(r#"{{"jsonrpc":"2.0","m\u0065thod":"ping","id":"\u00e4{n}"}}"#),
        38 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"logging/setLevel","params":{{"level":"{}"}}}}"#,
            ["debug", "loud", "error", "", "Info", "emergency", "notice"][n as usize]
        ),
        39 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"resources/subscribe","params":{{"uri":{}}}}}"#,
            [
                "1",
                "\"a://1\"",
                "\"a://2\"",
                "null",
                "\"\"",
                "\"a://long/long/long\"",
                "\"a:\\/\\/1\""
            ][n as usize]
        ),
        40 => "x".repeat(x as usize % 4000),
        41 => format!(r#"{{"id":{n},"result":"#),
        42 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/logLevel":{}}}}}}}"#,
            [
                "1",
                "\"loud\"",
                "\"debug\"",
                "null",
                "\"error\"",
                "[]",
                "\"emergency\""
            ][n as usize]
        ),
        43 => format!(
            r#"[{{"jsonrpc":"2.0","id":"b{n}","method":"tools/list"}}, {{"jsonrpc":"2.0","id":"c{n}","method":"ping"}} ,{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"b{n}"}}}},7,[]]"#
        ),
        44 => format!("[{}1]", "7,".repeat(x as usize % 300)),
        45 => format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"initialize","params":{{"protocolVersion":"2025-03-26","capabilities":{{"roots":{{}}}},"clientInfo":{{"name":"l","version":"0"}}}}}}"#
        ),
        46 => format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{{"a":{x}}}}}"#),
        _ => {
            let token = "t".repeat(251 + n as usize);
            format!(
                r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{{"_meta":{{"progressToken":"{token}"}},"name":"t"}}}}"#
            )
        }
    };
    let mut line = line.into_bytes();
    line.push(b'\n');
    line
}

/// What a server may send.
#[must_use]
pub fn of_server(kind: u32, x: u32, id: &str) -> Vec<u8> {
    let n = x % 7;
    let tag = |method: &str, rest: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}{rest}}}}}"#
        )
    };
    let line = match kind % 34 {
        0 => "Listening on stdio".into(),
        1 => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"n":{x}}}}}"#),
        2 => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{}},"error":{{"code":1,"message":""}}}}"#
        ),
        3 => format!(r#"{{"jsonrpc":"2.0","id":{id}}}"#),
        4 => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{x},"message":"m","data":[1]}}}}"#
        ),
        5 => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":"1"}}}}"#),
        6 => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#,
            [
                "[]",
                "null",
                "1",
                "\"\"",
                "{}",
                "true",
                "{\"resultType\":null}"
            ][n as usize]
        ),
        7 => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":{}}}}}"#,
            [
                "\"odd\"",
                "1",
                "\"complete\"",
                "\"input_required\"",
                "\"input_required\",\"requestState\":\"s\"",
                "\"task\"",
                "\"compl\\u0065te\""
            ][n as usize]
        ),
        8 => format!(r#"{{"jsonrpc":"2.0","id":"{n}","result":{{}}}}"#),
        9 => format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
            u64::from(x) << 14
        ),
        10 => r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"what?"}}"#.into(),
        11 => r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"what?"}}"#.into(),
        12 => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":{}}}}}"#,
            ["0", "1.5", "-1", "\"1\"", "1e400", "null", "1e3"][n as usize]
        ),
        13 => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"{id}","progress":{n}}}}}"#
        ),
        14 => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":{x},"total":"x","message":"\u0041\n"}}}}"#
        ),
        15 => r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#.into(),
        16 => tag(
            "subscriptions/acknowledged",
            r#","notifications":{"toolsListChanged":true}"#,
        ),
        17 => tag("subscriptions/acknowledged", ""),
        18 => tag("tools/list_changed", ""),
        19 => tag("resources/updated", r#","uri":"a://9""#),
        20 => tag("x", ""),
        21 => r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#.into(),
        22 => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ),
        23 => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{n}}}}}"#
        ),
        24 if n > 3 => format!(
            r#"[{{"jsonrpc":"2.0","id":{n},"method":"ping"}},{{"jsonrpc":"2.0","id":"a{n}","method":"roots/list"}}, {{"jsonrpc":"2.0","id":{id},"result":{{}}}} ,{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"a{x}"}}}},{{"jsonrpc":"2.0","id":"b{n}","method":"roots/list"}},{{"jsonrpc":"2.0","method":"notifications/x"}},7,[]]"#
        ),
        24 => format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"ping"}}"#),
        25 => format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"roots/list"}}"#),
        26 => format!(
            r#"{{"jsonrpc":"2.0","id":"{n}","method":"{}"}}"#,
            [
                "elicitation/create",
                "sampling/createMessage",
                "tools/list",
                "x",
                "ping",
                "roots/list",
                ""
            ][n as usize]
        ),
        27 => "y".repeat(x as usize % 4000),
        28 => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\r"),
        29 => "\r".into(),
        30 => format!("\u{feff}{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}"),
        31 => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}},"x":["#),
        32 => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":{x}}}}}"#
        ),
        _ => format!(
            r#"{{"jsonrpc":"2.0","method":"{}"}}"#,
            [
                "notifications/x",
                "",
                "ping",
                "notifications/resources/updated",
                "notifications/cancelled",
                "tools/call",
                "notifications/subscriptions/acknowledged"
            ][n as usize]
        ),
    };
    let mut line = line.into_bytes();
    line.push(b'\n');
    line
}
