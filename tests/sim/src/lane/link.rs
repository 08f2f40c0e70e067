//! A client's link and a server's link with two pipes between them, each beside its model.
//!
//! Owns both drivers, written by the contract and nothing else: a machine is asked after something was read,
//! called or flushed, and when its deadline has come.

use std::sync::Arc;

use serde_json::{Value, json};

use super::client::ClientEnd;
use super::config::Config;
use super::server::ServerEnd;
use super::wire::{LARGEST, TURNS, nth, portion, pump};
use super::{World, lies};
use crate::failure::{Checked, require};
use crate::model::client::{self as client_model, Outcome};
use crate::model::server as server_model;
use crate::model::server::LEVELS;
use crate::mutation::Mutation;
use crate::op::{Op, Verb};
use crate::pipe::Pipe;

/// See the module.
#[derive(Debug)]
pub struct LinkLane {
    config: Arc<Config>,
    up: Pipe,
    down: Pipe,
    server: ServerEnd,
    client: ClientEnd,
    /// Whether only honest messages were sent, and none was changed.
    clean: bool,
    /// Whether nothing was cut off and nobody went down.
    whole: bool,
}

impl LinkLane {
    /// A lane of that configuration.
    #[must_use]
    pub fn new(world: &World, configuration: u32) -> Self {
        let config = Arc::new(Config::new(configuration));
        let room = if world.mutates(Mutation::ExceedLimit) {
            3
        } else {
            0
        };
        Self {
            up: Pipe::new(config.capacity[0], config.delay[0]),
            down: Pipe::new(config.capacity[1], config.delay[1]),
            server: ServerEnd::new(Arc::clone(&config), room),
            client: ClientEnd::new(Arc::clone(&config)),
            clean: !config.hostile,
            whole: true,
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
        self.server.closed || self.client.closed
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
            Verb::Open | Verb::Wall | Verb::Tick | Verb::Jump | Verb::Restart => {}
            Verb::Request => {
                world.nonce += 1;
                let nonce = world.nonce;
                let (method, params) = self.request_of(a, nonce);
                self.client.request(world, method, &params, nonce, b)?;
            }
            Verb::Cancel => self.client.cancel(world, a, b)?,
            Verb::Notify => self.client.notify(world, a)?,
            Verb::Reply => self
                .client
                .reply(world, a, b, |_| json!({"roots":[],"n":b}))?,
            Verb::Speak => self.client.speak(a),
            Verb::Answer => self.server.answer(world, a, b)?,
            Verb::Progress => self.server.progress(world, a, b)?,
            Verb::Log => self.server.log(world, a, b)?,
            Verb::Ask => self.server.ask(world, a, b)?,
            Verb::Withdraw => self.server.withdraw(world, a)?,
            Verb::Changed => self.server.changed(a, b),
            Verb::Stale => self.server.stale(world, a, b)?,
            Verb::Drain if a & 7 == 0 => {
                self.whole = false;
                self.server.drain(world)?;
            }
            Verb::Drain => {}
            Verb::PumpUp => self.pump_up(world, portion(a)),
            Verb::PumpDown => self.pump_down(world, portion(a)),
            Verb::RecvUp => self.recv_up(world, portion(a)),
            Verb::RecvDown => self.recv_down(world, portion(a)),
            Verb::FlowUp => self.flow_up(world, portion(a))?,
            Verb::FlowDown => self.flow_down(world, portion(a))?,
            Verb::RunServer => self.server.run(world)?,
            Verb::RunClient => self.run_client(world)?,
            Verb::Probe => self.probe(world, a)?,
            Verb::LieUp => self.lie_up(a, b),
            Verb::LieDown => self.lie_down(a, b),
            Verb::Corrupt => self.corrupt(a, b),
            Verb::Stall => {
                let pipe = if a & 1 == 0 {
                    &mut self.up
                } else {
                    &mut self.down
                };
                pipe.stalled = !pipe.stalled && b & 3 == 0;
            }
            Verb::Finish => {
                // Seldom: a cut lane has little more to tell.
                if b & 3 == 0 {
                    self.whole = false;
                    if a & 1 == 0 {
                        self.up.finish()
                    } else {
                        self.down.finish()
                    }
                }
            }
            Verb::Cut => {
                if b & 3 == 0 {
                    self.whole = false;
                    if a & 1 == 0 {
                        self.up.cut()
                    } else {
                        self.down.cut()
                    }
                }
            }
            Verb::Settle => self.settle(world)?,
        }
        self.limits(world)
    }

