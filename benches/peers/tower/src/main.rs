//! A server on tower-mcp. `stdio`, `http ADDR [stateful]`.

use std::sync::LazyLock;

use axum::serve::ListenerExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tower_mcp::{BoxError, CallToolResult, HttpTransport, McpRouter, StdioTransport, ToolBuilder};

static LARGE: LazyLock<String> = LazyLock::new(|| {
    "The quick brown fox jumps over the lazy dog, 0123456789 times..\n".repeat(1024)
});

#[derive(Debug, Deserialize, JsonSchema)]
struct Echo {
    message: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Sum {
    result: i64,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let echo = ToolBuilder::new("echo")
        .description("Echo the message back")
        .handler(|echo: Echo| async move { Ok(CallToolResult::text(echo.message)) })
        .build();
    let add = ToolBuilder::new("add")
        .description("Add two integers")
        .output_schema_for::<Sum>()
        .handler(|add: Add| async move {
            CallToolResult::from_serialize(&Sum {
                result: add.a + add.b,
            })
        })
        .build();
    let large = ToolBuilder::new("large")
        .description("Return 64 KiB of text")
        .handler(|_: Nothing| async move { Ok(CallToolResult::text(LARGE.clone())) })
        .build();
    let router = McpRouter::new()
        .server_info("peer-tower", "1.0.0")
        .tool(echo)
        .tool(add)
        .tool(large);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["stdio"] => StdioTransport::new(router).run().await?,
        ["http", address, ref rest @ ..] => {
            let mut transport = HttpTransport::new(router);
            if rest == ["stateful"] {
                transport = transport.require_sessions();
            }
            let listener = tokio::net::TcpListener::bind(address).await?;
            let listener = listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            axum::serve(listener, transport.into_router_at("/mcp")).await?;
        }
        _ => return Err("usage: stdio | http ADDR [stateful]".into()),
    }
    Ok(())
}
