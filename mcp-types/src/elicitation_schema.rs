//! The fields that a form can have: the primitive part of JSON Schema that elicitation allows.
//!
//! 2025-06-18 has strings, numbers, booleans and one sort of choice; titled choices are rewritten for it, multiple
//! choices are left out, and so are the defaults that it lacks.

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::json::Json;
use crate::macros::{open_enum, wire_enum, wire_struct};
use crate::revision::Revision;
use crate::wire::Wire;
use crate::writer::Writer;

/// A field of a form (schema `PrimitiveSchemaDefinition`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PrimitiveSchemaDefinition {
    /// A text.
    String(StringSchema),
    /// A number.
    Number(NumberSchema),
    /// Yes or no.
    Boolean(BooleanSchema),
    /// One of several values.
    UntitledSingleSelect(UntitledSingleSelectEnumSchema),
    /// One of several values that have titles.
    TitledSingleSelect(TitledSingleSelectEnumSchema),
    /// Some of several values; since 2025-11-25.
    UntitledMultiSelect(UntitledMultiSelectEnumSchema),
    /// Some of several values that have titles; since 2025-11-25.
    TitledMultiSelect(TitledMultiSelectEnumSchema),
    /// One of several values that have titles, in the form of 2025-06-18.
    LegacyTitledEnum(LegacyTitledEnumSchema),
    /// Something else; kept and written verbatim.
    Unknown(Json),
}

macro_rules! from_variants {
    ($($variant:ident($inner:ty)),* $(,)?) => {$(
        impl From<$inner> for PrimitiveSchemaDefinition {
            fn from(schema: $inner) -> Self {
                Self::$variant(schema)
            }
        }
    )*};
}

from_variants! {
    String(StringSchema),
    Number(NumberSchema),
    Boolean(BooleanSchema),
    UntitledSingleSelect(UntitledSingleSelectEnumSchema),
    TitledSingleSelect(TitledSingleSelectEnumSchema),
    UntitledMultiSelect(UntitledMultiSelectEnumSchema),
    TitledMultiSelect(TitledMultiSelectEnumSchema),
    LegacyTitledEnum(LegacyTitledEnumSchema),
}

impl Wire for PrimitiveSchemaDefinition {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        match self {
            Self::String(schema) => schema.write_at(revision, out),
            Self::Number(schema) => schema.write_at(revision, out),
            Self::Boolean(schema) => schema.write_at(revision, out),
            Self::UntitledSingleSelect(schema) => schema.write_at(revision, out),
            Self::TitledSingleSelect(schema) if revision < Revision::V2025_11_25 => {
                schema.to_legacy().write_at(revision, out)
            }
            Self::TitledSingleSelect(schema) => schema.write_at(revision, out),
            Self::UntitledMultiSelect(schema) => schema.write_at(revision, out),
            Self::TitledMultiSelect(schema) => schema.write_at(revision, out),
            Self::LegacyTitledEnum(schema) => schema.write_at(revision, out),
            Self::Unknown(raw) => raw.write_at(revision, out),
        }
    }

    fn present_at(&self, revision: Revision) -> bool {
        match self {
            Self::UntitledMultiSelect(_) | Self::TitledMultiSelect(_) => {
                revision >= Revision::V2025_11_25
            }
            _ => true,
        }
    }
}

impl<'de> Deserialize<'de> for PrimitiveSchemaDefinition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Items {
            items: Json,
        }

        let raw = Json::deserialize(deserializer)?;
        if !raw.is_object() {
            return Err(D::Error::custom(
                "expected an object that describes a field",
            ));
        }
        let has = |name| crate::decode::has(&raw, name);
        let known = match crate::decode::tag(&raw, "type").as_deref() {
            Some("string") if has("enumNames") => raw.decode().map(Self::LegacyTitledEnum),
            Some("string") if has("enum") => raw.decode().map(Self::UntitledSingleSelect),
            Some("string") if has("oneOf") => raw.decode().map(Self::TitledSingleSelect),
            Some("string") => raw.decode().map(Self::String),
            Some("number" | "integer") => raw.decode().map(Self::Number),
            Some("boolean") => raw.decode().map(Self::Boolean),
            Some("array") => match raw.decode::<Items>() {
                Ok(Items { items }) if crate::decode::has(&items, "anyOf") => {
                    raw.decode().map(Self::TitledMultiSelect)
                }
                Ok(Items { items }) if crate::decode::has(&items, "enum") => {
                    raw.decode().map(Self::UntitledMultiSelect)
                }
                _ => return Ok(Self::Unknown(raw)),
            },
            _ => return Ok(Self::Unknown(raw)),
        };
        known.map_err(D::Error::custom)
    }
}

wire_struct! {
    /// A text field (schema `StringSchema`).
    pub struct StringSchema tag "type" = "string" {
        required {}
        optional {
            /// The label.
            title / with_title: String = "title";
            /// What to fill in.
            description / with_description: String = "description";
            /// The form of the text.
            format / with_format: StringFormat = "format";
            /// The least number of characters.
            min_length / with_min_length: u64 = "minLength" via MaybeUnsigned;
            /// The greatest number of characters.
            max_length / with_max_length: u64 = "maxLength" via MaybeUnsigned;
            /// What is filled in at first.
            default / with_default: String = "default" since V2025_11_25;
        }
    }
}

