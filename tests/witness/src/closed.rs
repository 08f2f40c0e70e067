//! The closed copy of a published schema: what a revision does not name is not allowed.
//!
//! The published schemas are open almost everywhere, so that validating against them would let a field of another
//! revision pass. Here `additionalProperties` is false wherever an object has named properties, except where the
//! protocol itself is open (see [`OPEN`]). Known errata of the published schemas are listed by name in [`errata`].

use serde_json::{Map, Value, json};

use crate::spec;

/// Properties whose content is the implementation's or the user's own business, in whatever definition they stand.
const OPEN: [&str; 10] = [
    "_meta",
    // Error and log data.
    "data",
    "experimental",
    "extensions",
    "inputSchema",
    "outputSchema",
    "structuredContent",
    // The arguments of a tool use in sampling.
    "input",
    // Provider-specific metadata of a sampling request.
    "metadata",
    // Of a tool call; those of prompts and completions are strings, which their own definitions say.
    "arguments",
];

/// Definitions that are open as a whole.
const OPEN_DEFINITIONS: [&str; 4] = [
    "JSONObject",
    "JSONValue",
    "JSONArray",
    "GetTaskPayloadResult",
];

/// The closed copy of a revision's whole schema.
pub(crate) fn close(published: &Value) -> Value {
    let (key, definitions) = spec::definitions(published);
    let mut closed = Map::new();
    for (name, definition) in definitions {
        let open = OPEN_DEFINITIONS.contains(&name.as_str()) || name.ends_with("MetaObject");
        let mut definition = definition.clone();
        if !open {
            close_node(&mut definition, definitions, name.ends_with("Params"));
        }
        closed.insert(name.clone(), definition);
    }
    errata(&mut closed);
    let mut schema = Map::new();
    if let Some(dialect) = published.get("$schema") {
        schema.insert("$schema".into(), dialect.clone());
    }
    schema.insert(key.into(), Value::Object(closed));
    Value::Object(schema)
}

/// Closes one schema in place and goes on below it. `params` is true for the parameters of a message.
fn close_node(node: &mut Value, definitions: &Map<String, Value>, params: bool) {
    let Some(object) = node.as_object_mut() else {
        return;
    };

    // Parts of a conjunction may only be closed together.
    if let Some(Value::Array(parts)) = object.get_mut("allOf") {
        for part in parts {
            *part = inline(part, definitions);
            close_children(part, definitions);
            if let Some(part) = part.as_object_mut() {
                part.remove("additionalProperties");
            }
        }
        object.insert("unevaluatedProperties".into(), json!(false));
        return;
    }

    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(parts)) = object.get_mut(key) {
            for part in parts {
                close_node(part, definitions, params);
            }
        }
    }
    close_children(node, definitions);
    let Some(object) = node.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        // A dictionary of anything has no named properties.
        let dictionary =
            properties.is_empty() && object_of_schemas(object.get("additionalProperties"));
        if !dictionary {
            if params && let Some(Value::Object(properties)) = object.get_mut("properties") {
                properties
                    .entry("_meta")
                    .or_insert_with(|| json!({ "type": "object" }));
            }
            object.insert("additionalProperties".into(), json!(false));
        }
    } else if params
        && object.get("type") == Some(&json!("object"))
        && !object.contains_key("additionalProperties")
    {
        object.insert("additionalProperties".into(), json!(false));
    }
}

/// Goes on with what lies below a schema.
fn close_children(node: &mut Value, definitions: &Map<String, Value>) {
    let Some(object) = node.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, property) in properties {
            if !OPEN.contains(&name.as_str()) {
                close_node(property, definitions, name == "params");
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child @ Value::Object(_)) = object.get_mut(key) {
            close_node(child, definitions, false);
        }
    }
}

