//! Every bound of the core, in one place.
//!
//! Owns the numbers and the violation budget. Whatever grows with what a peer sends must be bounded
//! by a field here, and every field says what happens at the bound and what it can cost.

use core::time::Duration;

use crate::json::ScanLimits;

/// The bounds of a machine. Build with `Limits { max_calls: 8, ..Limits::default() }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of one message from the peer. Default 4 MiB. Beyond: discarded up to its end and
    /// answered once with `-32600` without id; HTTP 413. Cost: one message plus one read chunk per
    /// link, one message per HTTP exchange.
    pub max_message: usize,
    /// Nesting of a message. Default 64, at most 128. Beyond: `-32700`. Cost: none, the stack is
    /// one bit per level.
    pub max_depth: u32,
    /// Bytes of a request id or a progress token as it stands in the message. Default 256. Beyond:
    /// `-32600` for an id, `-32602` for a token. Cost: one of each per call.
    pub max_id: usize,
    /// Tolerance: accept `1.0` as the request id 1, which the specification does not. Default off.
    pub integral_float_ids: bool,
    /// Calls in flight per link or session. Default 256. Beyond: refused at once with `-32603` and
    /// `data.reason`; reading goes on, or the cancellation that frees a slot would not be seen.
    /// Cost: about 300 bytes per call plus the message, if the handler keeps it.
    ///
    /// So many members has a batch of 2025-03-26 at most, and so many of all batches of a link wait
    /// for the others of theirs. Beyond: the batch is refused as a whole. Cost: the bytes of one
    /// batch while it is read, an error of less than a kilobyte per member that was refused, and
    /// see `max_frame_out`.
    pub max_calls: usize,
    /// Requests of ours that wait for the peer's answer. Default 64. Beyond: refused to the caller.
    /// Cost: about 64 bytes each.
    pub max_requests: usize,
    /// How long we wait for the peer's answer to a request. Default 5 minutes, for a human may be
    /// asked.
    pub request_timeout: Duration,
    /// Least time between two progress notifications of one call. Default 20 ms. Within it, the latest
    /// report waits: it is sent when the time is over, or right before the answer. Zero: all are sent.
    pub progress_interval: Duration,
    /// Bytes in the outbox from which on it is full: nothing more is read, notifications are
    /// coalesced or dropped. Default 256 KiB. Cost: this plus one frame per link or HTTP answer.
    pub outbox_high: usize,
    /// Bytes of one message that we write. Default 16 MiB. Beyond: `-32603` in its place. All results
    /// that wait for the others of their batches (2025-03-26) have together this much as well, per
    /// link or HTTP answer.
    pub max_frame_out: usize,
    /// Listen streams per link. Default 16. Beyond: refused with `-32603`. Cost: `max_uris` *
    /// `max_uri` each at worst.
    pub max_listens: usize,
    /// Resource URIs per listen stream or legacy session. Default 256. Beyond: those honoured are
    /// acknowledged, the rest is not (2026-07-28), or the subscription is refused (older).
    pub max_uris: usize,
    /// Bytes of a resource URI that is remembered. Default 2 KiB. Beyond: as `max_uris`.
    pub max_uri: usize,
    /// Questions in one `input_required` result. Default 16. Beyond: the call fails with `-32603`.
    pub max_input_requests: usize,
    /// Times that one call may ask for input. Default 8, at most 255. Beyond: the handler's next question fails; a handler that goes on
    /// without it may still answer.
    pub max_rounds: u32,
    /// Bytes of sealed request state. Default 64 KiB. Beyond: the call fails with `-32603` when we
    /// would write it and with `-32602` when the peer sends it.
    pub max_state: usize,
    /// Life of sealed request state. Default 10 minutes. Beyond: `-32602`.
    pub state_ttl: Duration,
    /// Time after which a call without an answer turns into an event stream. Default 500 ms.
    pub commit_after: Duration,
    /// Silence on an open event stream after which a comment is sent. Default 15 s.
    pub keep_alive: Duration,
    /// Legacy sessions with state attached. Default 4096. Beyond: the longest idle one loses its
    /// state, or a new one is refused with 503. Cost: times (`replay_bytes` + `max_uris` *
    /// `max_uri`) at worst, and one event (`max_frame_out`) for each whose GET stream is slower than what comes.
    pub max_sessions: usize,
    /// Idle time after which a legacy session loses its attached state. Default 10 minutes.
    pub session_idle: Duration,
    /// Absolute life of a legacy session id. Default 24 hours. Beyond: 404, and the client
    /// initializes again.
    pub session_ttl: Duration,
    /// Deleted sessions that are remembered until their id expires. Default 16,384. Beyond: DELETE
    /// answers 405. Cost: about 70 bytes each.
    pub max_tombstones: usize,
    /// Bytes of events that a legacy session keeps for replay. Default 256 KiB. Beyond: the oldest
    /// goes. An event that is longer than all of this reaches those who read its stream when it comes, and cannot be
    /// resumed.
    pub replay_bytes: usize,
    /// Events that a legacy session keeps for replay. Default 256. Beyond: the oldest goes.
    pub replay_events: usize,
    /// Violations that a link forgives in a row before it is closed. Default 100; see [`Budget`].
    pub violations: u32,
    /// How long a graceful shutdown waits for calls in flight. Default 10 s. Beyond: they are
    /// dropped.
    pub shutdown_bound: Duration,
}