    fn request_of(&self, a: u32, nonce: u64) -> (&'static str, Value) {
        let uri = format!("a://{}", a >> 8 & 3);
        let n = a % 40;
        let modern = self.client.revision.is_modern();
        match n {
            0..=13 => {
                let mut arguments = json!({"n":nonce});
                if n == 13 {
                    arguments["pad"] = json!("p\n\u{e4}".repeat((a >> 8 & 0xfff) as usize));
                }
                ("tools/call", json!({"name":"t","arguments":arguments}))
            }
            14..=16 => ("tools/list", json!({})),
            17 => ("prompts/get", json!({"name":"p","arguments":{"n":nonce}})),
            18 => ("resources/read", json!({"uri":uri})),
            19 => ("prompts/list", json!({"cursor":""})),
            20 => ("resources/templates/list", json!({})),
            21..=27 if modern => {
                let mut filter = json!({});
                if a & 256 != 0 {
                    filter["toolsListChanged"] = json!(true);
                }
                if a & 512 != 0 {
                    filter["promptsListChanged"] = json!(a & 1024 != 0);
                }
                if a & 2048 != 0 {
                    filter["resourcesListChanged"] = json!(true);
                }
                if a & 4096 != 0 {
                    filter["resourceSubscriptions"] = json!([uri, "a://1", uri, "a://2"]);
                }
                ("subscriptions/listen", json!({"notifications":filter}))
            }
            28..=29 if modern => ("server/discover", json!({})),
            21..=24 => {
                let version = self.client.revision.as_str();
                (
                    "initialize",
                    json!({"protocolVersion":version,"capabilities":{"roots":{}},
                    "clientInfo":{"name":"sim-client","version":"2"}}),
                )
            }
            25..=27 => ("resources/subscribe", json!({"uri":uri})),
            28 => ("resources/unsubscribe", json!({"uri":uri})),
            29 => (
                "logging/setLevel",
                json!({"level":LEVELS[(a >> 8) as usize % 8]}),
            ),
            30 => ("ping", json!({})),
            31 => ("nope", json!({"a":[1,2.5,null,"x"]})),
            32 => ("completion/complete", json!({})),
            _ => ("tools/call", json!({"name":"t","arguments":{"n":nonce}})),
        }
    }

    fn lie_up(&mut self, a: u32, b: u32) {
        if !self.config.hostile {
            return;
        }
        self.clean = false;
        let wire = nth(self.client.wires.iter(), b >> 4)
            .copied()
            .unwrap_or(65536);
        let id = if b & 1 == 0 {
            wire.to_string()
        } else {
            (b >> 4 & 7).to_string()
        };
        let line = lies::of_client(a, b, &id, self.server.last_ask);
        if self.client.out.len() < 64 << 10 {
            self.client.out.put(&line);
        }
    }

    fn lie_down(&mut self, a: u32, b: u32) {
        if !self.config.hostile {
            return;
        }
        self.clean = false;
        let wire = nth(self.client.wires.iter(), b >> 4)
            .copied()
            .unwrap_or(65536);
        let line = lies::of_server(a, b, &wire.to_string());
        if self.server.out.len() < 64 << 10 {
            self.server.out.put(&line);
        }
    }

    fn corrupt(&mut self, a: u32, b: u32) {
        if !self.config.hostile {
            return;
        }
        let pipe = if b & 1 == 0 {
            &mut self.up
        } else {
            &mut self.down
        };
        const WITH: &[u8] = b"\n\"{}[],:0x\\ \xff\x00-e.";
        let with = WITH[(b >> 1) as usize % WITH.len()];
        if pipe.corrupt(a as usize, with) {
            self.clean = false;
        }
    }

    fn pump_up(&mut self, world: &World, max: usize) {
        let (end, pipe) = (&mut self.client, &mut self.up);
        pump(world.now, &mut end.out, pipe, max, |_| {});
    }

    fn pump_down(&mut self, world: &World, max: usize) {
        let (end, pipe) = (&mut self.server, &mut self.down);
        let falsify = self.clean && world.mutates(Mutation::Falsify);
        let moved = pump(world.now, &mut end.out, pipe, max, |bytes| {
            if falsify && let Some(at) = bytes.windows(5).position(|w| w == b"\"2.0\"") {
                bytes[at + 1] = b'1';
            }
        });
        if moved > 0 && !end.reads {
            // It asked for a flush.
            end.dirty = true;
        }
    }

