//! What the application at the server's end does with its link, and with the model beside it.

use bytes::Bytes;
use mcp_proto::config::CacheHint;
use mcp_proto::error::WireError;
use mcp_proto::reply::{Payload, Reply, ResultKind};
use mcp_proto::server::{Change, Progress, Refused};
use mcp_types::LoggingLevel;
use serde_json::json;

use super::super::World;
use super::super::wire::{LARGEST, at, nth, remember};
use super::{Live, ServerEnd};
use crate::failure::{Checked, require};
use crate::model::server::{self as server_model, LEVELS};

impl ServerEnd {
    pub(in crate::lane) fn answer(&mut self, world: &World, a: u32, b: u32) -> Checked {
        if self.live.is_empty() {
            return Ok(());
        }
        let n = a as usize % self.live.len();
        let live = self.live.swap_remove(n);
        self.answer_live(world, &live, b)
    }

    pub(in crate::lane) fn answer_live(&mut self, world: &World, live: &Live, b: u32) -> Checked {
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

    pub(in crate::lane) fn progress(&mut self, world: &World, a: u32, b: u32) -> Checked {
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

    pub(in crate::lane) fn log(&mut self, world: &World, a: u32, b: u32) -> Checked {
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

    pub(in crate::lane) fn ask(&mut self, world: &World, a: u32, b: u32) -> Checked {
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

    pub(in crate::lane) fn withdraw(&mut self, world: &World, a: u32) -> Checked {
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

    pub(in crate::lane) fn changed(&mut self, a: u32, b: u32) {
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

    pub(in crate::lane) fn stale(&mut self, world: &World, a: u32, b: u32) -> Checked {
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

    pub(in crate::lane) fn drain(&mut self, world: &World) -> Checked {
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
}
