//! The declarative macros behind every type of the model.
//!
//! A structure is declared once, each member with its wire name and the revisions that have it; the macro derives the
//! constructor, the setters, the encoder for every revision, the tolerant decoder, and the description ([`Record`])
//! against which the tests compare each revision's `schema.json`.
//!
//! ```text
//! wire_struct! {
//!     /// Docs.
//!     pub struct Name tag "type" = "text" {
//!         required { /** docs */ field: Type = "wireName"; }
//!         optional { /** docs */ field / with_field: Type = "wireName" since V2025_06_18 until V2025_11_25; }
//!     }
//! }
//! ```
//!
//! Per member, in this order: `legacy "x"` (its name up to 2025-11-25), `since`, `until`, `via Helper` (a type of
//! [`crate::decode`] through which the value is read), `when check` (a function `(&Type, Revision) -> bool` that may
//! withhold the value). A structure may name a `downgrade` function, `(&Self, Revision) -> Option<Self>`, whose result
//! is written instead; for that result it has to return `None`.
//!
//! [`Record`]: crate::wire::Record

macro_rules! revision_or_oldest {
    () => {
        $crate::revision::Revision::OLDEST
    };
    ($revision:ident) => {
        $crate::revision::Revision::$revision
    };
}
pub(crate) use revision_or_oldest;

macro_rules! revision_or_latest {
    () => {
        $crate::revision::Revision::LATEST
    };
    ($revision:ident) => {
        $crate::revision::Revision::$revision
    };
}
pub(crate) use revision_or_latest;

macro_rules! optional_literal {
    () => {
        None
    };
    ($literal:literal) => {
        Some($literal)
    };
}
pub(crate) use optional_literal;

/// `true` when neither bound is declared, so that the common member costs no comparison.
macro_rules! in_range {
    ($revision:expr; ;) => {
        true
    };
    ($revision:expr; $since:ident;) => {
        $revision >= $crate::revision::Revision::$since
    };
    ($revision:expr; ; $until:ident) => {
        $revision <= $crate::revision::Revision::$until
    };
    ($revision:expr; $since:ident; $until:ident) => {
        ($crate::revision::Revision::$since..=$crate::revision::Revision::$until)
            .contains(&$revision)
    };
}
pub(crate) use in_range;

/// A declared name as it is written, with its quotes and its colon: none needs an escape.
macro_rules! wire_name {
    ($revision:expr; $wire:literal) => {
        concat!("\"", $wire, "\":")
    };
    ($revision:expr; $wire:literal $legacy:literal) => {
        if $revision.is_legacy() {
            concat!("\"", $legacy, "\":")
        } else {
            concat!("\"", $wire, "\":")
        }
    };
}
pub(crate) use wire_name;

/// Reads a required member's value.
macro_rules! read_required {
    ($map:ident, $key:ident, $ty:ty) => {
        $map.next_value::<$ty>()
            .map_err(|error| $crate::decode::at_field(&$key, &error))?
    };
    ($map:ident, $key:ident, $ty:ty, $via:ident) => {
        <$ty>::from(
            $map.next_value::<$crate::decode::$via>()
                .map_err(|error| $crate::decode::at_field(&$key, &error))?,
        )
    };
}
pub(crate) use read_required;

/// Reads an optional member's value as `Option`.
macro_rules! read_optional {
    ($map:ident, $key:ident, $ty:ty) => {
        $map.next_value::<Option<$ty>>()
            .map_err(|error| $crate::decode::at_field(&$key, &error))?
    };
    ($map:ident, $key:ident, $ty:ty, $via:ident) => {
        Option::<$ty>::from(
            $map.next_value::<$crate::decode::$via>()
                .map_err(|error| $crate::decode::at_field(&$key, &error))?,
        )
    };
}
pub(crate) use read_optional;

/// The type of a constructor's argument; see [`setter`].
macro_rules! argument {
    ($ty:ty;) => {
        impl Into<$ty>
    };
    ($ty:ty; $via:ident) => {
        $ty
    };
}
pub(crate) use argument;

/// A setter; members that are read through a helper take the exact type, so that integer literals need no suffix.
macro_rules! setter {
    ($field:ident $with:ident $ty:ty; $wire:literal;) => {
        #[doc = concat!("Sets `", $wire, "`.")]
        #[must_use]
        pub fn $with(mut self, value: impl Into<$ty>) -> Self {
            self.$field = Some(value.into());
            self
        }
    };
    ($field:ident $with:ident $ty:ty; $wire:literal; $via:ident) => {
        #[doc = concat!("Sets `", $wire, "`.")]
        #[must_use]
        pub fn $with(mut self, value: $ty) -> Self {
            self.$field = Some(value);
            self
        }
    };
}
pub(crate) use setter;

