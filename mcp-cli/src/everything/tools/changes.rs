//! Fixtures: lists and resources that change while clients listen.

use mcp_server::{Context, Server, tool};

pub(super) fn register(server: Server) -> Server {
    server
        .tool(test_trigger_tool_change)
        .tool(test_trigger_prompt_change)
        .tool(touch_watched_resource)
}

/// Adds a tool to the list, or removes it again; subscribers hear of it.
#[tool]
fn test_trigger_tool_change(ctx: Context) -> Result<String, String> {
    let tools = ctx.service().tools();
    if tools.remove("dynamic_tool") {
        return Ok("Removed dynamic_tool".to_owned());
    }
    tools.add(dynamic_tool).map_err(|error| error.to_string())?;
    Ok("Added dynamic_tool".to_owned())
}

/// Adds a prompt to the list, or removes it again; subscribers hear of it.
#[tool]
fn test_trigger_prompt_change(ctx: Context) -> Result<String, String> {
    let prompts = ctx.service().prompts();
    if prompts.remove("dynamic_prompt") {
        return Ok("Removed dynamic_prompt".to_owned());
    }
    prompts
        .add(crate::everything::prompts::dynamic_prompt)
        .map_err(|error| error.to_string())?;
    Ok("Added dynamic_prompt".to_owned())
}

/// Says that `test://watched-resource` changed; subscribers hear of it.
#[tool]
fn touch_watched_resource(ctx: Context) -> &'static str {
    ctx.service()
        .notify_resource_updated("test://watched-resource");
    "Touched test://watched-resource"
}

/// Comes and goes with test_trigger_tool_change.
#[tool(read_only)]
fn dynamic_tool() -> &'static str {
    "I was added while the server ran."
}
