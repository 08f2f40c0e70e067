//! The time, for those whose runtime has no clock of its own.
//!
//! Owns the mapping between the system's monotonic clock and the core's microsecond epoch. Must never decide what a
//! deadline means.

use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcp_server::proto::time::{Instant, Now};

use crate::pump::Alarm;

/// The system's clock: a monotonic epoch and the wall-clock time. Copies have the same epoch.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    epoch: std::time::Instant,
}

impl SystemClock {
    /// A clock whose epoch is a moment ago, so that no machine ever sees zero.
    #[must_use]
    pub fn start() -> Self {
        let now = std::time::Instant::now();
        Self {
            epoch: now.checked_sub(Duration::from_millis(1)).unwrap_or(now),
        }
    }

    /// The current moment, as the machines want it.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            instant: self.instant(),
            unix_ms: unix_ms(),
        }
    }

    /// The current moment, a while after an `earlier` one: the monotonic clock alone is read, and the wall clock is taken to
    /// have gone on like it. For those who ask once for each of many short calls.
    #[must_use]
    pub fn later(&self, earlier: Now) -> Now {
        let instant = self.instant();
        let since = instant.duration_since(earlier.instant).as_millis();
        Now {
            instant,
            unix_ms: earlier
                .unix_ms
                .saturating_add(u64::try_from(since).unwrap_or(u64::MAX)),
        }
    }

    /// The current monotonic instant.
    #[must_use]
    pub fn instant(&self) -> Instant {
        let elapsed = self.epoch.elapsed().as_micros();
        Instant::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// How long it is until `at`; zero when that has passed.
    #[must_use]
    pub fn until(&self, at: Instant) -> Duration {
        at.duration_since(self.instant())
    }
}

/// Milliseconds since 1970. A wall clock before that is read as 1970: it only makes things expire late.
#[must_use]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// The alarm of a loop that looks at the time itself: it remembers when to poll again, and nobody is woken.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    clock: SystemClock,
    at: Option<Instant>,
}

impl Deadline {
    /// Nothing is armed.
    #[must_use]
    pub const fn new(clock: SystemClock) -> Self {
        Self { clock, at: None }
    }

    /// When the connection has to be polled again at the latest.
    #[must_use]
    pub const fn at(&self) -> Option<Instant> {
        self.at
    }
}

impl Alarm for Deadline {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn set(&mut self, at: Option<Instant>) {
        self.at = at;
    }

    fn poll_fired(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        match self.at {
            Some(at) if at <= self.clock.instant() => {
                self.at = None;
                Poll::Ready(())
            }
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_moment_is_as_much_later_on_both_clocks() {
        let clock = SystemClock::start();
        let earlier = Now {
            instant: Instant::from_micros(0),
            unix_ms: 1_700_000_000_000,
        };
        std::thread::sleep(Duration::from_millis(5));
        let later = clock.later(earlier);
        let passed = later.instant.duration_since(earlier.instant).as_millis();
        assert!(passed >= 5);
        assert_eq!(u128::from(later.unix_ms - earlier.unix_ms), passed);
    }

    #[test]
    fn a_deadline_fires_once_and_only_when_it_has_come() {
        let clock = SystemClock::start();
        let mut deadline = Deadline::new(clock);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        deadline.set(Some(clock.instant() + Duration::from_secs(3600)));
        assert!(deadline.poll_fired(&mut cx).is_pending());
        deadline.set(Some(clock.instant()));
        assert!(deadline.poll_fired(&mut cx).is_ready());
        assert!(deadline.poll_fired(&mut cx).is_pending());
        assert_eq!(deadline.at(), None);
    }
}
