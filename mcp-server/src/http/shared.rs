//! What all requests of an endpoint share: configuration, bounds, keys, and the sessions that have state.
//!
//! Owns the session table and the time as it was last told. Must never hold the table's lock while it takes a
//! session's own, and never touch the table for a modern request.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use mcp_proto::entropy::Entropy;
use mcp_proto::http::admit::{HeadRules, SessionHeader, not_allowed, refuse};
use mcp_proto::http::exchange::Pace;
use mcp_proto::legacy::{Full, Peer, SessionKey, SessionLimits, SessionToken, Sessions};
use mcp_proto::seal::KeyRing;
use mcp_proto::time::{Instant, Now};

use super::detached::DetachedCalls;
use super::gauge::{Bell, Gauge};
use super::options::HttpOptions;
use super::pair::Pair;
use super::session::{Session, SessionCell, lock};
use crate::call::Runtime;
use crate::journal::Sealer;
use crate::{Denied, Principal, ProtectedResource, Service};

/// What every request of an endpoint sees.
pub(super) struct Shared {
    pub(super) service: Service,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) options: HttpOptions,
    pub(super) rules: HeadRules,
    pub(super) pace: Pace,
    pub(super) sealer: Arc<Sealer>,
    pub(super) calls: Arc<Gauge>,
    pub(super) detached: Arc<DetachedCalls>,
    pub(super) streams: Arc<Gauge>,
    pub(super) closing: Arc<Bell>,
    /// The endpoints of HTTP+SSE, where they are served.
    pub(super) pair: Option<Pair>,
    /// The protected-resource document and where it is found.
    pub(super) document: Option<Bytes>,
    metadata: Option<String>,
    session_keys: KeyRing,
    entropy: Mutex<Entropy>,
    sessions: Mutex<Sessions<SessionCell>>,
    /// The time that a request last brought, for work that nobody waits for.
    instant: AtomicU64,
    unix_ms: AtomicU64,
    /// When the session table has something to drop; `u64::MAX` for never.
    sweep_at: AtomicU64,
}

/// Why a request has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSession {
    /// The header is missing: 400.
    Missing,
    /// Unknown, expired, terminated or another principal's: 404, and the client initializes again.
    Gone,
    /// `MCP-Protocol-Version` is given and names nothing that is served: 400 (2025-11-25 basic/transports, "Protocol
    /// Version Header").
    Version,
}

impl NoSession {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Version => StatusCode::BAD_REQUEST,
            Self::Gone => StatusCode::NOT_FOUND,
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Missing => {
                "MCP-Session-Id is missing: send initialize first and repeat the id of its response, \
                 or use a revision from 2026-07-28 on, which has no sessions"
            }
            Self::Gone => "this session does not exist; send initialize to start another",
            Self::Version => {
                "the revision that MCP-Protocol-Version names is not supported; repeat the one of the initialize result"
            }
        }
    }

    pub(super) fn response(self) -> Box<Response<Bytes>> {
        Box::new(refuse(self.status(), self.message()))
    }
}

impl Shared {
    /// What an endpoint begins with.
    pub(super) fn new(
        service: Service,
        options: HttpOptions,
        runtime: Arc<dyn Runtime>,
        seed: [u8; 32],
    ) -> Self {
        let limits = service.config().limits();
        let mut entropy = Entropy::new(seed);
        let shared_keys = service.keys().cloned();
        let replicated = shared_keys.is_some();
        let keys = shared_keys.unwrap_or_else(|| KeyRing::new(entropy.seed()));
        let mut rules = HeadRules::new(
            limits.max_message,
            service.config().revisions().has_legacy(),
        );
        rules.hosts = options.allowed_hosts.clone();
        rules.origins = options.allowed_origins.clone();
        let mut sessions = SessionLimits::from(limits);
        if replicated {
            // Replicas that share the keys would not hear of a termination.
            sessions.max_tombstones = 0;
        }
        let sealer = service.sealer(entropy.seed());
        let pair = options.http_sse.clone();
        let pair = pair.and_then(|pair| Pair::new(pair, service.config(), entropy.seed()));
        Self {
            runtime,
            rules,
            pace: Pace::from(limits),
            sealer,
            pair,
            calls: Gauge::new(options.max_calls),
            detached: DetachedCalls::new(options.max_detached),
            streams: Gauge::new(options.max_streams),
            closing: Arc::default(),
            document: options
                .protected_resource
                .as_ref()
                .map(ProtectedResource::to_bytes),
            metadata: options.protected_resource.as_ref().and_then(metadata_url),
            session_keys: keys.derive("session id"),
            entropy: Mutex::new(entropy),
            sessions: Mutex::new(Sessions::new(sessions)),
            instant: AtomicU64::new(0),
            unix_ms: AtomicU64::new(0),
            sweep_at: AtomicU64::new(u64::MAX),
            options,
            service,
        }
    }

    /// Takes note of the time and does what is due.
    pub(super) fn tick(&self, now: Now) {
        self.instant
            .store(now.instant.as_micros(), Ordering::Relaxed);
        self.unix_ms.store(now.unix_ms, Ordering::Relaxed);
        if self.sweep_at.load(Ordering::Relaxed) <= now.instant.as_micros() {
            let mut sessions = self.sessions();
            sessions.sweep(now);
            let next = sessions.next_sweep().unwrap_or(Instant::MAX);
            // Under the lock, as every change of it.
            self.sweep_at.store(next.as_micros(), Ordering::Relaxed);
        }
    }

