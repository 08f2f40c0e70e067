//! Raw JSON that stays text until somebody asks for a type.
//!
//! Owns [`Json`]. Must never build a value tree: what a peer sent is kept verbatim, apart from line breaks between
//! tokens, which become spaces so that a value can be put on one line or into one SSE `data` field.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::map::Object;
use crate::revision::Revision;
use crate::wire::Wire;
use crate::writer::Writer;

/// Why a text is not JSON, or JSON is not the type that was asked for.
pub type JsonError = serde_json::Error;

/// What went wrong, without the position: lines and columns count within one raw value and would mislead a peer.
#[must_use]
pub fn describe(error: &JsonError) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

/// One JSON value as text. Valid JSON, without CR and LF, without surrounding white space, and with strings that are Unicode
/// text: an escape of half a surrogate pair, which the grammar allows and most parsers refuse, is refused here, or one such
/// value would make a whole message unreadable.
///
/// Equality compares the texts, not their meaning: `1.0` and `1` differ. Decode both sides where meaning counts.
pub struct Json(Box<RawValue>);

impl Json {
    /// Serialises a value.
    ///
    /// # Errors
    /// When the value's `Serialize` fails or it has map keys that are not strings.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        // The text is checked again because `value` may hold a raw value of its own, with line breaks.
        Self::parse(serde_json::to_string(value)?)
    }

    /// Checks a text and keeps it.
    ///
    /// # Errors
    /// When the text is not exactly one JSON value, or escapes half a surrogate pair.
    pub fn parse(text: impl Into<String>) -> Result<Self, JsonError> {
        one_line(RawValue::from_string(text.into())?)
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The JSON text, without a copy.
    #[must_use]
    pub fn into_string(self) -> String {
        Box::<str>::from(self.0).into_string()
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// When the value is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        serde_json::from_str(self.as_str())
    }

    /// True for `{…}`.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.first() == b'{'
    }

    /// True for `[…]`.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.first() == b'['
    }

    /// True for `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.first() == b'n'
    }

    /// True for a string.
    #[must_use]
    pub fn is_string(&self) -> bool {
        self.first() == b'"'
    }

    /// The members of an object, in order; `None` if the value is no object.
    #[must_use]
    pub fn to_object(&self) -> Option<Object> {
        if self.is_object() {
            self.decode().ok()
        } else {
            None
        }
    }

    fn first(&self) -> u8 {
        self.as_str().bytes().next().unwrap_or(b'n')
    }
}

/// In valid JSON, line breaks can only stand between the tokens; inside a string they are escaped.
fn one_line(raw: Box<RawValue>) -> Result<Json, JsonError> {
    if !is_unicode(raw.get()) {
        return Err(serde::de::Error::custom(
            "half of a surrogate pair in a string",
        ));
    }
    if !raw.get().contains(['\n', '\r']) {
        return Ok(Json(raw));
    }
    RawValue::from_string(raw.get().replace(['\n', '\r'], " ")).map(Json)
}

/// Whether every surrogate that valid JSON escapes is half of a pair.
fn is_unicode(json: &str) -> bool {
    let mut rest = json;
    while let Some((_, escape)) = rest.split_once('\\') {
        // What is escaped; another backslash must not be taken for the next escape.
        let mut after = escape.chars();
        rest = match after.next() {
            Some('u') => match unit(escape) {
                Some(0xD800..=0xDBFF) => {
                    let low = escape.get(5..).and_then(|next| next.strip_prefix('\\'));
                    match low.filter(|low| low.starts_with('u')) {
                        Some(low) if matches!(unit(low), Some(0xDC00..=0xDFFF)) => {
                            low.get(5..).unwrap_or_default()
                        }
                        _ => return false,
                    }
                }
                Some(0xDC00..=0xDFFF) => return false,
                _ => after.as_str(),
            },
            _ => after.as_str(),
        };
    }
    true
}

/// The code unit of `uXXXX`.
fn unit(escape: &str) -> Option<u32> {
    u32::from_str_radix(escape.get(1..5)?, 16).ok()
}

impl Clone for Json {
    fn clone(&self) -> Self {
        Self(self.0.to_owned())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

/// The empty object `{}`.
impl Default for Json {
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_line(Box::<RawValue>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Wire for Json {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        out.raw(self);
    }
}

/// A JSON string.
impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::from_serialize(text).unwrap_or_else(|_| Self::null())
    }
}

/// A JSON string.
impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// A JSON boolean.
impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::from_serialize(&value).unwrap_or_else(|_| Self::null())
    }
}

/// A JSON integer.
impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::from_serialize(&value).unwrap_or_else(|_| Self::null())
    }
}

/// A JSON integer.
impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::from_serialize(&value).unwrap_or_else(|_| Self::null())
    }
}

/// A JSON object.
impl From<Object> for Json {
    fn from(members: Object) -> Self {
        crate::wire::to_json(&members, Revision::LATEST)
    }
}

#[cfg(test)]
mod tests {
    use super::Json;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    #[test]
    fn a_pretty_printed_value_becomes_one_line_and_keeps_its_meaning() {
        let pretty = "{\r\n  \"a\": [1,\n 2],\n  \"b\": \"x\\ny\"\n}\n";
        let json = Json::parse(pretty).expect("valid");
        assert!(!json.as_str().contains(['\n', '\r']));
        let members = json.to_object().expect("an object");
        assert_eq!(
            members
                .get("a")
                .expect("there")
                .decode::<Vec<i64>>()
                .expect("numbers"),
            [1, 2]
        );
        assert_eq!(
            members
                .get("b")
                .expect("there")
                .decode::<String>()
                .expect("a string"),
            "x\ny"
        );
        let decoded: Json = serde_json::from_str(pretty).expect("valid");
        assert_eq!(decoded, json);
    }

    #[test]
    fn two_values_or_a_fragment_are_refused() {
        for text in ["", " ", "{} {}", "{", "\"a\nb\"", "01", "nul"] {
            assert!(Json::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let depth = 1_000_000;
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(text.as_str()).is_ok_and(|json| json.is_array()));
        assert!(Json::parse("[".repeat(depth)).is_err());
    }

    #[test]
    fn a_described_error_has_a_path_and_no_position() {
        let json = Json::parse(r#"{"content":[{"type":"text","text":5}]}"#).expect("valid");
        let error = json.decode::<crate::CallToolResult>().expect_err("no text");
        assert_eq!(
            super::describe(&error),
            "content: text: invalid type: integer `5`, expected a string"
        );
        let error = Json::parse("[1,").expect_err("cut off");
        assert_eq!(super::describe(&error), "EOF while parsing a value");
    }

    #[test]
    fn numbers_and_escapes_stay_verbatim() {
        for text in [
            "1.0",
            "1e400",
            "123456789012345678901234567890",
            "\"\\u0061\"",
            "\"\\ud83d\\ude00\"",
        ] {
            assert_eq!(Json::parse(text).expect("valid").as_str(), text);
        }
        Json::parse("\"\\ud800\"").expect_err("half of a surrogate pair");
    }

    #[test]
    fn kinds_are_seen_without_decoding() {
        assert!(Json::default().is_object() && Json::parse(" [ ] ").expect("valid").is_array());
        assert!(Json::null().is_null() && Json::from("x").is_string());
        assert_eq!(Json::from("a\"b").as_str(), "\"a\\\"b\"");
        assert!(Json::from(1_u64).to_object().is_none());
    }
}
