//! What a peer says that it can do.
//!
//! Presence is the statement: `logging: {}` declares logging. Unknown capabilities are kept in `extra`. `extensions`
//! is written in every revision, because older peers ignore what they do not know and newer extensions run on them.

use crate::macros::wire_struct;
use crate::map::{Map, Object};

wire_struct! {
    /// What a server offers (schema `ServerCapabilities`).
    pub struct ServerCapabilities {
        required {}
        optional {
            /// Argument completion.
            completions / with_completions: Object = "completions" since V2025_03_26;
            /// Experimental capabilities by name.
            experimental / with_experimental: Map<Object> = "experimental";
            /// Extensions by identifier, such as `io.modelcontextprotocol/tasks`, with their settings.
            extensions / with_extensions: Map<Object> = "extensions";
            /// Log messages.
            logging / with_logging: Object = "logging";
            /// Prompts.
            prompts / with_prompts: PromptsCapability = "prompts";
            /// Resources.
            resources / with_resources: ResourcesCapability = "resources";
            /// Experimental tasks of 2025-11-25; later ones are an extension.
            tasks / with_tasks: ServerTasksCapability = "tasks" since V2025_11_25 until V2025_11_25;
            /// Tools.
            tools / with_tools: ToolsCapability = "tools";
        }
    }
}

wire_struct! {
    /// Details of the prompts capability.
    pub struct PromptsCapability {
        required {}
        optional {
            /// True if changes of the list are notified.
            list_changed / with_list_changed: bool = "listChanged";
        }
    }
}

wire_struct! {
    /// Details of the resources capability.
    pub struct ResourcesCapability {
        required {}
        optional {
            /// True if changes of the list are notified.
            list_changed / with_list_changed: bool = "listChanged";
            /// True if updates of single resources can be subscribed to.
            subscribe / with_subscribe: bool = "subscribe";
        }
    }
}

wire_struct! {
    /// Details of the tools capability.
    pub struct ToolsCapability {
        required {}
        optional {
            /// True if changes of the list are notified.
            list_changed / with_list_changed: bool = "listChanged";
        }
    }
}

wire_struct! {
    /// Which requests to a server can become tasks (2025-11-25).
    pub struct ServerTasksCapability {
        required {}
        optional {
            /// `tasks/cancel` is understood.
            cancel / with_cancel: Object = "cancel" since V2025_11_25 until V2025_11_25;
            /// `tasks/list` is understood.
            list / with_list: Object = "list" since V2025_11_25 until V2025_11_25;
            /// The requests that can become tasks.
            requests / with_requests: ServerTaskRequests = "requests" since V2025_11_25 until V2025_11_25;
        }
    }
}

wire_struct! {
    /// Requests to a server that can become tasks, by area (2025-11-25).
    pub struct ServerTaskRequests {
        required {}
        optional {
            /// Requests about tools.
            tools / with_tools: ToolTaskRequests = "tools" since V2025_11_25 until V2025_11_25;
        }
    }
}

wire_struct! {
    /// Tool requests that can become tasks (2025-11-25).
    pub struct ToolTaskRequests {
        required {}
        optional {
            /// `tools/call`.
            call / with_call: Object = "call" since V2025_11_25 until V2025_11_25;
        }
    }
}

wire_struct! {
    /// What a client offers (schema `ClientCapabilities`).
    pub struct ClientCapabilities {
        required {}
        optional {
            /// Asking the user.
            elicitation / with_elicitation: ElicitationCapability = "elicitation" since V2025_06_18;
            /// Experimental capabilities by name.
            experimental / with_experimental: Map<Object> = "experimental";
            /// Extensions by identifier, with their settings.
            extensions / with_extensions: Map<Object> = "extensions";
            /// Listing the roots.
            roots / with_roots: RootsCapability = "roots";
            /// Sampling from a model.
            sampling / with_sampling: SamplingCapability = "sampling";
            /// Experimental tasks of 2025-11-25.
            tasks / with_tasks: ClientTasksCapability = "tasks" since V2025_11_25 until V2025_11_25;
        }
    }
}

wire_struct! {
    /// Which ways of asking a client supports. Neither member set means: forms.
    pub struct ElicitationCapability {
        required {}
        optional {
            /// Forms.
            form / with_form: Object = "form" since V2025_11_25;
            /// Sending the user to a URL.
            url / with_url: Object = "url" since V2025_11_25;
        }
    }
}

impl ElicitationCapability {
    /// True if forms can be shown: declared, or nothing declared, which has meant forms since 2025-06-18.
    #[must_use]
    pub const fn supports_form(&self) -> bool {
        self.form.is_some() || self.url.is_none()
    }

    /// True if the user can be sent to a URL.
    #[must_use]
    pub const fn supports_url(&self) -> bool {
        self.url.is_some()
    }
}

wire_struct! {
    /// Details of the roots capability.
    pub struct RootsCapability {
        required {}
        optional {
            /// True if changes of the list are notified.
            list_changed / with_list_changed: bool = "listChanged" until V2025_11_25;
        }
    }
}

wire_struct! {
    /// Details of the sampling capability.
    pub struct SamplingCapability {
        required {}
        optional {
            /// `includeContext` other than `none` is understood (deprecated).
            context / with_context: Object = "context" since V2025_11_25;
            /// `tools` and `toolChoice` are understood.
            tools / with_tools: Object = "tools" since V2025_11_25;
        }
    }
}

wire_struct! {
    /// Which requests to a client can become tasks (2025-11-25).
    pub struct ClientTasksCapability {
        required {}
        optional {
            /// `tasks/cancel` is understood.
            cancel / with_cancel: Object = "cancel" since V2025_11_25 until V2025_11_25;
            /// `tasks/list` is understood.
            list / with_list: Object = "list" since V2025_11_25 until V2025_11_25;
            /// The requests that can become tasks.
            requests / with_requests: ClientTaskRequests = "requests" since V2025_11_25 until V2025_11_25;
        }
    }
}

wire_struct! {
    /// Requests to a client that can become tasks, by area (2025-11-25).
    pub struct ClientTaskRequests {
        required {}
        optional {
            /// Requests about elicitation.
            elicitation / with_elicitation: ElicitationTaskRequests = "elicitation"
                since V2025_11_25 until V2025_11_25;
            /// Requests about sampling.
            sampling / with_sampling: SamplingTaskRequests = "sampling" since V2025_11_25 until V2025_11_25;
        }
    }
}

wire_struct! {
    /// Elicitation requests that can become tasks (2025-11-25).
    pub struct ElicitationTaskRequests {
        required {}
        optional {
            /// `elicitation/create`.
            create / with_create: Object = "create" since V2025_11_25 until V2025_11_25;
        }
    }
}

wire_struct! {
    /// Sampling requests that can become tasks (2025-11-25).
    pub struct SamplingTaskRequests {
        required {}
        optional {
            /// `sampling/createMessage`.
            create_message / with_create_message: Object = "createMessage" since V2025_11_25 until V2025_11_25;
        }
    }
}
