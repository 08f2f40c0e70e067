//! The server's end of a lane: a link, its model, and an application that does what operations say.

mod application;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use mcp_proto::id::{CallId, RequestId};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::{Link, LinkEvent, Step};
use serde_json::{Value, json};

use super::World;
use super::config::Config;
use super::heard::server_heard;
use super::watch::{Causes, ServerWatch, contains, shown};
use super::wire::{at, compare, key_of, remember, told, written};
use crate::failure::{Checked, require};
use crate::model::line::Room;
use crate::model::server::{self as server_model, ServerModel};
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
