//! The pair of endpoints of 2024-11-05: a stream that is opened with GET, and a place to POST to.
//!
//! Owns the table of open streams and the ids that name them. A session is one stream and ends with it: nothing is kept,
//! resumed or replayed. Must never tell a stream of another principal from one that never was.
//! Source: 2024-11-05 basic/transports, "HTTP with SSE"; 2025-03-26 basic/transports, "Backwards Compatibility".
//!
//! ```text
//!  GET /sse ──▶ event: endpoint, with the place to POST to ──▶ event: message* ──▶ the end of the session
//!                                                                  ▲
//!  POST /messages?sessionId=… ──▶ 202 ──▶ Inbox ──▶ Connection ────┘        (polled by whoever writes the stream)
//! ```
//!
//! # Which revisions
//!
//! The channel carries messages in order, both ways and for as long as the session, which is all that a revision with a
//! handshake needs, so all of those that the server has are negotiated as on stdio. A client that knows the pair asks for
//! the newest one that it knows, not for 2024-11-05. Revisions from 2026-07-28 on are not offered: over HTTP they are
//! defined for one request at a time, with headers that repeat its body, and clients of theirs have no use for the pair.
//! What is sent here in their name is answered as by a server that does not have them. Nor is there a pair where a server
//! has no others.

pub(crate) mod inbox;
mod options;
mod posted;
mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Extensions, Method, Response, StatusCode};
use mcp_proto::config::ServerConfig;
use mcp_proto::entropy::Entropy;
use mcp_proto::http::admit::{self, Verdict, not_allowed, refuse};
use mcp_proto::http::head::Head;
use mcp_proto::seal::{KeyRing, from_text, to_text};
use mcp_proto::time::Now;

use super::gauge::Gauge;
use super::posted::{CLOSING, Reading};
use super::shared::{Shared, busy};
use crate::Principal;
use inbox::Inbox;
pub use options::{HttpSse, InvalidPath};
pub(super) use stream::PairStream;

/// Where the id of a session stands in the place to POST to.
const PARAMETER: &str = "sessionId";

/// Names an open stream: random, so that neither another process nor an earlier stream has the same.
type Key = [u8; 16];

/// The pair of one endpoint.
pub(super) struct Pair {
    options: HttpSse,
    /// Without the revisions that are not offered here.
    config: Arc<ServerConfig>,
    /// Of this process: a stream is nowhere else.
    keys: KeyRing,
    open: Arc<Gauge>,
    state: Mutex<State>,
}

struct State {
    entropy: Entropy,
    streams: BTreeMap<Key, Arc<Inbox>>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Stream,
    Messages,
}

/// What a request to the pair becomes.
pub(super) enum Taken {
    Stream(Box<PairStream>),
    Message(Box<Reading>),
}

impl Pair {
    /// The pair, unless the server has no revision for it.
    pub(super) fn new(options: HttpSse, config: &ServerConfig, seed: [u8; 32]) -> Option<Self> {
        let config = Arc::new(config.legacy_only()?);
        let mut entropy = Entropy::new(seed);
        Some(Self {
            config,
            keys: KeyRing::new(entropy.seed()),
            open: Gauge::new(options.max_streams),
            state: Mutex::new(State {
                entropy,
                streams: BTreeMap::new(),
            }),
            options,
        })
    }

    /// What a path means.
    pub(super) fn place(&self, path: &str) -> Option<Place> {
        if path == self.options.sse_path() {
            Some(Place::Stream)
        } else if path == self.options.message_path() {
            Some(Place::Messages)
        } else {
            None
        }
    }

