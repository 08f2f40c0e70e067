//! Cursors of the four lists: opaque to a client, checked when they come back.
//!
//! Owns the token's layout. Must never accept a cursor of another list, of another generation of the list, or one that was
//! handed to a caller who sees a different list: each of them is -32602, and a client then starts again from the front.
//!
//! A cursor is not a secret and grants nothing: it holds a list's fingerprint and a position. The checksum makes
//! accidents visible; whoever forges one sees no more than what listing from the front shows.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The lists that have pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    Tools,
    Resources,
    Templates,
    Prompts,
}

impl ListKind {
    /// The member of the result that holds the items.
    pub(crate) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }
}

/// A place in one generation of one list, as seen by one audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) kind: ListKind,
    /// Fingerprint of the list's keys and their order: equal on every replica that serves the same list.
    pub(crate) generation: u64,
    /// Fingerprint of who sees the list; 0 when everybody sees the same.
    pub(crate) audience: u64,
    /// Index of the first item of the page.
    pub(crate) position: u32,
}

/// Position, generation, checksum.
const LEN: usize = 4 + 8 + 8;
/// `LEN` bytes in Base64 without padding.
const TEXT_LEN: usize = LEN.div_ceil(3) * 4 - 1;

impl Cursor {
    pub(crate) fn encode(self) -> String {
        let mut bytes = [0; LEN];
        bytes[..4].copy_from_slice(&self.position.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.generation.to_be_bytes());
        bytes[12..].copy_from_slice(&self.checksum().to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor that must belong to this list and audience. `None`: it does not.
    pub(crate) fn decode(
        text: &str,
        kind: ListKind,
        generation: u64,
        audience: u64,
    ) -> Option<Self> {
        if text.len() != TEXT_LEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let cursor = Self {
            kind,
            generation: u64::from_be_bytes(bytes.get(4..12)?.try_into().ok()?),
            audience,
            position: u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?),
        };
        let checksum = u64::from_be_bytes(bytes.get(12..20)?.try_into().ok()?);
        (cursor.generation == generation && checksum == cursor.checksum()).then_some(cursor)
    }

    fn checksum(self) -> u64 {
        let mut hash = Fingerprint::new();
        hash.write(self.kind.member().as_bytes());
        hash.write(&self.generation.to_be_bytes());
        hash.write(&self.audience.to_be_bytes());
        hash.write(&self.position.to_be_bytes());
        hash.finish()
    }
}

/// FNV-1a with a final mix: small, and the same in every process and on every platform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds one field; its length is part of it, so that neighbouring fields cannot flow into each other.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let length = (bytes.len() as u64).to_be_bytes();
        for byte in length.iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) const fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSOR: Cursor = Cursor {
        kind: ListKind::Tools,
        generation: 7,
        audience: 0,
        position: 50,
    };

    fn read(text: &str) -> Option<Cursor> {
        Cursor::decode(text, ListKind::Tools, 7, 0)
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        assert_eq!(read(&CURSOR.encode()), Some(CURSOR));
    }

    #[test]
    fn a_cursor_of_another_list_generation_or_audience_is_refused() {
        let text = CURSOR.encode();
        assert_eq!(Cursor::decode(&text, ListKind::Prompts, 7, 0), None);
        assert_eq!(Cursor::decode(&text, ListKind::Tools, 8, 0), None);
        assert_eq!(Cursor::decode(&text, ListKind::Tools, 7, 1), None);
    }

    #[test]
    fn a_cursor_with_any_character_changed_cut_or_added_is_refused() {
        let text = CURSOR.encode();
        for index in 0..text.len() {
            let mut changed: Vec<char> = text.chars().collect();
            changed[index] = if changed[index] == 'Q' { 'R' } else { 'Q' };
            let changed: String = changed.into_iter().collect();
            assert_eq!(read(&changed), None, "{changed}");
            assert_eq!(read(&text[..index]), None);
        }
        // And every single bit of it, of which a base64 text has some that decode to nothing of their own.
        for bit in 0..text.len() * 8 {
            let mut changed = text.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(changed) = String::from_utf8(changed) else {
                continue;
            };
            assert_eq!(read(&changed), None, "bit {bit}: {changed}");
        }
        assert_eq!(read(&format!("{text}A")), None);
        assert_eq!(read(&format!("{text}=")), None);
        assert_eq!(read(""), None);
    }
}
