//! Which hosts a request may be addressed to: the defence against DNS rebinding.
//!
//! Owns the parsing of `Host` and of a target's authority into a normal form, and the comparison
//! with an allow list. Must never resolve a name, and must never accept what it cannot parse: a
//! browser that was lured to `evil.example` resolving to 127.0.0.1 sends exactly that name here.
//! Source: 2026-07-28 basic/transports/streamable-http, "Security & Endpoint".

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::head::{Head, Once};

/// A host name or address as it is compared: lower case, addresses in their value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// A registered name, in lower case.
    Name(Box<str>),
    /// An IPv4 address in dotted-decimal form; other spellings are names and match nothing.
    V4(Ipv4Addr),
    /// An IPv6 address; zone identifiers are refused.
    V6(Ipv6Addr),
}

impl HostName {
    /// Reads a host without a port. IPv6 addresses must be in brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::V4(address));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        (!text.is_empty() && text.len() <= 253 && text.bytes().all(plain))
            .then(|| Self::Name(text.to_ascii_lowercase().into()))
    }

    /// Whether this is `localhost`, a name below it, 127.0.0.0/8 or `[::1]`. A name with an encoded label (`xn--`) is not:
    /// what it decodes to, if to anything, is not looked at here.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name.strip_suffix("localhost").is_some_and(|below| {
                below.is_empty()
                    || below.ends_with('.')
                        && !below.split('.').any(|label| label.starts_with("xn--"))
            }),
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// A host and the port that was written with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: HostName,
    /// `None` when no port was written: the default of the scheme.
    pub port: Option<u16>,
}

impl Authority {
    /// Reads `host[:port]`. User information, white space, paths, empty ports and anything after
    /// an IPv6 bracket that is not a port are refused.
    ///
    /// ```
    /// use mcp_proto::http::host::Authority;
    /// assert!(Authority::parse("LocalHost:3000").unwrap().host.is_loopback());
    /// assert!(Authority::parse("[::1]:80").unwrap().host.is_loopback());
    /// assert!(Authority::parse("[::1].evil.example").is_none());
    /// assert!(Authority::parse("user@localhost").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let colon = if text.starts_with('[') {
            let bracket = text.rfind(']')?;
            match text.as_bytes().get(bracket + 1) {
                None => None,
                Some(b':') => Some(bracket + 1),
                Some(_) => return None,
            }
        } else {
            // Nearly always one of the last few.
            text.bytes().rposition(|byte| byte == b':')
        };
        let (host, port) = match colon {
            None => (text, None),
            Some(at) => (&text[..at], Some(port(&text[at + 1..])?)),
        };
        Some(Self {
            host: HostName::parse(host)?,
            port,
        })
    }
}

/// A decimal port without signs or blanks.
pub(super) fn port(text: &str) -> Option<u16> {
    (text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The hosts under which a server may be addressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowedHosts {
    /// Loopback names and addresses with any port, nothing else: the default.
    #[default]
    Loopback,
    /// Loopback, and the listed authorities besides. One without a port allows every port.
    List(Vec<Authority>),
    /// No check. Only for a server behind a proxy that checks, or one that is not reached over TCP.
    Any,
}

impl AllowedHosts {
    /// The list of `host` or `host:port` texts.
    ///
    /// # Errors
    /// The first text that is not an authority.
    pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidAuthority> {
        let parse =
            |text: &'a str| Authority::parse(text).ok_or_else(|| InvalidAuthority(text.into()));
        Ok(Self::List(
            texts.into_iter().map(parse).collect::<Result<_, _>>()?,
        ))
    }

    /// Whether a request to `authority` is allowed.
    #[must_use]
    pub fn allows(&self, authority: &Authority) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => authority.host.is_loopback(),
            Self::List(rules) => {
                authority.host.is_loopback() || rules.iter().any(|rule| admits(rule, authority))
            }
        }
    }
}

fn admits(rule: &Authority, given: &Authority) -> bool {
    rule.host == given.host
        && match (rule.port, given.port) {
            (None, _) => true,
            (Some(rule), Some(given)) => rule == given,
            // The scheme is not known here, TLS may end at a proxy: both default ports count.
            (Some(rule), None) => rule == 80 || rule == 443,
        }
}

/// A configured host or origin that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidAuthority(pub String);

impl fmt::Display for InvalidAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is neither `host` nor `host:port` (origins: `scheme://host[:port]`)",
            self.0
        )
    }
}

impl core::error::Error for InvalidAuthority {}

