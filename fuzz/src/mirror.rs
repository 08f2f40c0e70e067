//! Headers that repeat the body: exactly those that a correct client would send are accepted.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method as Verb};
use mcp_proto::http::head::Head;
use mcp_proto::http::mirror::{METHOD, MirrorHead, NAME, VERSION};
use mcp_proto::http::sentinel;
use mcp_proto::json::{Inbound, Kind, ScanLimits};
use mcp_proto::judge::Mirrors;
use mcp_proto::method::Method;

/// Up to the first empty line: `name: value` lines; after it the body.
pub(crate) fn run(data: &[u8]) {
    let split = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = split.map_or((data, &[][..]), |at| (&data[..at], &data[at + 2..]));
    let mut request = b"POST /\n".to_vec();
    request.extend_from_slice(head);
    let Some(parts) = crate::http_admit::head(&request) else {
        return;
    };
    let Ok(inbound) = Inbound::scan(Bytes::copy_from_slice(body), &ScanLimits::default()) else {
        return;
    };
    if !matches!(inbound.envelope.kind, Kind::Request | Kind::Notification) {
        return;
    }
    let given = MirrorHead::of(&Head::of(&parts));
    let verdict = given.check(&inbound);
    if let Err(error) = &verdict {
        assert_eq!(error.code, -32020);
    }
    let source = match inbound.envelope.method {
        Method::ToolsCall | Method::PromptsGet => Some(inbound.envelope.name),
        Method::ResourcesRead => Some(inbound.envelope.uri),
        _ => None,
    };
    let name = source.and_then(|span| inbound.string(span));
    if verdict.is_ok() {
        let method: Vec<_> = parts.headers.get_all(METHOD).iter().collect();
        assert_eq!(method.len(), 1);
        assert_eq!(method[0].as_bytes(), inbound.method_name().as_bytes());
        let names: Vec<_> = parts.headers.get_all(NAME).iter().collect();
        if source.is_some() {
            assert!(names.len() <= 1);
            let header = names
                .first()
                .map(|value| sentinel::decode(value.as_bytes()).expect("accepted"));
            assert_eq!(header.as_deref(), name.as_deref());
        }
    }
    // What a client of ours would have sent.
    let Ok(method) = HeaderValue::from_str(&inbound.method_name()) else {
        return;
    };
    if inbound.method_name().trim() != inbound.method_name() {
        return;
    }
    let mut headers = HeaderMap::new();
    headers.insert(METHOD, method);
    headers.insert(VERSION, HeaderValue::from_static("2026-07-28"));
    if let Some(name) = &name {
        let value = HeaderValue::from_str(&sentinel::encode(name)).expect("safe in a header");
        headers.insert(NAME, value);
    }
    let mirror = |headers: &HeaderMap| {
        let mut head = Head::new(&Verb::POST, "/");
        head.fields(headers);
        MirrorHead::of(&head)
    };
    assert_eq!(mirror(&headers).check(&inbound), Ok(()));
    assert_eq!(mirror(&headers).version(), Some("2026-07-28"));
    if let Some(name) = &name {
        let other = HeaderValue::from_str(&sentinel::encode(&format!("{name}x"))).unwrap();
        headers.insert(NAME, other);
        assert!(mirror(&headers).check(&inbound).is_err());
    }
}