macro_rules! default_if_nothing_is_required {
    ($name:ident;) => {
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    ($name:ident; $($required:ident)+) => {};
}
pub(crate) use default_if_nothing_is_required;

macro_rules! wire_struct {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(tag $tag:literal = $constant:literal)? $(downgrade $downgrade:ident)? {
            required {$(
                $(#[$rmeta:meta])*
                $req:ident: $rty:ty = $rwire:literal
                    $(legacy $rlegacy:literal)? $(since $rsince:ident)? $(until $runtil:ident)? $(via $rvia:ident)?;
            )*}
            optional {$(
                $(#[$ometa:meta])*
                $opt:ident / $with:ident: $oty:ty = $owire:literal
                    $(legacy $olegacy:literal)? $(since $osince:ident)? $(until $ountil:ident)? $(via $ovia:ident)?
                    $(when $when:ident)?;
            )*}
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$rmeta])* pub $req: $rty,)*
            $($(#[$ometa])* pub $opt: Option<$oty>,)*
            /// Members that the model does not know; kept and written again, in every revision.
            pub extra: $crate::map::Object,
        }

        impl $name {
            /// Creates the value from what it cannot do without.
            #[must_use]
            pub fn new($($req: $crate::macros::argument!($rty; $($rvia)?)),*) -> Self {
                Self {
                    $($req: $req.into(),)*
                    $($opt: None,)*
                    extra: $crate::map::Object::new(),
                }
            }

            $($crate::macros::setter! { $opt $with $oty; $owire; $($ovia)? })*
        }

        $crate::macros::default_if_nothing_is_required! { $name; $($req)* }

        impl $crate::wire::Record for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [$crate::wire::Field] = &[
                $($crate::wire::Field {
                    wire: $tag,
                    legacy: None,
                    required: true,
                    since: $crate::revision::Revision::OLDEST,
                    until: $crate::revision::Revision::LATEST,
                },)?
                $($crate::wire::Field {
                    wire: $rwire,
                    legacy: $crate::macros::optional_literal!($($rlegacy)?),
                    required: true,
                    since: $crate::macros::revision_or_oldest!($($rsince)?),
                    until: $crate::macros::revision_or_latest!($($runtil)?),
                },)*
                $($crate::wire::Field {
                    wire: $owire,
                    legacy: $crate::macros::optional_literal!($($olegacy)?),
                    required: false,
                    since: $crate::macros::revision_or_oldest!($($osince)?),
                    until: $crate::macros::revision_or_latest!($($ountil)?),
                },)*
            ];
        }

        impl $crate::wire::Wire for $name {
            #[allow(unused_variables, reason = "a structure may lack members that depend on the revision")]
            fn write_at(&self, revision: $crate::revision::Revision, out: &mut $crate::writer::Writer) {
                $(if let Some(instead) = $downgrade(self, revision) {
                    return instead.write_at(revision, out);
                })?
                let mut object = out.object();
                $(object.member(concat!("\"", $tag, "\":\"", $constant, "\""));)?
                $(
                    if $crate::macros::in_range!(revision; $($rsince)?; $($runtil)?) {
                        let out = object.member($crate::macros::wire_name!(revision; $rwire $($rlegacy)?));
                        self.$req.write_at(revision, out);
                    }
                )*
                $(
                    if let Some(value) = &self.$opt
                        && $crate::macros::in_range!(revision; $($osince)?; $($ountil)?)
                        && $crate::wire::Wire::present_at(value, revision)
                        $(&& $when(value, revision))?
                    {
                        let out = object.member($crate::macros::wire_name!(revision; $owire $($olegacy)?));
                        value.write_at(revision, out);
                    }
                )*
                $crate::macros::write_extra::<Self>(&self.extra, &mut object);
                object.end();
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;

                impl<'de> serde::de::Visitor<'de> for Members {
                    type Value = $name;

                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str(concat!("an object (", stringify!($name), ")"))
                    }

                    #[allow(unused_assignments, unused_mut, reason = "a structure may have no members of one sort")]
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        $(let mut $req: Option<$rty> = None;)*
                        $(let mut $opt: Option<$oty> = None;)*
                        let mut extra = alloc::vec::Vec::new();
                        while let Some($crate::decode::Key(key)) = map.next_key()? {
                            match &*key {
                                $($tag => map.next_value_seed($crate::decode::Constant($constant))
                                    .map_err(|error| $crate::decode::at_field(&key, &error))?,)?
                                $($rwire $(| $rlegacy)? => {
                                    if $req.is_some() {
                                        return Err(serde::de::Error::duplicate_field($rwire));
                                    }
                                    $req = Some($crate::macros::read_required!(map, key, $rty $(, $rvia)?));
                                })*
                                $($owire $(| $olegacy)? => {
                                    if $opt.is_some() {
                                        return Err(serde::de::Error::duplicate_field($owire));
                                    }
                                    $opt = $crate::macros::read_optional!(map, key, $oty $(, $ovia)?);
                                })*
                                _ => {
                                    let value = map.next_value::<$crate::json::Json>()?;
                                    extra.push((key.into_owned(), value));
                                }
                            }
                        }
                        Ok($name {
                            $($req: match $req {
                                Some(value) => value,
                                None => $crate::decode::missing($rwire)?,
                            },)*
                            $($opt,)*
                            extra: $crate::map::Object::from_entries(extra),
                        })
                    }
                }

                deserializer.deserialize_map(Members)
            }
        }
    };
}
pub(crate) use wire_struct;

