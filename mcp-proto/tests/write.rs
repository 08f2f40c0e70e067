//! Messages as they go on the wire.

use bytes::Bytes;
use mcp_proto::error::{INVALID_PARAMS, WireError};
use mcp_proto::id::WireId;
use mcp_proto::json::{ScanLimits, scan, write};
use mcp_proto::outbox::Outbox;
use mcp_types::Json;

fn written(write: impl FnOnce(&mut Outbox)) -> String {
    let mut out = Outbox::new(1 << 20);
    write(&mut out);
    String::from_utf8(out.take_bytes().to_vec()).unwrap()
}

#[test]
fn every_message_is_what_the_scanner_accepts() {
    let id = WireId::from_token("\"a\\u0062\"").unwrap();
    let error = WireError::invalid_params("no \"such\" thing\n")
        .with_data(Json::parse("{\"uri\":\"x\"}").unwrap());
    assert_eq!(error.code, INVALID_PARAMS);
    let table = [
        (
            written(|out| write::write_result(out, &id, "{}")),
            r#"{"jsonrpc":"2.0","id":"a\u0062","result":{}}"#,
        ),
        (
            written(|out| write::write_error(out, Some(&id), &error)),
            r#"{"jsonrpc":"2.0","id":"a\u0062","error":{"code":-32602,"message":"no \"such\" thing\n","data":{"uri":"x"}}}"#,
        ),
        (
            written(|out| write::write_error(out, None, &WireError::parse_error("no"))),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#,
        ),
        (
            written(|out| write::write_notification(out, "n/x", "{\"a\":1}")),
            r#"{"jsonrpc":"2.0","method":"n/x","params":{"a":1}}"#,
        ),
        (
            written(|out| write::write_notification(out, "n/x", "")),
            r#"{"jsonrpc":"2.0","method":"n/x"}"#,
        ),
        (
            written(|out| write::write_request(out, 65_536, "r/x", "{}")),
            r#"{"jsonrpc":"2.0","id":65536,"method":"r/x","params":{}}"#,
        ),
        (
            written(|out| write::write_request(out, 65_536, "r/x", "")),
            r#"{"jsonrpc":"2.0","id":65536,"method":"r/x"}"#,
        ),
    ];
    for (written, expected) in table {
        assert_eq!(written, expected);
        scan(written.as_bytes(), &ScanLimits::default()).unwrap();
    }
}

#[test]
fn no_payload_breaks_out_of_its_line() {
    let pretty = "{\r\n  \"a\": [\n1,\r2]\n}\n";
    let flat = "{    \"a\": [ 1, 2] } ";
    assert_eq!(written(|out| write::raw(out, pretty)), flat);
    assert_eq!(
        written(|out| write::raw_shared(out, Bytes::from_static(pretty.as_bytes()))),
        flat
    );
    let long = format!("[{}\n1]", " ".repeat(10_000));
    assert_eq!(
        written(|out| write::raw_shared(out, Bytes::from(long.clone()))),
        long.replace('\n', " ")
    );
    // Without line breaks nothing is copied.
    let shared = Bytes::from(vec![b' '; 10_000]);
    let mut out = Outbox::new(0);
    write::raw_shared(&mut out, shared.clone());
    assert_eq!(out.take_bytes().as_ptr(), shared.as_ptr());
}

#[test]
fn numbers_are_json() {
    for (value, text) in [
        (0.0, "0"),
        (-3.0, "-3"),
        (0.1, "0.1"),
        (1e15, "1e15"),
        (1e300, "1e300"),
        (f64::NAN, "null"),
        (f64::INFINITY, "null"),
        (1234567.5, "1234567.5"),
    ] {
        let written = written(|out| write::number(out, value));
        assert_eq!(
            written
                .replace("+", "")
                .replace("1000000000000000.0", "1e15"),
            text
        );
    }
    assert_eq!(
        written(|out| write::integer(out, i64::MIN)),
        "-9223372036854775808"
    );
    assert_eq!(
        written(|out| write::integer(out, u64::MAX)),
        "18446744073709551615"
    );
    assert_eq!(written(|out| write::boolean(out, true)), "true");
}
