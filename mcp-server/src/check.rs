//! Values against the schema keywords that this crate emits, and the words in which a violation is told.
//!
//! Owns [`Violation`] and a small interpreter for the keywords that generated schemas hold. Must never stop being bounded: the
//! work is capped by fuel, the report by a count, and no reference leaves the schema. Keywords that it does not know
//! ([`UNKNOWN`]) are not enforced here; the feature `validate` has a complete validator.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::suggest::closest;
use crate::template::decode;

/// Violations that are told at once; more help nobody.
const MAX_VIOLATIONS: usize = 8;
/// Schema nodes visited for one value. Nested alternatives multiply; hostile values would make them explode.
const FUEL: u32 = 200_000;
/// Schema nodes inside of each other. Values are at most 64 deep; a reference that leads to itself has no end.
const MAX_DEPTH: u32 = 256;
/// Keywords that can refuse a value and that only a complete validator knows.
const UNKNOWN: [&str; 11] = [
    "pattern",
    "patternProperties",
    "propertyNames",
    "contains",
    "minContains",
    "maxContains",
    "if",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Characters of a string that comes from the caller and is shown back.
const MAX_SHOWN: usize = 40;

/// One place where a value is not what its schema asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Where, as `filter.tags[2]`; empty for the value as a whole.
    pub path: String,
    /// What would be right, as a phrase: `a number`, `one of "asc", "desc"`.
    pub expected: String,
    /// What was there instead: `a string`, `nothing`. Text that the caller sent is not repeated.
    pub got: String,
    /// A known name or value that was probably meant.
    pub did_you_mean: Option<String>,
}

impl Violation {
    pub(crate) fn new(path: &str, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            expected: expected.into(),
            got: got.into(),
            did_you_mean: None,
        }
    }

    /// A name that is not among the known ones.
    pub(crate) fn unknown<'a>(
        path: &str,
        name: &str,
        what: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let shown: Vec<String> = known
            .clone()
            .take(12)
            .map(|name| format!("`{name}`"))
            .collect();
        let expected = match shown.as_slice() {
            [] => format!("no {what} at all"),
            [one] => format!("only {one}"),
            many => format!("one of {}", many.join(", ")),
        };
        Self {
            path: join(path, name),
            expected,
            got: format!("an unknown {what}"),
            did_you_mean: closest(name, known).map(str::to_owned),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        write!(f, "expected {}, got {}", self.expected, self.got)?;
        if let Some(name) = &self.did_you_mean {
            write!(f, "; did you mean `{name}`?")?;
        }
        Ok(())
    }
}

/// How strictly absent values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// A null is a value like any other.
    Strict,
    /// A null where an optional property may stand counts as left out: `Option` reads it so.
    Absent,
}

/// Everything that is wrong with `value`, up to a limit; empty if nothing is.
pub(crate) fn violations(schema: &Value, value: &Value, nulls: Nulls) -> Vec<Violation> {
    let mut check = Check {
        root: schema,
        nulls,
        fuel: FUEL,
        depth: 0,
        found: Vec::new(),
    };
    check.value(schema, value, "");
    if check.fuel == 0 && check.found.is_empty() {
        check.found.push(Violation::new(
            "",
            "a simpler value",
            "one that takes too long to check",
        ));
    }
    check.found
}

/// The keywords of a schema that [`violations`] does not enforce, each once: with them references that it cannot follow.
pub(crate) fn unenforced(schema: &Value) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    each(schema, &mut |object| {
        found.extend(UNKNOWN.iter().filter(|key| object.contains_key(**key)));
        let target = object.get("$ref").and_then(Value::as_str);
        if target.is_some_and(|target| resolve(schema, target).is_none()) {
            found.insert("$ref");
        }
    });
    found
}

/// A reference that leaves the schema. Where parts of the schema have names of their own it may be to one of them; a complete
/// validator knows the dialects themselves.
pub(crate) fn foreign(schema: &Value) -> Option<&str> {
    let (mut leaves, mut named) = (None, false);
    each(schema, &mut |object| {
        named |= object.contains_key("$id") || object.contains_key("id");
        let target = object.get("$ref").and_then(Value::as_str);
        let known =
            |target: &&str| target.starts_with('#') || target.contains("://json-schema.org/");
        leaves = leaves.or_else(|| target.filter(|target| !known(target)));
    });
    leaves.filter(|_| !named)
}

