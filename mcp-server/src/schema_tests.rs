//! Behaviour of the schema profile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

fn input<T: JsonSchema>() -> Value {
    generate::<T>(Direction::Input).schema
}

fn property<T: JsonSchema>() -> Value {
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct One<T> {
        one: T,
    }
    input::<One<T>>()["properties"]["one"].clone()
}

/// Not recursive, used twice.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Point {
    /// Where it is.
    x: i32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Tree {
    children: Vec<Self>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum Plain {
    On,
    Off,
}

/// How loud.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Documented {
    /// Not a sound.
    Quiet,
    /// Everything.
    Loud,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}

#[test]
fn numbers_lose_the_formats_that_only_rust_knows() {
    assert_eq!(property::<f64>(), json!({"type": "number"}));
    assert_eq!(property::<i64>(), json!({"type": "integer"}));
    assert_eq!(property::<u32>(), json!({"type": "integer", "minimum": 0}));
    assert_eq!(
        property::<u8>(),
        json!({"type": "integer", "minimum": 0, "maximum": 255})
    );
}

#[test]
fn an_optional_property_has_neither_null_nor_a_type_list() {
    #[derive(JsonSchema, Deserialize)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Optional {
        number: Option<u32>,
        plain: Option<Plain>,
        /// Nearer documentation.
        documented: Option<Documented>,
        point: Option<Point>,
    }
    let schema = input::<Optional>();
    assert_eq!(schema.get("required"), None);
    assert_eq!(
        schema["properties"]["number"],
        json!({"type": "integer", "minimum": 0})
    );
    assert_eq!(
        schema["properties"]["plain"],
        json!({"type": "string", "enum": ["On", "Off"]})
    );
    assert_eq!(schema["properties"]["point"]["type"], json!("object"));
    let documented = &schema["properties"]["documented"];
    assert_eq!(documented["enum"], json!(["quiet", "loud"]));
    assert!(
        documented["description"]
            .as_str()
            .unwrap()
            .starts_with("Nearer documentation.")
    );
    assert!(!schema.to_string().contains("null"));
}

#[test]
fn output_keeps_null_because_it_is_really_sent() {
    #[derive(JsonSchema, Serialize)]
    struct Out {
        number: Option<i32>,
    }
    let schema = generate::<Out>(Direction::Output).schema;
    assert_eq!(
        schema["properties"]["number"]["type"],
        json!(["integer", "null"])
    );
    assert_eq!(schema["required"], json!(["number"]));
}

#[test]
fn references_are_inlined_unless_the_type_is_recursive() {
    let flat = input::<BTreeMap<String, (Point, Point)>>().to_string();
    assert!(!flat.contains("$ref"), "{flat}");
    assert!(flat.contains("Where it is."), "{flat}");
    let nested = property::<Tree>();
    assert!(
        nested["properties"]["children"]["items"]
            .get("$ref")
            .is_some()
    );
}

#[test]
fn every_array_says_what_its_items_are() {
    assert_eq!(
        property::<Vec<String>>()["items"],
        json!({"type": "string"})
    );
    assert_eq!(property::<(i32, String)>()["items"], json!({}));
    assert_eq!(property::<Vec<Value>>()["items"], json!({}));
}

#[test]
fn documented_variants_become_one_enum_with_a_list() {
    assert_eq!(
        property::<Documented>(),
        json!({
            "type": "string",
            "enum": ["quiet", "loud"],
            "description": "How loud.\n- `quiet`: Not a sound.\n- `loud`: Everything.",
        })
    );
}

#[test]
fn tagged_enums_use_any_of_and_enum() {
    let shape = property::<Shape>();
    assert_eq!(shape.get("oneOf"), None);
    assert_eq!(
        shape["anyOf"][0]["properties"]["kind"],
        json!({"type": "string", "enum": ["Circle"]})
    );
}

