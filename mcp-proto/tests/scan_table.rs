//! What the scanner says about each kind of bad (and odd but good) message.

use mcp_proto::error::{INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR};
use mcp_proto::json::{Kind, Malformed, MalformedKind, ScanLimits, scan};
use mcp_proto::method::Method;

fn fault(frame: impl AsRef<[u8]>) -> Malformed {
    let frame = frame.as_ref();
    match scan(frame, &ScanLimits::default()) {
        Ok(envelope) => panic!("accepted {}: {envelope:?}", String::from_utf8_lossy(frame)),
        Err(malformed) => malformed,
    }
}

fn kind(frame: impl AsRef<[u8]>) -> MalformedKind {
    fault(frame).kind
}

/// The fault together with the id that an answer would carry.
fn fault_and_id(frame: &str) -> (MalformedKind, Option<&str>) {
    let malformed = fault(frame);
    let id = malformed.id.get(frame.as_bytes());
    (
        malformed.kind,
        id.map(|id| core::str::from_utf8(id).unwrap()),
    )
}

/// The raw id of a frame that must be accepted.
fn id(frame: &str) -> Option<&str> {
    let envelope = scan(frame.as_bytes(), &ScanLimits::default()).unwrap();
    envelope
        .id
        .get(frame.as_bytes())
        .map(|id| core::str::from_utf8(id).unwrap())
}

fn with_id(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)
}

#[test]
fn text_that_is_not_json_is_a_parse_error() {
    for frame in [
        "x",
        "{",
        "{]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{,}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":1e}"#,
        r#"{"a":-}"#,
        r#"{"a":0x1}"#,
        r#"{"a":NaN}"#,
        r#"{"a":tru}"#,
        r#"{"a":nulll}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[1 2]}"#,
        r#"{"a":[1}}"#,
        r#"{"a":{"b":1]}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12g4"}"#,
        r#"{"a":"\u12"}"#,
        r#"{'a':1}"#,
        r#"{a:1}"#,
        "{\"a\":\"\n\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{}}",
        "{} {}",
        "nullx",
        "[1] x{",
        "Server listening on stdout",
        "{\"a\":1}\u{a0}",
    ] {
        let malformed = fault(frame);
        if frame.starts_with('[') {
            continue; // a batch is refused unread
        }
        assert_eq!(
            (malformed.kind, malformed.code()),
            (MalformedKind::Syntax, PARSE_ERROR),
            "{frame}"
        );
    }
    assert_eq!(kind(""), MalformedKind::Empty);
    assert_eq!(kind(" \r\n\t"), MalformedKind::Empty);
}

