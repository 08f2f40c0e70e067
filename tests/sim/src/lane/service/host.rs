//! The server's side of the lane: a connection, and the driver that polls it.
//!
//! Owns the rule that a connection is polled when something was read or flushed, when it was woken and when its time
//! has come, and never else.

use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::BytesMut;
use mcp_proto::outbox::Outbox;
use mcp_server::{Connection, Service};

use super::super::World;
use super::super::watch::{Causes, WireWatch, shown};
use super::super::wire::{at, told, written};
use super::ServiceLane;
use crate::failure::{Checked, require};
use crate::mutation::Mutation;
use crate::stage::Flag;
/// A connection and its driver.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) service: Service,
    pub(super) connection: Connection,
    pub(super) input: BytesMut,
    pub(super) out: Outbox,
    pub(super) flag: Arc<Flag>,
    pub(super) waker: Waker,
    pub(super) watch: WireWatch,
    pub(super) causes: Causes,
    pub(super) dirty: bool,
    pub(super) reads: bool,
    pub(super) over: bool,
    pub(super) done: bool,
    pub(super) wakeup: Option<u64>,
}

impl ServiceLane {
    pub(super) fn run_server(&mut self, world: &mut World) -> Checked {
        for round in 0.. {
            if !self.server.flag.take() && !self.server.dirty || self.server.done {
                return Ok(());
            }
            require!(
                round < 1000,
                NoHotLoop,
                "the connection wakes itself for ever"
            );
            self.server.dirty = false;
            self.poll_server(world)?;
        }
        Ok(())
    }

    /// Polls the connection once; says how many messages it wrote.
    pub(super) fn poll_server(&mut self, world: &mut World) -> Checked<usize> {
        world.steps += 1;
        let host = &mut self.server;
        let before = host.out.len();
        let mut cx = Context::from_waker(&host.waker);
        let demand = host
            .connection
            .poll(&mut cx, at(world), &mut host.input, &mut host.out);
        let (messages, _) = written(&host.out, before)?;
        world.events += messages.len() as u64;
        if self.clean && self.whole {
            for message in &messages {
                if world.mutation.is_none() {
                    host.watch.frame(message)?;
                    continue;
                }
                for message in shown(world, message) {
                    host.watch.frame(&message)?;
                }
            }
        }
        host.reads = demand.read;
        if demand.read {
            host.watch.passed();
            if world.mutates(Mutation::FrameAfterCancel)
                && self.clean
                && let Some(message) = host.watch.late()
            {
                host.watch.frame(&message)?;
            }
        }
        host.done |= demand.done;
        if demand.cut && !demand.done {
            // The time for a graceful end is over: what was not written is lost.
            host.done = true;
            self.whole = false;
            self.down.finish();
            host.out = Outbox::new(self.config.server_limits.outbox_high);
        }
        host.wakeup = told(world, demand.wakeup.map(|at| at.as_micros()));
        if host.done {
            // The driver flushes and closes.
            self.up.cut();
        }
        require!(
            host.out.is_full()
                || host.done
                || host.flag.is_set()
                || host.wakeup.is_none_or(|wakeup| wakeup > world.now),
            NoHotLoop,
            "the connection has nothing to do at {} and wants to be polled at {:?}",
            world.now,
            host.wakeup
        );
        Ok(messages.len())
    }

    pub(super) fn probe(&mut self, world: &mut World) -> Checked {
        let host = &self.server;
        let due = host.wakeup.is_some_and(|at| at <= world.now);
        if host.dirty || host.done || host.flag.is_set() || due {
            return Ok(());
        }
        let (before, started) = (host.out.len(), self.stage.started());
        let wrote = self.poll_server(world)?;
        require!(
            wrote == 0 && self.server.out.len() == before && self.stage.started() == started,
            NoLostWakeup,
            "the connection had {wrote} messages to say and nobody knew"
        );
        Ok(())
    }
}
