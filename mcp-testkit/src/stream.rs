//! Small change for tests of a byte stream: four tools that differ in how they run, and what a client says to them.
//!
//! Owns those, for tests that are about one driver's own ends and not about the [contract](crate::driver). Must never need a
//! runtime: time and threads are the driver's, by way of the framework.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use mcp_server::{Context, Server, tool};

/// Sleeps for so many milliseconds, by the driver's timer, and says so.
#[tool]
pub async fn slow(ms: u64, ctx: Context) -> String {
    ctx.sleep(Duration::from_millis(ms)).await;
    format!("slept {ms}")
}

/// Blocks a thread for so many milliseconds and says so.
#[tool(blocking)]
pub fn block(ms: u64) -> String {
    std::thread::sleep(Duration::from_millis(ms));
    format!("blocked {ms}")
}

/// Runs on a task of its own, reports progress, and is polled twice at least.
#[tool(spawn)]
pub async fn spawned(ctx: Context) -> &'static str {
    ctx.progress(1.0, None, None);
    let mut again = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut again, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    "spawned"
}

/// Returns so many bytes of text.
#[tool]
pub fn large(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// A server with all four.
pub fn server() -> Server {
    Server::new("stream", "1.0.0")
        .tool(slow)
        .tool(block)
        .tool(spawned)
        .tool(large)
}

/// The line with which a client of 2026-07-28 calls a tool; `arguments` is JSON.
#[must_use]
pub fn call(id: u32, name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    ) + "\n"
}

/// The line with which a client of 2026-07-28 looks around.
pub const DISCOVER: &str = concat!(
    r#"{"jsonrpc":"2.0","id":"a","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    "\n"
);

/// The line with which a client of 2025-11-25 begins.
pub const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#,
    "\n"
);
