//! Completion of arguments while a user types.

use alloc::string::String;
use alloc::vec::Vec;

use crate::macros::{wire_struct, wire_union};
use crate::map::Map;
use crate::meta::Meta;
use crate::mrtr::ResultType;
use crate::writer::{Long, LongTexts};

wire_union! {
    /// Whose argument is completed.
    pub enum CompletionReference by "type" {
        /// A prompt's.
        Prompt(PromptReference) = "ref/prompt",
        /// A resource template's.
        ResourceTemplate(ResourceTemplateReference) = "ref/resource",
    }
}

wire_struct! {
    /// Names a prompt (schema `PromptReference`).
    pub struct PromptReference tag "type" = "ref/prompt" {
        required {
            /// The prompt's name.
            name: String = "name";
        }
        optional {
            /// A name for people.
            title / with_title: String = "title" since V2025_06_18;
        }
    }
}

wire_struct! {
    /// Names a resource template (schema `ResourceTemplateReference`; up to 2025-03-26 `ResourceReference`).
    pub struct ResourceTemplateReference tag "type" = "ref/resource" {
        required {
            /// The URI or the URI template.
            uri: String = "uri";
        }
        optional {}
    }
}

wire_struct! {
    /// Parameters of `completion/complete` (schema `CompleteRequestParams`).
    pub struct CompleteRequestParams {
        required {
            /// Whose argument is completed.
            reference: CompletionReference = "ref";
            /// The argument and what was typed.
            argument: CompletionArgument = "argument";
        }
        optional {
            /// What is known already.
            context / with_context: CompletionContext = "context" since V2025_06_18;
            /// Metadata; since 2026-07-28 it carries the request's context and is required.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// The argument that is completed.
    pub struct CompletionArgument {
        required {
            /// The argument's name.
            name: String = "name";
            /// What was typed so far.
            value: String = "value";
        }
        optional {}
    }
}

wire_struct! {
    /// What is known already when an argument is completed.
    pub struct CompletionContext {
        required {}
        optional {
            /// The values of other arguments.
            arguments / with_arguments: Map<String> = "arguments";
        }
    }
}

wire_struct! {
    /// The answer to `completion/complete` (schema `CompleteResult`).
    pub struct CompleteResult {
        required {
            /// The suggestions.
            completion: Completion = "completion";
        }
        optional {
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType" since V2026_07_28;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Suggestions for an argument.
    pub struct Completion {
        required {
            /// At most [`Completion::MAX_VALUES`] values.
            values: Vec<String> = "values";
        }
        optional {
            /// How many values there are in all.
            total / with_total: u64 = "total" via MaybeUnsigned;
            /// True if there are more than were sent.
            has_more / with_has_more: bool = "hasMore";
        }
    }
}

impl Completion {
    /// The most values that one answer may hold.
    pub const MAX_VALUES: usize = 100;

    /// Suggestions from all values: cut to [`Self::MAX_VALUES`], with `total` and `hasMore` set accordingly.
    #[must_use]
    pub fn capped(values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut values: Vec<String> = values.into_iter().map(Into::into).collect();
        let total = values.len();
        values.truncate(Self::MAX_VALUES);
        Self::new(values)
            .with_total(total as u64)
            .with_has_more(total > Self::MAX_VALUES)
    }
}

/// A hundred short values.
impl LongTexts for CompleteResult {
    fn each_long(&mut self, _: &mut dyn FnMut(Long<'_>)) {}
}
