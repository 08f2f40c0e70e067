//! Output as a rope.
//!
//! Owns the bytes that a machine has produced and the driver has not written yet. Small frames
//! coalesce in one buffer, large payloads ride along uncopied, and [`bytes::Buf`] gives partial
//! writes and vectored writes. It must never do I/O, and never drop or reorder a byte except
//! through [`Outbox::rollback`] and [`Outbox::clear`].

use alloc::collections::VecDeque;
use core::fmt;
#[cfg(feature = "std")]
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Shared payloads up to this many bytes are copied, so that many small frames become one write.
pub(crate) const INLINE_MAX: usize = 4 << 10;

/// The least that the buffer grows by: a small answer needs one allocation, not one for each doubling.
const GROWTH: usize = 512;

/// A drained outbox gives back a buffer that has grown beyond this.
const RETAIN_MAX: usize = 256 << 10;

/// Bytes on their way to the peer. The caller owns it, machines write into it, the driver drains
/// it.
///
/// # Example
/// ```
/// use bytes::Buf;
/// use mcp_proto::outbox::Outbox;
///
/// let mut out = Outbox::new(64 << 10);
/// out.put(b"{\"jsonrpc\":\"2.0\"}\n");
/// out.advance(1); // a partial write
/// assert_eq!(out.chunk(), b"\"jsonrpc\":\"2.0\"}\n");
/// ```
pub struct Outbox {
    /// Sealed parts, oldest first; all of them precede `tail`.
    parts: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
    /// Bytes ever put, which makes a [`Mark`] independent of what has been written meanwhile.
    written: u64,
    /// The longest tail since the outbox was last empty.
    peak: usize,
    high_water: usize,
}

