//! The head of a request as it came.
//!
//! Owns one piece of memory and where in it method, target and fields are. Must never judge: whatever is in it was found
//! well formed.

use std::fmt;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Uri, Version};
use mcp_server::proto::http::head::{FieldName, Head};

/// Fields for which a quiet connection keeps memory, 20 bytes each.
const FIELDS_KEPT: usize = 32;

/// A part of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Where `part` is in `whole`, of which it is a slice.
    pub(super) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        // A head of gigabytes is no head: its limit is far below.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: place(start),
            end: place(start + part.len()),
        }
    }

    pub(super) const fn start(self) -> usize {
        self.start as usize
    }

    pub(super) fn get(self, whole: &[u8]) -> &[u8] {
        whole
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// Where a field is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) known: FieldName,
    pub(super) name: Span,
    pub(super) value: Span,
}

impl Field {
    /// A field that the tokenizer found in `whole`.
    #[inline]
    pub(super) fn of(field: &httparse::Header<'_>, whole: &[u8]) -> Self {
        let name = field.name.as_bytes();
        Self {
            known: FieldName::of(name),
            name: Span::of(name, whole),
            value: Span::of(field.value, whole),
        }
    }
}

/// What a request is for.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A path of unreserved characters and slashes, which every reader takes for the same.
    Path(Span),
    /// Anything else that is one.
    Other(Uri),
}

/// The head of a request, in the memory in which it came.
///
/// It is overwritten by the next one. [`judged`](Self::judged) is the way to the endpoint; [`to_parts`](Self::to_parts) is
/// for what wants the types of the `http` crate.
///
/// ```
/// use bytes::BytesMut;
/// use mcp_http1::{Limits, RequestHead, ServerMachine, Step};
///
/// let mut machine = ServerMachine::new(Limits::default());
/// let mut request = RequestHead::default();
/// let mut input = BytesMut::from("GET /mcp?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert_eq!(machine.next(&mut input, &mut request), Step::Head);
/// assert_eq!((request.method().as_str(), request.judged().path()), ("GET", "/mcp"));
/// assert_eq!(request.fields().next(), Some((&b"Host"[..], &b"localhost"[..])));
/// assert_eq!(request.to_parts().headers["host"], "localhost");
/// ```
pub struct RequestHead {
    pub(super) bytes: Bytes,
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) version: Version,
    pub(super) fields: Vec<Field>,
}

impl Default for RequestHead {
    /// One that was not read yet: GET, no target, no fields.
    fn default() -> Self {
        Self {
            bytes: Bytes::new(),
            method: Method::GET,
            target: Target::Path(Span::default()),
            version: Version::HTTP_11,
            fields: Vec::new(),
        }
    }
}

impl RequestHead {
    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// HTTP/1.1 or HTTP/1.0.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Names and values in their order. Names are tokens as the peer spelled them, values are without the blanks around
    /// them.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let text = |span: Span| span.get(&self.bytes);
        self.fields
            .iter()
            .map(move |field| (text(field.name), text(field.value)))
    }

    /// The head as the endpoint judges it.
    #[must_use]
    pub fn judged(&self) -> Head<'_> {
        let mut head = match &self.target {
            Target::Path(path) => Head::new(&self.method, self.text(*path)),
            Target::Other(uri) => Head::to(&self.method, uri),
        };
        for field in &self.fields {
            let text = |span: Span| span.get(&self.bytes);
            head.named(field.known, text(field.name), text(field.value));
        }
        head
    }

    /// The same in the types of the `http` crate, values as slices of the memory in which they came.
    #[must_use]
    pub fn to_parts(&self) -> Parts {
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = self.method.clone();
        parts.version = self.version;
        parts.uri = match &self.target {
            Target::Path(path) => self.text(*path).parse().unwrap_or_default(),
            Target::Other(uri) => uri.clone(),
        };
        parts.headers = HeaderMap::with_capacity(self.fields.len());
        for (name, value) in self.fields() {
            let name = HeaderName::from_bytes(name);
            let value = self.bytes.slice_ref(value);
            // Well formed by the same rules.
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(value)) {
                parts.headers.append(name, value);
            }
        }
        parts
    }

    fn text(&self, span: Span) -> &str {
        core::str::from_utf8(span.get(&self.bytes)).unwrap_or_default()
    }

    /// Whether it holds memory for fields.
    #[cfg(test)]
    pub(crate) const fn keeps_memory(&self) -> bool {
        self.fields.capacity() > 0
    }

    /// Gives up what is borrowed from the input, so that the memory is there for the next read.
    pub fn clear(&mut self) {
        if self.fields.capacity() > FIELDS_KEPT {
            self.fields = Vec::new();
        }
        self.fields.clear();
        self.bytes = Bytes::new();
        self.target = Target::Path(Span::default());
    }
}

impl fmt::Debug for RequestHead {
    /// Without the fields, some of which are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("version", &self.version)
            .field("fields", &self.fields.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::chunked::is_token;

    #[test]
    fn what_the_tokenizer_takes_is_a_name_and_a_value_for_the_library_too() {
        for byte in 0..=u8::MAX {
            let takes = |line: &[u8]| {
                let mut places = [httparse::EMPTY_HEADER; 1];
                let head = [b"GET / HTTP/1.1\r\n", line, b"\r\n\r\n"].concat();
                let mut request = httparse::Request::new(&mut places);
                request
                    .parse(&head)
                    .is_ok_and(|parsed| parsed.is_complete())
            };
            let name = [b'x', byte, b'x'];
            let taken = takes(&[&name[..], b": y"].concat());
            // A colon ends the name before it.
            if byte != b':' {
                assert_eq!(taken, HeaderName::from_bytes(&name).is_ok(), "{byte}");
                assert_eq!(taken, is_token(byte), "{byte}");
            }
            let value = [b'x', byte, b'x'];
            if takes(&[b"x: ", &value[..]].concat()) {
                assert!(HeaderValue::from_bytes(&value).is_ok(), "{byte}");
            }
        }
    }
}
