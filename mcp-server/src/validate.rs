//! What stands between a caller's arguments and a handler.
//!
//! Owns the rules of one tool: the schema that was promised, and who enforces which part of it. Generated schemas are proved by
//! one typed deserialisation plus the keywords that a type cannot express; both those and hand-written ones by what
//! [`check`](crate::check) knows or, with the feature `validate`, by a complete validator. Must never fetch a reference.

use std::collections::BTreeSet;

use mcp_proto::json::text::tokens;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::check::{Nulls, Violation, foreign, join, kind_of, unenforced, violations};

/// Characters of a type's own complaint that are passed on.
const MAX_REASON: usize = 200;

/// Why a hand-written schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadSchema(pub(crate) String);

/// The rules of one schema.
#[derive(Debug)]
pub(crate) struct Rules {
    schema: Value,
    written: bool,
    enforce: bool,
    nulls: Nulls,
    #[cfg(feature = "validate")]
    full: Option<jsonschema::Validator>,
}

impl Rules {
    /// For a schema that was generated from the type that is deserialised.
    pub(crate) const fn generated(schema: Value, constrained: bool) -> Self {
        Self {
            schema,
            written: false,
            enforce: constrained,
            nulls: Nulls::Absent,
            #[cfg(feature = "validate")]
            full: None,
        }
    }

    /// The same for what clients see and send: keywords that only a complete validator knows are enforced, too, where there is
    /// one.
    pub(crate) fn proved(schema: Value, constrained: bool) -> Result<Self, BadSchema> {
        #[cfg(feature = "validate")]
        if !unenforced(&schema).is_empty() {
            return Ok(Self {
                full: Some(full::compile(&schema)?),
                ..Self::generated(schema, true)
            });
        }
        Ok(Self::generated(schema, constrained))
    }

    /// The keywords that nobody enforces.
    pub(crate) fn unenforced(&self) -> BTreeSet<&'static str> {
        if cfg!(feature = "validate") {
            BTreeSet::new()
        } else {
            unenforced(&self.schema)
        }
    }

    /// For a schema that a person or another server wrote.
    pub(crate) fn written(schema: Value) -> Result<Self, BadSchema> {
        if !schema.is_object() {
            return Err(BadSchema("a schema is a JSON object".to_owned()));
        }
        dialect(&schema)?;
        if let Some(target) = foreign(&schema) {
            return Err(BadSchema(format!(
                "`$ref`: {target} is outside of the schema, and nothing is fetched"
            )));
        }
        Ok(Self {
            #[cfg(feature = "validate")]
            full: Some(full::compile(&schema)?),
            schema,
            written: true,
            enforce: true,
            nulls: Nulls::Strict,
        })
    }

    /// A type that serialises: what it yields is held to the schema as it stands, null included.
    pub(crate) fn output(schema: Value) -> Self {
        Self {
            nulls: Nulls::Strict,
            ..Self::generated(schema, true)
        }
    }

    pub(crate) const fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether a person or another server wrote the schema.
    pub(crate) const fn is_written(&self) -> bool {
        self.written
    }

    /// Everything that is wrong with a value.
    pub(crate) fn violations(&self, value: &Value) -> Vec<Violation> {
        self.violations_with(value, self.nulls)
    }

    fn violations_with(&self, value: &Value, nulls: Nulls) -> Vec<Violation> {
        #[cfg(feature = "validate")]
        if let Some(full) = &self.full {
            return full::violations(full, &self.schema, value, nulls);
        }
        violations(&self.schema, value, nulls)
    }

    /// The arguments as a Rust value.
    ///
    /// In the usual case the text is read once, into `A`. It is read a second time only to enforce keywords that no type proves
    /// (`minimum`, `maxLength`, …), or nulls that the server does not tolerate, or to explain what is wrong.
    pub(crate) fn parse<A: DeserializeOwned>(
        &self,
        text: &str,
        tolerated: Nulls,
    ) -> Result<A, Vec<Violation>> {
        let nulls = match tolerated {
            Nulls::Absent => self.nulls,
            Nulls::Strict => Nulls::Strict,
        };
        if self.enforce || nulls != self.nulls {
            let found = self.explain(text, nulls);
            if !found.is_empty() {
                return Err(found);
            }
        }
        serde_json::from_str(text).or_else(|error| {
            let value: Value = match serde_json::from_str(text) {
                Ok(value) => value,
                Err(error) => return Err(vec![Violation::new("", "JSON", plain(&error))]),
            };
            let found = self.violations_with(&value, nulls);
            if !found.is_empty() {
                return Err(found);
            }
            // JSON Schema counts 1.0 as an integer and some callers write it so; serde does not.
            let integral = integral(text);
            if let Some(text) = &integral
                && let Ok(arguments) = serde_json::from_str(text)
            {
                return Ok(arguments);
            }
            let found = deserialised::<A>(integral.as_deref().unwrap_or(text), &value);
            Err(vec![found.unwrap_or_else(|| {
                Violation::new("", "other arguments", plain(&error))
            })])
        })
    }

    fn explain(&self, text: &str, nulls: Nulls) -> Vec<Violation> {
        match serde_json::from_str::<Value>(text) {
            Ok(value) => self.violations_with(&value, nulls),
            Err(error) => vec![Violation::new("", "JSON", plain(&error))],
        }
    }
}

