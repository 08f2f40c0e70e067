//! Randomness as an argument.
//!
//! Owns the expansion of the driver's 32-byte seed. It must never ask the operating system: equal
//! seeds give equal machines, which is what lets a failing run be replayed.

use core::fmt;

use crate::seal::keyed_hash;

/// A deterministic stream of unpredictable bytes.
///
/// Every block of the stream also replaces the key (fast key erasure), so a stolen state does not
/// reveal earlier output. Not `Clone`: two copies would hand out the same nonces.
pub struct Entropy {
    key: [u8; 32],
    block: u64,
}

impl Entropy {
    /// A stream that is as unpredictable as `seed`.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            key: seed,
            block: 0,
        }
    }

    /// Fills `target` with the next bytes of the stream.
    pub fn fill(&mut self, target: &mut [u8]) {
        for piece in target.chunks_mut(32) {
            let fresh = self.next_block();
            for (to, from) in piece.iter_mut().zip(fresh) {
                *to = from;
            }
        }
    }

    /// A nonce for [`KeyRing::seal`](crate::seal::KeyRing::seal). 24 random bytes do not repeat in
    /// practice.
    pub fn nonce(&mut self) -> [u8; 24] {
        let mut nonce = [0; 24];
        self.fill(&mut nonce);
        nonce
    }

    /// A seed for another machine, independent of the rest of this stream.
    pub fn seed(&mut self) -> [u8; 32] {
        self.next_block()
    }

    fn next_block(&mut self) -> [u8; 32] {
        let hash = keyed_hash(
            &self.key,
            &[b"mcp-proto entropy", &self.block.to_le_bytes()],
        );
        self.block = self.block.wrapping_add(1);
        let mut fresh = [0; 32];
        let (next_key, output) = hash.split_at(32);
        self.key.copy_from_slice(next_key);
        fresh.copy_from_slice(output);
        fresh
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entropy").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn equal_seeds_give_equal_streams_and_no_block_repeats() {
        let (mut a, mut b, mut c) = (
            Entropy::new([1; 32]),
            Entropy::new([1; 32]),
            Entropy::new([2; 32]),
        );
        let mut seen = Vec::new();
        for _ in 0..100 {
            let nonce = a.nonce();
            assert_eq!(nonce, b.nonce());
            assert_ne!(nonce, c.nonce());
            assert!(!seen.contains(&nonce));
            seen.push(nonce);
        }
    }

    #[test]
    fn any_length_is_filled() {
        for len in 0..200 {
            let mut bytes = vec![0; len];
            Entropy::new([7; 32]).fill(&mut bytes);
            assert!(len < 40 || bytes.windows(8).all(|window| window != [0; 8]));
        }
    }
}
