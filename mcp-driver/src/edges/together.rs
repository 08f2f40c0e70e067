//! The answers of one turn, which go out together.
//!
//! Owns the list of connections that keep an answer back, and the bounds on it. A write to a peer that sleeps wakes it, and
//! that is most of what a small answer costs: while its thread begins to run, this one waits or has its cache taken away.
//! So a turn with much to do reads and answers first and writes last. Must never keep anything back for long, and nothing
//! while there is nothing else to do.

use std::mem;
use std::time::Duration;

use mcp_server::proto::time::Instant;

/// How long the first answer waits at most before another connection is worked on. One that is begun goes on: it takes as
/// long as its handler does.
const PATIENCE: Duration = Duration::from_micros(200);

/// How many connections keep an answer back at most.
const CONNECTIONS: usize = 64;

/// How many bytes are kept back at most.
const BYTES: usize = 256 << 10;

/// Those that keep an answer back.
#[derive(Debug)]
pub struct Together<K> {
    kept: Vec<K>,
    bytes: usize,
    /// When the first one began to wait.
    since: Instant,
}

impl<K> Default for Together<K> {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            bytes: 0,
            since: Instant::from_micros(0),
        }
    }
}

impl<K> Together<K> {
    /// `key` keeps `bytes` back, since its poll at `now`.
    pub fn keep(&mut self, key: K, bytes: usize, now: Instant) {
        if self.kept.is_empty() {
            self.since = now;
        }
        self.kept.push(key);
        self.bytes += bytes;
    }

    /// Whether nobody keeps anything back.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether it is time to write, although there is more to do.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        !self.kept.is_empty()
            && (self.kept.len() >= CONNECTIONS
                || self.bytes >= BYTES
                || now.duration_since(self.since) >= PATIENCE)
    }

    /// Exchanges the list for `into`, which is empty, and begins anew. Everybody on it is to write now.
    pub fn take(&mut self, into: &mut Vec<K>) {
        mem::swap(&mut self.kept, into);
        self.kept.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_micros(1000);

    #[test]
    fn nobody_waits_for_long() {
        let mut together = Together::default();
        assert!(!together.is_due(START + PATIENCE), "nobody waits");
        together.keep('a', 100, START);
        together.keep('b', 100, START + PATIENCE / 2);
        assert!(!together.is_due(START + PATIENCE / 2));
        assert!(together.is_due(START + PATIENCE));
        let mut kept = Vec::new();
        together.take(&mut kept);
        assert_eq!(kept, ['a', 'b']);
        assert!(together.is_empty());
        // What comes now waits for its own time.
        together.keep('c', 100, START + PATIENCE);
        assert!(!together.is_due(START + PATIENCE));
    }

    #[test]
    fn neither_many_nor_much_is_kept_back() {
        let mut many = Together::default();
        (0..CONNECTIONS - 1).for_each(|key| many.keep(key, 1, START));
        assert!(!many.is_due(START));
        many.keep(CONNECTIONS, 1, START);
        assert!(many.is_due(START));
        let mut much = Together::default();
        much.keep(0, BYTES, START);
        assert!(much.is_due(START));
    }
}
