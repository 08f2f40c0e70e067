//! The one shape that every driver drives: the machine of a byte stream.
//!
//! Owns the contract between a driver's loop and what runs on one connection, whatever its framing. Must never name a
//! socket, a clock or a runtime.

use std::task;

use bytes::BytesMut;
use mcp_proto::outbox::Outbox;
use mcp_proto::time::{Instant, Now};

/// What the driver has to do before it polls again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demand {
    /// Reading is allowed. Bytes in the outbox are always to be written.
    pub read: bool,
    /// Poll again at this time at the latest.
    pub wakeup: Option<Instant>,
    /// Nothing more will be said: flush, then close the direction that is written. [`done`](Self::done) follows when the
    /// peer has seen it. Only a framing whose peer could otherwise lose what was said last asks for it (RFC 9112 section 9.6).
    pub close_write: bool,
    /// Everything was said: flush and close.
    pub done: bool,
    /// The time for a graceful end is over (`Limits::shutdown_bound`): close, whatever was not said or not written.
    pub cut: bool,
}

impl Demand {
    /// Nothing to do but to read what comes.
    pub const READ: Self = Self {
        read: true,
        wakeup: None,
        close_write: false,
        done: false,
        cut: false,
    };
}

/// One connection's end, ready to be driven by any runtime. [`Connection`](crate::Connection) is the stdio framing's.
///
/// A driver's loop is: poll; write the outbox; read if that is allowed; sleep until a read, a write, the waker or the
/// wake-up; again.
pub trait Machine {
    /// Does all the work that can be done now. Call it after every read, write, wake-up and timer.
    fn poll(
        &mut self,
        cx: &mut task::Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand;

    /// The stream has no more input: end of file, error and hang-up alike.
    fn end_of_input(&mut self);

    /// Whether what the peer has said is still worth hearing when it reads no more: a client's answers are, and what a server
    /// is asked is not.
    fn hears_last_words(&self) -> bool {
        false
    }

    /// Starts a graceful end. It is bounded by `Limits::shutdown_bound`.
    fn shutdown(&mut self);

    /// An outbox with the high-water mark of the server's limits.
    fn outbox(&self) -> Outbox;
}
