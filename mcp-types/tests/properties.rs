//! Properties over arbitrary JSON and arbitrary values of the model.

#![allow(
    clippy::disallowed_types,
    reason = "arbitrary JSON is generated as value trees"
)]

use mcp_types::*;
use proptest::prelude::*;
use serde_json::Value;

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e9..1.0e9_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_json() -> impl Strategy<Value = Json> {
    any_value().prop_map(|value| Json::from_serialize(&value).expect("JSON"))
}

fn any_object() -> impl Strategy<Value = Object> {
    prop::collection::vec((any::<String>(), any_json()), 0..4)
        .prop_map(|members| members.into_iter().collect())
}

fn any_meta() -> impl Strategy<Value = Option<Meta>> {
    prop::option::of(any_object().prop_map(Meta::from))
}

fn any_block() -> impl Strategy<Value = ContentBlock> {
    let text = any::<String>();
    prop_oneof![
        (text, prop::option::of(0.0..1.0_f64), any_meta()).prop_map(|(text, priority, meta)| {
            let mut block = TextContent::new(text);
            block.annotations = priority.map(|priority| Annotations::new().with_priority(priority));
            block.meta = meta;
            block.into()
        }),
        (any::<String>(), any::<String>()).prop_map(|(data, kind)| ContentBlock::image(data, kind)),
        (any::<String>(), any::<String>()).prop_map(|(data, kind)| ContentBlock::audio(data, kind)),
        (
            any::<String>(),
            any::<String>(),
            prop::option::of(any::<u64>())
        )
            .prop_map(|(uri, name, size)| {
                let mut link = ResourceLink::new(uri, name);
                link.size = size;
                link.into()
            }),
        (any::<String>(), any::<String>())
            .prop_map(|(uri, text)| ContentBlock::resource(ResourceContents::text(uri, text))),
        (any::<String>(), any_value()).prop_filter_map("a known kind", |(kind, value)| {
            let known =
                ["text", "image", "audio", "resource", "resource_link"].contains(&kind.as_str());
            let value = serde_json::json!({"type": kind, "value": value});
            (!known).then(|| ContentBlock::Unknown(Json::from_serialize(&value).expect("JSON")))
        }),
    ]
}

fn any_result() -> impl Strategy<Value = CallToolResult> {
    (
        prop::collection::vec(any_block(), 0..5),
        prop::option::of(any_json()),
        prop::option::of(any::<bool>()),
        any_meta(),
        any_object(),
    )
        .prop_map(|(content, structured, is_error, meta, extra)| {
            let mut result = CallToolResult::new(content);
            result.structured_content = structured;
            result.is_error = is_error;
            result.meta = meta;
            result.extra = extra;
            result
        })
}