/// Writes unknown members. One that bears a declared name is skipped: the declared member decides.
pub(crate) fn write_extra<T: crate::wire::Record>(
    extra: &crate::map::Object,
    object: &mut crate::writer::ObjectWriter<'_>,
) {
    for (key, value) in extra.iter() {
        if !T::FIELDS
            .iter()
            .any(|field| field.wire == key || field.legacy == Some(key))
        {
            object.named(key).raw(value);
        }
    }
}

/// An enumeration of strings that is closed: an unknown name is an error.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {$(
            $(#[$vmeta:meta])*
            $variant:ident = $wire:literal,
        )+}
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value as it is written on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)+
                }
            }

            /// Reads the wire form; `None` for anything else.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($wire => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::wire::Wire for $name {
            fn write_at(&self, _: $crate::revision::Revision, out: &mut $crate::writer::Writer) {
                out.text(self.as_str());
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::token(
                    deserializer,
                    $crate::macros::one_of!($($wire),+),
                    Self::parse,
                )
            }
        }
    };
}
pub(crate) use wire_enum;

macro_rules! one_of {
    ($first:literal $(, $rest:literal)*) => {
        concat!("one of ", $first $(, ", ", $rest)*)
    };
}
pub(crate) use one_of;

/// An enumeration of strings that is open: an unknown name is kept.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {$(
            $(#[$vmeta:meta])*
            $variant:ident = $wire:literal,
        )+}
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A value that the model does not know; kept as it was written.
            Other(alloc::boxed::Box<str>),
        }

        impl $name {
            /// The value as it is written on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $wire,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($wire => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::wire::Wire for $name {
            fn write_at(&self, _: $crate::revision::Revision, out: &mut $crate::writer::Writer) {
                out.text(self.as_str());
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decode::token(deserializer, "a string", |text| Some(Self::from(text)))
            }
        }
    };
}
pub(crate) use open_enum;

/// A union whose kind is named by a string member. Unknown kinds are kept verbatim and written again.
macro_rules! wire_union {
    (
        $(#[$meta:meta])*
        pub enum $name:ident by $tag:literal $(default $default:ident)? $(fallback $fallback:ident)? {$(
            $(#[$vmeta:meta])*
            $variant:ident($inner:ty) = $wire:literal,
        )+}
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant($inner),)+
            /// A kind that the model does not know; kept and written verbatim.
            Unknown($crate::json::Json),
        }

        $(impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self::$variant(value)
            }
        })+

        impl $name {
            #[doc = concat!("The value of `", $tag, "`; `None` for an unknown kind without one.")]
            #[must_use]
            pub fn kind(&self) -> Option<alloc::borrow::Cow<'static, str>> {
                match self {
                    $(Self::$variant(_) => Some($wire.into()),)+
                    Self::Unknown(raw) => $crate::decode::tag(raw, $tag).map(Into::into),
                }
            }
        }

        impl $crate::wire::Wire for $name {
            fn write_at(&self, revision: $crate::revision::Revision, out: &mut $crate::writer::Writer) {
                $(if let Some(instead) = $fallback(self, revision) {
                    return instead.write_at(revision, out);
                })?
                match self {
                    $(Self::$variant(value) => value.write_at(revision, out),)+
                    Self::Unknown(raw) => raw.write_at(revision, out),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = $crate::json::Json::deserialize(deserializer)?;
                match $crate::decode::tag(&raw, $tag).as_deref() {
                    $(Some($wire) => raw.decode().map(Self::$variant).map_err(serde::de::Error::custom),)+
                    $(None if raw.is_object() && !$crate::decode::has(&raw, $tag) =>
                        raw.decode().map(Self::$default).map_err(serde::de::Error::custom),)?
                    Some(_) => Ok(Self::Unknown(raw)),
                    None => Err(serde::de::Error::custom(concat!(
                        "expected an object with a string member `", $tag, "`"
                    ))),
                }
            }
        }
    };
}
pub(crate) use wire_union;
