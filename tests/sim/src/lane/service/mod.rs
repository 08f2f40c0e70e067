//! A client's link and a whole server: the framework's connection, real handlers, real questions.
//!
//! Owns what lies between the two ends, and what must hold for both.

mod host;
mod restart;
mod user;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::client::ClientEnd;
use super::config::Config;
use super::wire::{LARGEST, TURNS, portion, pump};
use super::{World, lies};
use crate::failure::{Checked, require};
use crate::mutation::Mutation;
use crate::op::{Op, Verb};
use crate::pipe::Pipe;
use crate::stage::{Stage, Tasks};
use host::{Host, Plant};
use user::Errand;
pub use user::{plan, said};

/// See the module.
#[derive(Debug)]
pub struct ServiceLane {
    config: Arc<Config>,
    up: Pipe,
    down: Pipe,
    client: ClientEnd,
    server: Host,
    plant: Plant,
    stage: Stage,
    tasks: Tasks,
    clean: bool,
    whole: bool,
    /// What was asked for with a token.
    errands: BTreeMap<u64, Errand>,
    /// Calls that need input, with what the user says.
    retries: VecDeque<(Errand, Value)>,
}

impl ServiceLane {
    /// A lane of that configuration.
    #[must_use]
    pub fn new(world: &mut World, configuration: u32) -> Self {
        let config = Arc::new(Config::new(configuration));
        let (stage, tasks) = (Stage::default(), Tasks::default());
        let room = usize::from(world.mutates(Mutation::ExceedLimit)) * 8;
        let mut plant = Plant {
            config: Arc::clone(&config),
            key: (configuration & 1 == 0).then_some([configuration as u8; 32]),
            room,
            stage: stage.clone(),
            tasks: tasks.clone(),
            lives: 0,
        };
        world.nonce += 1;
        Self {
            up: Pipe::new(config.capacity[0], config.delay[0]),
            down: Pipe::new(config.capacity[1], config.delay[1]),
            client: ClientEnd::new(Arc::clone(&config)),
            server: plant.start(),
            plant,
            stage,
            tasks,
            clean: !config.hostile,
            whole: true,
            errands: BTreeMap::new(),
            retries: VecDeque::new(),
            config,
        }
    }

