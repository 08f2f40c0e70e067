//! Sealed tokens: what we hand to a peer and want back unread and unchanged.
//!
//! Owns the key ring and the token layout. It must never tell why a token was rejected, and never
//! open anything whose authenticity is not proven. XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03)
//! and keyed BLAKE2b (RFC 7693).

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orion::hazardous::aead::xchacha20poly1305::{Nonce, SecretKey, XChaCha20Poly1305};
use orion::hazardous::mac::blake2b;

/// Token layout: version, key id, nonce, ciphertext, tag.
const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const NONCE: usize = 24;
const TAG: usize = 16;
const HEAD: usize = 1 + KEY_ID + NONCE;

/// What sealing adds to the length of a plaintext, in bytes.
pub const OVERHEAD: usize = HEAD + TAG;

/// The keys of one purpose: the first one seals, all of them open.
///
/// Rotation: put the new key first ([`KeyRing::new`]) and keep the old one as
/// [`KeyRing::with_previous`] until the last token that it sealed has expired. Replicas that share
/// the keys open each other's tokens.
#[derive(Clone)]
pub struct KeyRing {
    /// Never empty.
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID],
    secret: [u8; 32],
}

/// A token that no key of the ring has sealed for this context.
///
/// Deliberately without a reason: forged, damaged, foreign and outdated look the same to whoever
/// sent it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rejected;

impl KeyRing {
    /// A ring of one key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            keys: vec![Key::new(key)],
        }
    }

    /// Adds a key that opens, but no longer seals.
    #[must_use]
    pub fn with_previous(mut self, key: [u8; 32]) -> Self {
        self.keys.push(Key::new(key));
        self
    }

    /// The ring for one purpose, with keys derived from these: tokens of one purpose are foreign to
    /// every other.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        let derive = |key: &Key| {
            let hash = keyed_hash(&key.secret, &[b"mcp-proto purpose", purpose.as_bytes()]);
            Key::new(first(&hash))
        };
        Self {
            keys: self.keys.iter().map(derive).collect(),
        }
    }

    /// Seals `plain`. The token opens only with the same `aad` (what it is bound to: principal,
    /// method, arguments, …).
    ///
    /// `nonce` must never repeat under one key; take it from
    /// [`Entropy::nonce`](crate::entropy::Entropy::nonce).
    #[must_use]
    pub fn seal(&self, nonce: [u8; NONCE], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut token = Vec::with_capacity(plain.len() + OVERHEAD);
        let Some(key) = self.keys.first() else {
            return token;
        };
        token.push(VERSION);
        token.extend_from_slice(&key.id);
        token.extend_from_slice(&nonce);
        token.extend_from_slice(plain);
        token.resize(plain.len() + OVERHEAD, 0);
        let (_, body) = token.split_at_mut(HEAD);
        let sealed = key.secret().and_then(|secret| {
            XChaCha20Poly1305::seal(&secret, &Nonce::from(nonce), plain, Some(aad), body).ok()
        });
        if sealed.is_none() {
            // Only a plaintext of 256 GiB gets here. An empty token opens nowhere and reveals
            // nothing.
            token.clear();
        }
        token
    }

    /// Opens a token that [`Self::seal`] made with the same `aad`.
    ///
    /// # Errors
    /// [`Rejected`] for everything else.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Rejected> {
        let (head, body) = sealed.split_at_checked(HEAD).ok_or(Rejected)?;
        let (id, nonce) = match head {
            [VERSION, rest @ ..] => rest.split_at_checked(KEY_ID).ok_or(Rejected)?,
            _ => return Err(Rejected),
        };
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| Rejected)?;
        let mut plain = vec![0; body.len().checked_sub(TAG).ok_or(Rejected)?];
        // Key ids are public and short, so two keys may share one.
        for key in self.keys.iter().filter(|key| key.id == id) {
            let Some(secret) = key.secret() else { continue };
            if XChaCha20Poly1305::open(&secret, &Nonce::from(nonce), body, Some(aad), &mut plain)
                .is_ok()
            {
                return Ok(plain);
            }
        }
        Err(Rejected)
    }

    /// A digest of `parts` under the sealing key: 32 bytes that nobody else can compute. Parts are
    /// length-prefixed.
    #[must_use]
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.keys
            .first()
            .map_or([0; 32], |key| first(&keyed_hash(&key.secret, parts)))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

impl Key {
    fn new(secret: [u8; 32]) -> Self {
        let hash = keyed_hash(&secret, &[b"mcp-proto key id"]);
        Self {
            id: first(&hash),
            secret,
        }
    }

    /// `None` cannot happen: the length is right by type.
    fn secret(&self) -> Option<SecretKey> {
        SecretKey::try_from(&self.secret).ok()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token is not valid here")
    }
}

impl core::error::Error for Rejected {}

/// Base64url without padding (RFC 4648 section 5), the form in which a token travels in JSON and
/// headers.
#[must_use]
pub fn to_text(sealed: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sealed)
}

/// The inverse of [`to_text`]. Strict: no padding, no whitespace, and one text per token.
///
/// # Errors
/// [`Rejected`] if `text` is not such a text.
pub fn from_text(text: &str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejected)
}

/// BLAKE2b-512 of the length-prefixed `parts` under `key`.
pub(crate) fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = [0; 64];
    let tag = blake2b::SecretKey::try_from(key).and_then(|key| {
        let mut state = blake2b::Blake2b::new(&key, 64)?;
        for part in parts {
            state.update(&(part.len() as u64).to_le_bytes())?;
            state.update(part)?;
        }
        state.finalize()
    });
    // A key of 32 bytes and a tag of 64 are within BLAKE2b's bounds, so this cannot fail; a zero
    // hash would seal nothing that another process could not open, hence the assertion.
    let tag = tag.expect("BLAKE2b accepts every key of 32 bytes");
    hash.copy_from_slice(tag.unprotected_as_ref());
    hash
}

fn first<const N: usize>(hash: &[u8; 64]) -> [u8; N] {
    let mut prefix = [0; N];
    prefix
        .iter_mut()
        .zip(hash)
        .for_each(|(to, from)| *to = *from);
    prefix
}
