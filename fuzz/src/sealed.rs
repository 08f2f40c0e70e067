//! Tokens that come back: only what was sealed for this principal and request opens, unchanged and in time.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use mcp_proto::context::ClientFeatures;
use mcp_proto::entropy::Entropy;
use mcp_proto::json::{Inbound, ScanLimits};
use mcp_proto::legacy::{SessionKey, SessionToken};
use mcp_proto::limits::Limits;
use mcp_proto::seal::{KeyRing, from_text, to_text};
use mcp_types::Revision;

use crate::journal::{Binding, Journal, Kind, Record, Sealer, Status};
use crate::page::{Cursor, ListKind};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    seed: u8,
    revision: u8,
    features: u16,
    expires: u64,
    now: u64,
    info: &'a [u8],
    principal: Option<&'a str>,
    other: Option<&'a str>,
    flip: u16,
    position: u32,
    generation: u64,
    records: Vec<(u8, u8, u64, &'a str, &'a str)>,
    foreign: &'a [u8],
}

pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    session(&input);
    journal(&input);
    cursor(&input);
    foreign(&input);
}

/// One bit of a text's bytes, flipped; `None` when it is no text any more.
fn flipped(text: &str, flip: u16) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let bit = usize::from(flip) % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    String::from_utf8(bytes).ok()
}

fn session(input: &Input<'_>) {
    let mut entropy = Entropy::new([input.seed; 32]);
    let keys = KeyRing::new([input.seed.wrapping_add(1); 32]);
    let token = SessionToken {
        key: SessionKey::random(&mut entropy),
        revision: Revision::ALL[usize::from(input.revision) % Revision::ALL.len()],
        features: ClientFeatures::from_bits(input.features),
        expires_ms: input.expires,
        client_info: (!input.info.is_empty()).then(|| Bytes::copy_from_slice(input.info)),
    };
    let id = token.seal(&keys, &mut entropy, input.principal);
    assert!(id.len() <= 1024 && id.bytes().all(|b| b.is_ascii_graphic()));
    let open = |principal, text: &str| SessionToken::open(&keys, principal, text, input.now);
    match open(input.principal, &id) {
        Ok(mut opened) => {
            assert!(input.now < input.expires);
            if opened.client_info.is_none() {
                opened.client_info.clone_from(&token.client_info);
            }
            assert_eq!(opened, token);
        }
        Err(_) => assert!(input.now >= input.expires),
    }
    if input.other != input.principal {
        assert!(open(input.other, &id).is_err());
    }
    if let Some(changed) = flipped(&id, input.flip) {
        assert!(open(input.principal, &changed).is_err(), "{changed}");
    }
}

fn journal(input: &Input<'_>) {
    let bound = |arguments: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
        );
        let inbound = Inbound::scan(body.into(), &ScanLimits::default()).expect("a request");
        Binding::new(&inbound, input.principal)
    };
    let binding = bound(r#"{"a":1}"#);
    let limits = Limits::default();
    let lifetime = u64::try_from(limits.state_ttl.as_millis()).expect("minutes");
    let sealer = Sealer::new(&KeyRing::new([input.seed; 32]), [input.seed; 32], &limits);
    let kinds = [Kind::Form, Kind::Url, Kind::Sample, Kind::Roots, Kind::Once];
    let states = [Status::Waiting, Status::Answered, Status::Consumed];
    let journal = Journal {
        rounds: input.revision,
        expires: input.expires,
        chain: sealer.chain(),
        records: input
            .records
            .iter()
            .map(|(kind, status, digest, key, answer)| {
                let status = states[usize::from(*status) % states.len()];
                Record {
                    key: (*key).into(),
                    kind: kinds[usize::from(*kind) % kinds.len()],
                    status,
                    digest: *digest,
                    answer: if status == Status::Waiting {
                        String::new()
                    } else {
                        (*answer).into()
                    },
                }
            })
            .collect(),
    };
    let Ok(state) = sealer.seal(&binding, &journal) else {
        return;
    };
    let alive =
        input.now < input.expires && input.expires <= input.now.saturating_add(2 * lifetime);
    let opened = sealer.open(&binding, &state, input.now);
    assert_eq!(opened.is_ok(), alive);
    if let Ok(opened) = opened {
        assert_eq!(opened, journal);
    }
    assert!(
        sealer
            .open(&bound(r#"{"a":2}"#), &state, input.now)
            .is_err()
    );
    if let Some(changed) = flipped(&state, input.flip) {
        assert!(sealer.open(&binding, &changed, input.now).is_err());
    }
}

fn cursor(input: &Input<'_>) {
    let kinds = [
        ListKind::Tools,
        ListKind::Resources,
        ListKind::Templates,
        ListKind::Prompts,
    ];
    let kind = kinds[usize::from(input.revision) % kinds.len()];
    let cursor = Cursor {
        kind,
        generation: input.generation,
        audience: input.expires,
        position: input.position,
    };
    let text = cursor.encode();
    let read = |text: &str, kind| Cursor::decode(text, kind, input.generation, input.expires);
    assert_eq!(read(&text, kind), Some(cursor));
    for other in kinds {
        assert!(other == kind || read(&text, other).is_none());
    }
    if let Some(changed) = flipped(&text, input.flip) {
        assert_eq!(read(&changed, kind), None, "{text} {changed}");
    }
}

/// Bytes that nobody sealed.
fn foreign(input: &Input<'_>) {
    let keys = KeyRing::new([input.seed; 32]);
    assert!(keys.open(b"", input.foreign).is_err());
    let text = to_text(input.foreign);
    assert_eq!(from_text(&text).as_deref(), Ok(input.foreign));
    assert!(SessionToken::open(&keys, None, &text, 0).is_err());
    if let Ok(text) = std::str::from_utf8(input.foreign) {
        assert!(SessionToken::open(&keys, None, text, 0).is_err());
        if let Ok(bytes) = from_text(text) {
            assert_eq!(to_text(&bytes), text);
        }
    }
}
