//! `x-mcp-header`: tool parameters that clients repeat as `Mcp-Param-*` headers.
//!
//! Owns the compilation of a tool's `inputSchema` into a list of header and path, with every rule of
//! the specification, and the comparison of headers with a call's arguments. Must never follow `$ref`:
//! an annotation counts only on a property that a chain of `properties` keys reaches from the root.
//! Source: 2026-07-28 basic/transports/streamable-http, "Custom Headers from Tool Parameters".

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ::http::{HeaderMap, HeaderName};

use super::decimal::Decimal;
use super::sentinel;
use crate::json::text;

/// The prefix that headers of parameters share.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// Schemas with annotations that are nested deeper than this are refused rather than walked.
const MAX_DEPTH: usize = 100;

/// What a mirrored parameter is declared to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// `"type": "string"`.
    String,
    /// `"type": "integer"`.
    Integer,
    /// `"type": "boolean"`.
    Boolean,
}

/// One mirrored parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamHeader {
    /// `mcp-param-…` in lower case.
    pub header: HeaderName,
    /// The keys from the arguments object to the value.
    pub path: Vec<Box<str>>,
    /// The declared type.
    pub kind: ParamKind,
}

/// The mirrored parameters of one tool, compiled from its schema. Empty for most tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders {
    list: Vec<ParamHeader>,
}

/// Why a schema's annotations, and with them the tool, are invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidAnnotation {
    /// The value is not a string, is empty, or is no header token.
    Name(String),
    /// Two parameters ask for the same header; case does not distinguish.
    Repeated(String),
    /// Only `integer`, `string` and `boolean` parameters can be mirrored.
    Type(String),
    /// Not reachable from the root through `properties` alone.
    Unreachable(String),
    /// Nested too deeply to be walked.
    Depth,
}

impl core::fmt::Display for InvalidAnnotation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "x-mcp-header {name} is not a header name (RFC 9110 token)"
            ),
            Self::Repeated(name) => write!(f, "x-mcp-header `{name}` is used twice"),
            Self::Type(name) => write!(
                f,
                "x-mcp-header `{name}` is on a parameter that is neither integer, string nor boolean"
            ),
            Self::Unreachable(name) => write!(
                f,
                "x-mcp-header {name} is not on a property that `properties` keys alone reach from the root"
            ),
            Self::Depth => f.write_str("the schema is nested too deeply"),
        }
    }
}

impl core::error::Error for InvalidAnnotation {}

/// Why the headers of a call do not repeat its arguments; the message for -32020.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamMismatch {
    /// The header, in lower case.
    pub header: HeaderName,
    problem: &'static str,
}

impl core::fmt::Display for ParamMismatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Header mismatch: {} {}", self.header, self.problem)
    }
}

impl core::error::Error for ParamMismatch {}

impl ParamHeaders {
    /// Compiles the annotations of an `inputSchema` (valid JSON text).
    ///
    /// ```
    /// use mcp_proto::http::param::ParamHeaders;
    /// let schema = r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}"#;
    /// assert_eq!(ParamHeaders::compile(schema).unwrap().iter().next().unwrap().header, "mcp-param-region");
    /// ```
    ///
    /// # Errors
    /// The first rule that an annotation breaks: a client has to leave such a tool out.
    pub fn compile(schema: &str) -> Result<Self, InvalidAnnotation> {
        let mut headers = Self::default();
        // Most schemas have none: one search instead of a walk. Escapes could hide the key.
        if schema.contains("x-mcp-header") || schema.contains('\\') {
            if depth(schema) > MAX_DEPTH {
                return Err(InvalidAnnotation::Depth);
            }
            headers.walk(schema, &mut Vec::new(), true, true)?;
        }
        Ok(headers)
    }

    /// The parameters, in the order of the schema.
    pub fn iter(&self) -> impl Iterator<Item = &ParamHeader> {
        self.list.iter()
    }

