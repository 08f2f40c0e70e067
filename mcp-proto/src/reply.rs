//! A result on its way out: the handler's object, completed with what the revision asks for.
//!
//! Owns the splice of `resultType`, caching hints and `_meta` into a body that is already encoded.
//! Must never parse or re-encode the body: large payloads ride along uncopied.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use mcp_types::{CacheScope, LongTexts, Revision};

use crate::config::{CacheHint, ServerConfig};
use crate::id::WireId;
use crate::json::write;
use crate::method::Method;
use crate::outbox::{INLINE_MAX, Outbox};

/// The text of a JSON object.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// Copied into the outbox.
    Slice(&'a [u8]),
    /// Shared when it is large.
    Shared(Bytes),
    /// In pieces, each of them shared when it is large.
    Body(&'a Body),
}

/// The text of a JSON object that outlives whoever made it, in one piece or several.
///
/// ```
/// use mcp_proto::reply::Body;
/// use mcp_types::{CallToolResult, Revision};
///
/// let text = "x".repeat(1 << 20);
/// let body = Body::encode(CallToolResult::text(text), Revision::LATEST);
/// assert_eq!(body.len(), (1 << 20) + r#"{"content":[{"type":"text","text":""}]}"#.len());
/// ```
#[derive(Clone, Debug)]
pub struct Body {
    first: Bytes,
    rest: Vec<Bytes>,
    /// Known to have neither line breaks nor white space around it.
    is_line: bool,
}

impl Body {
    /// Encodes a result. Its long texts are not copied; see [`mcp_types::to_pieces`].
    #[must_use]
    pub fn encode<T: LongTexts>(value: T, revision: Revision) -> Self {
        let (mut first, mut rest) = (None, Vec::new());
        mcp_types::to_pieces(value, revision, |piece| {
            let piece = Bytes::from(piece);
            if first.is_none() {
                first = Some(piece);
            } else {
                rest.push(piece);
            }
        });
        Self {
            first: first.unwrap_or_default(),
            rest,
            is_line: true,
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    /// Whether there is no text at all, which is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole text: joined if it is in several pieces.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if self.rest.is_empty() {
            return self.first.clone();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        for piece in self.pieces() {
            whole.extend_from_slice(piece);
        }
        whole.freeze()
    }

    fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        core::iter::once(&self.first).chain(&self.rest)
    }

    /// Whether there is anything between the braces.
    fn has_members(&self) -> bool {
        !self.rest.is_empty() || inner(&self.first).is_some()
    }

    /// Writes what is between the braces.
    fn write_members(&self, out: &mut Outbox) {
        let Some((last, between)) = self.rest.split_last() else {
            let Some((start, end)) = inner(&self.first) else {
                return;
            };
            return if self.is_line {
                put_part(out, &self.first, start, end);
            } else {
                write_part(out, &self.first, start, end);
            };
        };
        // Only an encoded body is in pieces: it starts and ends with a brace.
        put_part(out, &self.first, 1, self.first.len());
        for piece in between {
            put_part(out, piece, 0, piece.len());
        }
        put_part(out, last, 0, last.len().saturating_sub(1));
    }
}

impl From<Bytes> for Body {
    fn from(object: Bytes) -> Self {
        Self {
            first: object,
            rest: Vec::new(),
            is_line: false,
        }
    }
}

impl From<String> for Body {
    fn from(object: String) -> Self {
        Self::from(Bytes::from(object))
    }
}

/// Shares a part of `bytes` if it is large. A small one is copied without looking at who shares it.
fn put_part(out: &mut Outbox, bytes: &Bytes, start: usize, end: usize) {
    if end - start <= INLINE_MAX {
        out.put(&bytes[start..end]);
    } else {
        out.put_shared(bytes.slice(start..end));
    }
}

/// The same for JSON that may have line breaks.
fn write_part(out: &mut Outbox, bytes: &Bytes, start: usize, end: usize) {
    if end - start <= INLINE_MAX {
        write::raw_bytes(out, &bytes[start..end]);
    } else {
        write::raw_shared(out, bytes.slice(start..end));
    }
}

/// The open set of `resultType` values (2026-07-28, basic "ResultType").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResultKind {
    /// The request is done.
    #[default]
    Complete,
    /// The client has to answer input requests and retry.
    InputRequired,
    /// A task was created (tasks extension).
    Task,
}

impl ResultKind {
    /// The wire value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::InputRequired => "input_required",
            Self::Task => "task",
        }
    }
}

