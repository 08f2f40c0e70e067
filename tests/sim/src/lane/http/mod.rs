//! HTTP without sockets: two replicas behind a balancer, clients that post, listen, leave and come back.
//!
//! Owns the requests under way and what each must be answered with. Heads and bodies arrive in pieces, a
//! response is polled only when somebody was woken or its time has come, and dropping it is a lost connection.
//! A replica may die at any moment and come back with nothing but its key. States of suspended calls are kept, to be used where they were minted for and where they were not.

mod client;
mod exchange;
mod facts;
mod judge;
mod lies;
mod replica;

use std::collections::VecDeque;

use mcp_proto::config::RevisionSet;
use mcp_server::http::HttpOptions;
use mcp_types::Revision;

use super::World;
use super::config::Config;
use super::wire::at;
use crate::failure::{Checked, require};
use crate::mutation::Mutation;
use crate::op::{Op, Verb};
use crate::rng::Rng;
use crate::stage::{Stage, Tasks};
use facts::{Exchange, Expect, Minted, Phase, Question, Session, modern};
use replica::{Plant, Replica};

/// See the module.
#[derive(Debug)]
pub struct HttpLane {
    hostile: bool,
    replicas: Vec<Replica>,
    plant: Plant,
    max_calls: usize,
    max_streams: usize,
    /// What one session may have in flight and still cancel.
    max_session_calls: usize,
    state_ttl: u64,
    session_ttl: u64,
    session_idle: u64,
    stage: Stage,
    tasks: Tasks,
    exchanges: Vec<Exchange>,
    sessions: Vec<Session>,
    minted: VecDeque<Minted>,
    questions: VecDeque<Question>,
    closing: bool,
    /// Facts about the request that begins next.
    brings: Option<(bool, u64)>,
    needs: Option<usize>,
}

