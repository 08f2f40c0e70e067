//! The scanner's grammar against an independent parser.
#![expect(clippy::disallowed_types, reason = "the tree is the oracle here")]

use mcp_proto::json::scan::validate;
use mcp_proto::json::{ScanLimits, scan, text};
use mcp_proto::outbox::Outbox;
use proptest::prelude::*;
use serde_json::Value;

/// What the oracle says; `None` where it has a limit that the grammar does not have.
fn oracle(text: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<Value>(text) {
        Ok(_) => Some(true),
        Err(error) => {
            let error = error.to_string();
            let limited = error.contains("out of range") || error.contains("recursion limit");
            (!limited).then_some(false)
        }
    }
}

fn check(text: &[u8]) -> Result<(), TestCaseError> {
    if let Some(expected) = oracle(text) {
        let ours = validate(text, 128);
        prop_assert_eq!(
            ours.is_ok(),
            expected,
            "{:?} {:?}",
            String::from_utf8_lossy(text),
            ours
        );
    }
    Ok(())
}

/// Any JSON value as text, with odd white space, escapes and numbers.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        string(),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let space = "[ \t\r\n]{0,2}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..6), space).prop_map(|(items, space)| format!(
                "[{space}{}{space}]",
                items.join(&format!("{space},"))
            )),
            (prop::collection::vec((string(), inner), 0..6), space).prop_map(|(members, space)| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(k, v)| format!("{k}{space}:{v}{space}"))
                    .collect();
                format!("{{{space}{}}}", members.join(&format!(",{space}")))
            }),
        ]
    })
}

