//! Time as an argument.
//!
//! Owns the core's notion of time. It must never read a clock: the driver picks an epoch, converts
//! once, and passes [`Now`] to the machines. That is what lets tests run in virtual time and traces
//! replay.

use core::fmt;
use core::ops::{Add, AddAssign};
use core::time::Duration;

/// A point in monotonic time: microseconds since an epoch that the driver picked.
///
/// All arithmetic saturates, so no deadline that a peer or a configuration can express overflows.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// The latest instant that can be expressed: a deadline that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `micros` microseconds after the driver's epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the driver's epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`, or zero if `earlier` is the later one.
    #[must_use]
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// The present, as the driver sees it.
///
/// Deadlines are measured on `instant`. `unix_ms` is for what crosses processes (expiry of sealed
/// tokens) and may jump.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Now {
    /// Monotonic time.
    pub instant: Instant,
    /// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: u64,
}

impl Now {
    /// Both readings of the driver's clocks.
    #[must_use]
    pub const fn new(instant: Instant, unix_ms: u64) -> Self {
        Self { instant, unix_ms }
    }
}

/// Why a machine wants to be called again. For logs and tests; a driver acts on [`Wakeup::at`]
/// only.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// A request to the peer was not answered in time.
    AnswerOverdue,
    /// A slow answer turns into an event stream, so that proxies see bytes.
    Commit,
    /// An open stream needs a sign of life.
    KeepAlive,
    /// Something is waiting to be written or told; ask again at once.
    Pending,
    /// A report of progress has waited for the least time between two.
    Progress,
    /// A session or a stored reply has reached the end of its life.
    SessionExpiry,
    /// A graceful shutdown has reached its bound.
    Shutdown,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnswerOverdue => "an answer is overdue",
            Self::Commit => "a slow answer becomes a stream",
            Self::KeepAlive => "a stream needs a sign of life",
            Self::Pending => "something is waiting to be written",
            Self::Progress => "a report of progress is due",
            Self::SessionExpiry => "a session expires",
            Self::Shutdown => "the shutdown has reached its bound",
        })
    }
}

/// The next time a machine wants to be called, and why.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Wakeup {
    /// Call the machine at this instant at the latest.
    pub at: Instant,
    /// The reason, for logs and tests.
    pub why: Why,
}

impl Wakeup {
    /// A wake-up at `at` because of `why`.
    #[must_use]
    pub const fn new(at: Instant, why: Why) -> Self {
        Self { at, why }
    }

    /// The earlier of two optional wake-ups; on a tie the first.
    #[must_use]
    pub fn earlier(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let late = Instant::from_micros(u64::MAX - 1);
        assert_eq!(late + Duration::from_secs(1), Instant::MAX);
        assert_eq!(late + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::from_micros(5).duration_since(late), Duration::ZERO);
        assert_eq!(
            Instant::from_micros(7).duration_since(Instant::from_micros(5)),
            Duration::from_micros(2)
        );
    }

    #[test]
    fn the_earlier_wakeup_wins() {
        let a = Wakeup::new(Instant::from_micros(1), Why::KeepAlive);
        let b = Wakeup::new(Instant::from_micros(2), Why::Commit);
        assert_eq!(Wakeup::earlier(Some(b), Some(a)), Some(a));
        assert_eq!(Wakeup::earlier(None, Some(b)), Some(b));
        assert_eq!(Wakeup::earlier(None, None), None);
    }
}