    /// Whether nothing is mirrored.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Walks a schema. `reachable`: only `properties` keys lead here. `root`: the arguments object itself.
    fn walk(
        &mut self,
        schema: &str,
        path: &mut Vec<Box<str>>,
        reachable: bool,
        root: bool,
    ) -> Result<(), InvalidAnnotation> {
        if schema.starts_with('[') {
            for item in text::elements(schema) {
                path.push("".into());
                self.walk(item, path, false, false)?;
                path.pop();
            }
            return Ok(());
        }
        for (key, value) in members(schema) {
            let key = text::decode_str(key).unwrap_or_default();
            match &*key {
                "x-mcp-header" if !reachable || root => {
                    return Err(InvalidAnnotation::Unreachable(value.into()));
                }
                "x-mcp-header" => self.annotate(value, schema, path)?,
                // Data, not schemas.
                "const" | "enum" | "default" | "examples" | "example" => {}
                // Maps from names to schemas: their keys are no keywords.
                "properties" | "patternProperties" | "$defs" | "definitions"
                | "dependentSchemas" => {
                    for (name, property) in members(value) {
                        path.push(text::decode_str(name).unwrap_or_default().into());
                        self.walk(property, path, reachable && key == "properties", false)?;
                        path.pop();
                    }
                }
                _ if value.starts_with(['{', '[']) => {
                    path.push("".into());
                    self.walk(value, path, false, false)?;
                    path.pop();
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn annotate(
        &mut self,
        value: &str,
        schema: &str,
        path: &[Box<str>],
    ) -> Result<(), InvalidAnnotation> {
        let name = text::decode_str(value).ok_or_else(|| InvalidAnnotation::Name(value.into()))?;
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(InvalidAnnotation::Name(value.into()));
        }
        let header = HeaderName::try_from(format!("{PARAM_PREFIX}{name}"))
            .map_err(|_| InvalidAnnotation::Name(value.into()))?;
        let kind =
            kind_of(schema).ok_or_else(|| InvalidAnnotation::Type(name.clone().into_owned()))?;
        if self.list.iter().any(|known| known.header == header) {
            return Err(InvalidAnnotation::Repeated(name.into_owned()));
        }
        self.list.push(ParamHeader {
            header,
            path: path.to_vec(),
            kind,
        });
        Ok(())
    }

    /// Compares the headers of a call with its `arguments` (valid JSON text, `None` when absent).
    ///
    /// Strings compare by their decoded text, numbers by their value (`42.0` equals `42`), booleans
    /// as `true` and `false`. A value without its header, a header without a value, a repeated header,
    /// an integer beyond ±(2^53 - 1) and a key that the arguments hold twice are mismatches. Headers
    /// that no annotation names are nobody's business. A value of another type than declared passes
    /// when no header could carry it: the schema check names it better.
    ///
    /// # Errors
    /// The first parameter that does not match.
    pub fn check(&self, headers: &HeaderMap, arguments: Option<&str>) -> Result<(), ParamMismatch> {
        for param in &self.list {
            param
                .check(headers, arguments)
                .map_err(|problem| ParamMismatch {
                    header: param.header.clone(),
                    problem,
                })?;
        }
        Ok(())
    }
}

impl ParamHeader {
    fn check(&self, headers: &HeaderMap, arguments: Option<&str>) -> Result<(), &'static str> {
        let body = self.find(arguments)?;
        let mut values = headers.get_all(&self.header).iter();
        let header = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(value), None) => Some(
                sentinel::decode(value.as_bytes())
                    .map_err(|_| "has invalid characters or invalid Base64")?,
            ),
            (Some(_), Some(_)) => return Err("is repeated"),
        };
        match (header, body) {
            (None, None) => Ok(()),
            (None, Some(body)) if body.starts_with(['{', '[']) => Ok(()),
            (None, Some(_)) => Err("is missing, but the body has a value for it"),
            (Some(_), None) => Err("is given, but the body has no value for it"),
            (Some(header), Some(body)) if matches(self.kind, &header, body)? => Ok(()),
            _ => Err("does not match the value in the body"),
        }
    }

    /// The raw value at the path; null counts as absent.
    fn find<'a>(&self, arguments: Option<&'a str>) -> Result<Option<&'a str>, &'static str> {
        let mut value = arguments;
        for key in &self.path {
            let Some(object) = value.filter(|v| v.starts_with('{')) else {
                return Ok(None);
            };
            let mut found = text::members(object).filter(|(name, _)| text::eq_decoded(name, key));
            value = found.next().map(|(_, value)| value);
            if found.next().is_some() {
                return Err("mirrors a key that the body holds twice");
            }
        }
        Ok(value.filter(|value| *value != "null"))
    }
}

fn matches(kind: ParamKind, header: &str, body: &str) -> Result<bool, &'static str> {
    Ok(match body.as_bytes().first() {
        Some(b'"') => text::eq_decoded(body, header),
        Some(b't' | b'f') => header == body,
        Some(b'{' | b'[') | None => false,
        Some(_) => {
            let (Some(given), Some(body)) = (Decimal::parse(header), Decimal::parse(body)) else {
                return Ok(false);
            };
            if kind == ParamKind::Integer && body.is_integer() && body.to_safe_integer().is_none() {
                return Err("mirrors an integer beyond ±(2^53 - 1)");
            }
            given == body
        }
    })
}