/// A string token of any length, so that every stride of the scanner meets every kind of byte.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[ -!#-\\[\\]-~]{0,40}",
        2 => "\\PC{0,10}".prop_map(|text| text.replace(['"', '\\'], "")),
        1 => Just("\\ud83e\\udd80".to_owned()),
        1 => "\\\\u00[0-9a-fA-F]{2}",
        1 => "\\\\[\"\\\\/bfnrt]",
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_json_is_accepted(text in json()) {
        prop_assert_eq!(oracle(text.as_bytes()), Some(true));
        prop_assert!(validate(text.as_bytes(), 128).is_ok());
    }

    #[test]
    fn damaged_json_is_judged_alike(
        text in json(),
        at in any::<prop::sample::Index>(),
        damage in prop_oneof![any::<u8>(), prop::sample::select(b"\"\\{}[],:0-9eE.+ntu\x00\x1f\x80\xc3\xff ".to_vec())],
        mode in 0..3,
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match mode {
            0 => bytes[at] = damage,
            1 => bytes.insert(at, damage),
            _ => { bytes.remove(at); }
        }
        check(&bytes)?;
    }

    #[test]
    fn noise_is_judged_alike(bytes in prop::collection::vec(prop::sample::select(br#"{}[]":,\ue0123d8D-+.atrflsn "#.to_vec()), 0..40)) {
        check(&bytes)?;
    }

    #[test]
    fn any_bytes_are_judged_alike(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        check(&bytes)?;
        check(&[b"\"", &bytes[..], b"\""].concat())?;
    }

    #[test]
    fn spans_are_the_values(id in string(), arguments in json(), name in string(), pad in "[ \t]{0,3}") {
        prop_assume!(id.len() <= 256);
        let frame = format!(
            "{{\"method\":\"tools/call\",{pad}\"id\":{pad}{id}{pad},\"params\":{{\"arguments\":{arguments},\"name\":{name}}},\"jsonrpc\":\"2.0\"}}"
        );
        let envelope = scan(frame.as_bytes(), &ScanLimits::default()).unwrap();
        prop_assert_eq!(envelope.id.get(frame.as_bytes()), Some(id.as_bytes()));
        prop_assert_eq!(envelope.arguments.get(frame.as_bytes()), Some(arguments.as_bytes()));
        prop_assert_eq!(envelope.name.get(frame.as_bytes()), Some(name.as_bytes()));
    }

    #[test]
    fn decoding_and_comparing_agree_with_the_oracle(token in string(), other in string()) {
        let expected: String = serde_json::from_str(&token).unwrap();
        let different: String = serde_json::from_str(&other).unwrap();
        prop_assert_eq!(text::decode_str(&token).unwrap(), expected.as_str());
        prop_assert!(text::eq_decoded(&token, &expected));
        prop_assert_eq!(text::eq_decoded(&token, &different), expected == different);
        prop_assert_eq!(text::eq_tokens(&token, &other), expected == different);
    }

    #[test]
    fn written_strings_read_back(text in any::<String>()) {
        let mut out = Outbox::new(1 << 20);
        text::write_str(&mut out, &text);
        let token = String::from_utf8(out.take_bytes().to_vec()).unwrap();
        prop_assert_eq!(serde_json::from_str::<String>(&token).unwrap(), text.as_str());
        prop_assert!(!token.contains(['\n', '\r']));
        prop_assert_eq!(text::decode_str(&token).unwrap(), text.as_str());
    }

    #[test]
    fn members_and_elements_are_walked_in_order(members in prop::collection::vec((string(), json()), 0..6)) {
        let object = members.iter().map(|(k, v)| format!(" {k} : {v} ")).collect::<Vec<_>>().join(",");
        let object = format!(" {{{object}}}");
        let walked: Vec<_> = text::members(&object).collect();
        prop_assert_eq!(walked, members.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>());
        let array = members.iter().map(|(_, v)| format!(" {v} ")).collect::<Vec<_>>().join(",");
        let array = format!(" [{array}]");
        let walked: Vec<_> = text::elements(&array).collect();
        prop_assert_eq!(walked, members.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>());
    }

    #[test]
    fn tokens_are_walked_to_the_end_and_leave_only_whitespace(value in json(), before in "[ \t\r\n]{0,3}") {
        let text = format!("{before}{value}{before}");
        let mut end = 0;
        let mut compact = String::new();
        for (at, token) in text::tokens(&text) {
            prop_assert_eq!(text.get(at..at + token.len()), Some(token));
            prop_assert!(text[end..at].chars().all(|c| " \t\r\n".contains(c)), "{} to {}: {}", end, at, text);
            let single = token.len() == 1 && "{}[]:,".contains(token);
            prop_assert!(single || text::is_string(token) || text::is_number(token) || ["true", "false", "null"].contains(&token), "{}", token);
            compact.push_str(token);
            end = at + token.len();
        }
        prop_assert!(text[end..].chars().all(|c| " \t\r\n".contains(c)), "stopped at {}: {}", end, text);
        prop_assert!(validate(compact.as_bytes(), 64).is_ok());
    }
}

#[test]
fn every_byte_at_every_place_of_a_string_is_judged_alike() {
    for len in [1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 100] {
        for at in 0..len {
            for byte in 0..=255u8 {
                let mut text = vec![b'x'; len + 2];
                (text[0], text[len + 1], text[at + 1]) = (b'"', b'"', byte);
                let ours = validate(&text, 8).is_ok();
                assert_eq!(Some(ours), oracle(&text), "{byte} at {at} of {len}");
            }
        }
    }
}

#[test]
fn a_walk_over_tokens_ends_at_what_is_none() {
    for (text, expected) in [
        ("", &[][..]),
        ("[1 x 2]", &[(0, "["), (1, "1")]),
        ("1 \"open", &[(0, "1")]),
        ("tru 1", &[]),
        ("-, 2", &[]),
        ("] 1.5:", &[(0, "]"), (2, "1.5"), (5, ":")]),
        ("\u{a0}1", &[]),
        ("\0 1", &[]),
    ] {
        let mut tokens = text::tokens(text);
        assert_eq!(tokens.by_ref().collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(tokens.next(), None, "{text}: it is over");
    }
}
