//! The head of a request as it is judged: borrowed from whatever read it.
//!
//! Owns the names that are looked for, found in one pass over the fields. Must never decide what a field means, and never
//! copy one.

use alloc::vec::Vec;

use ::http::request::Parts;
use ::http::{HeaderMap, Method, Uri, uri};

use super::accept::{Accepts, Offers, is_identity};
use super::param::PARAM_PREFIX;

/// The head of a request, as far as it is judged.
///
/// For an HTTP library it is made of its [`Parts`]; a reader of its own gives target and fields as they came.
///
/// ```
/// use http::Method;
/// use mcp_proto::http::admit::{HeadRules, Verdict, admit, guard};
/// use mcp_proto::http::head::Head;
///
/// let mut head = Head::new(&Method::POST, "/mcp");
/// head.field(b"Host", b"localhost:3000");
/// head.field(b"Content-Type", b"application/json");
///
/// let rules = HeadRules::new(1 << 20, true);
/// assert!(guard(&rules, &head).is_ok());
/// assert!(matches!(admit(&rules, &head), Verdict::Read(_)));
/// ```
#[derive(Debug)]
pub struct Head<'a> {
    method: &'a Method,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    pub(super) host: Once<'a>,
    pub(super) origin: Once<'a>,
    pub(super) accept: Offers,
    pub(super) content_type: Once<'a>,
    pub(super) content_length: Once<'a>,
    /// A `Content-Encoding` besides `identity`.
    pub(super) is_encoded: bool,
    pub(super) session: Once<'a>,
    pub(super) last_event: Once<'a>,
    pub(super) version: Once<'a>,
    pub(super) mcp_method: Once<'a>,
    pub(super) mcp_name: Once<'a>,
    /// Names and values of every `Mcp-Param-*`.
    pub(super) params: Vec<(&'a [u8], &'a [u8])>,
    /// Another request is announced: `Access-Control-Request-Method`.
    pub(super) announces: bool,
    /// Every `Access-Control-Request-Headers`.
    pub(super) announced: Vec<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// A head without fields, for a target in origin form without its query.
    #[must_use]
    pub fn new(method: &'a Method, path: &'a str) -> Self {
        Self {
            method,
            authority: None,
            path,
            query: None,
            host: Once::Absent,
            origin: Once::Absent,
            accept: Offers::default(),
            content_type: Once::Absent,
            content_length: Once::Absent,
            is_encoded: false,
            session: Once::Absent,
            last_event: Once::Absent,
            version: Once::Absent,
            mcp_method: Once::Absent,
            mcp_name: Once::Absent,
            params: Vec::new(),
            announces: false,
            announced: Vec::new(),
        }
    }

    /// The head that a target belongs to which says more than a path.
    #[must_use]
    pub fn to(method: &'a Method, target: &'a Uri) -> Self {
        let mut head = Self::new(method, target.path());
        head.authority = target.authority().map(uri::Authority::as_str);
        head.query = target.query();
        head
    }

    /// The head that an HTTP library has read.
    #[must_use]
    pub fn of(parts: &'a Parts) -> Self {
        let mut head = Self::to(&parts.method, &parts.uri);
        head.fields(&parts.headers);
        head
    }

    /// Takes all fields of a map.
    pub fn fields(&mut self, headers: &'a HeaderMap) {
        for (name, value) in headers {
            self.field(name.as_str().as_bytes(), value.as_bytes());
        }
    }

    /// Takes a field. The name is a token, in whatever case; the value is without the blanks around it, and has no
    /// control characters besides the tab: every reader of HTTP makes sure of that (RFC 9110 section 5).
    pub fn field(&mut self, name: &'a [u8], value: &'a [u8]) {
        self.named(FieldName::of(name), name, value);
    }

    /// Takes a field whose name was looked up before.
    #[inline]
    pub fn named(&mut self, known: FieldName, name: &'a [u8], value: &'a [u8]) {
        match known {
            FieldName::Host => self.host.put(value),
            FieldName::Accept => self.accept.put(value),
            FieldName::Origin => self.origin.put(value),
            FieldName::McpName => self.mcp_name.put(value),
            FieldName::McpMethod => self.mcp_method.put(value),
            FieldName::McpParam => self.params.push((name, value)),
            FieldName::McpProtocolVersion => self.version.put(value),
            FieldName::McpSessionId => self.session.put(value),
            FieldName::ContentType => self.content_type.put(value),
            FieldName::ContentLength => self.content_length.put(value),
            FieldName::ContentEncoding => self.is_encoded |= !is_identity(value),
            FieldName::LastEventId => self.last_event.put(value),
            FieldName::AccessControlRequestMethod => self.announces = true,
            FieldName::AccessControlRequestHeaders => self.announced.push(value),
            FieldName::Connection
            | FieldName::Expect
            | FieldName::TransferEncoding
            | FieldName::Other => {}
        }
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'a Method {
        self.method
    }

    /// The authority of the target: of HTTP/2, and of the absolute form.
    #[must_use]
    pub const fn authority(&self) -> Option<&'a str> {
        self.authority
    }

    /// The path of the target.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// The query of the target.
    #[must_use]
    pub const fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The answers that the client takes.
    #[must_use]
    pub fn accepts(&self) -> Accepts {
        self.accept.accepts()
    }

    /// Whether a browser says for which page it asks, well or badly.
    #[must_use]
    pub const fn has_origin(&self) -> bool {
        !matches!(self.origin, Once::Absent)
    }
}

