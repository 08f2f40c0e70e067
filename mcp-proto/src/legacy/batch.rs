//! JSON-RPC batches: an array of messages in the place of one. Only 2025-03-26 has them.
//!
//! Owns the split, its bounds, and on a byte stream the answers that wait until all of a batch are there: they go out
//! together, as one array in one line (JSON-RPC 2.0, "Batch"). Must never be asked for a peer of another revision, and
//! never send an empty array.
//! Source: 2025-03-26 basic, "Batching".
//!
//! ```text
//! line ──split──▶ reading ──last member──▶ waiting ──last answer or cancellation──▶ one array, or nothing
//! ```

use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::WireError;
use crate::id::Slab;
use crate::json::{scan::validate, text};
use crate::limits::Limits;
use crate::outbox::Outbox;

/// The members of a batch, as slices of it. They are JSON; whether they are messages is for the scanner.
///
/// # Errors
/// -32700 when it is not JSON within the limits, -32600 when it has no member or more than calls may be in
/// flight.
pub fn split(batch: &Bytes, limits: &Limits) -> Result<Vec<Bytes>, WireError> {
    validate(batch, limits.max_depth)
        .map_err(|malformed| WireError::new(malformed.code(), malformed.message()))?;
    let text = core::str::from_utf8(batch).unwrap_or_default();
    let members: Vec<Bytes> = text::elements(text)
        .take(limits.max_calls + 1)
        .map(|member| batch.slice_ref(member.as_bytes()))
        .collect();
    if members.is_empty() || members.len() > limits.max_calls {
        return Err(WireError::invalid_request(format!(
            "a batch has 1 to {} messages",
            limits.max_calls
        )));
    }
    Ok(members)
}

/// The batches of one byte stream whose answers are not all there.
///
/// Of them together, no more members wait than `Limits::max_calls`; see [`Batches::waiting`].
#[derive(Debug)]
pub(crate) struct Batches {
    open: Slab<Batch>,
    /// The one that is being read, and its members that are left: slices of its frame.
    reading: Option<(BatchKey, VecDeque<Bytes>)>,
}

/// Which batch an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchKey(u32, u32);

#[derive(Debug)]
struct Batch {
    /// The answers so far, one a line.
    answers: Outbox,
    /// How many those are.
    said: usize,
    /// Requests that were admitted and have not ended.
    pending: usize,
}

/// A member on its way through its receiver, which owns the answers of its batch meanwhile.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) batch: BatchKey,
    pub(crate) bytes: Bytes,
    /// What answers the member at once is put here, with its newline.
    pub(crate) answers: Outbox,
    before: usize,
}

impl Batches {
    /// None yet, and never more at a time than requests may be in flight, beside the one that is being read.
    pub(crate) fn new(max_calls: usize) -> Self {
        Self {
            open: Slab::new(max_calls.saturating_add(1)),
            reading: None,
        }
    }

    /// Begins to read a batch. The one before it has been read to its end.
    pub(crate) fn begin(&mut self, members: Vec<Bytes>) {
        let batch = Batch {
            answers: Outbox::new(usize::MAX),
            said: 0,
            pending: 0,
        };
        if let Ok((slot, generation)) = self.open.insert(batch) {
            self.reading = Some((BatchKey(slot, generation), members.into()));
        }
    }

    /// How many answers wait for others, and how many requests others wait for.
    pub(crate) fn waiting(&self) -> usize {
        let each = self
            .open
            .iter()
            .map(|(_, batch)| batch.said + batch.pending);
        each.sum()
    }

    /// The next member of the batch that is being read; [`read`](Self::read) takes it back.
    pub(crate) fn next_member(&mut self) -> Option<Member> {
        let (key, members) = self.reading.as_mut()?;
        let batch = self.open.get_mut(key.0, key.1)?;
        let bytes = members.pop_front()?;
        let answers = core::mem::replace(&mut batch.answers, Outbox::new(usize::MAX));
        Some(Member {
            batch: *key,
            bytes,
            before: answers.len(),
            answers,
        })
    }

    /// A member has been received. `admitted`: its answer comes later.
    pub(crate) fn read(
        &mut self,
        batch: BatchKey,
        answers: Outbox,
        before: usize,
        admitted: bool,
        out: &mut Outbox,
    ) {
        if let Some(batch) = self.open.get_mut(batch.0, batch.1) {
            batch.said += usize::from(answers.len() > before);
            batch.pending += usize::from(admitted);
            batch.answers = answers;
        }
        if self
            .reading
            .as_ref()
            .is_some_and(|(_, left)| left.is_empty())
        {
            self.stop_reading(out);
        }
    }

