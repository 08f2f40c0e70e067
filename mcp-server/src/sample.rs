//! Asking the client's model for a message, and the client for its roots.
//!
//! Owns what may be asked of which client. Both features are deprecated since 2026-07-28 and stay as long as
//! clients have them (client/sampling, client/roots).

use mcp_proto::context::ClientFeatures;
use mcp_types::{
    CreateMessageRequestParams, CreateMessageResult, IncludeContext, ListRootsRequestParams,
    ListRootsResult, Revision, Role, Root, SamplingMessageContentBlock, describe, to_json,
};
use serde::de::DeserializeOwned;

use crate::ask::{Ask, AskError, Question};
use crate::context::Context;
use crate::journal::Kind;

impl Context {
    /// Asks the client's model for a message. The user may see, change and refuse it.
    ///
    /// `key` names the question within the call and must be the same in every run of the handler.
    ///
    /// # Errors
    /// [`AskError`]: among others when the client offers no sampling, or no tools in it where `params` has some
    /// or its messages hold uses or results of some; and when a message with tool uses is not followed by their results.
    pub async fn sample(
        &self,
        key: &str,
        mut params: CreateMessageRequestParams,
    ) -> Result<CreateMessageResult, AskError> {
        self.require(ClientFeatures::SAMPLING, "sampling", Revision::V2024_11_05)?;
        if params.tools.is_some() || params.tool_choice.is_some() || has_tool_blocks(&params) {
            self.require(
                ClientFeatures::SAMPLING_TOOLS,
                "sampling with tools",
                Revision::V2025_11_25,
            )?;
        }
        if self.revision() >= Revision::V2025_11_25
            && !self
                .client_features()
                .contains(ClientFeatures::SAMPLING_CONTEXT)
            && params
                .include_context
                .as_ref()
                .is_some_and(|wanted| *wanted != IncludeContext::None)
        {
            // Not to be used then; a client may ignore it anyway.
            params.include_context = None;
        }
        check_tool_blocks(&params)?;
        let question = Question {
            key,
            kind: Kind::Sample,
            digest: 0,
            method: "sampling/createMessage",
            params: to_json(&params, self.revision()),
            check: Box::new(|raw| {
                read::<CreateMessageResult>("sampling/createMessage", raw).map(drop)
            }),
        };
        self.ask_for(question).await
    }

    /// Asks the client which directories and files it considers relevant: information, not access control.
    ///
    /// `key` names the question within the call and must be the same in every run of the handler.
    ///
    /// # Errors
    /// [`AskError`]: among others when the client has no roots.
    pub async fn roots(&self, key: &str) -> Result<Vec<Root>, AskError> {
        self.require(ClientFeatures::ROOTS, "roots", Revision::V2024_11_05)?;
        let question = Question {
            key,
            kind: Kind::Roots,
            digest: 0,
            method: "roots/list",
            params: to_json(&ListRootsRequestParams::new(), self.revision()),
            check: Box::new(|raw| read::<ListRootsResult>("roots/list", raw).map(drop)),
        };
        let result: ListRootsResult = self.ask_for(question).await?;
        Ok(result.roots)
    }

    async fn ask_for<T: DeserializeOwned>(&self, question: Question<'_>) -> Result<T, AskError> {
        let (key, method) = (question.key.to_owned(), question.method);
        let raw = Ask::new(self, question).await?;
        let read = read(method, core::str::from_utf8(&raw).unwrap_or_default());
        read.map_err(|problem| AskError::Answer { key, problem })
    }
}

fn read<T: DeserializeOwned>(method: &str, raw: &str) -> Result<T, String> {
    serde_json::from_str(raw)
        .map_err(|error| format!("expected the result of {method}: {}", describe(&error)))
}

type Block = SamplingMessageContentBlock;

/// Whether the messages hold tool uses or their results, which are tools in sampling as much as definitions are.
fn has_tool_blocks(params: &CreateMessageRequestParams) -> bool {
    let of_a_tool = |block: &Block| matches!(block, Block::ToolUse(_) | Block::ToolResult(_));
    params
        .messages
        .iter()
        .any(|message| message.content.blocks().iter().any(of_a_tool))
}

/// A message with tool results holds nothing else, and one with tool uses is followed by one of the user's with the results of
/// all of them (2026-07-28, client/sampling, "Tool Result Messages" and "Tool Use and Result Balance").
fn check_tool_blocks(params: &CreateMessageRequestParams) -> Result<(), AskError> {
    let is_result = |block: &Block| matches!(block, Block::ToolResult(_));
    let mut messages = params.messages.iter().enumerate().peekable();
    while let Some((index, message)) = messages.next() {
        let blocks = message.content.blocks();
        if blocks.iter().any(is_result) && !blocks.iter().all(is_result) {
            return Err(AskError::Question(format!(
                "messages[{index}] mixes tool results with other content: give the results a message of their own"
            )));
        }
        let next = messages.peek().map(|(_, next)| *next);
        let results = next
            .filter(|next| next.role == Role::User && next.content.blocks().iter().all(is_result))
            .map_or(&[][..], |next| next.content.blocks());
        let answered = |id: &str| {
            let answers = |block: &Block| matches!(block, Block::ToolResult(result) if result.tool_use_id == id);
            results.iter().any(answers)
        };
        let open = |block: &Block| matches!(block, Block::ToolUse(used) if !answered(&used.id));
        if blocks.iter().any(open) {
            return Err(AskError::Question(format!(
                "messages[{index}] has a tool use whose result is not in a user message right behind it"
            )));
        }
    }
    Ok(())
}
