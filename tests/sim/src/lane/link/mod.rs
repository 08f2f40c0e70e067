//! A client's link and a server's link with two pipes between them, each beside its model.
//!
//! Owns both drivers, written by the contract and nothing else: a machine is asked after something was read,
//! called or flushed, and when its deadline has come.

mod checks;

use std::sync::Arc;

use serde_json::{Value, json};

use super::between::{Between, Joined};
use super::client::ClientEnd;
use super::config::Config;
use super::server::ServerEnd;
use super::wire::{nth, portion, pump};
use super::{World, lies};
use crate::failure::{Checked, require};
use crate::model::client::Outcome;
use crate::model::server::LEVELS;
use crate::mutation::Mutation;
use crate::op::{Op, Verb};

/// See the module.
#[derive(Debug)]
pub struct LinkLane {
    config: Arc<Config>,
    between: Between,
    server: ServerEnd,
    client: ClientEnd,
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
            between: Between::new(&config),
            server: ServerEnd::new(Arc::clone(&config), room),
            client: ClientEnd::new(Arc::clone(&config)),
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
                self.between.whole = false;
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
            Verb::Corrupt if self.config.hostile => self.between.corrupt(b, a, b >> 1),
            Verb::Corrupt => {}
            Verb::Stall => self.between.stall(a, b),
            Verb::Finish => self.between.finish(a, b),
            Verb::Cut => self.between.cut(a, b),
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
        self.between.clean = false;
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
        self.between.clean = false;
        let wire = nth(self.client.wires.iter(), b >> 4)
            .copied()
            .unwrap_or(65536);
        let line = lies::of_server(a, b, &wire.to_string());
        if self.server.out.len() < 64 << 10 {
            self.server.out.put(&line);
        }
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
}

impl Joined for LinkLane {
    fn between(&self) -> &Between {
        &self.between
    }

    fn pump_up(&mut self, world: &World, max: usize) {
        let (end, pipe) = (&mut self.client, &mut self.between.up);
        pump(world.now, &mut end.out, pipe, max, |_| {});
    }

    fn pump_down(&mut self, world: &World, max: usize) {
        let (end, pipe) = (&mut self.server, &mut self.between.down);
        let falsify = self.between.clean && world.mutates(Mutation::Falsify);
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
        let bytes = self.between.up.read(world.now, max);
        for line in end.causes.arrive(&bytes) {
            end.watch.line(&line);
        }
        end.input.extend_from_slice(&bytes);
        end.model.line.input(&bytes);
        end.dirty |= !bytes.is_empty();
        if self.between.up.is_cut() && self.between.up.is_empty() && !end.over {
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
        self.client.receive(world, &mut self.between.down, max);
    }

    /// Runs the client and judges what has ended.
    fn run_client(&mut self, world: &mut World) -> Checked {
        let honest = self.between.is_honest();
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

    fn run_server(&mut self, world: &mut World) -> Checked {
        self.server.run(world)
    }
}