/// Judges whom the request is addressed to. Every place that names a host must be allowed: the
/// authority of the target (HTTP/2 `:authority`, absolute form) and the `Host` header, which may be
/// there once. A request that names none is refused, unless nothing is checked.
#[must_use]
pub fn host_allowed(allowed: &AllowedHosts, head: &Head<'_>) -> bool {
    if matches!(allowed, AllowedHosts::Any) {
        return true;
    }
    let target = head.authority();
    if target.is_none() && matches!(head.host, Once::Given(text) if is_usual(text)) {
        return true;
    }
    let Ok(given) = head.host.only() else {
        return false;
    };
    let passes = |place: Option<&str>| {
        place.is_none_or(|text| {
            Authority::parse(text).is_some_and(|authority| allowed.allows(&authority))
        })
    };
    (target.is_some() || given.is_some()) && passes(target) && passes(given)
}

/// Whether this is loopback as nearly every local client spells it, which is found out without taking it apart.
fn is_usual(text: &[u8]) -> bool {
    let hosts: [&[u8]; 3] = [b"127.0.0.1", b"localhost", b"[::1]"];
    let rest = hosts.iter().find_map(|host| text.strip_prefix(*host));
    match rest {
        Some([]) => true,
        Some([b':', port @ ..]) => {
            matches!(port.len(), 1..=5)
                && port.iter().all(u8::is_ascii_digit)
                && (port.len() < 5 || *port <= b"65535"[..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::request::Parts;

    fn host_allowed(allowed: &AllowedHosts, parts: &Parts) -> bool {
        super::host_allowed(allowed, &Head::of(parts))
    }

    fn parts(uri: &str, hosts: &[&str]) -> Parts {
        let mut request = ::http::Request::post(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_default_admits_loopback_with_any_port_and_nothing_else() {
        let allowed = AllowedHosts::default();
        for good in [
            "localhost",
            "LOCALHOST:1",
            "a.localhost:80",
            "127.0.0.1:65535",
            "127.8.9.1",
            "[::1]",
            "[::1]:99",
            "[0:0:0:0:0:0:0:1]",
        ] {
            assert!(host_allowed(&allowed, &parts("/mcp", &[good])), "{good}");
        }
        for bad in [
            "evil.example.com",
            "localhost.evil.com",
            "localhost@evil.com",
            "evil.com@localhost",
            "127.0.0.1.nip.io",
            "[::1].evil.com",
            "[::1]evil",
            "[::1%25lo]",
            "[::ffff:127.0.0.1]",
            "::1",
            "localhost:",
            "localhost:99999",
            "localhost:+80",
            "localhost:8 0",
            " localhost",
            "localhost/",
            "",
            "2130706433",
            "0x7f.1",
            "127.1",
            "192.168.0.1",
            "[fe80::1]",
            "local%68ost",
            "localhost,evil.com",
            "xn--a.localhost",
            "a.XN--zbgtntz.localhost",
            "notlocalhost",
        ] {
            assert!(!host_allowed(&allowed, &parts("/mcp", &[bad])), "{bad}");
        }
    }

    #[test]
    fn every_place_that_names_a_host_counts() {
        let allowed = AllowedHosts::default();
        assert!(
            host_allowed(&allowed, &parts("http://localhost:80/mcp", &[])),
            "HTTP/2 authority"
        );
        assert!(!host_allowed(&allowed, &parts("http://evil.com/mcp", &[])));
        assert!(!host_allowed(
            &allowed,
            &parts("http://evil.com/mcp", &["localhost"])
        ));
        assert!(!host_allowed(
            &allowed,
            &parts("http://localhost/mcp", &["evil.com"])
        ));
        assert!(
            !host_allowed(&allowed, &parts("/mcp", &["localhost", "localhost"])),
            "repeated"
        );
        assert!(!host_allowed(&allowed, &parts("/mcp", &[])), "missing");
        assert!(host_allowed(&AllowedHosts::Any, &parts("/mcp", &[])));
    }

    #[test]
    fn a_list_compares_host_and_port() {
        let allowed = AllowedHosts::list([
            "mcp.example.com",
            "Api.Example.com:8443",
            "tls.example.com:443",
        ])
        .unwrap();
        for (host, expected) in [
            ("mcp.example.com", true),
            ("MCP.example.com:1234", true),
            ("api.example.com:8443", true),
            ("api.example.com", false),
            ("api.example.com:443", false),
            ("tls.example.com", true),
            ("example.com", false),
            ("x.mcp.example.com", false),
            ("localhost", true),
        ] {
            assert_eq!(
                host_allowed(&allowed, &parts("/mcp", &[host])),
                expected,
                "{host}"
            );
        }
        assert!(AllowedHosts::list(["http://x"]).is_err());
    }
}
