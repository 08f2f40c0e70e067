//! Sampling: a server asks the client's model.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::content::{Role, SamplingMessageContentBlock, TextContent};
use crate::json::Json;
use crate::macros::{open_enum, wire_struct};
use crate::map::Object;
use crate::meta::Meta;
use crate::revision::Revision;
use crate::tasks::TaskMetadata;
use crate::tools::Tool;
use crate::wire::Wire;
use crate::writer::Writer;

/// The content of a sampled message: one block or several.
///
/// One block is written as an object, in every revision. Several are an array, which exists since 2025-11-25; for older
/// peers their texts are joined into one block.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingContent(pub Vec<SamplingMessageContentBlock>);

impl SamplingContent {
    /// The blocks.
    #[must_use]
    pub fn blocks(&self) -> &[SamplingMessageContentBlock] {
        &self.0
    }

    /// The texts of all text blocks, joined by line breaks.
    #[must_use]
    pub fn to_text(&self) -> String {
        let texts: Vec<&str> = self
            .0
            .iter()
            .filter_map(SamplingMessageContentBlock::as_text)
            .collect();
        texts.join("\n")
    }
}

impl<T: Into<SamplingMessageContentBlock>> From<T> for SamplingContent {
    fn from(block: T) -> Self {
        Self(vec![block.into()])
    }
}

impl From<Vec<SamplingMessageContentBlock>> for SamplingContent {
    fn from(blocks: Vec<SamplingMessageContentBlock>) -> Self {
        Self(blocks)
    }
}

impl Wire for SamplingContent {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        match self.0.as_slice() {
            [block] => block.write_at(revision, out),
            blocks if revision >= Revision::V2025_11_25 => blocks.write_at(revision, out),
            blocks => match blocks.iter().find(|block| block.as_text().is_none()) {
                // Nothing to join: whatever is there first is better than an empty text.
                Some(block) if self.to_text().is_empty() => block.write_at(revision, out),
                _ => TextContent::new(self.to_text()).write_at(revision, out),
            },
        }
    }
}

impl<'de> Deserialize<'de> for SamplingContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Json::deserialize(deserializer)?;
        let blocks = if raw.is_array() {
            raw.decode()
        } else {
            raw.decode().map(|block| vec![block])
        };
        blocks.map(Self).map_err(D::Error::custom)
    }
}

wire_struct! {
    /// A message to or from a model (schema `SamplingMessage`).
    pub struct SamplingMessage {
        required {
            /// Who speaks.
            role: Role = "role";
            /// What is said.
            content: SamplingContent = "content";
        }
        optional {
            /// Metadata.
            meta / with_meta: Meta = "_meta" since V2025_11_25;
        }
    }
}

impl SamplingMessage {
    /// A text message by the user.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, SamplingMessageContentBlock::text(text))
    }

    /// A text message by the model.
    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, SamplingMessageContentBlock::text(text))
    }
}

wire_struct! {
    /// Asks for a message from the client's model (schema `CreateMessageRequest`).
    pub struct CreateMessageRequest tag "method" = "sampling/createMessage" {
        required {
            /// The parameters.
            params: CreateMessageRequestParams = "params";
        }
        optional {}
    }
}

wire_struct! {
    /// Parameters of `sampling/createMessage` (schema `CreateMessageRequestParams`).
    pub struct CreateMessageRequestParams downgrade one_block_per_message {
        required {
            /// The conversation so far. Messages of several blocks are split up for revisions before 2025-11-25.
            messages: Vec<SamplingMessage> = "messages";
            /// The most tokens to sample; the client may sample fewer.
            max_tokens: u64 = "maxTokens" via Unsigned;
        }
        optional {
            /// The system prompt; the client may change or ignore it.
            system_prompt / with_system_prompt: String = "systemPrompt";
            /// Which model is preferred.
            model_preferences / with_model_preferences: ModelPreferences = "modelPreferences";
            /// Whose context is to be included (other values than `none` are deprecated).
            include_context / with_include_context: IncludeContext = "includeContext";
            /// The temperature.
            temperature / with_temperature: f64 = "temperature";
            /// Texts at which sampling stops.
            stop_sequences / with_stop_sequences: Vec<String> = "stopSequences";
            /// Settings for the provider of the model.
            metadata / with_metadata: Object = "metadata";
            /// Tools that the model may use, if the client declared `sampling.tools`.
            tools / with_tools: Vec<Tool> = "tools" since V2025_11_25;
            /// How the model uses tools.
            tool_choice / with_tool_choice: ToolChoice = "toolChoice" since V2025_11_25;
            /// Asks for the request to become a task (2025-11-25).
            task / with_task: TaskMetadata = "task" since V2025_11_25 until V2025_11_25;
            /// Metadata.
            meta / with_meta: Meta = "_meta" until V2025_11_25;
        }
    }
}