    /// Judges the head of a request to one of the two, with the rules of the endpoint.
    pub(super) fn admit(
        &self,
        shared: &Arc<Shared>,
        now: Now,
        place: Place,
        head: &Head<'_>,
        principal: Option<Arc<Principal>>,
        extensions: Extensions,
    ) -> Result<Taken, Box<Response<Bytes>>> {
        match (place, head.method()) {
            (Place::Stream, &Method::GET) => {
                let opened = self.open(shared, now, head, principal)?;
                Ok(Taken::Stream(Box::new(opened)))
            }
            // Also what a client gets that tries the newer transport first, and then knows what to do.
            (Place::Stream, _) => Err(Box::new(not_allowed(
                "GET",
                "this is the stream of HTTP+SSE, which is opened with GET; it says where to POST to",
            ))),
            (Place::Messages, &Method::POST) => {
                let posted = match admit::admit(&shared.rules, head) {
                    Verdict::Read(posted) => posted,
                    Verdict::Respond(response) => return Err(Box::new(response)),
                    Verdict::Listen(_) | Verdict::Terminate(_) => return Err(Box::new(gone())),
                };
                let inbox = self.find(head, principal.as_deref())?;
                let reading = Reading::new(Arc::clone(shared), posted, principal, extensions);
                Ok(Taken::Message(Box::new(reading.into_inbox(inbox))))
            }
            (Place::Messages, _) => Err(Box::new(not_allowed(
                "POST",
                "messages of an HTTP+SSE session are sent with POST",
            ))),
        }
    }

    fn open(
        &self,
        shared: &Arc<Shared>,
        now: Now,
        head: &Head<'_>,
        principal: Option<Arc<Principal>>,
    ) -> Result<PairStream, Box<Response<Bytes>>> {
        if !head.accepts().stream {
            return Err(Box::new(refuse(
                StatusCode::NOT_ACCEPTABLE,
                "Accept must list text/event-stream",
            )));
        }
        if shared.closing.has_rung() {
            return Err(Box::new(busy(CLOSING)));
        }
        let permits = self.open.enter().zip(shared.streams.enter());
        let permits = permits.ok_or_else(|| Box::new(busy("too many streams are open")))?;
        Ok(PairStream::open(shared, self, now, principal, permits))
    }

    /// A place in the table and its id, bound to `principal`.
    fn enter(&self, principal: Option<&Principal>) -> (Key, Arc<Inbox>, String, [u8; 32]) {
        let inbox = Arc::new(Inbox::new(
            self.options.max_waiting,
            self.options.max_waiting_bytes,
        ));
        let mut state = self.lock();
        let mut key = Key::default();
        state.entropy.fill(&mut key);
        let nonce = state.entropy.nonce();
        let seed = state.entropy.seed();
        state.streams.insert(key, Arc::clone(&inbox));
        drop(state);
        let id = to_text(&self.keys.seal(nonce, &binding(principal), &key));
        (key, inbox, id, seed)
    }

    fn leave(&self, key: Key) {
        let inbox = self.lock().streams.remove(&key);
        if let Some(inbox) = inbox {
            inbox.close();
        }
    }

    /// The stream that a POST names, if it is open and this principal's.
    fn find(
        &self,
        head: &Head<'_>,
        principal: Option<&Principal>,
    ) -> Result<Arc<Inbox>, Box<Response<Bytes>>> {
        let mut ids = head
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.strip_prefix(PARAMETER)?.strip_prefix('='));
        let Some(id) = ids.next() else {
            return Err(Box::new(refuse(
                StatusCode::BAD_REQUEST,
                "sessionId is missing: open the stream first and POST to the place that its first event names",
            )));
        };
        let sealed = if ids.next().is_none() {
            from_text(id).ok()
        } else {
            None
        };
        let key = sealed.and_then(|sealed| self.keys.open(&binding(principal), &sealed).ok());
        let key = key.and_then(|key| Key::try_from(key).ok());
        let inbox = key.and_then(|key| self.lock().streams.get(&key).cloned());
        inbox.ok_or_else(|| Box::new(gone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of every session that is none of the caller's, for whatever reason.
const GONE: &str = "this session does not exist; open the stream again to start another";

fn gone() -> Response<Bytes> {
    refuse(StatusCode::NOT_FOUND, GONE)
}

/// What a sealed id is bound to: another principal's id opens nowhere.
fn binding(principal: Option<&Principal>) -> Vec<u8> {
    let mut binding = Vec::from(&b"http+sse\0"[..]);
    if let Some(principal) = principal {
        binding.push(1);
        binding.extend_from_slice(principal.id.as_bytes());
    }
    binding
}
