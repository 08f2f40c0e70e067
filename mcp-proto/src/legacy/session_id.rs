//! Session ids that carry their session.
//!
//! Owns the layout of what is sealed into an `MCP-Session-Id`. An idle session costs no memory, any
//! replica with the key serves it, and a forged, foreign or expired id is indistinguishable from one
//! that never was. Must never hold what a client would have to be told about: ids are opaque.
//! Source: 2025-11-25 basic/transports, "Session Management" (visible ASCII, unguessable).

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use mcp_types::Revision;

use crate::context::ClientFeatures;
use crate::entropy::Entropy;
use crate::seal::{KeyRing, OVERHEAD, Rejected, from_text, to_text};

/// No id is longer than this many characters.
pub const MAX_TEXT: usize = 1024;

/// Layout version, revision, features, expiry, key.
const FIXED: usize = 1 + 1 + 2 + 8 + 16;

/// A longer `clientInfo` is left out: it is for display only.
const MAX_CLIENT_INFO: usize = MAX_TEXT / 4 * 3 - OVERHEAD - FIXED;

const LAYOUT: u8 = 1;

/// What distinguishes a session from every other: 128 random bits. Orders tables, is never shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// A fresh key.
    pub fn random(entropy: &mut Entropy) -> Self {
        let mut key = [0; 16];
        entropy.fill(&mut key);
        Self(key)
    }

    /// A public mark for event ids: half of the key, which opens nothing.
    #[must_use]
    pub const fn tag(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl core::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SessionKey({:016x}…)", self.tag())
    }
}

/// The facts of a handshake, as they are sealed into an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionToken {
    /// The key of the session.
    pub key: SessionKey,
    /// The negotiated revision.
    pub revision: Revision,
    /// What the client declared.
    pub features: ClientFeatures,
    /// Wall-clock time in milliseconds since 1970 at which the id stops being one.
    pub expires_ms: u64,
    /// The client's `Implementation` object, if it is short enough.
    pub client_info: Option<Bytes>,
}

impl SessionToken {
    /// Seals the token for `principal` (`None`: nobody was asked who they are).
    ///
    /// The id is at most [`MAX_TEXT`] characters of the base64url alphabet.
    #[must_use]
    pub fn seal(&self, keys: &KeyRing, entropy: &mut Entropy, principal: Option<&str>) -> String {
        let mut plain = Vec::with_capacity(FIXED + self.client_info.as_ref().map_or(0, Bytes::len));
        plain.push(LAYOUT);
        plain.push(
            Revision::ALL
                .iter()
                .position(|known| *known == self.revision)
                .map_or(0, |at| at as u8),
        );
        plain.extend_from_slice(&self.features.bits().to_be_bytes());
        plain.extend_from_slice(&self.expires_ms.to_be_bytes());
        plain.extend_from_slice(&self.key.0);
        if let Some(info) = self
            .client_info
            .as_ref()
            .filter(|info| info.len() <= MAX_CLIENT_INFO)
        {
            plain.extend_from_slice(info);
        }
        to_text(&keys.seal(entropy.nonce(), &binding(principal), &plain))
    }

    /// Opens an id that was sealed for the same `principal`.
    ///
    /// # Errors
    /// [`Rejected`], without a reason, for everything else and from the expiry on.
    pub fn open(
        keys: &KeyRing,
        principal: Option<&str>,
        text: &str,
        unix_ms: u64,
    ) -> Result<Self, Rejected> {
        if text.len() > MAX_TEXT {
            return Err(Rejected);
        }
        let plain = keys.open(&binding(principal), &from_text(text)?)?;
        let (fixed, info) = plain.split_first_chunk::<FIXED>().ok_or(Rejected)?;
        let [LAYOUT, revision, f0, f1, rest @ ..] = fixed else {
            return Err(Rejected);
        };
        let (expires, key) = rest.split_first_chunk::<8>().ok_or(Rejected)?;
        let expires_ms = u64::from_be_bytes(*expires);
        if expires_ms <= unix_ms {
            return Err(Rejected);
        }
        Ok(Self {
            key: SessionKey(key.try_into().map_err(|_| Rejected)?),
            revision: *Revision::ALL.get(usize::from(*revision)).ok_or(Rejected)?,
            features: ClientFeatures::from_bits(u16::from_be_bytes([*f0, *f1])),
            expires_ms,
            client_info: (!info.is_empty()).then(|| Bytes::copy_from_slice(info)),
        })
    }
}

