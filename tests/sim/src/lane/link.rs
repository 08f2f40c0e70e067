//! A client's link and a server's link with two pipes between them, each beside its model.
//!
//! Owns both drivers, written by the contract and nothing else: a machine is asked after something was read,
//! called or flushed, and when its deadline has come. Applications on both ends do what operations say.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mcp_proto::client::{self, Client, ClientEvent, Limit, RequestOptions};
use mcp_proto::config::CacheHint;
use mcp_proto::error::WireError;
use mcp_proto::id::{CallId, RequestId};
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply, ResultKind};
use mcp_proto::server::{CancelledBy, Change, Link, LinkEvent, Progress, Refused, Step};
use mcp_proto::time::{Instant, Now};
use mcp_types::{LoggingLevel, Revision};
use serde_json::{Value, json};

use super::config::Config;
use super::watch::{Causes, ServerWatch, contains};
use super::{World, lies};
use crate::failure::{Checked, require};
use crate::model::client::{self as client_model, ClientModel};
use crate::model::server::{self as server_model, LEVELS, Room, ServerModel};
use crate::model::slab::{Key, unwire, wire};
use crate::model::tree;
use crate::mutation::Mutation;
use crate::op::{Op, Verb};
use crate::pipe::Pipe;

/// How long the largest frame of an honest application is.
const LARGEST: usize = 24 << 10;

/// See the module.
#[derive(Debug)]
pub struct LinkLane {
    config: Config,
    up: Pipe,
    down: Pipe,
    server: ServerEnd,
    client: ClientEnd,
    /// Whether only honest messages were sent, and none was changed.
    clean: bool,
    /// Whether nothing was cut off and nobody went down.
    whole: bool,
}

#[derive(Debug)]
struct ServerEnd {
    link: Link,
    input: BytesMut,
    out: Outbox,
    model: ServerModel,
    watch: ServerWatch,
    causes: Causes,
    dirty: bool,
    reads: bool,
    over: bool,
    closed: bool,
    live: Vec<Live>,
    subscriptions: Vec<Live>,
    /// Handles that are stale.
    stale: VecDeque<CallId>,
    asks: Vec<RequestId>,
    last_ask: u64,
    /// The handle of the newest event, and the tag of the newest acknowledgment.
    newest: Option<CallId>,
    last_ack: Option<Value>,
}

/// A call that the application works on.
#[derive(Clone, Debug)]
struct Live {
    id: CallId,
    key: Key,
    peer: Value,
    token: Option<Value>,
    nonce: Value,
    may_ask: bool,
    progress: f64,
}

#[derive(Debug)]
struct ClientEnd {
    link: Client<u64>,
    input: BytesMut,
    out: Outbox,
    model: ClientModel,
    causes: Causes,
    dirty: bool,
    reads: bool,
    over: bool,
    closed: bool,
    revision: Revision,
    pending: BTreeMap<u64, Pending>,
    questions: Vec<CallId>,
    stale_questions: VecDeque<CallId>,
    /// The handle of the newest question.
    newest: Option<CallId>,
    /// Ids that are or were in use.
    wires: VecDeque<u64>,
}

/// A request that the application waits for.
#[derive(Clone, Debug)]
struct Pending {
    id: RequestId,
    method: &'static str,
    /// Progress heard last.
    heard: f64,
}

impl LinkLane {
    /// A lane of that configuration.
    #[must_use]
    pub fn new(world: &World, configuration: u32) -> Self {
        let config = Config::new(configuration);
        let room = if world.mutates(Mutation::ExceedLimit) {
            3
        } else {
            0
        };
        Self {
            up: Pipe::new(config.capacity[0], config.delay[0]),
            down: Pipe::new(config.capacity[1], config.delay[1]),
            server: ServerEnd {
                link: Link::new(config.server(room).into()),
                input: BytesMut::new(),
                out: Outbox::new(config.server_limits.outbox_high),
                model: ServerModel::new(config.server_shape()),
                watch: ServerWatch::default(),
                causes: Causes::default(),
                dirty: true,
                reads: false,
                over: false,
                closed: false,
                live: Vec::new(),
                subscriptions: Vec::new(),
                stale: VecDeque::new(),
                asks: Vec::new(),
                last_ask: 65536,
                newest: None,
                last_ack: None,
            },
            client: ClientEnd {
                link: Client::new(Arc::new(config.client())),
                input: BytesMut::new(),
                out: Outbox::new(config.client_limits.outbox_high),
                model: ClientModel::new(config.client_shape(), config.revision.as_str()),
                causes: Causes::default(),
                dirty: true,
                reads: false,
                over: false,
                closed: false,
                revision: config.revision,
                pending: BTreeMap::new(),
                questions: Vec::new(),
                stale_questions: VecDeque::new(),
                newest: None,
                wires: VecDeque::new(),
            },
            clean: !config.hostile,
            whole: true,
            config,
        }
    }

