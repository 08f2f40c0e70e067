//! What an `initialize` handshake leaves behind.
//!
//! Owns the negotiated revision, the declared features, the log level and the legacy subscriptions of
//! one session. Shared by the byte-stream link and the HTTP sessions; must never know a transport.

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;
use mcp_types::{LoggingLevel, Revision};

use crate::config::ServerConfig;
use crate::context::{CallContext, ClientFeatures};
use crate::error::{self, WireError};
use crate::json::Inbound;
use crate::judge;
use crate::outbox::Outbox;
use crate::server::{Change, Dirty, Filter, write_change};

/// Log messages that a client gets before it asked for a level: the choice is the server's
/// (2025-11-25, server/utilities/logging).
const DEFAULT_LEVEL: LoggingLevel = LoggingLevel::Info;

/// One initialized legacy client.
#[derive(Clone, Debug)]
pub struct Peer {
    revision: Revision,
    features: ClientFeatures,
    client_info: Option<Bytes>,
    log_level: LoggingLevel,
    filter: Filter,
    dirty: Dirty,
}

impl Peer {
    /// Judges an `initialize` request and returns the peer.
    ///
    /// The answer's body is [`ServerConfig::initialize_body`] of [`revision`](Self::revision).
    ///
    /// # Errors
    /// -32602 when `protocolVersion` or `capabilities` is missing or has another type; -32022 from a configuration without
    /// a legacy revision, under which [`judge::era`] lets no message come here.
    pub fn initialize(config: &ServerConfig, inbound: &Inbound) -> Result<Self, WireError> {
        let envelope = &inbound.envelope;
        let Some(requested) = inbound.string(envelope.protocol_version) else {
            return Err(invalid("params.protocolVersion must be a string"));
        };
        let revision = config
            .revisions()
            .negotiate(Some(&requested))
            .ok_or_else(|| judge::unsupported_version(config, &requested))?;
        let capabilities = inbound.text(envelope.capabilities);
        if !capabilities.starts_with('{') {
            return Err(invalid("params.capabilities must be an object"));
        }
        let mut peer = Self::restored(config, revision, ClientFeatures::from_json(capabilities));
        // Copied out: it outlives the message, whose buffer it would pin.
        let info = inbound.text(envelope.client_info);
        peer.client_info = info
            .starts_with('{')
            .then(|| Bytes::copy_from_slice(info.as_bytes()));
        Ok(peer)
    }

    /// A peer from what a sealed session id holds.
    #[must_use]
    pub fn restored(config: &ServerConfig, revision: Revision, features: ClientFeatures) -> Self {
        let announced = config.features();
        Self {
            revision,
            features,
            client_info: None,
            log_level: DEFAULT_LEVEL,
            filter: Filter {
                tools: announced.tools_changed,
                prompts: announced.prompts_changed,
                resources: announced.resources_changed,
                uris: Vec::new(),
            },
            dirty: Dirty::default(),
        }
    }

    /// The negotiated revision.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// What the client declared.
    #[must_use]
    pub const fn features(&self) -> ClientFeatures {
        self.features
    }

    /// The context of one of this client's requests.
    ///
    /// # Errors
    /// -32601 for a method that is not served in the revision, -32602 for a malformed progress token.
    pub fn admit(
        &self,
        config: &ServerConfig,
        inbound: &Inbound,
    ) -> Result<CallContext, WireError> {
        if !config.serves(inbound.envelope.method, self.revision) {
            return Err(judge::method_not_found(inbound));
        }
        let mut context = CallContext::new(inbound.envelope.method, self.revision);
        context.features = self.features;
        context.client_info.clone_from(&self.client_info);
        context.progress_token = judge::progress_token(config, inbound)?;
        context.log_level = config.features().logging.then_some(self.log_level);
        Ok(context)
    }

    /// Judges `logging/setLevel`.
    ///
    /// # Errors
    /// -32602 when the level is none of the eight.
    pub fn set_level(&mut self, inbound: &Inbound) -> Result<(), WireError> {
        let level = inbound.string(inbound.envelope.level);
        self.log_level = level.as_deref().and_then(LoggingLevel::parse).ok_or_else(|| {
            invalid(
                "params.level must be one of debug, info, notice, warning, error, critical, alert, emergency",
            )
        })?;
        Ok(())
    }

    /// Judges `resources/subscribe`.
    ///
    /// # Errors
    /// -32602 when `uri` is missing or beyond the limits.
    pub fn subscribe(&mut self, config: &ServerConfig, inbound: &Inbound) -> Result<(), WireError> {
        let uri = uri(inbound)?;
        let limits = config.limits();
        if uri.len() > limits.max_uri {
            return Err(invalid(format!(
                "params.uri is longer than {} bytes",
                limits.max_uri
            )));
        }
        if self.filter.uris.iter().any(|known| **known == *uri) {
            return Ok(());
        }
        if self.filter.uris.len() >= limits.max_uris {
            return Err(invalid(format!(
                "this client already subscribes to {} resources, the limit",
                limits.max_uris
            )));
        }
        self.filter.uris.push(uri.into());
        Ok(())
    }

    /// Judges `resources/unsubscribe`; an unknown URI is no error.
    ///
    /// # Errors
    /// -32602 when `uri` is missing.
    pub fn unsubscribe(&mut self, inbound: &Inbound) -> Result<(), WireError> {
        let uri = uri(inbound)?;
        if let Some(at) = self.filter.uris.iter().position(|known| **known == *uri) {
            self.dirty.swap_remove_uri(&self.filter, at);
            self.filter.uris.swap_remove(at);
        }
        Ok(())
    }

    /// What this client hears of.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Takes note of a change; says whether a frame is newly waiting.
    pub fn changed(&mut self, change: Change<'_>) -> bool {
        self.dirty.mark(&self.filter, change)
    }

    /// Whether a change notification is waiting.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.dirty.is_dirty()
    }

    /// Writes one waiting change notification, without framing; `false` when there is none.
    pub fn write_next(&mut self, out: &mut Outbox) -> bool {
        let change = self.dirty.take(&self.filter);
        if let Some(change) = change {
            write_change(out, change, None);
        }
        change.is_some()
    }
}

fn uri(inbound: &Inbound) -> Result<alloc::borrow::Cow<'_, str>, WireError> {
    inbound
        .string(inbound.envelope.uri)
        .ok_or_else(|| invalid("params.uri must be a string"))
}

fn invalid(message: impl Into<alloc::borrow::Cow<'static, str>>) -> WireError {
    WireError::new(error::INVALID_PARAMS, message)
}
