//! Line framing, however the stream is cut, against splitting the whole input at once.

use bytes::BytesMut;
use mcp_proto::frame::{Line, Lines};

#[derive(Debug, PartialEq)]
enum Seen {
    Message(Vec<u8>),
    TooLong,
}

fn model(data: &[u8], max: usize) -> Vec<Seen> {
    let data = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    data.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let blank = line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
            match line.len() > max {
                true => Some(Seen::TooLong),
                false => (!blank).then(|| Seen::Message(line.to_vec())),
            }
        })
        .collect()
}

pub(crate) fn run(data: &[u8]) {
    let Some(([max, cuts @ ..], data)) = data.split_first_chunk::<5>() else {
        return;
    };
    // A limit below the length of a byte order mark is of no use, and half a mark at the end is not counted.
    let max = usize::from(*max).max(3);
    let mut lines = Lines::new(max);
    let mut buffer = BytesMut::new();
    let mut seen = Vec::new();
    let mut rest = data;
    let mut turn = 0;
    while !rest.is_empty() {
        let size = usize::from(cuts[turn % cuts.len()] % 64).clamp(1, rest.len());
        turn += 1;
        let (chunk, after) = rest.split_at(size);
        rest = after;
        buffer.extend_from_slice(chunk);
        loop {
            match lines.next(&mut buffer) {
                Line::Message(line) => {
                    assert!(!line.contains(&b'\n'));
                    seen.push(Seen::Message(line.to_vec()));
                }
                Line::TooLong => seen.push(Seen::TooLong),
                Line::NeedMore => break,
            }
        }
        // What waits is never more than a line that may still be one, and its ending.
        assert!(
            buffer.len() <= max + 1 || buffer.len() <= 3,
            "{}",
            buffer.len()
        );
    }
    if let Some(line) = lines.finish(&mut buffer) {
        seen.push(Seen::Message(line.to_vec()));
    }
    assert!(buffer.is_empty());
    assert_eq!(seen, model(data, max));
}
