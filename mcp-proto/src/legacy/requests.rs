//! Requests that a server sent to a legacy client and waits for.
//!
//! Owns their ids, their bound and their deadline; `T` says who waits. Every request ends exactly once:
//! answered, expired or withdrawn. A late or invented answer dies on its generation.

use core::time::Duration;

use crate::id::{self, RequestId, Slab};
use crate::time::Instant;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The request.
    pub id: RequestId,
    /// Who waits for it.
    pub waiter: T,
}

/// The table of pending requests of one session.
#[derive(Debug)]
pub struct ServerRequests<T> {
    pending: Slab<(T, Instant)>,
    /// Never late; early at most once after its owner left.
    deadline: Option<Instant>,
}

impl<T> ServerRequests<T> {
    /// An empty table for at most `max` requests.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            pending: Slab::new(max),
            deadline: None,
        }
    }

    /// The same with ids that a table which was here before has hardly had: its late answers are nobody's.
    /// `mark` is chosen at random.
    #[must_use]
    pub fn marked(max: usize, mark: u32) -> Self {
        Self {
            pending: Slab::beginning_with(max, mark),
            deadline: None,
        }
    }

    /// Registers a request that expires after `timeout`.
    ///
    /// # Errors
    /// The waiter, when the table is full.
    pub fn insert(&mut self, now: Instant, timeout: Duration, waiter: T) -> Result<RequestId, T> {
        let at = now + timeout;
        let key = self
            .pending
            .insert((waiter, at))
            .map_err(|(waiter, _)| waiter)?;
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
        Ok(RequestId::new(key))
    }

    /// Takes the request that an answer with the raw id `token` belongs to.
    ///
    /// A client may have turned the number into a string: that tolerance is ours.
    pub fn answered(&mut self, token: &str) -> Option<Answer<T>> {
        let digits = token
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .unwrap_or(token);
        // Rust would also read `+1` and `01`, which nobody sent.
        if !id::is_integer(digits) {
            return None;
        }
        let id = RequestId::from_wire(digits.parse().ok()?)?;
        self.take(id)
    }

    /// Takes one request whose deadline has passed.
    pub fn expired(&mut self, now: Instant) -> Option<Answer<T>> {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return None;
        }
        let due = self
            .pending
            .iter()
            .find(|(_, (_, at))| *at <= now)
            .map(|(key, _)| key);
        if due.is_none() {
            self.deadline = self.pending.iter().map(|(_, (_, at))| *at).min();
        }
        due.and_then(|key| self.take(RequestId::new(key)))
    }

    /// Takes one request whose waiter left.
    pub fn withdraw(&mut self, mut left: impl FnMut(&T) -> bool) -> Option<Answer<T>> {
        let found = self
            .pending
            .iter()
            .find(|(_, (waiter, _))| left(waiter))
            .map(|(key, _)| key);
        found.and_then(|key| self.take(RequestId::new(key)))
    }

    /// Takes a request that nobody waits for any more.
    pub fn remove(&mut self, id: RequestId) -> Option<Answer<T>> {
        self.take(id)
    }

    /// When [`expired`](Self::expired) should be asked next.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How many requests are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.len() == 0
    }

    fn take(&mut self, id: RequestId) -> Option<Answer<T>> {
        let (slot, generation) = id.key();
        let (waiter, _) = self.pending.remove(slot, generation)?;
        if self.is_empty() {
            self.deadline = None;
        }
        Some(Answer { id, waiter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn every_request_ends_once() {
        let start = Instant::from_micros(0);
        let mut table = ServerRequests::new(2);
        let a = table.insert(start, SECOND, 'a').unwrap();
        table.insert(start, SECOND * 2, 'b').unwrap();
        assert_eq!(table.insert(start, SECOND, 'c'), Err('c'));
        let token = a.wire().to_string();
        assert_eq!(
            table.answered(&format!("\"{token}\"")),
            Some(Answer { id: a, waiter: 'a' })
        );
        assert_eq!(table.answered(&token), None, "a second answer is nobody's");
        assert_eq!(table.expired(start + SECOND), None);
        assert_eq!(
            table.deadline(),
            Some(start + SECOND * 2),
            "the deadline moved on"
        );
        assert_eq!(
            table.expired(start + SECOND * 2).map(|a| a.waiter),
            Some('b')
        );
        assert_eq!(table.deadline(), None);
    }

    #[test]
    fn answers_to_a_former_table_are_nobodys() {
        let start = Instant::from_micros(0);
        let mut former = ServerRequests::marked(2, 7);
        let mut table = ServerRequests::marked(2, u32::MAX);
        let late = former.insert(start, SECOND, ()).unwrap();
        let id = table.insert(start, SECOND, ()).unwrap();
        assert_eq!(table.answered(&late.wire().to_string()), None);
        assert!(table.answered(&id.wire().to_string()).is_some());
        let again = table.insert(start, SECOND, ()).unwrap();
        assert_ne!(again, id, "generations begin again after the last one");
        assert_eq!(RequestId::from_wire(again.wire()), Some(again));
    }

    #[test]
    fn foreign_ids_are_nobodys() {
        let mut table = ServerRequests::new(2);
        table.insert(Instant::from_micros(0), SECOND, ()).unwrap();
        for token in [
            "-1",
            "1.0",
            "\"x\"",
            "99999999999999999999",
            "true",
            "65535",
        ] {
            assert_eq!(table.answered(token), None, "{token}");
        }
    }
}
