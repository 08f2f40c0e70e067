//! The state that sessions need beyond their id, attached only when there is some.
//!
//! Owns the bound on attached states, their idle time to live, and the tombstones of terminated
//! sessions. Must never drop a state while a call of it is in flight, and must never pretend that a
//! session ended when it could not remember so.
//!
//! ```text
//! (id alone) ──attach──▶ idle ──enter──▶ busy ──leave──▶ idle ──idle TTL, or room needed──▶ (id alone)
//!                          any ──terminate──▶ tombstone until the id's own expiry
//! ```

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use super::session_id::SessionKey;
use crate::limits::Limits;
use crate::time::{Instant, Now};

/// Bounds of a [`Sessions`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Attached states. Each costs what its streams and subscriptions are bounded to.
    pub max_attached: usize,
    /// An attached state that was not used for this long is dropped; its id stays valid.
    pub idle_ttl: Duration,
    /// Terminated sessions to remember, about 70 bytes each. Zero: sessions cannot be terminated.
    pub max_tombstones: usize,
}

impl From<&Limits> for SessionLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            max_attached: limits.max_sessions,
            idle_ttl: limits.session_idle,
            max_tombstones: limits.max_tombstones,
        }
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// The table. `T` is what a server keeps for one session.
#[derive(Debug)]
pub struct Sessions<T> {
    limits: SessionLimits,
    attached: BTreeMap<SessionKey, Attached<T>>,
    /// The attached states without calls in flight, the longest unused first.
    idle: BTreeSet<(Instant, SessionKey)>,
    terminated: BTreeMap<SessionKey, u64>,
    expiries: BTreeSet<(u64, SessionKey)>,
}

#[derive(Debug)]
struct Attached<T> {
    state: T,
    calls: usize,
    used: Instant,
}

/// Every attached state has a call in flight and there is no room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no room for the state of another session")
    }
}

impl core::error::Error for Full {}

/// The session cannot be terminated, because that could not be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotTerminate;

impl core::fmt::Display for CannotTerminate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("this server cannot remember another terminated session")
    }
}

impl core::error::Error for CannotTerminate {}

