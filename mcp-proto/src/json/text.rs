//! Raw tokens: decode, compare, escape, and walk them.
//!
//! Owns everything between a raw JSON token and the text it stands for. Only [`decode_str`]
//! allocates, and only if there is an escape. Functions that take a raw token accept anything and
//! answer "no" to what is not such a token.

use alloc::borrow::Cow;
use alloc::string::String;

use super::cursor::{Cursor, DEPTH_CAP};
use crate::outbox::Outbox;

/// The text of a string token (with its quotes), or `None` if `token` is not one.
#[must_use]
pub fn decode_str(token: &str) -> Option<Cow<'_, str>> {
    if !is_string(token) {
        return None;
    }
    decode_contents(contents(token)?)
}

/// The text of a string token's contents (without quotes), or `None` if an escape is broken.
#[must_use]
pub fn decode_contents(raw: &str) -> Option<Cow<'_, str>> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else {
        return Some(Cow::Borrowed(raw));
    };
    let (plain, escaped) = raw.split_at_checked(first)?;
    let mut text = String::with_capacity(raw.len());
    text.push_str(plain);
    for unit in Decoded::new(escaped) {
        text.push(unit?);
    }
    Some(Cow::Owned(text))
}

/// Whether `token` is a string token that stands for `text`.
#[must_use]
pub fn eq_decoded(token: &str, text: &str) -> bool {
    contents(token).is_some_and(|raw| eq_contents(raw, text))
}

/// Whether two string tokens stand for the same text.
#[must_use]
pub fn eq_tokens(a: &str, b: &str) -> bool {
    match (contents(a), contents(b)) {
        (Some(a), Some(b)) => Decoded::new(a).eq(Decoded::new(b)),
        _ => false,
    }
}

/// The characters of string contents, up to the first broken escape.
pub(crate) fn decoded(contents: &str) -> impl Iterator<Item = char> {
    Decoded::new(contents).map_while(|character| character)
}

/// Whether `token` is one complete JSON string.
#[must_use]
pub fn is_string(token: &str) -> bool {
    let mut cursor = Cursor::new(token.as_bytes(), 0);
    cursor.string().is_ok() && cursor.is_at_end()
}

/// Whether `token` is one complete JSON number.
#[must_use]
pub fn is_number(token: &str) -> bool {
    let mut cursor = Cursor::new(token.as_bytes(), 0);
    cursor.number().is_ok() && cursor.is_at_end()
}

/// Appends `text` as a JSON string, with quotes. Nothing but what JSON demands is escaped.
pub fn write_str(out: &mut Outbox, text: &str) {
    out.put_byte(b'"');
    write_contents(out, text);
    out.put_byte(b'"');
}

/// Appends `text` as the contents of a JSON string, without quotes.
pub fn write_contents(out: &mut Outbox, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, _) = plain_len(rest);
        let (before, from) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.put(before);
        let Some((special, after)) = from.split_first() else {
            return;
        };
        match special {
            b'"' => out.put(b"\\\""),
            b'\\' => out.put(b"\\\\"),
            b'\n' => out.put(b"\\n"),
            b'\r' => out.put(b"\\r"),
            b'\t' => out.put(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.put(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    digit(control >> 4),
                    digit(control & 15),
                ]);
            }
        }
        rest = after;
    }
}

/// The members of a raw object, in order, as raw key (with quotes) and raw value. Ends at the first
/// fault.
pub fn members(object: &str) -> Members<'_> {
    let mut cursor = Cursor::new(object.as_bytes(), DEPTH_CAP);
    cursor.whitespace();
    let more = cursor.enter_object() == Ok(true);
    Members {
        object,
        cursor,
        more,
    }
}

/// The raw value of the first member called `key` of a raw object.
#[must_use]
pub fn get<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    members(object)
        .find(|(name, _)| eq_decoded(name, key))
        .map(|(_, value)| value)
}

/// The elements of a raw array, in order. Ends at the first fault.
pub fn elements(array: &str) -> Elements<'_> {
    let mut cursor = Cursor::new(array.as_bytes(), DEPTH_CAP);
    cursor.whitespace();
    let mut more = cursor.expect(b'[').is_ok();
    cursor.whitespace();
    more &= cursor.peek() != b']';
    Elements {
        array,
        cursor,
        more,
    }
}

/// The tokens of a JSON text, in order, each with the index of its first byte: strings with their quotes, numbers, literals,
/// brackets, colons and commas. Ends at the first thing that is no token; whether the tokens make a value is not asked.
///
/// ```
/// use mcp_proto::json::text::tokens;
///
/// let text = r#"{"a \"1": [-1.5e3, null]}"#;
/// let numbers: Vec<_> = tokens(text).filter(|(_, token)| token.starts_with(['-', '1'])).collect();
/// assert_eq!(numbers, [(11, "-1.5e3")]);
/// ```
pub fn tokens(text: &str) -> Tokens<'_> {
    Tokens {
        text,
        cursor: Cursor::new(text.as_bytes(), 0),
    }
}

