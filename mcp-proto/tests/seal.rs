//! Sealed tokens open where they were sealed for, and nowhere else.

use mcp_proto::entropy::Entropy;
use mcp_proto::seal::{KeyRing, OVERHEAD, Rejected, from_text, to_text};

const AAD: &[u8] = b"alice tools/call adder";
const PLAIN: &[u8] = b"{\"step\":1}";

fn sealed(ring: &KeyRing) -> Vec<u8> {
    ring.seal(Entropy::new([9; 32]).nonce(), AAD, PLAIN)
}

#[test]
fn what_is_sealed_opens_with_the_same_context() {
    let ring = KeyRing::new([1; 32]);
    let token = sealed(&ring);
    assert_eq!(token.len(), PLAIN.len() + OVERHEAD);
    assert_eq!(ring.open(AAD, &token).as_deref(), Ok(PLAIN));
    for aad in [
        &b""[..],
        b"bob tools/call adder",
        b"alice tools/call adder ",
    ] {
        assert_eq!(ring.open(aad, &token), Err(Rejected));
    }
    // Empty content and empty context are content and context too.
    let empty = ring.seal([0; 24], b"", b"");
    assert_eq!(ring.open(b"", &empty), Ok(Vec::new()));
}

#[test]
fn every_changed_bit_is_noticed() {
    let ring = KeyRing::new([1; 32]).with_previous([2; 32]);
    let token = sealed(&ring);
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut forged = token.clone();
            forged[at] ^= 1 << bit;
            assert_eq!(
                ring.open(AAD, &forged),
                Err(Rejected),
                "bit {bit} of byte {at}"
            );
        }
    }
    for len in 0..token.len() {
        assert_eq!(ring.open(AAD, &token[..len]), Err(Rejected));
    }
    assert_eq!(ring.open(AAD, &[&token[..], b"\0"].concat()), Err(Rejected));
}

#[test]
fn every_changed_character_of_the_text_is_noticed() {
    let ring = KeyRing::new([1; 32]);
    let text = to_text(&sealed(&ring));
    assert!(
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    );
    let open = |text: &str| from_text(text).and_then(|token| ring.open(AAD, &token));
    assert_eq!(open(&text).as_deref(), Ok(PLAIN));
    for at in 0..text.len() {
        for other in b"AZaz09-_+/= \n" {
            let mut forged = text.clone().into_bytes();
            if core::mem::replace(&mut forged[at], *other) != *other {
                assert_eq!(
                    open(core::str::from_utf8(&forged).unwrap()),
                    Err(Rejected),
                    "{at} {other}"
                );
            }
        }
    }
    assert_eq!(open(&format!("{text}=")), Err(Rejected));
}

#[test]
fn rotation_keeps_old_tokens_alive_until_the_key_goes() {
    let (old, new) = (KeyRing::new([1; 32]), KeyRing::new([2; 32]));
    let both = KeyRing::new([2; 32]).with_previous([1; 32]);
    assert_eq!(both.open(AAD, &sealed(&old)).as_deref(), Ok(PLAIN));
    assert_eq!(both.open(AAD, &sealed(&new)).as_deref(), Ok(PLAIN));
    assert_eq!(new.open(AAD, &sealed(&both)).as_deref(), Ok(PLAIN));
    assert_eq!(old.open(AAD, &sealed(&both)), Err(Rejected));
    assert_eq!(new.open(AAD, &sealed(&old)), Err(Rejected));
}

#[test]
fn purposes_are_foreign_to_each_other() {
    let ring = KeyRing::new([1; 32]).with_previous([2; 32]);
    let (session, state) = (ring.derive("session"), ring.derive("state"));
    assert_eq!(session.open(AAD, &sealed(&session)).as_deref(), Ok(PLAIN));
    assert_eq!(
        session
            .open(AAD, &sealed(&KeyRing::new([2; 32]).derive("session")))
            .as_deref(),
        Ok(PLAIN)
    );
    for other in [&state, &ring] {
        assert_eq!(other.open(AAD, &sealed(&session)), Err(Rejected));
    }
    assert_ne!(session.digest(&[b"x"]), state.digest(&[b"x"]));
    assert_ne!(
        session.digest(&[b"ab", b"c"]),
        session.digest(&[b"a", b"bc"])
    );
}

#[test]
fn nothing_secret_is_printed() {
    let ring = KeyRing::new([0xAB; 32]);
    let printed = format!("{ring:?} {:?}", Entropy::new([0xAB; 32]));
    assert!(
        !printed.contains("171") && !printed.to_lowercase().contains("ab,"),
        "{printed}"
    );
}
