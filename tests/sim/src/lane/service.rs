//! A client's link and a whole server: the framework's connection, real handlers, real questions.
//!
//! Owns the driver of the connection, which polls it when something was read or flushed, when it was woken and
//! when its time has come; and the user behind the client, who answers questions honestly or not at all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::BytesMut;
use mcp_proto::outbox::Outbox;
use mcp_server::{Connection, Service};
use serde_json::{Value, json};

use super::client::{ClientEnd, Pending, Question};
use super::config::Config;
use super::watch::{Causes, WireWatch, shown};
use super::wire::{LARGEST, TURNS, at, portion, pump, told, written};
use super::{World, lies};
use crate::failure::{Checked, require};
use crate::model::client::Outcome;
use crate::mutation::Mutation;
use crate::op::{Op, Verb};
use crate::pipe::Pipe;
use crate::stage::{Flag, Stage, Tasks, is_said_for};

/// See the module.
#[derive(Debug)]
pub struct ServiceLane {
    config: Arc<Config>,
    up: Pipe,
    down: Pipe,
    client: ClientEnd,
    server: Host,
    stage: Stage,
    tasks: Tasks,
    clean: bool,
    whole: bool,
    /// What was asked for with a token.
    errands: BTreeMap<u64, Errand>,
    /// Calls that need input, with what the user says.
    retries: VecDeque<(Errand, Value)>,
}

/// A connection and its driver.
#[derive(Debug)]
struct Host {
    service: Service,
    connection: Connection,
    input: BytesMut,
    out: Outbox,
    flag: Arc<Flag>,
    waker: Waker,
    watch: WireWatch,
    causes: Causes,
    dirty: bool,
    reads: bool,
    over: bool,
    done: bool,
    wakeup: Option<u64>,
}

/// A call of a tool.
#[derive(Clone, Debug)]
struct Errand {
    n: u64,
    plan: String,
    tool: &'static str,
}

