//! The compiled, immutable configuration of a client: what goes into every request.
//!
//! Owns the pre-encoded `_meta` members, the parameters of `initialize`, and what was declared. Must
//! never change after [`ClientConfig::compile`]: it is shared by reference between all connections.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use mcp_types::{ClientCapabilities, Implementation, LoggingLevel, Revision, to_vec};

use crate::context::ClientFeatures;
use crate::error::{self, WireError};
use crate::json::{Inbound, text};
use crate::limits::Limits;
use crate::method::Method;
use crate::outbox::Outbox;

/// What a client says of itself; the input of [`ClientConfig::compile`].
#[derive(Clone, Debug)]
pub struct ClientProfile {
    /// Name and version.
    pub info: Implementation,
    /// What the client can be asked for.
    pub capabilities: ClientCapabilities,
    /// The revision that requests are written in until [`Client::speak`](super::Client::speak) says
    /// otherwise. Default: the newest.
    pub revision: Revision,
    /// Bounds.
    pub limits: Limits,
    /// Tolerance: accept `"65536"` as the answer to the request with the id `65536`. Some servers turn
    /// every id into a string. Default off.
    pub string_ids: bool,
}

impl ClientProfile {
    /// A client that declares nothing.
    #[must_use]
    pub fn new(info: Implementation) -> Self {
        Self {
            info,
            capabilities: ClientCapabilities::new(),
            revision: Revision::LATEST,
            limits: Limits::default(),
            string_ids: false,
        }
    }
}

/// See [`ClientProfile`].
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Members of a modern `_meta` after the version: `"…/clientInfo":{…},"…/clientCapabilities":{…}`.
    meta_tail: Bytes,
    info: Implementation,
    capabilities: ClientCapabilities,
    features: ClientFeatures,
    revision: Revision,
    limits: Limits,
    string_ids: bool,
}

impl ClientConfig {
    /// Encodes what never changes.
    #[must_use]
    pub fn compile(profile: ClientProfile) -> Self {
        let capabilities = to_vec(&profile.capabilities, Revision::LATEST);
        let mut tail = Vec::from(&b"\"io.modelcontextprotocol/clientInfo\":"[..]);
        tail.extend_from_slice(&to_vec(&profile.info, Revision::LATEST));
        tail.extend_from_slice(b",\"io.modelcontextprotocol/clientCapabilities\":");
        tail.extend_from_slice(&capabilities);
        let features = core::str::from_utf8(&capabilities)
            .map(ClientFeatures::from_json)
            .unwrap_or_default();
        Self {
            meta_tail: tail.into(),
            info: profile.info,
            capabilities: profile.capabilities,
            features,
            revision: profile.revision,
            limits: profile.limits,
            string_ids: profile.string_ids,
        }
    }

    /// The parameters of an `initialize` request that asks for `revision`.
    #[must_use]
    pub fn initialize_params(&self, revision: Revision) -> String {
        let mut params = String::from("{\"protocolVersion\":\"");
        params.push_str(revision.as_str());
        params.push_str("\",\"capabilities\":");
        params.push_str(&String::from_utf8_lossy(&to_vec(
            &self.capabilities,
            revision,
        )));
        params.push_str(",\"clientInfo\":");
        params.push_str(&String::from_utf8_lossy(&to_vec(&self.info, revision)));
        params.push('}');
        params
    }

    /// The bounds in force.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the client declared.
    #[must_use]
    pub const fn features(&self) -> ClientFeatures {
        self.features
    }

    pub(super) const fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) const fn string_ids(&self) -> bool {
        self.string_ids
    }

    /// Whether a legacy server may ask for this.
    ///
    /// # Errors
    /// -32601 for what was not declared, -32602 for elicitation in a mode that was not (2025-11-25 client/elicitation,
    /// "Error Handling").
    pub(super) fn answers(&self, inbound: &Inbound) -> Result<(), WireError> {
        let features = self.features;
        let offered = match inbound.envelope.method {
            Method::CreateMessage => features.contains(ClientFeatures::SAMPLING),
            Method::RootsList => features.contains(ClientFeatures::ROOTS),
            Method::ElicitationCreate => {
                let declared = features.contains(ClientFeatures::ELICITATION_FORM)
                    || features.contains(ClientFeatures::ELICITATION_URL);
                let takes = |mode| features.contains(mode);
                if declared && !elicitation_mode(inbound).is_some_and(takes) {
                    return Err(WireError::new(
                        error::INVALID_PARAMS,
                        "this client does not take elicitation in this mode",
                    ));
                }
                declared
            }
            _ => false,
        };
        if offered {
            return Ok(());
        }
        Err(WireError::method_not_found(
            "Method not found: this client does not offer what was asked for",
        ))
    }

    /// At most how many bytes [`write_meta`](Self::write_meta) puts.
    pub(super) fn meta_len(&self) -> usize {
        // Version, log level and progress token with their keys.
        self.meta_tail.len() + 256
    }

    /// Writes `"_meta":{…}` for a request, or nothing where there is nothing to say. Says whether
    /// something was written.
    pub(super) fn write_meta(
        &self,
        out: &mut Outbox,
        revision: Revision,
        progress_token: Option<u64>,
        log_level: Option<LoggingLevel>,
    ) -> bool {
        let modern = revision.is_modern();
        if !modern && progress_token.is_none() {
            return false;
        }
        out.put(b"\"_meta\":{");
        if modern {
            out.put(b"\"io.modelcontextprotocol/protocolVersion\":\"");
            out.put(revision.as_str().as_bytes());
            out.put(b"\",");
            out.put(&self.meta_tail);
            if let Some(level) = log_level {
                out.put(b",\"io.modelcontextprotocol/logLevel\":\"");
                out.put(level.as_str().as_bytes());
                out.put_byte(b'"');
            }
        }
        if let Some(token) = progress_token {
            if modern {
                out.put_byte(b',');
            }
            out.put(b"\"progressToken\":");
            crate::json::write::integer(out, token);
        }
        out.put_byte(b'}');
        true
    }
}

/// What a client needs to answer an `elicitation/create`; without a mode it is a form.
fn elicitation_mode(inbound: &Inbound) -> Option<ClientFeatures> {
    match text::get(inbound.text(inbound.envelope.params), "mode") {
        None => Some(ClientFeatures::ELICITATION_FORM),
        Some(mode) if text::eq_decoded(mode, "form") => Some(ClientFeatures::ELICITATION_FORM),
        Some(mode) if text::eq_decoded(mode, "url") => Some(ClientFeatures::ELICITATION_URL),
        Some(_) => None,
    }
}
