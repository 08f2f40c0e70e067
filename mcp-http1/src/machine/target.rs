//! The target of a request.
//!
//! Owns its four forms (RFC 9112 section 3.2) and the agreement of an absolute one with `Host`. Must never decide which
//! hosts are served.

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Method, Uri};

use super::refusal::Refusal;
use super::request::{Span, Target};

/// Reads the target that is at `place` in `head`. `host` is the field's value.
pub(super) fn parse(
    method: &Method,
    head: &Bytes,
    place: Span,
    host: Option<&[u8]>,
) -> Result<Target, Refusal> {
    if *method == Method::CONNECT {
        return Err(Refusal::Method);
    }
    let target = place.get(head);
    if target.first() == Some(&b'/') && target.iter().copied().all(is_plain) {
        return Ok(Target::Path(place));
    }
    // A fragment is never sent (RFC 9112 section 3.2), and a parser that drops it sees another target than one that
    // does not.
    if !target
        .iter()
        .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
    {
        return Err(Refusal::Target);
    }
    let is_path = target.first() == Some(&b'/');
    let is_everything = target == b"*";
    if is_everything && *method != Method::OPTIONS {
        return Err(Refusal::Target);
    }
    let uri = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| Refusal::Target)?;
    if !is_path && !is_everything {
        let is_web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        let authority = uri.authority().filter(|_| is_web).ok_or(Refusal::Target)?;
        if authority.as_str().contains('@') {
            return Err(Refusal::Target);
        }
        // Without it, an intermediary that routes by one and a server that reads the other disagree.
        if host.is_some_and(|host| !agree(&uri, authority, host)) {
            return Err(Refusal::Host);
        }
    }
    Ok(Target::Other(uri))
}

/// A character of a path that stands for itself wherever it is (RFC 3986 section 2.3), or the slash.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~')
}

/// Whether both name the same host and port.
fn agree(uri: &Uri, authority: &Authority, host: &[u8]) -> bool {
    let Ok(host) = Authority::try_from(host) else {
        return false;
    };
    let default = if uri.scheme() == Some(&Scheme::HTTP) {
        80
    } else {
        443
    };
    let port = port(authority, default);
    authority.host().eq_ignore_ascii_case(host.host())
        && port.is_some()
        && port == self::port(&host, default)
}

/// The port that is meant; `None` if it is none.
fn port(authority: &Authority, default: u16) -> Option<u16> {
    match authority.as_str().get(authority.host().len()..)? {
        "" | ":" => Some(default),
        rest => rest.strip_prefix(':')?.parse().ok(),
    }
}
