//! What the tests that need the published schemas share: finding them, reading them, and a small validator.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_types,
    reason = "each test crate uses a part; schemas are read as value trees"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use mcp_types::Revision;
use serde_json::{Map, Value};

/// The folder with the published schemas, if this machine has it. Says so where it has not.
pub fn spec_dir(what: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("MCP_SPEC_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/spec")),
        PathBuf::from,
    );
    if dir.is_dir() {
        return Some(dir);
    }
    // Not by `eprintln!`, which the test harness swallows for tests that pass.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {what}: no published schemas at {} (set MCP_SPEC_DIR)",
        dir.display()
    );
    None
}

pub fn read(path: PathBuf) -> Value {
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One published schema, with the parameters that it defines inline lifted out as definitions of their own.
pub struct Schema {
    pub defs: Map<String, Value>,
}

impl Schema {
    pub fn load(dir: &std::path::Path, name: &str) -> Self {
        let mut root = read(dir.join(name).join("schema.json"));
        let key = if root.get("$defs").is_some() {
            "$defs"
        } else {
            "definitions"
        };
        let Value::Object(mut defs) = root[key].take() else {
            panic!("no definitions in {name}")
        };
        // 2024-11-05 spells annotations out wherever they occur.
        if let Some(inline) = defs
            .get("Annotated")
            .and_then(|def| def.pointer("/properties/annotations"))
            .cloned()
        {
            defs.insert("Annotations".to_owned(), inline);
        }
        let base = |defs: &Map<String, Value>, kind: &str| {
            defs.get(kind)
                .and_then(|base| base.pointer("/properties/params/properties/_meta"))
                .cloned()
        };
        let (request_meta, notification_meta) =
            (base(&defs, "Request"), base(&defs, "Notification"));
        for (name, def) in defs.clone() {
            // Lists take `PaginatedRequestParams`.
            if name.starts_with("JSONRPC")
                || (name.starts_with("List") && name != "ListRootsRequest")
            {
                continue;
            }
            let (base, meta) = match (
                name.strip_suffix("Request"),
                name.strip_suffix("Notification"),
            ) {
                (Some(base), _) => (format!("{base}RequestParams"), &request_meta),
                (_, Some(base)) => (format!("{base}NotificationParams"), &notification_meta),
                _ => continue,
            };
            let Some(params) = def.pointer("/properties/params") else {
                continue;
            };
            if params.get("properties").is_none() || defs.contains_key(&base) {
                continue;
            }
            // Those without members of their own are `RequestParams` and `NotificationParams`.
            let own = params["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .any(|(member, _)| member != "_meta");
            if !own && !matches!(name.as_str(), "Request" | "Notification") {
                continue;
            }
            let mut params = params.clone();
            // Every request and notification may hold `_meta`: older schemas say so once, in the base type.
            if let (Some(properties), Some(meta)) = (params["properties"].as_object_mut(), meta) {
                properties.entry("_meta").or_insert_with(|| meta.clone());
            }
            defs.insert(base, params);
        }
        Self { defs }
    }

    pub fn at(dir: &std::path::Path, revision: Revision) -> Self {
        Self::load(dir, revision.as_str())
    }

    pub fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let name = reference.rsplit('/').next().unwrap_or_default();
                self.resolve(
                    self.defs
                        .get(name)
                        .unwrap_or_else(|| panic!("no definition {name}")),
                )
            }
            None => schema,
        }
    }

    /// The methods of all requests and notifications.
    pub fn methods(&self) -> BTreeSet<String> {
        self.defs
            .values()
            .filter_map(|def| def.pointer("/properties/method/const"))
            .filter_map(|method| method.as_str().map(str::to_owned))
            .collect()
    }

    /// Every structure and enumeration that carries meaning of its own, with its members: path, and if it is required.
    pub fn types(&self) -> BTreeMap<String, BTreeMap<String, bool>> {
        self.defs
            .iter()
            .filter(|(name, def)| {
                is_modelled(name) && (def.get("properties").is_some() || def.get("enum").is_some())
            })
            .map(|(name, def)| {
                let mut members = BTreeMap::new();
                collect_members(def, "", &mut members);
                (name.clone(), members)
            })
            .collect()
    }
}