/// Shows every schema inside of a schema, itself first.
fn each<'s>(schema: &'s Value, visit: &mut impl FnMut(&'s Map<String, Value>)) {
    let Value::Object(object) = schema else {
        return;
    };
    visit(object);
    for (key, inner) in object {
        match (key.as_str(), inner) {
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                Value::Object(map),
            ) => map.values().for_each(|inner| each(inner, visit)),
            // Data, not schemas.
            ("enum" | "const" | "default" | "examples" | "required", _) => {}
            (_, Value::Array(list)) => list.iter().for_each(|inner| each(inner, visit)),
            _ => each(inner, visit),
        }
    }
}

/// `a`, `b` → `a.b`; names that are no identifiers are quoted.
pub(crate) fn join(path: &str, name: &str) -> String {
    let plain = !name.is_empty()
        && name.len() <= MAX_SHOWN
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match (path.is_empty(), plain) {
        (true, true) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (_, false) => format!("{path}[{}]", quoted(name)),
    }
}

/// A JSON string literal, cut to a readable length.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Value::String(shown).to_string()
}

/// What a value is, without repeating its text.
pub(crate) fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.is_empty() => "an empty string".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(list) if list.is_empty() => "an empty array".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// What a schema asks for, as a phrase.
pub(crate) fn wanted(schema: &Value) -> String {
    let Some(object) = schema.as_object() else {
        return "a value".to_owned();
    };
    if let Some(Value::Array(values)) = object.get("enum") {
        let shown: Vec<String> = values.iter().take(16).map(Value::to_string).collect();
        return match shown.as_slice() {
            [one] => one.clone(),
            many => format!("one of {}", many.join(", ")),
        };
    }
    match object.get("type") {
        Some(Value::String(kind)) => a(kind).to_owned(),
        Some(Value::Array(kinds)) => {
            let names: Vec<&str> = kinds.iter().filter_map(Value::as_str).map(a).collect();
            names.join(" or ")
        }
        _ => match object.get("anyOf").or_else(|| object.get("oneOf")) {
            Some(Value::Array(list)) => {
                let names: BTreeSet<String> = list.iter().map(wanted).collect();
                names.into_iter().collect::<Vec<_>>().join(" or ")
            }
            _ => "another value".to_owned(),
        },
    }
}

fn a(kind: &str) -> &str {
    match kind {
        "string" => "a string",
        "number" => "a number",
        "integer" => "an integer",
        "boolean" => "true or false",
        "array" => "an array",
        "object" => "an object",
        other => other,
    }
}

fn is_kind(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        // 2020-12: a number without a fraction is an integer however it is written. The typed parse is stricter where it must be.
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => true,
    }
}

struct Check<'s> {
    root: &'s Value,
    nulls: Nulls,
    fuel: u32,
    depth: u32,
    found: Vec<Violation>,
}

impl<'s> Check<'s> {
    fn fail(&mut self, path: &str, expected: impl Into<String>, value: &Value) {
        if self.found.len() < MAX_VIOLATIONS {
            self.found
                .push(Violation::new(path, expected, kind_of(value)));
        }
    }

    fn passes(&mut self, schema: &'s Value, value: &Value) -> bool {
        let kept = std::mem::take(&mut self.found);
        self.value(schema, value, "");
        std::mem::replace(&mut self.found, kept).is_empty()
    }

    fn value(&mut self, schema: &'s Value, value: &Value, path: &str) {
        if self.depth >= MAX_DEPTH {
            self.fuel = 0;
        }
        self.fuel = self.fuel.saturating_sub(1);
        if self.fuel == 0 || self.found.len() >= MAX_VIOLATIONS {
            return;
        }
        self.depth += 1;
        self.node(schema, value, path);
        self.depth -= 1;
    }

