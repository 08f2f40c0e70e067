//! Fixtures: log messages, progress, and a stream that is closed in mid-call.

use std::time::Duration;

use mcp_server::{Context, Server, tool};

/// The pause that the conformance suite asks for between notifications.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn register(server: Server) -> Server {
    server
        .tool(test_tool_with_logging)
        .tool(test_logging_tool)
        .tool(test_tool_with_progress)
        .tool(test_reconnection)
}

/// Sends three log messages, 50 milliseconds apart.
#[tool(read_only)]
async fn test_tool_with_logging(ctx: Context) -> &'static str {
    ctx.info("Tool execution started");
    ctx.sleep(PAUSE).await;
    ctx.info("Tool processing data");
    ctx.sleep(PAUSE).await;
    ctx.info("Tool execution completed");
    "Logging test completed"
}

/// Sends one log message, which arrives only if the request asked for a level.
#[tool(read_only)]
async fn test_logging_tool(ctx: Context) -> &'static str {
    ctx.info("logLevel was requested");
    "Logging tool completed"
}

/// Reports progress: 0, 50 and 100 of 100, 50 milliseconds apart.
#[tool(read_only)]
async fn test_tool_with_progress(ctx: Context) -> &'static str {
    ctx.progress(0.0, Some(100.0), Some("Starting"));
    ctx.sleep(PAUSE).await;
    ctx.progress(50.0, Some(100.0), Some("Halfway"));
    ctx.sleep(PAUSE).await;
    ctx.progress(100.0, Some(100.0), Some("Complete"));
    "Progress test completed"
}

/// Closes the stream of this very call and finishes a little later: a client
/// of revision 2025-11-25 comes back and finds the result.
#[tool(read_only)]
async fn test_reconnection(ctx: Context) -> &'static str {
    ctx.close_stream(Some(Duration::from_millis(500)));
    ctx.sleep(Duration::from_millis(100)).await;
    "Reconnection test completed"
}
