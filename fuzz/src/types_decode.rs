//! Every type of the model from foreign JSON: decoding succeeds or fails, and what succeeded is stable.

use mcp_types::*;
use serde::de::DeserializeOwned;

fn settle<T: Wire + DeserializeOwned>(text: &str) {
    let Ok(value) = serde_json::from_str::<T>(text) else {
        return;
    };
    for revision in Revision::ALL {
        let written = to_string(&value, revision);
        assert!(!written.contains(['\n', '\r']), "{written}");
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&written) {
            panic!("not JSON: {error}: {written}");
        }
        // What an old revision lacks is left out, which may leave out what the type requires: only the newest must be
        // readable again; where another is, it is settled.
        match serde_json::from_str::<T>(&written) {
            Ok(again) => assert_eq!(to_string(&again, revision), written, "{revision:?}"),
            Err(error) => assert_ne!(revision, Revision::LATEST, "{error}: {written}"),
        }
    }
}

macro_rules! types {
    ($($name:ident),* $(,)?) => {
        const TYPES: &[(&str, fn(&str))] = &[$((stringify!($name), settle::<$name>)),*];
    };
}

types! {
    JsonRpcMessage, JsonRpcRequest, JsonRpcNotification, JsonRpcResultResponse, JsonRpcErrorResponse, ErrorObject,
    RequestParams, NotificationParams, PaginatedRequestParams, EmptyResult, Meta,
    CallToolRequestParams, CallToolResult, Tool, ToolAnnotations, ListToolsResult,
    ContentBlock, TextContent, ImageContent, AudioContent, ResourceLink, EmbeddedResource, ResourceContents,
    TextResourceContents, BlobResourceContents, Annotations, Icon,
    Resource, ResourceTemplate, ListResourcesResult, ListResourceTemplatesResult, ReadResourceRequestParams,
    ReadResourceResult, ResourceUpdatedNotificationParams,
    Prompt, PromptArgument, PromptMessage, ListPromptsResult, GetPromptRequestParams, GetPromptResult,
    CompleteRequestParams, CompleteResult, DiscoverResult, Implementation, ServerCapabilities, ClientCapabilities,
    InputRequests, InputRequiredResult, InputResponses, ElicitRequest, ElicitRequestFormParams, ElicitRequestUrlParams,
    ElicitResult, PrimitiveSchemaDefinition, BooleanSchema, NumberSchema, StringSchema, TitledMultiSelectEnumSchema,
    TitledSingleSelectEnumSchema, UntitledMultiSelectEnumSchema, UntitledSingleSelectEnumSchema,
    CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult, SamplingMessage, SamplingContent,
    ModelPreferences, ToolUseContent, ToolResultContent, ListRootsRequest, ListRootsResult, Root,
    LoggingMessageNotificationParams, ProgressNotificationParams, CancelledNotificationParams,
    SubscriptionsListenRequestParams, SubscriptionsAcknowledgedNotificationParams, SubscriptionsListenResult,
    CreateTaskResult,
}

pub(crate) fn run(data: &[u8]) {
    let Some((which, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    // 255 stands for all of them: what one type takes, another must survive.
    match TYPES.get(usize::from(*which)) {
        Some((_, settle)) => settle(text),
        None => TYPES.iter().for_each(|(_, settle)| settle(text)),
    }
    if let Ok(json) = Json::parse(text) {
        assert!(!json.as_str().contains(['\n', '\r']));
        // The tree has no place for numbers beyond every float, which are JSON all the same.
        let value = json.decode::<serde_json::Value>().ok();
        assert_eq!(serde_json::from_str(text).ok(), value);
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    }
}
