//! A client's link and a whole server: the framework's connection, real handlers, real questions.
//!
//! Owns what lies between the two ends, and what must hold for both.

mod host;
mod restart;
mod user;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::between::{Between, Joined};
use super::client::ClientEnd;
use super::config::Config;
use super::wire::{LARGEST, portion, pump};
use super::{World, lies};
use crate::failure::{Checked, require};
use crate::mutation::Mutation;
use crate::op::{Op, Verb};
use crate::stage::{Stage, Tasks};
use host::{Host, Plant};
use user::Errand;
pub use user::{plan, said};

/// See the module.
#[derive(Debug)]
pub struct ServiceLane {
    config: Arc<Config>,
    between: Between,
    client: ClientEnd,
    server: Host,
    plant: Plant,
    stage: Stage,
    tasks: Tasks,
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
            between: Between::new(&config),
            client: ClientEnd::new(Arc::clone(&config)),
            server: plant.start(),
            plant,
            stage,
            tasks,
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
                    self.between.whole = false;
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
            Verb::FlowDown => self.down_flows(world, portion(a))?,
            Verb::RunServer => self.run_host(world)?,
            Verb::RunClient => self.run_client(world)?,
            Verb::Probe => self.probe(world)?,
            Verb::LieUp => self.lie_up(a, b),
            Verb::LieDown => {}
            Verb::Corrupt if self.config.hostile => self.between.corrupt(0, a, b),
            Verb::Corrupt => {}
            Verb::Stall => self.between.stall(a, b),
            Verb::Finish => self.between.finish(a, b),
            Verb::Cut => self.between.cut(a, b),
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
        self.between.clean = false;
        let wire = self.client.wires.back().copied().unwrap_or(65536);
        let line = lies::of_client(a, b, &wire.to_string(), u64::from(b >> 8 & 3) + 65536);
        if self.client.out.len() < 64 << 10 {
            self.client.out.put(&line);
        }
    }

    /// What was put off is done before bytes go down.
    fn down_flows(&mut self, world: &mut World, max: usize) -> Checked {
        self.tasks.pass(world.now);
        self.tasks.run();
        self.flow_down(world, max)
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
        self.run_host(world)?;
        self.run_client(world)
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
        let stalled = self.between.is_stalled();
        self.moves(world)?;
        if stalled {
            return Ok(());
        }
        let stuck = [self.client.out.len(), self.server.out.len()];
        // Who lies too often is read no more, while what runs for it comes to its end.
        let deaf = !self.between.clean && !self.server.reads && stuck[1] == 0;
        let read = self.between.up.is_empty() && stuck[0] == 0 || self.server.done || deaf;
        require!(
            stuck[1] == 0 && read && self.between.down.is_empty(),
            Liveness,
            "stuck with {stuck:?} bytes to write through pipes of {:?}",
            self.config.capacity
        );
        if self.between.is_honest() {
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
            self.between.hurry();
            self.flow_up(world, usize::MAX)?;
            self.down_flows(world, usize::MAX)?;
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
            self.between.up.moved,
            self.between.down.moved,
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
        self.between.digest(world);
        self.between.whole = false;
        self.between.up.stalled = false;
        self.between.down.stalled = false;
        self.between.up.finish();
        self.between.down.cut();
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

impl Joined for ServiceLane {
    fn between(&self) -> &Between {
        &self.between
    }

    fn pump_up(&mut self, world: &World, max: usize) {
        pump(
            world.now,
            &mut self.client.out,
            &mut self.between.up,
            max,
            |_| {},
        );
    }

    fn pump_down(&mut self, world: &World, max: usize) {
        let moved = pump(
            world.now,
            &mut self.server.out,
            &mut self.between.down,
            max,
            |_| {},
        );
        if moved > 0 {
            self.server.dirty = true;
        }
        if self.server.done && self.server.out.is_empty() {
            self.between.down.finish();
        }
    }

    fn recv_up(&mut self, world: &World, max: usize) {
        let host = &mut self.server;
        if !host.reads || host.dirty {
            return;
        }
        let bytes = self.between.up.read(world.now, max);
        for line in host.causes.arrive(&bytes) {
            host.watch.line(&line);
        }
        host.causes.passed();
        host.input.extend_from_slice(&bytes);
        host.dirty |= !bytes.is_empty();
        if self.between.up.is_cut() && self.between.up.is_empty() && !host.over {
            host.over = true;
            if let Some(rest) = host.causes.end() {
                host.watch.line(&rest);
            }
            host.connection.end_of_input();
            host.dirty = true;
        }
    }

    fn recv_down(&mut self, world: &World, max: usize) {
        self.client.receive(world, &mut self.between.down, max);
    }

    fn run_client(&mut self, world: &mut World) -> Checked {
        let honest = self.between.is_honest();
        self.client.honest = honest;
        self.client.run(world)?;
        for (token, pending, outcome) in core::mem::take(&mut self.client.ended) {
            self.ended(world, token, &pending, outcome)?;
        }
        Ok(())
    }

    fn run_server(&mut self, world: &mut World) -> Checked {
        self.run_host(world)
    }
}
