//! Cross-origin answers, for allowed origins only.
//!
//! Owns the preflight response and the headers that let a page read an answer. Must never allow
//! credentials, a wildcard, or an origin that [`origin_of`](super::origin::origin_of) did not pass.

use core::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;

use super::head::{Head, visible};
use super::param::PARAM_PREFIX;

/// What a page may send; `Mcp-Param-*` besides.
const REQUEST_HEADERS: [&str; 12] = [
    "accept",
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "baggage",
    "traceparent",
    "tracestate",
    "cache-control",
];

/// What a page may read of an answer.
const EXPOSED: &str = "mcp-session-id, mcp-protocol-version, www-authenticate, retry-after";

/// At most this many requested `Mcp-Param-*` headers are granted in one preflight.
const MAX_PARAMS: usize = 64;

/// How long a browser may remember a preflight.
pub const MAX_AGE: Duration = Duration::from_secs(600);

/// Whether this is a preflight: an `OPTIONS` request that announces another.
#[must_use]
pub fn is_preflight(head: &Head<'_>) -> bool {
    *head.method() == ::http::Method::OPTIONS && head.has_origin() && head.announces
}

/// Answers a preflight of an allowed origin. `methods` is the list for `Access-Control-Allow-Methods`.
#[must_use]
pub fn preflight(head: &Head<'_>, origin: &str, methods: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    decorate(headers, Some(origin));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(methods),
    );
    let mut allowed = REQUEST_HEADERS.join(", ");
    for name in requested_params(head).take(MAX_PARAMS) {
        allowed.push_str(", ");
        allowed.push_str(name.as_str());
    }
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from(MAX_AGE.as_secs()),
    );
    headers.append(
        header::VARY,
        HeaderValue::from_static("access-control-request-headers"),
    );
    response
}

fn requested_params(head: &Head<'_>) -> impl Iterator<Item = HeaderName> {
    head.announced
        .iter()
        .filter_map(|value| visible(value))
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| name.as_str().starts_with(PARAM_PREFIX))
}

/// Adds what lets a page of `origin` read the answer. Nothing but `Vary` without an origin.
pub fn decorate(headers: &mut HeaderMap, origin: Option<&str>) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    #[test]
    fn a_preflight_grants_what_clients_send_and_no_more() {
        let parts = ::http::Request::options("/mcp")
            .header("origin", "http://localhost:6274")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type, Mcp-Param-Region, x-evil, mcp-param-b ad",
            )
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let head = Head::of(&parts);
        assert!(is_preflight(&head));
        let response = preflight(&head, "http://localhost:6274", "POST");
        assert_eq!(response.status(), 204);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            header("access-control-allow-origin"),
            "http://localhost:6274"
        );
        assert_eq!(header("access-control-allow-methods"), "POST");
        let granted = header("access-control-allow-headers");
        assert!(granted.contains("mcp-param-region") && granted.contains("authorization"));
        assert!(!granted.contains("x-evil") && !granted.contains("ad"[..].repeat(2).as_str()));
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-credentials")
        );
        assert!(header("access-control-expose-headers").contains("mcp-session-id"));
    }

    #[test]
    fn without_an_origin_nothing_is_granted() {
        let mut headers = HeaderMap::new();
        decorate(&mut headers, None);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["vary"], "origin");
    }
}
