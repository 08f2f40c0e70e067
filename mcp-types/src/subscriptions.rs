//! Subscriptions (2026-07-28): one stream of the notifications that a client asked for.

use alloc::string::String;
use alloc::vec::Vec;

use crate::macros::wire_struct;
use crate::meta::Meta;
use crate::mrtr::ResultType;

wire_struct! {
    /// Which notifications are wanted, or granted (schema `SubscriptionFilter`). Nothing is sent unasked.
    pub struct SubscriptionFilter {
        required {}
        optional {
            /// Changes of the list of prompts.
            prompts_list_changed / with_prompts_list_changed: bool = "promptsListChanged";
            /// Updates of these resources, by URI.
            resource_subscriptions / with_resource_subscriptions: Vec<String> = "resourceSubscriptions";
            /// Changes of the list of resources.
            resources_list_changed / with_resources_list_changed: bool = "resourcesListChanged";
            /// Changes of the list of tools.
            tools_list_changed / with_tools_list_changed: bool = "toolsListChanged";
            /// Status changes of these tasks (extension `io.modelcontextprotocol/tasks`).
            task_ids / with_task_ids: Vec<String> = "taskIds";
        }
    }
}

wire_struct! {
    /// Parameters of `subscriptions/listen` (schema `SubscriptionsListenRequestParams`).
    pub struct SubscriptionsListenRequestParams {
        required {
            /// What is wanted.
            notifications: SubscriptionFilter = "notifications";
        }
        optional {
            /// The request's context.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of `notifications/subscriptions/acknowledged` (schema
    /// `SubscriptionsAcknowledgedNotificationParams`), the first message of a stream.
    pub struct SubscriptionsAcknowledgedNotificationParams {
        required {
            /// What is granted: the supported part of what was wanted.
            notifications: SubscriptionFilter = "notifications";
        }
        optional {
            /// Names the subscription.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// The answer to `subscriptions/listen`: the server ends the stream in good order (schema
    /// `SubscriptionsListenResult`).
    pub struct SubscriptionsListenResult {
        required {
            /// Names the subscription.
            meta: Meta = "_meta";
        }
        optional {
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType";
        }
    }
}
