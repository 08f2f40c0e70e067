//! A server on rmcp. `stdio`, `pipes` (its fast path on non-blocking pipes), `http ADDR stateful|json`.
//!
//! Without the feature `tuned` everything is as its documentation has it. That rebuilds the tool router for every
//! call; with `tuned` there is one static router, a change of one line and the fair thing to compare with.

use std::sync::LazyLock;

use axum::serve::ListenerExt;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::stdio;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{Json, ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

static LARGE: LazyLock<String> = LazyLock::new(|| {
    "The quick brown fox jumps over the lazy dog, 0123456789 times..\n".repeat(1024)
});

#[derive(Deserialize, JsonSchema)]
struct Echo {
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    result: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Work {
    ms: u64,
}

#[derive(Clone)]
struct Peer;

#[tool_router]
impl Peer {
    #[tool(description = "Echo the message back")]
    async fn echo(&self, Parameters(Echo { message }): Parameters<Echo>) -> String {
        message
    }

    #[tool(description = "Add two integers")]
    async fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> Json<Sum> {
        Json(Sum { result: a + b })
    }

    #[tool(description = "Return 64 KiB of text")]
    async fn large(&self) -> String {
        LARGE.clone()
    }

    #[tool(description = "Wait")]
    async fn sleep(&self, Parameters(Work { ms }): Parameters<Work>) -> String {
        tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        String::from("slept")
    }

    #[tool(description = "Keep a thread busy")]
    async fn burn(&self, Parameters(Work { ms }): Parameters<Work>) -> String {
        let burned = tokio::task::spawn_blocking(move || {
            let start = std::time::Instant::now();
            while start.elapsed().as_millis() < u128::from(ms) {
                std::hint::spin_loop();
            }
        });
        match burned.await {
            Ok(()) => String::from("burned"),
            Err(error) => error.to_string(),
        }
    }
}

#[cfg(not(feature = "tuned"))]
#[tool_handler]
impl ServerHandler for Peer {}

#[cfg(feature = "tuned")]
static ROUTER: LazyLock<rmcp::handler::server::router::tool::ToolRouter<Peer>> =
    LazyLock::new(Peer::tool_router);

#[cfg(feature = "tuned")]
#[tool_handler(router = ROUTER)]
impl ServerHandler for Peer {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["stdio"] => {
            Peer.serve(stdio()).await?.waiting().await?;
        }
        ["pipes"] => {
            Peer.serve(rmcp::transport::io::stdio_pipes())
                .await?
                .waiting()
                .await?;
        }
        ["http", address, mode] => {
            let config = StreamableHttpServerConfig::default();
            let config = match mode {
                "json" => config
                    .with_legacy_session_mode(false)
                    .with_json_response(true),
                _ => config,
            };
            let sessions = LocalSessionManager::default().into();
            let service = StreamableHttpService::new(|| Ok(Peer), sessions, config);
            let router = axum::Router::new().nest_service("/mcp", service);
            let listener = tokio::net::TcpListener::bind(address).await?;
            let listener = listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            axum::serve(listener, router).await?;
        }
        _ => anyhow::bail!("usage: stdio | pipes | http ADDR stateful|json"),
    }
    Ok(())
}
