//! What changes, who wants to hear of it, and what they were not told yet.

use serde_json::{Value, json};

use super::SUBSCRIPTION;

/// What somebody wants to hear of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Tools, prompts, resources.
    pub lists: [bool; 3],
    /// Resources by URI.
    pub uris: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Dirt {
    pub(super) lists: [bool; 3],
    pub(super) uris: Vec<String>,
}

impl Dirt {
    pub(super) fn mark(&mut self, filter: &Filter, change: &Change) {
        match change {
            Change::List(n) if filter.lists[*n] => self.lists[*n] = true,
            Change::Uri(uri) if filter.uris.contains(uri) && !self.uris.contains(uri) => {
                self.uris.push(uri.clone());
            }
            _ => {}
        }
    }

    pub(super) fn take(&mut self, filter: &Filter) -> Option<Change> {
        for n in 0..3 {
            if core::mem::take(&mut self.lists[n]) {
                return Some(Change::List(n));
            }
        }
        let uri = filter
            .uris
            .iter()
            .find(|uri| self.uris.contains(uri))?
            .clone();
        self.uris.retain(|known| *known != uri);
        Some(Change::Uri(uri))
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Tools, prompts, resources.
    List(usize),
    /// A resource.
    Uri(String),
}

/// The kinds of lists by their names in a filter.
pub(super) const LISTS: [&str; 3] = [
    "toolsListChanged",
    "promptsListChanged",
    "resourcesListChanged",
];

pub(super) fn notice(change: &Change, subscription: Option<&Value>) -> Value {
    let method = match change {
        Change::List(n) => [
            "tools/list_changed",
            "prompts/list_changed",
            "resources/list_changed",
        ][*n],
        Change::Uri(_) => "resources/updated",
    };
    let mut message = json!({"jsonrpc":"2.0","method":format!("notifications/{method}")});
    if let Some(id) = subscription {
        message["params"]["_meta"][SUBSCRIPTION] = id.clone();
    }
    if let Change::Uri(uri) = change {
        message["params"]["uri"] = json!(uri);
    }
    message
}
