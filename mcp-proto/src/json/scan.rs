//! The span scanner: one pass over a frame finds everything that the protocol decides on.
//!
//! Owns the JSON-RPC envelope rules. One pass, no recursion, no allocation: the result is a `Copy`
//! record of offsets into the frame. It must never interpret a payload, and never let two readings
//! of one frame be possible: a key that occurs twice where we read is a fault, not a choice.
//!
//! ```text
//! { "jsonrpc" "id" "method" "result" "error" "params": { "name" … "_meta": { … } } }
//!   level 1: envelope                                  level 2: params   level 3: _meta
//! ```
//!
//! Everything below or beside these three levels is stepped over by the cursor, which checks the
//! full grammar. Faults of the grammar end the scan; faults of the rules are noted and the scan
//! goes on, so that the id can be read wherever it stands.
//!
//! Measured (release build, best runs on an idle core): about 300 ns for a `tools/call` of 491 bytes
//! with full `_meta`, 70 ns for a ping, and more than 10 GB/s inside a long ASCII string.

use super::cursor::{Cursor, DEPTH_CAP, Fault, Str};
pub use super::envelope::{Envelope, Kind, Span};
pub use super::malformed::{Malformed, MalformedKind};
use super::text::{self, Decoded};
use crate::id;
use crate::method::Method;

/// Members without a meaning to us that the envelope, `params` and `_meta` may have in all. It
/// bounds the work of telling that none occurs twice. Members of `arguments` and other payloads do
/// not count.
pub const MAX_UNKNOWN_MEMBERS: usize = 64;

/// No key and no method that we know is longer, in bytes.
const LONGEST_KEY: usize = 64;

/// What the scanner accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScanLimits {
    /// Brackets that may be open at once. At most 128, whatever is set here.
    pub max_depth: u32,
    /// Bytes of an id as it stands in the frame.
    pub max_id: usize,
    /// Tolerance: accept `1.0` and `1e0` as the id 1.
    pub integral_float_ids: bool,
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            max_depth: 64,
            max_id: 256,
            integral_float_ids: false,
        }
    }
}

/// Finds the parts of one message. A byte order mark before it and whitespace around it are
/// ignored.
///
/// # Errors
/// [`Malformed`] if the frame is not exactly one JSON-RPC 2.0 message, with its id if that could be
/// read.
pub fn scan(frame: &[u8], limits: &ScanLimits) -> Result<Envelope, Malformed> {
    let mut scan = Scan::new(frame, limits);
    match scan.message() {
        Ok(()) => scan.judge(),
        Err(fault) => Err(scan.broken(fault)),
    }
}

/// Checks that `text` is exactly one JSON value of at most `max_depth` (at most 128) levels,
/// without JSON-RPC rules.
///
/// # Errors
/// [`Malformed`] without id, for [`MalformedKind::Syntax`], `Utf8` and `Depth`.
pub fn validate(text: &[u8], max_depth: u32) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(text, max_depth.min(DEPTH_CAP));
    cursor.whitespace();
    let fault = match cursor.skip_value() {
        Ok(()) => {
            cursor.whitespace();
            if cursor.is_at_end() {
                return Ok(());
            }
            Fault::Syntax
        }
        Err(fault) => fault,
    };
    let offset = u32::try_from(cursor.at()).unwrap_or(u32::MAX);
    Err(Malformed {
        kind: fault.into(),
        id: Span::NONE,
        offset,
        form: None,
    })
}

struct Scan<'a> {
    cursor: Cursor<'a>,
    frame: &'a [u8],
    limits: &'a ScanLimits,
    envelope: Envelope,
    /// The noted fault that takes precedence so far.
    noted: Option<(MalformedKind, usize)>,
    unknown: Unknown,
    version: bool,
    has_method: bool,
    has_id: bool,
    null_id: bool,
}

/// The keys of the open objects that have no meaning to us.
struct Unknown {
    keys: [Span; MAX_UNKNOWN_MEMBERS],
    len: usize,
}

impl<'a> Scan<'a> {
    fn new(frame: &'a [u8], limits: &'a ScanLimits) -> Self {
        Self {
            cursor: Cursor::new(frame, limits.max_depth),
            frame,
            limits,
            envelope: Envelope::default(),
            noted: None,
            unknown: Unknown {
                keys: [Span::NONE; MAX_UNKNOWN_MEMBERS],
                len: 0,
            },
            version: false,
            has_method: false,
            has_id: false,
            null_id: false,
        }
    }

