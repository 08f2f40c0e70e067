//! Encoding for one protocol revision.
//!
//! Owns the trait [`Wire`], its implementations for plain values, and the entry points that produce bytes. Must never
//! decide by itself what a revision lacks: that is declared beside each field.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::json::Json;
use crate::revision::Revision;

/// A value that can be written for a given protocol revision.
///
/// What a revision lacks is not emitted. Implementations in this crate never fail by themselves; the error is the
/// serializer's.
pub trait Wire {
    /// Writes the value as the revision knows it.
    ///
    /// # Errors
    /// Only what the serializer reports.
    fn encode_at<S: Serializer>(
        &self,
        revision: Revision,
        serializer: S,
    ) -> Result<S::Ok, S::Error>;

    /// False when the value as a whole must be left out for this revision, where leaving out is possible: as the value
    /// of an optional member or as an element of an array.
    fn present_at(&self, revision: Revision) -> bool {
        let _ = revision;
        true
    }
}

/// A value together with the revision for which it is to be written; the bridge to serde.
#[derive(Debug)]
pub struct At<'a, T: ?Sized> {
    value: &'a T,
    revision: Revision,
}

impl<'a, T: ?Sized> At<'a, T> {
    /// Binds a value to a revision.
    #[must_use]
    pub const fn new(value: &'a T, revision: Revision) -> Self {
        Self { value, revision }
    }
}

impl<T: Wire + ?Sized> Serialize for At<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.encode_at(self.revision, serializer)
    }
}

/// Appends the value's JSON text to a buffer: one line, without a line end.
pub fn encode_into<T: Wire + ?Sized>(value: &T, revision: Revision, out: &mut Vec<u8>) {
    let start = out.len();
    #[cfg(feature = "std")]
    let written = serde_json::to_writer(&mut *out, &At::new(value, revision));
    // Only with `std` does serde_json write into a buffer of somebody else.
    #[cfg(not(feature = "std"))]
    let written = serde_json::to_vec(&At::new(value, revision)).map(|text| out.extend(text));
    if written.is_err() {
        // Unreachable for the types of this crate. A foreign implementation that fails must not leave half a value.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// The value's JSON text as bytes: one line, without a line end.
///
/// A foreign [`Wire`] implementation that reports an error yields `null`; none in this crate does.
#[must_use]
pub fn to_vec<T: Wire + ?Sized>(value: &T, revision: Revision) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    encode_into(value, revision, &mut out);
    out
}

/// The value's JSON text. See [`to_vec`].
#[must_use]
pub fn to_string<T: Wire + ?Sized>(value: &T, revision: Revision) -> String {
    String::from_utf8(to_vec(value, revision)).unwrap_or_else(|_| "null".to_owned())
}

/// The value as raw JSON. See [`to_vec`].
#[must_use]
pub fn to_json<T: Wire + ?Sized>(value: &T, revision: Revision) -> Json {
    Json::parse(to_string(value, revision)).unwrap_or_else(|_| Json::null())
}

/// One member of a structure, as the neutral model declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The member's name on the wire.
    pub wire: &'static str,
    /// Its name up to 2025-11-25, where that differs.
    pub legacy: Option<&'static str>,
    /// True if the neutral model cannot do without it.
    pub required: bool,
    /// The first revision that has it.
    pub since: Revision,
    /// The last revision that has it.
    pub until: Revision,
}

impl Field {
    /// The member's name at a revision; `None` if the revision lacks it.
    #[must_use]
    pub fn name_at(&self, revision: Revision) -> Option<&'static str> {
        if revision < self.since || revision > self.until {
            return None;
        }
        match self.legacy {
            Some(name) if revision.is_legacy() => Some(name),
            _ => Some(self.wire),
        }
    }
}

/// A structure of the model: what it is called in the schema and which members it has.
pub trait Record {
    /// The Rust name, which is the schema's name wherever the schema has one.
    const NAME: &'static str;
    /// Every declared member, in the order in which it is written.
    const FIELDS: &'static [Field];
}

impl<T: Wire + ?Sized> Wire for &T {
    fn encode_at<S: Serializer>(
        &self,
        revision: Revision,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (**self).encode_at(revision, serializer)
    }

    fn present_at(&self, revision: Revision) -> bool {
        (**self).present_at(revision)
    }
}

impl<T: Wire + ?Sized> Wire for Box<T> {
    fn encode_at<S: Serializer>(
        &self,
        revision: Revision,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (**self).encode_at(revision, serializer)
    }

    fn present_at(&self, revision: Revision) -> bool {
        (**self).present_at(revision)
    }
}

/// `None` is written as `null`; an optional member that is `None` is not written at all.
impl<T: Wire> Wire for Option<T> {
    fn encode_at<S: Serializer>(
        &self,
        revision: Revision,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => value.encode_at(revision, serializer),
            None => serializer.serialize_unit(),
        }
    }
}

impl<T: Wire> Wire for [T] {
    fn encode_at<S: Serializer>(
        &self,
        revision: Revision,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(None)?;
        for element in self.iter().filter(|element| element.present_at(revision)) {
            array.serialize_element(&At::new(element, revision))?;
        }
        array.end()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn encode_at<S: Serializer>(
        &self,
        revision: Revision,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        self.as_slice().encode_at(revision, serializer)
    }
}

macro_rules! wire_as_serde {
    ($($plain:ty),*) => {$(
        impl Wire for $plain {
            fn encode_at<S: Serializer>(&self, _: Revision, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )*};
}

wire_as_serde!(str, String, bool, u64, i64, Revision);

/// Integral numbers are written without a fraction, because typed peers read many of them into integers. JSON has no
/// NaN and no infinities: they become 0 and the largest finite numbers.
impl Wire for f64 {
    fn encode_at<S: Serializer>(&self, _: Revision, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "the comparison below finds out whether it was exact"
        )]
        let (integer, back) = (*self as i64, *self as i64 as Self);
        if self.is_nan() {
            serializer.serialize_i64(0)
        } else if back == *self && self.abs() < EXACT {
            serializer.serialize_i64(integer)
        } else {
            serializer.serialize_f64(self.clamp(Self::MIN, Self::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, to_string};
    use crate::revision::Revision;

    #[test]
    fn numbers_are_always_valid_json_and_integral_ones_have_no_fraction() {
        let written = |number: f64| to_string(&number, Revision::LATEST);
        assert_eq!(written(5.0), "5");
        assert_eq!(written(-0.0), "0");
        assert_eq!(written(0.25), "0.25");
        assert_eq!(written(f64::NAN), "0");
        for extreme in [
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
            9_007_199_254_740_992.0,
        ] {
            assert!(
                serde_json::from_str::<f64>(&written(extreme))
                    .expect("valid")
                    .is_finite()
            );
        }
    }

    #[test]
    fn a_field_has_a_name_only_where_it_exists() {
        let field = Field {
            wire: "ttlMs",
            legacy: Some("ttl"),
            required: true,
            since: Revision::V2025_11_25,
            until: Revision::LATEST,
        };
        assert_eq!(field.name_at(Revision::V2025_06_18), None);
        assert_eq!(field.name_at(Revision::V2025_11_25), Some("ttl"));
        assert_eq!(field.name_at(Revision::V2026_07_28), Some("ttlMs"));
    }
}
