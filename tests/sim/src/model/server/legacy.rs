//! Requests of the older era, and its session.

use serde_json::{Value, json};

use super::super::tree::{Message, Tree};
use super::calls::{Call, Session};
use super::news::{Dirt, Filter};
use super::receive::token;
use super::{Heard, LEVELS, Refusal, ServerModel};

impl ServerModel {
    pub(super) fn legacy(
        &mut self,
        id: &Value,
        message: &Message,
        line: Vec<u8>,
    ) -> Result<Option<Heard>, Refusal> {
        if message.method == "initialize" {
            return self.initialize(id, message).map(Some);
        }
        let Some(session) = &self.session else {
            return match message.method.as_str() {
                "ping" if !self.shape.legacy.is_empty() => {
                    self.reply(id, false, json!({}));
                    Ok(None)
                }
                "server/discover" => Err(-32601),
                _ => Err(-32602),
            };
        };
        let (revision, least) = (session.revision, session.level);
        if !self.serves(&message.method, false) {
            return Err(-32601);
        }
        let token = token(message)?;
        let uri = message.param("uri").and_then(Tree::text).map(str::to_owned);
        let (max_uri, max_uris) = (self.shape.max_uri, self.shape.max_uris);
        let Some(session) = &mut self.session else {
            return Err(-32602);
        };
        let mut heard = None;
        match message.method.as_str() {
            "ping" => {}
            "logging/setLevel" => {
                let level = message.param("level").and_then(Tree::text);
                session.level = level
                    .and_then(|name| LEVELS.iter().position(|l| *l == name))
                    .ok_or(-32602)?;
            }
            "resources/subscribe" => {
                let uri = uri.ok_or(-32602)?;
                if uri.len() > max_uri {
                    return Err(-32602);
                }
                if !session.filter.uris.contains(&uri) {
                    if session.filter.uris.len() >= max_uris {
                        return Err(-32602);
                    }
                    session.filter.uris.push(uri);
                }
                heard = Some(Heard::Subscribed(session.filter.clone()));
            }
            "resources/unsubscribe" => {
                let uri = uri.ok_or(-32602)?;
                if let Some(at) = session.filter.uris.iter().position(|known| *known == uri) {
                    session.filter.uris.swap_remove(at);
                    session.dirt.uris.retain(|known| *known != uri);
                }
                heard = Some(Heard::Subscribed(session.filter.clone()));
            }
            _ => {
                let call = Call {
                    id: id.clone(),
                    modern: false,
                    hints: false,
                    messages: revision >= "2025-03-26",
                    token,
                    level: self.shape.logging.then_some(least),
                    reported: None,
                    waiting: None,
                    free_at: 0,
                    subscription: None,
                    batch: None,
                };
                return self.enter(call, revision, line).map(Some);
            }
        }
        self.reply(id, false, json!({}));
        Ok(heard)
    }

    pub(super) fn initialize(&mut self, id: &Value, message: &Message) -> Result<Heard, Refusal> {
        if self.calls.iter().any(|(_, call)| !call.modern) {
            return Err(-32600);
        }
        let requested = message
            .param("protocolVersion")
            .and_then(Tree::text)
            .ok_or(-32602)?;
        let known = self
            .shape
            .legacy
            .iter()
            .find(|revision| **revision == requested);
        let revision = *known.or_else(|| self.shape.legacy.first()).ok_or(-32022)?;
        if !message.param("capabilities").is_some_and(Tree::is_object) {
            return Err(-32602);
        }
        let capabilities = self.capabilities(revision);
        let info = self.shape.info.clone();
        self.reply(
            id,
            false,
            json!({"protocolVersion":revision,"capabilities":capabilities,"serverInfo":info}),
        );
        let filter = Filter {
            lists: [self.shape.tools, self.shape.prompts, self.shape.resources],
            uris: Vec::new(),
        };
        self.session = Some(Session {
            revision,
            level: 1,
            filter: filter.clone(),
            dirt: Dirt::default(),
        });
        Ok(Heard::Subscribed(filter))
    }
}
