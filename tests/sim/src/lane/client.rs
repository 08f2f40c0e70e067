//! The client's end of a lane: a link, its model, and an application that does what operations say.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mcp_proto::client::{self, Client, ClientEvent, RequestOptions};
use mcp_proto::error::WireError;
use mcp_proto::id::{CallId, RequestId};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::Step;
use mcp_types::{LoggingLevel, Revision};
use serde_json::Value;

use super::World;
use super::config::Config;
use super::heard::client_heard;
use super::watch::{Causes, contains};
use super::wire::{at, compare, key_of, nth, nth_key, remember, told, written};
use crate::failure::{Checked, require};
use crate::model::client::{self as client_model, ClientModel};
use crate::model::line::Room;
use crate::model::server::LEVELS;
use crate::model::slab::{Key, unwire, wire};
use crate::mutation::Mutation;

/// See the module.
#[derive(Debug)]
pub struct ClientEnd {
    config: Arc<Config>,
    /// Whether the server has no reason to be accused of anything.
    pub(super) honest: bool,
    /// Requests that have ended and how, for the lane to judge.
    pub(super) ended: Vec<(u64, Pending, client_model::Outcome)>,
    pub(super) link: Client<u64>,
    pub(super) input: BytesMut,
    pub(super) out: Outbox,
    pub(super) model: ClientModel,
    pub(super) causes: Causes,
    pub(super) dirty: bool,
    pub(super) reads: bool,
    pub(super) over: bool,
    pub(super) closed: bool,
    pub(super) revision: Revision,
    pub(super) pending: BTreeMap<u64, Pending>,
    pub(super) questions: Vec<Question>,
    pub(super) stale_questions: VecDeque<CallId>,
    /// The handle of the newest question.
    pub(super) newest: Option<Question>,
    /// Ids that are or were in use.
    pub(super) wires: VecDeque<u64>,
}

/// A question of a legacy server.
#[derive(Clone, Debug)]
pub struct Question {
    pub(super) id: CallId,
    pub(super) method: String,
    /// The parameters as raw JSON.
    pub(super) params: String,
}

/// A request that the application waits for.
#[derive(Clone, Debug)]
pub struct Pending {
    pub(super) id: RequestId,
    pub(super) method: &'static str,
    /// Progress heard last.
    pub(super) heard: f64,
}

