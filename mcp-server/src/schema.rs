//! JSON Schemas from Rust types, in the profile that real clients and models accept.
//!
//! Owns that profile: references inlined (kept only where a type is recursive), `items` on every array, no boolean schemas, no
//! `null` alternatives on optional input, no formats that only Rust knows, `enum` instead of `oneOf` over constants.
//! Must never touch a schema that a person wrote by hand: those go out byte for byte.

use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value};

use crate::check::pointer;

/// Formats that JSON Schema 2020-12 defines; others (`uint32`, `double`) make some clients drop the whole tool.
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// Which way the described values travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a client, to be deserialised.
    Input,
    /// To a client, serialised by us.
    Output,
}

/// A schema as it is sent, and whether deserialising alone does not prove it.
#[derive(Debug, Clone)]
pub(crate) struct Generated {
    pub(crate) schema: Value,
    /// It holds keywords (`minimum`, `maxLength`, …) that the Rust type does not enforce by itself.
    pub(crate) constrained: bool,
}

/// The schema of a type.
pub(crate) fn generate<T: JsonSchema + ?Sized>(direction: Direction) -> Generated {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.contract = match direction {
        Direction::Input => Contract::Deserialize,
        Direction::Output => Contract::Serialize,
    };
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    if let Some(root) = schema.as_object_mut() {
        // The name of the Rust type: nobody asked for it.
        root.remove("title");
    }
    let mut tidy = Tidy {
        direction,
        constrained: false,
    };
    tidy.schema(&mut schema);
    Generated {
        schema,
        constrained: tidy.constrained,
    }
}

/// Makes a generated schema fit for tool arguments: an object at the root.
///
/// `Err` says what the root is instead.
pub(crate) fn as_arguments(schema: &mut Value) -> Result<(), String> {
    let Some(root) = schema.as_object_mut() else {
        return Err("a boolean schema".to_owned());
    };
    match root.get("type") {
        Some(Value::String(kind)) if kind == "object" => {}
        None if alternatives_are_objects(root) => {}
        Some(kind) => return Err(format!("of type {kind}")),
        None => return Err("of no particular type".to_owned()),
    }
    root.insert("type".to_owned(), Value::from("object"));
    if !root.contains_key("anyOf") {
        root.entry("properties")
            .or_insert_with(|| Value::Object(Map::new()));
    }
    in_order(root);
    Ok(())
}

fn alternatives_are_objects(root: &Map<String, Value>) -> bool {
    root.get("anyOf")
        .and_then(Value::as_array)
        .is_some_and(|list| {
            list.iter()
                .all(|item| item.get("type").is_some_and(|kind| kind == "object"))
        })
}

/// `{"type":"object","properties":{"result": …},"required":["result"]}`: what revisions up to 2025-11-25 need around
/// output that is not an object. Its references still lead where they led.
pub(crate) fn wrapped_output(mut inner: Value) -> Value {
    let mut root = Map::new();
    let mut definitions = None;
    if let Some(object) = inner.as_object_mut() {
        // It counts at the root only.
        root.extend(object.remove_entry("$schema"));
        // With a name of its own a schema is its own root wherever it stands.
        if !object.contains_key("$id") {
            // Clients look for definitions at the root.
            definitions = object.remove("$defs");
            rebase(object);
        }
    }
    root.insert("type".to_owned(), Value::from("object"));
    let mut properties = Map::new();
    properties.insert("result".to_owned(), inner);
    root.insert("properties".to_owned(), Value::Object(properties));
    root.insert("required".to_owned(), Value::from(vec!["result"]));
    if let Some(mut definitions) = definitions {
        rebase_each(&mut definitions);
        root.insert("$defs".to_owned(), definitions);
    }
    Value::Object(root)
}

