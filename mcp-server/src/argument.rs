//! Arguments that arrive as text: of prompts, and of the variables in a resource template.
//!
//! Owns the conversion of such text into Rust values and the words for a conversion that fails. Must never treat a missing
//! argument as an empty one.

use crate::check::Violation;
use crate::result::HandlerError;

/// Types that a textual argument can have.
///
/// Implemented for strings, numbers, `bool`, `char` and `Option` of these. For a type of your own:
///
/// ```
/// use mcp_server::FromArgument;
/// enum Language { Rust, Python }
/// impl FromArgument for Language {
///     const EXPECTED: &'static str = "rust or python";
///     fn from_text(text: &str) -> Option<Self> {
///         match text {
///             "rust" => Some(Self::Rust),
///             "python" => Some(Self::Python),
///             _ => None,
///         }
///     }
/// }
/// assert!(Language::from_text("cobol").is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a prompt or a variable of a resource template",
    note = "these arrive as text: use a string, a number, `bool`, `char`, `Option` of one, or implement `FromArgument`"
)]
pub trait FromArgument: Sized {
    /// What a caller has to send, as a phrase: `an integer`.
    const EXPECTED: &'static str;
    /// False for types that stand for an argument that may be left out.
    const REQUIRED: bool = true;

    /// The value of a text; `None` if it is not one.
    fn from_text(text: &str) -> Option<Self>;

    /// The value of an argument that was left out; `None` if it must not be.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

impl FromArgument for String {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl<T: FromArgument> FromArgument for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const REQUIRED: bool = false;

    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

macro_rules! parsed {
    ($($kind:ty: $expected:literal;)*) => {$(
        impl FromArgument for $kind {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }
        }
    )*};
}

parsed! {
    i8: "an integer from -128 to 127";
    i16: "an integer from -32768 to 32767";
    i32: "an integer";
    i64: "an integer";
    i128: "an integer";
    isize: "an integer";
    u8: "an integer from 0 to 255";
    u16: "an integer from 0 to 65535";
    u32: "an integer that is at least 0";
    u64: "an integer that is at least 0";
    u128: "an integer that is at least 0";
    usize: "an integer that is at least 0";
    f32: "a number";
    f64: "a number";
    bool: "true or false";
}

impl FromArgument for char {
    const EXPECTED: &'static str = "one character";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The textual arguments of one request, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    entries: Vec<(String, String)>,
}

impl Arguments {
    /// The text of an argument; `None` if it was left out.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of an argument.
    ///
    /// # Errors
    /// When it is missing and `T` is not an `Option`, or when its text is no `T`: invalid params that name the argument.
    pub fn parse<T: FromArgument>(&self, name: &str) -> Result<T, HandlerError> {
        let (found, got) = match self.get(name) {
            Some("") => (T::from_text(""), "an empty string"),
            Some(text) => (T::from_text(text), "other text"),
            None => (T::absent(), "nothing"),
        };
        found.ok_or_else(|| HandlerError::arguments(vec![Violation::new(name, T::EXPECTED, got)]))
    }

    /// All arguments, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.entries.push((name.into(), value.into()));
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Arguments {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self {
            entries: entries
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_values_and_failures_name_the_argument() {
        let arguments: Arguments = [("n", "42"), ("s", "x"), ("flag", "true"), ("empty", "")]
            .into_iter()
            .collect();
        assert_eq!(arguments.parse::<u8>("n").unwrap(), 42);
        assert_eq!(arguments.parse::<Option<u8>>("missing").unwrap(), None);
        assert!(arguments.parse::<bool>("flag").unwrap());
        assert_eq!(arguments.parse::<String>("empty").unwrap(), "");
        for (name, expected) in [
            (
                "missing",
                "`missing`: expected an integer from 0 to 255, got nothing",
            ),
            (
                "s",
                "`s`: expected an integer from 0 to 255, got other text",
            ),
            (
                "empty",
                "`empty`: expected an integer from 0 to 255, got an empty string",
            ),
        ] {
            assert_eq!(
                arguments.parse::<u8>(name).unwrap_err().to_string(),
                expected
            );
        }
    }
}
