//! One connection: a [`Wired`] machine whose wire mio knows of.
//!
//! Owns what the loop may ask of a connection, whatever runs on it.

use std::io;
use std::task::{Context, Poll};

use mcp_driver::edges::{Lent, Wired};
use mcp_driver::{Ended, StreamOptions};
use mcp_server::Machine;
use mcp_server::proto::time::{Instant, Now};
use mio::event::Event;
use mio::{Registry, Token};

use crate::tokens::Side;
use crate::wire::Registered;

/// A connection as the loop sees it.
pub(crate) trait Driven: Send {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()>;

    fn deregister(&mut self, registry: &Registry);

    /// Remembers an event. Says whether there is anything to do for it.
    fn on_event(&mut self, side: Side, event: &Event) -> bool;

    /// Does a bounded part of what can be done now. With `may_keep_back`, a small answer may wait for
    /// [`write_kept_back`](Self::write_kept_back).
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        lent: &mut Lent,
        now: Now,
        may_keep_back: bool,
    ) -> Poll<Ended>;

    /// How many bytes the last poll kept back.
    fn kept_back(&self) -> usize;

    /// Writes what was kept back. False if it has to be polled.
    fn write_kept_back(&mut self, cx: &mut Context<'_>, lent: &mut Lent) -> bool;

    /// When it has to be polled again at the latest.
    fn deadline(&self) -> Option<Instant>;

    /// Starts a graceful end; poll afterwards.
    fn shutdown(&mut self);
}

/// A connection whose wire mio knows of.
pub(crate) struct Connection<M, W>(Wired<M, W>);

impl<M: Machine, W> Connection<M, W> {
    pub(crate) fn new(machine: M, wire: W, options: StreamOptions) -> Self {
        Self(Wired::new(machine, wire, options))
    }
}

impl<M: Machine + Send, W: Registered> Driven for Connection<M, W> {
    fn register(&mut self, registry: &Registry, tokens: [Token; 2]) -> io::Result<()> {
        self.0.wire().register(registry, tokens)
    }

    fn deregister(&mut self, registry: &Registry) {
        self.0.wire().deregister(registry);
    }

    fn on_event(&mut self, side: Side, event: &Event) -> bool {
        let wire = self.0.wire();
        wire.on_event(side, event);
        let is_readable = wire.is_readable();
        if wire.is_unheard() {
            self.0.hang_up();
            return true;
        }
        // Room to write concerns only those who wait for it.
        is_readable || self.0.has_backlog()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        lent: &mut Lent,
        now: Now,
        may_keep_back: bool,
    ) -> Poll<Ended> {
        self.0.poll(cx, lent, now, may_keep_back)
    }

    fn kept_back(&self) -> usize {
        self.0.kept_back()
    }

    fn write_kept_back(&mut self, cx: &mut Context<'_>, lent: &mut Lent) -> bool {
        self.0.write_kept_back(cx, lent)
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    fn shutdown(&mut self) {
        self.0.shutdown();
    }
}