/// `type`: one primitive, or one primitive and `null`.
fn kind_of(schema: &str) -> Option<ParamKind> {
    let declared = text::get(schema, "type")?;
    let one = |token: &str| match &*text::decode_str(token)? {
        "string" => Some(ParamKind::String),
        "integer" => Some(ParamKind::Integer),
        "boolean" => Some(ParamKind::Boolean),
        _ => None,
    };
    if !declared.starts_with('[') {
        return one(declared);
    }
    let mut kinds = text::elements(declared).filter(|token| !text::eq_decoded(token, "null"));
    let kind = one(kinds.next()?)?;
    kinds.next().is_none().then_some(kind)
}

/// How deeply the brackets of valid JSON nest.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn members(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value
        .starts_with('{')
        .then(|| text::members(value))
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    fn schema(properties: &str) -> String {
        format!(r#"{{"type":"object","properties":{properties}}}"#)
    }

    #[test]
    fn annotations_compile_to_headers_and_paths() {
        let compiled = ParamHeaders::compile(&schema(
            r#"{"region":{"type":"string","x-mcp-header":"Region"},
                "n":{"type":["integer","null"],"x-mcp-header":"Count"},
                "nest":{"type":"object","properties":{"deep":{"type":"boolean","x-mcp-header":"Deep"}}},
                "x-mcp-header":{"type":"string","default":{"x-mcp-header":"data"}},
                "plain":{"type":"number"}}"#,
        ))
        .unwrap();
        let seen: Vec<_> = compiled
            .iter()
            .map(|p| (p.header.as_str(), p.path.join("/"), p.kind))
            .collect();
        assert_eq!(
            seen,
            [
                ("mcp-param-region", "region".to_owned(), ParamKind::String),
                ("mcp-param-count", "n".to_owned(), ParamKind::Integer),
                ("mcp-param-deep", "nest/deep".to_owned(), ParamKind::Boolean),
            ]
        );
        assert!(ParamHeaders::compile("{}").unwrap().is_empty());
        assert!(ParamHeaders::compile("true").unwrap().is_empty());
    }

    #[test]
    fn every_rule_is_checked() {
        use InvalidAnnotation as I;
        let on = |annotation: &str| {
            format!(r#"{{"a":{{"type":"string","x-mcp-header":{annotation}}}}}"#)
        };
        for (properties, expected) in [
            (on(r#""""#), I::Name("\"\"".into())),
            (on(r#""a b""#), I::Name("\"a b\"".into())),
            (on(r#""a:b""#), I::Name("\"a:b\"".into())),
            (on(r#""a\r\nb""#), I::Name("\"a\\r\\nb\"".into())),
            (on(r#""é""#), I::Name("\"é\"".into())),
            (on("1"), I::Name("1".into())),
            (r#"{"a":{"type":"number","x-mcp-header":"A"}}"#.into(), I::Type("A".into())),
            (r#"{"a":{"type":"object","x-mcp-header":"A"}}"#.into(), I::Type("A".into())),
            (r#"{"a":{"type":["string","integer"],"x-mcp-header":"A"}}"#.into(), I::Type("A".into())),
            (r#"{"a":{"x-mcp-header":"A"}}"#.into(), I::Type("A".into())),
            (
                r#"{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}"#.into(),
                I::Repeated("a".into()),
            ),
            (
                r#"{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}"#.into(),
                I::Unreachable("\"A\"".into()),
            ),
            (
                r#"{"a":{"anyOf":[{"type":"string","x-mcp-header":"A"}]}}"#.into(),
                I::Unreachable("\"A\"".into()),
            ),
            (
                r#"{"a":{"allOf":[{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}]}}"#.into(),
                I::Unreachable("\"A\"".into()),
            ),
            (
                r#"{"a":{"type":"string","x-mcp\u002dheader":""}}"#.into(),
                I::Name("\"\"".into()),
            ),
        ] {
            assert_eq!(ParamHeaders::compile(&schema(&properties)), Err(expected), "{properties}");
        }
        for whole in [
            r#"{"x-mcp-header":"A","type":"string"}"#,
            r#"{"$defs":{"d":{"type":"string","x-mcp-header":"A"}}}"#,
            r#"{"if":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}"#,
        ] {
            assert!(
                matches!(ParamHeaders::compile(whole), Err(I::Unreachable(_))),
                "{whole}"
            );
        }
        let bomb = format!(
            "{}{{\"x-mcp-header\":1}}{}",
            "{\"not\":".repeat(500),
            "}".repeat(500)
        );
        assert_eq!(ParamHeaders::compile(&bomb), Err(I::Depth));
    }

    #[test]
    fn headers_must_repeat_the_arguments() {
        let params = ParamHeaders::compile(&schema(
            r#"{"s":{"type":"string","x-mcp-header":"S"},"i":{"type":"integer","x-mcp-header":"I"},
                "b":{"type":"boolean","x-mcp-header":"B"},
                "o":{"type":"object","properties":{"k":{"type":"string","x-mcp-header":"K"}}}}"#,
        ))
        .unwrap();
        for (headers, arguments, expected) in [
            (&[][..], Some("{}"), true),
            (&[], None, true),
            (&[("s", "us-west1")], Some(r#"{"s":"us-west1"}"#), true),
            (&[("S", "us-west1")], Some(r#"{"s":"us\u002dwest1"}"#), true),
            (
                &[("s", "=?base64?5LiW55WM?=")],
                Some(r#"{"s":"世界"}"#),
                true,
            ),
            (
                &[("s", "=?base64?SGVsbG8=")],
                Some(r#"{"s":"=?base64?SGVsbG8="}"#),
                true,
            ),
            (&[("s", "US-WEST1")], Some(r#"{"s":"us-west1"}"#), false),
            (
                &[("s", "=?base64?SGVsbG8?=")],
                Some(r#"{"s":"Hello"}"#),
                false,
            ),
            (&[("s", "\"a\"")], Some(r#"{"s":"a"}"#), false),
            (&[("s", "")], Some(r#"{"s":""}"#), true),
            (&[], Some(r#"{"s":"a"}"#), false),
            (&[("s", "a")], Some("{}"), false),
            (&[("s", "null")], Some(r#"{"s":null}"#), false),
            (&[], Some(r#"{"s":null}"#), true),
            (&[("s", "a"), ("s", "a")], Some(r#"{"s":"a"}"#), false),
            (&[("s", "a")], Some(r#"{"s":"a","s":"a"}"#), false),
            (&[("s", "a")], Some(r#"{"s":"a","\u0073":"b"}"#), false),
            (&[("i", "42")], Some(r#"{"i":42}"#), true),
            (&[("i", "42.0")], Some(r#"{"i":42}"#), true),
            (&[("i", "42")], Some(r#"{"i":4.2e1}"#), true),
            (&[("i", "-0")], Some(r#"{"i":0}"#), true),
            (&[("i", "-7")], Some(r#"{"i":-7}"#), true),
            (&[("i", "042")], Some(r#"{"i":42}"#), false),
            (&[("i", "+42")], Some(r#"{"i":42}"#), false),
            (&[("i", "0x2A")], Some(r#"{"i":42}"#), false),
            (&[("i", "43")], Some(r#"{"i":42}"#), false),
            (
                &[("i", "9007199254740991")],
                Some(r#"{"i":9007199254740991}"#),
                true,
            ),
            (
                &[("i", "9007199254740992")],
                Some(r#"{"i":9007199254740992}"#),
                false,
            ),
            (
                &[("i", "-9007199254740993")],
                Some(r#"{"i":-9007199254740993}"#),
                false,
            ),
            (&[("i", "1e400")], Some(r#"{"i":1e400}"#), false),
            (&[("i", "1e999999999")], Some(r#"{"i":1e999999999}"#), false),
            (&[("i", "42")], Some(r#"{"i":"42"}"#), true),
            (&[("b", "true")], Some(r#"{"b":true}"#), true),
            (&[("b", "True")], Some(r#"{"b":true}"#), false),
            (&[("b", "false")], Some(r#"{"b":true}"#), false),
            (&[("k", "v")], Some(r#"{"o":{"k":"v"}}"#), true),
            (&[("k", "v")], Some(r#"{"k":"v"}"#), false),
            (&[], Some(r#"{"o":"x"}"#), true),
            (&[], Some(r#"{"s":{"not":"a string"}}"#), true),
            (&[("s", "x")], Some(r#"{"s":{"not":"a string"}}"#), false),
            (&[("unknown", "x")], Some("{}"), true),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                let name = HeaderName::try_from(format!("Mcp-Param-{name}")).unwrap();
                map.append(name, value.parse().unwrap());
            }
            assert_eq!(
                params.check(&map, arguments).is_ok(),
                expected,
                "{headers:?} {arguments:?}"
            );
        }
    }
}
