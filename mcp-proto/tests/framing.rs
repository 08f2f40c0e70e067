//! Lines and event streams are the same messages however they are cut.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use mcp_proto::frame::lines::{Line, Lines};
use mcp_proto::frame::sse::{self, Decoded, Decoder, Event};
use mcp_proto::outbox::Outbox;
use proptest::prelude::*;

/// Everything that a stream says when it arrives in chunks of `size`.
fn lines(stream: &[u8], size: usize, max: usize) -> Vec<Line> {
    let (mut lines, mut buffer, mut seen) = (Lines::new(max), BytesMut::new(), Vec::new());
    for chunk in stream.chunks(size) {
        buffer.extend_from_slice(chunk);
        loop {
            match lines.next(&mut buffer) {
                Line::NeedMore => break,
                line => seen.push(line),
            }
        }
        assert!(
            buffer.len() <= max + 1,
            "an incomplete line is kept beyond the limit"
        );
    }
    seen.extend(lines.finish(&mut buffer).map(Line::Message));
    assert!(buffer.is_empty());
    seen
}

fn message(text: &'static str) -> Line {
    Line::Message(Bytes::from_static(text.as_bytes()))
}

#[test]
fn lines_end_with_lf_or_crlf_and_the_last_may_end_with_nothing() {
    let stream = "\u{feff}one\ntwo\r\n\r\n \t\n\nthree\r\nlast";
    for size in 1..=stream.len() {
        let expected = vec![
            message("one"),
            message("two"),
            message("three"),
            message("last"),
        ];
        assert_eq!(
            lines(stream.as_bytes(), size, 100),
            expected,
            "chunks of {size}"
        );
    }
}

#[test]
fn a_carriage_return_inside_a_line_belongs_to_it() {
    for size in 1..=8 {
        assert_eq!(lines(b"a\rb\r\r\n", size, 100), [message("a\rb\r")]);
    }
}

#[test]
fn an_oversized_line_is_reported_once_and_the_next_one_is_read() {
    let stream = "12345\r\n123456\n1234567890123456789\nab\n12345";
    for size in 1..=stream.len() {
        let expected = [
            message("12345"),
            Line::TooLong,
            Line::TooLong,
            message("ab"),
            message("12345"),
        ];
        assert_eq!(
            lines(stream.as_bytes(), size, 5),
            expected,
            "chunks of {size}"
        );
    }
    for size in 1..=10 {
        let expected = [message("ab"), Line::TooLong];
        assert_eq!(
            lines(b"ab\n123456", size, 5),
            expected,
            "an oversized end is no message"
        );
    }
}

#[test]
fn an_oversized_line_is_reported_before_it_ends_and_gives_its_memory_back() {
    let (mut lines, mut buffer) = (Lines::new(1000), BytesMut::new());
    buffer.extend_from_slice(&[b'x'; 2000]);
    assert_eq!(lines.next(&mut buffer), Line::TooLong);
    assert_eq!(buffer.capacity(), 0);
    for _ in 0..100 {
        buffer.extend_from_slice(&[b'x'; 2000]);
        assert_eq!(lines.next(&mut buffer), Line::NeedMore);
        assert!(buffer.is_empty());
    }
    buffer.extend_from_slice(b"x\nnext\n");
    assert_eq!(lines.next(&mut buffer), message("next"));
}

#[test]
fn a_stream_of_one_byte_order_mark_is_empty() {
    for size in 1..=3 {
        assert_eq!(lines(b"\xEF\xBB\xBF", size, 100).len(), 0);
        assert_eq!(lines(b"\xEF\xBBx\n", size, 100).len(), 1);
    }
}

fn events(
    stream: &[u8],
    size: usize,
    max_event: usize,
    max_field: usize,
) -> (Vec<Decoded>, Vec<u8>, Option<Duration>) {
    let (mut decoder, mut buffer, mut seen) = (
        Decoder::new(max_event, max_field),
        BytesMut::new(),
        Vec::new(),
    );
    for chunk in stream.chunks(size.max(1)) {
        buffer.extend_from_slice(chunk);
        loop {
            match decoder.next(&mut buffer) {
                Decoded::NeedMore => break,
                event => seen.push(event),
            }
        }
    }
    (seen, decoder.last_event_id().to_vec(), decoder.retry())
}