/// What a sealed id is bound to: another principal's id opens nowhere.
fn binding(principal: Option<&str>) -> Vec<u8> {
    let mut aad = Vec::from(&b"mcp session\0"[..]);
    if let Some(principal) = principal {
        aad.push(1);
        aad.extend_from_slice(principal.as_bytes());
    }
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn token(entropy: &mut Entropy, info: usize) -> SessionToken {
        SessionToken {
            key: SessionKey::random(entropy),
            revision: Revision::V2025_06_18,
            features: ClientFeatures::SAMPLING | ClientFeatures::ROOTS,
            expires_ms: 1_000,
            client_info: (info > 0).then(|| vec![b'i'; info].into()),
        }
    }

    #[test]
    fn an_id_holds_its_session_and_is_visible_ascii() {
        let mut entropy = Entropy::new([1; 32]);
        let keys = KeyRing::new([7; 32]);
        for info in [0, 1, MAX_CLIENT_INFO] {
            let token = token(&mut entropy, info);
            let id = token.seal(&keys, &mut entropy, Some("alice"));
            assert!(
                id.len() <= MAX_TEXT && id.bytes().all(|b| b.is_ascii_graphic()),
                "{}",
                id.len()
            );
            assert_eq!(
                SessionToken::open(&keys, Some("alice"), &id, 999),
                Ok(token)
            );
        }
        let largest = token(&mut entropy, MAX_CLIENT_INFO).seal(&keys, &mut entropy, None);
        assert_eq!(largest.len(), MAX_TEXT, "no more is left out than must be");
        let token = token(&mut entropy, MAX_CLIENT_INFO + 1);
        let id = token.seal(&keys, &mut entropy, None);
        assert_eq!(
            SessionToken::open(&keys, None, &id, 0).unwrap().client_info,
            None
        );
    }

    #[test]
    fn foreign_expired_and_damaged_ids_look_the_same() {
        let mut entropy = Entropy::new([1; 32]);
        let keys = KeyRing::new([7; 32]);
        let id = token(&mut entropy, 0).seal(&keys, &mut entropy, Some("alice"));
        for principal in [Some("bob"), None, Some("")] {
            assert_eq!(SessionToken::open(&keys, principal, &id, 0), Err(Rejected));
        }
        assert_eq!(
            SessionToken::open(&keys, Some("alice"), &id, 1_000),
            Err(Rejected),
            "expired"
        );
        assert_eq!(
            SessionToken::open(&KeyRing::new([8; 32]), Some("alice"), &id, 0),
            Err(Rejected)
        );
        for at in 0..id.len() {
            let mut damaged = id.clone().into_bytes();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).unwrap();
            assert_eq!(
                SessionToken::open(&keys, Some("alice"), &damaged, 0),
                Err(Rejected),
                "{at}"
            );
        }
        let rotated = KeyRing::new([8; 32]).with_previous([7; 32]);
        assert!(SessionToken::open(&rotated, Some("alice"), &id, 0).is_ok());
        let nobody = token(&mut entropy, 0).seal(&keys, &mut entropy, None);
        assert_eq!(
            SessionToken::open(&keys, Some(""), &nobody, 0),
            Err(Rejected)
        );
    }

    #[test]
    fn ids_do_not_repeat() {
        let mut entropy = Entropy::new([1; 32]);
        let keys = KeyRing::new([7; 32]);
        let token = token(&mut entropy, 0);
        assert_ne!(
            token.seal(&keys, &mut entropy, None),
            token.seal(&keys, &mut entropy, None)
        );
        assert_ne!(
            SessionKey::random(&mut entropy),
            SessionKey::random(&mut entropy)
        );
    }
}
