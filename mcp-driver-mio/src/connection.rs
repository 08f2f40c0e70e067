//! One connection: the shared loop ([`mcp_driver::Pump`]) over a wire.
//!
//! Owns the pump, the wire and the deadline of a connection, whatever runs on it.

use std::io;
use std::task::{Context, Poll};

use mcp_driver::{Alarm, Ended, Pump, Scratch, Spare, StreamOptions, SystemClock};
use mcp_server::Machine;
use mcp_server::proto::time::{Instant, Now};
use mio::event::Event;
use mio::{Registry, Token};

use crate::tokens::Side;
use crate::wire::{Turn, Wire};

/// Memory of the loop's that a connection has while it is polled.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    scratch: Scratch,
    spare: Spare,
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

/// A connection as the loop sees it.
pub(crate) trait Driven: Send {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()>;

    fn deregister(&mut self, registry: &Registry);

    /// Remembers an event. Says whether there is anything to do for it.
    fn on_event(&mut self, side: Side, event: &Event) -> bool;

    /// Does a bounded part of what can be done now.
    fn poll(&mut self, cx: &mut Context<'_>, lent: &mut Lent) -> Poll<Ended>;

    /// When it has to be polled again at the latest.
    fn deadline(&self) -> Option<Instant>;

    /// Starts a graceful end; poll afterwards.
    fn shutdown(&mut self);
}

pub(crate) struct Connection<M, W> {
    pump: Pump<M>,
    wire: W,
    clock: SystemClock,
    deadline: Option<Instant>,
}

impl<M: Machine, W> Connection<M, W> {
    pub(crate) fn new(machine: M, wire: W, options: StreamOptions, clock: SystemClock) -> Self {
        Self {
            pump: Pump::new(machine, options),
            wire,
            clock,
            deadline: None,
        }
    }
}

impl<M: Machine + Send, W: Wire> Driven for Connection<M, W> {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()> {
        self.wire.register(registry, tokens)
    }

    fn deregister(&mut self, registry: &Registry) {
        self.wire.deregister(registry);
    }

    fn on_event(&mut self, side: Side, event: &Event) -> bool {
        self.wire.on_event(side, event);
        if self.wire.is_unheard() {
            self.pump.hang_up();
            return true;
        }
        // Room to write concerns only those who wait for it.
        self.wire.is_readable() || self.pump.has_backlog()
    }

    fn poll(&mut self, cx: &mut Context<'_>, lent: &mut Lent) -> Poll<Ended> {
        let mut turn = Turn::new(&mut self.wire, &mut lent.scratch);
        let mut moment = Moment {
            now: self.clock.now(),
            deadline: self.deadline,
        };
        let polled = self
            .pump
            .poll_on(&mut lent.spare, cx, &mut turn, &mut moment);
        self.deadline = moment.deadline;
        polled
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn shutdown(&mut self) {
        self.pump.shutdown();
    }
}