/// Makes local references of a schema lead into `properties/result`, save those to definitions, which stay at the root.
fn rebase(object: &mut Map<String, Value>) {
    for (key, value) in object {
        match (key.as_str(), value) {
            ("$ref" | "$dynamicRef", Value::String(target)) => {
                let moved = pointer(target)
                    .is_some_and(|place| place != "/$defs" && !place.starts_with("/$defs/"));
                if moved {
                    // As it was written: decoded, it might mean something else.
                    target.insert_str(1, "/properties/result");
                }
            }
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                map,
            ) => rebase_each(map),
            // Data, not schemas.
            ("enum" | "const" | "default" | "examples" | "required", _) => {}
            (_, Value::Array(list)) => list.iter_mut().for_each(rebase_inner),
            (_, inner) => rebase_inner(inner),
        }
    }
}

fn rebase_each(schemas: &mut Value) {
    if let Value::Object(schemas) = schemas {
        schemas.values_mut().for_each(rebase_inner);
    }
}

fn rebase_inner(schema: &mut Value) {
    if let Value::Object(object) = schema
        && !object.contains_key("$id")
    {
        rebase(object);
    }
}

/// The order in which people read a schema. Keywords that are not here keep their place behind these.
const ORDER: [&str; 9] = [
    "type",
    "description",
    "enum",
    "anyOf",
    "prefixItems",
    "items",
    "properties",
    "required",
    "additionalProperties",
];

fn in_order(object: &mut Map<String, Value>) {
    let mut members: Vec<(String, Value)> = std::mem::take(object).into_iter().collect();
    members.sort_by_key(|(key, _)| {
        ORDER
            .iter()
            .position(|own| own == key)
            .unwrap_or(ORDER.len())
    });
    object.extend(members);
}

struct Tidy {
    direction: Direction,
    constrained: bool,
}

impl Tidy {
    fn schema(&mut self, schema: &mut Value) {
        match schema {
            Value::Bool(true) => *schema = Value::Object(Map::new()),
            Value::Bool(false) => {
                let mut nothing = Map::new();
                nothing.insert("not".to_owned(), Value::Object(Map::new()));
                *schema = Value::Object(nothing);
            }
            Value::Object(object) => self.object(object),
            _ => {}
        }
    }

    fn object(&mut self, object: &mut Map<String, Value>) {
        self.numbers(object);
        self.note_constraints(object);
        constant_to_enum(object);
        collapse_constants(object);
        // Serde's tagged alternatives exclude each other, and `anyOf` is understood by more clients.
        if let Some(list) = object.remove("oneOf") {
            object.insert("anyOf".to_owned(), list);
        }
        for key in [
            "items",
            "not",
            "additionalProperties",
            "propertyNames",
            "contains",
        ] {
            if let Some(inner) = object.get_mut(key)
                && !(key == "additionalProperties" && inner.is_boolean())
            {
                self.schema(inner);
            }
        }
        for key in ["prefixItems", "anyOf", "allOf"] {
            if let Some(Value::Array(list)) = object.get_mut(key) {
                list.iter_mut().for_each(|inner| self.schema(inner));
            }
        }
        for key in ["$defs", "patternProperties"] {
            if let Some(Value::Object(map)) = object.get_mut(key) {
                map.values_mut().for_each(|inner| self.schema(inner));
            }
        }
        let required: Vec<String> = object
            .get("required")
            .and_then(Value::as_array)
            .map(|list| {
                list.iter()
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect()
            })
            .unwrap_or_default();
        if let Some(Value::Object(properties)) = object.get_mut("properties") {
            for (name, property) in properties {
                if self.direction == Direction::Input && !required.contains(name) {
                    without_null(property);
                }
                self.schema(property);
            }
        }
        if object.get("type").is_some_and(|kind| allows(kind, "array")) {
            object
                .entry("items")
                .or_insert_with(|| Value::Object(Map::new()));
        }
        in_order(object);
    }