    /// The whole frame.
    fn message(&mut self) -> Result<(), Fault> {
        if u32::try_from(self.frame.len()).is_err() {
            self.note(MalformedKind::TooLong, 0);
            return Ok(());
        }
        if self.frame.starts_with(b"\xEF\xBB\xBF") {
            self.cursor.bump(3);
        }
        self.cursor.whitespace();
        match self.cursor.peek() {
            b'{' => {}
            // Not even looked at: a batch of any length costs nothing.
            b'[' => {
                self.note(MalformedKind::Batch, self.cursor.at());
                return Ok(());
            }
            _ if self.cursor.is_at_end() => {
                self.note(MalformedKind::Empty, self.cursor.at());
                return Ok(());
            }
            _ => self.note(MalformedKind::NotObject, self.cursor.at()),
        }
        if self.noted.is_some() {
            self.cursor.skip_value()?;
        } else {
            self.envelope()?;
        }
        self.cursor.whitespace();
        if self.cursor.is_at_end() {
            Ok(())
        } else {
            Err(Fault::Syntax)
        }
    }

    /// Level 1.
    fn envelope(&mut self) -> Result<(), Fault> {
        self.object(|scan, name| {
            Ok(Some(match name {
                b"jsonrpc" => {
                    let value = scan.value()?;
                    scan.version =
                        value.get(scan.frame) == Some(b"\"2.0\"") || scan.is_text(value, "2.0");
                    0
                }
                b"id" => {
                    scan.id()?;
                    1
                }
                b"method" => {
                    scan.method()?;
                    2
                }
                b"params" => {
                    scan.envelope.params = match scan.cursor.peek() {
                        b'{' => scan.params()?,
                        _ => scan.wrong(MalformedKind::Params)?,
                    };
                    3
                }
                b"result" => {
                    scan.envelope.result = scan.value()?;
                    4
                }
                b"error" => {
                    scan.envelope.error = match scan.cursor.peek() {
                        b'{' => scan.error()?,
                        _ => scan.wrong(MalformedKind::ErrorShape)?,
                    };
                    5
                }
                _ => {
                    scan.cursor.skip_value()?;
                    return Ok(None);
                }
            }))
        })?;
        Ok(())
    }

    /// Level 2.
    fn params(&mut self) -> Result<Span, Fault> {
        self.object(|scan, name| {
            if name == b"_meta" {
                scan.envelope.meta = match scan.cursor.peek() {
                    b'{' => scan.meta()?,
                    _ => scan.wrong(MalformedKind::Meta)?,
                };
                return Ok(Some(0));
            }
            let value = scan.value()?;
            let envelope = &mut scan.envelope;
            let (number, field) = match name {
                b"name" => (1, &mut envelope.name),
                b"uri" => (2, &mut envelope.uri),
                b"cursor" => (3, &mut envelope.cursor),
                b"arguments" => (4, &mut envelope.arguments),
                b"requestState" => (5, &mut envelope.request_state),
                b"inputResponses" => (6, &mut envelope.input_responses),
                b"level" => (7, &mut envelope.level),
                b"requestId" => (8, &mut envelope.request_id),
                b"notifications" => (9, &mut envelope.notifications),
                b"ref" => (10, &mut envelope.reference),
                b"argument" => (11, &mut envelope.argument),
                b"progress" => (12, &mut envelope.progress),
                b"progressToken" => (13, &mut envelope.progress_token),
                b"protocolVersion" => (14, &mut envelope.protocol_version),
                b"capabilities" => (15, &mut envelope.capabilities),
                b"clientInfo" => (16, &mut envelope.client_info),
                b"task" => (17, &mut envelope.task),
                b"taskId" => (18, &mut envelope.task_id),
                _ => return Ok(None),
            };
            *field = value;
            Ok(Some(number))
        })
    }

