//! What a stream of a legacy session sent, kept for a while so that a client can resume.
//!
//! Owns the event ids and one ring of encoded events for a session, bounded in bytes and number. Must never give an event
//! of one stream to a reader of another, nor of another session, nor of a ring that the session had before: an event id
//! names the ring and the stream.
//! Source: 2025-11-25 basic/transports, "Resumability and Redelivery".

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use super::session_id::SessionKey;
use crate::frame::sse;
use crate::outbox::Outbox;

/// The cursor of one event: ring, stream, position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    tag: u64,
    /// The stream within the session; 0 is the one that GET opens.
    pub stream: u64,
    /// The position within the stream.
    pub sequence: u64,
}

impl EventId {
    /// Reads a `Last-Event-ID` that belongs to the ring of `mark`; everything else is `None`.
    #[must_use]
    pub fn parse(mark: SessionKey, text: &str) -> Option<Self> {
        let mut fields = text.split('-').map(|field| {
            let hex = !field.is_empty() && field.bytes().all(|b| b.is_ascii_hexdigit());
            hex.then(|| u64::from_str_radix(field, 16).ok()).flatten()
        });
        let mut next = || fields.next().flatten();
        let id = Self {
            tag: next()?,
            stream: next()?,
            sequence: next()?,
        };
        (fields.next().is_none() && id.tag == mark.tag()).then_some(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}-{:x}", self.tag, self.stream, self.sequence)
    }
}

/// The stream that GET opens.
pub const GENERAL: u64 = 0;

/// The recent events of one session's streams, in the order in which they were sent.
#[derive(Debug)]
pub struct Replay {
    tag: u64,
    max_bytes: usize,
    max_events: usize,
    bytes: usize,
    events: VecDeque<Event>,
    streams: BTreeMap<u64, Stream>,
    opened: u64,
}

#[derive(Debug)]
struct Event {
    stream: u64,
    sequence: u64,
    encoded: Bytes,
}

#[derive(Debug, Default)]
struct Stream {
    next: u64,
    kept: usize,
    ended: bool,
}

impl Replay {
    /// An empty ring that keeps at most `max_events` events of together at most `max_bytes` encoded bytes. The oldest one
    /// goes first. `mark` is a key that no other ring has: a session that lost its state gets another one with the next.
    #[must_use]
    pub const fn new(mark: SessionKey, max_bytes: usize, max_events: usize) -> Self {
        Self {
            tag: mark.tag(),
            max_bytes,
            max_events,
            bytes: 0,
            events: VecDeque::new(),
            streams: BTreeMap::new(),
            opened: GENERAL,
        }
    }

    /// Opens the stream of one call.
    pub fn open(&mut self) -> u64 {
        self.opened += 1;
        self.streams.insert(self.opened, Stream::default());
        self.opened
    }

    /// Encodes one event with the next id of `stream`, keeps it, and returns it.
    ///
    /// One that is longer than the whole ring is not kept, unless a reader of the ring waits for it (`awaited`): then it is
    /// until the next one, or until [`trim`](Self::trim).
    pub fn push(&mut self, stream: u64, awaited: bool, message: impl FnOnce(&mut Outbox)) -> Bytes {
        let (sequence, encoded) = self.encode(stream, None, message);
        if encoded.len() > self.max_bytes && !awaited {
            return encoded;
        }
        self.streams.entry(stream).or_default().kept += 1;
        self.bytes += encoded.len();
        self.events.push_back(Event {
            stream,
            sequence,
            encoded: encoded.clone(),
        });
        self.shrink(usize::from(awaited));
        encoded
    }

    /// The reader of `stream` has what there is, or left: what was kept for it alone goes.
    pub fn trim(&mut self, stream: u64) {
        if self
            .events
            .back()
            .is_some_and(|newest| newest.stream == stream)
        {
            self.shrink(0);
        }
    }

    fn shrink(&mut self, least: usize) {
        while (self.bytes > self.max_bytes || self.events.len() > self.max_events)
            && self.events.len() > least
        {
            self.drop_oldest();
        }
    }

    /// Encodes an event that has only an id and, if given, a reconnection time: a client can resume
    /// from here. It takes a position but is not kept.
    pub fn prime(&mut self, stream: u64, retry: Option<Duration>) -> Bytes {
        self.encode(stream, retry, |_| {}).1
    }

    /// Marks a stream as complete: a reader that has everything is done. A stream of which nothing is
    /// kept is forgotten.
    pub fn end(&mut self, stream: u64) {
        if let Some(state) = self.streams.get_mut(&stream) {
            state.ended = true;
            if state.kept == 0 {
                self.streams.remove(&stream);
            }
        }
    }

    /// Whether `stream` is open, or complete with events that are still kept.
    #[must_use]
    pub fn knows(&self, stream: u64) -> bool {
        self.streams.contains_key(&stream)
    }

    /// Whether nothing will be added to `stream`.
    #[must_use]
    pub fn is_ended(&self, stream: u64) -> bool {
        self.streams.get(&stream).is_none_or(|state| state.ended)
    }

    /// The oldest kept event of `stream` after position `seen` (`None`: nothing was seen yet), and its own
    /// position.
    #[must_use]
    pub fn after(&self, stream: u64, seen: Option<u64>) -> Option<(u64, Bytes)> {
        let news = |event: &&Event| event.stream == stream && Some(event.sequence) > seen;
        let event = self.events.iter().find(news)?;
        Some((event.sequence, event.encoded.clone()))
    }

