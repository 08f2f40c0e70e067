//! The client's end of a lane: a link, its model, and an application that does what operations say.

mod application;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::BytesMut;
use mcp_proto::client::{Client, ClientEvent};
use mcp_proto::id::{CallId, RequestId};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::Step;
use mcp_types::Revision;

use super::World;
use super::config::Config;
use super::heard::client_heard;
use super::watch::{Causes, contains};
use super::wire::{at, compare, key_of, remember, told, written};
use crate::failure::{Checked, require};
use crate::model::client::{self as client_model, ClientModel};
use crate::model::line::Room;
use crate::model::slab::{Key, unwire, wire};
use crate::mutation::Mutation;
use crate::pipe::Pipe;

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

    /// Reads from a pipe, as a driver does that has asked what comes next.
    pub(super) fn receive(&mut self, world: &World, pipe: &mut Pipe, max: usize) {
        let end = &mut *self;
        if !end.reads || end.dirty {
            return;
        }
        if world.mutates(Mutation::HalfDuplex) && !end.out.is_empty() {
            return;
        }
        let bytes = pipe.read(world.now, max);
        end.causes.arrive(&bytes);
        end.input.extend_from_slice(&bytes);
        end.model.line.input(&bytes);
        end.dirty |= !bytes.is_empty();
        if pipe.is_cut() && pipe.is_empty() && !end.over {
            end.over = true;
            end.causes.end();
            end.link.end_of_input();
            end.model.line.end_of_input();
            end.dirty = true;
        }
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
