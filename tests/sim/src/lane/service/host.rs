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
use super::super::config::Config;
use super::super::watch::{Causes, WireWatch, shown};
use super::super::wire::{at, told, written};
use super::ServiceLane;
use crate::failure::{Checked, require};
use crate::mutation::Mutation;
use crate::stage::{Flag, Stage, Tasks};

/// What every process of a lane is made of.
#[derive(Debug)]
pub(super) struct Plant {
    pub(super) config: Arc<Config>,
    /// What all of them share. Otherwise each has a key of its own.
    pub(super) key: Option<[u8; 32]>,
    /// More calls than it is judged by.
    pub(super) room: usize,
    pub(super) stage: Stage,
    pub(super) tasks: Tasks,
    /// How many processes were started.
    pub(super) lives: usize,
}

impl Plant {
    pub(super) fn start(&mut self) -> Host {
        let life = self.lives;
        self.lives += 1;
        let service = self.config.service(&self.stage, self.key, self.room);
        // As fresh as what the system gives each process.
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(life as u64 + 1).to_le_bytes());
        let flag = Arc::new(Flag::default());
        let tasks = Arc::new(self.tasks.of(life));
        Host {
            life,
            connection: Connection::new(service.clone(), tasks, seed),
            service,
            input: BytesMut::new(),
            out: Outbox::new(self.config.server_limits.outbox_high),
            waker: Waker::from(Arc::clone(&flag)),
            flag,
            watch: WireWatch::default(),
            causes: Causes::default(),
            dirty: true,
            reads: false,
            over: false,
            done: false,
            wakeup: None,
        }
    }
}

/// A connection and its driver.
#[derive(Debug)]
pub(super) struct Host {
    /// Which process of all it is.
    pub(super) life: usize,
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
    pub(super) fn run_host(&mut self, world: &mut World) -> Checked {
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
        if self.between.is_honest() {
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
                && self.between.clean
                && let Some(message) = host.watch.late()
            {
                host.watch.frame(&message)?;
            }
        }
        host.done |= demand.done;
        if demand.cut && !demand.done {
            // The time for a graceful end is over: what was not written is lost.
            host.done = true;
            self.between.whole = false;
            self.between.down.finish();
            host.out = Outbox::new(self.config.server_limits.outbox_high);
        }
        host.wakeup = told(world, demand.wakeup.map(|at| at.as_micros()));
        if host.done {
            // The driver flushes and closes.
            self.between.up.cut();
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
