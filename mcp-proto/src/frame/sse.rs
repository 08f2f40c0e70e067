//! Server-sent events.
//!
//! Owns the event stream format (WHATWG HTML, section 9.2): an encoder that writes into an outbox
//! and a decoder that gives the same events however the stream is cut into chunks. It never looks
//! into `data`.

use core::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use crate::json::write;
use crate::outbox::Outbox;

/// Writes one event. `data` must write text without line breaks, which everything in
/// [`crate::json::write`] does.
///
/// `id` must have no line break and no NUL; ours are digits and letters.
pub fn event(
    out: &mut Outbox,
    id: Option<&str>,
    retry: Option<Duration>,
    data: impl FnOnce(&mut Outbox),
) {
    if let Some(id) = id {
        out.put(b"id: ");
        out.put(id.as_bytes());
        out.put_byte(b'\n');
    }
    if let Some(retry) = retry {
        out.put(b"retry: ");
        write::integer(out, u64::try_from(retry.as_millis()).unwrap_or(u64::MAX));
        out.put_byte(b'\n');
    }
    out.put(b"data: ");
    data(out);
    out.put(b"\n\n");
}

/// Writes an empty comment: a sign of life that no client takes for a message.
pub fn comment(out: &mut Outbox) {
    out.put(b":\n\n");
}

/// One event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The `data` lines, joined with LF.
    pub data: Bytes,
    /// The event's type; empty means `message`.
    pub name: Bytes,
}

/// What is next in the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "an event that is not looked at is lost"]
pub enum Decoded {
    /// An event with data, which may be empty.
    Event(Event),
    /// An event that exceeds the limit. Reported once, as soon as it is known; the rest of it is
    /// skipped.
    TooLong,
    /// No complete event is left: read more.
    NeedMore,
}

/// A decoder. What it has not understood yet stays in the caller's buffer; what the stream's end
/// cuts off is no event.
#[derive(Debug)]
pub struct Decoder {
    max_event: usize,
    max_field: usize,
    /// Bytes of the buffer that are known to hold no line ending.
    scanned: usize,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Nothing but a byte order mark can have been read so far.
    fresh: bool,
    /// Inside the rest of an event that has been reported as too long.
    skipping: bool,
    /// Inside the rest of a line whose beginning has been thrown away.
    skipping_line: bool,
    data: BytesMut,
    has_data: bool,
    name: Bytes,
    /// The id of the event that is being read, until another one names its own.
    id: Bytes,
    /// The id of the last event that was complete.
    last_id: Bytes,
    retry: Option<Duration>,
}

impl Decoder {
    /// A decoder for events of at most `max_event` bytes of data, and lines of at most `max_field`
    /// bytes of anything else.
    #[must_use]
    pub fn new(max_event: usize, max_field: usize) -> Self {
        Self {
            max_event,
            max_field,
            scanned: 0,
            after_cr: false,
            fresh: true,
            skipping: false,
            skipping_line: false,
            data: BytesMut::new(),
            has_data: false,
            name: Bytes::new(),
            id: Bytes::new(),
            last_id: Bytes::new(),
            retry: None,
        }
    }

    /// Takes the next event out of `buffer`.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Decoded {
        if self.fresh && !self.begin(buffer) {
            return Decoded::NeedMore;
        }
        loop {
            if self.after_cr && !buffer.is_empty() {
                self.after_cr = false;
                if buffer.first() == Some(&b'\n') {
                    buffer.advance(1);
                }
            }
            let unseen = buffer.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\n', b'\r', unseen) else {
                return self.incomplete(buffer);
            };
            let line = buffer.split_to(self.scanned + found);
            self.after_cr = buffer.first() == Some(&b'\r');
            buffer.advance(1);
            self.scanned = 0;
            if core::mem::take(&mut self.skipping_line) {
                continue;
            }
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Decoded::Event(event);
                }
            } else if !self.field(line.freeze()) && !core::mem::replace(&mut self.skipping, true) {
                return Decoded::TooLong;
            }
        }
    }

    /// The id that a reconnection resumes after; empty if there is none. That of an event which is not
    /// complete does not count: the rest of it would be lost.
    #[must_use]
    pub fn last_event_id(&self) -> &[u8] {
        &self.last_id
    }

    /// The time that the server wants us to wait before a reconnection.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Skips a byte order mark. Returns whether the stream has begun.
    fn begin(&mut self, buffer: &mut BytesMut) -> bool {
        const BOM: &[u8] = b"\xEF\xBB\xBF";
        if buffer.starts_with(BOM) {
            buffer.advance(BOM.len());
        } else if BOM.starts_with(buffer) {
            return false;
        }
        self.fresh = false;
        true
    }

    fn incomplete(&mut self, buffer: &mut BytesMut) -> Decoded {
        self.scanned = buffer.len();
        if !self.skipping_line && self.fits_so_far(buffer) {
            return Decoded::NeedMore;
        }
        *buffer = BytesMut::new();
        self.scanned = 0;
        self.skipping_line = true;
        self.forget();
        if core::mem::replace(&mut self.skipping, true) {
            Decoded::NeedMore
        } else {
            Decoded::TooLong
        }
    }

    /// Whether a line that begins with `line` can still be within the limits.
    fn fits_so_far(&self, line: &[u8]) -> bool {
        let max = self
            .max_event
            .saturating_sub(self.data.len())
            .saturating_add(b"data: ".len())
            .max(self.max_field);
        line.len() <= max
    }

    /// One line that is not blank. Returns whether it is within the limits.
    fn field(&mut self, line: Bytes) -> bool {
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        let mut value = line.slice((colon + 1).min(line.len())..);
        if value.first() == Some(&b' ') {
            value.advance(1);
        }
        let name = line.get(..colon).unwrap_or_default();
        let fits = if name == b"data" {
            let separator = usize::from(self.has_data);
            self.data.len() + separator + value.len() <= self.max_event
        } else {
            line.len() <= self.max_field
        };
        if fits && name == b"id" && memchr::memchr(0, &value).is_none() {
            // Also of an event that is skipped, or a resumed stream would begin with it again.
            self.id = Bytes::copy_from_slice(&value);
        }
        if self.skipping || !fits {
            self.forget();
            return fits || self.skipping;
        }
        match name {
            b"data" => {
                if core::mem::replace(&mut self.has_data, true) {
                    self.data.extend_from_slice(b"\n");
                }
                self.data.extend_from_slice(&value);
            }
            b"event" => self.name = Bytes::copy_from_slice(&value),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let millis = core::str::from_utf8(&value)
                    .ok()
                    .and_then(|digits| digits.parse().ok());
                self.retry = millis.map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
        true
    }

    /// A blank line: the event is complete.
    fn dispatch(&mut self) -> Option<Event> {
        let name = core::mem::take(&mut self.name);
        self.last_id = self.id.clone();
        if core::mem::take(&mut self.skipping) || !core::mem::take(&mut self.has_data) {
            return None;
        }
        Some(Event {
            data: self.data.split().freeze(),
            name,
        })
    }

    fn forget(&mut self) {
        self.data = BytesMut::new();
        self.has_data = false;
        self.name = Bytes::new();
    }
}