impl ServiceLane {
    /// A lane of that configuration.
    #[must_use]
    pub fn new(world: &mut World, configuration: u32) -> Self {
        let config = Arc::new(Config::new(configuration));
        let (stage, tasks) = (Stage::default(), Tasks::default());
        let room = usize::from(world.mutates(Mutation::ExceedLimit)) * 8;
        let service = config.service(&stage, None, room);
        let flag = Arc::new(Flag::default());
        let seed = [configuration as u8; 32];
        world.nonce += 1;
        Self {
            up: Pipe::new(config.capacity[0], config.delay[0]),
            down: Pipe::new(config.capacity[1], config.delay[1]),
            client: ClientEnd::new(Arc::clone(&config)),
            server: Host {
                connection: Connection::new(service.clone(), Arc::new(tasks.clone()), seed),
                service,
                input: BytesMut::new(),
                out: Outbox::new(config.server_limits.outbox_high),
                waker: Waker::from(Arc::clone(&flag)),
                flag,
                watch: WireWatch::default(),
                causes: Causes::default(),
                dirty: true,
                reads: false,
                over: false,
                done: false,
                wakeup: None,
            },
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

    fn request(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        world.nonce += 1;
        let nonce = world.nonce;
        let modern = self.client.revision.is_modern();
        // Only an honest client that shook hands can expect anything.
        let (method, params) = match a % 24 {
            0..=15 => {
                let errand = Errand {
                    n: nonce,
                    plan: plan(b >> 9, a >> 8),
                    tool: if a & 256 == 0 { "act" } else { "other" },
                };
                let params = errand.params();
                self.errands.insert(nonce, errand);
                ("tools/call", params)
            }
            16 => ("tools/list", json!({})),
            17 => ("resources/read", json!({"uri":"a://1"})),
            18 => ("tools/call", json!({"name":"none","arguments":{}})),
            19..=21 if modern => {
                let mut filter = json!({"toolsListChanged":a & 256 != 0});
                if a & 512 != 0 {
                    filter["resourceSubscriptions"] = json!(["a://1"]);
                }
                ("subscriptions/listen", json!({"notifications":filter}))
            }
            19 | 20 => (
                "initialize",
                json!({"protocolVersion":self.client.revision.as_str(),
                    "capabilities":{"elicitation":{},"roots":{}},
                    "clientInfo":{"name":"sim-client","version":"2"}}),
            ),
            21 => ("resources/subscribe", json!({"uri":"a://1"})),
            22 => ("nope", json!({})),
            _ => ("tools/list", json!({"cursor":"x"})),
        };
        self.client.request(world, method, &params, nonce, b)
    }

    /// Answers a question of a legacy server, or repeats a modern call with the answers.
    fn reply(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        if let Some((errand, more)) = self.retries.pop_front() {
            if b & 15 == 0 {
                // The user went away.
                return Ok(());
            }
            world.nonce += 1;
            let nonce = world.nonce;
            let mut params = errand.params();
            params["requestState"] = more["requestState"].clone();
            params["inputResponses"] = more["inputResponses"].clone();
            self.errands.insert(nonce, errand);
            return self.client.request(world, "tools/call", &params, nonce, b);
        }
        self.client.reply(world, a, b, answer)
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
        end.model.input(&bytes);
        end.dirty |= !bytes.is_empty();
        if self.down.is_cut() && self.down.is_empty() && !end.over {
            end.over = true;
            end.causes.end();
            end.link.end_of_input();
            end.model.end_of_input();
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

    // Drivers.

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

    fn run_server(&mut self, world: &mut World) -> Checked {
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
    fn poll_server(&mut self, world: &mut World) -> Checked<usize> {
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

    fn probe(&mut self, world: &mut World) -> Checked {
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

    fn run_client(&mut self, world: &mut World) -> Checked {
        let honest = self.clean && self.whole;
        self.client.honest = honest;
        self.client.run(world)?;
        for (token, pending, outcome) in core::mem::take(&mut self.client.ended) {
            self.ended(world, token, &pending, outcome)?;
        }
        Ok(())
    }

    fn ended(&mut self, world: &World, token: u64, pending: &Pending, outcome: Outcome) -> Checked {
        let honest = self.clean && self.whole;
        let errand = self.errands.remove(&token);
        require!(
            !honest || outcome != Outcome::Invalid,
            HonestPeersAgree,
            "an honest answer to {} is invalid",
            pending.method
        );
        let Some(errand) = errand.filter(|_| self.clean) else {
            return Ok(());
        };
        match outcome {
            Outcome::Complete(mut result) => {
                if world.mutates(Mutation::CrossTalk) {
                    result["content"][0]["text"] = json!(format!("{}:", errand.n + 1));
                }
                let text = result["content"][0]["text"].as_str().unwrap_or_default();
                let said = if result["isError"] == true {
                    // The client refused, the handler failed, or the revision has no questions.
                    errand.plan.contains(['f', 'e', '2', 'x'])
                } else {
                    is_said_for(text, errand.n)
                };
                require!(said, NoCrossTalk, "{errand:?} was answered with {result}");
            }
            Outcome::InputRequired(result) => {
                require!(
                    errand.plan.contains(['e', '2']),
                    NoCrossTalk,
                    "{errand:?} asks nothing: {result}"
                );
                let mut responses = json!({});
                for (key, request) in result["inputRequests"].as_object().into_iter().flatten() {
                    responses[key] = said(&request["params"]);
                }
                let more = json!({"requestState":result["requestState"],
                    "inputResponses":responses});
                self.retries.push_back((errand, more));
            }
            _ => {}
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
        let read = self.up.is_empty() || self.server.done;
        require!(
            stuck == [0, 0] && read && self.down.is_empty(),
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

    fn fingerprint(&self, world: &World) -> [u64; 5] {
        [
            world.events,
            self.up.moved,
            self.down.moved,
            self.server.input.len() as u64,
            self.client.input.len() as u64,
        ]
    }

    /// Everybody leaves: nothing may be left.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn finish(mut self, world: &mut World) -> Checked {
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

impl Errand {
    fn params(&self) -> Value {
        json!({"name":self.tool,"arguments":{"n":self.n,"plan":self.plan}})
    }
}

/// What a handler does.
#[must_use]
pub fn plan(mut chance: u32, seed: u32) -> String {
    const STEPS: &[u8] = b"ppplwweee2cuxfbk";
    chance ^= seed.rotate_left(16);
    let mut plan = String::new();
    while plan.len() < 6 && !chance.is_multiple_of(8) {
        plan.push(char::from(STEPS[(chance >> 3) as usize % STEPS.len()]));
        chance = chance.rotate_right(7);
        chance = chance.wrapping_mul(0x9e37_79b1);
    }
    plan
}

/// What the user says to a form: what it asks to repeat.
#[must_use]
pub fn said(params: &Value) -> Value {
    json!({"action":"accept","content":{"answer":params["message"]}})
}

fn answer(question: &Question) -> Value {
    let params: Value = serde_json::from_str(&question.params).unwrap_or_default();
    match question.method.as_str() {
        "elicitation/create" => said(&params),
        _ => json!({"roots":[]}),
    }
}
