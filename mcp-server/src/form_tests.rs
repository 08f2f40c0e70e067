//! Forms: what a Rust struct becomes, what is refused by name, and which answers pass.

use std::collections::HashMap;

use mcp_types::{ElicitAction, Revision, to_json};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

fn shown<T: JsonSchema>() -> Value {
    let form = derive::<T>().expect("a form");
    to_json(&form, Revision::LATEST).decode().expect("JSON")
}

fn given(schema: &Value) -> RequestedSchema {
    serde_json::from_value(schema.clone()).expect("a form")
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the schema matters")]
enum Plain {
    Red,
    Green,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "only the schema matters")]
enum Titled {
    /// Small and cheap
    Small,
    /// Large and dear
    Large,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[allow(dead_code, reason = "only the schema matters")]
struct Defaults {
    nick: String,
    count: u8,
    ratio: f64,
    yes: bool,
    maybe: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the schema matters")]
struct Everything {
    /// Your name
    #[schemars(length(min = 2, max = 20), title = "Name")]
    name: String,
    #[schemars(email)]
    email: String,
    #[schemars(extend("format" = "date"))]
    born: Option<String>,
    #[schemars(range(min = 18, max = 120))]
    age: Option<u32>,
    height: f32,
    subscribed: bool,
    color: Plain,
    size: Option<Titled>,
    colors: Vec<Plain>,
    #[schemars(length(min = 1, max = 2))]
    sizes: Option<Vec<Titled>>,
}

#[test]
fn a_struct_becomes_a_flat_form() {
    let titled = json!([
        {"const": "small", "title": "Small and cheap"}, {"const": "large", "title": "Large and dear"}
    ]);
    assert_eq!(
        shown::<Everything>(),
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "title": "Name", "description": "Your name", "minLength": 2, "maxLength": 20},
                "email": {"type": "string", "format": "email"},
                "height": {"type": "number"},
                "subscribed": {"type": "boolean"},
                "color": {"type": "string", "enum": ["Red", "Green"]},
                "colors": {"type": "array", "items": {"type": "string", "enum": ["Red", "Green"]}},
                "age": {"type": "integer", "minimum": 18, "maximum": 120},
                "born": {"type": "string", "format": "date"},
                "size": {"type": "string", "oneOf": titled},
                "sizes": {"type": "array", "items": {"anyOf": titled}, "minItems": 1, "maxItems": 2},
            },
            "required": ["name", "email", "height", "subscribed", "color", "colors"],
        })
    );
    let form = derive::<Everything>().expect("a form");
    let order: Vec<&str> = form.properties.keys().collect();
    let declared = [
        "name",
        "email",
        "born",
        "age",
        "height",
        "subscribed",
        "color",
        "size",
        "colors",
        "sizes",
    ];
    assert_eq!(order, declared);
}

#[test]
fn serde_defaults_are_filled_in_at_first() {
    let shown = shown::<Defaults>();
    assert_eq!(
        shown["properties"]["nick"],
        json!({"type": "string", "default": ""})
    );
    assert_eq!(
        shown["properties"]["yes"],
        json!({"type": "boolean", "default": false})
    );
    assert_eq!(shown["properties"]["count"]["default"], json!(0));
    assert_eq!(shown["properties"]["maybe"], json!({"type": "string"}));
    assert_eq!(shown.get("required"), None);
}

#[test]
fn what_no_form_can_have_is_named() {
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only the schema matters")]
    struct Of<T> {
        fine: bool,
        wrong: T,
    }
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only the schema matters")]
    enum Data {
        A { x: u8 },
        B,
    }
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only the schema matters")]
    struct Node {
        next: Option<Box<Self>>,
    }
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only the schema matters")]
    struct Pattern {
        #[schemars(regex(pattern = "^a+$"))]
        wrong: String,
    }
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only the schema matters")]
    struct Format {
        #[schemars(extend("format" = "hostname"))]
        wrong: String,
    }
    let problems = [
        (derive::<Of<Defaults>>(), "a nested object"),
        (derive::<Of<HashMap<String, u8>>>(), "a nested object"),
        (
            derive::<Of<Vec<String>>>(),
            "a list that is not one of choices",
        ),
        (
            derive::<Of<Vec<Defaults>>>(),
            "a list that is not one of choices",
        ),
        (derive::<Of<Value>>(), "any value at all"),
        (derive::<Of<Data>>(), "an enum with data"),
        (derive::<Of<(u8, u8)>>(), "a list of anything"),
        (derive::<Pattern>(), "`pattern` is not possible"),
        (derive::<Format>(), "the format `hostname` is not possible"),
    ];
    for (problem, expected) in problems {
        let problem = problem.expect_err(expected);
        assert!(
            problem.starts_with("field `wrong` of the form: ") && problem.contains(expected),
            "{problem}"
        );
    }
    assert!(
        derive::<Node>()
            .expect_err("recursive")
            .contains("field `next`")
    );
    for root in [
        derive::<String>(),
        derive::<Plain>(),
        derive::<Data>(),
        derive::<Vec<Defaults>>(),
    ] {
        assert!(root.expect_err("no struct").contains("must be a"));
    }
}

#[test]
fn a_form_as_given_is_checked_too() {
    let form = |properties: Value, required: Value| {
        check_form(&given(
            &json!({"type": "object", "properties": properties, "required": required}),
        ))
    };
    assert_eq!(
        form(
            json!({"a": {"type": "string", "enum": ["x"], "enumNames": ["X"]}}),
            json!(["a"])
        ),
        Ok(())
    );
    for (properties, required, expected) in [
        (json!({"a": {"type": "object"}}), json!([]), "field `a`"),
        (
            json!({"a": {"type": "string", "pattern": "x"}}),
            json!([]),
            "`pattern`",
        ),
        (
            json!({"a": {"type": "string", "enum": []}}),
            json!([]),
            "nothing to choose",
        ),
        (
            json!({"a": {"type": "string"}}),
            json!(["b"]),
            "`b` is required",
        ),
    ] {
        let problem = form(properties, required).expect_err(expected);
        assert!(problem.contains(expected), "{problem}");
    }
}