    /// Whether one end has closed.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.server.closed || self.client.closed
    }

    /// A configuration as hostile as this one.
    #[must_use]
    pub fn successor(&self, chance: u32) -> u32 {
        let chance = chance / 3 * 3;
        if self.config.hostile {
            chance
        } else {
            chance.checked_sub(1).unwrap_or(1)
        }
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
            Verb::Cancel => self.cancel(world, a, b)?,
            Verb::Notify => self.notify(world, a)?,
            Verb::Reply => self.reply(world, a, b)?,
            Verb::Speak => self.speak(a),
            Verb::Answer => self.answer(world, a, b)?,
            Verb::Progress => self.progress(world, a, b)?,
            Verb::Log => self.log(world, a, b)?,
            Verb::Ask => self.ask(world, a, b)?,
            Verb::Withdraw => self.withdraw(world, a)?,
            Verb::Changed => self.changed(a, b),
            Verb::Stale => self.stale(world, a, b)?,
            Verb::Drain => self.drain(world, a)?,
            Verb::PumpUp => self.pump_up(world, portion(a)),
            Verb::PumpDown => self.pump_down(world, portion(a)),
            Verb::RecvUp => self.recv_up(world, portion(a)),
            Verb::RecvDown => self.recv_down(world, portion(a)),
            Verb::FlowUp => self.flow_up(world, portion(a))?,
            Verb::FlowDown => self.flow_down(world, portion(a))?,
            Verb::RunServer => self.run_server(world)?,
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

    // The client's application.

    fn request(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        world.nonce += 1;
        let nonce = world.nonce;
        let (method, params) = self.request_of(a, nonce);
        let mut model_options = client_model::Options::default();
        let mut options = RequestOptions::UNLIMITED;
        const TIMES: [u64; 5] = [0, 1000, 30_000_000, 60_000_000, 1_000_000];
        let (idle, total) = (b & 7, (b >> 3) & 7);
        let time = |n: u32| TIMES.get(n as usize).copied();
        // Deadlines that pass at once are for the hostile: every other message would come too late.
        let time = |n: u32| time(n).filter(|t| self.config.hostile || *t > 1_000_000);
        (model_options.idle, model_options.total) = (time(idle), time(total));
        options = options.deadlines(
            model_options.idle.map(Duration::from_micros),
            model_options.total.map(Duration::from_micros),
        );
        if b & 64 != 0 {
            model_options.progress = true;
            options = options.progress();
        }
        if b & 128 != 0 {
            let level = ((b >> 8) % 8) as usize;
            model_options.level = Some(LEVELS[level]);
            options =
                options.log_level(LoggingLevel::parse(LEVELS[level]).unwrap_or(LoggingLevel::Info));
        }
        let end = &mut self.client;
        let (before, full) = (end.out.len(), end.out.is_full());
        let text = params.to_string();
        let now = at(world);
        let sent = end
            .link
            .request(now, method, &text, nonce, options, &mut end.out);
        let expected = end
            .model
            .request(world.now, method, &params, nonce, model_options, full);
        let sent = match sent {
            Ok(id) => Ok((id, unwire(id.wire()).unwrap_or_default())),
            Err(client::Refused::Closed(token)) => Err(("closed", token)),
            Err(client::Refused::AtCapacity(token)) => Err(("capacity", token)),
            Err(client::Refused::OutboxFull(token)) => Err(("outbox", token)),
            Err(other) => Err(("other", other.into_token())),
        };
        match (&sent, &expected) {
            (Ok((_, key)), Ok(expected)) => {
                require!(
                    key == expected,
                    ModelAgrees,
                    "request {key:?}, model {expected:?}"
                );
            }
            (Err((why, token)), Err(expected)) => {
                require!(
                    why == expected,
                    ModelAgrees,
                    "refused {why}, model {expected}"
                );
                require!(
                    *token == nonce,
                    NoCrossTalk,
                    "refusal of {nonce} gave {token} back"
                );
            }
            _ => require!(false, ModelAgrees, "request {sent:?}, model {expected:?}"),
        }
        end.dirty = true;
        if let Ok((id, _)) = sent {
            let pending = Pending {
                id,
                method,
                heard: f64::NEG_INFINITY,
            };
            end.pending.insert(nonce, pending);
            remember(&mut end.wires, id.wire());
        }
        self.client_wrote(world, before).map(|_| ())
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

    fn cancel(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut self.client;
        let before = end.out.len();
        if b & 7 == 0 {
            // A handle that may be stale.
            let Some(wire) = nth(&end.wires, a).copied() else {
                return Ok(());
            };
            if end.pending.values().any(|p| p.id.wire() == wire) {
                return Ok(());
            }
            let Some(id) = RequestId::from_wire(wire) else {
                return Ok(());
            };
            let gone = end.link.cancel(id, None, &mut end.out);
            require!(
                gone.is_err(),
                EndsExactlyOnce,
                "request {wire} ended twice: {gone:?}"
            );
            end.model.cancel(unwire(wire).unwrap_or_default(), None);
            return self.client_wrote(world, before).map(|_| ());
        }
        let Some(token) = nth_key(&end.pending, a) else {
            return Ok(());
        };
        let Some(pending) = end.pending.remove(&token) else {
            return Ok(());
        };
        let reason = (b & 8 != 0).then_some("no \"longer\"\n");
        let gone = end.link.cancel(pending.id, reason, &mut end.out);
        let expected = end
            .model
            .cancel(unwire(pending.id.wire()).unwrap_or_default(), reason);
        require!(
            gone == Ok(token),
            EndsExactlyOnce,
            "cancel of {token} gave {gone:?}, the model {expected:?}"
        );
        require!(
            gone.ok() == expected,
            ModelAgrees,
            "cancel {gone:?}, model {expected:?}"
        );
        end.dirty = true;
        self.client_wrote(world, before).map(|_| ())
    }

    fn notify(&mut self, world: &World, a: u32) -> Checked {
        let end = &mut self.client;
        let method = [
            "notifications/initialized",
            "notifications/roots/list_changed",
            "notifications/x",
        ][a as usize % 3];
        let (before, full) = (end.out.len(), end.out.is_full());
        let sent = end.link.notify(method, "", &mut end.out).is_ok();
        let expected = end.model.notify(method, full);
        require!(
            sent == expected,
            ModelAgrees,
            "notify {sent}, model {expected}"
        );
        end.dirty = true;
        self.client_wrote(world, before).map(|_| ())
    }

    fn reply(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut self.client;
        let before = end.out.len();
        if b & 15 == 0 {
            let Some(id) = nth(&end.stale_questions, a).copied() else {
                return Ok(());
            };
            let result = end.link.respond(id, "{}", &mut end.out);
            require!(
                result.is_err(),
                EndsExactlyOnce,
                "a stale question was answered"
            );
            return self.client_wrote(world, before).map(|_| ());
        }
        if end.questions.is_empty() {
            return Ok(());
        }
        let id = end.questions.swap_remove(a as usize % end.questions.len());
        let result = json!({"roots":[],"n":b});
        let (sent, expected) = if b & 3 == 0 {
            let error = WireError::internal("no");
            (
                end.link.fail(id, &error, &mut end.out),
                end.model.reply(key_of(id), Err(-32603)),
            )
        } else {
            let text = result.to_string();
            (
                end.link.respond(id, &text, &mut end.out),
                end.model.reply(key_of(id), Ok(&result)),
            )
        };
        require!(
            sent.is_ok() == expected,
            ModelAgrees,
            "reply {sent:?}, model {expected}"
        );
        remember(&mut end.stale_questions, id);
        end.dirty = true;
        self.client_wrote(world, before).map(|_| ())
    }

    fn speak(&mut self, a: u32) {
        if !self.config.mixed {
            return;
        }
        let revision = Revision::ALL[a as usize % Revision::ALL.len()];
        self.client.revision = revision;
        self.client.link.speak(revision);
        self.client.model.speak(revision.as_str());
        self.client.dirty = true;
    }

    // The server's application.

    fn answer(&mut self, world: &World, a: u32, b: u32) -> Checked {
        if self.server.live.is_empty() {
            return Ok(());
        }
        let n = a as usize % self.server.live.len();
        let live = self.server.live.swap_remove(n);
        self.answer_live(world, &live, b)
    }

    fn answer_live(&mut self, world: &World, live: &Live, b: u32) -> Checked {
        let end = &mut self.server;
        let before = end.out.len();
        let (sent, expected) = if b & 7 == 0 {
            let code = -32000 - i64::from(b >> 8 & 1023);
            let error = WireError::new(code, "the handler failed\n\u{1}");
            (
                end.link.fail(live.id, &error, &mut end.out),
                end.model.fail(live.key, code),
            )
        } else {
            let mut body = json!({"n":live.nonce});
            if b & 7 == 1 {
                body["pad"] = json!("x".repeat((b >> 8) as usize % (LARGEST / 2)));
            }
            // Lists cannot ask for input, and an honest server does not.
            let asks = b & 7 == 2 && live.may_ask;
            if asks {
                body["requestState"] = json!("s");
            }
            let text = if b & 8 != 0 {
                serde_json::to_string_pretty(&body).unwrap_or_default()
            } else {
                body.to_string()
            };
            let payload = if b & 16 != 0 {
                Payload::Shared(Bytes::from(text.clone().into_bytes()))
            } else {
                Payload::Slice(text.as_bytes())
            };
            let mut reply = Reply::complete(payload);
            reply.kind = if asks {
                ResultKind::InputRequired
            } else {
                ResultKind::Complete
            };
            body["resultType"] = json!(reply.kind.as_str());
            if b & 32 != 0 {
                reply.meta = Some(r#"{"k":[1]}"#);
                body["_meta"] = json!({"k":[1]});
            }
            if b & 64 != 0 {
                reply.cache = Some(CacheHint::NONE);
                body["ttlMs"] = json!(0);
                body["cacheScope"] = json!("private");
            }
            (
                end.link.respond(live.id, &reply, &mut end.out),
                end.model.respond(live.key, body),
            )
        };
        require!(
            sent.is_ok() && expected,
            ModelAgrees,
            "answer {sent:?}, model {expected}"
        );
        end.dirty = true;
        self.server_wrote(world, before)?;
        self.server
            .watch
            .over(&live.peer, live.token.as_ref(), false);
        remember(&mut self.server.stale, live.id);
        Ok(())
    }

    fn progress(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut self.server;
        if end.live.is_empty() {
            return Ok(());
        }
        let n = a as usize % end.live.len();
        let step = match b & 7 {
            0 => 0.0,
            1 => -1.0,
            2 => 0.25,
            _ => 1.0,
        };
        let value = end.live[n].progress + step;
        end.live[n].progress = end.live[n].progress.max(value);
        let live = end.live[n].clone();
        let total = (b & 8 != 0).then_some(100.5);
        let message = (b & 16 != 0).then(|| "half\t\u{1f600}".to_owned());
        let (before, full) = (end.out.len(), end.out.is_full());
        let report = Progress {
            progress: value,
            total,
            message: message.clone(),
        };
        let sent = end.link.progress(live.id, report, &mut end.out).is_ok();
        let expected = end.model.progress(live.key, value, total, message, full);
        require!(
            sent == expected,
            ModelAgrees,
            "progress {sent}, model {expected}"
        );
        end.dirty = true;
        self.server_wrote(world, before)
    }

    fn log(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut self.server;
        let Some(live) = nth(&end.live, a) else {
            return Ok(());
        };
        let level = (b % 8) as usize;
        let data = json!({"b":b,"t":"line\nline"});
        let text = serde_json::to_string_pretty(&data).unwrap_or_default();
        let (before, full) = (end.out.len(), end.out.is_full());
        let name = LoggingLevel::parse(LEVELS[level]).unwrap_or(LoggingLevel::Info);
        let sent = end
            .link
            .log(live.id, name, None, &text, &mut end.out)
            .is_ok();
        let expected = end.model.log(live.key, level, &data, full);
        require!(
            sent == expected,
            ModelAgrees,
            "log {sent}, model {expected}"
        );
        end.dirty = true;
        self.server_wrote(world, before)
    }

    fn ask(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut self.server;
        let Some(live) = nth(&end.live, a) else {
            return Ok(());
        };
        let method = [
            "roots/list",
            "elicitation/create",
            "sampling/createMessage",
            "ping",
        ][b as usize % 4];
        let params = json!({"b":b});
        let before = end.out.len();
        let sent = end.link.request(
            at(world),
            live.id,
            method,
            &params.to_string(),
            &mut end.out,
        );
        let expected = end.model.ask(world.now, live.key, method, &params);
        let sent = match sent {
            Ok(id) => {
                end.asks.push(id);
                end.last_ask = id.wire();
                Ok(id.wire())
            }
            Err(Refused::Stale) => Err("stale"),
            Err(Refused::NoSession) => Err("no session"),
            Err(_) => Err("capacity"),
        };
        require!(
            sent == expected,
            ModelAgrees,
            "ask {sent:?}, model {expected:?}"
        );
        end.dirty = true;
        self.server_wrote(world, before)
    }

    fn withdraw(&mut self, world: &World, a: u32) -> Checked {
        let end = &mut self.server;
        if end.asks.is_empty() {
            return Ok(());
        }
        let id = end.asks.swap_remove(a as usize % end.asks.len());
        let before = end.out.len();
        end.link.withdraw(id, &mut end.out);
        end.model.withdraw(id.wire());
        end.dirty = true;
        self.server_wrote(world, before)
    }

    fn changed(&mut self, a: u32, b: u32) {
        let end = &mut self.server;
        let uri = format!("a://{}", b & 3);
        let (change, model) = match a % 6 {
            0 => (Change::Tools, server_model::Change::List(0)),
            1 => (Change::Prompts, server_model::Change::List(1)),
            2 => (Change::Resources, server_model::Change::List(2)),
            _ => (
                Change::Resource(&uri),
                server_model::Change::Uri(uri.clone()),
            ),
        };
        end.link.changed(change);
        end.model.changed(&model);
        end.dirty = true;
    }

    fn stale(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut self.server;
        let Some(id) = nth(&end.stale, a).copied() else {
            return Ok(());
        };
        if end
            .live
            .iter()
            .chain(&end.subscriptions)
            .any(|live| live.id == id)
        {
            require!(
                false,
                EndsExactlyOnce,
                "the handle {id:?} was given out twice"
            );
        }
        let before = end.out.len();
        let report = Progress {
            progress: 1e9,
            total: None,
            message: None,
        };
        let refused = match b & 3 {
            0 => end
                .link
                .respond(id, &Reply::complete(Payload::Slice(b"{}")), &mut end.out)
                .is_err(),
            1 => end
                .link
                .fail(id, &WireError::internal("x"), &mut end.out)
                .is_err(),
            2 => end.link.progress(id, report, &mut end.out).is_err(),
            _ => {
                let asked = end
                    .link
                    .request(at(world), id, "roots/list", "{}", &mut end.out);
                asked == Err(Refused::Stale)
            }
        };
        require!(
            refused && end.out.len() == before,
            SilentAfterCancel,
            "a stale handle still speaks: {id:?}"
        );
        Ok(())
    }

    fn drain(&mut self, world: &World, a: u32) -> Checked {
        if a & 7 != 0 {
            return Ok(());
        }
        self.whole = false;
        let end = &mut self.server;
        let before = end.out.len();
        end.link.drain(&mut end.out);
        end.model.drain();
        end.dirty = true;
        self.server_wrote(world, before)?;
        let end = &mut self.server;
        for gone in end.subscriptions.drain(..) {
            end.watch.over(&gone.peer, gone.token.as_ref(), false);
            remember(&mut end.stale, gone.id);
        }
        Ok(())
    }

    // Lies.

    fn lie_up(&mut self, a: u32, b: u32) {
        if !self.config.hostile {
            return;
        }
        self.clean = false;
        let wire = nth(&self.client.wires, b >> 4).copied().unwrap_or(65536);
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
        let wire = nth(&self.client.wires, b >> 4).copied().unwrap_or(65536);
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

    // Bytes.

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
        end.model.input(&bytes);
        end.dirty |= !bytes.is_empty();
        if self.up.is_cut() && self.up.is_empty() && !end.over {
            end.over = true;
            end.causes.end();
            end.link.end_of_input();
            end.model.end_of_input();
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
        self.pump_up(world, max);
        self.run_server(world)?;
        self.recv_up(world, max);
        self.run_server(world)
    }

    fn flow_down(&mut self, world: &mut World, max: usize) -> Checked {
        self.run_server(world)?;
        self.pump_down(world, max);
        self.run_client(world)?;
        self.recv_down(world, max);
        self.run_client(world)
    }

    // Drivers.

    /// When the next driver wants to wake up.
    #[must_use]
    pub fn wakeup(&self, world: &World) -> Option<u64> {
        let server = self.server.link.poll_timeout().map(|w| w.at.as_micros());
        // A flush is no matter of time.
        let server = server.filter(|_| !self.server.out.is_full());
        let client = self.client.link.poll_timeout().map(|w| w.at.as_micros());
        let _ = world;
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
        self.run_server(world)?;
        self.run_client(world)
    }

    fn run_server(&mut self, world: &mut World) -> Checked {
        if !self.server.dirty {
            return Ok(());
        }
        self.server.dirty = false;
        loop {
            let (step, _) = self.step_server(world)?;
            match step {
                server_model::Next::Event(heard) => self.server_hears(world, heard)?,
                server_model::Next::Input => {
                    self.server.causes.passed();
                    self.server.reads = true;
                    break;
                }
                server_model::Next::Flush => {
                    self.server.reads = false;
                    break;
                }
            }
        }
        let end = &mut self.server;
        let real = end.link.poll_timeout().map(|w| w.at.as_micros());
        let told = told(world, real);
        let wanted = end.model.deadline();
        require!(
            wanted.is_none_or(|wanted| told.is_some_and(|told| told <= wanted)),
            NoLostWakeup,
            "the server has a deadline at {wanted:?} and asks to be called at {told:?}"
        );
        require!(
            !end.model.has_frames() || end.out.is_full() && told.is_some(),
            NoLostWakeup,
            "the server has frames to write and goes to sleep until {told:?}"
        );
        require!(
            end.out.is_full() || told.is_none_or(|told| told > world.now),
            NoHotLoop,
            "the server has nothing to do at {} and wants to be called at {told:?}",
            world.now
        );
        Ok(())
    }

    /// Asks the machine and the model once and compares.
    fn step_server(&mut self, world: &mut World) -> Checked<(server_model::Next, bool)> {
        world.steps += 1;
        let end = &mut self.server;
        let before = end.out.len();
        let step = end.link.next(at(world), &mut end.input, &mut end.out);
        let step = match step {
            Step::Event(event) => {
                if let LinkEvent::Call { id, .. } | LinkEvent::Listening { id, .. } = &event {
                    end.newest = Some(*id);
                }
                server_model::Next::Event(server_heard(event))
            }
            Step::NeedInput => server_model::Next::Input,
            Step::NeedFlush => server_model::Next::Flush,
        };
        let (messages, lengths) = written(&end.out, before)?;
        if let server_model::Next::Event(_) = step {
            // More than the limit is caught here, before the models differ.
            let in_flight = end.link.in_flight();
            let max = self.config.server_limits.max_calls;
            require!(
                in_flight <= max,
                LimitsHold,
                "{in_flight} calls in flight, {max} allowed"
            );
        }
        self.server_frames(world, &messages)?;
        let end = &mut self.server;
        let expected = end.model.next(
            world.now,
            &Room {
                before,
                lengths: &lengths,
            },
        );
        let answers = end.model.written();
        require!(
            step == expected,
            ModelAgrees,
            "the server did {step:?}, the model {expected:?}"
        );
        compare("server", world, &messages, &answers)?;
        Ok((step, !messages.is_empty()))
    }

    /// Everything that the server sends passes here.
    fn server_frames(&mut self, world: &World, messages: &[Value]) -> Checked {
        let watch = &mut self.server.watch;
        for message in messages {
            let method = message["method"].as_str().unwrap_or_default();
            if method.ends_with("/acknowledged") {
                let tag = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
                self.server.last_ack = Some(tag.clone());
            }
            if world.mutates(Mutation::SkipAck) && method.ends_with("/acknowledged") {
                continue;
            }
            watch.frame(message)?;
            if world.mutates(Mutation::RepeatProgress) && method == "notifications/progress" {
                watch.frame(message)?;
            }
            if world.mutates(Mutation::WidenFilter) && method.ends_with("/acknowledged") {
                let mut more = message.clone();
                more["method"] = json!("notifications/resources/updated");
                more["params"]["uri"] = json!("a://never");
                watch.frame(&more)?;
            }
        }
        Ok(())
    }

    /// After a call on the machine that was mirrored by one on the model.
    fn server_wrote(&mut self, world: &World, before: usize) -> Checked {
        let (messages, _) = written(&self.server.out, before)?;
        self.server_frames(world, &messages)?;
        let expected = self.server.model.written();
        compare("server", world, &messages, &expected)
    }

    fn server_hears(&mut self, world: &mut World, heard: server_model::Heard) -> Checked {
        use server_model::Heard;
        world.events += 1;
        let end = &mut self.server;
        let caused = match &heard {
            Heard::Call { line, .. } => end.causes.take(|cause| {
                cause
                    .strip_suffix(b"\r")
                    .unwrap_or(cause)
                    .ends_with(&line.0)
            }),
            Heard::Listening(..) => end.causes.take(|cause| contains(cause, "listen")),
            Heard::Cancelled(_, false) => end.causes.take(|cause| contains(cause, "cancelled")),
            Heard::Answered(_, id, _) => end.causes.take(|cause| contains(cause, &id.to_string())),
            Heard::Notified(_) => end.causes.take(|cause| contains(cause, "notifications")),
            Heard::Subscribed(_) => end.causes.take(|_| true),
            Heard::Cancelled(_, true) | Heard::Closed(false) => end.over || self.config.hostile,
            Heard::Closed(true) => self.config.hostile,
            Heard::Expired(..) => true,
        };
        require!(caused, NoEventWithoutCause, "the server heard {heard:?}");
        match heard {
            Heard::Call {
                key, line, token, ..
            } => {
                let Some(id) = end.newest.take() else {
                    return Ok(());
                };
                let live = live(id, &line.0, token);
                end.watch.began(live.token.as_ref());
                require!(
                    end.live
                        .iter()
                        .chain(&end.subscriptions)
                        .all(|other| other.id != live.id),
                    EndsExactlyOnce,
                    "the handle {key:?} is in use"
                );
                let at_once = live.nonce.as_u64().is_some_and(|n| n % 8 == 0);
                if at_once {
                    self.answer_live(world, &live, 3)?;
                } else {
                    end.live.push(live);
                }
            }
            Heard::Listening(..) => {
                let Some(id) = end.newest.take() else {
                    return Ok(());
                };
                // The machine does not hand out the message; the newest tag is its id.
                let peer = end.last_ack.take().unwrap_or_default();
                end.watch.listening(&peer)?;
                end.subscriptions.push(Live {
                    peer,
                    ..live(id, b"", None)
                });
            }
            Heard::Cancelled(key, _) => {
                let all = [&mut end.live, &mut end.subscriptions];
                let mut gone = None;
                for list in all {
                    if let Some(at) = list.iter().position(|live| live.key == key) {
                        gone = Some(list.swap_remove(at));
                    }
                }
                let Some(gone) = gone else {
                    require!(
                        false,
                        EndsExactlyOnce,
                        "a cancelled call was not alive: {key:?}"
                    );
                    return Ok(());
                };
                // Whoever used the id again, in a line that was read with the cancellation, gets an answer.
                let silent = !end.causes.any_with_id(&gone.peer);
                end.watch.over(&gone.peer, gone.token.as_ref(), silent);
                remember(&mut end.stale, gone.id);
                if world.mutates(Mutation::FrameAfterCancel) {
                    end.watch
                        .frame(&json!({"jsonrpc":"2.0","id":gone.peer,"result":{}}))?;
                }
            }
            Heard::Answered(key, id, _) | Heard::Expired(key, id) => {
                end.asks.retain(|ask| ask.wire() != id);
                require!(
                    end.live.iter().any(|live| live.key == key),
                    NoCrossTalk,
                    "an answer for {key:?}, which is not alive"
                );
            }
            Heard::Subscribed(_) | Heard::Notified(_) => {}
            Heard::Closed(_) => {
                require!(!end.closed, EndsExactlyOnce, "the server closed twice");
                end.closed = true;
            }
        }
        Ok(())
    }

    fn run_client(&mut self, world: &mut World) -> Checked {
        if !self.client.dirty {
            return Ok(());
        }
        self.client.dirty = false;
        while let client_model::Next::Event(heard) = self.step_client(world)? {
            self.client_hears(world, heard)?;
        }
        let end = &mut self.client;
        end.causes.passed();
        end.reads = true;
        if world.mutates(Mutation::PhantomEvent)
            && let Some(pending) = end.pending.values().next()
        {
            let key = unwire(pending.id.wire()).unwrap_or_default();
            self.client_hears(world, client_model::Heard::Progress(key, 1e12, None, None))?;
        }
        let end = &mut self.client;
        let real = end.link.poll_timeout().map(|w| w.at.as_micros());
        let told = told(world, real);
        let wanted = end.model.deadline();
        require!(
            wanted.is_none_or(|wanted| told.is_some_and(|told| told <= wanted)),
            NoLostWakeup,
            "the client has a deadline at {wanted:?} and asks to be called at {told:?}"
        );
        require!(
            told.is_none_or(|told| told > world.now),
            NoHotLoop,
            "the client has nothing to do at {} and wants to be called at {told:?}",
            world.now
        );
        Ok(())
    }

    fn step_client(&mut self, world: &mut World) -> Checked<client_model::Next> {
        world.steps += 1;
        let end = &mut self.client;
        let before = end.out.len();
        let step = end.link.next(at(world), &mut end.input, &mut end.out);
        let step = match step {
            Step::Event(event) => {
                if let ClientEvent::Asked { id, .. } = &event {
                    end.newest = Some(*id);
                }
                client_model::Next::Event(client_heard(event))
            }
            Step::NeedInput => client_model::Next::Input,
            Step::NeedFlush => {
                require!(
                    false,
                    Liveness,
                    "a client waits for a flush before it reads"
                );
                client_model::Next::Input
            }
        };
        let (messages, lengths) = written(&end.out, before)?;
        let expected = end.model.next(
            world.now,
            &Room {
                before,
                lengths: &lengths,
            },
        );
        let answers = end.model.written();
        require!(
            step == expected,
            ModelAgrees,
            "the client did {step:?}, the model {expected:?}"
        );
        compare("client", world, &messages, &answers)?;
        Ok(step)
    }

    fn client_wrote(&mut self, world: &World, before: usize) -> Checked<usize> {
        let (messages, _) = written(&self.client.out, before)?;
        let expected = self.client.model.written();
        compare("client", world, &messages, &expected)?;
        Ok(messages.len())
    }

    fn client_hears(&mut self, world: &mut World, heard: client_model::Heard) -> Checked {
        use client_model::{Heard, Outcome};
        world.events += 1;
        let honest = self.clean && self.whole && !self.config.mixed;
        let end = &mut self.client;
        let named = |causes: &mut Causes, key: Key| {
            let id = wire(key).to_string();
            causes.take(|cause| contains(cause, &id))
        };
        let caused = match &heard {
            Heard::Ended(_, _, Outcome::TimedOut(_)) => true,
            Heard::Ended(_, _, Outcome::Lost) | Heard::Closed(_) => end.over || self.config.hostile,
            Heard::Ended(key, ..) | Heard::Progress(key, ..) | Heard::Acknowledged(key) => {
                named(&mut end.causes, *key)
            }
            Heard::Changed(key, _) => named(&mut end.causes, *key),
            Heard::Notified(_) | Heard::Unaddressed(_) | Heard::Asked(..) => {
                end.causes.take(|_| true)
            }
            Heard::Forgotten(_) => end.over || self.config.hostile || end.causes.take(|_| true),
            // A line that is too long is noticed before it ends.
            Heard::Violation(what) => *what == "too long" || end.causes.take(|_| true),
        };
        require!(caused, NoEventWithoutCause, "the client heard {heard:?}");
        match heard {
            Heard::Ended(key, token, mut outcome) => {
                if world.mutates(Mutation::SwallowEnding) {
                    return Ok(());
                }
                if world.mutates(Mutation::CrossTalk)
                    && let Outcome::Complete(result) = &mut outcome
                    && let Some(n) = result["n"].as_u64()
                {
                    result["n"] = json!(n + 1);
                }
                let times = if world.mutates(Mutation::DuplicateEnding) {
                    2
                } else {
                    1
                };
                for _ in 0..times {
                    let Some(pending) = end.pending.remove(&token) else {
                        require!(
                            false,
                            EndsExactlyOnce,
                            "request {token} ended again: {outcome:?}"
                        );
                        return Ok(());
                    };
                    require!(
                        wire(key) == pending.id.wire(),
                        NoCrossTalk,
                        "request {token} has id {:?} and ended as {key:?}",
                        pending.id
                    );
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
            }
            Heard::Progress(key, value, ..) => {
                let pending = end.pending.values_mut().find(|p| p.id.wire() == wire(key));
                let Some(pending) = pending else {
                    require!(
                        false,
                        NoEventWithoutCause,
                        "progress of what has ended: {key:?}"
                    );
                    return Ok(());
                };
                require!(
                    value > pending.heard,
                    ProgressIncreases,
                    "the client heard {value} after {}",
                    pending.heard
                );
                pending.heard = value;
            }
            Heard::Acknowledged(key) | Heard::Changed(key, _) => {
                require!(
                    end.pending.values().any(|p| p.id.wire() == wire(key)),
                    NoEventWithoutCause,
                    "news of a subscription that has ended: {key:?}"
                );
            }
            Heard::Asked(..) => end.questions.extend(end.newest.take()),
            Heard::Forgotten(key) => {
                if let Some(at) = end.questions.iter().position(|id| key_of(*id) == key) {
                    let id = end.questions.swap_remove(at);
                    remember(&mut end.stale_questions, id);
                }
            }
            Heard::Notified(_) => {}
            Heard::Unaddressed(error) => {
                require!(
                    !honest,
                    HonestPeersAgree,
                    "the server could not read {error}"
                );
            }
            Heard::Violation(what) => {
                // An outbox that is full already is the client's own affair.
                let honest = honest && what != "too many requests";
                require!(
                    !honest,
                    HonestPeersAgree,
                    "the client accuses an honest server: {what}"
                );
            }
            Heard::Closed(misbehaved) => {
                require!(!end.closed, EndsExactlyOnce, "the client closed twice");
                end.closed = true;
                require!(
                    !misbehaved || !honest,
                    HonestPeersAgree,
                    "an honest server misbehaved"
                );
                require!(
                    end.pending.is_empty() && end.questions.is_empty(),
                    EndsExactlyOnce,
                    "closed with {:?} and {} questions",
                    end.pending,
                    end.questions.len()
                );
            }
        }
        Ok(())
    }

    // Checks.

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
            let (step, wrote) = self.step_server(world)?;
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
            let step = self.step_client(world)?;
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
            self.answer_live(world, &live, 3)?;
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

/// The present.
#[must_use]
pub fn at(world: &World) -> Now {
    Now::new(Instant::from_micros(world.now), world.unix_ms)
}

fn told(world: &World, real: Option<u64>) -> Option<u64> {
    if world.mutates(Mutation::DropWakeup) {
        None
    } else if world.mutates(Mutation::HotLoop) {
        Some(world.now)
    } else {
        real
    }
}

fn portion(a: u32) -> usize {
    match a % 10 {
        0 => 1,
        1 => (a >> 8) as usize % 16 + 1,
        2 | 3 => (a >> 8) as usize % 400 + 1,
        _ => usize::MAX,
    }
}

fn pump(
    now: u64,
    out: &mut Outbox,
    pipe: &mut Pipe,
    max: usize,
    mut change: impl FnMut(&mut [u8]),
) -> usize {
    let mut moved = 0;
    while moved < max && out.has_remaining() {
        let n = out.chunk().len().min(pipe.room()).min(max - moved);
        if n == 0 {
            break;
        }
        let mut bytes = out.chunk()[..n].to_vec();
        change(&mut bytes);
        pipe.write(now, &bytes);
        out.advance(n);
        moved += n;
    }
    moved
}

/// The messages beyond the first `before` bytes, and their lengths.
fn written(out: &Outbox, before: usize) -> Checked<(Vec<Value>, Vec<usize>)> {
    if out.len() == before {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut slices = [IoSlice::new(&[]); 256];
    let used = out.chunks_vectored(&mut slices);
    let mut skip = before;
    let mut bytes: Vec<u8> = Vec::with_capacity(out.len() - before);
    for slice in &slices[..used] {
        let from = skip.min(slice.len());
        skip -= from;
        bytes.extend_from_slice(&slice[from..]);
    }
    let (mut messages, mut lengths) = (Vec::new(), Vec::new());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        lengths.push(line.len());
        let text = line.strip_suffix(b"\n");
        require!(text.is_some(), WellFormed, "a message without its ending");
        let tree = text.and_then(tree::parse);
        let Some(tree) = tree else {
            require!(
                false,
                WellFormed,
                "not JSON: {}",
                String::from_utf8_lossy(line)
            );
            break;
        };
        messages.push(tree.value());
    }
    Ok((messages, lengths))
}

/// Compares what was written with what should have been; what an error says is left open.
fn compare(who: &str, world: &World, messages: &[Value], expected: &[Value]) -> Checked {
    let plain = |message: &Value| {
        let mut message = message.clone();
        if let Some(error) = message.get_mut("error").and_then(Value::as_object_mut) {
            error.remove("message");
            error.remove("data");
            if world.mutates(Mutation::Drift) {
                error.insert("code".into(), json!(1));
            }
        }
        message
    };
    let same = messages.len() == expected.len()
        && messages.iter().zip(expected).all(|(m, e)| {
            if m.get("error").is_some() {
                plain(m) == *e
            } else {
                m == e
            }
        });
    require!(
        same,
        ModelAgrees,
        "the {who} wrote {}, the model {}",
        Value::from(messages.to_vec()),
        Value::from(expected.to_vec())
    );
    Ok(())
}

fn key_of(id: CallId) -> Key {
    let number = id.as_u64();
    ((number & 0xffff_ffff) as u32, (number >> 32) as u32)
}

fn live(id: CallId, line: &[u8], token: Option<Value>) -> Live {
    let message = tree::read(line).ok();
    let nonce = message
        .as_ref()
        .and_then(|m| m.param("arguments"))
        .and_then(|arguments| arguments.get("n"))
        .map(tree::Tree::value)
        .unwrap_or_default();
    let may_ask = message.as_ref().is_some_and(|m| {
        matches!(
            m.method.as_str(),
            "tools/call" | "prompts/get" | "resources/read"
        )
    });
    let peer = message
        .and_then(|m| m.id)
        .map(|id| id.value())
        .unwrap_or_default();
    Live {
        id,
        key: key_of(id),
        peer,
        token,
        nonce,
        may_ask,
        progress: 0.0,
    }
}

fn server_heard(event: LinkEvent) -> server_model::Heard {
    use server_model::Heard;
    match event {
        LinkEvent::Call {
            id,
            inbound,
            context,
        } => Heard::Call {
            key: key_of(id),
            line: server_model::Line(inbound.bytes.to_vec()),
            revision: context.revision.as_str().into(),
            level: context
                .log_level
                .and_then(|level| LEVELS.iter().position(|name| *name == level.as_str())),
            token: context
                .progress_token
                .and_then(|token| tree::parse(token.as_str().as_bytes()))
                .map(|token| token.value()),
        },
        LinkEvent::Listening { id, filter } => Heard::Listening(key_of(id), filter_of(&filter)),
        LinkEvent::Subscribed(filter) => Heard::Subscribed(filter_of(&filter)),
        LinkEvent::Cancelled { id, by } => {
            Heard::Cancelled(key_of(id), by == CancelledBy::Disconnect)
        }
        LinkEvent::Answered {
            call,
            request,
            outcome,
        } => {
            let value = |bytes: Bytes| tree::parse(&bytes).map(|t| t.value()).unwrap_or_default();
            let outcome = outcome.map(value).map_err(value);
            Heard::Answered(key_of(call), request.wire(), outcome)
        }
        LinkEvent::Expired { call, request } => Heard::Expired(key_of(call), request.wire()),
        LinkEvent::Notified { method, .. } => Heard::Notified(method.as_str().into()),
        LinkEvent::Closed { misbehaved } => Heard::Closed(misbehaved),
        _ => Heard::Notified("unknown event".into()),
    }
}

fn filter_of(filter: &mcp_proto::server::Filter) -> server_model::Filter {
    server_model::Filter {
        lists: [filter.tools, filter.prompts, filter.resources],
        uris: filter.uris.iter().map(|uri| uri.to_string()).collect(),
    }
}

fn client_heard(event: ClientEvent<u64>) -> client_model::Heard {
    use client::Outcome;
    use client_model::Heard;
    let value = |bytes: &[u8]| tree::parse(bytes).map(|t| t.value()).unwrap_or_default();
    let key = |id: RequestId| unwire(id.wire()).unwrap_or_default();
    match event {
        ClientEvent::Ended { id, token, outcome } => {
            let outcome = match outcome {
                Outcome::Complete(result) => client_model::Outcome::Complete(value(&result)),
                Outcome::InputRequired(result) => {
                    client_model::Outcome::InputRequired(value(&result))
                }
                Outcome::Error(error) => {
                    client_model::Outcome::Error(value(error.raw().as_bytes()))
                }
                Outcome::TimedOut(limit) => client_model::Outcome::TimedOut(limit == Limit::Total),
                Outcome::Withdrawn => client_model::Outcome::Withdrawn,
                Outcome::Lost => client_model::Outcome::Lost,
                _ => client_model::Outcome::Invalid,
            };
            Heard::Ended(key(id), token, outcome)
        }
        ClientEvent::Progress { id, progress } => {
            Heard::Progress(key(id), progress.progress, progress.total, progress.message)
        }
        ClientEvent::Acknowledged { id, .. } => Heard::Acknowledged(key(id)),
        ClientEvent::Changed { id, inbound, .. } => {
            Heard::Changed(key(id), inbound.method_name().into_owned())
        }
        ClientEvent::Notified { inbound, .. } => {
            Heard::Notified(inbound.method_name().into_owned())
        }
        ClientEvent::Asked { id, inbound } => {
            Heard::Asked(key_of(id), inbound.method_name().into_owned())
        }
        ClientEvent::Forgotten { id } => Heard::Forgotten(key_of(id)),
        ClientEvent::Unaddressed(error) => Heard::Unaddressed(value(error.raw().as_bytes())),
        ClientEvent::Violation(violation) => Heard::Violation(violation_name(violation)),
        ClientEvent::Closed { misbehaved } => Heard::Closed(misbehaved),
        _ => Heard::Violation("unknown event"),
    }
}

fn violation_name(violation: client::Violation) -> &'static str {
    use client::Violation;
    match violation {
        Violation::Malformed(_) => "malformed",
        Violation::TooLong => "too long",
        Violation::UnknownResponse => "unknown response",
        Violation::UnknownProgress => "unknown progress",
        Violation::ProgressNotIncreasing => "progress not increasing",
        Violation::UnknownSubscription => "unknown subscription",
        Violation::AcknowledgedTwice => "acknowledged twice",
        Violation::BeforeAcknowledgment => "before acknowledgment",
        Violation::NotGranted => "not granted",
        Violation::Untagged => "untagged",
        Violation::ForeignCancellation => "foreign cancellation",
        Violation::RequestInModernEra => "request in modern era",
        Violation::DuplicateRequest => "duplicate request",
        Violation::TooManyRequests => "too many requests",
        _ => "unknown violation",
    }
}

fn remember<T>(list: &mut VecDeque<T>, value: T) {
    if list.len() >= 16 {
        list.pop_front();
    }
    list.push_back(value);
}

trait Nth<T> {
    fn len(&self) -> usize;
    fn at(&self, n: usize) -> Option<&T>;
}

impl<T> Nth<T> for Vec<T> {
    fn len(&self) -> usize {
        self.len()
    }
    fn at(&self, n: usize) -> Option<&T> {
        self.get(n)
    }
}

impl<T> Nth<T> for VecDeque<T> {
    fn len(&self) -> usize {
        self.len()
    }
    fn at(&self, n: usize) -> Option<&T> {
        self.get(n)
    }
}

/// One of the list, if there is any.
fn nth<T>(list: &impl Nth<T>, n: u32) -> Option<&T> {
    let len = list.len().max(1);
    list.at(n as usize % len)
}

fn nth_key<V>(map: &BTreeMap<u64, V>, n: u32) -> Option<u64> {
    let len = map.len().max(1);
    map.keys().nth(n as usize % len).copied()
}