#[test]
fn json_that_is_not_json_rpc_keeps_its_id() {
    for frame in [
        r#"{"id":7,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"method":"ping","id":7}"#,
        r#"{"method":"ping","params":{},"id":7}"#,
        r#"{"method":"ping","id":7,"JSONRPC":"2.0"}"#,
    ] {
        assert_eq!(
            fault_and_id(frame),
            (MalformedKind::Version, Some("7")),
            "{frame}"
        );
        assert_eq!(fault(frame).code(), INVALID_REQUEST);
        assert_eq!(fault(frame).form, Some(Kind::Request));
    }
    // An escaped "2.0" is still "2.0".
    assert_eq!(
        id(r#"{"jsonrpc":"\u0032.0","id":1,"method":"ping"}"#),
        Some("1")
    );
    // The id is kept even if the rest is not JSON.
    assert_eq!(
        fault_and_id(r#"{"jsonrpc":"2.0","id":"x","method":"a","params":{"#),
        (MalformedKind::Syntax, Some("\"x\""))
    );
}

#[test]
fn batches_and_other_values_are_refused_without_being_read() {
    assert_eq!(kind("[]"), MalformedKind::Batch);
    assert_eq!(
        kind(format!("[{}", "{},".repeat(10_000))),
        MalformedKind::Batch
    );
    assert_eq!(kind("[not even json"), MalformedKind::Batch);
    for frame in ["1", "null", "\"x\"", "true", "-1.5e3"] {
        assert_eq!(kind(frame), MalformedKind::NotObject);
    }
    assert_eq!(fault("[]").code(), INVALID_REQUEST);
}

#[test]
fn ids_are_strings_or_integers() {
    for good in [
        "0",
        "-0",
        "-1",
        "9007199254740993",
        "9223372036854775807",
        "18446744073709551616",
        "\"\"",
        "\"a\\u0062\"",
    ] {
        assert_eq!(id(&with_id(good)), Some(good));
    }
    for bad in [
        "null", "true", "false", "[]", "[1]", "{}", "1.5", "1.0", "1e0", "1E5",
    ] {
        assert_eq!(
            fault_and_id(&with_id(bad)),
            (MalformedKind::Id, None),
            "{bad}"
        );
    }
    let fits = format!("\"{}\"", "x".repeat(254));
    assert_eq!(id(&with_id(&fits)), Some(fits.as_str()));
    for long in [
        format!("\"{}\"", "x".repeat(255)),
        "1".repeat(257),
        format!("\"{}\"", "x".repeat(1 << 20)),
    ] {
        assert_eq!(fault_and_id(&with_id(&long)), (MalformedKind::Id, None));
    }
}

#[test]
fn integral_floats_are_ids_only_by_tolerance() {
    let limits = ScanLimits {
        integral_float_ids: true,
        ..ScanLimits::default()
    };
    for good in ["1.0", "1e0", "-2.50e1"] {
        assert!(scan(with_id(good).as_bytes(), &limits).is_ok(), "{good}");
    }
    for bad in ["1.5", "1e400", "9007199254740993.0", "1e-1"] {
        assert_eq!(
            scan(with_id(bad).as_bytes(), &limits).unwrap_err().kind,
            MalformedKind::Id,
            "{bad}"
        );
    }
}

#[test]
fn responses_have_exactly_one_outcome() {
    let accept = |frame: &str| scan(frame.as_bytes(), &ScanLimits::default()).unwrap().kind;
    assert_eq!(
        accept(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        Kind::Result
    );
    assert_eq!(
        accept(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","data":[]}}"#),
        Kind::Error
    );
    // The peer could not read our id.
    assert_eq!(
        accept(r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"m"}}"#),
        Kind::Error
    );
    assert_eq!(
        accept(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"m"}}"#),
        Kind::Error
    );

    let table = [
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
            MalformedKind::ResultAndError,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1}"#,
            MalformedKind::NoMethodNoResult,
            Some("1"),
        ),
        (r#"{"jsonrpc":"2.0","result":{}}"#, MalformedKind::Id, None),
        (
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
            MalformedKind::Id,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#,
            MalformedKind::MethodAndResult,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#,
            MalformedKind::ErrorShape,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":null}"#,
            MalformedKind::ErrorShape,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"m"}}"#,
            MalformedKind::ErrorShape,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"m"}}"#,
            MalformedKind::ErrorShape,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":9223372036854775808,"message":"m"}}"#,
            MalformedKind::ErrorShape,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#,
            MalformedKind::ErrorShape,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"message":"m"}}"#,
            MalformedKind::ErrorShape,
            Some("1"),
        ),
    ];
    for (frame, kind, id) in table {
        assert_eq!(fault_and_id(frame), (kind, id), "{frame}");
    }
    assert_eq!(fault(table[5].0).form, Some(Kind::Error));
    assert_eq!(fault(table[0].0).form, Some(Kind::Error));
}

