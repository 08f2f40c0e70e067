//! What users and proxies rely on: nothing unknown is lost, old peers get what they can read, errors say where.

#![allow(
    clippy::disallowed_types,
    reason = "expected values are written with json!"
)]

use mcp_types::*;
use serde_json::{Value, json};

fn decode<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_str(&value.to_string()).unwrap_or_else(|error| panic!("{error} in {value}"))
}

fn encode<T: Wire>(value: &T, revision: Revision) -> Value {
    serde_json::from_str(&to_string(value, revision)).expect("the encoder writes JSON")
}

fn error<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    serde_json::from_str::<T>(text).expect_err(text).to_string()
}

#[test]
fn unknown_members_and_kinds_survive_in_every_revision() {
    let result = json!({
        "content": [
            {"type": "text", "text": "a", "weight": 1.50},
            {"type": "hologram", "planes": [1, 2]},
        ],
        "com.example/score": {"deep": [null]},
    });
    let decoded: CallToolResult = decode(&result);
    assert!(matches!(&decoded.content[1], ContentBlock::Unknown(_)));
    assert_eq!(decoded.content[1].kind().as_deref(), Some("hologram"));
    for revision in Revision::ALL {
        assert_eq!(encode(&decoded, revision), result, "{revision}");
    }
}

#[test]
fn unknown_names_in_open_enumerations_survive() {
    let tool = json!({"name": "t", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "sometimes"}});
    assert_eq!(encode(&decode::<Tool>(&tool), Revision::V2025_11_25), tool);
    let icon = json!({"src": "data:,", "theme": "sepia"});
    assert_eq!(encode(&decode::<Icon>(&icon), Revision::LATEST), icon);
    let result = json!({"role": "assistant", "content": {"type": "text", "text": ""}, "model": "m", "stopReason": "tired"});
    assert_eq!(
        encode(&decode::<CreateMessageResult>(&result), Revision::LATEST),
        result
    );
}

#[test]
fn an_unknown_member_never_shadows_a_declared_one() {
    let mut tool = Tool::new("t", Json::default());
    tool.extra.insert("name", "other");
    tool.extra.insert("x", true);
    assert_eq!(
        to_string(&tool, Revision::LATEST),
        r#"{"name":"t","inputSchema":{},"x":true}"#
    );
}

