//! Faults that are put in on purpose, between a machine and whoever judges it.
//!
//! Owns the list. Each shows that an invariant can fail; none touches a machine.

use crate::failure::Invariant;
use crate::lane::{HTTP, LINK, SERVICE};

/// A deliberate fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A client's ending is reported twice.
    DuplicateEnding,
    /// An ending is swallowed.
    SwallowEnding,
    /// A frame of a cancelled call is sent after all; over HTTP, the call goes on.
    FrameAfterCancel,
    /// A subscription's acknowledgment is held back.
    SkipAck,
    /// A notification that nobody asked for is sent.
    WidenFilter,
    /// A progress notification is sent twice.
    RepeatProgress,
    /// An event is made up.
    PhantomEvent,
    /// The results of two requests change places.
    CrossTalk,
    /// A call is never removed.
    Leak,
    /// The machine runs with more room than it was given.
    ExceedLimit,
    /// The next deadline is not told.
    DropWakeup,
    /// The next deadline is always now.
    HotLoop,
    /// The client reads only when it has nothing to write.
    HalfDuplex,
    /// An honest message is changed on its way.
    Falsify,
    /// An error code is changed before the model sees it.
    Drift,
    /// The balancer forgets who is calling.
    ForgetPrincipal,
    /// A stranger passes for whoever the session belongs to.
    MistakeIdentity,
    /// A status is changed before it is judged.
    WrongStatus,
    /// A replica comes back with another key than the one that it shares.
    LoseKey,
    /// Something panics.
    Panic,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::DuplicateEnding,
        Self::SwallowEnding,
        Self::FrameAfterCancel,
        Self::SkipAck,
        Self::WidenFilter,
        Self::RepeatProgress,
        Self::PhantomEvent,
        Self::CrossTalk,
        Self::Leak,
        Self::ExceedLimit,
        Self::DropWakeup,
        Self::HotLoop,
        Self::HalfDuplex,
        Self::Falsify,
        Self::Drift,
        Self::ForgetPrincipal,
        Self::MistakeIdentity,
        Self::WrongStatus,
        Self::LoseKey,
        Self::Panic,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DuplicateEnding => "duplicate-ending",
            Self::SwallowEnding => "swallow-ending",
            Self::FrameAfterCancel => "frame-after-cancel",
            Self::SkipAck => "skip-ack",
            Self::WidenFilter => "widen-filter",
            Self::RepeatProgress => "repeat-progress",
            Self::PhantomEvent => "phantom-event",
            Self::CrossTalk => "cross-talk",
            Self::Leak => "leak",
            Self::ExceedLimit => "exceed-limit",
            Self::DropWakeup => "drop-wakeup",
            Self::HotLoop => "hot-loop",
            Self::HalfDuplex => "half-duplex",
            Self::Falsify => "falsify",
            Self::Drift => "drift",
            Self::ForgetPrincipal => "forget-principal",
            Self::MistakeIdentity => "mistake-identity",
            Self::WrongStatus => "wrong-status",
            Self::LoseKey => "lose-key",
            Self::Panic => "panic",
        }
    }

    /// The mutation of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name() == name)
    }

    /// The kinds of lanes in which it is put in.
    #[must_use]
    pub const fn lanes(self) -> &'static [u32] {
        match self {
            Self::DuplicateEnding
            | Self::SwallowEnding
            | Self::FrameAfterCancel
            | Self::SkipAck
            | Self::WidenFilter
            | Self::RepeatProgress
            | Self::CrossTalk
            | Self::Leak
            | Self::ExceedLimit
            | Self::DropWakeup
            | Self::HotLoop
            | Self::Panic => &[LINK, SERVICE, HTTP],
            Self::PhantomEvent | Self::HalfDuplex => &[LINK, SERVICE],
            Self::Falsify | Self::Drift => &[LINK],
            Self::ForgetPrincipal | Self::MistakeIdentity | Self::WrongStatus | Self::LoseKey => {
                &[HTTP]
            }
        }
    }

    /// The invariant that has to notice.
    #[must_use]
    pub const fn caught_by(self) -> Invariant {
        match self {
            Self::DuplicateEnding | Self::SwallowEnding => Invariant::EndsExactlyOnce,
            Self::FrameAfterCancel => Invariant::SilentAfterCancel,
            Self::SkipAck => Invariant::AckFirst,
            Self::WidenFilter => Invariant::OnlyGranted,
            Self::RepeatProgress => Invariant::ProgressIncreases,
            Self::PhantomEvent => Invariant::NoEventWithoutCause,
            Self::CrossTalk | Self::MistakeIdentity => Invariant::NoCrossTalk,
            Self::Leak => Invariant::MemoryToBaseline,
            Self::ExceedLimit => Invariant::LimitsHold,
            Self::DropWakeup => Invariant::NoLostWakeup,
            Self::HotLoop => Invariant::NoHotLoop,
            Self::HalfDuplex => Invariant::Liveness,
            Self::Falsify => Invariant::HonestPeersAgree,
            Self::Drift => Invariant::ModelAgrees,
            Self::ForgetPrincipal | Self::LoseKey => Invariant::JournalBound,
            Self::WrongStatus => Invariant::WellFormed,
            Self::Panic => Invariant::NeverPanics,
        }
    }
}
