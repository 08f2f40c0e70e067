//! Requests of 2026-07-28.

use serde_json::{Value, json};

use super::super::tree::{Message, Tree};
use super::calls::Call;
use super::news::{Dirt, Filter, LISTS};
use super::receive::token;
use super::{CAPABILITIES, Heard, LEVELS, MODERN, Refusal, SUBSCRIPTION, ServerModel, VERSION};

/// Methods whose modern results must say how long they hold.
const HINTED: [&str; 5] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];

const LEVEL: &str = "io.modelcontextprotocol/logLevel";

impl ServerModel {
    pub(super) fn modern(
        &mut self,
        id: &Value,
        message: &Message,
        line: Vec<u8>,
    ) -> Result<Option<Heard>, Refusal> {
        let version = message.meta(VERSION).and_then(Tree::text);
        let (Some(version), Some(Tree::Object(_))) = (version, message.meta(CAPABILITIES)) else {
            let legacy = message.method == "initialize" && message.param("_meta").is_none();
            return Err(if legacy { -32022 } else { -32602 });
        };
        if version != MODERN {
            return Err(-32022);
        }
        if !self.serves(&message.method, true) {
            return Err(-32601);
        }
        let token = token(message)?;
        let level = match message.meta(LEVEL) {
            None => None,
            Some(level) => {
                let name = level.text().ok_or(-32602)?;
                let level = LEVELS.iter().position(|l| *l == name).ok_or(-32602)?;
                self.shape.logging.then_some(level)
            }
        };
        if message.method == "server/discover" {
            let mut versions: Vec<&str> = self.shape.legacy.clone();
            versions.insert(0, MODERN);
            let capabilities = self.capabilities(MODERN);
            self.reply(
                id,
                true,
                json!({"supportedVersions":versions,"capabilities":capabilities,
                    "ttlMs":3_600_000,"cacheScope":"public"}),
            );
            return Ok(None);
        }
        let mut call = Call {
            id: id.clone(),
            modern: true,
            hints: HINTED.contains(&message.method.as_str()),
            messages: true,
            token,
            level,
            reported: None,
            waiting: None,
            free_at: 0,
            subscription: None,
            batch: None,
        };
        if message.method == "subscriptions/listen" {
            let filter = self.granted(message)?;
            let open = self
                .calls
                .iter()
                .filter(|(_, c)| c.subscription.is_some())
                .count();
            if open >= self.shape.max_listens || self.draining || self.calls.is_full() {
                return Err(-32603);
            }
            let mut kinds = json!({});
            for (n, name) in LISTS.iter().enumerate() {
                if filter.lists[n] {
                    kinds[*name] = json!(true);
                }
            }
            if !filter.uris.is_empty() {
                kinds["resourceSubscriptions"] = json!(filter.uris);
            }
            self.line.out.push(json!({"jsonrpc":"2.0",
                "method":"notifications/subscriptions/acknowledged",
                "params":{"_meta":{SUBSCRIPTION:id},"notifications":kinds}}));
            call.subscription = Some((filter.clone(), Dirt::default()));
            let key = self.calls.insert(call).ok_or(-32603)?;
            return Ok(Some(Heard::Listening(key, filter)));
        }
        self.enter(call, MODERN, line).map(Some)
    }

    pub(super) fn granted(&self, message: &Message) -> Result<Filter, Refusal> {
        let Some(Tree::Object(members)) = message.param("notifications") else {
            return Err(-32602);
        };
        let offered = [self.shape.tools, self.shape.prompts, self.shape.resources];
        let mut filter = Filter::default();
        for (key, value) in members {
            if let Some(n) = LISTS.iter().position(|name| name == key) {
                filter.lists[n] = match value {
                    Tree::Bool(wanted) => *wanted && offered[n],
                    Tree::Null => false,
                    _ => return Err(-32602),
                };
            } else if key == "resourceSubscriptions" {
                let uris = match value {
                    Tree::List(uris) => uris.as_slice(),
                    Tree::Null => &[],
                    _ => return Err(-32602),
                };
                filter.uris.clear();
                for uri in uris {
                    let uri = uri.text().ok_or(-32602)?.to_owned();
                    let fits =
                        filter.uris.len() < self.shape.max_uris && uri.len() <= self.shape.max_uri;
                    if self.shape.resources && fits && !filter.uris.contains(&uri) {
                        filter.uris.push(uri);
                    }
                }
            }
        }
        Ok(filter)
    }
}
