//! What a server keeps of a call, of a request of its own, and of the older era's session.

use serde_json::Value;

use super::super::batch;
use super::super::slab::Key;
use super::news::{Dirt, Filter};

#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: Value,
    pub(super) modern: bool,
    /// Its complete result must have caching hints.
    pub(super) hints: bool,
    pub(super) messages: bool,
    pub(super) token: Option<Value>,
    pub(super) level: Option<usize>,
    pub(super) reported: Option<f64>,
    pub(super) waiting: Option<(f64, Option<f64>, Option<String>)>,
    /// No progress is sent before.
    pub(super) free_at: u64,
    pub(super) subscription: Option<(Filter, Dirt)>,
    pub(super) batch: Option<batch::Number>,
}

impl Call {
    /// Whether a report waits whose time has come.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.waiting.is_some() && self.free_at <= now
    }

    /// Whether it has something to say.
    pub(super) fn is_loud(&self, now: u64) -> bool {
        self.is_due(now)
            || self.subscription.as_ref().is_some_and(|(filter, dirt)| {
                dirt.lists != [false; 3] || filter.uris.iter().any(|u| dirt.uris.contains(u))
            })
    }
}

#[derive(Debug)]
pub(super) struct Ask {
    pub(super) call: Key,
    pub(super) at: u64,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) revision: &'static str,
    pub(super) level: usize,
    pub(super) filter: Filter,
    pub(super) dirt: Dirt,
}