impl ClientEnd {
    /// A client of that configuration.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
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
            honest: true,
            ended: Vec::new(),
            config,
        }
    }

    /// Sends a request; `nonce` is its token, and `b` chooses its options.
    pub(super) fn request(
        &mut self,
        world: &World,
        method: &'static str,
        params: &Value,
        nonce: u64,
        b: u32,
    ) -> Checked {
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
        let end = &mut *self;
        let (before, full) = (end.out.len(), end.out.is_full());
        let text = params.to_string();
        let now = at(world);
        let sent = end
            .link
            .request(now, method, &text, nonce, options, &mut end.out);
        let expected = end
            .model
            .request(world.now, method, params, nonce, model_options, full);
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
        self.wrote(world, before).map(|_| ())
    }

    pub(super) fn cancel(&mut self, world: &World, a: u32, b: u32) -> Checked {
        let end = &mut *self;
        let before = end.out.len();
        if b & 7 == 0 {
            // A handle that may be stale.
            let Some(wire) = nth(end.wires.iter(), a).copied() else {
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
            return self.wrote(world, before).map(|_| ());
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
        self.wrote(world, before).map(|_| ())
    }

    pub(super) fn notify(&mut self, world: &World, a: u32) -> Checked {
        let end = &mut *self;
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
        self.wrote(world, before).map(|_| ())
    }

    pub(super) fn reply(
        &mut self,
        world: &World,
        a: u32,
        b: u32,
        answer: impl FnOnce(&Question) -> Value,
    ) -> Checked {
        let end = &mut *self;
        let before = end.out.len();
        if b & 15 == 0 {
            let Some(id) = nth(end.stale_questions.iter(), a).copied() else {
                return Ok(());
            };
            let result = end.link.respond(id, "{}", &mut end.out);
            require!(
                result.is_err(),
                EndsExactlyOnce,
                "a stale question was answered"
            );
            return self.wrote(world, before).map(|_| ());
        }
        if end.questions.is_empty() {
            return Ok(());
        }
        let question = end.questions.swap_remove(a as usize % end.questions.len());
        let (id, result) = (question.id, answer(&question));
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
        self.wrote(world, before).map(|_| ())
    }

    /// Shakes hands, as a legacy client begins; most of them do.
    pub(super) fn begin(&mut self, world: &mut World) -> Checked {
        if self.revision.is_modern() || self.config.hostile && world.nonce.is_multiple_of(4) {
            return Ok(());
        }
        world.nonce += 1;
        let nonce = world.nonce;
        let params = self.config.client().initialize_params(self.revision);
        let params = serde_json::from_str(&params).unwrap_or_default();
        self.request(world, "initialize", &params, nonce, 6)?;
        self.notify(world, 0)
    }

    pub(super) fn speak(&mut self, a: u32) {
        if !self.config.mixed {
            return;
        }
        let revision = Revision::ALL[a as usize % Revision::ALL.len()];
        self.revision = revision;
        self.link.speak(revision);
        self.model.speak(revision.as_str());
        self.dirty = true;
    }

    pub(super) fn run(&mut self, world: &mut World) -> Checked {
        if !self.dirty {
            return Ok(());
        }
        self.dirty = false;
        while let client_model::Next::Event(heard) = self.step(world)? {
            self.hears(world, heard)?;
        }
        let end = &mut *self;
        end.causes.passed();
        end.reads = true;
        if world.mutates(Mutation::PhantomEvent)
            && let Some(pending) = end.pending.values().next()
        {
            let key = unwire(pending.id.wire()).unwrap_or_default();
            self.hears(world, client_model::Heard::Progress(key, 1e12, None, None))?;
        }
        let end = &mut *self;
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

    pub(super) fn step(&mut self, world: &mut World) -> Checked<client_model::Next> {
        world.steps += 1;
        let end = &mut *self;
        let before = end.out.len();
        let step = end.link.next(at(world), &mut end.input, &mut end.out);
        let step = match step {
            Step::Event(event) => {
                if let ClientEvent::Asked { id, inbound } = &event {
                    end.newest = Some(Question {
                        id: *id,
                        method: inbound.method_name().into_owned(),
                        params: inbound.text(inbound.envelope.params).to_owned(),
                    });
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
        let answers = end.model.line.written();
        require!(
            step == expected,
            ModelAgrees,
            "the client did {step:?}, the model {expected:?}"
        );
        compare("client", world, &messages, &answers)?;
        Ok(step)
    }

    fn wrote(&mut self, world: &World, before: usize) -> Checked<usize> {
        let (messages, _) = written(&self.out, before)?;
        let expected = self.model.line.written();
        compare("client", world, &messages, &expected)?;
        Ok(messages.len())
    }

    fn hears(&mut self, world: &mut World, heard: client_model::Heard) -> Checked {
        use client_model::{Heard, Outcome};
        world.events += 1;
        let honest = self.honest;
        let end = &mut *self;
        let named = |causes: &mut Causes, key: Key| {
            let id = wire(key).to_string();
            causes.take(|cause| contains(cause, &id))
        };
        let caused = match &heard {
            Heard::Ended(_, _, Outcome::TimedOut(_)) => true,
            Heard::Ended(_, _, Outcome::Lost) | Heard::Closed(_) => end.over || end.config.hostile,
            Heard::Ended(key, ..) | Heard::Progress(key, ..) | Heard::Acknowledged(key) => {
                named(&mut end.causes, *key)
            }
            Heard::Changed(key, _) => named(&mut end.causes, *key),
            Heard::Notified(_) | Heard::Unaddressed(_) | Heard::Asked(..) => {
                end.causes.take(|_| true)
            }
            Heard::Forgotten(_) => end.over || end.config.hostile || end.causes.take(|_| true),
            // A line that is too long is noticed before it ends.
            Heard::Violation(what) => *what == "too long" || end.causes.take(|_| true),
        };
        require!(caused, NoEventWithoutCause, "the client heard {heard:?}");
        match heard {
            Heard::Ended(key, token, outcome) => {
                if world.mutates(Mutation::SwallowEnding) {
                    return Ok(());
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
                    end.ended.push((token, pending, outcome.clone()));
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
                if let Some(at) = end.questions.iter().position(|q| key_of(q.id) == key) {
                    let gone = end.questions.swap_remove(at);
                    remember(&mut end.stale_questions, gone.id);
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
}
