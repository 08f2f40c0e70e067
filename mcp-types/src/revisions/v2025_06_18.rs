//! 2025-06-18, the revision of structured output and elicitation, seen from 2025-11-25.
//!
//! Beyond the tables: a sampled message holds one block, and a choice in a form knows titles only as `enumNames` and has
//! one value. `structuredContent` is an object.

use super::Differences;
use crate::revision::Revision;

pub(super) const DIFFERENCES: Differences = Differences {
    lacks_methods: &[
        "notifications/elicitation/complete",
        "notifications/tasks/status",
        "tasks/cancel",
        "tasks/get",
        "tasks/list",
        "tasks/result",
    ],
    lacks_types: &[
        "CancelTaskRequestParams",
        "CreateTaskResult",
        "ElicitRequestURLParams",
        "ElicitationCompleteNotificationParams",
        "GetTaskPayloadRequestParams",
        "GetTaskPayloadResult",
        "GetTaskRequestParams",
        "Icon",
        "ListTasksResult",
        "RelatedTaskMetadata",
        "ResourceRequestParams",
        "Task",
        "TaskMetadata",
        "TaskStatus",
        "TitledMultiSelectEnumSchema",
        "TitledSingleSelectEnumSchema",
        "ToolChoice",
        "ToolExecution",
        "ToolResultContent",
        "ToolUseContent",
        "UntitledMultiSelectEnumSchema",
        "UntitledSingleSelectEnumSchema",
    ],
    lacks_members: &[
        ("CallToolRequestParams", &["task"]),
        (
            "ClientCapabilities",
            &[
                "elicitation.form",
                "elicitation.url",
                "sampling.context",
                "sampling.tools",
                "tasks",
            ],
        ),
        (
            "CreateMessageRequestParams",
            &["task", "toolChoice", "tools"],
        ),
        (
            "ElicitRequestFormParams",
            &["mode", "requestedSchema.$schema", "task"],
        ),
        ("Implementation", &["description", "icons", "websiteUrl"]),
        ("LegacyTitledEnumSchema", &["default"]),
        ("NumberSchema", &["default"]),
        ("Prompt", &["icons"]),
        ("Resource", &["icons"]),
        ("ResourceLink", &["icons"]),
        ("ResourceTemplate", &["icons"]),
        ("SamplingMessage", &["_meta"]),
        ("ServerCapabilities", &["tasks"]),
        ("StringSchema", &["default"]),
        ("Tool", &["execution", "icons"]),
    ],
    renames: &[
        ("ElicitRequestParams", "ElicitRequestFormParams"),
        ("EnumSchema", "LegacyTitledEnumSchema"),
    ],
    requires: &[("CancelledNotificationParams", &["requestId"])],
    ..Differences::none(Revision::V2025_06_18)
};
