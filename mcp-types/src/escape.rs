//! Text as the contents of a JSON string.
//!
//! Owns escaping: what JSON demands (RFC 8259, section 7) and nothing else. It looks at whole blocks, because most text
//! needs no escape at all and the rest few. Must never allocate more than the escaped text needs.

use alloc::string::String;
use alloc::vec::Vec;

/// Appends `text` as the contents of a JSON string, without quotes.
///
/// Quotes, backslashes and control characters are escaped, everything else stays as it is.
pub(crate) fn escape_into(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let more = growth(text.as_bytes());
    // A little more than that, for what usually follows: a long text must not be copied again for a brace.
    out.reserve(text.len() + more + 64);
    out.extend_from_slice(text.as_bytes());
    if more > 0 {
        out.resize(start + text.len() + more, 0);
        spread(out.get_mut(start..).unwrap_or_default(), text.len());
    }
}

/// Turns `text` into the contents of a JSON string, in its own memory: without a copy if there is nothing to escape.
#[must_use]
pub(crate) fn escape(text: String) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    let (len, more) = (bytes.len(), growth(&bytes));
    if more > 0 {
        bytes.reserve_exact(more);
        bytes.resize(len + more, 0);
        spread(&mut bytes, len);
    }
    bytes
}

/// By how many bytes escaping makes `text` longer.
fn growth(text: &[u8]) -> usize {
    let special = count(text, is_special);
    // Line breaks are by far the most frequent control characters; where there is no other, none is long.
    if special == 0 || count(text, is_rare) == 0 {
        return special;
    }
    special + 4 * count(text, is_long)
}

/// How many bytes are what the rule says.
#[inline(always)]
fn count(text: &[u8], rule: impl Fn(u8) -> bool) -> usize {
    // One counter for each of 32 neighbours, which the compiler turns into vector instructions; no round of 255 blocks can
    // overflow them.
    let (blocks, rest) = text.as_chunks::<32>();
    let mut sum = rest.iter().filter(|byte| rule(**byte)).count();
    for blocks in blocks.chunks(255) {
        let mut counters = [0_u8; 32];
        for block in blocks {
            for (counter, byte) in counters.iter_mut().zip(block) {
                *counter += u8::from(rule(*byte));
            }
        }
        sum += counters
            .iter()
            .map(|counter| usize::from(*counter))
            .sum::<usize>();
    }
    sum
}

/// Moves the first `len` bytes of the buffer apart, from the end on, so that the escapes fill it exactly.
fn spread(buffer: &mut [u8], len: usize) {
    let (mut from, mut to) = (len, buffer.len());
    // Once both meet, nothing before needs an escape.
    while from < to {
        if let Some(block) = last::<16>(buffer, from) {
            let special = special_bits(&block);
            if special == 0 {
                put(buffer, to, &block);
                from -= block.len();
                to -= block.len();
                continue;
            }
            let start = from - block.len();
            let mut special = special;
            // Always 16 bytes, although only the run behind the last special one is in place then: what lies below is
            // still to be written, and beyond what is still to be read.
            while special != 0
                && to - from >= 16
                && let Some(run) = last::<16>(buffer, from)
            {
                put(buffer, to, &run);
                let at = start + special.ilog2() as usize;
                to -= from - (at + 1);
                special &= !(1 << special.ilog2());
                from = at;
                to -= put_escape(buffer, to, buffer.get(at).copied().unwrap_or_default());
            }
            if special == 0 {
                continue;
            }
        }
        from -= 1;
        to -= put_escape(buffer, to, buffer.get(from).copied().unwrap_or_default());
    }
}

/// Writes a byte before `end`, escaped if it must be, and says how long that is.
#[inline(always)]
fn put_escape(buffer: &mut [u8], end: usize, byte: u8) -> usize {
    match byte {
        b'"' | b'\\' => put(buffer, end, &[b'\\', byte]),
        0x08 => put(buffer, end, b"\\b"),
        b'\t' => put(buffer, end, b"\\t"),
        b'\n' => put(buffer, end, b"\\n"),
        0x0C => put(buffer, end, b"\\f"),
        b'\r' => put(buffer, end, b"\\r"),
        0x00..0x20 => {
            let digit = |nibble: u8| {
                if nibble < 10 {
                    b'0' + nibble
                } else {
                    b'a' + nibble - 10
                }
            };
            let [high, low] = [digit(byte >> 4), digit(byte & 15)];
            put(buffer, end, &[b'\\', b'u', b'0', b'0', high, low])
        }
        _ => put(buffer, end, &[byte]),
    }
}

