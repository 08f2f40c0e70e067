//! What the application at the client's end does with its link, and with the model beside it.

use std::time::Duration;

use mcp_proto::client::{self, RequestOptions};
use mcp_proto::error::WireError;
use mcp_proto::id::RequestId;
use mcp_types::{LoggingLevel, Revision};
use serde_json::Value;

use super::super::World;
use super::super::wire::{at, key_of, nth, nth_key, remember};
use super::{ClientEnd, Pending, Question};
use crate::failure::{Checked, require};
use crate::model::client as client_model;
use crate::model::server::LEVELS;
use crate::model::slab::unwire;

impl ClientEnd {
    /// Sends a request; `nonce` is its token, and `b` chooses its options.
    pub(in crate::lane) fn request(
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

    pub(in crate::lane) fn cancel(&mut self, world: &World, a: u32, b: u32) -> Checked {
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

    pub(in crate::lane) fn notify(&mut self, world: &World, a: u32) -> Checked {
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

    pub(in crate::lane) fn reply(
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
    pub(in crate::lane) fn begin(&mut self, world: &mut World) -> Checked {
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

    pub(in crate::lane) fn speak(&mut self, a: u32) {
        if !self.config.mixed {
            return;
        }
        let revision = Revision::ALL[a as usize % Revision::ALL.len()];
        self.revision = revision;
        self.link.speak(revision);
        self.model.speak(revision.as_str());
        self.dirty = true;
    }
}