/// A successful result.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// A JSON object without `resultType`, `_meta`, `ttlMs` and `cacheScope`: those are added here.
    pub body: Payload<'a>,
    /// The handler's own `_meta`: a JSON object.
    pub meta: Option<&'a str>,
    /// The value of `resultType` for a modern peer.
    pub kind: ResultKind,
    /// Caching hints; written for modern peers only. `None` means none, or [`CacheHint::NONE`] where the method
    /// requires them.
    pub cache: Option<CacheHint>,
}

impl<'a> Reply<'a> {
    /// A complete result.
    #[must_use]
    pub const fn complete(body: Payload<'a>) -> Self {
        Self {
            body,
            meta: None,
            kind: ResultKind::Complete,
            cache: None,
        }
    }

    /// Writes the whole response message, without framing, to a request for `method` with this id.
    ///
    /// A complete result of a method whose modern results must have caching hints gets [`CacheHint::NONE`] where the
    /// reply has none.
    pub fn write(
        &self,
        out: &mut Outbox,
        id: &WireId,
        method: Method,
        revision: Revision,
        config: &ServerConfig,
    ) {
        write::result_start(out, id);
        self.write_object(out, method, revision, config);
        out.put_byte(b'}');
    }

    fn write_object(
        &self,
        out: &mut Outbox,
        method: Method,
        revision: Revision,
        config: &ServerConfig,
    ) {
        let mut first = true;
        let mut separate = |out: &mut Outbox| {
            out.put_byte(if first { b'{' } else { b',' });
            first = false;
        };
        if revision.is_modern() {
            separate(out);
            out.put(b"\"resultType\":\"");
            out.put(self.kind.as_str().as_bytes());
            out.put_byte(b'"');
        }
        match &self.body {
            Payload::Slice(slice) => {
                if let Some((start, end)) = inner(slice) {
                    separate(out);
                    write::raw_bytes(out, &slice[start..end]);
                }
            }
            Payload::Shared(bytes) => {
                if let Some((start, end)) = inner(bytes) {
                    separate(out);
                    write_part(out, bytes, start, end);
                }
            }
            Payload::Body(body) => {
                if body.has_members() {
                    separate(out);
                    body.write_members(out);
                }
            }
        }
        let must = method.is_cacheable() && self.kind == ResultKind::Complete;
        let cache = self.cache.or_else(|| must.then_some(CacheHint::NONE));
        if let (true, Some(cache)) = (revision.is_modern(), cache) {
            separate(out);
            out.put(b"\"ttlMs\":");
            write::integer(out, cache.ttl_ms);
            out.put(match cache.scope {
                CacheScope::Public => b",\"cacheScope\":\"public\"",
                _ => b",\"cacheScope\":\"private\"",
            });
        }
        let own = self.meta.and_then(|object| inner(object.as_bytes()));
        if revision.is_modern() {
            separate(out);
            out.put(b"\"_meta\":{\"io.modelcontextprotocol/serverInfo\":");
            out.put(config.server_info());
            if let Some((start, end)) = own {
                out.put_byte(b',');
                write::raw_bytes(out, &self.meta.unwrap_or_default().as_bytes()[start..end]);
            }
            out.put_byte(b'}');
        } else if let Some(meta) = self.meta {
            separate(out);
            out.put(b"\"_meta\":");
            write::raw_bytes(out, meta.as_bytes());
        }
        if first {
            out.put_byte(b'{');
        }
        out.put_byte(b'}');
    }
}

/// The range between an object's braces, without surrounding white space; `None` if it is empty.
fn inner(object: &[u8]) -> Option<(usize, usize)> {
    let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    let open = object.iter().position(|b| *b == b'{')?;
    let close = object.iter().rposition(|b| *b == b'}')?;
    let between = object.get(open + 1..close)?;
    let lead = between.iter().take_while(|b| space(b)).count();
    let tail = between.iter().rev().take_while(|b| space(b)).count();
    (lead < between.len()).then(|| (open + 1 + lead, close - tail))
}

#[cfg(test)]
#[allow(clippy::disallowed_types, reason = "tests compare trees")]
mod tests {
    use super::*;
    use crate::config::Profile;
    use bytes::Buf;
    use mcp_types::{CallToolResult, Implementation, Json};

    fn written(reply: &Reply<'_>, revision: Revision) -> serde_json::Value {
        written_to(Method::ToolsCall, reply, revision)
    }