#[test]
fn params_must_be_an_object_and_the_id_stays_readable() {
    for params in ["[]", "[1,2]", "\"x\"", "null", "1", "true"] {
        for frame in [
            format!(r#"{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{params}}}"#),
            format!(r#"{{"params":{params},"jsonrpc":"2.0","method":"tools/call","id":3}}"#),
        ] {
            assert_eq!(
                fault_and_id(&frame),
                (MalformedKind::Params, Some("3")),
                "{frame}"
            );
            assert_eq!(
                (fault(&frame).code(), fault(&frame).form),
                (INVALID_PARAMS, Some(Kind::Request))
            );
        }
        let meta =
            format!(r#"{{"jsonrpc":"2.0","id":3,"method":"ping","params":{{"_meta":{params}}}}}"#);
        assert_eq!(fault_and_id(&meta), (MalformedKind::Meta, Some("3")));
    }
    // Missing params are fine here: many methods need none.
    assert_eq!(id(&with_id("1")), Some("1"));
    // A notification is never answered, so the caller is told that it is one.
    assert_eq!(
        fault(r#"{"jsonrpc":"2.0","method":"a","params":1}"#).form,
        Some(Kind::Notification)
    );
    assert_eq!(
        fault(r#"{"jsonrpc":"2.0","method":"a","params":"#).form,
        None
    );
}

#[test]
fn a_key_that_occurs_twice_is_never_a_choice() {
    let envelope = [
        r#""jsonrpc":"2.0""#,
        r#""method":"b""#,
        r#""params":{}"#,
        r#""x":1"#,
        r#""":1"#,
        r#""\u006a\u0073onrpc":"2.0""#,
        r#""m\u0065thod":"b""#,
        r#""p\u0061rams":{}"#,
        r#""\u0078":2"#,
    ];
    for member in envelope {
        let frame =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{}},"x":0,"":0,{member}}}"#);
        assert_eq!(
            fault_and_id(&frame),
            (MalformedKind::Duplicate, Some("1")),
            "{frame}"
        );
        assert_eq!(fault(&frame).code(), INVALID_REQUEST);
    }
    for member in [
        r#""name":"b""#,
        r#""n\u0061me":"b""#,
        r#""arguments":{}"#,
        r#""_meta":{}"#,
        r#""\u005fmeta":{}"#,
        r#""zz":1"#,
        r#""z\u007a":1"#,
        r#""z\u007A":1"#,
    ] {
        let frame = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","arguments":{{}},"_meta":{{}},"zz":0,{member}}}}}"#
        );
        assert_eq!(
            fault_and_id(&frame),
            (MalformedKind::Duplicate, Some("1")),
            "{frame}"
        );
    }
    for member in [
        r#""progressToken":2"#,
        r#""io.modelcontextprotocol/protocolVersion":"x""#,
        r#""io.modelcontextprotocol\/protocolVersion":"x""#,
        r#""com.example/a":1"#,
        r#""com.example\/a":1"#,
    ] {
        let frame = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"_meta":{{"progressToken":1,"io.modelcontextprotocol/protocolVersion":"y","com.example/a":0,{member}}}}}}}"#
        );
        assert_eq!(
            fault_and_id(&frame),
            (MalformedKind::Duplicate, Some("1")),
            "{frame}"
        );
    }
    // Two ids are none: no answer may be attributed to either.
    for second in [r#""id":2"#, r#""\u0069d":2"#, r#""id":null"#] {
        let frame = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a",{second}}}"#);
        assert_eq!(
            fault_and_id(&frame),
            (MalformedKind::Duplicate, None),
            "{frame}"
        );
    }
    // The same key on different levels, or below the levels that we read, is nobody's duplicate.
    let fine = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","x":1,"params":{"x":1,"id":1,"name":"n","arguments":{"a":1,"a":2},"_meta":{"x":1,"name":"n"}}}"#;
    assert_eq!(id(fine), Some("1"));
}

