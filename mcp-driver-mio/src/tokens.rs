//! Which tokens are ours, and what each of them means.
//!
//! Owns the mapping between a token and a slot, its generation and its side. Must never hand out a token outside of the
//! range that the host gave.

use std::ops::{Range, RangeFrom};

use mcp_driver::edges::Id;
use mio::Token;

/// How many uses of a slot have tokens of their own before the first is used again.
const GENERATIONS: usize = 256;

/// The most slots: 16 million connections.
const MAX_SLOTS: usize = 1 << 24;

/// A range of tokens. The host's own tokens are outside of it.
///
/// A connection takes two tokens for each of its generations, so that a late event of one that is gone never reaches
/// another: a 512th of the range is the number of connections and listeners that can be served at once. Everything
/// from some number on is enough for all.
///
/// ```
/// use mcp_driver_mio::Tokens;
/// use mio::Token;
///
/// let tokens = Tokens::from(1000..);
/// assert!(!tokens.contains(Token(999)) && tokens.contains(Token(1000)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    range: Range<usize>,
    slots: usize,
    generations: u32,
}

/// The two descriptors that a connection may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is read, and written as well if there is only one.
    Input,
    Output,
}

impl From<Range<usize>> for Tokens {
    fn from(range: Range<usize>) -> Self {
        let pairs = range.len() / 2;
        let slots = (pairs / GENERATIONS).min(MAX_SLOTS);
        let generations = pairs.checked_div(slots).unwrap_or(0);
        Self {
            range,
            slots,
            generations: u32::try_from(generations).unwrap_or(u32::MAX),
        }
    }
}

impl From<RangeFrom<usize>> for Tokens {
    fn from(range: RangeFrom<usize>) -> Self {
        Self::from(range.start..usize::MAX)
    }
}

impl Tokens {
    /// Whether a token is one of these.
    #[must_use]
    pub fn contains(&self, token: Token) -> bool {
        self.range.contains(&token.0)
    }

    pub(crate) const fn slots(&self) -> usize {
        self.slots
    }

    pub(crate) const fn generations(&self) -> u32 {
        self.generations
    }

    pub(crate) const fn token(&self, id: Id, side: Side) -> Token {
        let pair = id.generation as usize * self.slots + id.index as usize;
        Token(self.range.start + 2 * pair + side as usize)
    }

    /// Whose token it is; `None` for what was never handed out.
    pub(crate) fn find(&self, token: Token) -> Option<(Id, Side)> {
        if !self.contains(token) || self.slots == 0 {
            return None;
        }
        let offset = token.0 - self.range.start;
        let side = if offset.is_multiple_of(2) {
            Side::Input
        } else {
            Side::Output
        };
        let pair = offset / 2;
        let id = Id {
            index: u32::try_from(pair % self.slots).ok()?,
            generation: u32::try_from(pair / self.slots).ok()?,
        };
        (id.generation < self.generations).then_some((id, side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_inside_of_the_range_and_finds_its_slot_again() {
        for range in [0..512, 7..5000, 1 << 20..1 << 30, 3..usize::MAX] {
            let tokens = Tokens::from(range.clone());
            let last = Id {
                index: u32::try_from(tokens.slots() - 1).unwrap(),
                generation: tokens.generations() - 1,
            };
            let first = Id {
                index: 0,
                generation: 0,
            };
            for id in [first, last] {
                for side in [Side::Input, Side::Output] {
                    let token = tokens.token(id, side);
                    assert!(range.contains(&token.0), "{range:?} {id:?}");
                    assert_eq!(tokens.find(token), Some((id, side)));
                }
            }
        }
    }

    #[test]
    fn what_is_outside_of_the_range_is_the_host_s() {
        let tokens = Tokens::from(100..2000);
        assert_eq!(tokens.find(Token(99)), None);
        assert_eq!(tokens.find(Token(2000)), None);
    }

    #[test]
    fn a_range_that_is_too_small_has_no_slots() {
        let tokens = Tokens::from(5..500);
        assert_eq!(tokens.slots(), 0);
        assert_eq!(tokens.find(Token(5)), None);
    }
}
