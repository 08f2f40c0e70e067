//! The legacy half of a link: the handshake, what the session keeps, requests to the client.
//!
//! Owns the transitions of the legacy session of one byte stream. The session ends with the stream.
//!
//! ```text
//! none ──initialize──▶ initialized ──initialize──▶ initialized (renegotiated, if nothing is in flight)
//! ```

use alloc::format;

use super::event::{LinkEvent, Refused};
use super::link::{Link, MayWatch};
use crate::error::{self, WireError};
use crate::id::{CallId, RequestId, WireId};
use crate::json::{Inbound, Kind, write};
use crate::judge;
use crate::legacy::Peer;
use crate::method::Method;
use crate::outbox::Outbox;
use crate::reply::{Payload, Reply};
use crate::time::Now;

impl Link {
    pub(super) fn admit_legacy(
        &mut self,
        id: WireId,
        inbound: Inbound,
        out: &mut Outbox,
        may_watch: MayWatch<'_>,
    ) -> Result<Option<LinkEvent>, WireError> {
        let method = inbound.envelope.method;
        if method == Method::Initialize {
            return self.initialize(&id, &inbound, out).map(Some);
        }
        let Some(peer) = &mut self.peer else {
            return self.before_handshake(&id, &inbound, out).map(|()| None);
        };
        let context = peer.admit(&self.config, &inbound)?;
        let mut subscribed = None;
        match method {
            Method::Ping => {}
            Method::SetLevel => peer.set_level(&inbound)?,
            Method::ResourcesSubscribe => {
                if let Some(uri) = inbound.string(inbound.envelope.uri) {
                    may_watch(&uri)?;
                }
                peer.subscribe(&self.config, &inbound)?;
                subscribed = Some(LinkEvent::Subscribed(peer.filter().clone()));
            }
            Method::ResourcesUnsubscribe => {
                peer.unsubscribe(&inbound)?;
                subscribed = Some(LinkEvent::Subscribed(peer.filter().clone()));
            }
            _ => return self.enter(id, inbound, context).map(Some),
        }
        self.answer_empty(&id, method, context.revision, out);
        Ok(subscribed)
    }

    fn initialize(
        &mut self,
        id: &WireId,
        inbound: &Inbound,
        out: &mut Outbox,
    ) -> Result<LinkEvent, WireError> {
        if self
            .calls
            .iter()
            .any(|(_, entry)| !entry.revision.is_modern())
        {
            return Err(WireError::new(
                error::INVALID_REQUEST,
                "this stream is initialized and has requests in flight; initialize again when they are answered",
            ));
        }
        let peer = Peer::initialize(&self.config, inbound)?;
        let body = self.config.initialize_body(peer.revision());
        Reply::complete(Payload::Shared(body)).write(
            out,
            id,
            Method::Initialize,
            peer.revision(),
            &self.config,
        );
        out.put_byte(b'\n');
        let filter = peer.filter().clone();
        self.peer = Some(peer);
        Ok(LinkEvent::Subscribed(filter))
    }

    /// Only `ping` may come before the handshake (2025-11-25, lifecycle).
    fn before_handshake(
        &self,
        id: &WireId,
        inbound: &Inbound,
        out: &mut Outbox,
    ) -> Result<(), WireError> {
        let served = self.config.revisions();
        if inbound.envelope.method == Method::Ping
            && let Some(revision) = served.negotiate(None)
        {
            self.answer_empty(id, Method::Ping, revision, out);
            return Ok(());
        }
        if inbound.envelope.method == Method::Discover {
            // A probe of a server without the modern era: an unknown method, and the stream lives on.
            return Err(judge::method_not_found(inbound));
        }
        let modern = if served.has_modern() {
            " or send the request with _meta[\"io.modelcontextprotocol/protocolVersion\"] and \
             _meta[\"io.modelcontextprotocol/clientCapabilities\"]"
        } else {
            ""
        };
        Err(WireError::new(
            error::INVALID_PARAMS,
            format!(
                "initialize first{modern}; this server supports {}",
                served.to_list()
            ),
        ))
    }

