//! The second opinion: decoding with schema types that others wrote.
//!
//! Owns which foreign type stands for which definition. The legacy revisions are decoded as the last of them, whose types
//! are supersets of the earlier ones.

use serde_json::Value;

macro_rules! decoders {
    ($library:ident, $definition:expr, $value:expr; $($name:literal => $type:ident),+ $(,)?) => {
        match $definition {
            $($name => serde_json::from_value::<$library::$type>($value.clone()).map(drop).map_err(|error| error.to_string()),)+
            other => Err(format!("no foreign type for {other}")),
        }
    };
}

/// Decodes `value` as `definition`; the error is the foreign implementation's.
pub(crate) fn decode(revision: &str, definition: &str, value: &Value) -> Result<(), String> {
    let result = if revision == "2026-07-28" {
        modern(definition, value)
    } else {
        legacy(definition, value)
    };
    result.map_err(|error| format!("an independent implementation cannot decode it: {error}"))
}

fn modern(definition: &str, value: &Value) -> Result<(), String> {
    use rust_mcp_schema_modern as library;
    // Their error type wants an id although the schema does not.
    if value.get("error").is_some() && value.get("id").is_none_or(Value::is_null) {
        return decoders!(library, "Error", &value["error"]; "Error" => RpcError);
    }
    decoders!(library, definition, value;
        "DiscoverRequest" => DiscoverRequest,
        "SubscriptionsListenRequest" => SubscriptionsListenRequest,
        "ListToolsRequest" => ListToolsRequest,
        "CallToolRequest" => CallToolRequest,
        "ListResourcesRequest" => ListResourcesRequest,
        "ListResourceTemplatesRequest" => ListResourceTemplatesRequest,
        "ReadResourceRequest" => ReadResourceRequest,
        "ListPromptsRequest" => ListPromptsRequest,
        "GetPromptRequest" => GetPromptRequest,
        "CompleteRequest" => CompleteRequest,
        "DiscoverResult" => DiscoverResult,
        "SubscriptionsListenResult" => SubscriptionsListenResult,
        "ListToolsResult" => ListToolsResult,
        "CallToolResult" => CallToolResult,
        "InputRequiredResult" => InputRequiredResult,
        "ListResourcesResult" => ListResourcesResult,
        "ListResourceTemplatesResult" => ListResourceTemplatesResult,
        "ReadResourceResult" => ReadResourceResult,
        "ListPromptsResult" => ListPromptsResult,
        "GetPromptResult" => GetPromptResult,
        "CompleteResult" => CompleteResult,
        "CancelledNotification" => CancelledNotification,
        "ProgressNotification" => ProgressNotification,
        "LoggingMessageNotification" => LoggingMessageNotification,
        "ToolListChangedNotification" => ToolListChangedNotification,
        "PromptListChangedNotification" => PromptListChangedNotification,
        "ResourceListChangedNotification" => ResourceListChangedNotification,
        "ResourceUpdatedNotification" => ResourceUpdatedNotification,
        "SubscriptionsAcknowledgedNotification" => SubscriptionsAcknowledgedNotification,
        "HeaderMismatchError" => JsonrpcErrorResponse,
        "MissingRequiredClientCapabilityError" => JsonrpcErrorResponse,
        "UnsupportedProtocolVersionError" => JsonrpcErrorResponse,
        "JSONRPCErrorResponse" => JsonrpcErrorResponse,
    )
}

fn legacy(definition: &str, value: &Value) -> Result<(), String> {
    use rust_mcp_schema_legacy as library;
    if value.get("error").is_some() && value.get("id").is_none_or(Value::is_null) {
        return decoders!(library, "Error", &value["error"]; "Error" => RpcError);
    }
    decoders!(library, definition, value;
        "InitializeRequest" => InitializeRequest,
        "ListToolsRequest" => ListToolsRequest,
        "CallToolRequest" => CallToolRequest,
        "ListResourcesRequest" => ListResourcesRequest,
        "ListResourceTemplatesRequest" => ListResourceTemplatesRequest,
        "ReadResourceRequest" => ReadResourceRequest,
        "SubscribeRequest" => SubscribeRequest,
        "UnsubscribeRequest" => UnsubscribeRequest,
        "ListPromptsRequest" => ListPromptsRequest,
        "GetPromptRequest" => GetPromptRequest,
        "CompleteRequest" => CompleteRequest,
        "SetLevelRequest" => SetLevelRequest,
        "InitializedNotification" => InitializedNotification,
        "RootsListChangedNotification" => RootsListChangedNotification,
        "ListRootsResult" => ListRootsResult,
        "CreateMessageResult" => CreateMessageResult,
        "ElicitResult" => ElicitResult,
        "InitializeResult" => InitializeResult,
        "EmptyResult" => Result,
        "ListToolsResult" => ListToolsResult,
        "CallToolResult" => CallToolResult,
        "ListResourcesResult" => ListResourcesResult,
        "ListResourceTemplatesResult" => ListResourceTemplatesResult,
        "ReadResourceResult" => ReadResourceResult,
        "ListPromptsResult" => ListPromptsResult,
        "GetPromptResult" => GetPromptResult,
        "CompleteResult" => CompleteResult,
        "PingRequest" => PingRequest,
        "ListRootsRequest" => ListRootsRequest,
        "CreateMessageRequest" => CreateMessageRequest,
        "ElicitRequest" => ElicitRequest,
        "CancelledNotification" => CancelledNotification,
        "ProgressNotification" => ProgressNotification,
        "LoggingMessageNotification" => LoggingMessageNotification,
        "ToolListChangedNotification" => ToolListChangedNotification,
        "PromptListChangedNotification" => PromptListChangedNotification,
        "ResourceListChangedNotification" => ResourceListChangedNotification,
        "ResourceUpdatedNotification" => ResourceUpdatedNotification,
        "ElicitationCompleteNotification" => ElicitationCompleteNotification,
        "URLElicitationRequiredError" => JsonrpcErrorResponse,
        "JSONRPCErrorResponse" => JsonrpcErrorResponse,
        "JSONRPCError" => JsonrpcErrorResponse,
    )
}
