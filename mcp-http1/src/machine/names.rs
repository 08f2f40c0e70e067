//! The names of fields.
//!
//! Owns the shortcut for those that nearly every request has, and for the protocol's own, which need no memory by it. It
//! must never find another name than the long way does.

use http::header::{self, HeaderName};

static MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
static MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
static MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
static MCP_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The name that a token spells, in whatever case.
pub(super) fn name(token: &[u8]) -> Option<HeaderName> {
    known(token).or_else(|| HeaderName::from_bytes(token).ok())
}

fn known(token: &[u8]) -> Option<HeaderName> {
    let name = match token.len() {
        4 if spells(token, b"host") => header::HOST,
        6 if spells(token, b"accept") => header::ACCEPT,
        6 if spells(token, b"origin") => header::ORIGIN,
        8 if spells(token, b"mcp-name") => MCP_NAME.clone(),
        10 if spells(token, b"mcp-method") => MCP_METHOD.clone(),
        10 if spells(token, b"user-agent") => header::USER_AGENT,
        10 if spells(token, b"connection") => header::CONNECTION,
        12 if spells(token, b"content-type") => header::CONTENT_TYPE,
        13 if spells(token, b"authorization") => header::AUTHORIZATION,
        13 if spells(token, b"last-event-id") => LAST_EVENT_ID.clone(),
        14 if spells(token, b"content-length") => header::CONTENT_LENGTH,
        14 if spells(token, b"mcp-session-id") => MCP_SESSION_ID.clone(),
        15 if spells(token, b"accept-encoding") => header::ACCEPT_ENCODING,
        15 if spells(token, b"accept-language") => header::ACCEPT_LANGUAGE,
        17 if spells(token, b"transfer-encoding") => header::TRANSFER_ENCODING,
        20 if spells(token, b"mcp-protocol-version") => MCP_PROTOCOL_VERSION.clone(),
        _ => return None,
    };
    Some(name)
}

/// Whether a token is a name of small letters and dashes, in whatever case. Among the characters of tokens, only
/// letters become other letters or a dash by the bit that makes them small.
fn spells<const N: usize>(token: &[u8], name: &[u8; N]) -> bool {
    let Ok(token) = <&[u8; N]>::try_from(token) else {
        return false;
    };
    // Without an early end, so that it is a few wide comparisons.
    let difference = token
        .iter()
        .zip(name)
        .fold(0, |difference, (a, b)| difference | ((a | 0x20) ^ b));
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every token that differs from a known name in one character, in either case.
    #[test]
    fn the_shortcut_finds_what_the_long_way_does() {
        for known in [
            "host",
            "accept",
            "origin",
            "mcp-name",
            "mcp-method",
            "user-agent",
            "connection",
            "content-type",
            "authorization",
            "last-event-id",
            "content-length",
            "mcp-session-id",
            "accept-encoding",
            "accept-language",
            "transfer-encoding",
            "mcp-protocol-version",
        ] {
            for known in [known.to_owned(), known.to_uppercase()] {
                assert!(super::known(known.as_bytes()).is_some(), "{known}");
                for at in 0..known.len() {
                    for byte in (0..=u8::MAX).filter(|byte| super::super::chunked::is_token(*byte))
                    {
                        let mut token = known.clone().into_bytes();
                        token[at] = byte;
                        let long = HeaderName::from_bytes(&token).ok();
                        assert_eq!(name(&token), long, "{}", String::from_utf8_lossy(&token));
                    }
                }
            }
        }
    }
}
