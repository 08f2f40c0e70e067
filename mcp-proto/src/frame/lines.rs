//! One message per line.
//!
//! Owns the splitting of a byte stream at newlines (2026-07-28 basic/transports/stdio, Framing). It
//! must never scan a byte twice, never grow the buffer beyond its limit, and never lose the stream:
//! an oversized line is skipped and reported, and the next one is a message again.

use bytes::{Buf, Bytes, BytesMut};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The splitter. It works on the caller's buffer and keeps only where it stands in it.
#[derive(Debug)]
pub struct Lines {
    max: usize,
    /// Bytes of the buffer that are known to hold no newline.
    scanned: usize,
    /// Inside the rest of a line that has been reported as too long.
    skipping: bool,
    /// Nothing but a byte order mark can have been read so far.
    fresh: bool,
}

/// What is next in the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a line that is not looked at is lost"]
pub enum Line {
    /// A line without its ending, not empty. A slice of the buffer.
    Message(Bytes),
    /// A line that exceeds the limit. Reported once, as soon as it is known.
    TooLong,
    /// No complete line is left: read more.
    NeedMore,
}

impl Lines {
    /// Lines of at most `max` bytes, not counting their ending.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self {
            max,
            scanned: 0,
            skipping: false,
            fresh: true,
        }
    }

    /// Takes the next line out of `buffer`. Lines end with LF or CRLF; blank ones and a leading
    /// byte order mark are ignored.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Line {
        if self.fresh && !self.begin(buffer) {
            return Line::NeedMore;
        }
        loop {
            let unseen = buffer.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr::memchr(b'\n', unseen) else {
                return self.incomplete(buffer);
            };
            let line = buffer.split_to(self.scanned + found);
            buffer.advance(1);
            self.scanned = 0;
            if core::mem::take(&mut self.skipping) {
                continue;
            }
            let line = trimmed(line);
            if line.len() > self.max {
                return Line::TooLong;
            }
            if !is_blank(&line) {
                return Line::Message(line);
            }
        }
    }

    /// Takes the last line, which has no ending, once the stream has ended.
    pub fn finish(&mut self, buffer: &mut BytesMut) -> Option<Bytes> {
        let line = trimmed(buffer.split());
        self.scanned = 0;
        let wanted =
            !core::mem::take(&mut self.skipping) && line.len() <= self.max && !is_blank(&line);
        wanted.then_some(line)
    }

    /// Skips a byte order mark. Returns whether the stream has begun.
    fn begin(&mut self, buffer: &mut BytesMut) -> bool {
        if buffer.starts_with(BOM) {
            buffer.advance(BOM.len());
        } else if BOM.starts_with(buffer) {
            return false;
        }
        self.fresh = false;
        true
    }

    fn incomplete(&mut self, buffer: &mut BytesMut) -> Line {
        // A carriage return at the end may belong to the ending.
        let spare = usize::from(buffer.last() == Some(&b'\r'));
        if self.skipping || buffer.len() - spare > self.max {
            // Give the memory back, not only the bytes.
            *buffer = BytesMut::new();
            self.scanned = 0;
            if !core::mem::replace(&mut self.skipping, true) {
                return Line::TooLong;
            }
        } else {
            self.scanned = buffer.len();
        }
        Line::NeedMore
    }
}

fn trimmed(mut line: BytesMut) -> Bytes {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    line.freeze()
}

fn is_blank(line: &[u8]) -> bool {
    // Messages begin with a bracket, so this looks at one byte of each.
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}
