//! Fixtures: questions to the client in the middle of a call.
//!
//! The same lines serve every revision: up to 2025-11-25 the question is a
//! request on the call's stream, from 2026-07-28 on the call returns
//! `input_required` and is tried again with the answer.

use mcp_server::types::{
    CreateMessageRequestParams, ElicitRequestFormParams, Json, Object, RequestedSchema,
    SamplingMessage,
};
use mcp_server::{AskError, Context, Elicited, Server, tool};

pub(super) fn register(server: Server) -> Server {
    server
        .tool(test_sampling)
        .tool(test_elicitation)
        .tool(test_elicitation_sep1034_defaults)
        .tool(test_elicitation_sep1330_enums)
        .tool(test_missing_capability)
        .tool(test_streaming_elicitation)
}

/// A form request from a schema that is written out by hand.
pub(super) fn form(message: impl Into<String>, schema: &str) -> ElicitRequestFormParams {
    let schema: RequestedSchema =
        serde_json::from_str(schema).expect("the schemas of these tools are valid");
    ElicitRequestFormParams::new(message, schema)
}

/// One question to the user's model.
pub(super) fn question(prompt: impl Into<String>) -> CreateMessageRequestParams {
    CreateMessageRequestParams::new(vec![SamplingMessage::user(prompt)], 100_u64)
}

/// An answer in one line: what the user did, and what was filled in.
pub(super) fn told(answer: &Elicited<Object>) -> String {
    let (action, content) = match answer {
        Elicited::Accepted(content) => ("accept", Json::from_serialize(content).ok()),
        Elicited::Declined => ("decline", None),
        Elicited::Cancelled => ("cancel", None),
    };
    format!(
        "action={action}, content={}",
        content.as_ref().map_or("{}", Json::as_str)
    )
}

/// Asks the client's model something and returns its answer.
#[tool]
async fn test_sampling(
    ctx: Context,
    /// The prompt to send
    prompt: String,
) -> Result<String, AskError> {
    let answer = ctx.sample("answer", question(prompt)).await?;
    Ok(format!("LLM response: {}", answer.content.to_text()))
}

/// Asks the user for a name and an e-mail address.
#[tool]
async fn test_elicitation(
    ctx: Context,
    /// The message to show
    message: String,
) -> Result<String, AskError> {
    let schema = r#"{
        "type": "object",
        "properties": {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"}
        },
        "required": ["username", "email"]
    }"#;
    let result = ctx.elicit_schema("contact", form(message, schema)).await?;
    Ok(format!("User response: {}", told(&result)))
}

/// Asks for one value of each primitive type, each with a default.
#[tool]
async fn test_elicitation_sep1034_defaults(ctx: Context) -> Result<String, AskError> {
    let schema = r#"{
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "User name", "default": "John Doe"},
            "age": {"type": "integer", "description": "User age", "default": 30},
            "score": {"type": "number", "description": "User score", "default": 95.5},
            "status": {
                "type": "string", "description": "User status",
                "enum": ["active", "inactive", "pending"], "default": "active"
            },
            "verified": {"type": "boolean", "description": "Verification status", "default": true}
        },
        "required": []
    }"#;
    let asked = form(
        "Please review and update the form fields with defaults",
        schema,
    );
    let result = ctx.elicit_schema("defaults", asked).await?;
    Ok(format!("Elicitation completed: {}", told(&result)))
}

/// Asks with each of the five ways to write a choice.
#[tool]
async fn test_elicitation_sep1330_enums(ctx: Context) -> Result<String, AskError> {
    let schema = r#"{
        "type": "object",
        "properties": {
            "untitledSingle": {
                "type": "string", "description": "Select one option",
                "enum": ["option1", "option2", "option3"]
            },
            "titledSingle": {
                "type": "string", "description": "Select one option with titles",
                "oneOf": [
                    {"const": "value1", "title": "First Option"},
                    {"const": "value2", "title": "Second Option"},
                    {"const": "value3", "title": "Third Option"}
                ]
            },
            "legacyEnum": {
                "type": "string", "description": "Select one option (legacy)",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"]
            },
            "untitledMulti": {
                "type": "array", "description": "Select multiple options", "minItems": 1, "maxItems": 3,
                "items": {"type": "string", "enum": ["option1", "option2", "option3"]}
            },
            "titledMulti": {
                "type": "array", "description": "Select multiple options with titles", "minItems": 1, "maxItems": 3,
                "items": {
                    "anyOf": [
                        {"const": "value1", "title": "First Choice"},
                        {"const": "value2", "title": "Second Choice"},
                        {"const": "value3", "title": "Third Choice"}
                    ]
                }
            }
        },
        "required": []
    }"#;
    let result = ctx
        .elicit_schema(
            "enums",
            form("Please select options from the enum fields", schema),
        )
        .await?;
    Ok(format!("Elicitation completed: {}", told(&result)))
}

/// Cannot do without sampling: a client that did not declare it is refused.
#[tool]
async fn test_missing_capability(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.sample("answer", question("Say yes")).await?;
    Ok(format!(
        "The client can sample: {}",
        answer.content.to_text()
    ))
}

/// Reports progress and then asks the user for a value.
#[tool]
async fn test_streaming_elicitation(ctx: Context) -> Result<String, AskError> {
    ctx.progress(50.0, Some(100.0), Some("About to ask"));
    let schema = r#"{
        "type": "object",
        "properties": {"value": {"type": "string"}},
        "required": ["value"]
    }"#;
    let result = ctx
        .elicit_schema("streaming_elicitation", form("Provide a value", schema))
        .await?;
    Ok(format!("Streaming complete: {}", told(&result)))
}
