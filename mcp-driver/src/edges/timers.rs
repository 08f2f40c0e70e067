//! When what has to be polled again.
//!
//! Owns at most one entry for each place. A deadline that moves away leaves its entry where it is: most deadlines move with
//! every request and few are ever reached.

use std::collections::BTreeSet;

use mcp_server::proto::time::Instant;

use super::slab::Id;

/// Entries, earliest first. Whoever has one keeps when it is due beside what it is for.
#[derive(Debug, Default)]
pub struct Timers(BTreeSet<(Instant, Id)>);

impl Timers {
    /// Sees to it that `id` comes at `at` at the latest. `armed` is its entry, which may be earlier.
    pub fn arm(&mut self, id: Id, armed: &mut Option<Instant>, at: Option<Instant>) {
        let Some(at) = at else { return };
        if armed.is_some_and(|armed| armed <= at) {
            return;
        }
        self.disarm(id, armed);
        self.0.insert((at, id));
        *armed = Some(at);
    }

    /// Takes its entry back.
    pub fn disarm(&mut self, id: Id, armed: &mut Option<Instant>) {
        if let Some(armed) = armed.take() {
            self.0.remove(&(armed, id));
        }
    }

    /// When the next entry is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// One whose entry is due. The entry is gone: `armed` has to be cleared.
    pub fn pop(&mut self, now: Instant) -> Option<Id> {
        let (at, id) = *self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(index: u32) -> Id {
        Id {
            index,
            generation: 0,
        }
    }

    const fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn the_earliest_comes_first_and_each_slot_has_one_entry() {
        let mut timers = Timers::default();
        let (mut one, mut two) = (None, None);
        timers.arm(id(1), &mut one, Some(at(50)));
        timers.arm(id(2), &mut two, Some(at(40)));
        // Later: the entry stays. Earlier: it moves.
        timers.arm(id(1), &mut one, Some(at(90)));
        assert_eq!(one, Some(at(50)));
        timers.arm(id(1), &mut one, Some(at(30)));
        assert_eq!(timers.next(), Some(at(30)));
        assert_eq!(timers.pop(at(29)), None);
        assert_eq!(timers.pop(at(100)), Some(id(1)));
        assert_eq!(timers.pop(at(100)), Some(id(2)));
        assert_eq!(timers.pop(at(100)), None);
    }

    #[test]
    fn what_is_disarmed_never_comes() {
        let mut timers = Timers::default();
        let mut armed = None;
        timers.arm(id(1), &mut armed, Some(at(50)));
        timers.disarm(id(1), &mut armed);
        assert_eq!((timers.next(), armed), (None, None));
    }
}
