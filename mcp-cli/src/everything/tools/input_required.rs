//! Fixtures: calls that need several answers, in one round or in many.
//!
//! Straight-line code; the framework suspends a call, seals what it learned
//! into `requestState` and replays it when the client comes back.

use futures_lite::future::try_zip;
use mcp_server::proto::context::ClientFeatures;
use mcp_server::types::{ElicitRequestFormParams, Object};
use mcp_server::{AskError, Context, Elicited, Server, tool};

use super::ask::{form, question, told};

pub(super) fn register(server: Server) -> Server {
    server
        .tool(test_input_required_result_elicitation)
        .tool(test_input_required_result_sampling)
        .tool(test_input_required_result_list_roots)
        .tool(test_input_required_result_request_state)
        .tool(test_input_required_result_tampered_state)
        .tool(test_input_required_result_multiple_inputs)
        .tool(test_input_required_result_multi_round)
        .tool(test_input_required_result_capabilities)
}

/// A form with one required text field.
pub(in crate::everything) fn one_text(message: &str, field: &str) -> ElicitRequestFormParams {
    form(
        message,
        &format!(
            r#"{{"type":"object","properties":{{"{field}":{{"type":"string"}}}},"required":["{field}"]}}"#
        ),
    )
}

/// The text that the user gave, if any.
pub(in crate::everything) fn field(answer: &Elicited<Object>, name: &str) -> Option<String> {
    match answer {
        Elicited::Accepted(content) => content.get(name)?.decode().ok(),
        Elicited::Declined | Elicited::Cancelled => None,
    }
}

fn confirm() -> ElicitRequestFormParams {
    form(
        "Please confirm",
        r#"{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}"#,
    )
}

/// Greets the user, once it knows the name.
#[tool]
async fn test_input_required_result_elicitation(ctx: Context) -> Result<String, AskError> {
    let result = ctx
        .elicit_schema("user_name", one_text("What is your name?", "name"))
        .await?;
    Ok(format!(
        "Hello, {}!",
        field(&result, "name").as_deref().unwrap_or("friend")
    ))
}

/// Asks the client's model for the capital of France.
#[tool]
async fn test_input_required_result_sampling(ctx: Context) -> Result<String, AskError> {
    let answer = ctx
        .sample(
            "capital_question",
            question("What is the capital of France?"),
        )
        .await?;
    Ok(format!("Sampling response: {}", answer.content.to_text()))
}

/// Names the client's roots.
#[tool]
async fn test_input_required_result_list_roots(ctx: Context) -> Result<String, AskError> {
    let roots = ctx.roots("client_roots").await?;
    let uris: Vec<_> = roots.iter().map(|root| root.uri.as_str()).collect();
    Ok(format!("Client roots: [{}]", uris.join(", ")))
}

/// Asks for a confirmation and checks that its own state came back unharmed.
#[tool]
async fn test_input_required_result_request_state(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.elicit_schema("confirm", confirm()).await?;
    Ok(format!("state-ok: {}", told(&answer)))
}

/// Asks for a confirmation; state that was tampered with is an error.
#[tool]
async fn test_input_required_result_tampered_state(ctx: Context) -> Result<String, AskError> {
    let answer = ctx.elicit_schema("confirm", confirm()).await?;
    Ok(format!("integrity-ok: {}", told(&answer)))
}

/// Asks the user, the model and the client's file list in one round.
#[tool]
async fn test_input_required_result_multiple_inputs(ctx: Context) -> Result<String, AskError> {
    let name = ctx.elicit_schema("user_name", one_text("What is your name?", "name"));
    let greeting = ctx.sample("greeting", question("Generate a greeting"));
    let (name, (greeting, roots)) =
        try_zip(name, try_zip(greeting, ctx.roots("client_roots"))).await?;
    Ok(format!(
        "Name: {}; greeting: {}; roots: {}",
        field(&name, "name").as_deref().unwrap_or("friend"),
        greeting.content.to_text(),
        roots.len(),
    ))
}

/// Asks two questions, one after the other.
#[tool]
async fn test_input_required_result_multi_round(ctx: Context) -> Result<String, AskError> {
    let name = ctx
        .elicit_schema("step1", one_text("Step 1: What is your name?", "name"))
        .await?;
    let color = ctx
        .elicit_schema(
            "step2",
            one_text("Step 2: What is your favorite color?", "color"),
        )
        .await?;
    Ok(format!(
        "{} likes {}",
        field(&name, "name").as_deref().unwrap_or("Somebody"),
        field(&color, "color").as_deref().unwrap_or("no color"),
    ))
}

/// Asks only what the client declared that it can answer.
#[tool]
async fn test_input_required_result_capabilities(ctx: Context) -> Result<String, AskError> {
    let can = ctx.client_features();
    let name = async {
        if !can.contains(ClientFeatures::ELICITATION_FORM) {
            return Ok(None);
        }
        let result = ctx
            .elicit_schema("user_name", one_text("What is your name?", "name"))
            .await?;
        Ok(field(&result, "name"))
    };
    let greeting = async {
        if !can.contains(ClientFeatures::SAMPLING) {
            return Ok(None);
        }
        let answer = ctx
            .sample("greeting", question("Generate a greeting"))
            .await?;
        Ok(Some(answer.content.to_text()))
    };
    let roots = async {
        if !can.contains(ClientFeatures::ROOTS) {
            return Ok(None);
        }
        ctx.roots("client_roots")
            .await
            .map(|roots| Some(roots.len()))
    };
    let (name, (greeting, roots)) = try_zip(name, try_zip(greeting, roots)).await?;
    let said = [
        name.map(|name| format!("name {name}")),
        greeting.map(|greeting| format!("greeting {greeting}")),
        roots.map(|count| format!("{count} roots")),
    ];
    let said: Vec<_> = said.into_iter().flatten().collect();
    Ok(if said.is_empty() {
        "The client can answer no question".to_owned()
    } else {
        format!("The client answered: {}", said.join(", "))
    })
}