impl Limits {
    /// What of it concerns the scanner.
    #[must_use]
    pub fn scan(&self) -> ScanLimits {
        ScanLimits {
            max_depth: self.max_depth,
            max_id: self.max_id,
            integral_float_ids: self.integral_float_ids,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let scan = ScanLimits::default();
        Self {
            max_message: 4 << 20,
            max_depth: scan.max_depth,
            max_id: scan.max_id,
            integral_float_ids: scan.integral_float_ids,
            max_calls: 256,
            max_requests: 64,
            request_timeout: Duration::from_secs(5 * 60),
            progress_interval: Duration::from_millis(20),
            outbox_high: 256 << 10,
            max_frame_out: 16 << 20,
            max_listens: 16,
            max_uris: 256,
            max_uri: 2 << 10,
            max_input_requests: 16,
            max_rounds: 8,
            max_state: 64 << 10,
            state_ttl: Duration::from_secs(10 * 60),
            commit_after: Duration::from_millis(500),
            keep_alive: Duration::from_secs(15),
            max_sessions: 4096,
            session_idle: Duration::from_secs(10 * 60),
            session_ttl: Duration::from_secs(24 * 60 * 60),
            max_tombstones: 16 << 10,
            replay_bytes: 256 << 10,
            replay_events: 256,
            violations: 100,
            shutdown_bound: Duration::from_secs(10),
        }
    }
}

/// Patience with a peer that breaks the rules.
///
/// Each violation consumes one unit, each good message gives one back: a long-lived link does not
/// die of old sins, a flood of garbage ends soon (h2 closed healthy connections over a counter that
/// only grew).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    left: u32,
    full: u32,
}

/// The budget is used up: end the link.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Exhausted;

impl Budget {
    /// A budget for `full` violations in a row.
    #[must_use]
    pub const fn new(full: u32) -> Self {
        Self { left: full, full }
    }

    /// Counts a violation.
    ///
    /// # Errors
    /// [`Exhausted`] if this one is no longer forgiven.
    pub const fn consume(&mut self) -> Result<(), Exhausted> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Exhausted),
        }
    }

    /// Counts a good message.
    pub const fn replenish(&mut self) {
        if self.left < self.full {
            self.left += 1;
        }
    }
}

impl core::fmt::Display for Exhausted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the peer broke the rules too often")
    }
}

impl core::error::Error for Exhausted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_messages_replenish_the_budget_up_to_its_size() {
        let mut budget = Budget::new(2);
        for _ in 0..1000 {
            assert_eq!(budget.consume(), Ok(()));
            budget.replenish();
        }
        budget.replenish();
        assert_eq!(
            [budget.consume(), budget.consume(), budget.consume()],
            [Ok(()), Ok(()), Err(Exhausted)]
        );
    }
}
