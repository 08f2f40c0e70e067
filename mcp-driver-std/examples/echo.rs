//! A server on threads alone: `cargo run -p mcp-driver-std --example echo`.

use std::process::ExitCode;

use mcp_server::{Server, tool};

/// Echo the message back
#[tool]
fn echo(message: String) -> String {
    message
}

fn main() -> ExitCode {
    mcp_driver_std::run(Server::new("echo", "1.0.0").tool(echo))
}
