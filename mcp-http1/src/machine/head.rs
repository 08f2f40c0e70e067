//! The head of a request: where it ends, and what it says.
//!
//! Owns the search for the empty line and the way from bytes to [`Parts`] and [`Framing`]. Every line must end with
//! CR LF, so that no other reader of the same bytes finds another end. Must never look at a body.

use core::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Version};

use super::chunked::is_token;
use super::fields::{self, Framing};
use super::names;
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

    /// Whether nothing was looked at.
    pub(super) const fn is_new(&self) -> bool {
        self.seen == 0
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

/// Fields of a head that is read in one go, which is nearly every head.
const QUICK: usize = 32;

/// A part of a head.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Where `part` is in `whole`, of which it is a slice.
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        Self {
            start,
            end: start + part.len(),
        }
    }
}

/// A head in parts: what the tokenizer found, independent of where the bytes are.
struct Tokens<T> {
    length: usize,
    method: Method,
    target: Span,
    is_current: bool,
    /// Names and values.
    fields: T,
}

/// Reads a head at the start of the input, if all of it is there and nothing about it is unusual. Whatever is `None`
/// here is for [`Search`] and [`parse`] to judge, which agree about what is `Some`.
pub(super) fn quick(
    limits: &Limits,
    input: &mut BytesMut,
    parts: &mut Parts,
) -> Option<Result<Framing, Refusal>> {
    if !input.first().copied().is_some_and(is_token) {
        return None;
    }
    let mut fields = [(Span::default(), Span::default()); QUICK];
    let mut places = [const { MaybeUninit::uninit() }; QUICK];
    let places = &mut places[..limits.max_headers.min(QUICK)];
    let mut request = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(length)) = request.parse_with_uninit_headers(input, places)
    else {
        return None;
    };
    let count = request.headers.len();
    let mut is_usual = length <= limits.max_head && input[..length].ends_with(b"\r\n\r\n");
    for (place, field) in fields.iter_mut().zip(request.headers.iter()) {
        *place = (
            Span::of(field.name.as_bytes(), input),
            Span::of(field.value, input),
        );
        // The tokenizer also takes a bare LF for the end of the line before.
        is_usual &= input[place.0.start - 2] == b'\r';
    }
    let request_line = if count == 0 {
        length - 2
    } else {
        fields[0].0.start
    };
    if !is_usual || request_line > limits.max_request_line {
        return None;
    }
    let tokens = Tokens {
        length,
        method: Method::from_bytes(request.method?.as_bytes()).ok()?,
        target: Span::of(request.path?.as_bytes(), input),
        is_current: request.version? != 0,
        fields: &fields[..count],
    };
    let head = input.split_to(tokens.length).freeze();
    Some(build(&head, tokens, parts))
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
    let fields = request.headers.iter().map(|field| {
        let name = Span::of(field.name.as_bytes(), head);
        (name, Span::of(field.value, head))
    });
    let fields: Vec<(Span, Span)> = fields.collect();
    let tokens = Tokens {
        length: head.len(),
        method: Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::Syntax)?,
        target: Span::of(path.as_bytes(), head),
        is_current: minor != 0,
        fields: &fields[..],
    };
    build(head, tokens, parts)
}

/// Gives the parts of a head their meaning.
fn build(
    head: &Bytes,
    tokens: Tokens<&[(Span, Span)]>,
    parts: &mut Parts,
) -> Result<Framing, Refusal> {
    let slice = |span: Span| head.slice(span.start..span.end);
    parts.method = tokens.method;
    parts.version = if tokens.is_current {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    parts.extensions.clear();
    parts.headers.clear();
    parts.headers.reserve(tokens.fields.len());

    let mut found = fields::Found::default();
    for &(name, value) in tokens.fields {
        let name = names::name(&head[name.start..name.end]).ok_or(Refusal::Syntax)?;
        let text = &head[value.start..value.end];
        match name {
            header::HOST => found.host(text)?,
            header::CONTENT_LENGTH => found.length(text)?,
            header::TRANSFER_ENCODING => found.coding(text)?,
            header::CONNECTION => found.connection(text),
            header::EXPECT => found.expectation(text)?,
            _ => {}
        }
        let value = HeaderValue::from_maybe_shared(slice(value)).map_err(|_| Refusal::Syntax)?;
        parts.headers.append(name, value);
    }
    let framing = found.framing(tokens.is_current)?;
    parts.uri = target::parse(&parts.method, slice(tokens.target), found.host)?;
    Ok(framing)
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
