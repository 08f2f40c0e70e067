//! Properties of the HTTP judgements: no input panics, nothing is lost, nothing gets in that should not.

#![cfg(feature = "http")]

use bytes::{Bytes, BytesMut};
use core::time::Duration;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use mcp_proto::frame::sse::{Decoded, Decoder};
use mcp_proto::http::accept::{Accepts, accepts, is_json_body};
use mcp_proto::http::admit::{HeadRules, Verdict, admit, guard};
use mcp_proto::http::exchange::{Exchange, Pace};
use mcp_proto::http::head::Head;
use mcp_proto::http::host::Authority;
use mcp_proto::http::mirror::MirrorHead;
use mcp_proto::http::origin::Origin;
use mcp_proto::http::param::ParamHeaders;
use mcp_proto::http::sentinel;
use mcp_proto::json::{Inbound, ScanLimits};
use mcp_proto::judge::Mirrors;
use mcp_proto::time::Instant;
use proptest::collection::vec;
use proptest::prelude::*;

fn header_value() -> impl Strategy<Value = HeaderValue> {
    let plausible = prop_oneof![
        Just("application/json, text/event-stream".to_owned()),
        Just("localhost:3000".to_owned()),
        Just("http://localhost".to_owned()),
        Just("=?base64?SGVsbG8=?=".to_owned()),
        "[ -~]{0,40}",
    ];
    prop_oneof![
        plausible.prop_map(|text| HeaderValue::from_str(&text).unwrap()),
        vec(any::<u8>(), 0..40)
            .prop_filter_map("a header value", |bytes| HeaderValue::from_bytes(&bytes)
                .ok()),
    ]
}

