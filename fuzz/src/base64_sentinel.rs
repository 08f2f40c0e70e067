//! The Base64 sentinel: decoding is strict, encoding loses nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use mcp_proto::http::sentinel::{decode, encode};

pub(crate) fn run(data: &[u8]) {
    if let Ok(value) = decode(data) {
        assert!(data.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')));
        let text = std::str::from_utf8(data).unwrap().trim_matches([' ', '\t']);
        let inside = text
            .strip_prefix("=?base64?")
            .and_then(|rest| rest.strip_suffix("?="));
        match inside {
            // One text for one value: nothing else decodes to it.
            Some(inside) => assert_eq!(STANDARD.encode(value.as_bytes()), inside),
            None => assert_eq!(value, text),
        }
        round_trip(&value);
    }
    round_trip(&String::from_utf8_lossy(data));
}

fn round_trip(value: &str) {
    let encoded = encode(value);
    let header = HeaderValue::from_str(&encoded).expect("safe in a header");
    assert_eq!(decode(header.as_bytes()).as_deref(), Ok(value));
}
