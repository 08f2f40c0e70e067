//! The head of a request: where it ends, and what it says.
//!
//! Owns the search for the empty line and the way from bytes to [`RequestHead`] and [`Framing`]. Every line must end with
//! CR LF, so that no other reader of the same bytes finds another end. Must never look at a body.

use core::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Version};

use super::chunked::is_token;
use super::fields::{Found, Framing};
use super::refusal::Refusal;
use super::request::{Field, RequestHead, Span};
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

/// Reads a head at the start of the input, if all of it is there and nothing about it is unusual. Whatever is `None`
/// here is for [`Search`] and [`parse`] to judge, which agree about what is `Some`.
pub(super) fn quick(
    limits: &Limits,
    input: &mut BytesMut,
    head: &mut RequestHead,
) -> Option<Result<Framing, Refusal>> {
    if !input.first().copied().is_some_and(is_token) {
        return None;
    }
    let mut places = [const { MaybeUninit::uninit() }; QUICK];
    let places = &mut places[..limits.max_headers.min(QUICK)];
    let mut request = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(length)) = request.parse_with_uninit_headers(input, places)
    else {
        return None;
    };
    let mut is_usual = length <= limits.max_head && input[..length].ends_with(b"\r\n\r\n");
    head.fields.clear();
    head.fields.reserve(request.headers.len());
    for field in request.headers.iter() {
        let field = Field::of(field, input);
        // The tokenizer also takes a bare LF for the end of the line before.
        is_usual &= input[field.name.start() - 2] == b'\r';
        head.fields.push(field);
    }
    let first = head.fields.first();
    let request_line = first.map_or(length - 2, |field| field.name.start());
    if !is_usual || request_line > limits.max_request_line {
        return None;
    }
    head.method = Method::from_bytes(request.method?.as_bytes()).ok()?;
    head.version = version(request.version?);
    let target = Span::of(request.path?.as_bytes(), input);
    head.bytes = input.split_to(length).freeze();
    Some(complete(head, target))
}

/// Reads a head of which the end was found. What was there before is gone; its memory is used again.
pub(super) fn parse(
    limits: &Limits,
    bytes: Bytes,
    head: &mut RequestHead,
) -> Result<Framing, Refusal> {
    let mut places = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let places = &mut places[..limits.max_headers.min(MAX_HEADERS)];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(&bytes, places) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(Refusal::Syntax),
        Err(error) => return Err(refusal(error, &bytes)),
    }
    let (Some(method), Some(path), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(Refusal::Syntax);
    };
    head.fields.clear();
    let fields = request.headers.iter();
    head.fields
        .extend(fields.map(|field| Field::of(field, &bytes)));
    head.method = Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::Syntax)?;
    head.version = version(minor);
    let target = Span::of(path.as_bytes(), &bytes);
    head.bytes = bytes;
    complete(head, target)
}

const fn version(minor: u8) -> Version {
    if minor == 0 {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    }
}

/// Finds what the head says about its connection, and judges the target.
fn complete(head: &mut RequestHead, target: Span) -> Result<Framing, Refusal> {
    let mut found = Found::default();
    for field in &head.fields {
        found.field(field.known, field.value.get(&head.bytes))?;
    }
    let framing = found.framing(head.version == Version::HTTP_11)?;
    head.target = target::parse(&head.method, &head.bytes, target, found.host)?;
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
