//! Values in mirrored headers: plain visible ASCII, or Base64 between `=?base64?` and `?=`.
//!
//! Owns both directions of the encoding. Must never guess: padding is required, the alphabet is
//! strict, the decoded bytes must be UTF-8, and decoding happens once (a nested sentinel is a value).
//! Source: 2026-07-28 basic/transports/streamable-http, "Value Encoding".

use alloc::borrow::Cow;
use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// A header value that breaks the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidValue;

impl core::fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(
            "the value is neither visible ASCII nor padded Base64 of UTF-8 between `=?base64?` and `?=`",
        )
    }
}

impl core::error::Error for InvalidValue {}

/// Reads the value that a header stands for. Surrounding blanks are not part of a field value.
///
/// ```
/// use mcp_proto::http::sentinel::decode;
/// assert_eq!(decode(b"us-west1").unwrap(), "us-west1");
/// assert_eq!(decode(b"=?base64?SGVsbG8=?=").unwrap(), "Hello");
/// assert!(decode(b"=?base64?SGVsbG8?=").is_err());
/// ```
///
/// # Errors
/// [`InvalidValue`] for bytes beyond visible ASCII, space and tab, and for a sentinel whose content
/// is not strict Base64 of UTF-8.
pub fn decode(value: &[u8]) -> Result<Cow<'_, str>, InvalidValue> {
    if !value.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')) {
        return Err(InvalidValue);
    }
    let text = core::str::from_utf8(value)
        .map_err(|_| InvalidValue)?
        .trim_matches([' ', '\t']);
    match inside(text) {
        None => Ok(Cow::Borrowed(text)),
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).map_err(|_| InvalidValue)?;
            String::from_utf8(bytes)
                .map(Cow::Owned)
                .map_err(|_| InvalidValue)
        }
    }
}

/// Whether a value and what it stands for are the same, also as the contents of a JSON string: ASCII without blanks and
/// backslashes, and not encoded. There are other such values.
pub(super) fn is_itself(value: &[u8]) -> bool {
    !value.starts_with(b"=?")
        && value
            .iter()
            .all(|byte| matches!(byte, b'!'..=b'~') && *byte != b'\\')
}

/// Writes a value so that it survives as a header: as it is when that is safe, else in the sentinel.
///
/// ```
/// use mcp_proto::http::sentinel::encode;
/// assert_eq!(encode("us-west1"), "us-west1");
/// assert_eq!(encode("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
/// assert_eq!(encode(" padded "), "=?base64?IHBhZGRlZCA=?=");
/// ```
#[must_use]
pub fn encode(value: &str) -> Cow<'_, str> {
    let plain = value.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'));
    let padded = value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']);
    if plain && !padded && inside(value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = String::from(PREFIX);
    STANDARD.encode_string(value, &mut out);
    out.push_str(SUFFIX);
    Cow::Owned(out)
}

fn inside(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict_and_happens_once() {
        for (header, expected) in [
            (&b"plain"[..], Some("plain")),
            (b" \tplain\t ", Some("plain")),
            (b"", Some("")),
            (b"=?base64?SGVsbG8=?=", Some("Hello")),
            (b"=?base64??=", Some("")),
            (
                b"=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
                Some("=?base64?literal?="),
            ),
            // Only one half of the markers, or another case of them: a plain value.
            (b"SGVsbG8=", Some("SGVsbG8=")),
            (b"=?base64?SGVsbG8=", Some("=?base64?SGVsbG8=")),
            (b"SGVsbG8=?=", Some("SGVsbG8=?=")),
            (b"=?BASE64?SGVsbG8=?=", Some("=?BASE64?SGVsbG8=?=")),
            (b"=?base64?=", Some("=?base64?=")),
            (b"=?base64?SGVsbG8?=", None),
            (b"=?base64?SGVs!!!bG8=?=", None),
            (b"=?base64?SGVsbG9=?=", None),
            (b"=?base64? SGVsbG8=?=", None),
            (b"=?base64?gICA?=", None),
            (b"=?base64?SGVs-_bG8?=", None),
            (b"caf\xc3\xa9", None),
            (b"a\x7fb", None),
            (b"a\x01b", None),
        ] {
            assert_eq!(
                decode(header).ok().as_deref(),
                expected,
                "{}",
                header.escape_ascii()
            );
        }
    }

    #[test]
    fn every_value_survives() {
        for value in [
            "",
            "a",
            " a",
            "a\t",
            "a b",
            "\u{0}",
            "line1\nline2",
            "世界",
            "=?base64?literal?=",
            "=?base64?",
            "?=",
            "a\u{7f}",
        ] {
            assert_eq!(
                decode(encode(value).as_bytes()).as_deref(),
                Ok(value),
                "{value:?}"
            );
        }
    }
}