    /// Level 3.
    fn meta(&mut self) -> Result<Span, Fault> {
        self.object(|scan, name| {
            let value = scan.value()?;
            let envelope = &mut scan.envelope;
            let (number, field) = match name {
                b"io.modelcontextprotocol/protocolVersion" => (0, &mut envelope.meta_version),
                b"io.modelcontextprotocol/clientInfo" => (1, &mut envelope.meta_client_info),
                b"io.modelcontextprotocol/clientCapabilities" => {
                    (2, &mut envelope.meta_capabilities)
                }
                b"io.modelcontextprotocol/logLevel" => (3, &mut envelope.meta_log_level),
                b"progressToken" => (4, &mut envelope.meta_progress_token),
                b"io.modelcontextprotocol/subscriptionId" => {
                    (5, &mut envelope.meta_subscription_id)
                }
                b"io.modelcontextprotocol/related-task" => (6, &mut envelope.meta_related_task),
                b"traceparent" => (7, &mut envelope.meta_traceparent),
                _ => return Ok(None),
            };
            *field = value;
            Ok(Some(number))
        })
    }

    /// The error object of a response.
    fn error(&mut self) -> Result<Span, Fault> {
        let (mut code, mut message) = (false, false);
        let span = self.object(|scan, name| {
            let value = scan.value()?;
            Ok(Some(match name {
                b"code" => {
                    code = scan.str(value).parse::<i64>().is_ok();
                    0
                }
                b"message" => {
                    message = scan.str(value).starts_with('"');
                    1
                }
                b"data" => 2,
                _ => return Ok(None),
            }))
        })?;
        if !(code && message) {
            self.note(MalformedKind::ErrorShape, span.range().start);
        }
        Ok(span)
    }