impl<T> Sessions<T> {
    /// An empty table.
    #[must_use]
    pub const fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            attached: BTreeMap::new(),
            idle: BTreeSet::new(),
            terminated: BTreeMap::new(),
            expiries: BTreeSet::new(),
        }
    }

    /// The state of a session, if one is attached. Counts as use.
    pub fn get(&mut self, now: Instant, key: SessionKey) -> Option<&mut T> {
        let attached = self.attached.get_mut(&key)?;
        if attached.calls == 0 {
            self.idle.remove(&(attached.used, key));
            self.idle.insert((now, key));
        }
        attached.used = now;
        Some(&mut attached.state)
    }

    /// The state of a session, attached now if it was not. The state that was unused for longest
    /// makes room; its session goes on with what its id holds.
    ///
    /// # Errors
    /// [`Full`] when every state has calls in flight.
    pub fn attach(
        &mut self,
        now: Instant,
        key: SessionKey,
        state: impl FnOnce() -> T,
    ) -> Result<&mut T, Full> {
        if !self.attached.contains_key(&key) {
            if self.attached.len() >= self.limits.max_attached {
                let (_, idlest) = self.idle.pop_first().ok_or(Full)?;
                self.attached.remove(&idlest);
            }
            self.attached.insert(
                key,
                Attached {
                    state: state(),
                    calls: 0,
                    used: now,
                },
            );
            self.idle.insert((now, key));
        }
        self.get(now, key).ok_or(Full)
    }

    /// Keeps an attached state until as many [`leave`](Self::leave) calls.
    pub fn enter(&mut self, key: SessionKey) {
        if let Some(attached) = self.attached.get_mut(&key) {
            self.idle.remove(&(attached.used, key));
            attached.calls += 1;
        }
    }

    /// Ends one [`enter`](Self::enter). Without one nothing changes: the state may have been attached after
    /// the call that leaves.
    pub fn leave(&mut self, now: Instant, key: SessionKey) {
        if let Some(attached) = self.attached.get_mut(&key)
            && let Some(calls) = attached.calls.checked_sub(1)
        {
            attached.calls = calls;
            if calls == 0 {
                attached.used = now;
                self.idle.insert((now, key));
            }
        }
    }

    /// Ends a session for good: its id is refused until it expires by itself. Returns the state.
    ///
    /// # Errors
    /// [`CannotTerminate`] when there is no room to remember; nothing changed then.
    pub fn terminate(
        &mut self,
        now: Now,
        key: SessionKey,
        expires_ms: u64,
    ) -> Result<Option<T>, CannotTerminate> {
        if !self.terminated.contains_key(&key) {
            self.forget_expired(now.unix_ms);
            if self.terminated.len() >= self.limits.max_tombstones {
                return Err(CannotTerminate);
            }
            self.terminated.insert(key, expires_ms);
            self.expiries.insert((expires_ms, key));
        }
        let attached = self.attached.remove(&key);
        if let Some(attached) = &attached {
            self.idle.remove(&(attached.used, key));
        }
        Ok(attached.map(|attached| attached.state))
    }

    /// Whether the session was terminated.
    #[must_use]
    pub fn is_terminated(&self, key: SessionKey) -> bool {
        self.terminated.contains_key(&key)
    }

    /// Drops what was idle for too long.
    pub fn sweep(&mut self, now: Now) {
        self.forget_expired(now.unix_ms);
        while let Some((used, key)) = self.idle.first().copied() {
            if used + self.limits.idle_ttl > now.instant {
                break;
            }
            self.idle.pop_first();
            self.attached.remove(&key);
        }
    }

    /// When [`sweep`](Self::sweep) has something to do.
    #[must_use]
    pub fn next_sweep(&self) -> Option<Instant> {
        self.idle
            .first()
            .map(|(used, _)| *used + self.limits.idle_ttl)
    }

    /// How many states are attached.
    #[must_use]
    pub fn len(&self) -> usize {
        self.attached.len()
    }

    /// Whether no state is attached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// Every attached state.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.attached
            .values_mut()
            .map(|attached| &mut attached.state)
    }

    fn forget_expired(&mut self, unix_ms: u64) {
        while let Some((expires, key)) = self.expiries.first().copied() {
            if expires > unix_ms {
                break;
            }
            self.expiries.pop_first();
            self.terminated.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;

    const LIMITS: SessionLimits = SessionLimits {
        max_attached: 2,
        idle_ttl: Duration::from_secs(60),
        max_tombstones: 2,
    };

    fn at(seconds: u64) -> Now {
        Now::new(Instant::from_micros(seconds * 1_000_000), seconds * 1_000)
    }

    fn keys() -> [SessionKey; 3] {
        let mut entropy = Entropy::new([3; 32]);
        [(); 3].map(|()| SessionKey::random(&mut entropy))
    }

    #[test]
    fn the_longest_unused_state_makes_room_but_never_a_busy_one() {
        let [a, b, c] = keys();
        let mut table = Sessions::new(LIMITS);
        table.attach(at(0).instant, a, || 'a').unwrap();
        table.attach(at(1).instant, b, || 'b').unwrap();
        assert_eq!(table.get(at(2).instant, a), Some(&mut 'a'));
        table.attach(at(3).instant, c, || 'c').unwrap();
        assert_eq!(
            table.get(at(3).instant, b),
            None,
            "b was unused for longest"
        );
        table.enter(a);
        table.enter(c);
        table.enter(c);
        assert_eq!(table.attach(at(4).instant, b, || 'b'), Err(Full));
        table.leave(at(5).instant, c);
        assert_eq!(
            table.attach(at(5).instant, b, || 'b'),
            Err(Full),
            "one call of c is left"
        );
        table.leave(at(5).instant, c);
        assert_eq!(table.attach(at(6).instant, b, || 'B'), Ok(&mut 'B'));
        assert_eq!(table.get(at(6).instant, a), Some(&mut 'a'));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn idle_states_expire_and_busy_ones_do_not() {
        let [a, b, _] = keys();
        let mut table = Sessions::new(LIMITS);
        table.attach(at(0).instant, a, || ()).unwrap();
        table.attach(at(0).instant, b, || ()).unwrap();
        table.enter(b);
        assert_eq!(table.next_sweep(), Some(at(60).instant));
        table.sweep(at(59));
        assert_eq!(table.len(), 2);
        table.sweep(at(60));
        assert_eq!(table.len(), 1);
        table.sweep(at(10_000));
        assert!(table.get(at(10_000).instant, b).is_some());
        table.leave(at(10_000).instant, b);
        table.sweep(at(10_060));
        assert!(table.is_empty() && table.next_sweep().is_none());
    }

    #[test]
    fn a_terminated_session_is_remembered_until_its_id_expires() {
        let [a, b, c] = keys();
        let mut table = Sessions::new(LIMITS);
        table.attach(at(0).instant, a, || 'a').unwrap();
        assert_eq!(table.terminate(at(0), a, 10_000), Ok(Some('a')));
        assert_eq!(table.terminate(at(0), a, 10_000), Ok(None), "again");
        assert_eq!(table.terminate(at(0), b, 20_000), Ok(None));
        assert!(table.is_terminated(a) && table.is_terminated(b) && table.is_empty());
        assert_eq!(table.terminate(at(9), c, 30_000), Err(CannotTerminate));
        assert!(!table.is_terminated(c));
        assert_eq!(
            table.terminate(at(10), c, 30_000),
            Ok(None),
            "a's id has expired"
        );
        assert!(!table.is_terminated(a));
    }

    #[test]
    fn the_limits_of_a_server_are_those_of_its_table() {
        let limits = Limits {
            max_sessions: 3,
            session_idle: Duration::from_secs(4),
            max_tombstones: 5,
            ..Limits::default()
        };
        let expected = SessionLimits {
            max_attached: 3,
            idle_ttl: Duration::from_secs(4),
            max_tombstones: 5,
        };
        assert_eq!(SessionLimits::from(&limits), expected);
        assert_ne!(SessionLimits::default(), expected);
    }
}
