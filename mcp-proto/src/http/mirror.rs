//! `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name`: headers that repeat the body.
//!
//! Owns what is kept of the head until the body was read, and the comparison with the body's spans.
//! Must never let a load balancer and the server see two different requests: missing, repeated,
//! undecodable and different values are all -32020.
//! Source: 2026-07-28 basic/transports/streamable-http, "Server Validation"; for `tasks/*` the tasks extension
//! (SEP-2663, "Streamable HTTP: Routing Headers").

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use mcp_types::Revision;

use super::head::{Head, Once};
use super::sentinel;
use crate::error::{HEADER_MISMATCH, WireError};
use crate::json::Inbound;
use crate::judge::Mirrors;
use crate::method::Method;

/// `MCP-Protocol-Version`.
pub const VERSION: &str = "mcp-protocol-version";
/// `Mcp-Method`.
pub const METHOD: &str = "mcp-method";
/// `Mcp-Name`.
pub const NAME: &str = "mcp-name";

/// One header as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    Absent,
    /// A word that everybody knows, which takes no memory.
    Known(&'static str),
    Value(Box<[u8]>),
    Repeated,
}

impl Given {
    fn of(field: Once<'_>, known: impl FnOnce(&[u8]) -> Option<&'static str>) -> Self {
        match field {
            Once::Absent => Self::Absent,
            Once::Given(value) => {
                let value = value.trim_ascii();
                known(value).map_or_else(|| Self::Value(value.into()), Self::Known)
            }
            Once::Repeated => Self::Repeated,
        }
    }

    /// Nothing, unless it was given once.
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Known(word) => word.as_bytes(),
            Self::Value(value) => value,
            Self::Absent | Self::Repeated => &[],
        }
    }
}

fn known_version(text: &[u8]) -> Option<&'static str> {
    Revision::from_bytes(text).map(Revision::as_str)
}

fn known_method(text: &[u8]) -> Option<&'static str> {
    let method = Method::from_bytes(text);
    (method != Method::Other).then(|| method.as_str())
}

/// The mirrored headers of one request, copied out: a parsed head shares the connection's read
/// buffer, and a long answer would pin all of it.
#[derive(Clone, Debug)]
pub struct MirrorHead {
    version: Option<Cow<'static, str>>,
    method: Given,
    name: Given,
    params: HeaderMap,
}

impl MirrorHead {
    /// Keeps what the body has to confirm.
    #[must_use]
    pub fn of(head: &Head<'_>) -> Self {
        let version = match Given::of(head.version, known_version) {
            Given::Absent => None,
            Given::Known(version) => Some(Cow::Borrowed(version)),
            Given::Value(value) => Some(String::from_utf8_lossy(&value).into_owned().into()),
            // No revision has a comma: equal to nothing, known to nobody.
            Given::Repeated => Some(Cow::Borrowed("repeated, repeated")),
        };
        Self {
            version,
            method: Given::of(head.mcp_method, known_method),
            name: Given::of(head.mcp_name, |_| None),
            params: params(head),
        }
    }

    /// The `Mcp-Param-*` headers, for [`ParamHeaders::check`](super::param::ParamHeaders::check).
    #[must_use]
    pub const fn params(&self) -> &HeaderMap {
        &self.params
    }
}

/// A copy of the `Mcp-Param-*` headers.
fn params(head: &Head<'_>) -> HeaderMap {
    let mut params = HeaderMap::new();
    for (name, value) in &head.params {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            params.append(name, value);
        }
    }
    params
}

impl Mirrors for MirrorHead {
    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn check(&self, inbound: &Inbound) -> Result<(), WireError> {
        let method = match &self.method {
            Given::Absent => return Err(mismatch("Mcp-Method header is missing")),
            Given::Repeated => return Err(mismatch("Mcp-Method header is repeated")),
            given @ (Given::Known(_) | Given::Value(_)) => given.as_bytes(),
        };
        let known = inbound.envelope.method;
        let is_known = known != Method::Other && *method == *known.as_str().as_bytes();
        if !is_known && *method != *inbound.method_name().as_bytes() {
            let body = inbound.method_name();
            let method = String::from_utf8_lossy(method);
            return Err(different("Mcp-Method", &method, &body));
        }
        let envelope = &inbound.envelope;
        let source = match envelope.method {
            Method::ToolsCall | Method::PromptsGet => envelope.name,
            Method::ResourcesRead => envelope.uri,
            // SEP-2663, "Streamable HTTP: Routing Headers".
            Method::TasksGet | Method::TasksUpdate | Method::TasksCancel => envelope.task_id,
            // Unknown methods have a name only by convention: nothing to compare with.
            _ => return Ok(()),
        };
        if let (Given::Value(name), Some([b'"', body @ .., b'"'])) =
            (&self.name, source.get(&inbound.bytes))
            && **name == *body
            && sentinel::is_itself(name)
        {
            return Ok(());
        }
        match (&self.name, inbound.string(source)) {
            (Given::Repeated, _) => Err(mismatch("Mcp-Name header is repeated")),
            // A body without the member is -32602, for which the dispatcher has better words.
            (Given::Absent, None) => Ok(()),
            (Given::Absent, Some(_)) => Err(mismatch("Mcp-Name header is missing")),
            (given @ (Given::Known(_) | Given::Value(_)), body) => {
                let header = sentinel::decode(given.as_bytes()).map_err(|_| {
                    mismatch("Mcp-Name header has invalid characters or invalid Base64")
                })?;
                match body {
                    Some(body) if *body == *header => Ok(()),
                    Some(body) => Err(different("Mcp-Name", &header, &body)),
                    None => Err(mismatch(
                        "Mcp-Name header is given, but the body has no such value",
                    )),
                }
            }
        }
    }
}