/// The `N` bytes before `end`.
#[inline(always)]
fn last<const N: usize>(buffer: &[u8], end: usize) -> Option<[u8; N]> {
    buffer.get(end.checked_sub(N)?..end)?.try_into().ok()
}

/// Writes `bytes` before `end`, and says how many they are.
#[inline(always)]
fn put<const N: usize>(buffer: &mut [u8], end: usize, bytes: &[u8; N]) -> usize {
    let place = end
        .checked_sub(N)
        .and_then(|start| buffer.get_mut(start..end));
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
    N
}

/// A bit for each special byte of the block, the lowest for the first.
#[inline(always)]
fn special_bits(block: &[u8; 16]) -> u32 {
    let ([low, high], _) = block.as_chunks::<8>() else {
        return 0;
    };
    let (low, high) = (
        special_bytes(u64::from_le_bytes(*low)),
        special_bytes(u64::from_le_bytes(*high)),
    );
    if low | high == 0 {
        return 0;
    }
    // The product moves bit 8n to bit 56 + n; no two of its terms meet.
    let gather = |special: u64| ((special >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32;
    gather(high) << 8 | gather(low)
}

/// The high bit of exactly those bytes that [`is_special`].
#[inline(always)]
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const LOW: u64 = ONES * 0x7F;
    // Adding to seven bits cannot carry into the next byte. A sum has its high bit set where the byte is *not* special.
    let control = (word & LOW) + ONES * (0x80 - 0x20);
    let quote = ((word ^ (ONES * b'"' as u64)) & LOW) + LOW;
    let backslash = ((word ^ (ONES * b'\\' as u64)) & LOW) + LOW;
    !((control & quote & backslash) | word) & !LOW
}

/// Whether JSON demands an escape.
#[inline(always)]
const fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Whether it is a control character, but no line feed.
#[inline(always)]
const fn is_rare(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\n')
}

/// Whether it has no escape of two characters.
#[inline(always)]
const fn is_long(byte: u8) -> bool {
    (byte < 0x20) & ((byte.wrapping_sub(0x08) > 5) | (byte == 0x0B))
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::String;

    use super::{escape, escape_into, growth};
    use proptest::prelude::*;

    fn by_serde(text: &str) -> String {
        let quoted = serde_json::to_string(text).expect("a string");
        quoted[1..quoted.len() - 1].to_owned()
    }

    fn check(text: &str) {
        let expected = by_serde(text);
        assert_eq!(
            growth(text.as_bytes()),
            expected.len() - text.len(),
            "{text:?}"
        );
        assert_eq!(
            String::from_utf8(escape(text.to_owned())).as_ref(),
            Ok(&expected)
        );
        let mut out = b"before".to_vec();
        escape_into(text, &mut out);
        assert_eq!(String::from_utf8(out), Ok(format!("before{expected}")));
        let read: String = serde_json::from_str(&format!("\"{expected}\"")).expect("JSON");
        assert_eq!(read, text);
    }

    #[test]
    fn every_character_at_every_place_of_a_run_is_written_as_serde_writes_it() {
        let characters = (0..0x80)
            .map(char::from)
            .chain("äß€漢😀\u{2028}\u{7f}".chars());
        for character in characters {
            for before in 0..64 {
                check(&format!("{}{character}", "x".repeat(before)));
                check(&format!("{character}{}{character}", "é".repeat(before / 2)));
            }
            for after in [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 200] {
                check(&format!("{character}{}", "y".repeat(after)));
                check(&format!(
                    "{}{character}{}",
                    "x".repeat(40),
                    "y".repeat(after)
                ));
            }
        }
        check("");
    }

    #[test]
    fn text_of_nothing_but_escapes_fits() {
        for character in ["\"", "\\", "\n", "\u{0}", "\u{1f}"] {
            for length in [1, 7, 8, 63, 64, 65, 1000] {
                check(&character.repeat(length));
            }
        }
    }

    #[test]
    fn text_without_escapes_keeps_its_memory() {
        let text = "no escape, äöü ".repeat(1000);
        let (address, length) = (text.as_ptr(), text.len());
        let bytes = escape(text);
        assert_eq!((bytes.as_ptr(), bytes.len()), (address, length));
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_serde_writes_it(text in any::<String>()) {
            check(&text);
        }

        #[test]
        fn runs_of_any_length_between_escapes_are_written_as_serde_writes_them(
            runs in prop::collection::vec((0..80_usize, "[\"\\\\\n\t\u{0}\u{1b}aé€]"), 0..20),
        ) {
            let text: String = runs
                .iter()
                .map(|(length, between)| "abcdefgh".repeat(10)[..*length].to_owned() + between)
                .collect();
            check(&text);
        }
    }
}