    /// The time, for work that no request drives: by the runtime's clock, else as somebody last told it.
    pub(super) fn now(&self) -> Now {
        let told = Instant::from_micros(self.instant.load(Ordering::Relaxed));
        let instant = self.runtime.clock().map_or(told, |clock| clock.max(told));
        Now::new(instant, self.unix_ms.load(Ordering::Relaxed))
    }

    pub(super) fn attached_sessions(&self) -> usize {
        self.sessions().len()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions<SessionCell>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the id of a new session. Nothing is kept of it here.
    pub(super) fn mint(
        &self,
        now: Now,
        peer: &Peer,
        client_info: Option<Bytes>,
        principal: Option<&Principal>,
    ) -> String {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        let ttl = self.service.config().limits().session_ttl.as_millis();
        let token = SessionToken {
            key: SessionKey::random(&mut entropy),
            revision: peer.revision(),
            features: peer.features(),
            expires_ms: now
                .unix_ms
                .saturating_add(u64::try_from(ttl).unwrap_or(u64::MAX)),
            client_info,
        };
        token.seal(
            &self.session_keys,
            &mut entropy,
            principal.map(|principal| principal.id.as_str()),
        )
    }

    /// The session that a request names, if it is this principal's and still one.
    pub(super) fn session(
        &self,
        now: Now,
        header: &SessionHeader,
        principal: Option<&Principal>,
    ) -> Result<SessionToken, NoSession> {
        let text = match header {
            SessionHeader::Absent => return Err(NoSession::Missing),
            SessionHeader::Foreign => return Err(NoSession::Gone),
            SessionHeader::Given(text) => text,
        };
        let principal = principal.map(|principal| principal.id.as_str());
        let token = SessionToken::open(&self.session_keys, principal, text, now.unix_ms);
        let token = token.map_err(|_| NoSession::Gone)?;
        let served = self.service.config().revisions().contains(token.revision);
        if !served || self.sessions().is_terminated(token.key) {
            return Err(NoSession::Gone);
        }
        Ok(token)
    }

    /// The state of a session, if it has any.
    pub(super) fn attached(&self, now: Now, token: &SessionToken) -> Option<SessionCell> {
        self.sessions().get(now.instant, token.key).cloned()
    }

    /// The state of a session, made now if it had none, and kept while the pin lives.
    pub(super) fn attach(
        self: &Arc<Self>,
        now: Now,
        token: &SessionToken,
    ) -> Result<(SessionCell, Pin), Full> {
        let config = self.service.config();
        let mut sessions = self.sessions();
        if sessions.is_terminated(token.key) {
            // Ended while its request was being judged.
            return Err(Full);
        }
        let cell = sessions.attach(now.instant, token.key, || {
            let peer = Peer::restored(config, token.revision, token.features);
            let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
            let mark = SessionKey::random(&mut entropy);
            Arc::new(Mutex::new(Session::new(mark, peer, config.limits())))
        });
        let cell = cell.cloned()?;
        sessions.enter(token.key);
        drop(sessions);
        Ok((
            cell,
            Pin {
                shared: Arc::clone(self),
                key: token.key,
            },
        ))
    }

    /// The response to a caller who is not let in.
    pub(super) fn denial(&self, denied: &Denied) -> Response<Bytes> {
        let mut response = refuse(denied.status(), &denied.to_string());
        if let Some(challenge) = self.challenge(denied) {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// The `WWW-Authenticate` of a denial.
    pub(super) fn challenge(&self, denied: &Denied) -> Option<HeaderValue> {
        let scopes = self.options.protected_resource.as_ref();
        let scopes = scopes.map_or(&[][..], |resource| resource.scopes_supported.as_slice());
        HeaderValue::try_from(denied.challenge(self.metadata.as_deref(), scopes)?).ok()
    }

    pub(super) fn terminate(&self, now: Now, token: &SessionToken) -> Response<Bytes> {
        let Ok(state) = self.sessions().terminate(now, token.key, token.expires_ms) else {
            return not_allowed(
                "POST, GET",
                "this server does not let clients end sessions; they expire",
            );
        };
        if let Some(cell) = state {
            let wakers = lock(&cell).end();
            wakers.into_iter().for_each(Waker::wake);
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Keeps a session's state.
pub(super) struct Pin {
    shared: Arc<Shared>,
    key: SessionKey,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let now = self.shared.now().instant;
        let mut sessions = self.shared.sessions();
        sessions.leave(now, self.key);
        let next = sessions.next_sweep().unwrap_or(Instant::MAX);
        self.shared
            .sweep_at
            .store(next.as_micros(), Ordering::Relaxed);
    }
}

/// Where the document of a resource is found: the well-known path comes between host and path (RFC 9728
/// section 3.1).
fn metadata_url(resource: &ProtectedResource) -> Option<String> {
    let uri: http::Uri = resource.resource.parse().ok()?;
    let path = uri.path().trim_end_matches('/');
    Some(format!(
        "{}://{}/.well-known/oauth-protected-resource{path}",
        uri.scheme_str()?,
        uri.authority()?
    ))
}

/// 503 with a hint when to come back.
pub(super) fn busy(message: &str) -> Response<Bytes> {
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, message);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
