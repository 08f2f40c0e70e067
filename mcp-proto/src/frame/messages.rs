//! One message per payload, as WebSocket and other channels have it that keep messages apart by themselves.
//!
//! Owns the way between payloads and the lines that a machine reads and writes. A payload is JSON that may be spread over
//! several lines; a line has no line break. So the two differ in white space alone, and nothing becomes valid or invalid
//! on the way: a raw line break inside of a string stays the error that it is. Must never look into a message.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::outbox::Outbox;

/// Appends one payload to the input of a machine, as one line of it.
///
/// Line feeds become carriage returns: both are white space between JSON's tokens and neither may stand in a string, so
/// that the machine judges the line as it would have judged the payload. A payload of nothing but white space is a blank
/// line, which says nothing. What is longer than `Limits::max_message` is refused by the machine; a driver refuses it
/// earlier, by the limit of its channel, and need not hold it.
///
/// ```
/// use bytes::BytesMut;
/// use mcp_proto::frame::messages;
///
/// let mut input = BytesMut::new();
/// messages::push(&mut input, b"{\n  \"jsonrpc\": \"2.0\"\n}\n");
/// assert_eq!(&input[..], b"{\r  \"jsonrpc\": \"2.0\"\r}\r\n");
/// ```
pub fn push(input: &mut BytesMut, payload: &[u8]) {
    let start = input.len();
    input.reserve(payload.len() + 1);
    input.put_slice(payload);
    let line = input.get_mut(start..).unwrap_or_default();
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\n', line.get(from..).unwrap_or_default()) {
        from += at;
        if let Some(byte) = line.get_mut(from) {
            *byte = b'\r';
        }
    }
    input.put_u8(b'\n');
}

/// Takes the oldest message out of an outbox, without its newline; `None` when there is none.
///
/// What machines write is whole lines, so nothing stays behind. Each message is copied once, for a channel that masks or
/// frames it has to write it anew anyway. Take what the channel accepts and leave the rest: what is not taken keeps the
/// outbox full, which is what makes a machine stop.
///
/// ```
/// use mcp_proto::frame::messages;
/// use mcp_proto::outbox::Outbox;
///
/// let mut out = Outbox::new(64 << 10);
/// out.put(b"{\"id\":1}\n{\"id\":2}\n");
/// assert_eq!(messages::pop(&mut out).as_deref(), Some(&b"{\"id\":1}"[..]));
/// assert_eq!(messages::pop(&mut out).as_deref(), Some(&b"{\"id\":2}"[..]));
/// assert_eq!(messages::pop(&mut out), None);
/// ```
pub fn pop(out: &mut Outbox) -> Option<Bytes> {
    let mut message = BytesMut::new();
    while out.has_remaining() {
        if let Some(end) = memchr::memchr(b'\n', out.chunk()) {
            let last = out.copy_to_bytes(end);
            out.advance(1);
            if message.is_empty() {
                return Some(last);
            }
            message.put_slice(&last);
            return Some(message.freeze());
        }
        message.put_slice(&out.take_part()?);
    }
    // The beginning of a message whose end is not written yet. Nothing is behind it.
    out.put_shared(message.freeze());
    None
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;
    use crate::frame::{Line, Lines};
    use crate::json::Inbound;

    fn line(payload: &[u8]) -> Line {
        let mut input = BytesMut::new();
        push(&mut input, payload);
        assert_eq!(input.iter().filter(|byte| **byte == b'\n').count(), 1);
        let line = Lines::new(1 << 20).next(&mut input);
        assert!(input.is_empty());
        line
    }

    #[test]
    fn a_payload_over_several_lines_is_one_message() {
        let text = "{\n\t\"jsonrpc\": \"2.0\",\r\n\t\"id\": 1,\n\n\t\"method\": \"ping\"\n}\n";
        let Line::Message(frame) = line(text.as_bytes()) else {
            panic!("a message")
        };
        let inbound = Inbound::scan(frame, &Default::default()).expect("a message");
        assert_eq!(inbound.method_name(), "ping");
    }

    #[test]
    fn nothing_becomes_valid_and_nothing_invalid() {
        let template = br#"{"jsonrpc":"2.0","id":"x","method":"ping","params":{"a":[1,"b"]}}"#;
        let judged = |text: &[u8]| Inbound::scan(Bytes::copy_from_slice(text), &Default::default());
        for at in 0..=template.len() {
            for space in ["\n", "\r", "\r\n", "\n\n"] {
                let mut payload = template.to_vec();
                payload.splice(at..at, space.bytes());
                let Line::Message(frame) = line(&payload) else {
                    panic!("a message")
                };
                assert_eq!(
                    judged(&frame).map_err(|m| m.kind).err(),
                    judged(&payload).map_err(|m| m.kind).err(),
                    "{}",
                    String::from_utf8_lossy(&payload)
                );
            }
        }
    }

    #[test]
    fn a_payload_of_white_space_says_nothing() {
        for payload in ["", "\n", " \n\t\r\n "] {
            assert_eq!(line(payload.as_bytes()), Line::NeedMore, "{payload:?}");
        }
    }

    #[test]
    fn payloads_follow_what_is_there() {
        let mut input = BytesMut::from("1\n");
        push(&mut input, b"2\n3");
        push(&mut input, b"4");
        assert_eq!(&input[..], b"1\n2\r3\n4\n");
    }

    #[test]
    fn every_line_comes_out_as_one_message_whatever_parts_it_is_in() {
        let large = "x".repeat(10_000);
        let lines = ["a", "", large.as_str(), "b", large.as_str(), large.as_str()];
        // Every way to cut the text into two parts that share it.
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        for cut in (0..text.len()).step_by(97) {
            let mut out = Outbox::new(1 << 20);
            let (first, second) = text.split_at(cut);
            out.put_shared(Bytes::copy_from_slice(first.as_bytes()));
            out.put_shared(Bytes::copy_from_slice(second.as_bytes()));
            let found: Vec<Bytes> = core::iter::from_fn(|| pop(&mut out)).collect();
            assert_eq!(found, lines, "{cut}");
            assert!(out.is_empty());
        }
    }

    #[test]
    fn a_line_without_its_end_stays() {
        let mut out = Outbox::new(1 << 20);
        out.put(b"{}\n{");
        assert_eq!(pop(&mut out).as_deref(), Some(&b"{}"[..]));
        assert_eq!(pop(&mut out), None);
        assert_eq!(out.len(), 1);
        out.put(b"}\n");
        assert_eq!(pop(&mut out).as_deref(), Some(&b"{}"[..]));
    }
}
