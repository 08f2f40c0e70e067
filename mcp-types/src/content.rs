//! Content blocks: what tools return, prompts say and models read.
//!
//! Owns every kind of content. A kind that a revision lacks is replaced by a text block that says what was there, so
//! that a message never loses a required block; a kind that the model lacks is kept and passed on verbatim.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::implementation::Icon;
use crate::json::Json;
use crate::macros::{wire_enum, wire_struct, wire_union};
use crate::map::Object;
use crate::meta::Meta;
use crate::resources::{Resource, ResourceContents};
use crate::revision::Revision;
use crate::writer::{Long, LongTexts};

wire_enum! {
    /// Who speaks, or for whom something is meant (schema `Role`).
    pub enum Role {
        /// The person, or the program on their behalf.
        User = "user",
        /// The model.
        Assistant = "assistant",
    }
}

wire_struct! {
    /// Hints on how to use or show something (schema `Annotations`).
    pub struct Annotations {
        required {}
        optional {
            /// For whom it is meant.
            audience / with_audience: Vec<Role> = "audience";
            /// When it was last changed, in ISO 8601, such as `2025-01-12T15:00:58Z`.
            last_modified / with_last_modified: String = "lastModified" since V2025_06_18;
            /// How important it is, from 0 (optional) to 1 (required).
            priority / with_priority: f64 = "priority";
        }
    }
}

wire_union! {
    /// A block of content in a tool result or a prompt (schema `ContentBlock`).
    pub enum ContentBlock by "type" fallback content_fallback {
        /// Text.
        Text(TextContent) = "text",
        /// An image.
        Image(ImageContent) = "image",
        /// Sound; since 2025-03-26.
        Audio(AudioContent) = "audio",
        /// A reference to a resource; since 2025-06-18.
        ResourceLink(ResourceLink) = "resource_link",
        /// A resource with its contents.
        Resource(EmbeddedResource) = "resource",
    }
}

impl ContentBlock {
    /// A text block.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        TextContent::new(text).into()
    }

    /// An image from base64 data.
    #[must_use]
    pub fn image(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        ImageContent::new(data, mime_type).into()
    }

    /// Sound from base64 data.
    #[must_use]
    pub fn audio(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        AudioContent::new(data, mime_type).into()
    }

    /// A resource with its contents.
    #[must_use]
    pub fn resource(contents: impl Into<ResourceContents>) -> Self {
        EmbeddedResource::new(contents).into()
    }

    /// A reference to a resource.
    #[must_use]
    pub fn link(uri: impl Into<String>, name: impl Into<String>) -> Self {
        ResourceLink::new(uri, name).into()
    }

    /// The text, if this is a text block.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(block) => Some(&block.text),
            _ => None,
        }
    }
}

impl LongTexts for ContentBlock {
    fn each_long(&mut self, visit: &mut dyn FnMut(Long<'_>)) {
        match self {
            Self::Text(block) => visit(Long::Text(&mut block.text)),
            Self::Image(block) => visit(Long::Text(&mut block.data)),
            Self::Audio(block) => visit(Long::Text(&mut block.data)),
            Self::Resource(block) => block.resource.each_long(visit),
            Self::ResourceLink(_) => {}
            Self::Unknown(raw) => visit(Long::Raw(raw)),
        }
    }
}

impl From<String> for ContentBlock {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for ContentBlock {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// The block that stands in for one that the revision lacks.
fn content_fallback(block: &ContentBlock, revision: Revision) -> Option<TextContent> {
    match block {
        ContentBlock::Audio(audio) if revision < Revision::V2025_03_26 => Some(audio.described()),
        ContentBlock::ResourceLink(link) if revision < Revision::V2025_06_18 => {
            let title = link.title.as_ref().unwrap_or(&link.name);
            let text = match &link.description {
                Some(description) => format!("Resource {title}: {} ({description})", link.uri),
                None => format!("Resource {title}: {}", link.uri),
            };
            Some(TextContent {
                annotations: link.annotations.clone(),
                ..TextContent::new(text)
            })
        }
        _ => None,
    }
}

wire_union! {
    /// A block of content in a sampled message (schema `SamplingMessageContentBlock`).
    pub enum SamplingMessageContentBlock by "type" fallback sampling_fallback {
        /// Text.
        Text(TextContent) = "text",
        /// An image.
        Image(ImageContent) = "image",
        /// Sound; since 2025-03-26.
        Audio(AudioContent) = "audio",
        /// The model wants a tool called; since 2025-11-25.
        ToolUse(ToolUseContent) = "tool_use",
        /// What the tool returned; since 2025-11-25.
        ToolResult(ToolResultContent) = "tool_result",
    }
}

impl SamplingMessageContentBlock {
    /// A text block.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        TextContent::new(text).into()
    }

    /// The text, if this is a text block.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(block) => Some(&block.text),
            _ => None,
        }
    }
}

