//! `subscriptions/listen` without a transport: the filter, the acknowledgment, the dirty bits.
//!
//! Owns what one subscriber asked for and what changed since its last frame. Level-triggered: a
//! thousand updates of one URI between two flushes are one frame, so memory is bounded by the filter
//! and never by the rate of events. Must never write a notification before the acknowledgment, nor one
//! that was not asked for (2026-07-28, basic/patterns/subscriptions).
//!
//! ```text
//! open ──acknowledge──▶ live ──changed*──▶ dirty ──write_next──▶ live … ──end──▶ (completion response)
//! ```

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use crate::config::{ServerConfig, ServerFeatures};
use crate::error::{self, WireError};
use crate::id::WireId;
use crate::json::{Inbound, text, write};
use crate::outbox::Outbox;

/// Something that subscribers may want to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<'a> {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources or of resource templates.
    Resources,
    /// The content of the resource with this URI.
    Resource(&'a str),
}

/// What a subscriber wants to hear of. URIs are bounded in number and length by `Limits`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `toolsListChanged`.
    pub tools: bool,
    /// `promptsListChanged`.
    pub prompts: bool,
    /// `resourcesListChanged`.
    pub resources: bool,
    /// `resourceSubscriptions`.
    pub uris: Vec<Box<str>>,
}

impl Filter {
    /// Reads the `notifications` member of a listen request and keeps the subset that the server
    /// honours; URIs beyond the limits are left out, as the acknowledgment shows.
    ///
    /// # Errors
    /// -32602 when the member is missing or a field has another type.
    pub fn granted(inbound: &Inbound, config: &ServerConfig) -> Result<Self, WireError> {
        let requested = inbound.text(inbound.envelope.notifications);
        if !requested.starts_with('{') {
            return Err(invalid("params.notifications must be an object"));
        }
        let features = config.features();
        let mut filter = Self::default();
        for (key, value) in text::members(requested) {
            if text::eq_decoded(key, "toolsListChanged") {
                filter.tools = flag(key, value)? && features.tools_changed;
            } else if text::eq_decoded(key, "promptsListChanged") {
                filter.prompts = flag(key, value)? && features.prompts_changed;
            } else if text::eq_decoded(key, "resourcesListChanged") {
                filter.resources = flag(key, value)? && features.resources_changed;
            } else if text::eq_decoded(key, "resourceSubscriptions") {
                filter.uris = uris(value, config, features)?;
            }
        }
        Ok(filter)
    }

    /// Whether nothing is subscribed to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.tools && !self.prompts && !self.resources && self.uris.is_empty()
    }

    /// Whether `change` passes.
    #[must_use]
    pub fn matches(&self, change: Change<'_>) -> bool {
        match change {
            Change::Tools => self.tools,
            Change::Prompts => self.prompts,
            Change::Resources => self.resources,
            Change::Resource(uri) => self.uris.iter().any(|own| **own == *uri),
        }
    }
}

fn flag(key: &str, value: &str) -> Result<bool, WireError> {
    match value {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        _ => Err(invalid(format!(
            "params.notifications: {key} must be a boolean"
        ))),
    }
}

fn uris(
    value: &str,
    config: &ServerConfig,
    features: ServerFeatures,
) -> Result<Vec<Box<str>>, WireError> {
    let expected =
        || invalid("params.notifications.resourceSubscriptions must be an array of strings");
    if !value.starts_with('[') {
        return if value == "null" {
            Ok(Vec::new())
        } else {
            Err(expected())
        };
    }
    let limits = config.limits();
    let mut uris: Vec<Box<str>> = Vec::new();
    // Sorted: a message of nothing but repetitions must not be compared with everything granted.
    let mut known = BTreeSet::new();
    for item in text::elements(value) {
        let uri = text::decode_str(item).ok_or_else(expected)?;
        let fits = uris.len() < limits.max_uris && uri.len() <= limits.max_uri;
        if features.subscribe && fits && !known.contains(&uri) {
            uris.push(uri.as_ref().into());
            known.insert(uri);
        }
    }
    Ok(uris)
}

fn invalid(message: impl Into<alloc::borrow::Cow<'static, str>>) -> WireError {
    WireError::new(error::INVALID_PARAMS, message)
}

/// What changed since the last frame, for one filter.
#[derive(Clone, Debug, Default)]
pub struct Dirty {
    tools: bool,
    prompts: bool,
    resources: bool,
    /// One flag for each URI of the filter, in its order.
    uris: Vec<bool>,
    /// How many flags of `uris` are set: an idle check is O(1).
    dirty_uris: usize,
}

impl Dirty {
    /// Marks `change` if `filter` lets it pass; says whether anything is new.
    pub fn mark(&mut self, filter: &Filter, change: Change<'_>) -> bool {
        let flag = match change {
            Change::Tools if filter.tools => &mut self.tools,
            Change::Prompts if filter.prompts => &mut self.prompts,
            Change::Resources if filter.resources => &mut self.resources,
            Change::Resource(uri) => {
                let Some(at) = filter.uris.iter().position(|own| **own == *uri) else {
                    return false;
                };
                self.uris.resize(filter.uris.len(), false);
                let new = !self.uris[at];
                self.uris[at] = true;
                self.dirty_uris += usize::from(new);
                return new;
            }
            _ => return false,
        };
        !core::mem::replace(flag, true)
    }

