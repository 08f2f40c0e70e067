//! A server on turbomcp. `stdio`, `http ADDR`.

use std::sync::LazyLock;

use serde::Serialize;
use turbomcp::http::{HttpConfig, ServeHttp};
use turbomcp::prelude::*;
use turbomcp::schemars::{self, JsonSchema};

static LARGE: LazyLock<String> = LazyLock::new(|| {
    "The quick brown fox jumps over the lazy dog, 0123456789 times..\n".repeat(1024)
});

#[derive(Serialize, JsonSchema)]
struct Sum {
    result: i64,
}

#[derive(Clone)]
struct Peer;

#[server(name = "peer-turbomcp", version = "1.0.0")]
impl Peer {
    #[tool(description = "Echo the message back")]
    async fn echo(&self, message: String) -> McpResult<String> {
        Ok(message)
    }

    #[tool(description = "Add two integers")]
    async fn add(&self, a: i64, b: i64) -> McpResult<Json<Sum>> {
        Ok(Json(Sum { result: a + b }))
    }

    #[tool(description = "Return 64 KiB of text")]
    async fn large(&self) -> McpResult<String> {
        Ok(LARGE.clone())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("http") => {
            let address = words.get(1).and_then(|address| address.parse().ok());
            let address = address.unwrap_or_else(|| {
                eprintln!("usage: stdio | http ADDR");
                std::process::exit(2)
            });
            Peer.into_server()
                .run_http(address, HttpConfig::new())
                .await?;
        }
        _ => Peer.run_stdio().await?,
    }
    Ok(())
}
