//! What is said to a legacy client when the call that it concerns is over.
//!
//! Owns the way back to the client, which outlives calls and never a connection or session, and the bounded queue of a
//! byte stream. Must never reach another client than the one that made the call (2025-11-25, client/elicitation,
//! "Completion Notifications for URL Mode Elicitation").

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;

use mcp_proto::context::{CallContext, ClientFeatures};
use mcp_proto::json::write;
use mcp_proto::outbox::Outbox;
use mcp_types::{ElicitationCompleteNotificationParams, Revision, to_json};

use crate::cell::Output;
use crate::context::Inner;

/// Notifications that wait for a byte stream; a client that reads none of them hears of no more.
const MAX_WAITING: usize = 64;

const COMPLETE: &str = "notifications/elicitation/complete";

/// The way to one client.
pub(crate) trait Later: fmt::Debug + Send + Sync {
    /// Sends a notification, if the client is still there.
    fn tell(&self, method: &'static str, params: &str);
}

/// Whether there is anything that this client can be told later.
pub(crate) fn concerns(context: &CallContext) -> bool {
    context.revision == Revision::V2025_11_25
        && context.features.contains(ClientFeatures::ELICITATION_URL)
}

/// The interaction that a user was sent to a URL for. It may be kept until it is done there, long after the call.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use mcp_server::{Context, HandlerError, State, UrlInteraction, tool};
///
/// /// By id; whoever serves the URL finds it here and calls `complete`.
/// #[derive(Default)]
/// struct Open(Mutex<HashMap<String, UrlInteraction>>);
///
/// /// Reads the calendar.
/// #[tool]
/// async fn calendar(ctx: Context, open: State<Open>) -> Result<String, HandlerError> {
///     let interaction = ctx.url_interaction("connect");
///     let url = format!("https://example.com/connect?id={}", interaction.id());
///     open.0.lock().unwrap().insert(interaction.id().to_owned(), interaction);
///     ctx.require_url("connect", "Please connect your calendar", url).await?;
///     Ok("nothing planned".into())
/// }
/// # let _ = calendar();
/// ```
#[derive(Clone)]
pub struct UrlInteraction {
    id: String,
    /// Whether the client can be told of its end.
    concerned: bool,
    /// While the call runs, its own stream is the place.
    call: Weak<Inner>,
    later: Option<Arc<dyn Later>>,
}

impl UrlInteraction {
    pub(crate) fn new(id: String, call: &Arc<Inner>) -> Self {
        Self {
            id,
            concerned: concerns(&call.facts),
            call: Arc::downgrade(call),
            later: call.later.clone(),
        }
    }

    /// What identifies the interaction to a client of 2025-11-25: unique, unguessable, and known before the question is asked, so
    /// that it can be part of the URL.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Tells the client that the interaction is done: while the call runs on the call's own stream, later on that of its
    /// connection or session, if there still is one. Nothing happens where the client speaks another revision than 2025-11-25,
    /// the only one that has this notification.
    pub fn complete(&self) {
        if !self.concerned {
            return;
        }
        let params = ElicitationCompleteNotificationParams::new(self.id.as_str());
        let params = to_json(&params, Revision::V2025_11_25).into_string();
        let sent = self.call.upgrade().is_some_and(|call| {
            call.send(Output::Notify {
                method: COMPLETE,
                params: params.clone(),
            })
        });
        if let (false, Some(later)) = (sent, &self.later) {
            later.tell(COMPLETE, &params);
        }
    }
}

impl fmt::Debug for UrlInteraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlInteraction")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Notifications for the client of a byte stream, on their way to its connection.
#[derive(Debug, Default)]
pub(crate) struct Letters(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    letters: VecDeque<(&'static str, String)>,
    /// Whoever polls the connection.
    waker: Option<Waker>,
}

impl Letters {
    /// Writes what waits and has room; wakes `waker` when more comes.
    pub(crate) fn deliver(&self, waker: &Waker, out: &mut Outbox) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !out.is_full()
            && let Some((method, params)) = waiting.letters.pop_front()
        {
            write::write_notification(out, method, &params);
            out.put_byte(b'\n');
        }
        let old = match &waiting.waker {
            Some(known) if known.will_wake(waker) => None,
            _ => waiting.waker.replace(waker.clone()),
        };
        drop(waiting);
        // Outside of the lock: a waker may own a task.
        drop(old);
    }
}

impl Later for Letters {
    fn tell(&self, method: &'static str, params: &str) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.letters.len() >= MAX_WAITING {
            return;
        }
        waiting.letters.push_back((method, params.to_owned()));
        let waker = waiting.waker.clone();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