    fn node(&mut self, schema: &'s Value, value: &Value, path: &str) {
        let object = match schema {
            Value::Object(object) => object,
            Value::Bool(false) => return self.fail(path, "nothing", value),
            _ => return,
        };
        if let Some(target) = object.get("$ref").and_then(Value::as_str)
            && let Some(target) = resolve(self.root, target)
        {
            self.value(target, value, path);
        }
        let kind_fits = match object.get("type") {
            Some(Value::String(kind)) => is_kind(value, kind),
            Some(Value::Array(kinds)) => kinds
                .iter()
                .filter_map(Value::as_str)
                .any(|kind| is_kind(value, kind)),
            _ => true,
        };
        if !kind_fits {
            return self.fail(path, wanted(schema), value);
        }
        if let Some(constant) = object.get("const")
            && !same(constant, value)
        {
            return self.fail(path, constant.to_string(), value);
        }
        if let Some(Value::Array(values)) = object.get("enum")
            && !values.iter().any(|one| same(one, value))
        {
            self.fail(path, wanted(schema), value);
            if let (Some(text), Some(last)) = (value.as_str(), self.found.last_mut()) {
                last.did_you_mean =
                    closest(text, values.iter().filter_map(Value::as_str)).map(str::to_owned);
            }
            return;
        }
        match value {
            Value::Number(_) => self.number(object, value, path),
            Value::String(text) => self.string(object, text, value, path),
            Value::Array(list) => self.array(object, list, value, path),
            Value::Object(members) => self.members(object, members, path),
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(object, value, path);
    }

    fn number(&mut self, object: &'s Map<String, Value>, value: &Value, path: &str) {
        let Some(number) = value.as_f64() else {
            return;
        };
        for (key, breaks, words) in [
            (
                "minimum",
                (|n, limit| n < limit) as fn(f64, f64) -> bool,
                "a number that is at least",
            ),
            ("maximum", |n, limit| n > limit, "a number that is at most"),
            ("exclusiveMinimum", |n, limit| n <= limit, "a number above"),
            ("exclusiveMaximum", |n, limit| n >= limit, "a number below"),
            (
                "multipleOf",
                |n, of| of > 0.0 && (n / of).fract().abs() > 1e-9,
                "a multiple of",
            ),
        ] {
            if let Some(limit) = object.get(key)
                && limit.as_f64().is_some_and(|limit| breaks(number, limit))
            {
                self.fail(path, format!("{words} {limit}"), value);
            }
        }
    }

    fn string(&mut self, object: &'s Map<String, Value>, text: &str, value: &Value, path: &str) {
        if !object.contains_key("minLength") && !object.contains_key("maxLength") {
            return;
        }
        let length = text.chars().count() as u64;
        if let Some(least) = limit(object, "minLength")
            && length < least
        {
            self.fail(
                path,
                format!("a string of at least {}", count(least, "character")),
                value,
            );
        }
        if let Some(most) = limit(object, "maxLength")
            && length > most
        {
            self.fail(
                path,
                format!("a string of at most {}", count(most, "character")),
                value,
            );
        }
    }

    fn array(&mut self, object: &'s Map<String, Value>, list: &[Value], value: &Value, path: &str) {
        let length = list.len() as u64;
        if let Some(least) = limit(object, "minItems")
            && length < least
        {
            self.fail(
                path,
                format!("an array of at least {}", count(least, "item")),
                value,
            );
        }
        if let Some(most) = limit(object, "maxItems")
            && length > most
        {
            self.fail(
                path,
                format!("an array of at most {}", count(most, "item")),
                value,
            );
        }
        if object.get("uniqueItems") == Some(&Value::Bool(true)) {
            let distinct: BTreeSet<String> = list.iter().map(Value::to_string).collect();
            if distinct.len() < list.len() {
                self.fail(path, "an array without repeated items", value);
            }
        }
        let prefix = object
            .get("prefixItems")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for (index, item) in list.iter().enumerate() {
            if let Some(schema) = prefix.get(index).or_else(|| object.get("items")) {
                self.value(schema, item, &format!("{path}[{index}]"));
            }
        }
    }

    fn members(
        &mut self,
        object: &'s Map<String, Value>,
        members: &Map<String, Value>,
        path: &str,
    ) {
        let properties = object.get("properties").and_then(Value::as_object);
        let required = object
            .get("required")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for name in required.iter().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                let expected = properties
                    .and_then(|properties| properties.get(name))
                    .map_or_else(|| "a value".to_owned(), wanted);
                self.found
                    .push(Violation::new(&join(path, name), expected, "nothing"));
            }
        }
        for (name, value) in members {
            if let Some(schema) = properties.and_then(|properties| properties.get(name)) {
                let optional = !required.iter().any(|required| required == name);
                if self.nulls == Nulls::Absent && optional && value.is_null() {
                    continue;
                }
                self.value(schema, value, &join(path, name));
                continue;
            }
            // A name that no property has may have the form of some, which is not known here.
            let more = object.get("additionalProperties");
            match more.filter(|_| !object.contains_key("patternProperties")) {
                Some(Value::Bool(false)) if self.found.len() >= MAX_VIOLATIONS => return,
                Some(Value::Bool(false)) => {
                    let known = properties
                        .into_iter()
                        .flat_map(Map::keys)
                        .map(String::as_str);
                    let what = if path.is_empty() {
                        "argument"
                    } else {
                        "property"
                    };
                    self.found.push(Violation::unknown(path, name, what, known));
                }
                Some(schema) => self.value(schema, value, &join(path, name)),
                None => {}
            }
        }
        let length = members.len() as u64;
        let whole =
            |words: &str, limit| format!("an object with at {words} {}", count(limit, "member"));
        if let Some(least) = limit(object, "minProperties")
            && length < least
        {
            self.found.push(Violation::new(
                path,
                whole("least", least),
                length.to_string(),
            ));
        }
        if let Some(most) = limit(object, "maxProperties")
            && length > most
        {
            self.found.push(Violation::new(
                path,
                whole("most", most),
                length.to_string(),
            ));
        }
    }

    fn combined(&mut self, object: &'s Map<String, Value>, value: &Value, path: &str) {
        if let Some(Value::Array(all)) = object.get("allOf") {
            for schema in all {
                self.value(schema, value, path);
            }
        }
        if let Some(Value::Array(any)) = object.get("anyOf")
            && !any.iter().any(|schema| self.passes(schema, value))
        {
            self.alternatives(any, value, path);
        }
        if let Some(Value::Array(one)) = object.get("oneOf") {
            match one
                .iter()
                .filter(|schema| self.passes(schema, value))
                .count()
            {
                0 => self.alternatives(one, value, path),
                1 => {}
                _ => self.fail(path, "exactly one of the alternatives", value),
            }
        }
        if let Some(not) = object.get("not")
            && self.passes(not, value)
        {
            self.fail(path, "something else", value);
        }
    }

    /// No alternative fits. If the value names one (a tag), say what is wrong with that one.
    fn alternatives(&mut self, list: &'s [Value], value: &Value, path: &str) {
        if let Some(members) = value.as_object() {
            let mut tags: Vec<(&str, &Value)> = Vec::new();
            for schema in list {
                let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                    continue;
                };
                for (name, property) in properties {
                    let Some([only]) = property
                        .get("enum")
                        .and_then(Value::as_array)
                        .map(Vec::as_slice)
                    else {
                        continue;
                    };
                    if members.get(name) == Some(only) {
                        return self.value(schema, value, path);
                    }
                    tags.push((name, only));
                }
            }
            if let Some((name, _)) = tags.first()
                && tags.len() == list.len()
                && tags.iter().all(|(other, _)| other == name)
            {
                let shown: Vec<String> = tags
                    .iter()
                    .take(16)
                    .map(|(_, tag)| tag.to_string())
                    .collect();
                let mut violation = Violation::new(
                    &join(path, name),
                    format!("one of {}", shown.join(", ")),
                    members
                        .get(*name)
                        .map_or_else(|| "nothing".to_owned(), kind_of),
                );
                if let Some(text) = members.get(*name).and_then(Value::as_str) {
                    let known = tags.iter().filter_map(|(_, tag)| tag.as_str());
                    violation.did_you_mean = closest(text, known).map(str::to_owned);
                }
                return self.found.push(violation);
            }
        }
        let names: BTreeSet<String> = list.iter().map(wanted).collect();
        let expected = names.into_iter().collect::<Vec<_>>().join(" or ");
        self.fail(path, expected, value);
    }
}

fn limit(object: &Map<String, Value>, key: &str) -> Option<u64> {
    object.get(key).and_then(Value::as_u64)
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Equality of JSON Schema: 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        _ => a == b,
    }
}

/// Local references only: `#`, `#/a/b`.
fn resolve<'s>(root: &'s Value, target: &str) -> Option<&'s Value> {
    root.pointer(&pointer(target)?)
}

/// The JSON pointer that a local reference is, decoded (RFC 6901 section 6): the same place can be written in many ways.
/// `None` for references of other kinds. What is no percent-encoding stays as it is.
pub(crate) fn pointer(target: &str) -> Option<Cow<'_, str>> {
    let written = target.strip_prefix('#')?;
    let pointer = if written.contains('%') {
        decode(written).map_or(Cow::Borrowed(written), Cow::Owned)
    } else {
        Cow::Borrowed(written)
    };
    (pointer.is_empty() || pointer.starts_with('/')).then_some(pointer)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
