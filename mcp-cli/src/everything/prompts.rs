//! The prompts: plain, with arguments, with content, and one that asks.

use mcp_server::types::{ContentBlock, GetPromptResult, PromptMessage, ResourceContents, Role};
use mcp_server::{AskError, Context, Server, prompt};

use super::completions::{languages, topics};
use super::media::RED_PIXEL_PNG;
use super::tools::{field, one_text};

pub(super) fn register(server: Server) -> Server {
    server
        .prompt(test_simple_prompt)
        .prompt(test_prompt_with_arguments)
        .prompt(test_prompt_with_embedded_resource)
        .prompt(test_prompt_with_image)
        .prompt(test_input_required_result_prompt)
        .prompt(explain)
}

/// A prompt without arguments
#[prompt]
fn test_simple_prompt() -> &'static str {
    "This is a simple prompt for testing."
}

/// A prompt with two required arguments
#[prompt]
fn test_prompt_with_arguments(
    /// First test argument
    #[mcp(complete_with = ["test-value-1", "test-value-2"])]
    arg1: String,
    /// Second test argument
    arg2: String,
) -> String {
    format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")
}

/// A prompt that carries a resource
#[prompt]
fn test_prompt_with_embedded_resource(
    /// URI of the resource to embed
    #[mcp(name = "resourceUri")]
    resource_uri: String,
) -> Vec<PromptMessage> {
    let contents = ResourceContents::text(resource_uri, "Embedded resource content for testing.");
    vec![
        PromptMessage::new(
            Role::User,
            ContentBlock::resource(contents.with_mime_type("text/plain")),
        ),
        PromptMessage::user("Please process the embedded resource above."),
    ]
}

/// A prompt that carries an image
#[prompt]
fn test_prompt_with_image() -> Vec<PromptMessage> {
    vec![
        PromptMessage::new(Role::User, ContentBlock::image(RED_PIXEL_PNG, "image/png")),
        PromptMessage::user("Please analyze the image above."),
    ]
}

/// A prompt that asks the user for its context first
#[prompt]
async fn test_input_required_result_prompt(ctx: Context) -> Result<String, AskError> {
    let asked = one_text("What context should the prompt use?", "context");
    let result = ctx.elicit_schema("user_context", asked).await?;
    Ok(format!(
        "Prompt with context: {}",
        field(&result, "context").as_deref().unwrap_or("none")
    ))
}

/// Explains something to somebody, in a language; both complete
#[prompt(title = "Explain")]
fn explain(
    /// What to explain
    #[mcp(complete = topics)]
    topic: String,
    /// In which language; English if left out
    #[mcp(complete = languages)]
    language: Option<String>,
) -> GetPromptResult {
    let language = language.as_deref().unwrap_or("English");
    GetPromptResult::new(vec![
        PromptMessage::user(format!(
            "Explain {topic} to a curious child, in {language}."
        )),
        PromptMessage::assistant("Gladly. Imagine that"),
    ])
    .with_description(format!("{topic}, explained in {language}"))
}

/// Comes and goes with the tool test_trigger_prompt_change
#[prompt]
pub(super) fn dynamic_prompt() -> &'static str {
    "I was added while the server ran."
}
