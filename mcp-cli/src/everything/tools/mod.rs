//! The tools, one file per subject.

mod ask;
mod changes;
mod content;
mod input_required;
mod notify;
mod schemas;
mod showcase;

use mcp_server::Server;

pub(super) use input_required::{field, one_text};

pub(super) fn register(server: Server) -> Server {
    let server = content::register(server);
    let server = notify::register(server);
    let server = ask::register(server);
    let server = input_required::register(server);
    let server = schemas::register(server);
    let server = changes::register(server);
    showcase::register(server)
}
