//! The verdict over a request head, before a byte of the body was read.
//!
//! Owns the order of the checks and the responses of those that fail. Must never create state, and
//! must never look at a session: an attacker's request ends here at the cost of its head.
//!
//! ```text
//! Host, Origin (403) → preflight (204) → method (405, routes GET and DELETE) → Content-Type (415)
//!   → Accept (406) → Content-Length (413) → Read
//! ```

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use ::http::{HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;

use super::accept::{Accepts, is_json};
use super::cors;
use super::head::{Head, Once};
use super::host::{AllowedHosts, host_allowed};
use super::mirror::MirrorHead;
use super::origin::{AllowedOrigins, origin_of};
use crate::legacy::MAX_SESSION_ID;

/// `MCP-Session-Id` (revisions 2025-03-26 to 2025-11-25).
pub const SESSION_ID: &str = "mcp-session-id";

/// `Last-Event-ID`s are ours and short.
const MAX_EVENT_ID: usize = 128;

/// The rules that a head is judged by.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeadRules {
    /// Where requests may be addressed to.
    pub hosts: AllowedHosts,
    /// Which pages may call.
    pub origins: AllowedOrigins,
    /// Bytes of a body; a longer one is 413. Worst case: this much for each request being read.
    pub max_body: usize,
    /// Whether legacy revisions are served: without them GET and DELETE are 405.
    pub legacy: bool,
}

impl HeadRules {
    /// Loopback only, bodies up to `max_body`.
    #[must_use]
    pub fn new(max_body: usize, legacy: bool) -> Self {
        Self {
            hosts: AllowedHosts::default(),
            origins: AllowedOrigins::default(),
            max_body,
            legacy,
        }
    }

    const fn methods(&self) -> &'static str {
        if self.legacy {
            "POST, GET, DELETE"
        } else {
            "POST"
        }
    }
}

/// A header that names a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionHeader {
    /// Not given.
    Absent,
    /// Given once, visible ASCII of acceptable length.
    Given(Box<str>),
    /// Repeated, too long or with other characters: no session of ours.
    Foreign,
}

impl SessionHeader {
    fn of(field: Once<'_>) -> Self {
        // Ours are no longer, so a longer one is nobody's.
        match field.text(MAX_SESSION_ID) {
            Ok(None) => Self::Absent,
            Ok(Some(id)) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic()) => {
                Self::Given(id.into())
            }
            Ok(Some(_)) | Err(()) => Self::Foreign,
        }
    }
}

/// What is kept of the head of a POST.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The answers that the client takes.
    pub accepts: Accepts,
    /// What the body has to confirm.
    pub mirror: MirrorHead,
    /// Modern requests ignore it.
    pub session: SessionHeader,
}

/// What is kept of the head of a GET.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The session to listen to.
    pub session: SessionHeader,
    /// `MCP-Protocol-Version`.
    pub version: Option<Box<str>>,
    /// `Last-Event-ID`: the stream to resume. Foreign ones resume nothing.
    pub last_event: Option<Box<str>>,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Verdict {
    /// Answer at once and read nothing.
    Respond(Response<Bytes>),
    /// A message is coming: read the body.
    Read(Posted),
    /// GET: a legacy stream, new or resumed.
    Listen(Opened),
    /// DELETE: end a legacy session.
    Terminate(SessionHeader),
}

/// Judges whether this caller may talk to the server at all: host, origin, and the answer to a
/// preflight, which carries no credentials. Everything else needs authentication first.
///
/// # Errors
/// The response to send.
pub fn guard<'a>(
    rules: &HeadRules,
    head: &Head<'a>,
) -> Result<Option<&'a str>, Box<Response<Bytes>>> {
    if !host_allowed(&rules.hosts, head) {
        let refusal =
            "this host is not allowed; configure the names under which the server is reached";
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, refusal)));
    }
    let Ok(origin) = origin_of(&rules.origins, head) else {
        let refusal =
            "this origin is not allowed; configure the origins of the pages that may call";
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, refusal)));
    };
    if let (Some(origin), true) = (origin, cors::is_preflight(head)) {
        return Err(Box::new(cors::preflight(head, origin, rules.methods())));
    }
    Ok(origin)
}

/// Judges a head. Call [`guard`] first.
#[must_use]
pub fn admit(rules: &HeadRules, head: &Head<'_>) -> Verdict {
    match *head.method() {
        Method::POST => post(rules, head),
        Method::GET if rules.legacy => get(head),
        Method::DELETE if rules.legacy => Verdict::Terminate(SessionHeader::of(head.session)),
        _ => Verdict::Respond(not_allowed(
            rules.methods(),
            "the MCP endpoint does not take this HTTP method",
        )),
    }
}