    /// Drops Rust's own formats, and with them from the constraints what the integer type proves anyway.
    fn numbers(&mut self, object: &mut Map<String, Value>) {
        let Some(format) = object.get("format").and_then(Value::as_str) else {
            return;
        };
        if FORMATS.contains(&format) {
            return;
        }
        let range = match format {
            "uint8" => Some((0, Some(u64::from(u8::MAX)))),
            "uint16" => Some((0, Some(u64::from(u16::MAX)))),
            "uint" | "uint32" | "uint64" | "uint128" => Some((0, None)),
            _ => None,
        };
        object.remove("format");
        let Some((least, most)) = range else {
            return self.limits(object);
        };
        let minimum = object
            .get("minimum")
            .is_some_and(|value| value.as_u64() != Some(least));
        let maximum = object
            .get("maximum")
            .is_some_and(|value| value.as_u64() != most);
        if minimum
            || maximum
            || has_any(
                object,
                &["exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
            )
        {
            self.constrained = true;
        }
        object.insert("$proven".to_owned(), Value::Null);
    }

    fn limits(&mut self, object: &Map<String, Value>) {
        if has_any(
            object,
            &[
                "minimum",
                "maximum",
                "exclusiveMinimum",
                "exclusiveMaximum",
                "multipleOf",
            ],
        ) {
            self.constrained = true;
        }
    }

    fn note_constraints(&mut self, object: &mut Map<String, Value>) {
        if object.remove("$proven").is_none() {
            self.limits(object);
        }
        if has_any(
            object,
            &[
                "minLength",
                "maxLength",
                "pattern",
                "minItems",
                "maxItems",
                "uniqueItems",
                "minProperties",
                "maxProperties",
                "contains",
                "propertyNames",
                "not",
            ],
        ) {
            self.constrained = true;
        }
    }
}

fn has_any(object: &Map<String, Value>, keys: &[&str]) -> bool {
    keys.iter().any(|key| object.contains_key(*key))
}

fn allows(kind: &Value, name: &str) -> bool {
    match kind {
        Value::String(one) => one == name,
        Value::Array(list) => list.iter().any(|one| one == name),
        _ => false,
    }
}

fn constant_to_enum(object: &mut Map<String, Value>) {
    if let Some(value) = object.remove("const") {
        object.insert("enum".to_owned(), Value::Array(vec![value]));
    }
}

/// An enum with documented variants: one `enum`, the variants' documentation as a list in the description.
fn collapse_constants(object: &mut Map<String, Value>) {
    let key = if object.contains_key("oneOf") {
        "oneOf"
    } else {
        "anyOf"
    };
    let Some(Value::Array(list)) = object.get(key) else {
        return;
    };
    let mut names = Vec::new();
    let mut documented = Vec::new();
    for variant in list {
        let Some(variant) = variant.as_object() else {
            return;
        };
        let known =
            |key: &String| matches!(key.as_str(), "type" | "enum" | "const" | "description");
        if variant.get("type").is_none_or(|kind| kind != "string") || !variant.keys().all(known) {
            return;
        }
        let mut own: Vec<Value> = variant.get("const").cloned().into_iter().collect();
        if let Some(Value::Array(list)) = variant.get("enum") {
            own.extend(list.iter().cloned());
        }
        if own.is_empty() {
            return;
        }
        if let (Some(text), Some(Value::String(name))) = (
            variant.get("description").and_then(Value::as_str),
            own.first(),
        ) {
            documented.push(format!("- `{name}`: {}", text.replace('\n', " ")));
        }
        names.extend(own);
    }
    object.remove(key);
    object.insert("type".to_owned(), Value::from("string"));
    object.insert("enum".to_owned(), Value::Array(names));
    if !documented.is_empty() {
        let list = documented.join("\n");
        let text = match object.get("description").and_then(Value::as_str) {
            Some(own) => format!("{own}\n{list}"),
            None => list,
        };
        object.insert("description".to_owned(), Value::String(text));
    }
}

/// An optional property is left out rather than sent as null; a null that comes anyway is tolerated by the typed parse.
fn without_null(property: &mut Value) {
    let Some(object) = property.as_object_mut() else {
        return;
    };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    for key in ["anyOf", "oneOf"] {
        let Some(Value::Array(list)) = object.get_mut(key) else {
            continue;
        };
        let before = list.len();
        list.retain(|variant| variant.get("type").is_none_or(|kind| kind != "null"));
        if list.len() == before || list.len() != 1 {
            continue;
        }
        let Some(Value::Object(inner)) = list.pop() else {
            continue;
        };
        object.remove(key);
        for (name, value) in inner {
            // What stands at the property (its own documentation) is nearer than what stands at the type.
            object.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
