//! The server's end of a lane: a link, its model, and an application that does what operations say.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use mcp_proto::config::CacheHint;
use mcp_proto::error::WireError;
use mcp_proto::id::{CallId, RequestId};
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply, ResultKind};
use mcp_proto::server::{Change, Link, LinkEvent, Progress, Refused, Step};
use mcp_types::LoggingLevel;
use serde_json::{Value, json};

use super::World;
use super::config::Config;
use super::heard::server_heard;
use super::watch::{Causes, ServerWatch, contains, shown};
use super::wire::{LARGEST, at, compare, key_of, nth, remember, told, written};
use crate::failure::{Checked, require};
use crate::model::line::Room;
use crate::model::server::{self as server_model, LEVELS, ServerModel};
use crate::model::slab::Key;
use crate::model::tree;
use crate::mutation::Mutation;

/// See the module.
#[derive(Debug)]
pub struct ServerEnd {
    config: Arc<Config>,
    pub(super) link: Link,
    pub(super) input: BytesMut,
    pub(super) out: Outbox,
    pub(super) model: ServerModel,
    pub(super) watch: ServerWatch,
    pub(super) causes: Causes,
    pub(super) dirty: bool,
    pub(super) reads: bool,
    pub(super) over: bool,
    pub(super) closed: bool,
    pub(super) live: Vec<Live>,
    pub(super) subscriptions: Vec<Live>,
    /// Handles that are stale.
    pub(super) stale: VecDeque<CallId>,
    pub(super) asks: Vec<RequestId>,
    pub(super) last_ask: u64,
    /// The handle of the newest event, and the tag of the newest acknowledgment.
    pub(super) newest: Option<CallId>,
    pub(super) last_ack: Option<Value>,
}

/// A call that the application works on.
#[derive(Clone, Debug)]
pub struct Live {
    pub(super) id: CallId,
    pub(super) key: Key,
    pub(super) peer: Value,
    pub(super) token: Option<Value>,
    pub(super) nonce: Value,
    pub(super) may_ask: bool,
    pub(super) progress: f64,
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

impl ServerEnd {
    /// A server of that configuration; `room` more calls than the model believes.
    #[must_use]
    pub fn new(config: Arc<Config>, room: usize) -> Self {
        Self {
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
            config,
        }
    }

    pub(super) fn answer(&mut self, world: &World, a: u32, b: u32) -> Checked {
        if self.live.is_empty() {
            return Ok(());
        }
        let n = a as usize % self.live.len();
        let live = self.live.swap_remove(n);
        self.answer_live(world, &live, b)
    }

    pub(super) fn answer_live(&mut self, world: &World, live: &Live, b: u32) -> Checked {
        let end = &mut *self;
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
        self.wrote(world, before)?;
        self.watch.over(&live.peer, live.token.as_ref(), false);
        remember(&mut self.stale, live.id);
        Ok(())
    }

    pub(super) fn progress(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut *self;
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
        let sent = end
            .link
            .progress(at(world), live.id, report, &mut end.out)
            .is_ok();
        let expected = end
            .model
            .progress(world.now, live.key, value, total, message, full);
        require!(
            sent == expected,
            ModelAgrees,
            "progress {sent}, model {expected}"
        );
        end.dirty = true;
        self.wrote(world, before)
    }

