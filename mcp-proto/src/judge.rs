//! Admission: which era a message belongs to, and whether a modern request is well formed.
//!
//! Owns the order of judgement, which decides the error that a peer sees first. Must never look at
//! anything but the message, the configuration and the mirrored headers: a probe creates no state.
//!
//! ```text
//! envelope (-32700/-32600, the scanner)
//!   → required `_meta` (-32602) → header against `_meta` (-32020) → version (-32022)
//!   → other mirrors (-32020) → method (-32601) → values of `_meta` (-32602)
//! ```
//! Declared client capabilities (-32021) are judged last of all, by whoever asks for one.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use mcp_types::{Json, LoggingLevel, Revision};

use crate::config::ServerConfig;
use crate::context::{CallContext, ClientFeatures};
use crate::error::{self, WireError};
use crate::id::WireId;
use crate::json::Inbound;
use crate::method::Method;

/// The two families of revisions (2026-07-28, basic/versioning "Terminology").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Version and capabilities in every request's `_meta`.
    Modern,
    /// Version and capabilities from an `initialize` handshake.
    Legacy,
}

/// The HTTP headers that mirror the body. A byte stream has none.
pub trait Mirrors {
    /// The one `MCP-Protocol-Version` header, if there is one.
    fn version(&self) -> Option<&str>;

    /// Compares the remaining mirrored headers with the body.
    ///
    /// # Errors
    /// -32020 naming the header and both values.
    fn check(&self, inbound: &Inbound) -> Result<(), WireError>;
}

/// Decides the era of one message.
///
/// A message is modern if its `_meta` holds the protocol version or the client capabilities, if the
/// version header names a modern or an unknown revision, or if its method exists only there. A server
/// configured to one era judges everything by that era's rules.
#[must_use]
pub fn era(config: &ServerConfig, inbound: &Inbound, header_version: Option<&str>) -> Era {
    let served = config.revisions();
    if !served.has_modern() {
        return Era::Legacy;
    }
    if !served.has_legacy() {
        return Era::Modern;
    }
    let envelope = &inbound.envelope;
    let modern = envelope.meta_version.is_some()
        || envelope.meta_capabilities.is_some()
        || header_version.is_some_and(|v| Revision::parse(v).is_none_or(Revision::is_modern))
        || envelope.method.is_modern_only();
    if modern { Era::Modern } else { Era::Legacy }
}

