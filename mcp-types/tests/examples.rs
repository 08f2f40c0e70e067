//! Every published example of 2026-07-28 decodes, and encodes back to the same meaning.

#![allow(
    clippy::disallowed_types,
    reason = "examples are compared as value trees"
)]

mod support;

use mcp_types::*;
use serde_json::Value;
use support::{Schema, read, spec_dir, validate};

fn round_trip<T: Wire + serde::de::DeserializeOwned>(example: &Value) -> Result<Value, String> {
    // Pretty-printed, as the files are: line breaks must not survive.
    let text = serde_json::to_string_pretty(example).expect("JSON");
    let decoded: T = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let encoded = to_string(&decoded, Revision::V2026_07_28);
    if encoded.contains(['\n', '\r']) {
        return Err(format!("line breaks in {encoded}"));
    }
    serde_json::from_str(&encoded).map_err(|error| error.to_string())
}

/// Round-trips one member of a message, typed.
fn within<T: Wire + serde::de::DeserializeOwned>(
    example: &Value,
    member: &str,
) -> Result<Value, String> {
    let mut message = round_trip::<JsonRpcMessage>(example)?;
    message[member] = round_trip::<T>(&example[member])?;
    Ok(message)
}

/// Round-trips an example by the name of its folder, which is the name of its type.
fn by_name(name: &str, example: &Value) -> Result<Value, String> {
    macro_rules! types {
        (
            values { $($value:ident),* $(,)? }
            params { $($request:literal => $params:ident),* $(,)? }
            results { $($response:literal => $result:ident),* $(,)? }
            others { $($other:literal => $ty:ty),* $(,)? }
        ) => {
            match name {
                $(stringify!($value) => round_trip::<$value>(example),)*
                $($request => within::<$params>(example, "params"),)*
                $($response => within::<$result>(example, "result"),)*
                $($other => round_trip::<$ty>(example),)*
                _ => Err("no type for this folder".to_owned()),
            }
        };
    }
    types! {
        values {
            AudioContent, BlobResourceContents, BooleanSchema, CallToolRequestParams, CallToolResult,
            CancelledNotificationParams, ClientCapabilities, CompleteRequestParams, CompleteResult,
            CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult, DiscoverResult, ElicitRequest,
            ElicitRequestFormParams, ElicitResult, EmbeddedResource, GetPromptRequestParams, GetPromptResult,
            ImageContent, InputRequests, InputRequiredResult, InputResponses, ListPromptsResult,
            ListResourceTemplatesResult, ListResourcesResult, ListRootsRequest, ListRootsResult, ListToolsResult,
            LoggingMessageNotificationParams, ModelPreferences, NumberSchema, PaginatedRequestParams,
            ProgressNotificationParams, ReadResourceRequestParams, ReadResourceResult, Resource, ResourceLink,
            ResourceUpdatedNotificationParams, Root, SamplingMessage, ServerCapabilities, StringSchema,
            SubscriptionsListenResult, TextContent, TextResourceContents, TitledMultiSelectEnumSchema,
            TitledSingleSelectEnumSchema, Tool, ToolResultContent, ToolUseContent, UntitledMultiSelectEnumSchema,
            UntitledSingleSelectEnumSchema,
        }
        params {
            "CallToolRequest" => CallToolRequestParams,
            "CancelledNotification" => CancelledNotificationParams,
            "CompleteRequest" => CompleteRequestParams,
            "DiscoverRequest" => RequestParams,
            "GetPromptRequest" => GetPromptRequestParams,
            "ListPromptsRequest" => PaginatedRequestParams,
            "ListResourceTemplatesRequest" => PaginatedRequestParams,
            "ListResourcesRequest" => PaginatedRequestParams,
            "ListToolsRequest" => PaginatedRequestParams,
            "LoggingMessageNotification" => LoggingMessageNotificationParams,
            "ProgressNotification" => ProgressNotificationParams,
            "PromptListChangedNotification" => NotificationParams,
            "ReadResourceRequest" => ReadResourceRequestParams,
            "ResourceListChangedNotification" => NotificationParams,
            "ResourceUpdatedNotification" => ResourceUpdatedNotificationParams,
            "SubscriptionsAcknowledgedNotification" => SubscriptionsAcknowledgedNotificationParams,
            "SubscriptionsListenRequest" => SubscriptionsListenRequestParams,
            "ToolListChangedNotification" => NotificationParams,
        }
        results {
            "CallToolResultResponse" => CallToolResult,
            "CompleteResultResponse" => CompleteResult,
            "DiscoverResultResponse" => DiscoverResult,
            "GetPromptResultResponse" => GetPromptResult,
            "ListPromptsResultResponse" => ListPromptsResult,
            "ListResourceTemplatesResultResponse" => ListResourceTemplatesResult,
            "ListResourcesResultResponse" => ListResourcesResult,
            "ListToolsResultResponse" => ListToolsResult,
            "ReadResourceResultResponse" => ReadResourceResult,
            "SubscriptionsListenResultResponse" => SubscriptionsListenResult,
        }
        others {
            "ElicitRequestURLParams" => ElicitRequestUrlParams,
            "HeaderMismatchError" => JsonRpcMessage,
            "InternalError" => ErrorObject,
            "InvalidParamsError" => ErrorObject,
            "MethodNotFoundError" => ErrorObject,
            "MissingRequiredClientCapabilityError" => JsonRpcMessage,
            "ParseError" => ErrorObject,
            "UnsupportedProtocolVersionError" => JsonRpcMessage,
        }
    }
}

/// Published examples that their own schema refuses: a cacheable result without hints, and an input request with an id.
/// They round-trip all the same.
const ERRATA: [&str; 2] = [
    "ListRootsRequest/list-roots-request.json",
    "ReadResourceResultResponse/read-resource-result-response.json",
];

#[test]
fn every_published_example_round_trips() {
    let Some(dir) = spec_dir("the published examples") else {
        return;
    };
    let schema = Schema::at(&dir, Revision::V2026_07_28);
    let mut wrong = Vec::new();
    let mut count = 0;
    let examples = dir.join("2026-07-28/examples");
    for folder in std::fs::read_dir(examples)
        .expect("examples")
        .map(|entry| entry.expect("folder").path())
    {
        let name = folder
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned();
        for file in std::fs::read_dir(&folder)
            .expect("folder")
            .map(|entry| entry.expect("file").path())
        {
            count += 1;
            let example = read(file.clone());
            match by_name(&name, &example) {
                Ok(back) if back == example => {
                    let erratum = ERRATA.iter().any(|path| file.ends_with(path));
                    match validate(&schema, &schema.defs[&name], &back, &name) {
                        Err(error) if !erratum => wrong.push(error),
                        Ok(()) if erratum => wrong.push(format!("{} is valid now", file.display())),
                        _ => {}
                    }
                }
                Ok(back) => wrong.push(format!("{}\n  {example}\n  {back}", file.display())),
                Err(error) => wrong.push(format!("{}: {error}", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 100, "only {count} examples were found");
}
