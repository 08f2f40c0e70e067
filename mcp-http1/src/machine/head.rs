//! The head of a request: where it ends, and what it says.
//!
//! Owns the search for the empty line and the way from bytes to [`Parts`] and [`Framing`]. Every line must end with
//! CR LF, so that no other reader of the same bytes finds another end. Must never look at a body.

use core::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Version};

use super::chunked::is_token;
use super::fields::{self, Framing};
use super::refusal::Refusal;
use super::target;
use crate::limits::{Limits, MAX_HEADERS};

/// How far the search for the end has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Search {
    /// Bytes of the input that were looked at.
    seen: usize,
    /// The request line has ended.
    lines: bool,
    /// An empty line before the head was skipped.
    skipped: bool,
}

impl Search {
    pub(super) const fn new() -> Self {
        Self {
            seen: 0,
            lines: false,
            skipped: false,
        }
    }

    /// The length of the head, if it is complete.
    pub(super) fn end(
        &mut self,
        limits: &Limits,
        input: &mut BytesMut,
    ) -> Result<Option<usize>, Refusal> {
        if self.seen == 0 && !self.begin(input)? {
            return Ok(None);
        }
        let within = input.len().min(limits.max_head);
        for at in memchr::memchr_iter(b'\n', &input[self.seen.min(within)..within]) {
            let at = self.seen + at;
            if !self.lines && at >= limits.max_request_line {
                return Err(Refusal::TargetTooLong);
            }
            if input[at - 1] != b'\r' {
                return Err(Refusal::LineEnd);
            }
            self.lines = true;
            if at >= 3 && input[at - 3..at] == *b"\r\n\r" {
                *self = Self::new();
                return Ok(Some(at + 1));
            }
        }
        self.seen = within;
        if !self.lines && within >= limits.max_request_line {
            return Err(Refusal::TargetTooLong);
        }
        if within == limits.max_head {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(None)
    }

    /// Looks at the first byte, which tells other protocols apart before they send a line, and skips one empty line
    /// (RFC 9112 section 2.2). Whether there is anything to search.
    fn begin(&mut self, input: &mut BytesMut) -> Result<bool, Refusal> {
        if input.first() == Some(&b'\r') && !self.skipped {
            match input.get(1) {
                None => return Ok(false),
                Some(b'\n') => {
                    self.skipped = true;
                    input.advance(2);
                }
                Some(_) => return Err(Refusal::LineEnd),
            }
        }
        match input.first() {
            None => Ok(false),
            Some(&byte) if is_token(byte) => Ok(true),
            Some(b'\n') => Err(Refusal::LineEnd),
            Some(_) => Err(Refusal::Syntax),
        }
    }
}

/// Reads a head of which the end was found. The parts that were there before are gone; their memory is used again.
pub(super) fn parse(limits: &Limits, head: &Bytes, parts: &mut Parts) -> Result<Framing, Refusal> {
    let mut places = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let places = &mut places[..limits.max_headers.min(MAX_HEADERS)];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, places) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refusal::Syntax),
        Err(error) => return Err(refusal(error, head)),
    }
    let (Some(method), Some(path), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(Refusal::Syntax);
    };
    parts.method = Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::Syntax)?;
    parts.version = if minor == 0 {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    parts.extensions.clear();
    parts.headers.clear();
    parts.headers.reserve(request.headers.len());

    let mut found = fields::Found::default();
    for field in request.headers.iter() {
        let name = name(field.name)?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value))
            .map_err(|_| Refusal::Syntax)?;
        match name {
            header::HOST => found.host(field.value)?,
            header::CONTENT_LENGTH => found.length(field.value)?,
            header::TRANSFER_ENCODING => found.coding(field.value)?,
            header::CONNECTION => found.connection(field.value),
            header::EXPECT => found.expectation(field.value)?,
            _ => {}
        }
        parts.headers.append(name, value);
    }
    let framing = found.framing(minor != 0)?;
    parts.uri = target::parse(&parts.method, head.slice_ref(path.as_bytes()), found.host)?;
    Ok(framing)
}

/// The name of a field. Those of the protocol are known, so that they need no memory of their own.
fn name(name: &str) -> Result<HeaderName, Refusal> {
    static KNOWN: [HeaderName; 5] = [
        HeaderName::from_static("mcp-name"),
        HeaderName::from_static("mcp-method"),
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("mcp-session-id"),
        HeaderName::from_static("mcp-protocol-version"),
    ];
    let known = match name.len() {
        8 => &KNOWN[0],
        10 => &KNOWN[1],
        13 => &KNOWN[2],
        14 => &KNOWN[3],
        20 => &KNOWN[4],
        _ => return HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::Syntax),
    };
    if name.eq_ignore_ascii_case(known.as_str()) {
        return Ok(known.clone());
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::Syntax)
}

fn refusal(error: httparse::Error, head: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::HeadTooLarge,
        httparse::Error::NewLine => Refusal::LineEnd,
        httparse::Error::Version if is_other_version(head) => Refusal::Version,
        _ => Refusal::Syntax,
    }
}

/// Whether the request line ends with the name of a version that is not served (RFC 9112 section 2.3).
fn is_other_version(head: &[u8]) -> bool {
    let end = memchr::memchr(b'\r', head).unwrap_or(head.len());
    let line = &head[..end];
    let word = memchr::memrchr(b' ', line).map_or(line, |at| &line[at + 1..]);
    matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit() && !matches!((major, minor), (b'1', b'0' | b'1')))
}