/// Before 2025-11-25 a message held one block: several become several messages of the same speaker.
fn one_block_per_message(
    params: &CreateMessageRequestParams,
    revision: Revision,
) -> Option<CreateMessageRequestParams> {
    let several = |message: &SamplingMessage| message.content.0.len() > 1;
    if revision >= Revision::V2025_11_25 || !params.messages.iter().any(several) {
        return None;
    }
    let mut split = params.clone();
    split.messages.clear();
    for message in &params.messages {
        if several(message) {
            let blocks = message.content.0.iter().cloned();
            split
                .messages
                .extend(blocks.map(|block| SamplingMessage::new(message.role, block)));
        } else {
            split.messages.push(message.clone());
        }
    }
    Some(split)
}

wire_struct! {
    /// Which model is preferred; advice, no order (schema `ModelPreferences`).
    pub struct ModelPreferences {
        required {}
        optional {
            /// Names, best first; the first that matches counts.
            hints / with_hints: Vec<ModelHint> = "hints";
            /// How much cost matters, from 0 to 1.
            cost_priority / with_cost_priority: f64 = "costPriority";
            /// How much speed matters, from 0 to 1.
            speed_priority / with_speed_priority: f64 = "speedPriority";
            /// How much capability matters, from 0 to 1.
            intelligence_priority / with_intelligence_priority: f64 = "intelligencePriority";
        }
    }
}

wire_struct! {
    /// A hint at a model (schema `ModelHint`).
    pub struct ModelHint {
        required {}
        optional {
            /// A part of the model's name, such as `sonnet`.
            name / with_name: String = "name";
        }
    }
}

open_enum! {
    /// Whose context a client is asked to include.
    pub enum IncludeContext {
        /// Nobody's; the default.
        None = "none",
        /// The asking server's (deprecated).
        ThisServer = "thisServer",
        /// That of all servers (deprecated).
        AllServers = "allServers",
    }
}

wire_struct! {
    /// How a model uses tools (schema `ToolChoice`).
    pub struct ToolChoice {
        required {}
        optional {
            /// The mode; the default is [`ToolChoiceMode::Auto`].
            mode / with_mode: ToolChoiceMode = "mode";
        }
    }
}

open_enum! {
    /// Whether a model uses tools.
    pub enum ToolChoiceMode {
        /// As it sees fit; the default.
        Auto = "auto",
        /// At least one.
        Required = "required",
        /// None.
        None = "none",
    }
}

wire_struct! {
    /// The answer to `sampling/createMessage` (schema `CreateMessageResult`).
    pub struct CreateMessageResult {
        required {
            /// Who speaks: usually the assistant.
            role: Role = "role";
            /// What was sampled.
            content: SamplingContent = "content";
            /// The model's name.
            model: String = "model";
        }
        optional {
            /// Why sampling stopped, if known.
            stop_reason / with_stop_reason: StopReason = "stopReason";
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

open_enum! {
    /// Why sampling stopped. Providers may have reasons of their own.
    pub enum StopReason {
        /// The assistant was done.
        EndTurn = "endTurn",
        /// A stop sequence came up.
        StopSequence = "stopSequence",
        /// The limit of tokens was reached.
        MaxTokens = "maxTokens",
        /// The model wants tools called.
        ToolUse = "toolUse",
    }
}