#[test]
fn a_key_is_known_by_its_decoded_text_only() {
    let frame = br#"{"jsonrpc":"2.0","\u0069\u0064":5,"m\u0065thod":"tools\/c\u0061ll","params":{"n\u0061me":"x","\u005fmeta":{"io.modelcontextprotocol\/logLevel":"info"}}}"#;
    let envelope = scan(frame, &ScanLimits::default()).unwrap();
    assert_eq!(envelope.method, Method::ToolsCall);
    assert_eq!(envelope.id.get(frame), Some(&b"5"[..]));
    assert_eq!(envelope.name.get(frame), Some(&b"\"x\""[..]));
    assert_eq!(envelope.meta_log_level.get(frame), Some(&b"\"info\""[..]));
    // Other case, a NUL, or another script are other keys.
    for key in [
        "Method",
        "METHOD",
        "method\\u0000",
        "method ",
        "mеthod",
        "\\u004dethod",
    ] {
        let frame = format!(r#"{{"jsonrpc":"2.0","id":5,"{key}":"ping"}}"#);
        assert_eq!(
            fault_and_id(&frame),
            (MalformedKind::NoMethodNoResult, Some("5")),
            "{key}"
        );
        let beside = format!(r#"{{"jsonrpc":"2.0","id":5,"method":"ping","{key}":"x"}}"#);
        assert_eq!(id(&beside), Some("5"), "{key}");
    }
    // A key that is longer than any that we know.
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":5,"method":"ping","\u0061{}":1}}"#,
        "a".repeat(1000)
    );
    assert_eq!(id(&long), Some("5"));
}

#[test]
fn depth_size_and_number_of_members_are_bounded() {
    let nested = |levels: usize, open: &str, close: &str| {
        let params = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"x":{params}}}}}"#)
    };
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        assert_eq!(id(&nested(62, open, close)), Some("1"));
        assert_eq!(
            fault_and_id(&nested(63, open, close)),
            (MalformedKind::Depth, Some("1"))
        );
        assert_eq!(kind(nested(200_000, open, close)), MalformedKind::Depth);
        let deepest = ScanLimits {
            max_depth: u32::MAX,
            ..ScanLimits::default()
        };
        assert!(scan(nested(126, open, close).as_bytes(), &deepest).is_ok());
        assert_eq!(
            scan(nested(127, open, close).as_bytes(), &deepest)
                .unwrap_err()
                .kind,
            MalformedKind::Depth
        );
    }
    let members = |count: usize| {
        (0..count)
            .map(|n| format!(r#","k{n}":0"#))
            .collect::<String>()
    };
    assert_eq!(
        id(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"a"{}}}"#,
            members(64)
        )),
        Some("1")
    );
    assert_eq!(
        kind(format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"a"{}}}"#,
            members(65)
        )),
        MalformedKind::Members
    );
    assert_eq!(
        kind(format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"a"{}}}"#,
            members(100_000)
        )),
        MalformedKind::Members
    );
    // The members of an error object have a meaning and are not among them.
    let error = format!(
        r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":1,"message":"m","data":0{}}}}}"#,
        members(64)
    );
    assert_eq!(id(&error), Some("1"));
    // Arguments may have as many as they like.
    let arguments = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"arguments":{{"a":0{}}}}}}}"#,
        members(10_000)
    );
    assert_eq!(id(&arguments), Some("1"));
}

#[test]
fn text_must_be_unicode() {
    let frame = |text: &[u8]| {
        [
            br#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":""#,
            text,
            br#""}}"#,
        ]
        .concat()
    };
    for good in [
        "ü",
        "日本語",
        "🦀",
        "\u{7f}",
        "\\ud83e\\udd80",
        "\\u0000",
        "\u{feff}",
        "\u{2028}",
    ] {
        assert!(
            scan(&frame(good.as_bytes()), &ScanLimits::default()).is_ok(),
            "{good}"
        );
    }
    let long = "x".repeat(100);
    let bad: [&[u8]; 12] = [
        b"\xff",
        b"\xc3",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\\ud800",
        b"\\udc00",
        b"\\ud800\\u0041",
        b"\\ud800x",
        b"\\udc00\\ud800",
    ];
    for text in bad {
        for text in [
            text.to_vec(),
            [long.as_bytes(), text].concat(),
            [text, long.as_bytes()].concat(),
        ] {
            let malformed = fault(frame(&text));
            assert_eq!(
                (malformed.kind, malformed.code()),
                (MalformedKind::Utf8, PARSE_ERROR),
                "{text:?}"
            );
        }
    }
    // Bytes beyond ASCII outside of strings are no JSON at all.
    assert_eq!(kind("{\"jsonrpc\":ü}"), MalformedKind::Syntax);
}

#[test]
fn byte_order_mark_and_white_space_are_tolerated() {
    let frame = "\u{feff} \r\n{ \"jsonrpc\" : \"2.0\" ,\t\"id\" : 1 , \"method\" : \"ping\" , \"params\" : { } }\r\n";
    assert_eq!(id(frame), Some("1"));
    assert_eq!(kind("\u{feff}"), MalformedKind::Empty);
    assert_eq!(kind("{\u{feff}}"), MalformedKind::Syntax);
}

