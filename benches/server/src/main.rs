//! The tools that every peer in `../peers` has, as the documentation would have one write them. One source for every
//! driver: each package beside this one names its own.

use std::process::ExitCode;
use std::time::{Duration, Instant};

#[cfg(feature = "mio")]
use mcp_driver_mio as driver;
#[cfg(feature = "std")]
use mcp_driver_std as driver;
#[cfg(feature = "tokio")]
use mcp_driver_tokio as driver;
use mcp_server::{Context, Server, tool};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
struct Sum {
    result: i64,
}

/// Echo the message back
#[tool]
fn echo(message: String) -> String {
    message
}

/// Add two integers
#[tool]
fn add(a: i64, b: i64) -> Sum {
    Sum { result: a + b }
}

/// Return 64 KiB of text
#[tool]
fn large() -> String {
    "The quick brown fox jumps over the lazy dog, 0123456789 times..\n".repeat(1024)
}

/// Wait
#[tool]
async fn sleep(ms: u64, ctx: Context) -> String {
    ctx.sleep(Duration::from_millis(ms)).await;
    String::from("slept")
}

/// Keep a thread busy
#[tool(blocking)]
fn burn(ms: u64) -> String {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(ms) {
        std::hint::spin_loop();
    }
    String::from("burned")
}

fn main() -> ExitCode {
    let server = Server::new("bench", "1.0.0");
    driver::run(
        server
            .tool(echo)
            .tool(add)
            .tool(large)
            .tool(sleep)
            .tool(burn),
    )
}
