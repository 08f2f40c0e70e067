//! The protocol revisions that this crate speaks, and their order.
//!
//! Owns the names of the revisions. Must never know what differs between them: that is declared beside each field and
//! summed up in [`crate::revisions`].

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A published revision of the Model Context Protocol. Newer revisions compare greater.
///
/// The enum is exhaustive on purpose: whoever matches on it has to decide about the next revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// `2024-11-05`, the first revision.
    V2024_11_05,
    /// `2025-03-26`: tool annotations, audio, batches, Streamable HTTP.
    V2025_03_26,
    /// `2025-06-18`: structured output, elicitation, resource links, titles; no batches.
    V2025_06_18,
    /// `2025-11-25`: icons, URL elicitation, tools in sampling, experimental tasks.
    V2025_11_25,
    /// `2026-07-28`: no handshake and no session; every request describes itself.
    V2026_07_28,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// The oldest revision.
    pub const OLDEST: Self = Self::V2024_11_05;

    /// The newest revision.
    pub const LATEST: Self = Self::V2026_07_28;

    /// The newest revision that starts with an `initialize` handshake.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;

    /// The revision as it is written on the wire, such as `2025-11-25`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Reads a revision; `None` for a name that is not one of [`Self::ALL`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    /// Like [`parse`](Self::parse), for a name that nobody has looked at yet.
    #[must_use]
    pub fn from_bytes(text: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|revision| revision.as_str().as_bytes() == text)
    }

    /// True for revisions without a handshake, whose requests carry their own context in `_meta`.
    #[must_use]
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// True for revisions that begin with `initialize`.
    #[must_use]
    pub const fn is_legacy(self) -> bool {
        !self.is_modern()
    }

    /// The next newer revision.
    #[must_use]
    pub const fn newer(self) -> Option<Self> {
        match self {
            Self::V2024_11_05 => Some(Self::V2025_03_26),
            Self::V2025_03_26 => Some(Self::V2025_06_18),
            Self::V2025_06_18 => Some(Self::V2025_11_25),
            Self::V2025_11_25 => Some(Self::V2026_07_28),
            Self::V2026_07_28 => None,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the name of a known [`Revision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRevision;

impl fmt::Display for UnknownRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a known protocol revision")
    }
}

impl core::error::Error for UnknownRevision {}

impl FromStr for Revision {
    type Err = UnknownRevision;

    fn from_str(text: &str) -> Result<Self, UnknownRevision> {
        Self::parse(text).ok_or(UnknownRevision)
    }
}

impl Serialize for Revision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::decode::token(
            deserializer,
            "a protocol revision such as 2025-11-25",
            Self::parse,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Revision;

    #[test]
    fn names_parse_back_and_order_by_date() {
        for pair in Revision::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
            assert_eq!(pair[0].newer(), Some(pair[1]));
        }
        for revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str()), Some(revision));
        }
        assert_eq!(Revision::parse("2025-06-19"), None);
        assert_eq!(Revision::parse("DRAFT-2026-v1"), None);
        assert!(Revision::LATEST.is_modern() && Revision::LATEST_LEGACY.is_legacy());
    }
}
