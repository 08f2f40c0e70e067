//! One scanned message.
//!
//! Owns the pairing of bytes and [`Envelope`]. Spans become text here, on demand; nothing is
//! decoded before.

use alloc::borrow::Cow;
use core::fmt;

use bytes::Bytes;

use super::scan::{Envelope, Malformed, ScanLimits, Span, scan};
use super::text;
use crate::id::WireId;

/// [`Inbound::detach`] copies messages up to this many bytes. A slice pins the whole read buffer
/// that it comes from (a survivor of 72 bytes was measured to hold 64 KiB); copying this much costs
/// less than a hundred nanoseconds.
pub const PIN_THRESHOLD: usize = 2 << 10;

/// A message and where everything in it is.
///
/// The bytes are a slice of the read buffer. Whoever keeps the message while more is read should
/// [`detach`](Self::detach) it.
#[derive(Clone)]
pub struct Inbound {
    /// The frame, without its line ending.
    pub bytes: Bytes,
    /// Offsets into [`Self::bytes`].
    pub envelope: Envelope,
}

impl Inbound {
    /// Scans `bytes`.
    ///
    /// # Errors
    /// [`Malformed`] if it is not one JSON-RPC message.
    pub fn scan(bytes: Bytes, limits: &ScanLimits) -> Result<Self, Malformed> {
        let envelope = scan(&bytes, limits)?;
        Ok(Self { bytes, envelope })
    }

    /// Copies a small message out of the read buffer; a large one stays shared. Spans keep their
    /// meaning.
    pub fn detach(&mut self) {
        if self.bytes.len() <= PIN_THRESHOLD {
            self.bytes = Bytes::copy_from_slice(&self.bytes);
        }
    }

    /// The raw JSON of a span; empty for [`Span::NONE`].
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        span.get(&self.bytes)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// The decoded text of a span that is a JSON string; `None` if it is anything else or nothing.
    #[must_use]
    pub fn string(&self, span: Span) -> Option<Cow<'_, str>> {
        // It was scanned: what begins with a quote is one whole string.
        let contents = self.text(span).strip_prefix('"')?.strip_suffix('"')?;
        text::decode_contents(contents)
    }

    /// A span as a shared slice of the frame; empty for [`Span::NONE`].
    #[must_use]
    pub fn shared(&self, span: Span) -> Bytes {
        if span.range().end > self.bytes.len() {
            Bytes::new()
        } else {
            self.bytes.slice(span.range())
        }
    }

    /// The id of the request or response.
    #[must_use]
    pub fn id(&self) -> Option<WireId> {
        WireId::from_token(self.text(self.envelope.id))
    }

    /// The method's name, decoded; empty in a response.
    #[must_use]
    pub fn method_name(&self) -> Cow<'_, str> {
        text::decode_contents(self.text(self.envelope.method_name)).unwrap_or_default()
    }
}

impl fmt::Debug for Inbound {
    /// Kind, method and length only: the content belongs to the peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("kind", &self.envelope.kind)
            .field("method", &self.envelope.method)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
