//! What a write-once handler has learnt so far, on its way through the client and back.
//!
//! Owns the journal's binary form, what it is sealed and bound with, and its limits. Must never say more
//! about a rejected state than that it is not valid for this request, and must never trust one that does
//! not open: its holder is the peer.
//!
//! The form, version 1 (integers little-endian): version u8 · rounds u8 · expiry in Unix milliseconds u64 ·
//! chain 16 bytes · entries. An entry: kind u8 · status u8 · digest u64 · key (u32 length, bytes) and, if
//! answered, the answer (u32 length, bytes). Binding is the AEAD's associated data: method, name or URI,
//! canonical arguments and principal, so a state opens for the request that it was made for, and no other
//! (2026-07-28, basic/patterns/mrtr, server requirements 4 and 5).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mcp_proto::entropy::Entropy;
use mcp_proto::json::Inbound;
use mcp_proto::limits::Limits;
use mcp_proto::seal::{self, KeyRing};

use crate::canonical;

/// The bounds of a dialogue, from [`Limits`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The longest `requestState`, in characters.
    pub(crate) state: usize,
    /// How often one chain of calls may ask for input.
    pub(crate) rounds: u32,
    /// How long a state is valid, in milliseconds of wall-clock time.
    pub(crate) lifetime_ms: u64,
    /// How many questions may be open at once.
    pub(crate) questions: usize,
}

impl Bounds {
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            state: limits.max_state,
            // A state counts no further.
            rounds: limits.max_rounds.min(u32::from(u8::MAX)),
            lifetime_ms: u64::try_from(limits.state_ttl.as_millis()).unwrap_or(u64::MAX),
            questions: limits.max_input_requests,
        }
    }
}

const VERSION: u8 = 1;

/// The key ring and the randomness behind `requestState`. One per connection or endpoint; those of a service, and replicas,
/// share the keys.
pub struct Sealer {
    keys: KeyRing,
    entropy: Mutex<Entropy>,
    pub(crate) bounds: Bounds,
}

impl Sealer {
    /// Seals with keys that are derived from `keys` for this one purpose. `seed` must be fresh entropy.
    #[must_use]
    pub fn new(keys: &KeyRing, seed: [u8; 32], limits: &Limits) -> Arc<Self> {
        let keys = keys.derive("requestState");
        Arc::new(Self {
            keys,
            entropy: Mutex::new(Entropy::new(seed)),
            bounds: Bounds::of(limits),
        })
    }

    /// With keys of its own, for tests.
    #[cfg(test)]
    pub(crate) fn ephemeral(seed: [u8; 32], limits: &Limits) -> Arc<Self> {
        let mut entropy = Entropy::new(seed);
        Self::new(&KeyRing::new(entropy.seed()), entropy.seed(), limits)
    }

    /// A new chain: what idempotency keys are made from.
    pub(crate) fn chain(&self) -> [u8; 16] {
        let mut chain = [0; 16];
        self.entropy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill(&mut chain);
        chain
    }

    /// The state as text.
    ///
    /// # Errors
    /// When it is longer than `Limits::max_state`.
    pub(crate) fn seal(&self, binding: &Binding, journal: &Journal) -> Result<String, TooLarge> {
        let nonce = self
            .entropy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .nonce();
        let sealed = seal::to_text(&self.keys.seal(nonce, &binding.0, &journal.encode()));
        if sealed.len() > self.bounds.state {
            Err(TooLarge(sealed.len()))
        } else {
            Ok(sealed)
        }
    }

    /// What a state says, if it was sealed for this very request and has not expired.
    pub(crate) fn open(
        &self,
        binding: &Binding,
        state: &str,
        unix_ms: u64,
    ) -> Result<Journal, BadState> {
        if state.len() > self.bounds.state {
            return Err(BadState::TooLarge);
        }
        let sealed = seal::from_text(state).map_err(|_| BadState::Foreign)?;
        let plain = self
            .keys
            .open(&binding.0, &sealed)
            .map_err(|_| BadState::Foreign)?;
        let journal = Journal::decode(&plain).ok_or(BadState::Foreign)?;
        // A state from the future is as wrong as an expired one: somebody's clock is off by more than its life.
        let latest = unix_ms.saturating_add(self.bounds.lifetime_ms.saturating_mul(2));
        let expired = journal.expires <= unix_ms || journal.expires > latest;
        if expired {
            Err(BadState::Expired)
        } else {
            Ok(journal)
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// A journal that does not fit into a state; its length as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge(pub(crate) usize);

/// Why a state is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadState {
    TooLarge,
    /// Altered, made up, or made for something else: these look the same to whoever sent it.
    Foreign,
    Expired,
}

impl BadState {
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::TooLarge => "params.requestState is longer than this server ever issues",
            Self::Foreign => {
                "params.requestState is not valid for this request: it was altered, or it belongs to another \
                 method, name, set of arguments or caller; send it back unchanged with the same params, or \
                 start again without it"
            }
            Self::Expired => "params.requestState has expired; start again without it",
        }
    }
}

