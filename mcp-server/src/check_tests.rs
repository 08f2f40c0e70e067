//! How violations are found and told.

use super::*;
use serde_json::json;

fn told(schema: &Value, value: &Value) -> Vec<String> {
    violations(schema, value, Nulls::Absent)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_violation_names_path_expected_and_got() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": {"type": "number", "minimum": 1, "maximum": 9},
            "b": {"type": "string", "minLength": 2},
            "order": {"type": "string", "enum": ["ascending", "descending"]},
            "list": {"type": "array", "items": {"type": "integer"}, "maxItems": 2, "uniqueItems": true},
            "inner": {"type": "object", "properties": {"x": {"type": "boolean"}}, "required": ["x"]},
        },
        "required": ["a"],
        "additionalProperties": false,
    });
    for (value, expected) in [
        (json!({"a": 1}), &[][..]),
        (json!({"a": 1, "b": null, "list": null}), &[]),
        (json!({}), &["`a`: expected a number, got nothing"]),
        (json!({"a": "1"}), &["`a`: expected a number, got a string"]),
        (
            json!({"a": 0}),
            &["`a`: expected a number that is at least 1, got the number 0"],
        ),
        (
            json!({"a": 10}),
            &["`a`: expected a number that is at most 9, got the number 10"],
        ),
        (
            json!({"a": 1, "b": "é"}),
            &["`b`: expected a string of at least 2 characters, got a string"],
        ),
        (
            json!({"a": 1, "order": "ascendig"}),
            &[
                r#"`order`: expected one of "ascending", "descending", got a string; did you mean `ascending`?"#,
            ],
        ),
        (
            json!({"a": 1, "list": [1, 2.5]}),
            &["`list[1]`: expected an integer, got the number 2.5"],
        ),
        (
            json!({"a": 1, "list": [1, 1]}),
            &["`list`: expected an array without repeated items, got an array"],
        ),
        (
            json!({"a": 1, "list": [1, 2, 3]}),
            &["`list`: expected an array of at most 2 items, got an array"],
        ),
        (
            json!({"a": 1, "inner": {}}),
            &["`inner.x`: expected true or false, got nothing"],
        ),
        (
            json!({"a": 1, "oder": "x"}),
            &[
                "`oder`: expected one of `a`, `b`, `order`, `list`, `inner`, got an unknown argument; did you mean `order`?",
            ],
        ),
        (json!([]), &["expected an object, got an empty array"]),
    ] {
        assert_eq!(told(&schema, &value), expected, "{value}");
    }
}

#[test]
fn a_tagged_alternative_is_explained_by_its_tag() {
    let schema = json!({"anyOf": [
        {"type": "object", "properties": {"kind": {"enum": ["circle"]}, "r": {"type": "number"}}, "required": ["kind", "r"]},
        {"type": "object", "properties": {"kind": {"enum": ["square"]}, "side": {"type": "number"}}, "required": ["kind", "side"]},
    ]});
    assert_eq!(
        told(&schema, &json!({"kind": "circle"})),
        ["`r`: expected a number, got nothing"]
    );
    assert_eq!(
        told(&schema, &json!({"kind": "cirle"})),
        [r#"`kind`: expected one of "circle", "square", got a string; did you mean `circle`?"#]
    );
    assert_eq!(
        told(&schema, &json!(3)),
        ["expected an object, got the number 3"]
    );
    assert_eq!(
        told(&schema, &json!({"kind": "square", "side": 2})),
        Vec::<String>::new()
    );
}

#[test]
fn recursion_is_followed_inside_the_schema_only() {
    let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "v": {"type": "integer"}},
        "required": ["v"]});
    assert_eq!(
        told(&schema, &json!({"v": 1, "next": {"v": 2}})),
        Vec::<String>::new()
    );
    assert_eq!(
        told(&schema, &json!({"v": 1, "next": {}})),
        ["`next.v`: expected an integer, got nothing"]
    );
    let foreign = json!({"$ref": "https://example.com/schema.json"});
    assert_eq!(told(&foreign, &json!(1)), Vec::<String>::new());
}

#[test]
fn hostile_values_run_out_of_fuel_instead_of_time() {
    let schema = json!({"anyOf": [
        {"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["n"], "additionalProperties": false},
        {"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["n", "x"]},
    ]});
    let mut value = json!({});
    for _ in 0..60 {
        value = json!({"n": value});
    }
    assert!(!told(&schema, &value).is_empty());
}

#[test]
fn a_reference_is_followed_however_it_is_written() {
    for target in [
        "#/$defs/a%b",
        "#/$defs/a%25b",
        "#/%24defs/a%25b",
        "#%2f$defs%2Fa%25b",
    ] {
        let schema =
            json!({"properties": {"x": {"$ref": target}}, "$defs": {"a%b": {"type": "string"}}});
        assert!(unenforced(&schema).is_empty(), "{target}");
        assert_eq!(
            told(&schema, &json!({"x": 1})),
            ["`x`: expected a string, got the number 1"],
            "{target}"
        );
    }
}

#[test]
fn a_reference_without_end_is_refused_instead_of_followed() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        json!({"not": {"not": {"$ref": "#"}}}),
    ] {
        assert_eq!(told(&schema, &json!({"a": 1})).len(), 1, "{schema}");
    }
}

#[test]
fn the_number_of_violations_and_the_length_of_names_are_bounded() {
    let schema = json!({"type": "object", "additionalProperties": false});
    let many: Map<String, Value> = (0..1000).map(|i| (format!("{i:0100}"), json!(i))).collect();
    let found = told(&schema, &Value::Object(many));
    assert_eq!(found.len(), MAX_VIOLATIONS);
    assert!(found.iter().all(|text| text.len() < 200), "{found:?}");
}

#[test]
fn text_of_the_caller_is_not_repeated() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "number"}}});
    assert!(!told(&schema, &json!({"a": "hunter2"}))[0].contains("hunter2"));
}