    fn written_to(method: Method, reply: &Reply<'_>, revision: Revision) -> serde_json::Value {
        let config = ServerConfig::compile(Profile::new(Implementation::new("s", "1")));
        let mut out = Outbox::new(1 << 20);
        reply.write(&mut out, &WireId::from(7u64), method, revision, &config);
        let bytes = out.copy_to_bytes(out.remaining());
        assert!(!bytes.contains(&b'\n'));
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_body_in_any_number_of_pieces_is_the_same_result() {
        let long = "line\n\"quoted\" \u{1}".repeat(1000);
        let results = [
            CallToolResult::new([]),
            CallToolResult::text("short\n"),
            CallToolResult::text(long.as_str()),
            CallToolResult::structured(Json::from(long.as_str())),
            CallToolResult::new([long.as_str().into(), "a".into(), "b".repeat(9000).into()]),
        ];
        for result in results {
            for revision in Revision::ALL {
                let slice = mcp_types::to_vec(&result, revision);
                let body = Body::encode(result.clone(), revision);
                assert_eq!(
                    (body.len(), body.to_bytes()),
                    (slice.len(), slice.clone().into())
                );
                let expected = written(&Reply::complete(Payload::Slice(&slice)), revision);
                assert_eq!(
                    written(&Reply::complete(Payload::Body(&body)), revision),
                    expected
                );
                let body = Body::from(Bytes::from(slice.clone()));
                assert_eq!(
                    written(&Reply::complete(Payload::Body(&body)), revision),
                    expected
                );
                let shared = Payload::Shared(slice.into());
                assert_eq!(written(&Reply::complete(shared), revision), expected);
            }
        }
        for (object, expected) in [
            ("{}", "{}"),
            ("{ }", "{}"),
            (" {\n\"a\":\r1}\n", "{\"a\": 1}"),
        ] {
            let body = Body::from(String::from(object));
            let reply = Reply::complete(Payload::Body(&body));
            let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
            assert_eq!(written(&reply, Revision::V2025_11_25)["result"], expected);
        }
    }

    #[test]
    fn a_long_text_is_sent_from_where_it_is() {
        let text = "x".repeat(100_000);
        let address = text.as_ptr();
        let body = Body::encode(CallToolResult::text(text), Revision::LATEST);
        let config = ServerConfig::compile(Profile::new(Implementation::new("s", "1")));
        let mut out = Outbox::new(1 << 20);
        let (id, method) = (WireId::from(7_u64), Method::ToolsCall);
        Reply::complete(Payload::Body(&body)).write(
            &mut out,
            &id,
            method,
            Revision::LATEST,
            &config,
        );
        assert!(
            out.take_part()
                .is_some_and(|head| head.ends_with(b"\"text\":\""))
        );
        assert_eq!(out.take_part().map(|part| part.as_ptr()), Some(address));
        assert!(
            out.take_part()
                .is_some_and(|tail| tail.starts_with(b"\"}]"))
        );
    }

    #[test]
    fn modern_results_carry_type_identity_and_hints() {
        let reply = Reply {
            body: Payload::Slice(b" { \n\"tools\": []\n} "),
            meta: Some("{\"a\":1}"),
            kind: ResultKind::Complete,
            cache: Some(CacheHint {
                ttl_ms: 5,
                scope: CacheScope::Public,
            }),
        };
        let value = written(&reply, Revision::LATEST);
        assert_eq!(
            value["result"],
            serde_json::json!({"resultType":"complete","tools":[],"ttlMs":5,"cacheScope":"public",
                "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"},"a":1}})
        );
    }

    #[test]
    fn a_result_that_must_have_caching_hints_has_them() {
        let mut reply = Reply::complete(Payload::Slice(b"{}"));
        let hints = |reply: &Reply<'_>, method, revision| {
            let result = &written_to(method, reply, revision)["result"];
            (result["ttlMs"].as_u64(), result["cacheScope"] == "private")
        };
        for method in [Method::ToolsList, Method::ResourcesRead] {
            assert_eq!(hints(&reply, method, Revision::LATEST), (Some(0), true));
            assert_eq!(hints(&reply, method, Revision::V2025_11_25), (None, false));
        }
        assert_eq!(
            hints(&reply, Method::ToolsCall, Revision::LATEST),
            (None, false)
        );
        reply.kind = ResultKind::InputRequired;
        assert_eq!(
            hints(&reply, Method::ResourcesRead, Revision::LATEST),
            (None, false)
        );
    }

    #[test]
    fn legacy_results_carry_only_what_the_handler_said() {
        let empty = Reply::complete(Payload::Slice(b"{}"));
        assert_eq!(
            written(&empty, Revision::V2025_11_25)["result"],
            serde_json::json!({})
        );
        let mut with_meta = Reply::complete(Payload::Shared(Bytes::from_static(b"{\"x\":{}}")));
        with_meta.meta = Some("{\"b\":2}");
        with_meta.cache = Some(CacheHint::NONE);
        assert_eq!(
            written(&with_meta, Revision::V2025_11_25)["result"],
            serde_json::json!({"x":{},"_meta":{"b":2}})
        );
    }
}