fn data(events: &[Decoded]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Decoded::Event(Event { data, .. }) => String::from_utf8_lossy(data).into_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn events_are_decoded_as_the_standard_says() {
    let table: [(&str, &[&str]); 14] = [
        ("data: a\n\n", &["a"]),
        ("data:a\n\n", &["a"]),
        ("data:  a\n\n", &[" a"]),
        ("data: a\r\n\r\ndata: b\r\r", &["a", "b"]),
        ("data: a\ndata: b\n\n", &["a\nb"]),
        ("data\n\n", &[""]),
        ("data\ndata\n\n", &["\n"]),
        ("data:\n\n", &[""]),
        (": comment\n\n:\n\ndata: a\n: in between\n\n", &["a"]),
        ("event: x\nid: 1\n\n", &[]),
        ("unknown: x\ndata: a\nDATA: b\n data: c\n\n", &["a"]),
        ("data: a\n", &[]),
        ("data: a", &[]),
        ("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["a"]),
    ];
    for (stream, expected) in table {
        for size in 1..=stream.len() {
            assert_eq!(
                data(&events(stream.as_bytes(), size, 100, 100).0),
                expected,
                "{stream:?} in chunks of {size}"
            );
        }
    }
}

#[test]
fn ids_and_retry_times_are_remembered() {
    let stream = "id: 7\nretry: 1500\n\nid: bad\0\nretry: 1x\ndata: a\n\nid\n\nid: 9\ndata: b\n\n";
    for size in 1..=stream.len() {
        let (seen, id, retry) = events(stream.as_bytes(), size, 100, 100);
        assert_eq!(data(&seen), ["a", "b"]);
        assert_eq!(
            (&id[..], retry),
            (&b"9"[..], Some(Duration::from_millis(1500)))
        );
    }
    let (_, id, _) = events(b"id: 7\n\nid\n\n", 3, 100, 100);
    assert_eq!(id, b"");
}

/// WHATWG HTML 9.2.6: a field without a colon has the empty string as its value. Found by fuzzing, where another parser
/// takes such a line for none.
#[test]
fn a_name_without_a_value_takes_the_name_back() {
    for stream in [
        "event: x\nevent\ndata: 1\n\n",
        "event: x\nevent:\ndata: 1\n\n",
    ] {
        let (seen, _, _) = events(stream.as_bytes(), 3, 100, 100);
        let [Decoded::Event(event)] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert_eq!((&event.name[..], &event.data[..]), (&b""[..], &b"1"[..]));
    }
}

/// Found by fuzzing: whoever resumes after the id of an event that was cut off loses the rest of that event.
#[test]
fn the_id_of_an_event_counts_when_the_event_is_complete() {
    for (stream, expected) in [
        ("id: 1\ndata: a\n\nid: 2\n", "1"),
        ("id: 1\ndata: a\n\nid: 2\ndata: b\n", "1"),
        ("id: 1\ndata: a\n\nid: 2\ndata: b\n\n", "2"),
        ("id: 1\n\ndata: a\n\n", "1"),
        ("id: 1\ndata: a\n", ""),
    ] {
        for size in 1..=stream.len() {
            let (_, id, _) = events(stream.as_bytes(), size, 100, 100);
            assert_eq!(id, expected.as_bytes(), "{stream:?} in chunks of {size}");
        }
    }
}

/// An event that is too long once is too long every time: a resumed stream must begin after it.
#[test]
fn the_id_of_a_skipped_event_counts_wherever_it_stands() {
    let long = "x".repeat(50);
    for stream in [
        format!("id: 1\ndata: {long}\n\ndata: ok\n\n"),
        format!("data: {long}\nid: 1\n\ndata: ok\n\n"),
    ] {
        for size in 1..=stream.len() {
            let (seen, id, _) = events(stream.as_bytes(), size, 40, 60);
            assert_eq!(data(&seen), ["TooLong", "ok"]);
            assert_eq!(id, b"1", "{stream:?} in chunks of {size}");
        }
    }
}

#[test]
fn an_oversized_event_is_reported_once_and_the_next_one_is_read() {
    let long = "x".repeat(50);
    for stream in [
        format!("data: {long}\n\ndata: ok\n\n"),
        format!("data: {long}{long}{long}\n\ndata: ok\n\n"),
        format!(
            "data: {}\ndata: {}\n\ndata: ok\n\n",
            &long[..20],
            &long[..20]
        ),
        format!("data: 1\nevent: {long}{long}\ndata: 2\n\ndata: ok\n\n"),
        format!(":{long}{long}\ndata: 2\n\ndata: ok\n\n"),
        format!("data: {long}\ndata: {long}\nevent: {long}{long}\ndata: x\n\ndata: ok\n\n"),
    ] {
        for size in 1..=stream.len() {
            let seen = data(&events(stream.as_bytes(), size, 40, 60).0);
            assert_eq!(seen, ["TooLong", "ok"], "{stream:?} in chunks of {size}");
        }
    }
    let exact = format!(
        "data: {}\n\ndata: {}\ndata: {}\n\n",
        &long[..40],
        &long[..20],
        &long[..19]
    );
    for size in 1..=exact.len() {
        assert_eq!(events(exact.as_bytes(), size, 40, 60).0.len(), 2);
        assert!(!data(&events(exact.as_bytes(), size, 40, 60).0).contains(&"TooLong".to_owned()));
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    let mut out = Outbox::new(1 << 20);
    sse::event(&mut out, None, None, |out| out.put(b"{\"a\":1}"));
    sse::comment(&mut out);
    sse::event(&mut out, Some("s-1"), Some(Duration::from_secs(2)), |_| {});
    sse::event(&mut out, Some("s-2"), None, |out| {
        mcp_proto::json::write::raw(out, "{\r\n\"b\":\n2}")
    });
    let stream = out.take_bytes();
    for size in 1..=stream.len() {
        let (seen, id, retry) = events(&stream, size, 100, 100);
        assert_eq!(data(&seen), ["{\"a\":1}", "", "{  \"b\": 2}"]);
        assert_eq!(
            (&id[..], retry),
            (&b"s-2"[..], Some(Duration::from_secs(2)))
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_do_not_change_the_lines(stream in prop::collection::vec(prop::sample::select(b"ab\r\n \xEF\xBB\xBF".to_vec()), 0..80), max in 3..12usize) {
        let whole = lines(&stream, stream.len().max(1), max);
        for size in 1..=stream.len() {
            prop_assert_eq!(&lines(&stream, size, max), &whole, "chunks of {}", size);
        }
    }

    #[test]
    fn chunks_do_not_change_the_events(
        pieces in prop::collection::vec(prop::sample::select(vec!["data: abc", "data", "data:", "id: 4", "event: e", ":c", "retry: 5", "x", "\n", "\r", "\r\n", "\n\n", "\u{feff}"]), 0..40),
        max_event in 0..12usize,
        max_field in 0..12usize,
    ) {
        let stream = pieces.concat();
        let whole = events(stream.as_bytes(), stream.len(), max_event, max_field);
        for size in 1..=stream.len() {
            prop_assert_eq!(&events(stream.as_bytes(), size, max_event, max_field), &whole, "chunks of {}", size);
        }
    }
}