/// The name of a field by which something is decided: about a request, or about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
#[non_exhaustive]
pub enum FieldName {
    Host,
    Accept,
    Origin,
    Expect,
    Connection,
    TransferEncoding,
    ContentType,
    ContentLength,
    ContentEncoding,
    LastEventId,
    McpName,
    McpMethod,
    /// `Mcp-Param-` and anything.
    McpParam,
    McpProtocolVersion,
    McpSessionId,
    AccessControlRequestMethod,
    AccessControlRequestHeaders,
    /// None of these.
    Other,
}

impl FieldName {
    /// The name that a token spells, in whatever case.
    ///
    /// ```
    /// use mcp_proto::http::head::FieldName;
    ///
    /// assert_eq!(FieldName::of(b"MCP-Method"), FieldName::McpMethod);
    /// assert_eq!(FieldName::of(b"x-mcp-method"), FieldName::Other);
    /// ```
    #[must_use]
    #[inline]
    pub fn of(token: &[u8]) -> Self {
        match token.len() {
            4 if spells(token, b"host") => Self::Host,
            6 if spells(token, b"accept") => Self::Accept,
            6 if spells(token, b"origin") => Self::Origin,
            6 if spells(token, b"expect") => Self::Expect,
            8 if spells(token, b"mcp-name") => Self::McpName,
            10 if spells(token, b"mcp-method") => Self::McpMethod,
            10 if spells(token, b"connection") => Self::Connection,
            12 if spells(token, b"content-type") => Self::ContentType,
            13 if spells(token, b"last-event-id") => Self::LastEventId,
            14 if spells(token, b"content-length") => Self::ContentLength,
            14 if spells(token, b"mcp-session-id") => Self::McpSessionId,
            16 if spells(token, b"content-encoding") => Self::ContentEncoding,
            17 if spells(token, b"transfer-encoding") => Self::TransferEncoding,
            20 if spells(token, b"mcp-protocol-version") => Self::McpProtocolVersion,
            29 if spells(token, b"access-control-request-method") => {
                Self::AccessControlRequestMethod
            }
            30 if spells(token, b"access-control-request-headers") => {
                Self::AccessControlRequestHeaders
            }
            _ if is_param(token) => Self::McpParam,
            _ => Self::Other,
        }
    }
}

/// A field that may be there once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Once<'a> {
    Absent,
    Given(&'a [u8]),
    Repeated,
}

impl<'a> Once<'a> {
    const fn put(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::Given(value),
            Self::Given(_) | Self::Repeated => Self::Repeated,
        };
    }

    /// As visible ASCII.
    pub(super) fn only(self) -> Result<Option<&'a str>, ()> {
        match self {
            Self::Absent => Ok(None),
            Self::Given(value) => visible(value).map(Some).ok_or(()),
            Self::Repeated => Err(()),
        }
    }

    /// As visible ASCII of at most `max` bytes, without the blanks around it.
    pub(super) fn text(self, max: usize) -> Result<Option<&'a str>, ()> {
        match self {
            Self::Given(value) if value.len() > max => Err(()),
            other => other.only().map(|text| text.map(str::trim)),
        }
    }
}

/// A value as text, if it is visible ASCII, blanks and tabs.
pub(super) fn visible(value: &[u8]) -> Option<&str> {
    let is_visible = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    core::str::from_utf8(value)
        .ok()
        .filter(|_| value.iter().all(is_visible))
}