fn post(rules: &HeadRules, head: &Head<'_>) -> Verdict {
    let is_json = matches!(head.content_type, Once::Given(value) if is_json(value));
    if !is_json || head.is_encoded {
        return reject(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type must be application/json in UTF-8, without Content-Encoding",
        );
    }
    let accepts = head.accept.accepts();
    if accepts.nothing() {
        return reject(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must list application/json and text/event-stream",
        );
    }
    let length = match head.content_length.text(20) {
        Ok(None) => None,
        // Rust would also read a sign.
        Ok(Some(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() => {
            // Of at most 20 digits: what does not fit is too large.
            Some(digits.parse().unwrap_or(usize::MAX))
        }
        _ => return reject(StatusCode::BAD_REQUEST, "Content-Length is not a number"),
    };
    if length.is_some_and(|length| length > rules.max_body) {
        return Verdict::Respond(too_large(rules.max_body));
    }
    Verdict::Read(Posted {
        accepts,
        mirror: MirrorHead::of(head),
        session: SessionHeader::of(head.session),
    })
}

fn get(head: &Head<'_>) -> Verdict {
    if !head.accept.accepts().stream {
        return reject(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must list text/event-stream",
        );
    }
    let version = head.version.text(64).unwrap_or(Some("repeated"));
    let last_event = head.last_event.text(MAX_EVENT_ID).unwrap_or(Some(""));
    Verdict::Listen(Opened {
        session: SessionHeader::of(head.session),
        version: version.map(Into::into),
        last_event: last_event.map(Into::into),
    })
}

fn reject(status: StatusCode, message: &'static str) -> Verdict {
    Verdict::Respond(refuse(status, message))
}

/// 405 that names what is allowed.
#[must_use]
pub fn not_allowed(methods: &'static str, message: &'static str) -> Response<Bytes> {
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, message);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

/// 413 for a body over `max` bytes.
#[must_use]
pub fn too_large(max: usize) -> Response<Bytes> {
    let mut response = refuse(
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!("the body is longer than this server's limit of {max} bytes"),
    );
    // The rest of the body is not going to be read: the connection has no further use.
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A response with a JSON-RPC error that has no id: nothing of the message was read.
#[must_use]
pub fn refuse(status: StatusCode, message: &str) -> Response<Bytes> {
    let mut body = String::from("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":");
    body.push_str(&serde_json::to_string(message).unwrap_or_else(|_| "\"\"".into()));
    body.push_str("}}");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: (&str, &str) = ("content-type", "application/json");

    fn judged(
        rules: &HeadRules,
        method: &str,
        headers: &[(&str, &str)],
    ) -> Result<&'static str, u16> {
        let mut request = ::http::Request::builder().method(method).uri("/mcp");
        for (name, value) in [("host", "localhost:3000")].iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let head = Head::of(&parts);
        if let Err(response) = guard(rules, &head) {
            return Err(response.status().as_u16());
        }
        match admit(rules, &head) {
            Verdict::Respond(response) => Err(response.status().as_u16()),
            Verdict::Read(_) => Ok("read"),
            Verdict::Listen(_) => Ok("listen"),
            Verdict::Terminate(_) => Ok("terminate"),
        }
    }

    #[test]
    fn the_first_failing_check_decides() {
        let rules = HeadRules::new(100, true);
        for (method, headers, expected) in [
            ("POST", &[JSON][..], Ok("read")),
            ("POST", &[JSON, ("origin", "http://localhost")], Ok("read")),
            ("POST", &[("origin", "http://evil.example.com")], Err(403)),
            (
                "POST",
                &[
                    JSON,
                    ("origin", "http://localhost"),
                    ("origin", "http://localhost"),
                ],
                Err(403),
            ),
            ("POST", &[JSON, ("host", "evil.example.com")], Err(403)),
            ("POST", &[], Err(415)),
            (
                "POST",
                &[("content-type", "text/plain"), ("accept", "text/html")],
                Err(415),
            ),
            ("POST", &[JSON, ("accept", "text/html")], Err(406)),
            ("POST", &[JSON, ("content-length", "100")], Ok("read")),
            ("POST", &[JSON, ("content-length", "101")], Err(413)),
            (
                "POST",
                &[JSON, ("content-length", "18446744073709551615")],
                Err(413),
            ),
            ("POST", &[JSON, ("content-length", "-1")], Err(400)),
            ("POST", &[JSON, ("content-length", "+1")], Err(400)),
            ("POST", &[JSON, ("content-length", "")], Err(400)),
            (
                "POST",
                &[JSON, ("content-length", "1"), ("content-length", "2")],
                Err(400),
            ),
            ("GET", &[("accept", "text/event-stream")], Ok("listen")),
            ("GET", &[("accept", "application/json")], Err(406)),
            ("DELETE", &[], Ok("terminate")),
            ("PUT", &[], Err(405)),
            ("OPTIONS", &[], Err(405)),
            (
                "OPTIONS",
                &[
                    ("origin", "http://localhost"),
                    ("access-control-request-method", "POST"),
                ],
                Err(204),
            ),
            (
                "OPTIONS",
                &[
                    ("origin", "http://evil"),
                    ("access-control-request-method", "POST"),
                ],
                Err(403),
            ),
        ] {
            assert_eq!(
                judged(&rules, method, headers),
                expected,
                "{method} {headers:?}"
            );
        }
        let modern = HeadRules::new(100, false);
        assert_eq!(
            judged(&modern, "GET", &[("accept", "text/event-stream")]),
            Err(405)
        );
        assert_eq!(judged(&modern, "DELETE", &[]), Err(405));
    }

    #[test]
    fn refusals_are_json_and_name_what_is_allowed() {
        let response = not_allowed("POST", "no");
        assert_eq!(response.headers()["allow"], "POST");
        let error = br#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"no"}}"#;
        assert_eq!(&response.body()[..], error);
    }

    #[test]
    fn only_visible_ascii_of_our_length_can_be_a_session() {
        let of = |values: &[&str]| {
            let mut head = Head::new(&Method::POST, "/mcp");
            for value in values {
                head.field(SESSION_ID.as_bytes(), value.as_bytes());
            }
            SessionHeader::of(head.session)
        };
        assert_eq!(of(&[]), SessionHeader::Absent);
        assert_eq!(of(&["abc"]), SessionHeader::Given("abc".into()));
        for foreign in [
            &["a b"][..],
            &["é"],
            &[""],
            &["a", "a"],
            &["x".repeat(1025).as_str()],
        ] {
            assert_eq!(of(foreign), SessionHeader::Foreign, "{foreign:?}");
        }
    }
}