fn sampling_fallback(
    block: &SamplingMessageContentBlock,
    revision: Revision,
) -> Option<TextContent> {
    match block {
        SamplingMessageContentBlock::Audio(audio) if revision < Revision::V2025_03_26 => {
            Some(audio.described())
        }
        SamplingMessageContentBlock::ToolUse(call) if revision < Revision::V2025_11_25 => {
            let input = crate::wire::to_string(&call.input, revision);
            Some(TextContent::new(format!(
                "Call of the tool {}: {input}",
                call.name
            )))
        }
        SamplingMessageContentBlock::ToolResult(result) if revision < Revision::V2025_11_25 => {
            let said: Vec<&str> = result
                .content
                .iter()
                .filter_map(ContentBlock::as_text)
                .collect();
            Some(TextContent::new(format!(
                "Result of the tool call {}: {}",
                result.tool_use_id,
                said.join("\n")
            )))
        }
        _ => None,
    }
}

wire_struct! {
    /// Text (schema `TextContent`).
    pub struct TextContent tag "type" = "text" {
        required {
            /// The text.
            text: String = "text";
        }
        optional {
            /// Hints for the client.
            annotations / with_annotations: Annotations = "annotations";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

wire_struct! {
    /// An image (schema `ImageContent`).
    pub struct ImageContent tag "type" = "image" {
        required {
            /// The image in base64.
            data: String = "data";
            /// The media type, such as `image/png`.
            mime_type: String = "mimeType";
        }
        optional {
            /// Hints for the client.
            annotations / with_annotations: Annotations = "annotations";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

wire_struct! {
    /// Sound (schema `AudioContent`).
    pub struct AudioContent tag "type" = "audio" {
        required {
            /// The sound in base64.
            data: String = "data";
            /// The media type, such as `audio/wav`.
            mime_type: String = "mimeType";
        }
        optional {
            /// Hints for the client.
            annotations / with_annotations: Annotations = "annotations";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

impl AudioContent {
    /// What a peer that knows no audio is told.
    fn described(&self) -> TextContent {
        let text = format!(
            "Audio ({}) that this protocol version cannot carry",
            self.mime_type
        );
        TextContent {
            annotations: self.annotations.clone(),
            ..TextContent::new(text)
        }
    }
}

wire_struct! {
    /// A reference to a resource that the server can read (schema `ResourceLink`). It need not be in `resources/list`.
    pub struct ResourceLink tag "type" = "resource_link" {
        required {
            /// The resource's URI.
            uri: String = "uri";
            /// A name for programs.
            name: String = "name";
        }
        optional {
            /// A name for people.
            title / with_title: String = "title" since V2025_06_18;
            /// What the resource is, for people and models.
            description / with_description: String = "description";
            /// The media type, if known.
            mime_type / with_mime_type: String = "mimeType";
            /// The size of the raw contents in bytes, before any encoding, if known.
            size / with_size: u64 = "size" via MaybeUnsigned;
            /// Icons to display.
            icons / with_icons: Vec<Icon> = "icons" since V2025_11_25;
            /// Hints for the client.
            annotations / with_annotations: Annotations = "annotations";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

impl From<Resource> for ResourceLink {
    fn from(resource: Resource) -> Self {
        Self {
            uri: resource.uri,
            name: resource.name,
            title: resource.title,
            description: resource.description,
            mime_type: resource.mime_type,
            size: resource.size,
            icons: resource.icons,
            annotations: resource.annotations,
            meta: resource.meta,
            extra: resource.extra,
        }
    }
}

wire_struct! {
    /// A resource with its contents (schema `EmbeddedResource`).
    pub struct EmbeddedResource tag "type" = "resource" {
        required {
            /// The contents.
            resource: ResourceContents = "resource";
        }
        optional {
            /// Hints for the client.
            annotations / with_annotations: Annotations = "annotations";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

wire_struct! {
    /// The model wants a tool called (schema `ToolUseContent`).
    pub struct ToolUseContent tag "type" = "tool_use" {
        required {
            /// Identifies this use; the result repeats it.
            id: String = "id";
            /// The tool's name.
            name: String = "name";
            /// The arguments.
            input: Object = "input";
        }
        optional {
            /// Metadata; clients should preserve it in later requests.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// What a tool returned, given back to the model (schema `ToolResultContent`).
    pub struct ToolResultContent tag "type" = "tool_result" {
        required {
            /// The [`ToolUseContent::id`] that this answers.
            tool_use_id: String = "toolUseId";
            /// The result for the model to read.
            content: Vec<ContentBlock> = "content";
        }
        optional {
            /// True if the use failed.
            is_error / with_is_error: bool = "isError";
            /// The result as a value. Up to 2025-11-25 only objects can be sent.
            structured_content / with_structured_content: Json = "structuredContent"
                via KeepNull when structured_value_fits;
            /// Metadata; clients should preserve it in later requests.
            meta / with_meta: Meta = "_meta";
        }
    }
}

/// Before 2026-07-28 a structured value had to be an object.
pub(crate) fn structured_value_fits(value: &Json, revision: Revision) -> bool {
    revision >= Revision::V2026_07_28 || value.is_object()
}