    fn recv_up(&mut self, world: &World, max: usize) {
        let end = &mut self.server;
        if !end.reads || end.dirty {
            return;
        }
        let bytes = self.up.read(world.now, max);
        for line in end.causes.arrive(&bytes) {
            end.watch.line(&line);
        }
        end.input.extend_from_slice(&bytes);
        end.model.line.input(&bytes);
        end.dirty |= !bytes.is_empty();
        if self.up.is_cut() && self.up.is_empty() && !end.over {
            end.over = true;
            if let Some(rest) = end.causes.end() {
                end.watch.line(&rest);
            }
            end.link.end_of_input();
            end.model.line.end_of_input();
            end.dirty = true;
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

    /// Runs the client and judges what has ended.
    fn run_client(&mut self, world: &mut World) -> Checked {
        let honest = self.clean && self.whole;
        self.client.honest = honest && !self.config.mixed;
        self.client.run(world)?;
        for (token, pending, mut outcome) in core::mem::take(&mut self.client.ended) {
            if world.mutates(Mutation::CrossTalk)
                && let Outcome::Complete(result) = &mut outcome
                && let Some(n) = result["n"].as_u64()
            {
                result["n"] = json!(n + 1);
            }
            if !honest {
                continue;
            }
            require!(
                outcome != Outcome::Invalid,
                HonestPeersAgree,
                "an honest answer to {} is invalid",
                pending.method
            );
            if let Outcome::Complete(result) | Outcome::InputRequired(result) = &outcome
                && matches!(pending.method, "tools/call" | "prompts/get")
            {
                require!(
                    result["n"] == json!(token),
                    NoCrossTalk,
                    "request {token} was answered with {result}"
                );
            }
        }
        Ok(())
    }

    fn flow_up(&mut self, world: &mut World, max: usize) -> Checked {
        self.run_client(world)?;
        // A narrow pipe takes many turns.
        let until = self.up.moved.saturating_add(max as u64);
        for _ in 0..TURNS {
            let before = self.up.moved;
            self.pump_up(world, max);
            self.server.run(world)?;
            self.recv_up(world, max);
            self.server.run(world)?;
            if self.up.moved == before || self.up.moved >= until {
                break;
            }
        }
        Ok(())
    }

    fn flow_down(&mut self, world: &mut World, max: usize) -> Checked {
        self.server.run(world)?;
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
        let server = self.server.link.poll_timeout().map(|w| w.at.as_micros());
        // A flush is no matter of time.
        let server = server.filter(|_| !self.server.out.is_full());
        let client = self.client.link.poll_timeout().map(|w| w.at.as_micros());
        [server, client].into_iter().flatten().min()
    }

    /// Time has come for some.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn wake(&mut self, world: &mut World) -> Checked {
        let due = |at: Option<mcp_proto::time::Wakeup>| {
            at.is_some_and(|wakeup| wakeup.at.as_micros() <= world.now)
        };
        if due(self.server.link.poll_timeout()) {
            self.server.dirty = true;
        }
        if due(self.client.link.poll_timeout()) {
            self.client.dirty = true;
        }
        self.server.run(world)?;
        self.run_client(world)
    }

    /// Asks a machine that has no reason to do anything: it must not do anything.
    fn probe(&mut self, world: &mut World, a: u32) -> Checked {
        if a & 1 == 0 {
            let due = self
                .server
                .link
                .poll_timeout()
                .is_some_and(|w| w.at.as_micros() <= world.now);
            if self.server.dirty || due {
                return Ok(());
            }
            let (step, wrote) = self.server.step(world)?;
            require!(
                !wrote && !matches!(step, server_model::Next::Event(_)),
                NoLostWakeup,
                "the server had something to say and nobody knew: {step:?}"
            );
        } else {
            let due = self
                .client
                .link
                .poll_timeout()
                .is_some_and(|w| w.at.as_micros() <= world.now);
            if self.client.dirty || due {
                return Ok(());
            }
            let before = self.client.out.len();
            let step = self.client.step(world)?;
            require!(
                step == client_model::Next::Input && self.client.out.len() == before,
                NoLostWakeup,
                "the client had something to say and nobody knew: {step:?}"
            );
        }
        Ok(())
    }

    fn limits(&self, world: &World) -> Checked {
        let (server, client) = (&self.config.server_limits, &self.config.client_limits);
        let in_flight = self.server.link.in_flight();
        require!(
            in_flight <= server.max_calls,
            LimitsHold,
            "{in_flight} calls in flight, {} allowed",
            server.max_calls
        );
        require!(
            self.server.watch.subscriptions() <= server.max_listens,
            LimitsHold,
            "{} subscriptions, {} allowed",
            self.server.watch.subscriptions(),
            server.max_listens
        );
        let waiting = self.client.link.in_flight();
        require!(
            waiting <= client.max_requests && self.client.link.asked_for() <= client.max_calls,
            LimitsHold,
            "{waiting} requests wait, {} allowed",
            client.max_requests
        );
        // What an application has said goes out, full or not: one frame for each call at most.
        let beyond = (server.max_calls + server.max_requests + 8) * LARGEST;
        require!(
            self.server.out.len() <= server.outbox_high + beyond + (64 << 10),
            LimitsHold,
            "{} bytes wait to be written",
            self.server.out.len()
        );
        for (input, max) in [
            (&self.server.input, server.max_message),
            (&self.client.input, client.max_message),
        ] {
            require!(
                input.len() <= max + (1 << 20),
                LimitsHold,
                "{} bytes of input wait, messages have at most {max}",
                input.len()
            );
        }
        require!(
            self.client.link.in_flight() == self.client.model.in_flight()
                && self.server.link.in_flight() == self.server.model.in_flight()
                && self.client.link.asked_for() == self.client.model.asked_for(),
            ModelAgrees,
            "the tables differ at {}",
            world.now
        );
        Ok(())
    }

    /// Moves everything that can move and checks that nothing is stuck.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn settle(&mut self, world: &mut World) -> Checked {
        let stalled = self.up.stalled || self.down.stalled;
        self.up.hurry();
        self.down.hurry();
        for _ in 0..1_000_000 {
            let before = self.fingerprint(world);
            self.flow_up(world, usize::MAX)?;
            self.flow_down(world, usize::MAX)?;
            self.up.hurry();
            self.down.hurry();
            if self.fingerprint(world) == before {
                break;
            }
        }
        if stalled {
            return Ok(());
        }
        let stuck = [self.client.out.len(), self.server.out.len()];
        require!(
            stuck == [0, 0] && self.up.is_empty() && self.down.is_empty(),
            Liveness,
            "stuck with {stuck:?} bytes to write through pipes of {:?}, server reads {} dirty {}, client reads {} dirty {}, pipes empty {} {}",
            self.config.capacity,
            self.server.reads,
            self.server.dirty,
            self.client.reads,
            self.client.dirty,
            self.up.is_empty(),
            self.down.is_empty(),
        );
        if self.clean && self.whole && !self.config.mixed {
            // Every request has ended, or its call is alive.
            let held: Vec<u64> = self
                .server
                .live
                .iter()
                .chain(&self.server.subscriptions)
                .filter_map(|live| live.peer.as_u64())
                .collect();
            for (token, pending) in &self.client.pending {
                require!(
                    held.contains(&pending.id.wire()),
                    EndsExactlyOnce,
                    "request {token} ({}) was never answered",
                    pending.method
                );
            }
        }
        Ok(())
    }