impl HttpLane {
    /// A lane of that configuration.
    #[must_use]
    pub fn new(world: &World, configuration: u32) -> Self {
        let mut config = Config::new(configuration);
        let mut rng = Rng::new(u64::from(configuration) ^ 0x6874_7470);
        let shared = rng.one_in(2);
        let max_calls = rng.pick(&[2, 8, 1024]);
        let max_streams = rng.pick(&[1, 4, 1000]);
        // Questions and sessions live as long as a test does, not as long as people.
        config.server_limits.max_message = 4 << 20;
        config.set_revisions(if rng.one_in(6) {
            RevisionSet::of([Revision::LATEST])
        } else {
            RevisionSet::ALL
        });
        let (stage, tasks) = (Stage::default(), Tasks::default());
        let room = usize::from(world.mutates(Mutation::ExceedLimit)) * 8;
        let limits = config.server_limits.clone();
        let mut plant = Plant {
            config,
            key: shared.then_some([configuration as u8; 32]),
            options: HttpOptions::default()
                .with_max_calls(max_calls + room)
                .with_max_detached(max_calls)
                .with_max_streams(max_streams + room),
            stage: stage.clone(),
            tasks: tasks.clone(),
            lives: 0,
        };
        let millis = |d: core::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            hostile: plant.config.hostile,
            replicas: vec![plant.start(), plant.start()],
            plant,
            max_calls,
            max_streams,
            max_session_calls: limits.max_calls,
            state_ttl: millis(limits.state_ttl),
            session_ttl: millis(limits.session_ttl),
            session_idle: millis(limits.session_idle) * 1000,
            stage,
            tasks,
            exchanges: Vec::new(),
            sessions: Vec::new(),
            minted: VecDeque::new(),
            questions: VecDeque::new(),
            closing: false,
            brings: None,
            needs: None,
        }
    }

    /// Whether the server goes down.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closing && self.exchanges.is_empty()
    }

    /// Whether lies are told here.
    #[must_use]
    pub fn is_hostile(&self) -> bool {
        self.hostile
    }

    /// Does one operation.
    ///
    /// # Errors
    /// The invariant that it broke.
    pub fn apply(&mut self, world: &mut World, op: Op) -> Checked {
        let (a, b) = (op.a, op.b);
        match op.verb {
            Verb::Open | Verb::Wall | Verb::Tick | Verb::Jump | Verb::Speak => {}
            Verb::Request => self.request(world, a, b)?,
            Verb::Cancel | Verb::Cut => self.leave(world, a, b)?,
            Verb::Notify => self.notify(world, a, b)?,
            Verb::Reply | Verb::Ask => self.reply(world, a, b)?,
            Verb::Stale | Verb::Withdraw => self.misuse(world, a, b)?,
            Verb::Answer | Verb::Progress | Verb::Log => {
                let waiting = self.stage.waiting();
                if let Some(n) = waiting.get(a as usize % waiting.len().max(1)) {
                    self.stage.open(*n);
                }
            }
            Verb::Changed => {
                let replica = &self.replicas[(b & 1) as usize];
                let uri = if a & 1 == 0 { "a://1" } else { "a://2" };
                replica.service.notify_resource_updated(uri);
            }
            Verb::Drain => {
                if a & 15 == 0 {
                    self.closing = true;
                    self.replicas
                        .iter()
                        .for_each(|replica| replica.server.shutdown());
                }
            }
            // What goes down does not come back.
            Verb::Restart if self.closing => {}
            Verb::Restart => self.restart(world, (a & 1) as usize)?,
            Verb::PumpUp | Verb::RecvUp | Verb::FlowUp | Verb::RunClient => {
                self.feed(world, a, b)?;
            }
            Verb::PumpDown | Verb::RecvDown => self.drive_some(world, a, 1)?,
            Verb::FlowDown if b & 1 == 0 => self.drive_some(world, a, 3)?,
            Verb::FlowDown | Verb::RunServer => self.drive(world, a)?,
            Verb::Probe => self.probe(world, a)?,
            Verb::LieUp | Verb::Corrupt => self.lie(world, a, b)?,
            Verb::LieDown | Verb::Stall | Verb::Finish => self.tasks.run(),
            Verb::Settle => self.settle(world)?,
        }
        self.limits()
    }

    // Checks.

    fn probe(&mut self, world: &mut World, a: u32) -> Checked {
        if self.exchanges.is_empty() {
            return Ok(());
        }
        let at = a as usize % self.exchanges.len();
        let exchange = &self.exchanges[at];
        let due = exchange.wakeup.is_some_and(|wakeup| wakeup <= world.now);
        let reason = exchange.dirty || exchange.flag.is_set() || due;
        if exchange.phase == Phase::Body || reason || self.tasks.any_woken() {
            return Ok(());
        }
        let expect = exchange.expect.clone();
        let started = self.stage.started();
        let moved = self.poll(world, at)?;
        require!(
            !moved && self.stage.started() == started,
            NoLostWakeup,
            "{expect:?} had something to say and nobody knew"
        );
        Ok(())
    }

    fn limits(&self) -> Checked {
        // As many whose client left as others.
        let max_calls = 2 * self.max_calls;
        for replica in &self.replicas {
            let (calls, streams) = (replica.server.calls(), replica.server.streams());
            require!(
                calls <= max_calls && streams <= self.max_streams,
                LimitsHold,
                "{calls} calls and {streams} streams, {max_calls} and {} allowed",
                self.max_streams
            );
        }
        Ok(())
    }

    /// When something wants to be polled.
    #[must_use]
    pub fn wakeup(&self) -> Option<u64> {
        let exchanges = self.exchanges.iter().filter_map(|exchange| exchange.wakeup);
        exchanges.chain(self.tasks.wakeup()).min()
    }

    /// Time has come for some.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn wake(&mut self, world: &mut World) -> Checked {
        self.drive(world, 0)
    }

    fn settle(&mut self, world: &mut World) -> Checked {
        for round in 0.. {
            require!(round < 10_000, NoHotLoop, "the lane never comes to rest");
            let bodies: Vec<usize> = (0..self.exchanges.len())
                .filter(|at| self.exchanges[*at].phase == Phase::Body)
                .collect();
            for at in &bodies {
                self.feed_one(world, *at, 1)?;
            }
            self.drive(world, 0)?;
            let woken = self.exchanges.iter().any(|e| e.dirty || e.flag.is_set());
            if bodies.is_empty() && !woken && !self.tasks.any_woken() {
                break;
            }
        }
        // Who waits now waits for a gate, an answer, or a change, and has nothing to say before.
        for at in 0..self.exchanges.len() as u32 {
            self.probe(world, at)?;
        }
        for exchange in &self.exchanges {
            if let Expect::Answer(id) = &exchange.expect {
                require!(
                    false,
                    Liveness,
                    "request {id} is stuck in {:?}",
                    exchange.phase
                );
            }
        }
        Ok(())
    }

    /// Everybody leaves: nothing may be left.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn finish(mut self, world: &mut World) -> Checked {
        if world.nonce.is_multiple_of(3) {
            self.closing = true;
            self.replicas
                .iter()
                .for_each(|replica| replica.server.shutdown());
            self.settle(world)?;
            for exchange in &self.exchanges {
                require!(
                    !matches!(
                        exchange.expect,
                        Expect::Listen { .. } | Expect::Stream { .. }
                    ) || exchange.phase == Phase::Body,
                    Liveness,
                    "the server goes down and {:?} goes on",
                    exchange.expect
                );
            }
        }
        if !world.mutates(Mutation::Leak) {
            self.exchanges.clear();
        }
        // What goes on without its client is let through.
        for _ in 0..1000 {
            self.tasks.run();
            let waiting = self.stage.waiting();
            if self.tasks.is_empty() {
                break;
            }
            waiting.iter().for_each(|n| self.stage.open(*n));
            if !self.tasks.any_woken() {
                // Questions that nobody answers end by themselves, though nobody calls any more.
                let Some(next) = self.tasks.wakeup() else {
                    break;
                };
                world.now = world.now.max(next);
                self.tasks.pass(world.now);
            }
        }
        // Idle sessions lose what they had.
        world.now = world.now.saturating_add(self.session_idle * 2 + 1);
        let mut left = vec![self.tasks.len(), self.stage.alive()];
        for replica in &self.replicas {
            let parts = modern("server/discover", None).body(());
            if let Ok(request) = parts {
                drop(
                    replica
                        .server
                        .begin(at(world), request.into_parts().0, None),
                );
            }
            left.push(replica.server.calls());
            left.push(replica.server.streams());
            left.push(replica.server.sessions());
            left.push(replica.service.hub().listeners());
        }
        require!(
            left.iter().all(|n| *n == 0),
            MemoryToBaseline,
            "left behind: tasks, handlers, and of each replica calls, streams, sessions, listeners {left:?}"
        );
        Ok(())
    }
}