open_enum! {
    /// The form of a text.
    pub enum StringFormat {
        /// An e-mail address.
        Email = "email",
        /// A URI.
        Uri = "uri",
        /// A date, `2026-07-28`.
        Date = "date",
        /// A date and time, `2026-07-28T12:00:00Z`.
        DateTime = "date-time",
    }
}

wire_struct! {
    /// A number field (schema `NumberSchema`).
    pub struct NumberSchema {
        required {
            /// Whether fractions are allowed.
            kind: NumberKind = "type";
        }
        optional {
            /// The label.
            title / with_title: String = "title";
            /// What to fill in.
            description / with_description: String = "description";
            /// The least number.
            minimum / with_minimum: f64 = "minimum";
            /// The greatest number.
            maximum / with_maximum: f64 = "maximum";
            /// What is filled in at first.
            default / with_default: f64 = "default" since V2025_11_25;
        }
    }
}

wire_enum! {
    /// Whether fractions are allowed.
    pub enum NumberKind {
        /// Any number.
        Number = "number",
        /// Integers only.
        Integer = "integer",
    }
}

wire_struct! {
    /// A yes-or-no field (schema `BooleanSchema`).
    pub struct BooleanSchema tag "type" = "boolean" {
        required {}
        optional {
            /// The label.
            title / with_title: String = "title";
            /// What to decide.
            description / with_description: String = "description";
            /// What is chosen at first.
            default / with_default: bool = "default";
        }
    }
}

wire_struct! {
    /// A value and its title.
    pub struct EnumOption {
        required {
            /// The value that is sent back.
            value: String = "const";
            /// What the user sees.
            title: String = "title";
        }
        optional {}
    }
}

wire_struct! {
    /// A choice of one value (schema `UntitledSingleSelectEnumSchema`).
    pub struct UntitledSingleSelectEnumSchema tag "type" = "string" {
        required {
            /// The values.
            values: Vec<String> = "enum";
        }
        optional {
            /// The label.
            title / with_title: String = "title";
            /// What to choose.
            description / with_description: String = "description";
            /// What is chosen at first.
            default / with_default: String = "default" since V2025_11_25;
        }
    }
}

wire_struct! {
    /// A choice of one value, with titles (schema `TitledSingleSelectEnumSchema`). 2025-06-18 is sent the
    /// [`LegacyTitledEnumSchema`] form.
    pub struct TitledSingleSelectEnumSchema tag "type" = "string" {
        required {
            /// The values and their titles.
            options: Vec<EnumOption> = "oneOf";
        }
        optional {
            /// The label.
            title / with_title: String = "title";
            /// What to choose.
            description / with_description: String = "description";
            /// What is chosen at first.
            default / with_default: String = "default";
        }
    }
}

impl TitledSingleSelectEnumSchema {
    /// The same choice in the form of 2025-06-18.
    fn to_legacy(&self) -> LegacyTitledEnumSchema {
        let (values, titles) = self
            .options
            .iter()
            .map(|option| (option.value.clone(), option.title.clone()))
            .unzip();
        LegacyTitledEnumSchema {
            values,
            names: Some(titles),
            title: self.title.clone(),
            description: self.description.clone(),
            default: self.default.clone(),
            extra: self.extra.clone(),
        }
    }
}

wire_struct! {
    /// A choice of one value, with titles, in the form of 2025-06-18 (schema `LegacyTitledEnumSchema`).
    pub struct LegacyTitledEnumSchema tag "type" = "string" {
        required {
            /// The values.
            values: Vec<String> = "enum";
        }
        optional {
            /// Their titles, in the same order.
            names / with_names: Vec<String> = "enumNames";
            /// The label.
            title / with_title: String = "title";
            /// What to choose.
            description / with_description: String = "description";
            /// What is chosen at first.
            default / with_default: String = "default" since V2025_11_25;
        }
    }
}

wire_struct! {
    /// A choice of several values (schema `UntitledMultiSelectEnumSchema`).
    pub struct UntitledMultiSelectEnumSchema tag "type" = "array" {
        required {
            /// The values.
            items: UntitledItems = "items";
        }
        optional {
            /// The label.
            title / with_title: String = "title";
            /// What to choose.
            description / with_description: String = "description";
            /// The least number of choices.
            min_items / with_min_items: u64 = "minItems" via MaybeUnsigned;
            /// The greatest number of choices.
            max_items / with_max_items: u64 = "maxItems" via MaybeUnsigned;
            /// What is chosen at first.
            default / with_default: Vec<String> = "default";
        }
    }
}

wire_struct! {
    /// The values of a choice of several.
    pub struct UntitledItems tag "type" = "string" {
        required {
            /// The values.
            values: Vec<String> = "enum";
        }
        optional {}
    }
}

wire_struct! {
    /// A choice of several values, with titles (schema `TitledMultiSelectEnumSchema`).
    pub struct TitledMultiSelectEnumSchema tag "type" = "array" {
        required {
            /// The values and their titles.
            items: TitledItems = "items";
        }
        optional {
            /// The label.
            title / with_title: String = "title";
            /// What to choose.
            description / with_description: String = "description";
            /// The least number of choices.
            min_items / with_min_items: u64 = "minItems" via MaybeUnsigned;
            /// The greatest number of choices.
            max_items / with_max_items: u64 = "maxItems" via MaybeUnsigned;
            /// What is chosen at first.
            default / with_default: Vec<String> = "default";
        }
    }
}

wire_struct! {
    /// The values and titles of a choice of several.
    pub struct TitledItems {
        required {
            /// The values and their titles.
            options: Vec<EnumOption> = "anyOf";
        }
        optional {}
    }
}
