//! Resources: what a server lets a client read.

use alloc::string::String;
use alloc::vec::Vec;

use crate::content::Annotations;
use crate::discovery::CacheScope;
use crate::implementation::Icon;
use crate::json::Json;
use crate::macros::wire_struct;
use crate::meta::Meta;
use crate::mrtr::{InputResponses, ResultType};
use crate::revision::Revision;
use crate::wire::Wire;
use crate::writer::{Long, LongTexts, Writer};

wire_struct! {
    /// A resource that a server can read (schema `Resource`).
    pub struct Resource {
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

wire_struct! {
    /// A family of resources (schema `ResourceTemplate`).
    pub struct ResourceTemplate {
        required {
            /// An RFC 6570 template of the URIs.
            uri_template: String = "uriTemplate";
            /// A name for programs.
            name: String = "name";
        }
        optional {
            /// A name for people.
            title / with_title: String = "title" since V2025_06_18;
            /// What the template is for.
            description / with_description: String = "description";
            /// The media type, if all resources of the family have the same.
            mime_type / with_mime_type: String = "mimeType";
            /// Icons to display.
            icons / with_icons: Vec<Icon> = "icons" since V2025_11_25;
            /// Hints for the client.
            annotations / with_annotations: Annotations = "annotations";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

/// The contents of a resource, or of a part of it (schema `ResourceContents`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ResourceContents {
    /// Text.
    Text(TextResourceContents),
    /// Binary data.
    Blob(BlobResourceContents),
    /// Neither; kept and written verbatim.
    Unknown(Json),
}

impl ResourceContents {
    /// Text contents.
    #[must_use]
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Text(TextResourceContents::new(uri, text))
    }

    /// Binary contents from base64 data.
    #[must_use]
    pub fn blob(uri: impl Into<String>, blob: impl Into<String>) -> Self {
        Self::Blob(BlobResourceContents::new(uri, blob))
    }

    /// Sets the media type; does nothing on contents of an unknown kind.
    #[must_use]
    pub fn with_mime_type(self, mime_type: impl Into<String>) -> Self {
        match self {
            Self::Text(contents) => Self::Text(contents.with_mime_type(mime_type)),
            Self::Blob(contents) => Self::Blob(contents.with_mime_type(mime_type)),
            unknown @ Self::Unknown(_) => unknown,
        }
    }

    /// The URI; `None` on contents of an unknown kind.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        match self {
            Self::Text(contents) => Some(&contents.uri),
            Self::Blob(contents) => Some(&contents.uri),
            Self::Unknown(_) => None,
        }
    }
}

impl From<TextResourceContents> for ResourceContents {
    fn from(contents: TextResourceContents) -> Self {
        Self::Text(contents)
    }
}

impl From<BlobResourceContents> for ResourceContents {
    fn from(contents: BlobResourceContents) -> Self {
        Self::Blob(contents)
    }
}

impl Wire for ResourceContents {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        match self {
            Self::Text(contents) => contents.write_at(revision, out),
            Self::Blob(contents) => contents.write_at(revision, out),
            Self::Unknown(raw) => raw.write_at(revision, out),
        }
    }
}

impl LongTexts for ResourceContents {
    fn each_long(&mut self, visit: &mut dyn FnMut(Long<'_>)) {
        match self {
            Self::Text(contents) => visit(Long::Text(&mut contents.text)),
            Self::Blob(contents) => visit(Long::Text(&mut contents.blob)),
            Self::Unknown(raw) => visit(Long::Raw(raw)),
        }
    }
}

impl<'de> serde::Deserialize<'de> for ResourceContents {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = Json::deserialize(deserializer)?;
        if crate::decode::has(&raw, "text") {
            raw.decode().map(Self::Text).map_err(D::Error::custom)
        } else if crate::decode::has(&raw, "blob") {
            raw.decode().map(Self::Blob).map_err(D::Error::custom)
        } else if raw.is_object() {
            Ok(Self::Unknown(raw))
        } else {
            Err(D::Error::custom("expected an object with `text` or `blob`"))
        }
    }
}

