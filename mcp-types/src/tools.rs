//! Tools: what a server lets a model do.

use alloc::string::String;
use alloc::vec::Vec;

use crate::content::{ContentBlock, structured_value_fits};
use crate::discovery::CacheScope;
use crate::implementation::Icon;
use crate::json::Json;
use crate::macros::{open_enum, wire_struct};
use crate::map::Object;
use crate::meta::Meta;
use crate::mrtr::{InputResponses, ResultType};
use crate::revision::Revision;
use crate::tasks::TaskMetadata;
use crate::writer::{Long, LongTexts};

wire_struct! {
    /// A tool (schema `Tool`).
    pub struct Tool {
        required {
            /// The tool's name, unique within the server.
            name: String = "name";
            /// A JSON Schema of the arguments; its root must say `"type": "object"`.
            input_schema: Json = "inputSchema";
        }
        optional {
            /// A name for people.
            title / with_title: String = "title" since V2025_06_18;
            /// What the tool does, for models.
            description / with_description: String = "description";
            /// A JSON Schema of `structuredContent`. Up to 2025-11-25 it is sent only if its root says
            /// `"type": "object"`, because other values cannot be sent there.
            output_schema / with_output_schema: Json = "outputSchema" since V2025_06_18 when output_schema_fits;
            /// Hints on how the tool behaves.
            annotations / with_annotations: ToolAnnotations = "annotations" since V2025_03_26;
            /// How the tool is run (2025-11-25).
            execution / with_execution: ToolExecution = "execution" since V2025_11_25 until V2025_11_25;
            /// Icons to display.
            icons / with_icons: Vec<Icon> = "icons" since V2025_11_25;
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_06_18;
        }
    }
}

fn output_schema_fits(schema: &Json, revision: Revision) -> bool {
    revision >= Revision::V2026_07_28
        || crate::decode::tag(schema, "type").as_deref() == Some("object")
}

wire_struct! {
    /// Hints on how a tool behaves (schema `ToolAnnotations`). Not a guarantee; from an untrusted server not even a hint.
    pub struct ToolAnnotations {
        required {}
        optional {
            /// A name for people; [`Tool::title`] goes before it.
            title / with_title: String = "title" since V2025_03_26;
            /// The tool changes nothing. Default: false.
            read_only_hint / with_read_only_hint: bool = "readOnlyHint" since V2025_03_26;
            /// The tool may destroy or overwrite; meaningful if it is not read-only. Default: true.
            destructive_hint / with_destructive_hint: bool = "destructiveHint" since V2025_03_26;
            /// Calling again with the same arguments adds nothing; meaningful if it is not read-only. Default: false.
            idempotent_hint / with_idempotent_hint: bool = "idempotentHint" since V2025_03_26;
            /// The tool reaches an open world, such as the web. Default: true.
            open_world_hint / with_open_world_hint: bool = "openWorldHint" since V2025_03_26;
        }
    }
}

wire_struct! {
    /// How a tool is run (schema `ToolExecution`, 2025-11-25 only).
    pub struct ToolExecution {
        required {}
        optional {
            /// Whether a call can become a task.
            task_support / with_task_support: TaskSupport = "taskSupport" since V2025_11_25 until V2025_11_25;
        }
    }
}

open_enum! {
    /// Whether a tool call can become a task (2025-11-25).
    pub enum TaskSupport {
        /// It must not; the default.
        Forbidden = "forbidden",
        /// It may.
        Optional = "optional",
        /// It must.
        Required = "required",
    }
}

wire_struct! {
    /// The answer to `tools/list` (schema `ListToolsResult`).
    pub struct ListToolsResult {
        required {
            /// One page of tools.
            tools: Vec<Tool> = "tools";
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
    /// Parameters of `tools/call` (schema `CallToolRequestParams`).
    pub struct CallToolRequestParams {
        required {
            /// The tool's name.
            name: String = "name";
        }
        optional {
            /// The arguments.
            arguments / with_arguments: Object = "arguments";
            /// Asks for the call to become a task (2025-11-25).
            task / with_task: TaskMetadata = "task" since V2025_11_25 until V2025_11_25;
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
    /// The answer to `tools/call` (schema `CallToolResult`).
    pub struct CallToolResult {
        required {
            /// The result for the model to read.
            content: Vec<ContentBlock> = "content";
        }
        optional {
            /// The result as a value that fits the output schema. `null` is a value. Up to 2025-11-25 only objects
            /// can be sent; others are left out, so mirror them in `content`.
            structured_content / with_structured_content: Json = "structuredContent"
                since V2025_06_18 via KeepNull when structured_value_fits;
            /// True if the tool failed; the content then tells the model why.
            is_error / with_is_error: bool = "isError";
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType" since V2026_07_28;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

impl CallToolResult {
    /// A result of one text block.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new([ContentBlock::text(text)])
    }

    /// A failure that the model can read.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self::text(text).with_is_error(true)
    }

    /// A structured value, mirrored as text for clients that read only `content`.
    #[must_use]
    pub fn structured(value: Json) -> Self {
        Self::text(value.as_str()).with_structured_content(value)
    }
}

impl LongTexts for CallToolResult {
    fn each_long(&mut self, visit: &mut dyn FnMut(Long<'_>)) {
        for block in &mut self.content {
            block.each_long(visit);
        }
        if let Some(value) = &mut self.structured_content {
            visit(Long::Raw(value));
        }
    }
}
