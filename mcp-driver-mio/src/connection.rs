//! One connection: the shared loop ([`mcp_driver::Pump`]) over a wire.
//!
//! Owns the pump, the wire and the deadline of a connection, whatever runs on it.

use std::io;
use std::task::{Context, Poll};

use mcp_driver::{Deadline, Ended, Pump, Scratch, Spare, StreamOptions, SystemClock};
use mcp_server::Machine;
use mcp_server::proto::time::Instant;
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
    deadline: Deadline,
}

impl<M: Machine, W> Connection<M, W> {
    pub(crate) fn new(machine: M, wire: W, options: StreamOptions, clock: SystemClock) -> Self {
        Self {
            pump: Pump::new(machine, options),
            wire,
            deadline: Deadline::new(clock),
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
        self.pump
            .poll_on(&mut lent.spare, cx, &mut turn, &mut self.deadline)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline.at()
    }

    fn shutdown(&mut self) {
        self.pump.shutdown();
    }
}