    /// Changes whenever something has happened.
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
        for pipe in [&self.up, &self.down] {
            world.digest(&pipe.digest.to_le_bytes());
        }
        self.whole = false;
        self.up.stalled = false;
        self.down.stalled = false;
        if world.nonce.is_multiple_of(2) {
            self.settle(world)?;
        }
        // The client goes first; the server answers into the void.
        self.up.finish();
        self.down.cut();
        for _ in 0..1_000_000 {
            let before = self.fingerprint(world);
            self.up.hurry();
            self.flow_up(world, usize::MAX)?;
            self.flow_down(world, usize::MAX)?;
            if self.fingerprint(world) == before && self.server.closed && self.client.closed {
                break;
            }
        }
        require!(
            self.server.closed && self.client.closed,
            Liveness,
            "the stream is over and {} is not",
            if self.server.closed {
                "the client"
            } else {
                "the server"
            }
        );
        let mut live = core::mem::take(&mut self.server.live);
        if world.mutates(Mutation::Leak) {
            live.pop();
        }
        for live in live {
            self.server.answer_live(world, &live, 3)?;
        }
        self.flow_down(world, usize::MAX)?;
        require!(
            self.client.pending.is_empty(),
            EndsExactlyOnce,
            "never ended: {:?}",
            self.client.pending
        );
        let left = [
            self.server.link.in_flight(),
            self.client.link.in_flight(),
            self.client.link.asked_for(),
            self.server.model.asking(),
            self.server.input.len(),
            self.client.input.len(),
            self.server.out.len(),
            self.client.out.len(),
        ];
        require!(
            left == [0; 8]
                && self.server.link.poll_timeout().is_none()
                && self.client.link.poll_timeout().is_none(),
            MemoryToBaseline,
            "left behind: {left:?}, {:?}, {:?}",
            self.server.link.poll_timeout(),
            self.client.link.poll_timeout()
        );
        Ok(())
    }
}
