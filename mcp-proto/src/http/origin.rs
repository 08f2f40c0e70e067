//! Which web pages may talk to the server.
//!
//! Owns the parsing of `Origin` and its comparison with the allowed origins, default ports
//! normalised. Must never treat a malformed, repeated or `null` origin as absent: those are refused.
//! Source: 2026-07-28 basic/transports/streamable-http, "Security & Endpoint" (MUST, 403).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::head::Head;
use super::host::{Authority, HostName, InvalidAuthority};

/// A parsed origin with its effective port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Box<str>,
    host: HostName,
    port: Option<u16>,
}

impl Origin {
    /// Reads `scheme://host[:port]`, the only form that a browser sends. Paths, user information,
    /// lists and `null` are refused.
    ///
    /// ```
    /// use mcp_proto::http::origin::Origin;
    /// assert_eq!(Origin::parse("https://A.example:443"), Origin::parse("https://a.example"));
    /// assert!(Origin::parse("null").is_none());
    /// assert!(Origin::parse("https://a.example/").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let mut letters = scheme.bytes();
        let valid = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
            && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        if !valid {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let Authority { host, port } = Authority::parse(rest)?;
        let port = port.or(match &*scheme {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        });
        Some(Self {
            scheme: scheme.into(),
            host,
            port,
        })
    }

    /// Whether a page of this machine sent the request.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        matches!(&*self.scheme, "http" | "https") && self.host.is_loopback()
    }
}

/// The origins whose pages may call the server and read its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowedOrigins {
    /// Pages served from loopback, any port (local inspectors and development servers), and nothing
    /// else: the default.
    #[default]
    Loopback,
    /// Only the listed origins; loopback is not implied. The empty list refuses every browser.
    List(Vec<Origin>),
    /// No check. Any page of the web may then use the server with what the browser can reach.
    Any,
}

impl AllowedOrigins {
    /// The list of `scheme://host[:port]` texts.
    ///
    /// # Errors
    /// The first text that is not an origin.
    pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidAuthority> {
        let parse =
            |text: &'a str| Origin::parse(text).ok_or_else(|| InvalidAuthority(text.into()));
        Ok(Self::List(
            texts.into_iter().map(parse).collect::<Result<_, _>>()?,
        ))
    }

    /// Whether pages of `origin` are allowed.
    #[must_use]
    pub fn allows(&self, origin: &Origin) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => origin.is_loopback(),
            Self::List(list) => list.contains(origin),
        }
    }
}

/// Judges the `Origin` of a request: `Ok(None)` when it has none (not a browser), `Ok(Some)` with the
/// text to echo in CORS headers, `Err` for 403.
///
/// # Errors
/// [`Forbidden`] when the origin is repeated, malformed, `null` or not allowed.
pub fn origin_of<'a>(
    allowed: &AllowedOrigins,
    head: &Head<'a>,
) -> Result<Option<&'a str>, Forbidden> {
    match head.origin.only() {
        Ok(None) => Ok(None),
        Ok(Some("null")) if matches!(allowed, AllowedOrigins::Any) => Ok(Some("null")),
        Ok(Some(text)) => match Origin::parse(text) {
            Some(origin) if allowed.allows(&origin) => Ok(Some(text)),
            _ => Err(Forbidden),
        },
        Err(()) => Err(Forbidden),
    }
}

/// The request comes from a page that must not use this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden;

impl core::fmt::Display for Forbidden {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("this origin is not allowed")
    }
}

impl core::error::Error for Forbidden {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn judge(allowed: &AllowedOrigins, origins: &[&str]) -> bool {
        let mut head = Head::new(&::http::Method::POST, "/mcp");
        for origin in origins {
            head.field(b"origin", origin.as_bytes());
        }
        origin_of(allowed, &head).is_ok()
    }

    #[test]
    fn the_default_admits_loopback_pages_only() {
        let allowed = AllowedOrigins::default();
        assert!(judge(&allowed, &[]), "no origin: not a browser");
        for good in [
            "http://localhost",
            "http://LOCALHOST:6274",
            "https://127.0.0.1:8443",
            "http://[::1]:3000",
        ] {
            assert!(judge(&allowed, &[good]), "{good}");
        }
        for bad in [
            "http://evil.example.com",
            "null",
            "",
            "localhost",
            "http://",
            "http://localhost/",
            "http://localhost:80/x",
            "http://user@localhost",
            "http://localhost@evil.com",
            "http://localhost.evil.com",
            "http://[::1].evil.com",
            "http://localhost http://evil.com",
            "http://localhost:x",
            "http://localhost:",
            "chrome-extension://localhost",
            "://localhost",
            "file://",
            "http:/localhost",
        ] {
            assert!(!judge(&allowed, &[bad]), "{bad}");
        }
        assert!(
            !judge(&allowed, &["http://localhost", "http://localhost"]),
            "repeated"
        );
    }

    #[test]
    fn listed_origins_compare_scheme_host_and_effective_port() {
        let allowed =
            AllowedOrigins::list(["https://app.example.com", "http://dev.example.com:8080"])
                .unwrap();
        for (origin, expected) in [
            ("https://app.example.com", true),
            ("https://APP.example.com:443", true),
            ("HTTPS://app.example.com", true),
            ("http://app.example.com", false),
            ("https://app.example.com:444", false),
            ("http://dev.example.com:8080", true),
            ("http://dev.example.com", false),
            ("https://x.app.example.com", false),
            ("http://localhost", false),
        ] {
            assert_eq!(judge(&allowed, &[origin]), expected, "{origin}");
        }
        assert!(!judge(&AllowedOrigins::List(vec![]), &["http://localhost"]));
        assert!(judge(&AllowedOrigins::Any, &["null"]));
        assert!(!judge(&AllowedOrigins::Any, &["null", "null"]));
    }
}
