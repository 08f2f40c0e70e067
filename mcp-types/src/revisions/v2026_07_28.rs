//! 2026-07-28, the newest revision, against which the others are described step by step.
//!
//! It requires of every request `_meta` with `io.modelcontextprotocol/protocolVersion` and `…/clientCapabilities`, of
//! every result `resultType`, and of the six cacheable results `ttlMs` and `cacheScope`.

use super::Differences;
use crate::revision::Revision;

pub(super) const DIFFERENCES: Differences = Differences::none(Revision::V2026_07_28);

/// Every method, requests of the server included.
pub(super) const METHODS: &[&str] = &[
    "completion/complete",
    "elicitation/create",
    "notifications/cancelled",
    "notifications/message",
    "notifications/progress",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
    "notifications/tools/list_changed",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "roots/list",
    "sampling/createMessage",
    "server/discover",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];
