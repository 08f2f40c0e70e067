//! Tolerant decoding: the small parts that the macros put together.
//!
//! Must never accept what changes meaning (two values for one declared member, a tag that names another kind); accepts
//! whatever only differs in form (unknown members, `null` for absent, integral floats for integers).

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use core::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::json::Json;

/// A member name; borrowed from the input unless it holds escapes.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Reads a string and turns it into something that has a fixed set of names.
pub(crate) fn token<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct Token<F>(F, &'static str);

    impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for Token<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.1)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            let Self(parse, expected) = self;
            parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &expected))
        }
    }

    deserializer.deserialize_str(Token(parse, expected))
}

/// Puts the member's name before the message, so that nested errors read as a path.
pub(crate) fn at_field<E: Error>(name: &str, error: &E) -> E {
    E::custom(format_args!("{name}: {error}"))
}

/// An unsigned integer; `5.0` counts as one, as it does for JSON Schema.
pub(crate) struct Unsigned(u64);

impl From<Unsigned> for u64 {
    fn from(value: Unsigned) -> Self {
        value.0
    }
}

impl<'de> Deserialize<'de> for Unsigned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Integer;

        impl Visitor<'_> for Integer {
            type Value = Unsigned;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a non-negative integer")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Unsigned, E> {
                Ok(Unsigned(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Unsigned, E> {
                u64::try_from(value)
                    .map(Unsigned)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Unsigned, E> {
                const LIMIT: f64 = 18_446_744_073_709_551_616.0;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_precision_loss,
                    clippy::cast_sign_loss,
                    reason = "the comparison below finds out whether it was exact"
                )]
                let (integer, back) = (value as u64, value as u64 as f64);
                if back == value && (0.0..LIMIT).contains(&value) {
                    return Ok(Unsigned(integer));
                }
                Err(E::invalid_value(Unexpected::Float(value), &self))
            }
        }

        deserializer.deserialize_u64(Integer)
    }
}

/// An optional [`Unsigned`]; `null` is absent.
pub(crate) struct MaybeUnsigned(Option<u64>);

impl From<MaybeUnsigned> for Option<u64> {
    fn from(value: MaybeUnsigned) -> Self {
        value.0
    }
}

impl<'de> Deserialize<'de> for MaybeUnsigned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            Option::<Unsigned>::deserialize(deserializer)?.map(u64::from),
        ))
    }
}

/// An optional member for which `null` is a value of its own.
pub(crate) struct KeepNull(Json);

impl From<KeepNull> for Option<Json> {
    fn from(value: KeepNull) -> Self {
        Some(value.0)
    }
}

impl<'de> Deserialize<'de> for KeepNull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self)
    }
}

/// What stands for a required member that is missing: an error, or `None` where `null` would have been allowed.
pub(crate) fn missing<'de, T: Deserialize<'de>, E: Error>(name: &'static str) -> Result<T, E> {
    struct Missing<E>(&'static str, core::marker::PhantomData<E>);

    impl<'de, E: Error> Deserializer<'de> for Missing<E> {
        type Error = E;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
            Err(E::missing_field(self.0))
        }

        fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            visitor.visit_none()
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    T::deserialize(Missing(name, core::marker::PhantomData))
}

/// Checks the constant of a tagged structure, such as `"type": "text"`.
pub(crate) struct Constant(pub(crate) &'static str);

impl<'de> DeserializeSeed<'de> for Constant {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        token(deserializer, self.0, |text| (text == self.0).then_some(()))
    }
}

/// What a look at the members of a raw object finds.
struct Peek<'a> {
    wanted: &'a str,
    found: bool,
    text: Option<String>,
}

impl<'de> Visitor<'de> for &mut Peek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            if !self.found && key == self.wanted {
                self.found = true;
                let value: Json = map.next_value()?;
                if value.is_string() {
                    self.text = Some(value.decode().map_err(A::Error::custom)?);
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

fn peek<'a>(raw: &Json, wanted: &'a str) -> Peek<'a> {
    let mut peek = Peek {
        wanted,
        found: false,
        text: None,
    };
    if raw.is_object() {
        // The text is valid JSON; only a member name with a lone surrogate can fail, and then nothing was found.
        let _ = serde_json::Deserializer::from_str(raw.as_str()).deserialize_map(&mut peek);
    }
    peek
}

/// The string member `name` of a raw object.
pub(crate) fn tag(raw: &Json, name: &str) -> Option<String> {
    peek(raw, name).text
}

/// True if the raw value is an object with such a member.
pub(crate) fn has(raw: &Json, name: &str) -> bool {
    peek(raw, name).found
}

#[cfg(test)]
mod tests {
    use super::{Unsigned, has, tag};
    use crate::json::Json;
    use alloc::string::ToString;

    #[test]
    fn integral_floats_are_integers_and_others_are_refused_with_what_was_expected() {
        let read = |text: &str| serde_json::from_str::<Unsigned>(text).map(u64::from);
        assert_eq!(read("5.0").expect("integral"), 5);
        assert_eq!(read("1e3").expect("integral"), 1000);
        for text in ["5.5", "-1", "-1.0", "1e30", "\"5\""] {
            let error = read(text).map(|_| ()).expect_err(text).to_string();
            assert!(error.contains("a non-negative integer"), "{error}");
        }
    }

    #[test]
    fn a_tag_is_found_wherever_it_stands() {
        let raw = Json::parse(r#"{"a":{"type":"inner"},"ty\u0070e":"text","type":"late"}"#)
            .expect("valid");
        assert_eq!(tag(&raw, "type").as_deref(), Some("text"));
        assert!(has(&raw, "a") && !has(&raw, "inner"));
        assert_eq!(
            tag(&Json::parse(r#"{"type":7}"#).expect("valid"), "type"),
            None
        );
        assert_eq!(tag(&Json::parse("[]").expect("valid"), "type"), None);
    }
}