    /// Whether a frame is waiting.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.tools || self.prompts || self.resources || self.dirty_uris > 0
    }

    /// Takes one change that waits to be written.
    pub fn take<'f>(&mut self, filter: &'f Filter) -> Option<Change<'f>> {
        if core::mem::take(&mut self.tools) {
            return Some(Change::Tools);
        }
        if core::mem::take(&mut self.prompts) {
            return Some(Change::Prompts);
        }
        if core::mem::take(&mut self.resources) {
            return Some(Change::Resources);
        }
        if self.dirty_uris == 0 {
            return None;
        }
        let at = self.uris.iter().position(|dirty| *dirty)?;
        self.uris[at] = false;
        self.dirty_uris -= 1;
        filter.uris.get(at).map(|uri| Change::Resource(uri))
    }

    /// Forgets the flag of the URI at `at`, because `filter` is about to drop that URI (swap-remove order).
    pub fn swap_remove_uri(&mut self, filter: &Filter, at: usize) {
        if self.dirty_uris == 0 {
            self.uris.clear();
            return;
        }
        // URIs that were added since the last change have no flag yet, and the last of them moves into the gap.
        self.uris.resize(filter.uris.len(), false);
        if at < self.uris.len() && self.uris.swap_remove(at) {
            self.dirty_uris -= 1;
        }
    }
}

/// Writes the notification of one change, without framing; `subscription` tags a modern one.
pub fn write_change(out: &mut Outbox, change: Change<'_>, subscription: Option<&WireId>) {
    out.put(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/");
    out.put(match change {
        Change::Tools => b"tools/list_changed\"".as_slice(),
        Change::Prompts => b"prompts/list_changed\"",
        Change::Resources => b"resources/list_changed\"",
        Change::Resource(_) => b"resources/updated\"",
    });
    let uri = if let Change::Resource(uri) = change {
        Some(uri)
    } else {
        None
    };
    if subscription.is_some() || uri.is_some() {
        out.put(b",\"params\":{");
        if let Some(id) = subscription {
            write_meta(out, id);
        }
        if let Some(uri) = uri {
            if subscription.is_some() {
                out.put_byte(b',');
            }
            out.put(b"\"uri\":");
            text::write_str(out, uri);
        }
        out.put_byte(b'}');
    }
    out.put_byte(b'}');
}

fn write_meta(out: &mut Outbox, id: &WireId) {
    out.put(b"\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":");
    out.put(id.as_str().as_bytes());
    out.put_byte(b'}');
}

/// One open listen request.
#[derive(Debug)]
pub struct Subscription {
    id: WireId,
    filter: Filter,
    dirty: Dirty,
}

impl Subscription {
    /// Opens the subscription and writes its acknowledgment, which nothing can precede.
    pub fn open(id: WireId, filter: Filter, out: &mut Outbox) -> Self {
        out.put(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{");
        write_meta(out, &id);
        out.put(b",\"notifications\":{");
        let mut first = true;
        let mut member = |out: &mut Outbox, text: &[u8]| {
            if !core::mem::take(&mut first) {
                out.put_byte(b',');
            }
            out.put(text);
        };
        if filter.tools {
            member(out, b"\"toolsListChanged\":true");
        }
        if filter.prompts {
            member(out, b"\"promptsListChanged\":true");
        }
        if filter.resources {
            member(out, b"\"resourcesListChanged\":true");
        }
        if !filter.uris.is_empty() {
            member(out, b"\"resourceSubscriptions\":[");
            for (n, uri) in filter.uris.iter().enumerate() {
                if n > 0 {
                    out.put_byte(b',');
                }
                text::write_str(out, uri);
            }
            out.put_byte(b']');
        }
        out.put(b"}}}");
        Self {
            id,
            filter,
            dirty: Dirty::default(),
        }
    }

    /// The id of the listen request.
    #[must_use]
    pub const fn id(&self) -> &WireId {
        &self.id
    }

    /// What was granted.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Takes note of a change; says whether a frame is newly waiting.
    pub fn changed(&mut self, change: Change<'_>) -> bool {
        self.dirty.mark(&self.filter, change)
    }

    /// Whether a frame is waiting.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.dirty.is_dirty()
    }

    /// Writes one waiting notification, without framing; `false` when there is none.
    pub fn write_next(&mut self, out: &mut Outbox) -> bool {
        let change = self.dirty.take(&self.filter);
        if let Some(change) = change {
            write_change(out, change, Some(&self.id));
        }
        change.is_some()
    }

    /// Writes the completion response that ends the subscription gracefully, without framing.
    ///
    /// On a byte stream [`write_cancelled`](Self::write_cancelled) follows. Over HTTP the end of the response's stream does,
    /// which says the same there: each transport defines how it signals cancellation and termination (2026-07-28,
    /// basic/transports "Cancellation"), closing the stream is that signal, and the final response terminates it
    /// (streamable-http, "Receiving Messages").
    pub fn write_end(&self, out: &mut Outbox, config: &ServerConfig) {
        write::result_start(out, &self.id);
        out.put(
            b"{\"resultType\":\"complete\",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":",
        );
        out.put(self.id.as_str().as_bytes());
        out.put(b",\"io.modelcontextprotocol/serverInfo\":");
        out.put(config.server_info());
        out.put(b"}}}");
    }

    /// Writes the cancelled notice that a byte stream needs, where no stream of its own ends with a subscription
    /// (2026-07-28, basic/patterns/cancellation). Without framing. It follows the completion response, so that a client which
    /// stops at the first of them has seen a graceful end.
    pub fn write_cancelled(&self, out: &mut Outbox) {
        let reason = Some("the server ended the subscription");
        write::write_cancelled(out, |out| out.put(self.id.as_bytes()), reason);
    }
}