fn pieces(result: CallToolResult, revision: Revision) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    to_pieces(result, revision, |piece| pieces.push(piece));
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// However a value is laid out, its raw form is one line and means the same.
    #[test]
    fn raw_json_is_one_line_and_keeps_its_meaning(value in any_value(), crlf in any::<bool>()) {
        let mut pretty = serde_json::to_string_pretty(&value).expect("JSON");
        if crlf {
            pretty = pretty.replace('\n', "\r\n");
        }
        let parsed = Json::parse(format!("\n {pretty}\r\n")).expect("valid");
        let decoded: Json = serde_json::from_str(&pretty).expect("valid");
        prop_assert!(!parsed.as_str().contains(['\n', '\r']));
        prop_assert_eq!(&parsed, &decoded);
        prop_assert_eq!(parsed.decode::<Value>().expect("valid"), value);
        prop_assert_eq!(serde_json::to_string(&parsed).expect("JSON"), parsed.as_str());
    }

    /// A text is taken if and only if it is JSON.
    #[test]
    fn raw_json_accepts_exactly_json(text in "[\\[\\]{}\",:0-9a-z\\\\ \n\r.eE+-]{0,24}") {
        let reference = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(Json::parse(text.as_str()).is_ok(), reference, "{:?}", text);
    }

    /// Long texts that are sent from where they are make the same message as copied ones, in every revision.
    #[test]
    fn pieces_are_the_value(result in any_result(), long in 0..6_usize, with in "[\"\\\\\n\u{1}aé]{1,3}") {
        let mut result = result;
        let text = with.repeat(4096);
        let blocks = [
            ContentBlock::text(text.as_str()),
            ContentBlock::image(text.as_str(), "image/png"),
            ContentBlock::audio(text.as_str(), text.as_str()),
            ContentBlock::resource(ResourceContents::text(text.as_str(), text.as_str())),
            ContentBlock::resource(ResourceContents::blob("a:b", "A".repeat(4096))),
            ContentBlock::link(text.as_str(), text.as_str()),
        ];
        result.content.extend(blocks.into_iter().take(long));
        if long > 3 {
            result.structured_content = Some(Json::from(text.as_str()));
        }
        for revision in Revision::ALL {
            let pieces = pieces(result.clone(), revision);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            prop_assert!(!pieces.concat().contains(&b'\n'));
            prop_assert_eq!(String::from_utf8(pieces.concat()), Ok(to_string(&result, revision)));
        }
    }

    /// What the newest revision writes is read back as the same value.
    #[test]
    fn the_newest_revision_loses_nothing(result in any_result()) {
        let text = to_string(&result, Revision::LATEST);
        let again: CallToolResult = serde_json::from_str(&text).expect("a result");
        prop_assert_eq!(to_string(&again, Revision::LATEST), text);
        prop_assert_eq!(again.content, result.content);
        prop_assert_eq!(again.structured_content, result.structured_content);
        prop_assert_eq!(again.meta, result.meta);
    }

    /// What an older revision writes is valid, can be read, and is what it would be if it were sent on: reading and
    /// writing again for the same revision changes nothing.
    #[test]
    fn writing_for_an_older_revision_settles_at_once(result in any_result(), at in 0..5_usize) {
        let revision = Revision::ALL[at];
        let text = to_string(&result, revision);
        prop_assert!(!text.contains(['\n', '\r']));
        let again: CallToolResult = serde_json::from_str(&text).expect("a result");
        prop_assert_eq!(to_string(&again, revision), text);
    }

    /// Decoding foreign JSON as any type of the model succeeds or fails; it never panics, and what succeeds is written
    /// as JSON.
    #[test]
    fn foreign_values_never_panic(value in any_value()) {
        fn poke<T: Wire + serde::de::DeserializeOwned>(text: &str) {
            if let Ok(value) = serde_json::from_str::<T>(text) {
                for revision in Revision::ALL {
                    let text = to_string(&value, revision);
                    assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
                }
            }
        }
        let text = value.to_string();
        poke::<Tool>(&text);
        poke::<CallToolResult>(&text);
        poke::<ContentBlock>(&text);
        poke::<ClientCapabilities>(&text);
        poke::<InputRequests>(&text);
        poke::<InputResponses>(&text);
        poke::<PrimitiveSchemaDefinition>(&text);
        poke::<SamplingContent>(&text);
        poke::<CreateTaskResult>(&text);
        poke::<JsonRpcMessage>(&text);
        poke::<Meta>(&text);
    }

    /// A map behaves like an ordered list of entries of which the last of each key counts.
    #[test]
    fn maps_keep_the_first_place_and_the_last_value(entries in prop::collection::vec(("[a-f]{1,2}", any::<u64>()), 0..60)) {
        let text: Vec<String> = entries.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
        let map: Map<u64> = serde_json::from_str(&format!("{{{}}}", text.join(","))).expect("an object");
        let mut expected: Vec<(String, u64)> = Vec::new();
        for (key, value) in entries {
            match expected.iter_mut().find(|(seen, _)| *seen == key) {
                Some((_, there)) => *there = value,
                None => expected.push((key, value)),
            }
        }
        prop_assert_eq!(map.into_iter().collect::<Vec<_>>(), expected);
    }
}
