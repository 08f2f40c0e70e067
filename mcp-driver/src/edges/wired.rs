//! One connection: the shared loop ([`Pump`]) over a wire that tells edges.
//!
//! Owns the pump, the wire and the deadline of a connection, whatever runs on it. Must never look at a clock: one reading is
//! enough for a poll and for what its loop decides, and never read so much of one peer that others wait for it.

use std::io;
use std::task::{Context, Poll};

use bytes::BytesMut;
use mcp_server::Machine;
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};

use crate::pump::{Alarm, Ended, Pump, Spare, Stream, StreamOptions};
use crate::stream::Scratch;

/// How many reads one connection may do before others have their turn.
const READS_PER_TURN: u8 = 4;

/// A byte stream that remembers what it can do, see [`Readiness`](super::Readiness).
pub trait Wire {
    /// Whether there may be something to read.
    fn is_readable(&self) -> bool;

    /// Reads what is there, if anything is; 0 means the end.
    ///
    /// # Errors
    /// Whatever the stream says; the connection takes it for the end of its input.
    fn read(&mut self, scratch: &mut Scratch, input: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Writes from the front of `out` what there is room for.
    ///
    /// # Errors
    /// Whatever the stream says; the peer is taken to be gone.
    fn write(&mut self, out: &mut Outbox) -> Poll<io::Result<usize>>;

    /// Closes the direction that is written; reading goes on.
    ///
    /// # Errors
    /// Whatever the stream says; the peer is taken to be gone.
    fn close_write(&mut self) -> io::Result<()>;
}

/// Memory of a thread's that a connection has while it is polled.
#[derive(Debug, Default)]
pub struct Lent {
    scratch: Scratch,
    spare: Spare,
}

/// A wire for one turn of its connection.
struct Turn<'a, W> {
    wire: &'a mut W,
    scratch: &'a mut Scratch,
    reads: u8,
}

impl<W: Wire> Stream for Turn<'_, W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        if !self.wire.is_readable() {
            return Poll::Pending;
        }
        if self.reads == READS_PER_TURN {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.reads += 1;
        self.wire.read(self.scratch, input)
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        self.wire.write(out)
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.wire.close_write())
    }
}

/// The time of one poll, and when the next one is due at the latest. The clock is looked at once for each poll: it is asked
/// often, and the loop waits for the earliest deadline by itself.
#[derive(Debug)]
struct Moment {
    now: Now,
    deadline: Option<Instant>,
}

impl Alarm for Moment {
    fn now(&self) -> Now {
        self.now
    }

    fn set(&mut self, at: Option<Instant>) {
        self.deadline = at;
    }

    fn poll_fired(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline.is_some_and(|at| at <= self.now.instant) {
            self.deadline = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// See the module.
#[derive(Debug)]
pub struct Wired<M, W> {
    pump: Pump<M>,
    wire: W,
    deadline: Option<Instant>,
}

impl<M: Machine, W> Wired<M, W> {
    /// The connection of `machine`, on which nothing was read yet.
    pub fn new(machine: M, wire: W, options: StreamOptions) -> Self {
        Self {
            pump: Pump::new(machine, options),
            wire,
            deadline: None,
        }
    }

    /// The wire.
    pub const fn wire(&mut self) -> &mut W {
        &mut self.wire
    }

    /// When it has to be polled again at the latest.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How many bytes the last poll has kept back.
    #[must_use]
    pub fn kept_back(&self) -> usize {
        self.pump.kept_back()
    }

    /// Whether bytes wait for the peer to read.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.pump.has_backlog()
    }

    /// The peer reads no more; poll afterwards.
    pub const fn hang_up(&mut self) {
        self.pump.hang_up();
    }

    /// Starts a graceful end; poll afterwards.
    pub fn shutdown(&mut self) {
        self.pump.shutdown();
    }
}

impl<M: Machine, W: Wire> Wired<M, W> {
    /// Does a bounded part of what can be done `now`. With `may_keep_back`, a small answer may wait for
    /// [`write_kept_back`](Self::write_kept_back), see [`kept_back`](Self::kept_back).
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        lent: &mut Lent,
        now: Now,
        may_keep_back: bool,
    ) -> Poll<Ended> {
        let mut moment = Moment {
            now,
            deadline: self.deadline,
        };
        let mut turn = Turn {
            wire: &mut self.wire,
            scratch: &mut lent.scratch,
            reads: 0,
        };
        self.pump.may_keep_back(may_keep_back);
        let polled = self
            .pump
            .poll_on(&mut lent.spare, cx, &mut turn, &mut moment);
        self.deadline = moment.deadline;
        polled
    }

    /// Writes what was kept back. False if it has to be polled for the rest, or because the peer is gone.
    pub fn write_kept_back(&mut self, cx: &mut Context<'_>, lent: &mut Lent) -> bool {
        let mut turn = Turn {
            wire: &mut self.wire,
            scratch: &mut lent.scratch,
            reads: 0,
        };
        self.pump.write_kept_back(&mut lent.spare, cx, &mut turn)
    }
}