/// Whether a token is `name` in whatever case; `name` is of small letters and dashes.
#[inline]
fn spells<const N: usize>(token: &[u8], name: &[u8; N]) -> bool {
    let Ok(token) = <&[u8; N]>::try_from(token) else {
        return false;
    };
    // Eight bytes at a time, without an early end. Among these characters, only letters have the bit from which the one
    // follows by which their cases differ.
    let word = |text: &[u8; N], at: usize| {
        let bytes = text.get(at..).and_then(<[u8]>::first_chunk::<8>);
        u64::from_ne_bytes(bytes.copied().unwrap_or_default())
    };
    let mut difference = 0;
    let mut at = 0;
    while at + 8 <= N {
        let name = word(name, at);
        let case = (name & 0x4040_4040_4040_4040) >> 1;
        difference |= (word(token, at) ^ name) & !case;
        at += 8;
    }
    while at < N {
        let case = (name[at] & 0x40) >> 1;
        difference |= u64::from((token[at] ^ name[at]) & !case);
        at += 1;
    }
    difference == 0
}

fn is_param(name: &[u8]) -> bool {
    name.get(..PARAM_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PARAM_PREFIX.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name in both cases, with every byte in every place.
    #[test]
    fn a_name_is_found_in_any_case_and_nothing_like_it() {
        let names = [
            ("host", FieldName::Host),
            ("accept", FieldName::Accept),
            ("origin", FieldName::Origin),
            ("expect", FieldName::Expect),
            ("connection", FieldName::Connection),
            ("transfer-encoding", FieldName::TransferEncoding),
            ("content-type", FieldName::ContentType),
            ("content-length", FieldName::ContentLength),
            ("content-encoding", FieldName::ContentEncoding),
            ("last-event-id", FieldName::LastEventId),
            ("mcp-name", FieldName::McpName),
            ("mcp-method", FieldName::McpMethod),
            ("mcp-protocol-version", FieldName::McpProtocolVersion),
            ("mcp-session-id", FieldName::McpSessionId),
            (
                "access-control-request-method",
                FieldName::AccessControlRequestMethod,
            ),
            (
                "access-control-request-headers",
                FieldName::AccessControlRequestHeaders,
            ),
        ];
        for (name, known) in names {
            for text in [name.to_lowercase(), name.to_uppercase()] {
                let mut token = text.clone().into_bytes();
                for at in 0..text.len() {
                    for byte in 0..=u8::MAX {
                        token[at] = byte;
                        let same = |name: &&(&str, FieldName)| {
                            token.eq_ignore_ascii_case(name.0.as_bytes())
                        };
                        let expected = names.iter().find(same).map_or(FieldName::Other, |it| it.1);
                        assert_eq!(FieldName::of(&token), expected, "{known:?} {token:?}");
                    }
                    token[at] = text.as_bytes()[at];
                }
            }
        }
        assert_eq!(FieldName::of(b"MCP-param-x"), FieldName::McpParam);
        assert_eq!(FieldName::of(b"mcp-param"), FieldName::Other);
    }

    #[test]
    fn both_ways_to_a_head_find_the_same() {
        let request = ::http::Request::post("http://localhost:80/mcp?a=b")
            .header("Host", "localhost")
            .header("MCP-Param-X", "1")
            .header("mcp-param-", "2")
            .header("Mcp-Method", "tools/call")
            .header("mcp-method", "tools/call")
            .body(());
        let parts = request.unwrap().into_parts().0;
        let of = Head::of(&parts);
        assert_eq!(of.authority(), Some("localhost:80"));
        assert_eq!((of.path(), of.query()), ("/mcp", Some("a=b")));
        assert_eq!(of.host.only(), Ok(Some("localhost")));
        assert_eq!(of.params.len(), 2);
        assert!(of.mcp_method.only().is_err() && !of.has_origin());

        let mut by_hand = Head::new(&Method::POST, "/mcp");
        by_hand.field(b"MCP-PARAM-X", b"1");
        by_hand.field(b"oRiGiN", b"null");
        by_hand.field(b"Mcp-Name", b"caf\xc3\xa9");
        assert!(by_hand.has_origin() && by_hand.query().is_none());
        assert_eq!(by_hand.params, [(&b"MCP-PARAM-X"[..], &b"1"[..])]);
        assert!(by_hand.mcp_name.only().is_err(), "not ASCII");
    }
}
