//! The everything server: each feature of the protocol, once.
//!
//! Owns what the demo serves. One part is the fixtures that the official
//! conformance suite asks for by name (`test_…`, `json_schema_2020_12_tool`,
//! `test://…`); the other shows what a server of one's own would do. It uses
//! only the public API of the framework, in the way that its documentation
//! recommends.

mod completions;
mod media;
mod prompts;
mod resources;
mod tools;

use mcp_server::Server;

/// The server, ready to be built or served.
pub(crate) fn server() -> Server {
    let server = Server::new("mcp-everything", env!("CARGO_PKG_VERSION"))
        .title("Everything")
        .description("Every feature of the Model Context Protocol, for trying out clients")
        // Small enough for clients to show that they can turn pages; the fixtures fit on the first.
        .page_size(32)
        .instructions(
            "A server to try clients with. The tools named test_* are fixtures of the official \
             conformance suite; the others show one feature each.",
        );
    let server = tools::register(server);
    let server = resources::register(server);
    prompts::register(server)
}