fn fields() -> RequestedSchema {
    given(&json!({"type": "object", "properties": {
        "text": {"type": "string", "minLength": 2, "maxLength": 3},
        "email": {"type": "string", "format": "email"},
        "uri": {"type": "string", "format": "uri"},
        "date": {"type": "string", "format": "date"},
        "time": {"type": "string", "format": "date-time"},
        "number": {"type": "number", "minimum": 0, "maximum": 1},
        "integer": {"type": "integer"},
        "yes": {"type": "boolean"},
        "one": {"type": "string", "enum": ["a", "b"]},
        "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
        "legacy": {"type": "string", "enum": ["a"], "enumNames": ["A"]},
        "some": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "maxItems": 2},
        "titles": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}},
    }}))
}

fn read_one(name: &str, value: &Value) -> Result<Object, String> {
    let raw = json!({"action": "accept", "content": {name: value}}).to_string();
    read(&fields(), &raw).map(|(_, content)| content)
}

#[test]
fn good_values_pass() {
    for (name, value) in [
        ("text", json!("äöü")),
        ("email", json!("a@b")),
        ("uri", json!("https://example.com/a?b#c")),
        ("uri", json!("urn:x:1")),
        ("date", json!("2024-02-29")),
        ("time", json!("2026-07-28T12:00:00Z")),
        ("time", json!("2026-07-28t23:59:60.25+02:00")),
        ("number", json!(0.5)),
        ("number", json!(1)),
        ("integer", json!(-7)),
        ("integer", json!(u64::MAX)),
        ("yes", json!(false)),
        ("one", json!("b")),
        ("titled", json!("a")),
        ("legacy", json!("a")),
        ("some", json!(["b", "a"])),
        ("titles", json!([])),
    ] {
        let content =
            read_one(name, &value).unwrap_or_else(|problem| panic!("{name} {value}: {problem}"));
        assert_eq!(
            content
                .get(name)
                .map(|json| json.decode::<Value>().expect("JSON")),
            Some(value)
        );
    }
    assert!(
        read_one("integer", &json!(3.0))
            .expect("an integer")
            .get("integer")
            .is_some_and(|i| i.as_str() == "3")
    );
    assert!(read_one("text", &json!(null)).expect("left out").is_empty());
    assert!(
        read_one("unknown", &json!({"deep": []}))
            .expect("ignored")
            .is_empty()
    );
}

#[test]
fn bad_values_are_told_where_and_why() {
    for (name, value, expected) in [
        ("text", json!("a"), "at least 2 characters, got 1"),
        ("text", json!("abcd"), "at most 3 characters"),
        ("text", json!(5), "expected a text, got a number"),
        ("email", json!("nobody"), "an e-mail address"),
        ("email", json!("a b@c"), "an e-mail address"),
        ("uri", json!("/relative"), "a URI"),
        ("uri", json!("http://a b"), "a URI"),
        ("date", json!("2025-02-29"), "a date"),
        ("date", json!("2025-2-9"), "a date"),
        ("date", json!("+025-02-09"), "a date"),
        ("time", json!("2026-07-28"), "a date and time"),
        ("time", json!("2026-07-28T24:00:00Z"), "a date and time"),
        ("time", json!("2026-07-28T12:00:00"), "a date and time"),
        ("time", json!("2026-07-28T12:00:00+2"), "a date and time"),
        ("number", json!(1.5), "at most 1"),
        ("number", json!(-1), "at least 0"),
        ("number", json!("1"), "expected a number, got a text"),
        ("integer", json!(1.5), "expected an integer, got a fraction"),
        ("integer", json!(1e300), "expected an integer"),
        ("yes", json!("true"), "expected true or false, got a text"),
        ("one", json!("c"), "one of `a`, `b`"),
        ("titled", json!("A"), "one of `a`"),
        ("legacy", json!("A"), "one of `a`"),
        ("some", json!([]), "at least 1 choices"),
        ("some", json!(["a", "b", "a"]), "at most 2 choices"),
        ("some", json!(["c"]), "one of"),
        ("some", json!("a"), "a list of choices"),
        ("titles", json!([1]), "a list of texts"),
    ] {
        let problem = read_one(name, &value).expect_err(expected);
        assert!(
            problem.starts_with(&format!("content.{name}: ")) && problem.contains(expected),
            "{problem}"
        );
    }
}

#[test]
fn only_an_accepted_form_has_content() {
    let form = given(
        &json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
    );
    for (action, expected) in [
        ("decline", ElicitAction::Decline),
        ("cancel", ElicitAction::Cancel),
    ] {
        let raw = json!({"action": action, "content": {"a": 5}}).to_string();
        let (action, content) = read(&form, &raw).expect("valid");
        assert!(action == expected && content.is_empty());
    }
    for missing in [
        "{\"action\":\"accept\"}",
        "{\"action\":\"accept\",\"content\":{\"a\":null}}",
    ] {
        assert_eq!(
            read(&form, missing).expect_err("required"),
            "content.a: expected a value, got none"
        );
    }
    for bad in [
        "",
        "null",
        "[]",
        "{}",
        "{\"action\":1}",
        "{\"action\":\"accept\",\"content\":[]}",
    ] {
        assert!(read(&form, bad).is_err(), "{bad}");
    }
}