#[test]
fn two_messages_in_one_frame_are_none() {
    let one = with_id("1");
    assert_eq!(kind(format!("{one}{one}")), MalformedKind::Syntax);
    assert_eq!(kind(format!("{one} {one}")), MalformedKind::Syntax);
    assert_eq!(kind(format!("{one},")), MalformedKind::Syntax);
}

#[test]
fn odd_numbers_pass_through_untouched() {
    for number in [
        "1e400",
        "-0",
        "0.1",
        "18446744073709551616",
        "-1E-999",
        "0e0",
        "123456789012345678901234567890.5",
    ] {
        let frame = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progress":{number}}}}}"#
        );
        let envelope = scan(frame.as_bytes(), &ScanLimits::default()).unwrap();
        assert_eq!(
            envelope.progress.get(frame.as_bytes()),
            Some(number.as_bytes())
        );
    }
}

#[test]
fn methods_are_strings_and_unknown_ones_keep_their_name() {
    for method in ["1", "null", "{}", "[\"a\"]"] {
        let frame = format!(r#"{{"jsonrpc":"2.0","id":1,"method":{method}}}"#);
        assert_eq!(fault_and_id(&frame), (MalformedKind::MethodType, Some("1")));
    }
    let frame = br#"{"jsonrpc":"2.0","method":"x/y","extra":{"deep":[1]},"params":{"_meta":{"com.example/z":[]},"more":null}}"#;
    let envelope = scan(frame, &ScanLimits::default()).unwrap();
    assert_eq!(
        (envelope.kind, envelope.method),
        (Kind::Notification, Method::Other)
    );
    assert_eq!(envelope.method_name.get(frame), Some(&b"x/y"[..]));
}

#[test]
fn every_part_is_found() {
    let frame = br#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1","io.modelcontextprotocol/clientInfo":2,"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"4","progressToken":5,"io.modelcontextprotocol/subscriptionId":6,"io.modelcontextprotocol/related-task":{"taskId":"7"},"traceparent":"8"},"name":"n","uri":"u","cursor":"c","arguments":{"a":[1]},"requestState":"s","inputResponses":{},"level":"l","requestId":9,"notifications":{"n":1},"ref":{"r":1},"argument":{"g":1},"progress":0.5,"progressToken":"t","protocolVersion":"v","capabilities":{"k":1},"clientInfo":{"i":1},"task":{"t":1},"taskId":"d"}}"#;
    let e = scan(frame, &ScanLimits::default()).unwrap();
    let found = [
        e.id,
        e.meta_version,
        e.meta_client_info,
        e.meta_capabilities,
        e.meta_log_level,
        e.meta_progress_token,
        e.meta_subscription_id,
        e.meta_related_task,
        e.meta_traceparent,
        e.name,
        e.uri,
        e.cursor,
        e.arguments,
        e.request_state,
        e.input_responses,
        e.level,
        e.request_id,
        e.notifications,
        e.reference,
        e.argument,
        e.progress,
        e.progress_token,
        e.protocol_version,
        e.capabilities,
        e.client_info,
        e.task,
        e.task_id,
    ];
    let found = found.map(|span| core::str::from_utf8(span.get(frame).unwrap()).unwrap());
    let expected = [
        "\"a\"",
        "\"1\"",
        "2",
        "{}",
        "\"4\"",
        "5",
        "6",
        r#"{"taskId":"7"}"#,
        "\"8\"",
        "\"n\"",
        "\"u\"",
        "\"c\"",
        r#"{"a":[1]}"#,
        "\"s\"",
        "{}",
        "\"l\"",
        "9",
        r#"{"n":1}"#,
        r#"{"r":1}"#,
        r#"{"g":1}"#,
        "0.5",
        "\"t\"",
        "\"v\"",
        r#"{"k":1}"#,
        r#"{"i":1}"#,
        r#"{"t":1}"#,
        "\"d\"",
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_prefix_of_a_message_is_refused_without_a_panic() {
    let frame = r#"{"jsonrpc":"2.0","id":"\ud83e\udd80","method":"tools/call","params":{"_meta":{"progressToken":-1.5e3},"arguments":{"ü":[true,false,null,{}]}}}"#.as_bytes();
    for end in 0..frame.len() {
        let malformed = fault(&frame[..end]);
        assert_eq!(malformed.code(), PARSE_ERROR);
        assert!(malformed.offset as usize <= end);
    }
    for at in 0..frame.len() {
        for byte in 0..=255 {
            let mut frame = frame.to_vec();
            frame[at] = byte;
            // Whatever it says, it says it in bounds.
            if let Err(malformed) = scan(&frame, &ScanLimits::default()) {
                assert!(malformed.offset as usize <= frame.len());
            }
        }
    }
}

#[test]
fn an_escape_in_one_unknown_key_makes_no_others_equal() {
    for members in [r#""\u0061x":1,"b":2,"c":3"#, r#""b":2,"\u0061x":1,"c":3"#] {
        let frame = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping",{members}}}"#);
        assert_eq!(id(&frame), Some("1"));
    }
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u0061x":1,"ax":2}"#;
    assert_eq!(kind(twice), MalformedKind::Duplicate);
}

#[test]
fn what_is_neither_is_told_before_what_it_lacks() {
    for (frame, fault) in [
        (r#"{"jsonrpc":"2.0"}"#, MalformedKind::NoMethodNoResult),
        (
            r#"{"jsonrpc":"2.0","method":"a","result":1}"#,
            MalformedKind::MethodAndResult,
        ),
        (r#"{"jsonrpc":"2.0","result":1}"#, MalformedKind::Id),
    ] {
        assert_eq!(kind(frame), fault, "{frame}");
    }
}

#[test]
fn a_malformed_message_has_the_form_that_it_shows() {
    for (frame, form) in [
        (r#"{"id":1,"method":"a"}"#, Some(Kind::Request)),
        (r#"{"id":1,"method":"a""#, Some(Kind::Request)),
        (r#"{"method":"a"}"#, Some(Kind::Notification)),
        (r#"{"method":"a""#, None),
        (r#"{"id":1,"result":{}}"#, Some(Kind::Result)),
        (
            r#"{"id":1,"error":{"code":1,"message":""}}"#,
            Some(Kind::Error),
        ),
        (r#"{"id":1,"method":"a","result":{}}"#, None),
        (r#"{"id":1}"#, None),
        ("[]", None),
    ] {
        assert_eq!(fault(frame).form, form, "{frame}");
    }
}

#[test]
fn of_several_faults_the_most_basic_one_is_told_and_of_its_kind_the_first() {
    for (frame, fault) in [
        // Noted in this order, and in the other.
        (
            r#"{"jsonrpc":"1.0","id":true,"method":"a"}"#,
            MalformedKind::Version,
        ),
        (
            r#"{"id":true,"id":true,"method":"a"}"#,
            MalformedKind::Duplicate,
        ),
        (
            r#"{"jsonrpc":"2.0","id":true,"method":5}"#,
            MalformedKind::Id,
        ),
        (
            r#"{"jsonrpc":"2.0","method":5,"id":true}"#,
            MalformedKind::Id,
        ),
    ] {
        assert_eq!(kind(frame), fault, "{frame}");
    }
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"a","x":1,"x":2,"x":3}"#;
    let second = twice.match_indices('x').nth(1).unwrap().0;
    assert_eq!(fault(twice).offset as usize, second);
}

#[test]
fn what_was_closed_no_longer_counts_as_depth() {
    for before in [
        r#""_meta":{}"#,
        r#""_meta":{"a":1}"#,
        r#""_meta":{"a":1,"b":{"c":[{}]}}"#,
        r#""a":{}"#,
        r#""a":[]"#,
        r#""a":[[],{}]"#,
    ] {
        for (levels, accepted) in [(62, true), (63, false)] {
            let deep = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
            let frame = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{{before},"x":{deep}}}}}"#
            );
            let scanned = scan(frame.as_bytes(), &ScanLimits::default());
            assert_eq!(scanned.is_ok(), accepted, "{before} {levels}");
        }
    }
}