    /// What comes first.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn begin(&mut self, world: &mut World) -> Checked {
        self.client.begin(world)
    }

    /// Whether one end has closed.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.server.done || self.client.closed
    }

    /// Whether lies are told here.
    #[must_use]
    pub fn is_hostile(&self) -> bool {
        self.config.hostile
    }

    /// Does one operation.
    ///
    /// # Errors
    /// The invariant that it broke.
    pub fn apply(&mut self, world: &mut World, op: Op) -> Checked {
        let (a, b) = (op.a, op.b);
        match op.verb {
            Verb::Open | Verb::Wall | Verb::Tick | Verb::Jump => {}
            Verb::Request => self.request(world, a, b)?,
            Verb::Cancel => self.client.cancel(world, a, b)?,
            Verb::Notify => self.client.notify(world, a)?,
            Verb::Reply | Verb::Ask | Verb::Withdraw | Verb::Stale | Verb::Speak => {
                self.reply(world, a, b)?;
            }
            Verb::Answer | Verb::Progress | Verb::Log => self.open_gate(a),
            Verb::Changed => self.server.service.notify_resource_updated(if a & 1 == 0 {
                "a://1"
            } else {
                "a://2"
            }),
            Verb::Drain => {
                if a & 7 == 0 {
                    self.whole = false;
                    self.server.connection.shutdown();
                    self.server.dirty = true;
                }
            }
            Verb::Restart => self.restart(world)?,
            Verb::PumpUp => self.pump_up(world, portion(a)),
            Verb::PumpDown => self.pump_down(world, portion(a)),
            Verb::RecvUp => self.recv_up(world, portion(a)),
            Verb::RecvDown => self.recv_down(world, portion(a)),
            Verb::FlowUp => self.flow_up(world, portion(a))?,
            Verb::FlowDown => self.flow_down(world, portion(a))?,
            Verb::RunServer => self.run_server(world)?,
            Verb::RunClient => self.run_client(world)?,
            Verb::Probe => self.probe(world)?,
            Verb::LieUp => self.lie_up(a, b),
            Verb::LieDown => {}
            Verb::Corrupt => self.corrupt(a, b),
            Verb::Stall => {
                let pipe = if a & 1 == 0 {
                    &mut self.up
                } else {
                    &mut self.down
                };
                pipe.stalled = !pipe.stalled && b & 3 == 0;
            }
            Verb::Finish if b & 3 == 0 => {
                self.whole = false;
                if a & 1 == 0 {
                    self.up.finish();
                } else {
                    self.down.finish();
                }
            }
            Verb::Cut if b & 3 == 0 => {
                self.whole = false;
                if a & 1 == 0 {
                    self.up.cut();
                } else {
                    self.down.cut();
                }
            }
            Verb::Finish | Verb::Cut => {}
            Verb::Settle => self.settle(world)?,
        }
        self.limits()
    }

    fn open_gate(&self, a: u32) {
        let waiting = self.stage.waiting();
        if let Some(n) = waiting.get(a as usize % waiting.len().max(1)) {
            self.stage.open(*n);
        }
    }

    fn lie_up(&mut self, a: u32, b: u32) {
        if !self.config.hostile {
            return;
        }
        self.clean = false;
        let wire = self.client.wires.back().copied().unwrap_or(65536);
        let line = lies::of_client(a, b, &wire.to_string(), u64::from(b >> 8 & 3) + 65536);
        if self.client.out.len() < 64 << 10 {
            self.client.out.put(&line);
        }
    }

    fn corrupt(&mut self, a: u32, b: u32) {
        const WITH: &[u8] = b"\n\"{}[],:0x\\ \xff\x00-e.";
        if self.config.hostile && self.up.corrupt(a as usize, WITH[b as usize % WITH.len()]) {
            self.clean = false;
        }
    }

    // Bytes.

    fn pump_up(&mut self, world: &World, max: usize) {
        pump(world.now, &mut self.client.out, &mut self.up, max, |_| {});
    }

    fn pump_down(&mut self, world: &World, max: usize) {
        let moved = pump(world.now, &mut self.server.out, &mut self.down, max, |_| {});
        if moved > 0 {
            self.server.dirty = true;
        }
        if self.server.done && self.server.out.is_empty() {
            self.down.finish();
        }
    }

    fn recv_up(&mut self, world: &World, max: usize) {
        let host = &mut self.server;
        if !host.reads || host.dirty {
            return;
        }
        let bytes = self.up.read(world.now, max);
        for line in host.causes.arrive(&bytes) {
            host.watch.line(&line);
        }
        host.causes.passed();
        host.input.extend_from_slice(&bytes);
        host.dirty |= !bytes.is_empty();
        if self.up.is_cut() && self.up.is_empty() && !host.over {
            host.over = true;
            if let Some(rest) = host.causes.end() {
                host.watch.line(&rest);
            }
            host.connection.end_of_input();
            host.dirty = true;
        }
    }

    fn recv_down(&mut self, world: &World, max: usize) {
        let end = &mut self.client;
        if !end.reads || end.dirty {
            return;
        }
        if world.mutates(Mutation::HalfDuplex) && !end.out.is_empty() {
            return;
        }
        let bytes = self.down.read(world.now, max);
        end.causes.arrive(&bytes);
        end.input.extend_from_slice(&bytes);
        end.model.line.input(&bytes);
        end.dirty |= !bytes.is_empty();
        if self.down.is_cut() && self.down.is_empty() && !end.over {
            end.over = true;
            end.causes.end();
            end.link.end_of_input();
            end.model.line.end_of_input();
            end.dirty = true;
        }
    }

    fn flow_up(&mut self, world: &mut World, max: usize) -> Checked {
        self.run_client(world)?;
        // A narrow pipe takes many turns.
        let until = self.up.moved.saturating_add(max as u64);
        for _ in 0..TURNS {
            let before = self.up.moved;
            self.pump_up(world, max);
            self.run_server(world)?;
            self.recv_up(world, max);
            self.run_server(world)?;
            if self.up.moved == before || self.up.moved >= until {
                break;
            }
        }
        Ok(())
    }

    fn flow_down(&mut self, world: &mut World, max: usize) -> Checked {
        self.tasks.pass(world.now);
        self.tasks.run();
        self.run_server(world)?;
        let until = self.down.moved.saturating_add(max as u64);
        for _ in 0..TURNS {
            let before = self.down.moved;
            self.pump_down(world, max);
            self.run_client(world)?;
            self.recv_down(world, max);
            self.run_client(world)?;
            if self.down.moved == before || self.down.moved >= until {
                break;
            }
        }
        Ok(())
    }

    /// When the next driver wants to wake up.
    #[must_use]
    pub fn wakeup(&self) -> Option<u64> {
        let client = self.client.link.poll_timeout().map(|w| w.at.as_micros());
        let server = self.server.wakeup.filter(|_| !self.server.done);
        let tasks = self.tasks.wakeup();
        [server, client, tasks].into_iter().flatten().min()
    }

    /// Time has come for some.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn wake(&mut self, world: &mut World) -> Checked {
        self.tasks.pass(world.now);
        self.tasks.run();
        if self.server.wakeup.is_some_and(|at| at <= world.now) {
            self.server.dirty = true;
        }
        let client = self.client.link.poll_timeout();
        if client.is_some_and(|wakeup| wakeup.at.as_micros() <= world.now) {
            self.client.dirty = true;
        }
        self.run_server(world)?;
        self.run_client(world)
    }

    fn run_client(&mut self, world: &mut World) -> Checked {
        let honest = self.clean && self.whole;
        self.client.honest = honest;
        self.client.run(world)?;
        for (token, pending, outcome) in core::mem::take(&mut self.client.ended) {
            self.ended(world, token, &pending, outcome)?;
        }
        Ok(())
    }

    fn limits(&self) -> Checked {
        let limits = &self.config.server_limits;
        let beyond = (limits.max_calls + limits.max_requests + 8) * LARGEST;
        require!(
            self.server.out.len() <= limits.outbox_high + beyond,
            LimitsHold,
            "{} bytes wait to be written",
            self.server.out.len()
        );
        require!(
            self.stage.alive() <= limits.max_calls,
            LimitsHold,
            "{} handlers are alive, {} may be",
            self.stage.alive(),
            limits.max_calls
        );
        Ok(())
    }

    /// Moves everything that can move and checks that nothing is stuck.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn settle(&mut self, world: &mut World) -> Checked {
        let stalled = self.up.stalled || self.down.stalled;
        self.moves(world)?;
        if stalled {
            return Ok(());
        }
        let stuck = [self.client.out.len(), self.server.out.len()];
        // Who lies too often is read no more, while what runs for it comes to its end.
        let deaf = !self.clean && !self.server.reads && stuck[1] == 0;
        let read = self.up.is_empty() && stuck[0] == 0 || self.server.done || deaf;
        require!(
            stuck[1] == 0 && read && self.down.is_empty(),
            Liveness,
            "stuck with {stuck:?} bytes to write through pipes of {:?}",
            self.config.capacity
        );
        if self.clean && self.whole {
            let live = self.server.watch.live();
            for (token, pending) in &self.client.pending {
                require!(
                    live.contains(&pending.id.wire().to_string()),
                    EndsExactlyOnce,
                    "request {token} ({}) was never answered",
                    pending.method
                );
            }
        }
        Ok(())
    }

    fn moves(&mut self, world: &mut World) -> Checked {
        for _ in 0..1_000_000 {
            let before = self.fingerprint(world);
            self.up.hurry();
            self.down.hurry();
            self.flow_up(world, usize::MAX)?;
            self.flow_down(world, usize::MAX)?;
            let woken = self.tasks.any_woken() || self.server.flag.is_set() || self.server.dirty;
            if self.fingerprint(world) == before && (!woken || self.server.done) {
                return Ok(());
            }
        }
        require!(false, NoHotLoop, "the lane never comes to rest");
        Ok(())
    }

    fn fingerprint(&self, world: &World) -> [u64; 6] {
        [
            world.events,
            self.up.moved,
            self.down.moved,
            self.server.input.len() as u64,
            self.client.input.len() as u64,
            u64::from(self.server.done),
        ]
    }

    /// Everybody leaves: nothing may be left.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn finish(mut self, world: &mut World) -> Checked {
        for pipe in [&self.up, &self.down] {
            world.digest(&pipe.digest.to_le_bytes());
        }
        self.whole = false;
        self.up.stalled = false;
        self.down.stalled = false;
        self.up.finish();
        self.down.cut();
        self.moves(world)?;
        // What hangs is given up after a bound.
        for _ in 0..100 {
            if self.server.done {
                break;
            }
            let Some(next) = self.wakeup() else { break };
            world.now = world.now.max(next);
            self.wake(world)?;
            self.moves(world)?;
        }
        require!(
            self.server.done && self.client.closed,
            Liveness,
            "the stream is over and {} is not",
            if self.server.done {
                "the client"
            } else {
                "the server"
            }
        );
        require!(
            self.client.pending.is_empty(),
            EndsExactlyOnce,
            "never ended: {:?}",
            self.client.pending
        );
        let Self {
            server,
            stage,
            tasks,
            ..
        } = self;
        let Host {
            service,
            connection,
            ..
        } = server;
        let kept = world.mutates(Mutation::Leak).then_some(connection);
        tasks.run();
        let left = [stage.alive(), service.hub().listeners(), tasks.len()];
        require!(
            left == [0; 3],
            MemoryToBaseline,
            "left behind: handlers, listeners, tasks {left:?}"
        );
        drop(kept);
        Ok(())
    }
}