#[test]
fn a_tool_is_told_to_each_revision_as_it_can_read_it() {
    let tool = Tool::new("t", Json::parse(r#"{"type":"object"}"#).expect("JSON"))
        .with_title("T")
        .with_output_schema(Json::parse(r#"{"type":"array"}"#).expect("JSON"))
        .with_annotations(ToolAnnotations::new().with_read_only_hint(true))
        .with_execution(ToolExecution::new().with_task_support(TaskSupport::Optional))
        .with_icons([Icon::new("data:,")])
        .with_meta(Meta::new().with("a", 1_u64));
    let keys = |revision| {
        let Value::Object(members) = encode(&tool, revision) else {
            panic!("an object")
        };
        // Sorted here: whether the tree sorts them is up to features of other crates.
        let mut keys: Vec<String> = members.keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(keys(Revision::V2024_11_05), "inputSchema name");
    assert_eq!(keys(Revision::V2025_03_26), "annotations inputSchema name");
    assert_eq!(
        keys(Revision::V2025_06_18),
        "_meta annotations inputSchema name title"
    );
    assert_eq!(
        keys(Revision::V2025_11_25),
        "_meta annotations execution icons inputSchema name title"
    );
    assert_eq!(
        keys(Revision::V2026_07_28),
        "_meta annotations icons inputSchema name outputSchema title"
    );
}

#[test]
fn structured_content_that_is_no_object_is_for_modern_peers_only() {
    for (value, legacy) in [
        ("{\"a\":1}", true),
        ("[1]", false),
        ("null", false),
        ("3", false),
        ("\"x\"", false),
    ] {
        let result = CallToolResult::structured(Json::parse(value).expect("JSON"));
        let at = |revision| encode(&result, revision).get("structuredContent").is_some();
        assert!(at(Revision::V2026_07_28), "{value}");
        assert_eq!(at(Revision::V2025_11_25), legacy, "{value}");
        assert_eq!(at(Revision::V2025_06_18), legacy, "{value}");
        assert!(!at(Revision::V2025_03_26), "{value}");
        assert_eq!(result.content[0].as_text(), Some(value));
        // `null` is a value, not absence, and stays one through a proxy.
        let again: CallToolResult =
            serde_json::from_slice(&to_vec(&result, Revision::LATEST)).expect("a result");
        assert_eq!(again, result);
    }
}

#[test]
fn content_that_a_revision_lacks_becomes_text_that_names_it() {
    let result = GetPromptResult::new([
        PromptMessage::new(Role::User, ContentBlock::audio("aGk=", "audio/wav")),
        PromptMessage::new(Role::User, ContentBlock::link("file:///a", "a")),
    ]);
    let kinds = |revision| {
        let messages = encode(&result, revision)["messages"].clone();
        [
            messages[0]["content"]["type"].clone(),
            messages[1]["content"]["type"].clone(),
        ]
    };
    assert_eq!(kinds(Revision::V2024_11_05), ["text", "text"]);
    assert_eq!(kinds(Revision::V2025_03_26), ["audio", "text"]);
    assert_eq!(kinds(Revision::V2025_06_18), ["audio", "resource_link"]);
    let text = to_string(&result, Revision::V2024_11_05);
    assert!(
        text.contains("audio/wav") && text.contains("file:///a"),
        "{text}"
    );
    assert!(!text.contains("aGk="), "{text}");
}

#[test]
fn one_sampled_block_is_an_object_and_several_are_an_array_where_there_are_arrays() {
    let block = SamplingMessageContentBlock::text;
    let params = CreateMessageRequestParams::new(
        [
            SamplingMessage::user("one"),
            SamplingMessage::new(
                Role::Assistant,
                vec![
                    block("two"),
                    ToolUseContent::new("i", "t", Object::new()).into(),
                ],
            ),
        ],
        10,
    )
    .with_tools([Tool::new("t", Json::default())])
    .with_tool_choice(ToolChoice::new().with_mode(ToolChoiceMode::Auto));
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let sent = encode(&params, revision);
        assert!(
            sent["messages"][0]["content"].is_object() && sent["messages"][1]["content"].is_array()
        );
        assert_eq!(sent["toolChoice"], json!({"mode": "auto"}));
    }
    let sent = encode(&params, Revision::V2025_06_18);
    assert_eq!(sent["messages"].as_array().map(Vec::len), Some(3), "{sent}");
    assert_eq!(
        sent["messages"][1],
        json!({"role": "assistant", "content": {"type": "text", "text": "two"}})
    );
    assert_eq!(sent["messages"][2]["content"]["type"], "text");
    assert!(sent.get("tools").is_none() && sent.get("toolChoice").is_none());

    let result = CreateMessageResult::new(Role::Assistant, vec![block("a"), block("b")], "m");
    assert_eq!(
        encode(&result, Revision::V2025_06_18)["content"],
        json!({"type": "text", "text": "a\nb"})
    );
    let array = json!({"role": "user", "content": [{"type": "text", "text": "x"}]});
    let message: SamplingMessage = decode(&array);
    assert_eq!(message, SamplingMessage::user("x"));
    let empty = CreateMessageResult::new(Role::Assistant, Vec::new(), "m");
    assert_eq!(
        encode(&empty, Revision::V2025_03_26)["content"],
        json!({"type": "text", "text": ""})
    );
    assert_eq!(encode(&empty, Revision::V2026_07_28)["content"], json!([]));
}

#[test]
fn a_form_has_every_sort_of_field_and_older_peers_get_those_they_know() {
    let options = || [EnumOption::new("r", "Red"), EnumOption::new("g", "Green")];
    let schema = RequestedSchema::new([
        (
            "name",
            PrimitiveSchemaDefinition::from(
                StringSchema::new()
                    .with_format(StringFormat::Email)
                    .with_default("x"),
            ),
        ),
        (
            "age",
            NumberSchema::new(NumberKind::Integer)
                .with_minimum(18.0)
                .with_default(20.0)
                .into(),
        ),
        ("ok", BooleanSchema::new().with_default(true).into()),
        (
            "size",
            UntitledSingleSelectEnumSchema::new(["s".to_owned(), "m".to_owned()])
                .with_default("s")
                .into(),
        ),
        (
            "hue",
            TitledSingleSelectEnumSchema::new(options())
                .with_default("r")
                .into(),
        ),
        (
            "tags",
            UntitledMultiSelectEnumSchema::new(UntitledItems::new(["a".to_owned()]))
                .with_min_items(1)
                .into(),
        ),
        (
            "hues",
            TitledMultiSelectEnumSchema::new(TitledItems::new(options())).into(),
        ),
        (
            "old",
            LegacyTitledEnumSchema::new(["r".to_owned()])
                .with_names(["Red".to_owned()])
                .into(),
        ),
    ])
    .with_required(["name".to_owned(), "tags".to_owned()]);
    let form = ElicitRequestFormParams::new("Who?", schema).with_mode(ElicitMode::Form);

    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let sent = encode(&form, revision);
        assert_eq!(sent["mode"], "form");
        assert_eq!(sent["requestedSchema"]["properties"]["age"]["minimum"], 18);
        assert_eq!(
            sent["requestedSchema"]["properties"]["hues"],
            json!({"type": "array", "items": {"anyOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]}})
        );
        let again: ElicitRequestFormParams =
            serde_json::from_slice(&to_vec(&form, revision)).expect("a form");
        assert_eq!(again, form);
    }
    assert_eq!(
        encode(&form, Revision::V2025_06_18),
        json!({
            "message": "Who?",
            "requestedSchema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "format": "email"},
                    "age": {"type": "integer", "minimum": 18},
                    "ok": {"type": "boolean", "default": true},
                    "size": {"type": "string", "enum": ["s", "m"]},
                    "hue": {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]},
                    "old": {"type": "string", "enum": ["r"], "enumNames": ["Red"]},
                },
                "required": ["name"],
            },
        })
    );
    let foreign = json!({"type": "array", "items": {"type": "object"}});
    let field: PrimitiveSchemaDefinition = decode(&foreign);
    assert!(matches!(field, PrimitiveSchemaDefinition::Unknown(_)));
    assert_eq!(encode(&field, Revision::LATEST), foreign);
}

#[test]
fn a_url_is_asked_for_with_an_id_in_2025_11_25_and_without_one_later() {
    let params =
        ElicitRequestUrlParams::new("Sign in", "https://example.com").with_elicitation_id("e1");
    let request: ElicitRequestParams = params.clone().into();
    assert_eq!(
        encode(&request, Revision::V2025_11_25),
        json!({"mode": "url", "message": "Sign in", "url": "https://example.com", "elicitationId": "e1"})
    );
    assert!(
        encode(&request, Revision::V2026_07_28)
            .get("elicitationId")
            .is_none()
    );
    let data = UrlElicitationRequiredData::new([params]);
    assert_eq!(
        encode(&data, Revision::V2025_11_25)["elicitations"][0]["elicitationId"],
        "e1"
    );
    let implicit: ElicitRequestParams =
        decode(&json!({"message": "", "requestedSchema": {"properties": {}}}));
    assert!(matches!(implicit, ElicitRequestParams::Form(_)));
    let foreign = json!({"mode": "voice", "message": "Speak"});
    let voice: ElicitRequestParams = decode(&foreign);
    assert_eq!(encode(&voice, Revision::LATEST), foreign);
}

#[test]
fn answers_to_input_requests_are_told_apart_and_a_bad_one_spoils_no_other() {
    let responses: InputResponses = decode(&json!({
        "a": {"action": "accept", "content": {"x": [1]}},
        "b": {"roots": []},
        "c": {"role": "assistant", "model": "m", "content": {"type": "text", "text": ""}},
        "d": {"action": "perhaps"},
        "e": {},
    }));
    let kinds: Vec<&str> = responses
        .iter()
        .map(|(_, response)| match response {
            InputResponse::Elicit(_) => "elicit",
            InputResponse::ListRoots(_) => "roots",
            InputResponse::CreateMessage(_) => "sample",
            _ => "unknown",
        })
        .collect();
    assert_eq!(kinds, ["elicit", "roots", "sample", "unknown", "unknown"]);
    assert!(error::<InputResponses>(r#"{"a":null}"#).contains("a: expected an object"));
}

#[test]
fn decoding_errors_name_the_path_and_what_was_expected() {
    let message =
        error::<CallToolResult>(r#"{"content":[{"type":"image","data":"","mimeType":7}]}"#);
    assert!(
        message.contains("content: mimeType: invalid type: integer `7`, expected a string"),
        "{message}"
    );
    let message = error::<Tool>(r#"{"name":"t"}"#);
    assert!(message.contains("missing field `inputSchema`"), "{message}");
    let message = error::<LoggingMessageNotificationParams>(r#"{"level":"loud","data":1}"#);
    assert!(
        message.contains("level") && message.contains("`loud`") || message.contains("\"loud\""),
        "{message}"
    );
    assert!(message.contains("one of debug, info, notice"), "{message}");
    let message = error::<TextContent>(r#"{"type":"image","text":""}"#);
    assert!(
        message.contains("type") && message.contains("expected text"),
        "{message}"
    );
    assert!(error::<ContentBlock>(r#"{"text":"no type"}"#).contains("`type`"));
    assert!(error::<ContentBlock>("[]").contains("`type`"));
    assert!(error::<Tool>("[]").contains("an object (Tool)"));
}

#[test]
fn two_values_for_one_declared_member_are_refused() {
    assert!(error::<Root>(r#"{"uri":"a","uri":"b"}"#).contains("duplicate field `uri`"));
    assert!(error::<Root>(r#"{"uri":"a","ur\u0069":"b"}"#).contains("duplicate field `uri`"));
    assert!(
        error::<Root>(r#"{"uri":"a","name":"x","name":"y"}"#).contains("duplicate field `name`")
    );
    assert!(
        error::<TextContent>(r#"{"type":"text","text":"","type":"image"}"#)
            .contains("expected text")
    );
}

#[test]
fn null_stands_for_an_absent_optional_member() {
    let resource: Resource =
        decode(&json!({"uri": "u", "name": "n", "title": null, "size": null, "_meta": null}));
    assert_eq!(resource, Resource::new("u", "n"));
    let task = json!({"taskId": "t", "status": "working", "createdAt": "", "lastUpdatedAt": ""});
    assert_eq!(decode::<Task>(&task).ttl_ms, None);
    assert_eq!(
        encode(&decode::<Task>(&task), Revision::V2025_11_25)["ttl"],
        Value::Null
    );
    assert_eq!(
        decode::<Resource>(&json!({"uri": "u", "name": "n", "size": 5.0})).size,
        Some(5)
    );
}

#[test]
fn identifiers_are_strings_or_integers_and_keep_their_kind() {
    assert_ne!(
        decode::<RequestId>(&json!("1")),
        decode::<RequestId>(&json!(1))
    );
    for bad in [
        "null",
        "true",
        "1.0",
        "1.5",
        "[]",
        "{}",
        "1e3",
        "99999999999999999999",
    ] {
        assert!(serde_json::from_str::<RequestId>(bad).is_err(), "{bad}");
    }
    assert_eq!(to_string(&RequestId::from("a"), Revision::LATEST), "\"a\"");
    assert_eq!(to_string(&ProgressToken::from(-7), Revision::LATEST), "-7");
}

#[test]
fn extensions_are_declared_to_peers_of_every_revision() {
    let capabilities = ServerCapabilities::new()
        .with_extensions([(TASKS_EXTENSION, Object::new())])
        .with_tools(ToolsCapability::new().with_list_changed(true))
        .with_tasks(ServerTasksCapability::new());
    for revision in Revision::ALL {
        let sent = encode(&capabilities, revision);
        assert_eq!(
            sent["extensions"],
            json!({TASKS_EXTENSION: {}}),
            "{revision}"
        );
        assert_eq!(
            sent.get("tasks").is_some(),
            revision == Revision::V2025_11_25,
            "{revision}"
        );
    }
}

#[test]
fn results_carry_caching_hints_only_to_modern_peers() {
    let result = ListToolsResult::new([])
        .with_result_type(ResultType::Complete)
        .with_ttl_ms(300_000)
        .with_cache_scope(CacheScope::Public)
        .with_next_cursor("c");
    assert_eq!(
        to_string(&result, Revision::V2025_11_25),
        r#"{"tools":[],"nextCursor":"c"}"#
    );
    assert_eq!(
        encode(&result, Revision::V2026_07_28),
        json!({"tools": [], "nextCursor": "c", "resultType": "complete", "ttlMs": 300_000, "cacheScope": "public"})
    );
    // Whoever does not know a scope must not share.
    let unknown: ListToolsResult = decode(&json!({"tools": [], "cacheScope": "team"}));
    assert_eq!(unknown.cache_scope, Some(CacheScope::Private));
}

#[test]
fn messages_are_told_apart_by_their_members() {
    let kind = |value: Value| match serde_json::from_str::<JsonRpcMessage>(&value.to_string()) {
        Ok(JsonRpcMessage::Request(_)) => "request",
        Ok(JsonRpcMessage::Notification(_)) => "notification",
        Ok(JsonRpcMessage::Result(_)) => "result",
        Ok(JsonRpcMessage::Error(_)) => "error",
        Err(_) => "refused",
    };
    assert_eq!(
        kind(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})),
        "request"
    );
    assert_eq!(
        kind(json!({"jsonrpc": "2.0", "method": "ping"})),
        "notification"
    );
    assert_eq!(
        kind(json!({"jsonrpc": "2.0", "id": 1, "result": {}})),
        "result"
    );
    assert_eq!(
        kind(json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": ""}})),
        "error"
    );
    assert_eq!(
        kind(json!({"jsonrpc": "1.0", "id": 1, "method": "ping"})),
        "refused"
    );
    assert_eq!(
        kind(json!({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}})),
        "refused"
    );
    assert_eq!(
        kind(json!({"jsonrpc": "2.0", "id": null, "method": "ping"})),
        "refused"
    );
}

#[test]
fn completions_are_capped_and_say_so() {
    let completion = Completion::capped((0..150).map(|n| n.to_string()));
    assert_eq!(
        (
            completion.values.len(),
            completion.total,
            completion.has_more
        ),
        (100, Some(150), Some(true))
    );
    let completion = Completion::capped(["a"]);
    assert_eq!(
        (
            completion.values.len(),
            completion.total,
            completion.has_more
        ),
        (1, Some(1), Some(false))
    );
}

#[test]
fn no_revision_is_written_with_line_breaks() {
    let pretty = Json::parse("{\n  \"type\": \"object\"\r\n}").expect("JSON");
    let tool = Tool::new("t\n", pretty).with_description("a\r\nb");
    for revision in Revision::ALL {
        let text = to_string(&tool, revision);
        assert!(!text.contains(['\n', '\r']), "{text}");
    }
}

/// Found by fuzzing: the raw value took what no typed string takes, and one such value spoils the message around it.
#[test]
fn half_a_surrogate_pair_is_not_json_text() {
    for (text, expected) in [
        (r#""\ud83e\udd80""#, true),
        (r#""\\ud800""#, true),
        (r#""\\\\ud800""#, true),
        (r#""a\u00e9\n""#, true),
        (r#""\ud800""#, false),
        (r#""\udd80""#, false),
        (r#""\ud800\ud800""#, false),
        (r#""\ud800x\udc00""#, false),
        (r#"{"\uDBFF":1}"#, false),
        (r#"[1,"\\\uDC00"]"#, false),
    ] {
        assert_eq!(Json::parse(text).is_ok(), expected, "{text}");
        assert_eq!(
            serde_json::from_str::<Json>(text).is_ok(),
            expected,
            "{text}"
        );
        let tree = serde_json::from_str::<Value>(text);
        assert_eq!(tree.is_ok(), expected, "{text}");
    }
}