    fn answer_empty(
        &self,
        id: &WireId,
        method: Method,
        revision: mcp_types::Revision,
        out: &mut Outbox,
    ) {
        Reply::complete(Payload::Slice(b"{}")).write(out, id, method, revision, &self.config);
        out.put_byte(b'\n');
    }

    /// Sends a request to the legacy client on behalf of a call. `params` is a raw JSON object.
    ///
    /// The answer comes as [`LinkEvent::Answered`]; instead of it, [`LinkEvent::Expired`] after
    /// `Limits::request_timeout`, or [`LinkEvent::Lost`] at the end of the input. When the call ends first,
    /// the client is told to stop and no event comes.
    ///
    /// # Errors
    /// [`Refused`] says why nothing was sent.
    pub fn request(
        &mut self,
        now: Now,
        call: CallId,
        method: &str,
        params: &str,
        out: &mut Outbox,
    ) -> Result<RequestId, Refused> {
        let entry = self.calls.get(call).map_err(|_| Refused::Stale)?;
        if entry.revision.is_modern() || self.peer.is_none() {
            return Err(Refused::NoSession);
        }
        if params.len() > self.config.limits().max_frame_out {
            return Err(Refused::TooLong);
        }
        if self.input_over || self.misbehaved {
            return Err(Refused::Closed);
        }
        let timeout = self.config.limits().request_timeout;
        let id = self
            .requests
            .insert(now.instant, timeout, call)
            .map_err(|_| Refused::AtCapacity)?;
        write::write_request(out, id.wire(), method, params);
        out.put_byte(b'\n');
        Ok(id)
    }

    /// Gives up a request, because its call no longer waits for the answer; the client is told.
    pub fn withdraw(&mut self, request: RequestId, out: &mut Outbox) {
        if self.requests.remove(request).is_some() {
            write_withdrawn(out, request);
        }
    }

    /// Sends a notification to the legacy client on behalf of a call. `params` is a raw JSON object.
    ///
    /// # Errors
    /// [`Refused`] says why nothing was sent.
    pub fn notify(
        &mut self,
        call: CallId,
        method: &str,
        params: &str,
        out: &mut Outbox,
    ) -> Result<(), Refused> {
        let entry = self.calls.get(call).map_err(|_| Refused::Stale)?;
        if entry.revision.is_modern() {
            return Err(Refused::NoSession);
        }
        if params.len() > self.config.limits().max_frame_out {
            return Err(Refused::TooLong);
        }
        write::write_notification(out, method, params);
        out.put_byte(b'\n');
        Ok(())
    }

    /// A response of the peer: to one of our requests, or nobody's and dropped.
    pub(super) fn answered(&mut self, inbound: &Inbound) -> Option<LinkEvent> {
        let envelope = &inbound.envelope;
        let answer = self.requests.answered(inbound.text(envelope.id))?;
        let outcome = match envelope.kind {
            Kind::Result => Ok(inbound.shared(envelope.result)),
            _ => Err(inbound.shared(envelope.error)),
        };
        Some(LinkEvent::Answered {
            call: answer.waiter,
            request: answer.id,
            outcome,
        })
    }

    /// Tells the client that nobody waits for the answers to a call's requests any more.
    pub(super) fn withdraw_all(&mut self, call: CallId, out: &mut Outbox) {
        if self.requests.is_empty() {
            return;
        }
        while let Some(gone) = self.requests.withdraw(|waiter| *waiter == call) {
            write_withdrawn(out, gone.id);
        }
    }
}

/// Tells the client that its answer to `request` is no longer wanted.
pub(super) fn write_withdrawn(out: &mut Outbox, request: RequestId) {
    write::write_cancelled(out, |out| write::integer(out, request.wire()), None);
    out.put_byte(b'\n');
}