fn header_name() -> impl Strategy<Value = HeaderName> {
    prop::sample::select(vec![
        "host",
        "origin",
        "accept",
        "content-type",
        "content-length",
        "content-encoding",
        "mcp-session-id",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-param-a",
        "last-event-id",
        "access-control-request-method",
        "access-control-request-headers",
    ])
    .prop_map(HeaderName::from_static)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_head_panics_and_a_strange_host_or_origin_never_passes(
        method in prop::sample::select(vec!["GET", "POST", "DELETE", "OPTIONS", "PUT"]),
        headers in vec((header_name(), header_value()), 0..8),
    ) {
        let mut request = Request::builder().method(method).uri("/mcp");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let rules = HeadRules::new(1000, true);
        let head = Head::of(&parts);
        if guard(&rules, &head).is_ok() {
            let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
            prop_assert!(Authority::parse(text("host").unwrap()).unwrap().host.is_loopback());
            if parts.headers.contains_key("origin") {
                prop_assert!(Origin::parse(text("origin").unwrap()).unwrap().is_loopback());
            }
            if let Verdict::Read(_) = admit(&rules, &head) {
                prop_assert!(is_json_body(&parts.headers) && !accepts(&parts.headers).nothing());
            }
        }
    }

    #[test]
    fn an_authority_means_what_it_says(text in "\\PC{0,30}") {
        if let Some(authority) = Authority::parse(&text) {
            let port = authority.port.map_or_else(String::new, |port| format!(":{port}"));
            let again = format!("{}{port}", authority.host);
            prop_assert_eq!(Authority::parse(&again), Some(authority));
        }
        let _ = Origin::parse(&text);
    }

    #[test]
    fn every_value_survives_the_sentinel(value in "\\PC{0,40}|[ -~\\t]{0,40}") {
        let encoded = sentinel::encode(&value);
        prop_assert!(HeaderValue::from_str(&encoded).is_ok());
        let decoded = sentinel::decode(encoded.as_bytes());
        prop_assert_eq!(decoded.as_deref(), Ok(value.as_str()));
    }

    #[test]
    fn mirrors_accept_what_a_client_encodes_and_nothing_else(name in "\\PC{1,20}", other in "\\PC{1,20}") {
        let quoted = |text: &str| mcp_types::Json::from(text).as_str().to_owned();
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{}}}}}"#,
            quoted(&name)
        );
        let inbound = Inbound::scan(Bytes::from(body), &ScanLimits::default()).unwrap();
        let check = |name: &str| {
            let name = sentinel::encode(name);
            let mut head = Head::new(&Method::POST, "/mcp");
            head.field(b"mcp-method", b"tools/call");
            head.field(b"mcp-name", name.as_bytes());
            MirrorHead::of(&head).check(&inbound)
        };
        prop_assert!(check(&name).is_ok());
        prop_assert_eq!(check(&other).is_ok(), name == other);

        let schema = r#"{"type":"object","properties":{"p":{"type":"string","x-mcp-header":"P"}}}"#;
        let params = ParamHeaders::compile(schema).unwrap();
        let arguments = format!("{{\"p\":{}}}", quoted(&name));
        let mut headers = HeaderMap::new();
        headers.insert("mcp-param-p", HeaderValue::from_str(&sentinel::encode(&other)).unwrap());
        prop_assert_eq!(params.check(&headers, Some(&arguments)).is_ok(), name == other);
    }

    #[test]
    fn integers_compare_by_value(body in any::<i64>(), header in any::<i64>(), zeros in 0..3_usize) {
        let schema = r#"{"properties":{"n":{"type":"integer","x-mcp-header":"N"}}}"#;
        let params = ParamHeaders::compile(schema).unwrap();
        let check = |header: &str, body: i64| {
            let mut headers = HeaderMap::new();
            headers.insert("mcp-param-n", HeaderValue::from_str(header).unwrap());
            params.check(&headers, Some(&format!("{{\"n\":{body}}}"))).is_ok()
        };
        let dotted = if zeros == 0 { String::new() } else { format!(".{}", "0".repeat(zeros)) };
        prop_assert_eq!(check(&format!("{body}{dotted}"), body), body.unsigned_abs() < 1 << 53);
        prop_assert!(header == body || !check(&header.to_string(), body));
    }

    #[test]
    fn a_schema_of_any_shape_is_compiled_or_refused(schema in "[{}\\[\\]\":,a-e0-2]{0,60}") {
        let _ = ParamHeaders::compile(&schema);
        let _ = ParamHeaders::compile(&format!("{{\"properties\":{{\"x-mcp-header\":{schema}}}}}"));
    }

    #[test]
    fn a_body_is_the_sum_of_its_chunks(chunks in vec(vec(any::<u8>(), 0..20), 0..10), max in 0..100_usize) {
        let mut exchange = Exchange::new(max);
        let mut sent = Vec::new();
        for chunk in chunks {
            let fits = sent.len() + chunk.len() <= max;
            prop_assert_eq!(exchange.body(Bytes::from(chunk.clone())).is_ok(), fits);
            if !fits {
                return Ok(());
            }
            sent.extend(chunk);
        }
        let (body, _) = exchange.finish_body(Instant::from_micros(0), Accepts::BOTH, Pace::default());
        prop_assert_eq!(body, sent);
    }

    /// Whatever happens in whatever order: one head, no byte before it, and every event arrives once.
    #[test]
    fn an_answer_is_json_or_a_stream_and_never_both(
        json in any::<bool>(),
        stream in any::<bool>(),
        steps in vec(0..5_u8, 0..20),
        status in prop::sample::select(vec![200_u16, 400, 404]),
        finish in any::<bool>(),
    ) {
        let accepts = Accepts {
            json,
            stream,
            prefers_stream: false,
        };
        prop_assume!(!accepts.nothing());
        let mut now = Instant::from_micros(0);
        let mut exchange = Exchange::open(now, accepts, Pace::default());
        let (mut heads, mut bytes, mut expected) = (Vec::new(), BytesMut::new(), Vec::new());
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                0 => {
                    let text = format!("{{\"n\":{n}}}");
                    if exchange.event(now, |out| out.put(text.as_bytes())) {
                        expected.push(text);
                    }
                }
                1 => exchange.comment(now),
                2 => now += Duration::from_millis(300),
                3 => exchange.tick(now),
                _ => {
                    heads.extend(exchange.take_head());
                    let data = exchange.take_data();
                    prop_assert!(data.is_none() || !heads.is_empty());
                    bytes.extend(data);
                }
            }
            prop_assert!(stream || !exchange.is_stream());
        }
        let status = StatusCode::from_u16(status).unwrap();
        let mut rest = if finish {
            expected.push("{}".to_owned());
            exchange.finish(now, status, |out| out.put(b"{}"))
        } else {
            exchange.end(now)
        };
        heads.extend(rest.take_head());
        while let Some(data) = rest.take_data() {
            bytes.extend(data);
        }
        prop_assert_eq!(heads.len(), 1);
        if heads[0].headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            let mut decoder = Decoder::new(1 << 20, 1 << 10);
            let mut seen = Vec::new();
            while let Decoded::Event(event) = decoder.next(&mut bytes) {
                seen.push(String::from_utf8(event.data.to_vec()).unwrap());
            }
            prop_assert_eq!(seen, expected);
            prop_assert!(bytes.is_empty());
        } else if finish {
            prop_assert_eq!((&bytes[..], heads[0].status), (&b"{}"[..], status));
        } else {
            prop_assert!(bytes.is_empty() && heads[0].status == 202);
        }
    }
}