/// Judges a modern request (see the module's order) and returns its context.
///
/// # Errors
/// The error to send, before anything was dispatched.
pub fn modern(
    config: &ServerConfig,
    inbound: &Inbound,
    mirrors: Option<&dyn Mirrors>,
) -> Result<CallContext, WireError> {
    let envelope = &inbound.envelope;
    let capabilities = inbound.text(envelope.meta_capabilities);
    let (Some(version), true) = (version(inbound), is_object(capabilities)) else {
        return Err(missing_meta(config, inbound));
    };
    if let Some(mirrors) = mirrors {
        match mirrors.version() {
            None => {
                return Err(WireError::new(
                    error::HEADER_MISMATCH,
                    "Header mismatch: MCP-Protocol-Version header is missing; it must repeat \
                     _meta[\"io.modelcontextprotocol/protocolVersion\"]",
                ));
            }
            Some(header) if header != version => {
                return Err(WireError::new(
                    error::HEADER_MISMATCH,
                    format!(
                        "Header mismatch: MCP-Protocol-Version header value {} does not match body value {}",
                        quoted(header),
                        quoted(&version)
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    let revision = Revision::parse(&version)
        .filter(|revision| revision.is_modern() && config.revisions().contains(*revision))
        .ok_or_else(|| unsupported_version(config, &version))?;
    if let Some(mirrors) = mirrors {
        mirrors.check(inbound)?;
    }
    if !config.serves(envelope.method, revision) {
        return Err(method_not_found(inbound));
    }
    let mut context = CallContext::new(envelope.method, revision);
    context.features = ClientFeatures::from_json(capabilities);
    let info = envelope.meta_client_info;
    context.client_info = info.is_some().then(|| inbound.shared(info));
    context.progress_token = progress_token(config, inbound)?;
    if envelope.meta_log_level.is_some() {
        let level = inbound.string(envelope.meta_log_level);
        let level = level.as_deref().and_then(LoggingLevel::parse);
        let level = level.ok_or_else(|| {
            WireError::new(
                error::INVALID_PARAMS,
                "_meta[\"io.modelcontextprotocol/logLevel\"] must be one of debug, info, notice, \
                 warning, error, critical, alert, emergency",
            )
        })?;
        // Only a server that declared `logging` logs (2026-07-28, server/utilities/logging, "Capabilities").
        context.log_level = config.features().logging.then_some(level);
    }
    Ok(context)
}

/// The version that a request names, of which nearly every one is known and spelled plainly.
fn version(inbound: &Inbound) -> Option<Cow<'_, str>> {
    let span = inbound.envelope.meta_version;
    let token = span.get(&inbound.bytes).unwrap_or_default();
    if let [b'"', text @ .., b'"'] = token
        && let Some(revision) = Revision::from_bytes(text)
    {
        return Some(Cow::Borrowed(revision.as_str()));
    }
    inbound.string(span)
}

/// The progress token of a request of either era. It is kept as long as its call, hence as short as an id.
///
/// # Errors
/// -32602 when it is neither a string nor an integer, or longer than `Limits::max_id`.
pub fn progress_token(
    config: &ServerConfig,
    inbound: &Inbound,
) -> Result<Option<WireId>, WireError> {
    let token = inbound.text(inbound.envelope.meta_progress_token);
    if token.is_empty() {
        return Ok(None);
    }
    let max = config.limits().max_id;
    if token.len() > max {
        return Err(WireError::new(
            error::INVALID_PARAMS,
            format!("_meta.progressToken is longer than {max} bytes"),
        ));
    }
    WireId::from_token(token).map(Some).ok_or_else(|| {
        WireError::new(
            error::INVALID_PARAMS,
            "_meta.progressToken must be a string or an integer",
        )
    })
}

/// -32022 with the revisions that are served, for a peer that speaks another one.
#[must_use]
pub fn unsupported_version(config: &ServerConfig, requested: &str) -> WireError {
    let mut data = String::from("{\"supported\":");
    data.push_str(&config.revisions().to_json());
    data.push_str(",\"requested\":");
    data.push_str(&serde_json::to_string(requested).unwrap_or_else(|_| "null".into()));
    data.push('}');
    let error = WireError::new(
        error::UNSUPPORTED_VERSION,
        format!(
            "Unsupported protocol version; this server supports {}",
            config.revisions().to_list()
        ),
    );
    match Json::parse(data) {
        Ok(data) => error.with_data(data),
        Err(_) => error,
    }
}

/// -32601 naming the method.
#[must_use]
pub fn method_not_found(inbound: &Inbound) -> WireError {
    let name = inbound.method_name();
    WireError::new(
        error::METHOD_NOT_FOUND,
        format!("Method not found: {}", shortened(&name)),
    )
}

/// -32603 with a reason and a hint when to try again: the specification has no code for overload.
///
/// Over HTTP it goes out with 503 and `Retry-After`.
#[must_use]
pub fn overloaded(message: &'static str) -> WireError {
    let error = WireError::new(error::INTERNAL_ERROR, message);
    match Json::parse(r#"{"reason":"overloaded","retryAfterMs":1000}"#) {
        Ok(data) => error.with_data(data),
        Err(_) => error,
    }
}

fn missing_meta(config: &ServerConfig, inbound: &Inbound) -> WireError {
    if inbound.envelope.method == Method::Initialize && inbound.envelope.meta.is_none() {
        // A legacy client has no way forward but this message (versioning, "Backward Compatibility").
        let requested = inbound.string(inbound.envelope.protocol_version);
        return unsupported_version(config, requested.as_deref().unwrap_or("unknown"));
    }
    let missing = if inbound.envelope.meta_version.is_none() {
        "io.modelcontextprotocol/protocolVersion"
    } else if inbound.envelope.meta_capabilities.is_none() {
        "io.modelcontextprotocol/clientCapabilities"
    } else if inbound.string(inbound.envelope.meta_version).is_none() {
        "io.modelcontextprotocol/protocolVersion (a string)"
    } else {
        "io.modelcontextprotocol/clientCapabilities (an object)"
    };
    WireError::new(
        error::INVALID_PARAMS,
        format!(
            "params._meta must hold {missing}; this server supports {}",
            config.revisions().to_list()
        ),
    )
}

fn is_object(text: &str) -> bool {
    text.starts_with('{')
}

fn quoted(value: &str) -> String {
    format!("'{}'", shortened(value))
}

/// At most 64 characters of peer text, so that an error cannot be used to amplify.
fn shortened(value: &str) -> &str {
    value
        .char_indices()
        .nth(64)
        .map_or(value, |(end, _)| &value[..end])
}
