//! 2025-11-25, the last revision with a handshake, seen from 2026-07-28.
//!
//! Beyond the tables: `structuredContent` is an object, and so is what an `outputSchema` describes. Tasks are an
//! experimental part of the protocol, not an extension: `ttl` and `pollInterval` are `ttlMs` and `pollIntervalMs` there.

use super::Differences;
use crate::revision::Revision;

pub(super) const DIFFERENCES: Differences = Differences {
    lacks_methods: &[
        "notifications/subscriptions/acknowledged",
        "server/discover",
        "subscriptions/listen",
    ],
    lacks_types: &[
        "DiscoverResult",
        "InputRequiredResult",
        "SubscriptionFilter",
        "SubscriptionsAcknowledgedNotificationParams",
        "SubscriptionsListenRequestParams",
        "SubscriptionsListenResult",
    ],
    lacks_members: &[
        ("CallToolRequestParams", &["inputResponses", "requestState"]),
        ("CallToolResult", &["resultType"]),
        ("ClientCapabilities", &["extensions"]),
        ("CompleteResult", &["resultType"]),
        (
            "GetPromptRequestParams",
            &["inputResponses", "requestState"],
        ),
        ("GetPromptResult", &["resultType"]),
        ("ListPromptsResult", &["cacheScope", "resultType", "ttlMs"]),
        (
            "ListResourceTemplatesResult",
            &["cacheScope", "resultType", "ttlMs"],
        ),
        (
            "ListResourcesResult",
            &["cacheScope", "resultType", "ttlMs"],
        ),
        ("ListToolsResult", &["cacheScope", "resultType", "ttlMs"]),
        (
            "ReadResourceRequestParams",
            &["inputResponses", "requestState"],
        ),
        ("ReadResourceResult", &["cacheScope", "resultType", "ttlMs"]),
        ("ServerCapabilities", &["extensions"]),
    ],
    keeps_methods: &[
        "initialize",
        "logging/setLevel",
        "notifications/elicitation/complete",
        "notifications/initialized",
        "notifications/roots/list_changed",
        "notifications/tasks/status",
        "ping",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/cancel",
        "tasks/get",
        "tasks/list",
        "tasks/result",
    ],
    keeps_types: &[
        "CancelTaskRequestParams",
        "CreateTaskResult",
        "ElicitationCompleteNotificationParams",
        "GetTaskPayloadRequestParams",
        "GetTaskPayloadResult",
        "GetTaskRequestParams",
        "InitializeRequestParams",
        "InitializeResult",
        "ListTasksResult",
        "RelatedTaskMetadata",
        "SetLevelRequestParams",
        "SubscribeRequestParams",
        "Task",
        "TaskMetadata",
        "TaskStatus",
        "ToolExecution",
        "UnsubscribeRequestParams",
    ],
    keeps_members: &[
        ("CallToolRequestParams", &["task"]),
        ("ClientCapabilities", &["roots.listChanged", "tasks"]),
        ("CreateMessageRequestParams", &["_meta", "task"]),
        ("ElicitRequestFormParams", &["_meta", "task"]),
        (
            "ElicitRequestURLParams",
            &["_meta", "elicitationId", "task"],
        ),
        ("ElicitResult", &["_meta"]),
        ("ListRootsResult", &["_meta"]),
        ("ServerCapabilities", &["tasks"]),
        ("Tool", &["execution"]),
    ],
    requires: &[("ElicitRequestURLParams", &["elicitationId"])],
    relaxes: &[
        ("CallToolRequestParams", &["_meta"]),
        ("CancelledNotificationParams", &["requestId"]),
        ("CompleteRequestParams", &["_meta"]),
        ("GetPromptRequestParams", &["_meta"]),
        ("PaginatedRequestParams", &["_meta"]),
        ("ReadResourceRequestParams", &["_meta"]),
        ("RequestParams", &["_meta"]),
        ("ResourceRequestParams", &["_meta"]),
    ],
    ..Differences::none(Revision::V2025_11_25)
};
