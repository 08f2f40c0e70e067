//! Fixtures: a schema that goes out word for word, and mirrored headers.

use mcp_server::{Server, Tool, tool};
use serde_json::Value;

pub(super) fn register(server: Server) -> Server {
    server
        .tool(json_schema_2020_12_tool())
        .tool(test_custom_header)
}

/// The JSON Schema 2020-12 vocabulary that must survive `tools/list`.
const SCHEMA_2020_12: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"}
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": false
}"##;

/// A tool whose schema is written by hand and goes out as it is.
fn json_schema_2020_12_tool() -> Tool {
    Tool::builder("json_schema_2020_12_tool")
        .description("Takes a contact; its schema uses the vocabulary of JSON Schema 2020-12.")
        .read_only(true)
        .input_schema(SCHEMA_2020_12)
        .call(|contact: Value, _ctx| Ok(format!("JSON Schema 2020-12 tool called with: {contact}")))
}

/// A mirrored argument: proxies can route by it without reading the body.
#[tool(read_only)]
fn test_custom_header(
    /// Returned as it is; mirrored in the header `Mcp-Param-Value`
    #[mcp(header = "Value")]
    value: String,
) -> String {
    value
}
