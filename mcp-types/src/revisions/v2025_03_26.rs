//! 2025-03-26, the revision of batches, seen from 2025-06-18.
//!
//! Beyond the tables: messages may come in batches (arrays), which is a matter of framing; content has no resource links,
//! so that such a block is written as text.

use super::Differences;
use crate::revision::Revision;

pub(super) const DIFFERENCES: Differences = Differences {
    lacks_methods: &["elicitation/create"],
    lacks_types: &[
        "BooleanSchema",
        "ElicitRequestParams",
        "ElicitResult",
        "EnumSchema",
        "NumberSchema",
        "ResourceLink",
        "StringSchema",
    ],
    lacks_members: &[
        ("Annotations", &["lastModified"]),
        ("AudioContent", &["_meta"]),
        ("BlobResourceContents", &["_meta"]),
        ("CallToolResult", &["structuredContent"]),
        ("ClientCapabilities", &["elicitation"]),
        ("CompleteRequestParams", &["context"]),
        ("EmbeddedResource", &["_meta"]),
        ("ImageContent", &["_meta"]),
        ("Implementation", &["title"]),
        ("Prompt", &["_meta", "title"]),
        ("PromptArgument", &["title"]),
        ("PromptReference", &["title"]),
        ("Resource", &["_meta", "title"]),
        ("ResourceTemplate", &["_meta", "title"]),
        ("Root", &["_meta"]),
        ("TextContent", &["_meta"]),
        ("TextResourceContents", &["_meta"]),
        ("Tool", &["_meta", "outputSchema", "title"]),
    ],
    renames: &[("ResourceReference", "ResourceTemplateReference")],
    ..Differences::none(Revision::V2025_03_26)
};
