//! Multi-round requests (2026-07-28): a result that asks for input, and the retry that brings it.

use alloc::string::String;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::elicitation::{ElicitRequest, ElicitResult};
use crate::json::Json;
use crate::macros::{open_enum, wire_struct, wire_union};
use crate::map::Map;
use crate::meta::Meta;
use crate::revision::Revision;
use crate::roots::{ListRootsRequestParams, ListRootsResult};
use crate::sampling::{CreateMessageRequest, CreateMessageResult};
use crate::wire::Wire;
use crate::writer::Writer;

open_enum! {
    /// What kind of result a result is (schema `ResultType`). Absent means complete.
    pub enum ResultType {
        /// The request is done.
        Complete = "complete",
        /// The request needs input; see [`InputRequiredResult`].
        InputRequired = "input_required",
        /// The request became a task (extension `io.modelcontextprotocol/tasks`).
        Task = "task",
    }
}

wire_union! {
    /// Something that a server asks a client for (schema `InputRequest`).
    pub enum InputRequest by "method" {
        /// Ask the user.
        Elicit(ElicitRequest) = "elicitation/create",
        /// Ask a model.
        CreateMessage(CreateMessageRequest) = "sampling/createMessage",
        /// List the roots.
        ListRoots(ListRootsRequest) = "roots/list",
    }
}

wire_struct! {
    /// Asks for the roots (schema `ListRootsRequest`).
    pub struct ListRootsRequest tag "method" = "roots/list" {
        required {}
        optional {
            /// The parameters.
            params / with_params: ListRootsRequestParams = "params";
        }
    }
}

/// What a server asks for, by keys of its choice (schema `InputRequests`).
pub type InputRequests = Map<InputRequest>;

/// A client's answer to an [`InputRequest`] (schema `InputResponse`).
///
/// The wire does not say of which kind an answer is; whoever asked knows. It is read by its characteristic member, and
/// what cannot be read stays raw, so that one bad answer does not spoil the others.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InputResponse {
    /// What the user said.
    Elicit(ElicitResult),
    /// What the model said.
    CreateMessage(CreateMessageResult),
    /// The roots.
    ListRoots(ListRootsResult),
    /// None of these, or malformed; kept and written verbatim.
    Unknown(Json),
}

impl From<ElicitResult> for InputResponse {
    fn from(result: ElicitResult) -> Self {
        Self::Elicit(result)
    }
}

impl From<CreateMessageResult> for InputResponse {
    fn from(result: CreateMessageResult) -> Self {
        Self::CreateMessage(result)
    }
}

impl From<ListRootsResult> for InputResponse {
    fn from(result: ListRootsResult) -> Self {
        Self::ListRoots(result)
    }
}

impl Wire for InputResponse {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        match self {
            Self::Elicit(result) => result.write_at(revision, out),
            Self::CreateMessage(result) => result.write_at(revision, out),
            Self::ListRoots(result) => result.write_at(revision, out),
            Self::Unknown(raw) => raw.write_at(revision, out),
        }
    }
}

impl<'de> Deserialize<'de> for InputResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Json::deserialize(deserializer)?;
        if !raw.is_object() {
            return Err(D::Error::custom(
                "expected an object that answers an input request",
            ));
        }
        let typed = if crate::decode::has(&raw, "action") {
            raw.decode().map(Self::Elicit)
        } else if crate::decode::has(&raw, "roots") {
            raw.decode().map(Self::ListRoots)
        } else {
            raw.decode().map(Self::CreateMessage)
        };
        Ok(typed.unwrap_or(Self::Unknown(raw)))
    }
}

/// A client's answers, by the server's keys (schema `InputResponses`).
pub type InputResponses = Map<InputResponse>;

wire_struct! {
    /// A result that asks for input instead of completing (schema `InputRequiredResult`). It holds requests, state, or
    /// both; the client repeats the request with `inputResponses` and the unchanged `requestState`.
    pub struct InputRequiredResult {
        required {}
        optional {
            /// What is asked for.
            input_requests / with_input_requests: InputRequests = "inputRequests";
            /// Opaque to the client.
            request_state / with_request_state: String = "requestState";
            /// [`ResultType::InputRequired`]; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType";
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}