#[test]
fn constraints_are_noticed_only_where_the_type_does_not_prove_them() {
    #[derive(JsonSchema, Deserialize)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Free {
        a: u8,
        b: u64,
        c: String,
        d: Vec<i64>,
    }
    #[derive(JsonSchema, Deserialize)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Bound {
        #[schemars(range(min = 1, max = 9))]
        a: u8,
    }
    #[derive(JsonSchema, Deserialize)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Long {
        #[schemars(length(min = 1))]
        a: String,
    }
    assert!(!generate::<Free>(Direction::Input).constrained);
    assert!(generate::<Bound>(Direction::Input).constrained);
    assert!(generate::<Long>(Direction::Input).constrained);
}

#[test]
fn arguments_are_an_object_or_refused() {
    let mut shape = input::<Shape>();
    as_arguments(&mut shape).unwrap();
    assert_eq!(shape["type"], json!("object"));
    #[derive(JsonSchema, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let mut nothing = input::<Nothing>();
    as_arguments(&mut nothing).unwrap();
    assert_eq!(
        nothing,
        json!({"type": "object", "properties": {}, "additionalProperties": false})
    );
    assert!(as_arguments(&mut input::<Vec<i32>>()).is_err());
    assert!(as_arguments(&mut input::<Plain>()).is_err());
}

#[test]
fn output_that_is_no_object_can_be_wrapped() {
    let wrapped = wrapped_output(generate::<Vec<Tree>>(Direction::Output).schema);
    assert_eq!(wrapped["type"], json!("object"));
    assert_eq!(wrapped["properties"]["result"]["type"], json!("array"));
    if wrapped.to_string().contains("#/$defs/") {
        assert!(wrapped.get("$defs").is_some());
    }
}

#[test]
fn every_reference_of_a_wrapped_schema_still_leads_where_it_led() {
    let wrapped = wrapped_output(json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": {"$ref": "#/definitions/leaf"},
        "contains": {"$ref": "#/items"},
        "enum": [[{"$ref": "#"}]],
        "properties": {"default": {"$ref": "#"}},
        "definitions": {"leaf": {"anyOf": [{"$ref": "#/$defs/twig"}, {"type": "null"}]}},
        "$defs": {"twig": {"items": {"$ref": "#/definitions/leaf"}}, "own": {"$id": "own", "items": {"$ref": "#"}}},
    }));
    let expected = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"result": {
            "type": "array",
            "items": {"$ref": "#/properties/result/definitions/leaf"},
            "contains": {"$ref": "#/properties/result/items"},
            "enum": [[{"$ref": "#"}]],
            "properties": {"default": {"$ref": "#/properties/result"}},
            "definitions": {"leaf": {"anyOf": [{"$ref": "#/$defs/twig"}, {"type": "null"}]}},
        }},
        "required": ["result"],
        "$defs": {
            "twig": {"items": {"$ref": "#/properties/result/definitions/leaf"}},
            "own": {"$id": "own", "items": {"$ref": "#"}},
        },
    });
    assert_eq!(wrapped, expected);
    let own = json!({"$id": "https://example.com/list", "items": {"$ref": "#/$defs/a"}, "$defs": {"a": {}}});
    let wrapped = wrapped_output(own.clone());
    assert_eq!(
        wrapped["properties"]["result"], own,
        "its references are its own"
    );
}

#[test]
fn a_reference_of_a_wrapped_schema_is_rebased_however_it_is_written() {
    for (written, rebased) in [
        ("#/%24defs/twig", "#/%24defs/twig"),
        ("#%2F$defs%2ftwig", "#%2F$defs%2ftwig"),
        ("#/$defs", "#/$defs"),
        (
            "#/%64efinitions/leaf",
            "#/properties/result/%64efinitions/leaf",
        ),
        ("#%2Fitems", "#/properties/result%2Fitems"),
        (
            "#/definitions/a%25b",
            "#/properties/result/definitions/a%25b",
        ),
        // A percent sign of its own, and a name that only begins alike.
        ("#/definitions/100%", "#/properties/result/definitions/100%"),
        ("#/%24defsx/a", "#/properties/result/%24defsx/a"),
        // No pointer.
        ("#%24defs", "#%24defs"),
    ] {
        let wrapped = wrapped_output(json!({"items": {"$ref": written}, "$defs": {"twig": {}}}));
        let reference = &wrapped["properties"]["result"]["items"]["$ref"];
        assert_eq!(reference, rebased, "{written}");
    }
}