    pub(super) fn log(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut *self;
        let Some(live) = nth(end.live.iter(), a) else {
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
        self.wrote(world, before)
    }

    pub(super) fn ask(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut *self;
        let Some(live) = nth(end.live.iter(), a) else {
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
            Err(Refused::Closed) => Err("closed"),
            Err(_) => Err("capacity"),
        };
        require!(
            sent == expected,
            ModelAgrees,
            "ask {sent:?}, model {expected:?}"
        );
        end.dirty = true;
        self.wrote(world, before)
    }

    pub(super) fn withdraw(&mut self, world: &World, a: u32) -> Checked {
        let end = &mut *self;
        if end.asks.is_empty() {
            return Ok(());
        }
        let id = end.asks.swap_remove(a as usize % end.asks.len());
        let before = end.out.len();
        end.link.withdraw(id, &mut end.out);
        end.model.withdraw(id.wire());
        end.dirty = true;
        self.wrote(world, before)
    }

    pub(super) fn changed(&mut self, a: u32, b: u32) {
        let end = &mut *self;
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

    pub(super) fn stale(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut *self;
        let Some(id) = nth(end.stale.iter(), a).copied() else {
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
            2 => end
                .link
                .progress(at(world), id, report, &mut end.out)
                .is_err(),
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

    pub(super) fn drain(&mut self, world: &World) -> Checked {
        let end = &mut *self;
        let before = end.out.len();
        end.link.drain(&mut end.out);
        end.model.drain();
        end.dirty = true;
        self.wrote(world, before)?;
        let end = &mut *self;
        for gone in end.subscriptions.drain(..) {
            end.watch.over(&gone.peer, gone.token.as_ref(), false);
            remember(&mut end.stale, gone.id);
        }
        Ok(())
    }

    pub(super) fn run(&mut self, world: &mut World) -> Checked {
        if !self.dirty {
            return Ok(());
        }
        self.dirty = false;
        loop {
            let (step, _) = self.step(world)?;
            match step {
                server_model::Next::Event(heard) => self.hears(world, heard)?,
                server_model::Next::Input => {
                    self.causes.passed();
                    self.reads = true;
                    break;
                }
                server_model::Next::Flush => {
                    self.reads = false;
                    break;
                }
            }
        }
        let end = &mut *self;
        let real = end.link.poll_timeout().map(|w| w.at.as_micros());
        let told = told(world, real);
        let wanted = end.model.deadline(world.now);
        require!(
            wanted.is_none_or(|wanted| told.is_some_and(|told| told <= wanted)),
            NoLostWakeup,
            "the server has a deadline at {wanted:?} and asks to be called at {told:?}"
        );
        require!(
            !end.model.has_frames(world.now) || end.out.is_full(),
            NoLostWakeup,
            "the server has frames to write and room, and goes to sleep until {told:?}"
        );
        require!(
            told.is_none_or(|told| told > world.now),
            NoHotLoop,
            "the server has nothing to do at {} and wants to be called at {told:?}",
            world.now
        );
        Ok(())
    }

    /// Asks the machine and the model once and compares.
    pub(super) fn step(&mut self, world: &mut World) -> Checked<(server_model::Next, bool)> {
        world.steps += 1;
        let end = &mut *self;
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
        self.frames(world, &messages)?;
        let end = &mut *self;
        let expected = end.model.next(
            world.now,
            &Room {
                before,
                lengths: &lengths,
            },
        );
        let answers = end.model.line.written();
        require!(
            step == expected,
            ModelAgrees,
            "the server did {step:?}, the model {expected:?}"
        );
        compare("server", world, &messages, &answers)?;
        Ok((step, !messages.is_empty()))
    }

    /// Everything that the server sends passes here.
    fn frames(&mut self, world: &World, messages: &[Value]) -> Checked {
        let watch = &mut self.watch;
        for message in messages {
            if message.is_array() {
                // What answers a batch was said earlier, before a cancellation perhaps; the model knows when.
                continue;
            }
            let method = message["method"].as_str().unwrap_or_default();
            if method.ends_with("/acknowledged") {
                let tag = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
                self.last_ack = Some(tag.clone());
            }
            if world.mutation.is_none() {
                watch.frame(message)?;
                continue;
            }
            for message in shown(world, message) {
                watch.frame(&message)?;
            }
        }
        Ok(())
    }

    /// After a call on the machine that was mirrored by one on the model.
    fn wrote(&mut self, world: &World, before: usize) -> Checked {
        let (messages, _) = written(&self.out, before)?;
        self.frames(world, &messages)?;
        let expected = self.model.line.written();
        compare("server", world, &messages, &expected)
    }

    fn hears(&mut self, world: &mut World, heard: server_model::Heard) -> Checked {
        use server_model::Heard;
        world.events += 1;
        let end = &mut *self;
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
            Heard::Cancelled(_, true) | Heard::Lost(..) | Heard::Closed(false) => {
                end.over || end.config.hostile
            }
            Heard::Closed(true) => end.config.hostile,
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
            Heard::Answered(key, id, _) | Heard::Expired(key, id) | Heard::Lost(key, id) => {
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
}