    /// One object at a level that we read. `member` gets the decoded name, steps over the value,
    /// and returns a number below 32 for a name that it knows.
    #[inline(always)]
    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &[u8]) -> Result<Option<u32>, Fault>,
    ) -> Result<Span, Fault> {
        let start = self.cursor.at();
        let outer = self.unknown.len;
        let mut known: u32 = 0;
        let mut any_escaped = false;
        let mut more = self.cursor.enter_object()?;
        while more {
            let key = self.cursor.key()?;
            let number = if key.escaped {
                any_escaped = true;
                let mut name = [0; LONGEST_KEY];
                let len = self.decode_key(key, &mut name);
                member(self, name.get(..len).unwrap_or_default())?
            } else {
                member(self, self.cursor.slice(key.start, key.end))?
            };
            match number {
                Some(number) => {
                    let bit = 1 << number;
                    if known & bit != 0 {
                        self.duplicate(key);
                    }
                    known |= bit;
                }
                None => self.unknown_key(key, outer, any_escaped),
            }
            more = self.cursor.next_member()?;
        }
        self.unknown.len = outer;
        Ok(Span::new(start, self.cursor.at()))
    }

    /// Decodes a key into `name` and returns its length. A key that does not fit is none that we
    /// know; 0 stands for it, for the empty key is none either.
    #[cold]
    fn decode_key(&self, key: Str, name: &mut [u8; LONGEST_KEY]) -> usize {
        let raw = self.str(Span::new(key.start, key.end));
        let mut len = 0;
        for unit in Decoded::new(raw) {
            let Some(unit) = unit else { return 0 };
            let Some(room) = name
                .get_mut(len..)
                .filter(|room| room.len() >= unit.len_utf8())
            else {
                return 0;
            };
            len += unit.encode_utf8(room).len();
        }
        len
    }

    /// Notes a key that stands in this object a second time.
    #[cold]
    fn duplicate(&mut self, key: Str) {
        self.note(MalformedKind::Duplicate, key.start);
    }

    fn unknown_key(&mut self, key: Str, outer: usize, any_escaped: bool) {
        let span = Span::new(key.start, key.end);
        let earlier = self
            .unknown
            .keys
            .get(outer..self.unknown.len)
            .unwrap_or_default();
        let same = |other: &Span| {
            other.get(self.frame) == span.get(self.frame)
                || any_escaped && Decoded::new(self.str(*other)).eq(Decoded::new(self.str(span)))
        };
        if earlier.iter().any(same) {
            return self.note(MalformedKind::Duplicate, key.start);
        }
        match self.unknown.keys.get_mut(self.unknown.len) {
            Some(place) => {
                *place = span;
                self.unknown.len += 1;
            }
            None => self.note(MalformedKind::Members, key.start),
        }
    }

    fn id(&mut self) -> Result<(), Fault> {
        let twice = self.has_id;
        self.has_id = true;
        let value = self.value()?;
        let token = self.str(value);
        let fits = value.len() <= self.limits.max_id;
        let valid = fits
            && match token.as_bytes().first() {
                Some(b'"') => true,
                Some(b'-' | b'0'..=b'9') => {
                    id::is_integer(token)
                        || self.limits.integral_float_ids && id::integral_float(token).is_some()
                }
                _ => false,
            };
        if twice {
            // Two ids are none.
            self.envelope.id = Span::NONE;
        } else if valid {
            self.envelope.id = value;
        } else if token == "null" {
            self.null_id = true;
        } else {
            self.note(MalformedKind::Id, value.range().start);
        }
        Ok(())
    }

    fn method(&mut self) -> Result<(), Fault> {
        self.has_method = true;
        if self.cursor.peek() != b'"' {
            self.wrong(MalformedKind::MethodType)?;
            return Ok(());
        }
        let start = self.cursor.at() + 1;
        let escaped = self.cursor.string()?;
        let name = Str {
            start,
            end: self.cursor.at() - 1,
            escaped,
        };
        self.envelope.method_name = Span::new(name.start, name.end);
        self.envelope.method = if name.escaped {
            let mut decoded = [0; LONGEST_KEY];
            let len = self.decode_key(name, &mut decoded);
            Method::from_bytes(decoded.get(..len).unwrap_or_default())
        } else {
            Method::from_bytes(self.cursor.slice(name.start, name.end))
        };
        Ok(())
    }

    /// Steps over any value.
    #[inline]
    fn value(&mut self) -> Result<Span, Fault> {
        let start = self.cursor.at();
        self.cursor.skip_value()?;
        Ok(Span::new(start, self.cursor.at()))
    }

    /// Steps over a value of the wrong type.
    #[cold]
    fn wrong(&mut self, kind: MalformedKind) -> Result<Span, Fault> {
        self.note(kind, self.cursor.at());
        self.value()
    }

    /// Every rule that needs the whole envelope.
    fn judge(mut self) -> Result<Envelope, Malformed> {
        let end = self.cursor.at();
        let (result, error) = (
            self.envelope.result.is_some(),
            self.envelope.error.is_some(),
        );
        let answer = result || error;
        self.envelope.kind = match (self.has_method, self.has_id) {
            (true, true) => Kind::Request,
            (true, false) => Kind::Notification,
            (false, _) if error => Kind::Error,
            (false, _) => Kind::Result,
        };
        // What is no object at all was noted before, and takes precedence over all of these.
        if !self.version {
            self.note(MalformedKind::Version, end);
        }
        // A peer that could not read our id answers with null or without one; nothing else may.
        let id_needed = self.envelope.kind == Kind::Result && result;
        if self.null_id && self.envelope.kind != Kind::Error || id_needed && !self.has_id {
            self.note(MalformedKind::Id, end);
        }
        if !self.has_method && !answer {
            self.note(MalformedKind::NoMethodNoResult, end);
        }
        if result && error {
            self.note(MalformedKind::ResultAndError, end);
        }
        if self.has_method && answer {
            self.note(MalformedKind::MethodAndResult, end);
        }
        match self.noted {
            None => Ok(self.envelope),
            Some((kind, offset)) => Err(self.malformed(kind, offset)),
        }
    }

    #[cold]
    fn broken(&self, fault: Fault) -> Malformed {
        self.malformed(fault.into(), self.cursor.at())
    }

    fn malformed(&self, kind: MalformedKind, offset: usize) -> Malformed {
        let answer = self.envelope.result.is_some() || self.envelope.error.is_some();
        let form = match (self.has_method, answer) {
            (true, false) if self.has_id => Some(Kind::Request),
            // Only a complete object proves that there is no id.
            (true, false) if kind > MalformedKind::TooLong => Some(Kind::Notification),
            (false, true) if self.envelope.error.is_some() => Some(Kind::Error),
            (false, true) => Some(Kind::Result),
            _ => None,
        };
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        Malformed {
            kind,
            id: self.envelope.id,
            offset,
            form,
        }
    }

    #[cold]
    fn note(&mut self, kind: MalformedKind, offset: usize) {
        if self.noted.is_none_or(|(first, _)| kind < first) {
            self.noted = Some((kind, offset));
        }
    }

    /// A span that has been stepped over, as text.
    fn str(&self, span: Span) -> &'a str {
        let bytes = self.frame.get(span.range()).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    #[cold]
    fn is_text(&self, token: Span, expected: &str) -> bool {
        text::eq_decoded(self.str(token), expected)
    }
}