/// A position in an [`Outbox`] to which [`Outbox::rollback`] can return.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl Outbox {
    /// An empty outbox that calls itself full from `high_water` bytes on.
    ///
    /// The mark is a request to the machines, not a hard bound: at most one frame is added beyond
    /// it.
    #[must_use]
    pub fn new(high_water: usize) -> Self {
        Self {
            parts: VecDeque::new(),
            tail: BytesMut::new(),
            len: 0,
            written: 0,
            peak: 0,
            high_water,
        }
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.tail.put_slice(bytes);
        self.grown(bytes.len());
    }

    /// Appends one byte.
    #[inline]
    pub fn put_byte(&mut self, byte: u8) {
        self.make_room(1);
        self.tail.put_u8(byte);
        self.grown(1);
    }

    /// Appends `bytes`: copied if small (up to 4 KiB), otherwise kept as it is until it has been
    /// written.
    pub fn put_shared(&mut self, bytes: Bytes) {
        if bytes.len() <= INLINE_MAX {
            return self.put(&bytes);
        }
        self.seal();
        self.grown(bytes.len());
        self.parts.push_back(bytes);
    }

    /// Appends what is in `other`, which is empty afterwards: copied as far as it is small, as [`put_shared`](Self::put_shared)
    /// does.
    ///
    /// ```
    /// use bytes::Buf;
    /// use mcp_proto::outbox::Outbox;
    ///
    /// let (mut out, mut body) = (Outbox::new(1024), Outbox::new(1024));
    /// out.put(b"head, ");
    /// body.put(b"body");
    /// out.append(&mut body);
    /// assert_eq!((out.chunk(), body.len()), (&b"head, body"[..], 0));
    /// ```
    pub fn append(&mut self, other: &mut Self) {
        for part in other.parts.drain(..) {
            self.put_shared(part);
        }
        if other.tail.len() > INLINE_MAX {
            self.put_shared(other.tail.split().freeze());
        } else {
            self.put(&other.tail);
        }
        other.clear();
    }

    /// Remembers the present end.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.written)
    }

    /// Removes everything that was put since `mark` and has not been written yet.
    pub fn rollback(&mut self, mark: Mark) {
        let since = usize::try_from(self.written.saturating_sub(mark.0)).unwrap_or(usize::MAX);
        let mut excess = since.min(self.len);
        self.written = self.written.min(mark.0);
        self.len -= excess;
        let from_tail = excess.min(self.tail.len());
        self.tail.truncate(self.tail.len() - from_tail);
        excess -= from_tail;
        while excess > 0 {
            let Some(mut part) = self.parts.pop_back() else {
                break;
            };
            if part.len() > excess {
                part.truncate(part.len() - excess);
                self.parts.push_back(part);
                break;
            }
            excess -= part.len();
        }
    }

    /// Exchanges the buffer for `spare` while nothing is in it, so that outboxes of one thread can take turns with one
    /// buffer and those that are idle hold none. What was in `spare` is gone then.
    pub fn exchange_buffer(&mut self, spare: &mut BytesMut) {
        if self.tail.is_empty() {
            spare.clear();
            core::mem::swap(&mut self.tail, spare);
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.tail.clear();
        self.len = 0;
        self.emptied();
    }

    /// Takes everything as one `Bytes`: without a copy if there is one part, otherwise joined.
    pub fn take_bytes(&mut self) -> Bytes {
        if self.parts.is_empty() || (self.parts.len() == 1 && self.tail.is_empty()) {
            return self.take_part().unwrap_or_default();
        }
        let mut all = BytesMut::with_capacity(self.len);
        for part in self.parts.drain(..) {
            all.put_slice(&part);
        }
        all.put_slice(&self.tail);
        self.clear();
        all.freeze()
    }

    /// Makes everything one part.
    #[cfg(feature = "http")]
    pub(crate) fn join(&mut self) {
        if self.parts.len() + usize::from(!self.tail.is_empty()) > 1 {
            let written = self.written;
            let whole = self.take_bytes();
            self.put_shared(whole);
            // Nothing was put that was not there.
            self.written = written;
        }
    }

    /// Takes the front part without a copy, or `None` if nothing is left.
    pub fn take_part(&mut self) -> Option<Bytes> {
        let part = match self.parts.pop_front() {
            Some(part) => part,
            None if self.tail.is_empty() => return None,
            None => {
                self.peak = self.peak.max(self.tail.len());
                self.tail.split().freeze()
            }
        };
        self.len -= part.len();
        if self.len == 0 {
            self.emptied();
        }
        Some(part)
    }

    /// Bytes that are waiting to be written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is waiting.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the high-water mark is reached: flush before asking for more.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.len >= self.high_water
    }

    /// Bytes until [`Self::is_full`].
    #[must_use]
    pub const fn room(&self) -> usize {
        self.high_water.saturating_sub(self.len)
    }

    #[inline]
    fn make_room(&mut self, needed: usize) {
        if self.tail.capacity() - self.tail.len() < needed {
            self.tail.reserve(needed.max(GROWTH));
        }
    }

    #[inline]
    fn grown(&mut self, by: usize) {
        self.len += by;
        self.written = self.written.wrapping_add(by as u64);
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.peak = self.peak.max(self.tail.len());
            self.parts.push_back(self.tail.split().freeze());
        }
    }

    /// The buffer is kept for the next frame, unless a burst has made it larger than a steady state
    /// needs.
    fn emptied(&mut self) {
        if self.peak.max(self.tail.capacity()) > RETAIN_MAX {
            self.tail = BytesMut::new();
        }
        self.peak = 0;
    }
}

impl Buf for Outbox {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&self.tail[..], |part| &part[..])
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [io::IoSlice<'a>]) -> usize {
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        let chunks = self.parts.iter().map(|part| &part[..]).chain(tail);
        let mut used = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = io::IoSlice::new(chunk);
            used += 1;
        }
        used
    }

    /// # Panics
    /// If `count` exceeds [`Outbox::len`], as [`Buf::advance`] requires.
    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len, "advanced past the end of the outbox");
        self.len -= count;
        while count > 0 {
            let Some(part) = self.parts.front_mut() else {
                self.peak = self.peak.max(self.tail.len());
                self.tail.advance(count);
                break;
            };
            if part.len() > count {
                part.advance(count);
                break;
            }
            count -= part.len();
            self.parts.pop_front();
        }
        if self.len == 0 {
            self.emptied();
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        let whole_front = self.parts.front().map_or(self.tail.len(), Bytes::len) == len;
        if len > 0 && whole_front {
            return self.take_part().unwrap_or_default();
        }
        let mut copy = BytesMut::with_capacity(len);
        copy.put(self.take(len));
        copy.freeze()
    }
}

#[cfg(feature = "std")]
impl io::Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Outbox {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Outbox {
    /// Lengths only: the content belongs to the peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("len", &self.len)
            .field("parts", &self.parts.len())
            .field("high_water", &self.high_water)
            .finish()
    }
}
