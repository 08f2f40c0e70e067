//! What a state promises: it opens for the request that it was made for, unchanged, in time, and for nothing else.

use bytes::Bytes;
use mcp_proto::json::ScanLimits;
use mcp_proto::limits::Limits;

use super::*;

const NOW: u64 = 1_785_000_000_000;

/// As in the default limits.
const LIFETIME_MS: u64 = 10 * 60 * 1000;
const MAX_STATE: usize = 64 * 1024;

fn inbound(method: &str, name: &str, arguments: &str) -> Inbound {
    let frame = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"{name}","arguments":{arguments}}}}}"#
    );
    Inbound::scan(Bytes::from(frame), &ScanLimits::default()).expect("a valid message")
}

fn bound() -> Binding {
    Binding::new(
        &inbound("tools/call", "add", r#"{"a":1,"b":"x"}"#),
        Some("alice"),
    )
}

fn journal() -> Journal {
    let record = |key: &str, kind, status, answer: &str| Record {
        key: key.to_owned(),
        kind,
        status,
        digest: 7,
        answer: answer.to_owned(),
    };
    Journal {
        rounds: 2,
        expires: NOW + LIFETIME_MS,
        chain: [9; 16],
        records: vec![
            record(
                "name",
                Kind::Form,
                Status::Consumed,
                r#"{"action":"decline"}"#,
            ),
            record("größe#2", Kind::Once, Status::Answered, "17"),
            record("model", Kind::Sample, Status::Waiting, ""),
        ],
    }
}

fn sealed(sealer: &Sealer) -> String {
    sealer.seal(&bound(), &journal()).expect("small enough")
}

#[test]
fn a_state_comes_back_as_it_went() {
    let sealer = Sealer::ephemeral([1; 32], &Limits::default());
    let state = sealed(&sealer);
    assert_eq!(sealer.open(&bound(), &state, NOW), Ok(journal()));
    assert_ne!(state, sealed(&sealer), "no two states look alike");
    assert!(!state.contains("name"), "and none can be read");
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let sealer = Sealer::ephemeral([1; 32], &Limits::default());
    let state = sealed(&sealer);
    for at in 0..state.len() {
        assert_eq!(
            sealer.open(&bound(), &state[..at], NOW),
            Err(BadState::Foreign),
            "cut at {at}"
        );
        for bit in 0..7 {
            let mut bytes = state.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let altered = String::from_utf8(bytes).expect("still ASCII");
            assert_eq!(
                sealer.open(&bound(), &altered, NOW),
                Err(BadState::Foreign),
                "bit {bit} of {at}"
            );
        }
    }
    for appended in ["-TAMPERED", "=", "A", "\n", " "] {
        let altered = format!("{state}{appended}");
        assert_eq!(
            sealer.open(&bound(), &altered, NOW),
            Err(BadState::Foreign),
            "{appended:?}"
        );
    }
}

#[test]
fn a_state_is_bound_to_method_name_arguments_and_principal() {
    let sealer = Sealer::ephemeral([1; 32], &Limits::default());
    let state = sealed(&sealer);
    let arguments = r#"{"a":1,"b":"x"}"#;
    let foreign = [
        (
            "another method",
            Binding::new(&inbound("prompts/get", "add", arguments), Some("alice")),
        ),
        (
            "another tool",
            Binding::new(&inbound("tools/call", "sub", arguments), Some("alice")),
        ),
        (
            "other arguments",
            Binding::new(
                &inbound("tools/call", "add", r#"{"a":2,"b":"x"}"#),
                Some("alice"),
            ),
        ),
        (
            "more arguments",
            Binding::new(
                &inbound("tools/call", "add", r#"{"a":1,"b":"x","c":0}"#),
                Some("alice"),
            ),
        ),
        (
            "no arguments",
            Binding::new(&inbound("tools/call", "add", "{}"), Some("alice")),
        ),
        (
            "another principal",
            Binding::new(&inbound("tools/call", "add", arguments), Some("bob")),
        ),
        (
            "no principal",
            Binding::new(&inbound("tools/call", "add", arguments), None),
        ),
        (
            "a nameless principal",
            Binding::new(&inbound("tools/call", "add", arguments), Some("")),
        ),
    ];
    for (what, binding) in &foreign {
        assert_eq!(
            sealer.open(binding, &state, NOW),
            Err(BadState::Foreign),
            "{what}"
        );
    }
    assert_ne!(
        foreign[6].1.0, foreign[7].1.0,
        "nobody is not the one without a name"
    );
}

#[test]
fn the_same_arguments_in_another_spelling_are_the_same() {
    let sealer = Sealer::ephemeral([1; 32], &Limits::default());
    let state = sealed(&sealer);
    let respelled = inbound("tools/call", "a\\u0064d", r#"{ "b" : "\u0078", "a":1 }"#);
    assert!(
        sealer
            .open(&Binding::new(&respelled, Some("alice")), &state, NOW)
            .is_ok()
    );
    let frame = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}"#;
    let left_out = Inbound::scan(Bytes::from(frame), &ScanLimits::default()).expect("valid");
    let empty = inbound("tools/call", "add", "{}");
    assert!(Binding::new(&left_out, None) == Binding::new(&empty, None));
}

#[test]
fn a_state_expires_and_never_comes_from_the_future() {
    let sealer = Sealer::ephemeral([1; 32], &Limits::default());
    let state = sealed(&sealer);
    assert!(sealer.open(&bound(), &state, NOW + LIFETIME_MS - 1).is_ok());
    assert_eq!(
        sealer.open(&bound(), &state, NOW + LIFETIME_MS),
        Err(BadState::Expired)
    );
    // Two lives ahead is as far as a replica's clock may be.
    assert!(sealer.open(&bound(), &state, NOW - LIFETIME_MS).is_ok());
    assert_eq!(
        sealer.open(&bound(), &state, NOW - LIFETIME_MS - 1),
        Err(BadState::Expired)
    );
}

#[test]
fn replicas_share_keys_and_keys_rotate() {
    let (old, new) = ([1; 32], [2; 32]);
    let first = Sealer::new(&KeyRing::new(old), [3; 32], &Limits::default());
    let replica = Sealer::new(&KeyRing::new(old), [4; 32], &Limits::default());
    let rotated = Sealer::new(
        &KeyRing::new(new).with_previous(old),
        [5; 32],
        &Limits::default(),
    );
    let stranger = Sealer::new(&KeyRing::new(new), [3; 32], &Limits::default());
    let state = sealed(&first);
    assert!(replica.open(&bound(), &state, NOW).is_ok());
    assert!(rotated.open(&bound(), &state, NOW).is_ok());
    assert_eq!(stranger.open(&bound(), &state, NOW), Err(BadState::Foreign));
    assert_eq!(
        first.open(&bound(), &sealed(&rotated), NOW),
        Err(BadState::Foreign)
    );
}

#[test]
fn a_token_of_another_purpose_is_foreign() {
    let keys = KeyRing::new([1; 32]);
    let other = seal::to_text(&keys.derive("session").seal(
        [7; 24],
        &bound().0,
        &journal().encode(),
    ));
    assert_eq!(
        Sealer::new(&keys, [3; 32], &Limits::default()).open(&bound(), &other, NOW),
        Err(BadState::Foreign)
    );
}

#[test]
fn what_does_not_fit_is_neither_issued_nor_read() {
    let sealer = Sealer::ephemeral([1; 32], &Limits::default());
    let mut large = journal();
    large.records[0].answer = "x".repeat(MAX_STATE);
    assert!(matches!(sealer.seal(&bound(), &large), Err(TooLarge(size)) if size > MAX_STATE));
    large.records[0].answer = "x".repeat(48_000);
    assert!(sealer.seal(&bound(), &large).is_ok());
    assert_eq!(
        sealer.open(&bound(), &"A".repeat(MAX_STATE + 1), NOW),
        Err(BadState::TooLarge)
    );
}

#[test]
fn a_state_may_be_as_long_as_the_limit() {
    let limited = |max_state| {
        let limits = Limits {
            max_state,
            ..Limits::default()
        };
        Sealer::ephemeral([1; 32], &limits)
    };
    let length = sealed(&limited(MAX_STATE)).len();
    let exact = limited(length);
    assert_eq!(
        exact.open(&bound(), &sealed(&exact), NOW),
        Ok(journal()),
        "exactly"
    );
    assert_eq!(
        limited(length - 1).seal(&bound(), &journal()),
        Err(TooLarge(length))
    );
    assert_eq!(
        limited(length - 1).open(&bound(), &sealed(&exact), NOW),
        Err(BadState::TooLarge)
    );
}

#[test]
fn every_chain_is_a_new_one() {
    let sealer = Sealer::ephemeral([1; 32], &Limits::default());
    let other = Sealer::ephemeral([2; 32], &Limits::default());
    let chains = [sealer.chain(), sealer.chain(), other.chain()];
    assert!(chains[0] != chains[1] && chains[0] != chains[2] && chains[1] != chains[2]);
}

#[test]
fn each_refusal_says_what_was_wrong_with_which_parameter() {
    for (refusal, wrong) in [
        (BadState::TooLarge, "longer"),
        (BadState::Foreign, "not valid for this request"),
        (BadState::Expired, "expired"),
    ] {
        let message = refusal.message();
        assert!(message.starts_with("params.requestState"), "{message}");
        assert!(message.contains(wrong), "{message}");
    }
}

/// They are in states that outlive a process, and that other replicas read.
#[test]
fn digests_are_the_same_in_every_version() {
    for (parts, expected) in [
        (&[][..], 0xcbf2_9ce4_8422_2325),
        (&["a"], 0x089b_c907_b544_c769),
        (&["ab", "c"], 0x20ba_9b30_25a8_b421),
        (&["a", "bc"], 0xa0a3_542c_19b9_00ab),
    ] {
        assert_eq!(digest(parts), expected, "{parts:?}");
    }
}

#[test]
fn decoding_survives_anything() {
    let plain = journal().encode();
    for cut in 0..plain.len() {
        // Some cuts end between two records and are valid; none may panic.
        let _ = Journal::decode(&plain[..cut]);
        for value in [0, 1, 5, 6, 0x7f, 0x80, 0xff] {
            let mut altered = plain.clone();
            altered[cut] = value;
            let _ = Journal::decode(&altered);
        }
    }
    assert_eq!(Journal::decode(&plain), Some(journal()));
}

#[test]
fn more_rounds_than_a_state_can_count_are_not_granted() {
    let bounds = |max_rounds| {
        Bounds::of(&Limits {
            max_rounds,
            ..Limits::default()
        })
    };
    assert_eq!(bounds(8).rounds, 8);
    assert_eq!(bounds(1000).rounds, u32::from(u8::MAX));
}