/// Envelopes, base types and unions are modelled by others that are compared themselves.
fn is_modelled(name: &str) -> bool {
    const SUFFIXES: [&str; 5] = ["Request", "Notification", "Response", "Error", "MetaObject"];
    const BASES: [&str; 12] = [
        "Annotated",
        "BaseMetadata",
        "CacheableResult",
        "ClientNotification",
        "ClientResult",
        "EmptyResult",
        "Icons",
        "InputResponseRequestParams",
        "PaginatedResult",
        "ResourceContents",
        "Result",
        "TaskAugmentedRequestParams",
    ];
    !name.starts_with("JSONRPC")
        && !SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        && !BASES.contains(&name)
}

fn collect_members(def: &Value, prefix: &str, members: &mut BTreeMap<String, bool>) {
    let required: BTreeSet<&str> = def["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (member, schema) in def["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{member}");
        // Open values: `_meta`, and schemas that are themselves JSON Schema. `annotations` are a type of their own.
        if !matches!(
            path.as_str(),
            "_meta" | "annotations" | "inputSchema" | "outputSchema"
        ) {
            collect_members(schema, &format!("{path}."), members);
        }
        members.insert(path, required.contains(member.as_str()));
    }
}

/// Checks a value against a schema that is closed: an object may only hold what its schema names, unless the schema
/// says itself what else it may hold. Returns what is wrong.
pub fn validate(schema: &Schema, rule: &Value, value: &Value, path: &str) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{path}: {what}: {value}"));
    let rule = schema.resolve(rule);
    if rule.as_object().is_some_and(Map::is_empty) || rule == &Value::Bool(true) {
        return Ok(());
    }
    if let Some(constant) = rule.get("const")
        && constant != value
    {
        return fail(&format!("is not {constant}"));
    }
    if let Some(Value::Array(allowed)) = rule.get("enum")
        && !allowed.contains(value)
    {
        return fail("is not allowed");
    }
    if let Some(Value::Array(options)) = rule.get("anyOf") {
        let errors: Vec<String> = options
            .iter()
            .filter_map(|option| validate(schema, option, value, path).err())
            .collect();
        return if errors.len() < options.len() {
            Ok(())
        } else {
            Err(errors.join("\n  or "))
        };
    }
    let is_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("unknown type {other}"),
    };
    let fits = match rule.get("type") {
        Some(Value::String(name)) => is_type(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(is_type),
        _ => true,
    };
    if !fits {
        return fail(&format!("is not of type {}", rule["type"]));
    }
    if let (Some(items), Value::Array(elements)) = (rule.get("items"), value) {
        for (at, element) in elements.iter().enumerate() {
            validate(schema, items, element, &format!("{path}[{at}]"))?;
        }
    }
    let Value::Object(members) = value else {
        return Ok(());
    };
    for name in rule["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !members.contains_key(name) {
            return fail(&format!("lacks {name}"));
        }
    }
    let properties = rule.get("properties").and_then(Value::as_object);
    for (name, member) in members {
        let path = format!("{path}.{name}");
        match properties.and_then(|properties| properties.get(name)) {
            Some(rule) => validate(schema, rule, member, &path)?,
            None => match rule.get("additionalProperties") {
                Some(rule) => validate(schema, rule, member, &path)?,
                None if properties.is_none() || is_open(&path) => {}
                None => return Err(format!("{path}: is not known here")),
            },
        }
    }
    Ok(())
}

/// Where the protocol is open although the schema names members: metadata, schemas, and extension settings, which are
/// sent in every revision.
fn is_open(path: &str) -> bool {
    ["._meta.", ".inputSchema.", ".outputSchema."]
        .iter()
        .any(|open| path.contains(open))
        || path.ends_with(".extensions")
        || path.ends_with(".taskIds")
}
