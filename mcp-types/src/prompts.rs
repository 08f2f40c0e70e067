//! Prompts: templates of messages that a server offers to users.

use alloc::string::String;
use alloc::vec::Vec;

use crate::content::{ContentBlock, Role};
use crate::discovery::CacheScope;
use crate::implementation::Icon;
use crate::macros::wire_struct;
use crate::map::Map;
use crate::meta::Meta;
use crate::mrtr::{InputResponses, ResultType};
use crate::writer::{Long, LongTexts};

wire_struct! {
    /// A prompt (schema `Prompt`).
    pub struct Prompt {
        required {
            /// The prompt's name, unique within the server.
            name: String = "name";
        }
        optional {
            /// A name for people.
            title / with_title: String = "title" since V2025_06_18;
            /// What the prompt is for.
            description / with_description: String = "description";
            /// The arguments that it takes.
            arguments / with_arguments: Vec<PromptArgument> = "arguments";
            /// Icons to display.
            icons / with_icons: Vec<Icon> = "icons" since V2025_11_25;
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

wire_struct! {
    /// An argument of a prompt (schema `PromptArgument`).
    pub struct PromptArgument {
        required {
            /// The argument's name.
            name: String = "name";
        }
        optional {
            /// A name for people.
            title / with_title: String = "title" since V2025_06_18;
            /// What the argument means.
            description / with_description: String = "description";
            /// True if the prompt cannot do without it.
            required / with_required: bool = "required";
        }
    }
}

wire_struct! {
    /// A message of a prompt (schema `PromptMessage`).
    pub struct PromptMessage {
        required {
            /// Who speaks.
            role: Role = "role";
            /// What is said.
            content: ContentBlock = "content";
        }
        optional {}
    }
}

impl PromptMessage {
    /// A text message by the user.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, ContentBlock::text(text))
    }

    /// A text message by the model.
    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, ContentBlock::text(text))
    }
}

wire_struct! {
    /// The answer to `prompts/list` (schema `ListPromptsResult`).
    pub struct ListPromptsResult {
        required {
            /// One page of prompts.
            prompts: Vec<Prompt> = "prompts";
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
    /// Parameters of `prompts/get` (schema `GetPromptRequestParams`).
    pub struct GetPromptRequestParams {
        required {
            /// The prompt's name.
            name: String = "name";
        }
        optional {
            /// The arguments, all of them strings.
            arguments / with_arguments: Map<String> = "arguments";
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
    /// The answer to `prompts/get` (schema `GetPromptResult`).
    pub struct GetPromptResult {
        required {
            /// The messages, in order.
            messages: Vec<PromptMessage> = "messages";
        }
        optional {
            /// What the prompt is for.
            description / with_description: String = "description";
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType" since V2026_07_28;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

impl LongTexts for GetPromptResult {
    fn each_long(&mut self, visit: &mut dyn FnMut(Long<'_>)) {
        for message in &mut self.messages {
            message.content.each_long(visit);
        }
    }
}