    /// Bytes kept.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn encode(
        &mut self,
        stream: u64,
        retry: Option<Duration>,
        message: impl FnOnce(&mut Outbox),
    ) -> (u64, Bytes) {
        let state = self.streams.entry(stream).or_default();
        let id = EventId {
            tag: self.tag,
            stream,
            sequence: state.next,
        };
        state.next += 1;
        let mut out = Outbox::new(usize::MAX);
        sse::event(&mut out, Some(&id.to_string()), retry, message);
        (id.sequence, out.take_bytes())
    }

    fn drop_oldest(&mut self) {
        let Some(old) = self.events.pop_front() else {
            return;
        };
        self.bytes -= old.encoded.len();
        if let Some(state) = self.streams.get_mut(&old.stream) {
            state.kept -= 1;
            if state.ended && state.kept == 0 {
                self.streams.remove(&old.stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::String;

    fn session(seed: u8) -> SessionKey {
        SessionKey::random(&mut Entropy::new([seed; 32]))
    }

    fn id_of(event: &Bytes) -> String {
        let text = core::str::from_utf8(event).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix("id:"))
            .unwrap()
            .trim()
            .to_owned()
    }

    fn cursor(event: &Bytes) -> EventId {
        EventId::parse(session(1), &id_of(event)).unwrap()
    }

    #[test]
    fn a_reader_continues_after_the_event_it_has_and_on_its_stream_alone() {
        let mut ring = Replay::new(session(1), 1 << 20, 100);
        let (a, b) = (ring.open(), ring.open());
        let primed = ring.prime(a, Some(Duration::from_millis(1500)));
        assert!(
            core::str::from_utf8(&primed)
                .unwrap()
                .contains("retry: 1500\n")
        );
        let first = ring.push(a, false, |out| out.put(b"{\"a\":1}"));
        ring.push(b, false, |out| out.put(b"{\"foreign\":true}"));
        let second = ring.push(a, false, |out| out.put(b"{\"b\":2}"));
        assert_eq!((cursor(&primed).stream, cursor(&primed).sequence), (a, 0));
        assert_eq!(
            ring.after(a, Some(cursor(&primed).sequence)),
            Some((1, first.clone()))
        );
        assert_eq!(
            ring.after(a, Some(cursor(&first).sequence)),
            Some((2, second))
        );
        assert_eq!(ring.after(a, Some(2)), None);
        assert_eq!(ring.after(a, Some(u64::MAX)), None);
        assert_ne!(
            id_of(&primed),
            id_of(&ring.prime(b, None)),
            "ids are unique over all streams"
        );
    }

    #[test]
    fn an_event_id_belongs_to_one_session() {
        let mut ring = Replay::new(session(1), 1 << 20, 100);
        let id = id_of(&ring.push(GENERAL, false, |out| out.put(b"{}")));
        assert!(EventId::parse(session(1), &id).is_some());
        assert!(EventId::parse(session(2), &id).is_none());
        let tag = id.split('-').next().unwrap();
        for foreign in [
            "",
            "1",
            "x-0-0",
            &format!("{tag}-0"),
            &format!("{tag}-0-0-0"),
            &format!("{tag}-+1-0"),
            &format!("{tag}--0"),
        ] {
            assert!(EventId::parse(session(1), foreign).is_none(), "{foreign}");
        }
    }

    #[test]
    fn memory_is_bounded_and_a_reader_who_waits_gets_what_is_larger() {
        let mut ring = Replay::new(session(1), 400, 5);
        let stream = ring.open();
        for _ in 0..100 {
            ring.push(stream, false, |out| out.put(b"{}"));
        }
        assert!(ring.bytes() <= 400 && ring.events.len() == 5);
        let event = ring.push(stream, false, |out| out.put(&[b'x'; 1000]));
        assert_eq!(cursor(&event).sequence, 100);
        assert_eq!(ring.after(stream, Some(99)), None, "nobody waits for it");
        assert_eq!(ring.events.len(), 5, "and the others stay");
        ring.push(stream, true, |out| out.put(&[b'x'; 1000]));
        assert_eq!(ring.after(stream, Some(99)).unwrap().0, 101);
        ring.trim(GENERAL);
        assert!(ring.after(stream, Some(99)).is_some(), "another's reader");
        ring.trim(stream);
        assert_eq!((ring.bytes(), ring.after(stream, None)), (0, None));
    }

    #[test]
    fn a_complete_stream_is_forgotten_with_its_last_event() {
        let mut ring = Replay::new(session(1), 1 << 20, 2);
        let (a, b) = (ring.open(), ring.open());
        ring.push(a, false, |out| out.put(b"{}"));
        assert!(!ring.is_ended(a));
        ring.end(a);
        assert!(ring.knows(a) && ring.is_ended(a), "still to be delivered");
        ring.push(b, false, |out| out.put(b"{}"));
        ring.push(b, false, |out| out.put(b"{}"));
        assert!(!ring.knows(a) && ring.is_ended(a));
        let silent = ring.open();
        ring.end(silent);
        assert!(!ring.knows(silent));
    }
}