/// What a state is bound to, as associated data.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Binding(Vec<u8>);

impl Binding {
    /// The request as it arrived, and who sent it.
    pub(crate) fn new(inbound: &Inbound, principal: Option<&str>) -> Self {
        let envelope = &inbound.envelope;
        let decoded = |span| {
            inbound
                .string(span)
                .unwrap_or_else(|| inbound.text(span).into())
        };
        let mut arguments = Vec::new();
        match inbound.text(envelope.arguments) {
            // Leaving the arguments out and giving none are the same request.
            "" | "null" => canonical::write(&mut arguments, "{}"),
            value => canonical::write(&mut arguments, value),
        }
        let (method, name, uri) = (
            inbound.method_name(),
            decoded(envelope.name),
            decoded(envelope.uri),
        );
        let parts: [&[u8]; 6] = [
            b"mcp journal",
            method.as_bytes(),
            name.as_bytes(),
            uri.as_bytes(),
            &arguments,
            principal.unwrap_or_default().as_bytes(),
        ];
        let mut bound =
            Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum::<usize>() + 1);
        for part in parts {
            bound.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bound.extend_from_slice(part);
        }
        // A caller without a name is not the caller whose name is empty.
        bound.push(u8::from(principal.is_some()));
        Self(bound)
    }
}

/// What was asked; part of the wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Form = 1,
    Url = 2,
    Sample = 3,
    Roots = 4,
    Once = 5,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Form, Self::Url, Self::Sample, Self::Roots, Self::Once];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// How far an entry has come; part of the wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// Asked in the last round.
    Waiting = 0,
    /// Answered, but the handler has not seen it.
    Answered = 1,
    /// Answered, and the handler went on from there: every replay must meet it again.
    Consumed = 2,
}

/// One question or memo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    /// Of what the answer has to look like.
    pub(crate) digest: u64,
    /// Raw JSON; empty while waiting.
    pub(crate) answer: String,
}

/// The plain text of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Journal {
    /// How many times the chain has asked so far, this time included.
    pub(crate) rounds: u8,
    /// Unix milliseconds.
    pub(crate) expires: u64,
    pub(crate) chain: [u8; 16],
    pub(crate) records: Vec<Record>,
}

impl Journal {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.records.len() * 64);
        out.extend_from_slice(&[VERSION, self.rounds]);
        out.extend_from_slice(&self.expires.to_le_bytes());
        out.extend_from_slice(&self.chain);
        for record in &self.records {
            out.extend_from_slice(&[record.kind as u8, record.status as u8]);
            out.extend_from_slice(&record.digest.to_le_bytes());
            put_text(&mut out, &record.key);
            if record.status != Status::Waiting {
                put_text(&mut out, &record.answer);
            }
        }
        out
    }

    fn decode(plain: &[u8]) -> Option<Self> {
        let rest = &mut &*plain;
        let [version, rounds] = take(rest)?;
        if version != VERSION {
            return None;
        }
        let expires = u64::from_le_bytes(take(rest)?);
        let chain = take(rest)?;
        let mut records = Vec::new();
        while !rest.is_empty() {
            let [kind, status] = take(rest)?;
            let status = match status {
                0 => Status::Waiting,
                1 => Status::Answered,
                2 => Status::Consumed,
                _ => return None,
            };
            let digest = u64::from_le_bytes(take(rest)?);
            let key = take_text(rest)?;
            let answer = if status == Status::Waiting {
                String::new()
            } else {
                take_text(rest)?
            };
            records.push(Record {
                key,
                kind: Kind::from_byte(kind)?,
                status,
                digest,
                answer,
            });
        }
        Some(Self {
            rounds,
            expires,
            chain,
            records,
        })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // A longer text makes the state too large, which is found out when it is sealed.
    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    String::from_utf8(text.to_vec()).ok()
}

/// FNV-1a: stable over versions and replicas. Only tells an honest handler's forms apart; nobody else can
/// put one into a sealed journal.
pub(crate) fn digest(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