/// See [`tokens`].
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.whitespace();
        let start = self.cursor.at();
        if self.cursor.token().is_err() {
            // It may stand within what is no token.
            self.cursor = Cursor::new(&[], 0);
            return None;
        }
        Some((start, self.text.get(start..self.cursor.at())?))
    }
}

/// See [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    object: &'a str,
    cursor: Cursor<'a>,
    more: bool,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if !core::mem::take(&mut self.more) {
            return None;
        }
        let key = self.cursor.key().ok()?;
        let start = self.cursor.at();
        self.cursor.skip_value().ok()?;
        let end = self.cursor.at();
        self.more = self.cursor.next_member().unwrap_or(false);
        let key = self
            .object
            .get(key.start.checked_sub(1)?..key.end.checked_add(1)?)?;
        Some((key, self.object.get(start..end)?))
    }
}

/// See [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    array: &'a str,
    cursor: Cursor<'a>,
    more: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        if !core::mem::take(&mut self.more) {
            return None;
        }
        let start = self.cursor.at();
        self.cursor.skip_value().ok()?;
        let end = self.cursor.at();
        self.cursor.whitespace();
        if self.cursor.peek() == b',' {
            self.cursor.bump(1);
            self.cursor.whitespace();
            self.more = true;
        }
        self.array.get(start..end)
    }
}

/// What is between the quotes of a string token.
pub(crate) fn contents(token: &str) -> Option<&str> {
    token.strip_prefix('"')?.strip_suffix('"')
}

/// Whether string contents stand for `text`.
pub(crate) fn eq_contents(raw: &str, text: &str) -> bool {
    if raw == text {
        return memchr::memchr(b'\\', raw.as_bytes()).is_none();
    }
    // An escape only ever shortens.
    raw.len() > text.len() && Decoded::new(raw).eq(text.chars().map(Some))
}

/// The characters of string contents; `None` for a broken escape.
pub(super) struct Decoded<'a> {
    rest: core::str::Chars<'a>,
}

impl<'a> Decoded<'a> {
    pub(super) fn new(raw: &'a str) -> Self {
        Self { rest: raw.chars() }
    }

    fn unit(&mut self) -> Option<u32> {
        let unit = hex4(self.rest.as_str().as_bytes().get(..4)?)?;
        self.rest.nth(3);
        Some(unit)
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            plain @ ('"' | '\\' | '/') => plain,
            'u' => match self.unit()? {
                high @ 0xD800..=0xDBFF => {
                    self.rest = self.rest.as_str().strip_prefix("\\u")?.chars();
                    let low = self
                        .unit()?
                        .checked_sub(0xDC00)
                        .filter(|low| *low < 0x400)?;
                    char::from_u32(0x10000 + ((high - 0xD800) << 10) + low)?
                }
                unit => char::from_u32(unit)?,
            },
            _ => return None,
        })
    }
}

impl Iterator for Decoded<'_> {
    type Item = Option<char>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rest.next()? {
            '\\' => Some(self.escape()),
            plain => Some(Some(plain)),
        }
    }
}

/// Four hexadecimal digits.
pub(super) fn hex4(digits: &[u8]) -> Option<u32> {
    let digits: &[u8; 4] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit << 4 | char::from(*digit).to_digit(16)?)
    })
}

/// How many of the first 32 bytes precede the first quote, backslash, control character or byte
/// beyond ASCII. Most strings end there.
#[inline(always)]
pub(super) fn ascii_len(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let words = words.get(..4).unwrap_or(words);
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special = (special_bytes(word) | word) & HIGH;
        if special != 0 {
            return index * 8 + (special.trailing_zeros() / 8) as usize;
        }
    }
    words.len() * 8
}

/// How many bytes precede the first quote, backslash or control character, and whether a byte
/// beyond ASCII may be among them. Block by block, then word by word, then byte by byte.
pub(super) fn plain_len(bytes: &[u8]) -> (usize, bool) {
    let (mut at, mut high) = (0, 0);
    // Whole blocks without a branch per word, which the compiler turns into vector instructions.
    let (blocks, _) = bytes.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        let (special, beyond) = words.iter().fold((0, 0), |(special, beyond), word| {
            let word = u64::from_le_bytes(*word);
            (special | special_bytes(word) & !word, beyond | word)
        });
        high |= beyond & HIGH;
        if special & HIGH != 0 {
            break;
        }
        at += block.len();
    }
    let (words, _) = bytes.get(at..).unwrap_or_default().as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        high |= word & HIGH;
        let special = special_bytes(word) & !word & HIGH;
        if special != 0 {
            return (at + (special.trailing_zeros() / 8) as usize, high != 0);
        }
        at += 8;
    }
    for byte in bytes.get(at..).unwrap_or_default() {
        if *byte == b'\\' || byte ^ 2 < 0x21 {
            break;
        }
        high |= u64::from(*byte) & HIGH;
        at += 1;
    }
    (at, high != 0)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of every byte that is a quote, a backslash or below 0x20. A borrow can set further
/// bits, but only above the first true one, so the lowest is exact.
#[inline(always)]
fn special_bytes(word: u64) -> u64 {
    // Flipping bit 1 puts the quote (0x22) at 0x20, right above the control characters, and moves
    // nothing else below.
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    quote_or_control | backslash
}
