//! Fixtures: every kind of content, and an error.

use mcp_server::types::{ContentBlock, ResourceContents};
use mcp_server::{Server, tool};

use crate::everything::media::{RED_PIXEL_PNG, SILENCE_WAV};

pub(super) fn register(server: Server) -> Server {
    server
        .tool(test_simple_text)
        .tool(test_image_content)
        .tool(test_audio_content)
        .tool(test_embedded_resource)
        .tool(test_multiple_content_types)
        .tool(test_error_handling)
}

/// Returns a text.
#[tool(read_only)]
fn test_simple_text() -> &'static str {
    "This is a simple text response for testing."
}

/// Returns an image: a PNG of one red pixel.
#[tool(read_only)]
fn test_image_content() -> ContentBlock {
    ContentBlock::image(RED_PIXEL_PNG, "image/png")
}

/// Returns a sound: a WAV file of silence.
#[tool(read_only)]
fn test_audio_content() -> ContentBlock {
    ContentBlock::audio(SILENCE_WAV, "audio/wav")
}

/// Returns a resource with its contents.
#[tool(read_only)]
fn test_embedded_resource() -> ContentBlock {
    let contents = ResourceContents::text(
        "test://embedded-resource",
        "This is an embedded resource content.",
    );
    ContentBlock::resource(contents.with_mime_type("text/plain"))
}

/// Returns a text, an image and a resource.
#[tool(read_only)]
fn test_multiple_content_types() -> Vec<ContentBlock> {
    let contents = ResourceContents::text(
        "test://mixed-content-resource",
        r#"{"test":"data","value":123}"#,
    );
    vec![
        ContentBlock::text("Multiple content types test:"),
        ContentBlock::image(RED_PIXEL_PNG, "image/png"),
        ContentBlock::resource(contents.with_mime_type("application/json")),
    ]
}

/// Fails, always.
#[tool(read_only)]
fn test_error_handling() -> Result<String, &'static str> {
    Err("This tool intentionally returns an error for testing")
}
