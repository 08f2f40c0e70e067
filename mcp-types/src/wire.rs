//! Encoding for one protocol revision.
//!
//! Owns the trait [`Wire`], its implementations for plain values, and the entry points that produce bytes. Must never
//! decide by itself what a revision lacks: that is declared beside each field.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::Json;
use crate::revision::Revision;
use crate::writer::Writer;

/// A value that can be written for a given protocol revision.
///
/// What a revision lacks is not written.
pub trait Wire {
    /// Writes the value as the revision knows it: exactly one JSON value.
    fn write_at(&self, revision: Revision, out: &mut Writer);

    /// False when the value as a whole must be left out for this revision, where leaving out is possible: as the value
    /// of an optional member or as an element of an array.
    fn present_at(&self, revision: Revision) -> bool {
        let _ = revision;
        true
    }
}

/// Appends the value's JSON text to a buffer: one line, without a line end.
pub fn encode_into<T: Wire + ?Sized>(value: &T, revision: Revision, out: &mut Vec<u8>) {
    let mut writer = Writer::new(core::mem::take(out));
    value.write_at(revision, &mut writer);
    *out = writer.into_bytes();
}

/// The value's JSON text as bytes: one line, without a line end.
#[must_use]
pub fn to_vec<T: Wire + ?Sized>(value: &T, revision: Revision) -> Vec<u8> {
    let mut writer = Writer::new(Vec::with_capacity(128));
    value.write_at(revision, &mut writer);
    writer.into_bytes()
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
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        (**self).write_at(revision, out)
    }

    fn present_at(&self, revision: Revision) -> bool {
        (**self).present_at(revision)
    }
}

impl<T: Wire + ?Sized> Wire for Box<T> {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        (**self).write_at(revision, out)
    }

    fn present_at(&self, revision: Revision) -> bool {
        (**self).present_at(revision)
    }
}

/// `None` is written as `null`; an optional member that is `None` is not written at all.
impl<T: Wire> Wire for Option<T> {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        match self {
            Some(value) => value.write_at(revision, out),
            None => out.null(),
        }
    }
}

impl<T: Wire> Wire for [T] {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        let mut array = out.array();
        for element in self.iter().filter(|element| element.present_at(revision)) {
            element.write_at(revision, array.element());
        }
        array.end();
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        self.as_slice().write_at(revision, out)
    }
}

impl Wire for str {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        out.text(self);
    }
}

impl Wire for String {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        out.text(self);
    }
}

impl Wire for Revision {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        out.text(self.as_str());
    }
}

impl Wire for bool {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        out.boolean(*self);
    }
}

impl Wire for i64 {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        out.integer(*self);
    }
}

impl Wire for u64 {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        out.unsigned(*self);
    }
}

/// Integral numbers are written without a fraction, because typed peers read many of them into integers. JSON has no
/// NaN and no infinities: they become 0 and the largest finite numbers.
impl Wire for f64 {
    fn write_at(&self, _: Revision, out: &mut Writer) {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "the comparison below finds out whether it was exact"
        )]
        let (integer, back) = (*self as i64, *self as i64 as Self);
        if self.is_nan() {
            out.integer(0);
        } else if back == *self && self.abs() < EXACT {
            out.integer(integer);
        } else {
            out.float(self.clamp(Self::MIN, Self::MAX));
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