wire_struct! {
    /// Text contents (schema `TextResourceContents`).
    pub struct TextResourceContents {
        required {
            /// The URI of the resource.
            uri: String = "uri";
            /// The text.
            text: String = "text";
        }
        optional {
            /// The media type, if known.
            mime_type / with_mime_type: String = "mimeType";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

wire_struct! {
    /// Binary contents (schema `BlobResourceContents`).
    pub struct BlobResourceContents {
        required {
            /// The URI of the resource.
            uri: String = "uri";
            /// The data in base64.
            blob: String = "blob";
        }
        optional {
            /// The media type, if known.
            mime_type / with_mime_type: String = "mimeType";
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

wire_struct! {
    /// The answer to `resources/list` (schema `ListResourcesResult`).
    pub struct ListResourcesResult {
        required {
            /// One page of resources.
            resources: Vec<Resource> = "resources";
        }
        optional {
            /// Where the next page begins; absent on the last one.
            next_cursor / with_next_cursor: String = "nextCursor";
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType" since V2026_07_28;
            /// For how many milliseconds the result stays fresh.
            ttl_ms / with_ttl_ms: u64 = "ttlMs" since V2026_07_28 via MaybeUnsigned;
            /// Who may share a cached copy.
            cache_scope / with_cache_scope: CacheScope = "cacheScope" since V2026_07_28;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// The answer to `resources/templates/list` (schema `ListResourceTemplatesResult`).
    pub struct ListResourceTemplatesResult {
        required {
            /// One page of templates.
            resource_templates: Vec<ResourceTemplate> = "resourceTemplates";
        }
        optional {
            /// Where the next page begins; absent on the last one.
            next_cursor / with_next_cursor: String = "nextCursor";
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType" since V2026_07_28;
            /// For how many milliseconds the result stays fresh.
            ttl_ms / with_ttl_ms: u64 = "ttlMs" since V2026_07_28 via MaybeUnsigned;
            /// Who may share a cached copy.
            cache_scope / with_cache_scope: CacheScope = "cacheScope" since V2026_07_28;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of `resources/read` (schema `ReadResourceRequestParams`).
    pub struct ReadResourceRequestParams {
        required {
            /// The URI to read.
            uri: String = "uri";
        }
        optional {
            /// Answers to what an earlier, incomplete result asked for.
            input_responses / with_input_responses: InputResponses = "inputResponses" since V2026_07_28;
            /// The state that came with the incomplete result, unchanged.
            request_state / with_request_state: String = "requestState" since V2026_07_28;
            /// Metadata; since 2026-07-28 it carries the request's context and is required.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// The answer to `resources/read` (schema `ReadResourceResult`).
    pub struct ReadResourceResult {
        required {
            /// The contents: several when the URI stands for several resources.
            contents: Vec<ResourceContents> = "contents";
        }
        optional {
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType" since V2026_07_28;
            /// For how many milliseconds the result stays fresh.
            ttl_ms / with_ttl_ms: u64 = "ttlMs" since V2026_07_28 via MaybeUnsigned;
            /// Who may share a cached copy.
            cache_scope / with_cache_scope: CacheScope = "cacheScope" since V2026_07_28;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of `notifications/resources/updated` (schema `ResourceUpdatedNotificationParams`).
    pub struct ResourceUpdatedNotificationParams {
        required {
            /// What changed: the resource that was subscribed to, or a part of it.
            uri: String = "uri";
        }
        optional {
            /// Metadata; since 2026-07-28 it names the subscription.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of a request about one resource (schema `ResourceRequestParams`): of `resources/subscribe` and
    /// `resources/unsubscribe` up to 2025-11-25.
    pub struct ResourceRequestParams {
        required {
            /// The resource's URI.
            uri: String = "uri";
        }
        optional {
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

/// Parameters of `resources/subscribe`, up to 2025-11-25.
pub type SubscribeRequestParams = ResourceRequestParams;

/// Parameters of `resources/unsubscribe`, up to 2025-11-25.
pub type UnsubscribeRequestParams = ResourceRequestParams;

impl LongTexts for ReadResourceResult {
    fn each_long(&mut self, visit: &mut dyn FnMut(Long<'_>)) {
        for contents in &mut self.contents {
            contents.each_long(visit);
        }
    }
}
