//! How a run fails.
//!
//! Owns the names of the invariants. Every check names the one that it guards.

use std::fmt;

/// What must always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every pending thing ends exactly once.
    EndsExactlyOnce,
    /// Nothing is sent for a cancelled call.
    SilentAfterCancel,
    /// The acknowledgment of a subscription comes first.
    AckFirst,
    /// Only notifications that were granted are sent.
    OnlyGranted,
    /// Progress increases.
    ProgressIncreases,
    /// No event without a cause.
    NoEventWithoutCause,
    /// No cross-talk between principals, sessions and ids.
    NoCrossTalk,
    /// Memory returns to its baseline after everyone left.
    MemoryToBaseline,
    /// Every limit holds.
    LimitsHold,
    /// No lost wake-up.
    NoLostWakeup,
    /// No hot loop around the next deadline.
    NoHotLoop,
    /// Everything moves, also through a pipe of one byte.
    Liveness,
    /// A sealed journal is accepted only where it was minted for.
    JournalBound,
    /// Two honest peers never accuse each other.
    HonestPeersAgree,
    /// The machine does what the model does.
    ModelAgrees,
    /// An answer has the status and the shape that its kind demands.
    WellFormed,
    /// Nothing panics, whatever comes.
    NeverPanics,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::EndsExactlyOnce,
        Self::SilentAfterCancel,
        Self::AckFirst,
        Self::OnlyGranted,
        Self::ProgressIncreases,
        Self::NoEventWithoutCause,
        Self::NoCrossTalk,
        Self::MemoryToBaseline,
        Self::LimitsHold,
        Self::NoLostWakeup,
        Self::NoHotLoop,
        Self::Liveness,
        Self::JournalBound,
        Self::HonestPeersAgree,
        Self::ModelAgrees,
        Self::WellFormed,
        Self::NeverPanics,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndsExactlyOnce => "ends-exactly-once",
            Self::SilentAfterCancel => "silent-after-cancel",
            Self::AckFirst => "ack-first",
            Self::OnlyGranted => "only-granted",
            Self::ProgressIncreases => "progress-increases",
            Self::NoEventWithoutCause => "no-event-without-cause",
            Self::NoCrossTalk => "no-cross-talk",
            Self::MemoryToBaseline => "memory-to-baseline",
            Self::LimitsHold => "limits-hold",
            Self::NoLostWakeup => "no-lost-wakeup",
            Self::NoHotLoop => "no-hot-loop",
            Self::Liveness => "liveness",
            Self::JournalBound => "journal-bound",
            Self::HonestPeersAgree => "honest-peers-agree",
            Self::ModelAgrees => "model-agrees",
            Self::WellFormed => "well-formed",
            Self::NeverPanics => "never-panics",
        }
    }
}

/// A violated invariant.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub invariant: Invariant,
    /// How.
    pub detail: String,
}

impl Failure {
    /// A failure.
    #[must_use]
    pub fn new(invariant: Invariant, detail: String) -> Self {
        Self { invariant, detail }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.name(), self.detail)
    }
}

/// What every check returns.
pub type Checked<T = ()> = Result<T, Failure>;

/// Fails with the named invariant unless the condition holds.
macro_rules! require {
    ($condition:expr, $invariant:ident, $($detail:tt)+) => {
        // Not `!$condition`: the negation of a comparison of floats is not the opposite comparison.
        if bool::from($condition) {
        } else {
            return Err($crate::failure::Failure::new(
                $crate::failure::Invariant::$invariant,
                format!($($detail)+),
            ));
        }
    };
}
pub(crate) use require;