/// A schema with the definition that it refers to in its place.
fn inline(part: &Value, definitions: &Map<String, Value>) -> Value {
    let name = part["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| definitions.get(name))
        .unwrap_or(part)
        .clone()
}

fn object_of_schemas(additional: Option<&Value>) -> bool {
    additional
        .and_then(Value::as_object)
        .is_some_and(|schema| !schema.is_empty())
}

/// What the published schemas get wrong, or what every revision allows although its schema does not name it.
fn errata(definitions: &mut Map<String, Value>) {
    // Extensions are negotiated in every revision; the field was named only in the last one.
    for name in ["ClientCapabilities", "ServerCapabilities"] {
        if let Some(Value::Object(properties)) = definitions
            .get_mut(name)
            .map(|definition| &mut definition["properties"])
        {
            properties
                .entry("extensions")
                .or_insert_with(|| json!({ "type": "object" }));
        }
    }
    // An error without a readable id has none. The schemas say so from 2025-11-25 on; before, they had no way to say it.
    if let Some(error) = definitions.get_mut("JSONRPCError") {
        error["required"] = json!(["error", "jsonrpc"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REVISIONS: [&str; 5] = [
        "2024-11-05",
        "2025-03-26",
        "2025-06-18",
        "2025-11-25",
        "2026-07-28",
    ];

    fn validator(revision: &str, definition: &str) -> Option<jsonschema::Validator> {
        let closed = close(spec::schema(revision)?);
        Some(crate::check::compile(&closed, definition))
    }

    #[test]
    fn a_field_of_a_later_revision_is_refused() {
        let named = json!({ "name": "x", "inputSchema": { "type": "object" }, "title": "X" });
        let Some(old) = validator("2025-03-26", "Tool") else {
            return;
        };
        assert!(!old.is_valid(&named));
        let new = validator("2025-06-18", "Tool").expect("schemas");
        assert!(new.is_valid(&named));
    }

    #[test]
    fn what_the_protocol_leaves_open_stays_open() {
        for revision in REVISIONS {
            let Some(tool) = validator(revision, "Tool") else {
                return;
            };
            let schema = json!({ "type": "object", "properties": { "a": { "type": "string", "x-mine": 1 } }, "required": ["a"] });
            assert!(
                tool.is_valid(&json!({ "name": "x", "inputSchema": schema })),
                "{revision}"
            );
            let result = validator(revision, "CallToolResult").expect("schemas");
            let mut value = json!({ "content": [], "_meta": { "com.example/x": [1] } });
            if revision == "2026-07-28" {
                value["resultType"] = json!("complete");
            }
            assert!(result.is_valid(&value), "{revision}");
            value["more"] = json!(1);
            assert!(!result.is_valid(&value), "{revision}");
        }
    }

    #[test]
    fn conjunctions_are_closed_as_a_whole() {
        let Some(error) = validator("2026-07-28", "UnsupportedProtocolVersionError") else {
            return;
        };
        let mut value = json!({
            "jsonrpc": "2.0", "id": 1,
            "error": { "code": -32022, "message": "no", "data": { "supported": ["2026-07-28"], "requested": "x" } },
        });
        assert!(error.is_valid(&value));
        value["error"]["hint"] = json!("no such field");
        assert!(!error.is_valid(&value));
    }

    /// Published examples that are wrong: an id on a request that is embedded in a result, and required caching hints left
    /// out, which the open schema lets pass as a result of another kind.
    const WRONG_EXAMPLES: [&str; 2] = [
        "ListRootsRequest/list-roots-request.json",
        "ReadResourceResultResponse/read-resource-result-response.json",
    ];

    #[test]
    fn every_published_example_is_valid_when_closed() {
        let Some(folder) = spec::folder() else { return };
        let closed = close(spec::schema("2026-07-28").expect("schemas"));
        let mut wrong = Vec::new();
        let mut seen = 0;
        for entry in std::fs::read_dir(folder.join("2026-07-28/examples")).expect("examples") {
            let folder = entry.expect("an entry").path();
            let definition = folder
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let closed = crate::check::compile(&closed, &definition);
            for example in std::fs::read_dir(&folder).expect("examples") {
                let path = example.expect("an entry").path();
                let text = std::fs::read_to_string(&path).expect("an example");
                let value: Value = serde_json::from_str(&text).expect("JSON");
                let name = format!(
                    "{definition}/{}",
                    path.file_name().expect("a name").to_string_lossy()
                );
                let errors: Vec<String> = closed
                    .iter_errors(&value)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                if WRONG_EXAMPLES.contains(&name.as_str()) {
                    wrong.push(name);
                    assert!(!errors.is_empty(), "an erratum that was mended");
                } else {
                    assert!(errors.is_empty(), "{name}: {errors:?}");
                }
                seen += 1;
            }
        }
        assert!(seen > 80, "{seen} examples");
        wrong.sort();
        assert_eq!(wrong, WRONG_EXAMPLES);
    }
}