/// The dialects of JSON Schema that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V2020,
    V2019,
    V7,
    V6,
    V4,
}

/// The dialect that `$schema` names, 2020-12 by default. Another one is refused whoever enforces the schema (2026-07-28, basic,
/// "JSON Schema Usage").
fn dialect(schema: &Value) -> Result<Dialect, BadSchema> {
    let Some(named) = schema.get("$schema").and_then(Value::as_str) else {
        return Ok(Dialect::V2020);
    };
    let (_, place) = named
        .trim_end_matches('#')
        .split_once("://")
        .unwrap_or_default();
    match place {
        "json-schema.org/draft/2020-12/schema" => Ok(Dialect::V2020),
        "json-schema.org/draft/2019-09/schema" => Ok(Dialect::V2019),
        "json-schema.org/draft-07/schema" => Ok(Dialect::V7),
        "json-schema.org/draft-06/schema" => Ok(Dialect::V6),
        "json-schema.org/draft-04/schema" => Ok(Dialect::V4),
        _ => Err(BadSchema(format!("the dialect {named} is not supported"))),
    }
}

/// The JSON text with every integral float written as an integer, and all else as it was: a name that stands twice still does.
/// `None` if there is none.
fn integral(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    for (at, token) in tokens(text) {
        if let Some(integer) = as_integer(token) {
            out.push_str(&text[copied..at]);
            out.push_str(&integer.to_string());
            copied = at + token.len();
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// The integer that a number with a point or an exponent is. `None` for every other token.
fn as_integer(token: &str) -> Option<i64> {
    const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
    if !token.contains(['.', 'e', 'E']) {
        return None;
    }
    let float: f64 = token.parse().ok()?;
    let integral = float.fract() == 0.0 && float.abs() <= MAX_SAFE;
    integral
        .then(|| format!("{float:.0}").parse().ok())
        .flatten()
}

/// The violation that only the type itself sees, such as a date that does not exist.
fn deserialised<A: DeserializeOwned>(text: &str, value: &Value) -> Option<Violation> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let error = serde_path_to_error::deserialize::<_, A>(&mut deserializer).err()?;
    let mut path = String::new();
    let mut there = Some(value);
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => {
                path.push_str(&format!("[{index}]"));
                there = there.and_then(|value| value.get(index));
            }
            Segment::Map { key } => {
                path = join(&path, key);
                there = there.and_then(|value| value.get(key));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let message = plain(error.inner());
    let got = there.map_or_else(|| "nothing".to_owned(), kind_of);
    // Serde's own wording: "invalid type: string \"x\", expected u8". It repeats the value; ours tells its kind.
    Some(
        if let Some(name) = message.strip_prefix("duplicate field ") {
            Violation::new(&path, "each name once", format!("{name} twice"))
        } else if message.starts_with("invalid ")
            && let Some((_, expected)) = message.rsplit_once(", expected ")
        {
            Violation::new(&path, in_words(expected), got)
        } else {
            let reason: String = message.chars().take(MAX_REASON).collect();
            Violation::new(&path, format!("a value that is accepted ({reason})"), got)
        },
    )
}

/// The names of Rust's types mean nothing to a caller.
fn in_words(expected: &str) -> &str {
    match expected {
        "i8" => "an integer from -128 to 127",
        "i16" => "an integer from -32768 to 32767",
        "i32" => "an integer from -2147483648 to 2147483647",
        "i64" | "i128" | "isize" => "an integer",
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "u128" | "usize" => "an integer that is at least 0",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        other => other,
    }
}

/// The message without its position, which means nothing to somebody who sent a value.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(feature = "validate")]
mod full {
    //! The complete validator: every keyword of the dialect that `$schema` names, 2020-12 by default.

    use std::borrow::Cow;

    use jsonschema::{Draft, PatternOptions, Validator};
    use serde_json::Value;

    use super::{BadSchema, Dialect, dialect};
    use crate::check::{Nulls, Violation, kind_of};

    const MAX_VIOLATIONS: usize = 8;

    pub(super) fn compile(schema: &Value) -> Result<Validator, BadSchema> {
        // Without a retriever every reference that leaves the schema is an error here, not a request. The linear regex engine
        // keeps a hostile `pattern` from taking exponential time.
        jsonschema::options()
            .with_draft(draft(dialect(schema)?))
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
            .build(schema)
            .map_err(|error| BadSchema(error.to_string()))
    }

    const fn draft(dialect: Dialect) -> Draft {
        match dialect {
            Dialect::V2020 => Draft::Draft202012,
            Dialect::V2019 => Draft::Draft201909,
            Dialect::V7 => Draft::Draft7,
            Dialect::V6 => Draft::Draft6,
            Dialect::V4 => Draft::Draft4,
        }
    }

    fn without_nulls(mut value: Value) -> Value {
        match &mut value {
            Value::Object(members) => {
                members.retain(|_, member| !member.is_null());
                for member in members.values_mut() {
                    *member = without_nulls(member.take());
                }
            }
            Value::Array(list) => {
                for item in list {
                    *item = without_nulls(item.take());
                }
            }
            _ => {}
        }
        value
    }

    pub(super) fn violations(
        validator: &Validator,
        schema: &Value,
        value: &Value,
        nulls: Nulls,
    ) -> Vec<Violation> {
        let given = match nulls {
            Nulls::Strict => Cow::Borrowed(value),
            // As if they had been left out.
            Nulls::Absent => Cow::Owned(without_nulls(value.clone())),
        };
        if validator.is_valid(&given) {
            return Vec::new();
        }
        // Our own words where we know the keyword, the validator's where only it does.
        let own = crate::check::violations(schema, value, nulls);
        if !own.is_empty() {
            return own;
        }
        validator
            .iter_errors(&given)
            .take(MAX_VIOLATIONS)
            .map(|error| {
                let pointer = error.instance_path().as_str().to_owned();
                let got = value
                    .pointer(&pointer)
                    .map_or_else(|| "nothing".to_owned(), kind_of);
                let path = pointer.trim_start_matches('/').replace('/', ".");
                let rule = error.masked_with("the value").to_string();
                Violation::new(&path, format!("what the schema asks for ({rule})"), got)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only parsed")]
    struct Call {
        when: Even,
        list: Vec<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(try_from = "u32")]
    struct Even;

    impl TryFrom<u32> for Even {
        type Error = String;

        fn try_from(number: u32) -> Result<Self, String> {
            if number.is_multiple_of(2) {
                Ok(Self)
            } else {
                Err("only even numbers are fine".to_owned())
            }
        }
    }

    fn told(rules: &Rules, text: &str) -> String {
        let found = rules.parse::<Call>(text, Nulls::Absent).unwrap_err();
        found
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn what_only_the_type_sees_is_told_with_its_path() {
        let rules = Rules::generated(json!({"type": "object"}), false);
        assert_eq!(
            told(&rules, r#"{"when": 3, "list": []}"#),
            "`when`: expected a value that is accepted (only even numbers are fine), got the number 3"
        );
        assert_eq!(
            told(&rules, r#"{"when": 2, "list": [1, 256]}"#),
            "`list[1]`: expected an integer from 0 to 255, got the number 256"
        );
    }

    #[test]
    fn an_integer_may_be_written_with_a_fraction_of_nothing() {
        let rules = Rules::generated(json!({"type": "object"}), false);
        assert_eq!(
            rules
                .parse::<Call>(r#"{"when": 4.0, "list": [1e1, 2]}"#, Nulls::Absent)
                .unwrap()
                .list,
            [10, 2]
        );
        assert!(
            rules
                .parse::<Call>(r#"{"when": 4.5, "list": []}"#, Nulls::Absent)
                .is_err()
        );
    }

    #[test]
    fn a_name_that_comes_twice_is_refused_and_long_texts_are_not_repeated() {
        let rules = Rules::generated(json!({"type": "object"}), false);
        assert_eq!(
            told(&rules, r#"{"when": 2, "when": 4, "list": []}"#),
            "expected each name once, got `when` twice"
        );
        let long = format!(r#"{{"when": 2, "list": ["{}"]}}"#, "secret ".repeat(1000));
        assert_eq!(
            told(&rules, &long),
            "`list[0]`: expected an integer from 0 to 255, got a string"
        );
    }

    #[test]
    fn a_name_that_comes_twice_is_refused_beside_an_integral_float_as_well() {
        let rules = Rules::generated(json!({"type": "object"}), false);
        for text in [
            r#"{"when": 2, "when": 4, "list": [1.0]}"#,
            r#"{"list": [1.0], "when": 2, "when": 4}"#,
        ] {
            assert_eq!(
                told(&rules, text),
                "expected each name once, got `when` twice"
            );
        }
        assert_eq!(
            told(&rules, r#"{"when": 2.0, "list": [1.5, 2.0]}"#),
            "`list[0]`: expected an integer from 0 to 255, got the number 1.5"
        );
        let text =
            r#"{"a \"1.0": "1.0, \\", "b": [-1.0, 2.50e1, 1e400, 9007199254740993.0, 0.5, 1.0]}"#;
        assert_eq!(
            integral(text).unwrap(),
            r#"{"a \"1.0": "1.0, \\", "b": [-1, 25, 1e400, 9007199254740993.0, 0.5, 1]}"#
        );
        assert_eq!(integral(r#"{"a": [1, -2, 1.5, "1.0"]}"#), None);
    }

    #[test]
    fn dialects_and_references_that_nobody_follows_are_never_taken_silently() {
        for schema in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"properties": {"a": {"items": {"$ref": "file:///etc/passwd"}}}}),
            json!({"$schema": "https://example.com/dialect"}),
        ] {
            assert!(Rules::written(schema.clone()).is_err(), "{schema}");
        }
        for schema in [
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}),
            // Data, and a property's name.
            json!({"const": {"$ref": "https://example.com"}, "properties": {"$ref": {"type": "string"}}}),
        ] {
            let rules = Rules::written(schema).unwrap();
            assert!(rules.unenforced().is_empty());
        }
        // Only a complete validator finds what these name.
        for schema in [
            json!({"$ref": "#name", "$defs": {"a": {"$anchor": "name", "type": "object"}}}),
            json!({"$ref": "item", "$id": "https://example.com/", "$defs": {"a": {"$id": "item"}}}),
        ] {
            let rules = Rules::written(schema).unwrap();
            let told: Vec<_> = rules.unenforced().into_iter().collect();
            let expected: &[&str] = if cfg!(feature = "validate") {
                &[]
            } else {
                &["$ref"]
            };
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn schema_violations_come_first_and_all_at_once() {
        let schema = json!({"type": "object", "properties": {"when": {"type": "integer"}, "list": {"type": "array"}},
            "required": ["when", "list"], "additionalProperties": false});
        let rules = Rules::generated(schema, false);
        assert_eq!(
            told(&rules, r#"{"lst": []}"#),
            "`when`: expected an integer, got nothing; `list`: expected an array, got nothing; \
             `lst`: expected one of `when`, `list`, got an unknown argument; did you mean `list`?"
        );
    }

    #[test]
    fn a_written_schema_is_enforced_even_when_the_type_is_lenient() {
        let rules = Rules::written(json!({"type": "object", "required": ["x"]})).unwrap();
        assert!(rules.parse::<Value>("{}", Nulls::Absent).is_err());
        assert!(
            rules
                .parse::<Value>(r#"{"x": null}"#, Nulls::Absent)
                .is_ok()
        );
        assert!(Rules::written(json!(true)).is_err());
    }

    #[cfg(feature = "validate")]
    #[test]
    fn the_full_validator_knows_every_keyword_and_fetches_nothing() {
        let rules = Rules::written(json!({
            "type": "object",
            "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}, "b": {"$ref": "#/$defs/b"}},
            "$defs": {"b": {"type": "integer"}},
            "if": {"required": ["a"]}, "then": {"required": ["b"]},
        }))
        .unwrap();
        assert!(
            rules
                .parse::<Value>(r#"{"a": "aaa", "b": 1}"#, Nulls::Absent)
                .is_ok()
        );
        assert!(
            rules
                .parse::<Value>(r#"{"a": "aaa"}"#, Nulls::Absent)
                .is_err()
        );
        assert!(
            rules
                .parse::<Value>(r#"{"b": "x"}"#, Nulls::Absent)
                .is_err()
        );
        let hostile = format!(r#"{{"a": "{}!", "b": 1}}"#, "a".repeat(50_000));
        assert!(rules.parse::<Value>(&hostile, Nulls::Absent).is_err());
        for schema in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"$schema": "https://example.com/dialect"}),
            json!({"type": 7}),
        ] {
            assert!(Rules::written(schema.clone()).is_err(), "{schema}");
        }
    }
}