fn mismatch(problem: &str) -> WireError {
    WireError::new(HEADER_MISMATCH, format!("Header mismatch: {problem}"))
}

fn different(name: &str, header: &str, body: &str) -> WireError {
    let short = |text: &str| text.chars().take(64).collect::<String>();
    mismatch(&format!(
        "{name} header value '{}' does not match body value '{}'",
        short(header),
        short(body)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::{ScanLimits, scan};
    use bytes::Bytes;

    fn inbound(body: &str) -> Inbound {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let envelope = scan(&bytes, &ScanLimits::default()).unwrap();
        Inbound { bytes, envelope }
    }

    fn head(headers: &[(&str, &str)]) -> MirrorHead {
        let mut head = Head::new(&::http::Method::POST, "/mcp");
        for (name, value) in headers {
            head.field(name.as_bytes(), value.as_bytes());
        }
        MirrorHead::of(&head)
    }

    #[test]
    fn standard_headers_must_repeat_the_body() {
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let escaped = r#"{"jsonrpc":"2.0","id":1,"method":"tools\/list"}"#;
        let call =
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"caf\u00e9"}}"#;
        let read =
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#;
        let nameless = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
        let task =
            r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t-1","name":"n"}}"#;
        for (body, headers, expected) in [
            (list, &[("Mcp-Method", "tools/list")][..], true),
            (list, &[("mcp-method", " tools/list ")], true),
            (escaped, &[("MCP-METHOD", "tools/list")], true),
            (list, &[], false),
            (list, &[("Mcp-Method", "TOOLS/LIST")], false),
            (list, &[("Mcp-Method", "prompts/list")], false),
            (
                list,
                &[("Mcp-Method", "tools/list"), ("Mcp-Method", "tools/list")],
                false,
            ),
            (
                list,
                &[("Mcp-Method", "=?base64?dG9vbHMvbGlzdA==?=")],
                false,
            ),
            (
                list,
                &[("Mcp-Method", "tools/list"), ("Mcp-Name", "whatever")],
                true,
            ),
            (
                call,
                &[
                    ("Mcp-Method", "tools/call"),
                    ("Mcp-Name", "=?base64?Y2Fmw6k=?="),
                ],
                true,
            ),
            (
                call,
                &[("Mcp-Method", "tools/call"), ("Mcp-Name", "café")],
                false,
            ),
            (
                call,
                &[("Mcp-Method", "tools/call"), ("Mcp-Name", "other")],
                false,
            ),
            (call, &[("Mcp-Method", "tools/call")], false),
            (
                read,
                &[("Mcp-Method", "resources/read"), ("Mcp-Name", "file:///a")],
                true,
            ),
            (
                read,
                &[
                    ("Mcp-Method", "resources/read"),
                    ("Mcp-Name", " file:///a\t"),
                ],
                true,
            ),
            (
                read,
                &[("Mcp-Method", "resources/read"), ("Mcp-Name", "file:///A")],
                false,
            ),
            (
                read,
                &[
                    ("Mcp-Method", "resources/read"),
                    ("Mcp-Name", "file:///a"),
                    ("Mcp-Name", "file:///a"),
                ],
                false,
            ),
            (
                task,
                &[("Mcp-Method", "tasks/get"), ("Mcp-Name", "t-1")],
                true,
            ),
            (
                task,
                &[("Mcp-Method", "tasks/get"), ("Mcp-Name", "n")],
                false,
            ),
            (task, &[("Mcp-Method", "tasks/get")], false),
            (nameless, &[("Mcp-Method", "tools/call")], true),
            (
                nameless,
                &[("Mcp-Method", "tools/call"), ("Mcp-Name", "x")],
                false,
            ),
        ] {
            let result = head(headers).check(&inbound(body));
            assert_eq!(result.is_ok(), expected, "{body} {headers:?}");
            if let Err(error) = result {
                assert_eq!(error.code, HEADER_MISMATCH);
            }
        }
    }

    #[test]
    fn a_repeated_version_is_no_version() {
        assert_eq!(head(&[]).version(), None);
        assert_eq!(
            head(&[(VERSION, " 2026-07-28 ")]).version(),
            Some("2026-07-28")
        );
        let twice = head(&[(VERSION, "2026-07-28"), (VERSION, "2026-07-28")]);
        assert_ne!(twice.version(), Some("2026-07-28"));
    }
}
