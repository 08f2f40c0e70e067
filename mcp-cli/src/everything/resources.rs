//! The resources: text, bytes, a template, one to watch, and enough to page through.

use mcp_server::types::ResourceContents;
use mcp_server::{Server, resource};

use super::completions::{TOPICS, notes, topics};
use super::media::RED_PIXEL_PNG;

pub(super) fn register(server: Server) -> Server {
    server
        .resource(static_text)
        .resource(static_binary)
        .resource(watched_resource)
        .resource(template_data)
        .resource(note)
}

/// A text that never changes
#[resource(
    uri = "test://static-text",
    name = "static-text",
    title = "Static text",
    mime_type = "text/plain"
)]
fn static_text() -> &'static str {
    "This is the content of the static text resource."
}

/// An image that never changes
#[resource(
    uri = "test://static-binary",
    name = "static-binary",
    title = "Static image",
    mime_type = "image/png"
)]
fn static_binary() -> ResourceContents {
    ResourceContents::blob("test://static-binary", RED_PIXEL_PNG).with_mime_type("image/png")
}

/// A text to subscribe to; the tool touch_watched_resource updates it
#[resource(
    uri = "test://watched-resource",
    name = "watched-resource",
    title = "Watched text",
    mime_type = "text/plain"
)]
fn watched_resource() -> &'static str {
    "Watched resource content"
}

/// Data made from the id in the URI
#[resource(
    template = "test://template/{id}/data",
    name = "template-data",
    title = "Data by id",
    mime_type = "application/json"
)]
fn template_data(#[mcp(complete_with = ["1", "2", "3"])] id: String) -> String {
    serde_json::json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")})
        .to_string()
}

/// A note by topic and name
#[resource(
    template = "note://{topic}/{name}",
    title = "Note",
    mime_type = "text/markdown"
)]
fn note(
    #[mcp(complete = topics)] topic: String,
    #[mcp(complete = notes)] name: String,
) -> Option<String> {
    TOPICS
        .contains(&topic.as_str())
        .then(|| format!("# {name}\n\nA note about {topic}.\n"))
}