    /// Nothing more of the batch is read: it has no more members, or nobody wants to know them.
    pub(crate) fn stop_reading(&mut self, out: &mut Outbox) {
        if let Some((batch, _)) = self.reading.take() {
            self.send_if_complete(batch, out);
        }
    }

    /// Where the answer of an admitted member goes, and how many bytes it may have there: together the answers that
    /// wait are no longer than one message, `max` bytes.
    pub(crate) fn answers(&mut self, batch: BatchKey, max: usize) -> Option<(&mut Outbox, usize)> {
        let waiting: usize = self.open.iter().map(|(_, batch)| batch.answers.len()).sum();
        let batch = self.open.get_mut(batch.0, batch.1)?;
        Some((&mut batch.answers, max.saturating_sub(waiting)))
    }

    /// An admitted member has ended, with an answer or, cancelled, without one.
    pub(crate) fn ended(&mut self, key: BatchKey, answered: bool, out: &mut Outbox) {
        if let Some(batch) = self.open.get_mut(key.0, key.1) {
            batch.said += usize::from(answered);
            batch.pending -= 1;
            self.send_if_complete(key, out);
        }
    }

    fn send_if_complete(&mut self, key: BatchKey, out: &mut Outbox) {
        let is_read = self.reading.as_ref().is_none_or(|(read, _)| *read != key);
        let complete = |batch: &Batch| is_read && batch.pending == 0;
        if self.open.get(key.0, key.1).is_some_and(complete)
            && let Some(batch) = self.open.remove(key.0, key.1)
        {
            write_array(batch.answers, out);
        }
    }
}

impl Member {
    /// Gives the answers back to the batch.
    pub(crate) fn done(self, admitted: bool, batches: &mut Batches, out: &mut Outbox) {
        batches.read(self.batch, self.answers, self.before, admitted, out);
    }
}

/// Lines as the elements of an array in one line. Large ones are not copied.
fn write_array(mut lines: Outbox, out: &mut Outbox) {
    if lines.is_empty() {
        return;
    }
    out.put_byte(b'[');
    while let Some(mut part) = lines.take_part() {
        if lines.is_empty() {
            part.truncate(part.len() - 1);
        }
        if memchr::memchr(b'\n', &part).is_none() {
            out.put_shared(part);
            continue;
        }
        let mut copy = BytesMut::with_capacity(part.len());
        copy.put_slice(&part);
        copy.iter_mut()
            .filter(|byte| **byte == b'\n')
            .for_each(|byte| *byte = b',');
        out.put_shared(copy.freeze());
    }
    out.put(b"]\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    #[test]
    fn lines_become_one_array_whatever_parts_they_are_in() {
        let large = Bytes::from("x".repeat(10_000));
        for before in 0..3 {
            for after in 0..3 {
                let mut lines = Outbox::new(usize::MAX);
                let mut expected = Vec::new();
                for n in 0..before {
                    lines.put(format!("{n}\n").as_bytes());
                    expected.push(format!("{n}"));
                }
                lines.put_shared(large.clone());
                lines.put(b"\n");
                expected.push("x".repeat(10_000));
                for n in 0..after {
                    lines.put(format!("\"{n}\"\n").as_bytes());
                    expected.push(format!("\"{n}\""));
                }
                let mut out = Outbox::new(usize::MAX);
                write_array(lines, &mut out);
                let written = out.copy_to_bytes(out.remaining());
                assert_eq!(written, format!("[{}]\n", expected.join(",")).as_bytes());
            }
        }
        let mut out = Outbox::new(usize::MAX);
        write_array(Outbox::new(usize::MAX), &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_batch_is_split_within_bounds() {
        let limits = Limits {
            max_calls: 2,
            ..Limits::default()
        };
        let of = |text: &'static str| split(&Bytes::from_static(text.as_bytes()), &limits);
        assert_eq!(of(" [1, {\"a\":[]}] ").unwrap(), ["1", "{\"a\":[]}"]);
        for (text, code) in [("[]", -32600), ("[1,2,3]", -32600), ("[1,]", -32700)] {
            assert_eq!(of(text).unwrap_err().code, code, "{text}");
        }
    }
}
