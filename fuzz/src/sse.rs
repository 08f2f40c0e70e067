//! Server-sent events: the same events however the stream is cut, the same as a published parser sees, and what the
//! encoder writes is what was meant.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use mcp_proto::frame::sse::{Decoded, Decoder, comment, event};
use mcp_proto::outbox::Outbox;

#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// `None` is an event that was too long.
    events: Vec<Option<(Vec<u8>, Vec<u8>)>>,
    /// The last id after each event.
    ids: Vec<Vec<u8>>,
    last_id: Vec<u8>,
    retry: Option<Duration>,
}

fn decode<'a>(chunks: impl Iterator<Item = &'a [u8]>, max_event: usize, max_field: usize) -> Seen {
    let mut decoder = Decoder::new(max_event, max_field);
    let mut buffer = BytesMut::new();
    let mut seen = Seen::default();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match decoder.next(&mut buffer) {
                Decoded::Event(event) => {
                    assert!(event.data.len() <= max_event);
                    assert!(event.name.len() <= max_field);
                    seen.events
                        .push(Some((event.name.to_vec(), event.data.to_vec())));
                    seen.ids.push(decoder.last_event_id().to_vec());
                }
                Decoded::TooLong => seen.events.push(None),
                Decoded::NeedMore => break,
            }
        }
        let bound = max_event.max(max_field) + "data: ".len();
        assert!(buffer.len() <= bound.max(3), "{}", buffer.len());
    }
    seen.last_id = decoder.last_event_id().to_vec();
    seen.retry = decoder.retry();
    seen
}

struct Chunks(std::vec::IntoIter<Bytes>);

impl Stream for Chunks {
    type Item = Result<Bytes, Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// The events that the other parser sees: name, data, id.
fn reference(chunks: Vec<Bytes>) -> Option<Vec<(String, String, String)>> {
    let mut stream = sseer::EventStream::new(Chunks(chunks.into_iter()));
    let mut context = Context::from_waker(Waker::noop());
    let mut events = Vec::new();
    loop {
        match Pin::new(&mut stream).poll_next(&mut context) {
            Poll::Ready(Some(Ok(event))) => events.push((
                event.event.to_string(),
                event.data.to_string(),
                event.id.to_string(),
            )),
            Poll::Ready(Some(Err(_))) | Poll::Pending => return None,
            Poll::Ready(None) => return Some(events),
        }
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some(([max_event, max_field, cuts @ ..], data)) = data.split_first_chunk::<6>() else {
        return;
    };
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let size = usize::from(cuts[pieces.len() % cuts.len()] % 32).clamp(1, rest.len());
        let (piece, after) = rest.split_at(size);
        pieces.push(piece);
        rest = after;
    }
    let (max_event, max_field) = (usize::from(*max_event), usize::from(*max_field));
    let whole = || std::iter::once(data);
    let bytewise = || data.chunks(1);
    let bounded = decode(pieces.iter().copied(), max_event, max_field);
    assert_eq!(
        bounded,
        decode(whole(), max_event, max_field),
        "in one piece"
    );
    assert_eq!(
        bounded,
        decode(bytewise(), max_event, max_field),
        "byte by byte"
    );

    let ours = decode(pieces.iter().copied(), 1 << 20, 1 << 20);
    assert!(ours.events.iter().all(Option::is_some));
    if std::str::from_utf8(data).is_ok()
        && !resets_the_name(data)
        && let Some(theirs) = reference(vec![Bytes::copy_from_slice(data)])
    {
        // A blank line without data dispatches nothing (WHATWG HTML 9.2.6); the other parser has no opinion on that
        // beyond its own flag, so both are compared event by event.
        let ours: Vec<(String, String, String)> = ours
            .events
            .iter()
            .flatten()
            .zip(&ours.ids)
            .map(|((name, data), id)| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
                let name = if name.is_empty() {
                    "message".into()
                } else {
                    text(name)
                };
                (name, text(data), text(id))
            })
            .collect();
        let theirs: Vec<_> = theirs
            .into_iter()
            .map(|(name, data, id)| {
                (
                    if name.is_empty() {
                        "message".into()
                    } else {
                        name
                    },
                    data,
                    id,
                )
            })
            .collect();
        assert_eq!(ours, theirs);
    }
    // What the stream's end cuts off has not happened: its id must not be resumed after.
    let complete = data.len() - unfinished(data);
    let before = decode(std::iter::once(&data[..complete]), 1 << 20, 1 << 20);
    assert_eq!(before.last_id, ours.last_id);
    assert_eq!(before.events, ours.events);
    encoded(data);
}

/// Whether a line sets the event's name to nothing, which the other parser takes for no line at all (WHATWG HTML 9.2.6:
/// a field without a colon has the empty string as its value).
fn resets_the_name(data: &[u8]) -> bool {
    data.split(|byte| matches!(byte, b'\n' | b'\r'))
        .any(|line| matches!(line, b"event" | b"event:" | b"event: "))
}

/// How many bytes follow the last blank line.
fn unfinished(data: &[u8]) -> usize {
    let data = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let (mut end, mut at, mut blank) = (0, 0, true);
    while at < data.len() {
        let line_end = matches!(data[at], b'\n' | b'\r');
        let width = if data[at..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        at += width;
        if line_end && blank {
            end = at;
        }
        blank = line_end;
    }
    data.len() - end
}

/// One event after another, written and read again.
fn encoded(data: &[u8]) {
    let mut out = Outbox::new(1 << 20);
    let mut expected = Vec::new();
    for (at, line) in data.split(|b| matches!(b, b'\n' | b'\r')).enumerate() {
        let id = at.to_string();
        event(&mut out, (at % 2 == 0).then_some(&*id), None, |out| {
            out.put(line);
        });
        comment(&mut out);
        expected.push(Some((Vec::new(), line.to_vec())));
    }
    let written = out.copy_to_bytes(out.remaining());
    let seen = decode(std::iter::once(&written[..]), 1 << 20, 1 << 20);
    assert_eq!(seen.events, expected);
}
