//! Where the pair of endpoints is and how much it may take.
//!
//! Owns the paths and the bounds that only the pair has. Every default is safe on a listener that anybody can reach.

use std::fmt;

use http::uri::PathAndQuery;

/// The pair of endpoints that clients of 2024-11-05 know in the place of Streamable HTTP, for
/// [`HttpOptions::with_http_sse`](crate::HttpOptions::with_http_sse).
///
/// Off unless it is asked for: the transport is deprecated since 2025-03-26, each of its sessions holds a connection, and
/// replicas need a load balancer that sends the POSTs of a session to the replica that has its stream.
///
/// ```
/// use mcp_server::HttpOptions;
/// use mcp_server::http::HttpSse;
///
/// // GET /sse, POST /messages
/// let options = HttpOptions::default().with_http_sse(HttpSse::default());
/// // GET /old/events, POST /old/post
/// let options = HttpOptions::default().with_http_sse(HttpSse::at("/old/events", "/old/post")?);
/// # Ok::<(), mcp_server::http::InvalidPath>(())
/// ```
///
/// # Behind another router
///
/// The paths decide: whichever request has one of them is the pair's, every other one is the endpoint's. A host that mounts
/// the endpoint into its own router mounts the same service at these two paths as well, under the same rules and layers. A
/// router that strips a prefix shows the service what is left: configure that, and the prefix with
/// [`with_prefix`](Self::with_prefix), so that clients are sent to where they can get. The endpoint needs a path that is
/// neither of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpSse {
    sse_path: Box<str>,
    message_path: Box<str>,
    prefix: Box<str>,
    /// Streams that are open at once; the next one is 503 with `Retry-After`. They count as streams of
    /// [`HttpOptions::max_streams`](crate::HttpOptions::max_streams), too. Default: 1024. Each costs about 5 KiB, what waits
    /// for it, and what waits for its reader (two times `Limits::outbox_high` and a message).
    pub max_streams: usize,
    /// Messages of one session that were taken and not yet read by its stream; the next one is 503 with `Retry-After`.
    /// Default: 64.
    pub max_waiting: usize,
    /// Bytes of such messages. One message alone is always taken, if it is within `Limits::max_message`. Default: 4 MiB.
    pub max_waiting_bytes: usize,
}

impl Default for HttpSse {
    fn default() -> Self {
        Self {
            sse_path: "/sse".into(),
            message_path: "/messages".into(),
            prefix: "".into(),
            max_streams: 1024,
            max_waiting: 64,
            max_waiting_bytes: 4 << 20,
        }
    }
}

/// A text that is no path for the pair.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidPath {
    /// Not of the form `/sse`: absolute, visible ASCII, without query and fragment.
    Malformed(String),
    /// Both are the same.
    Same(String),
}

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(path) => write!(
                f,
                "{path:?} is not an absolute path without query, such as /sse"
            ),
            Self::Same(path) => write!(f, "the stream and the messages cannot both be at {path}"),
        }
    }
}

impl std::error::Error for InvalidPath {}

impl HttpSse {
    /// The stream at `sse_path`, messages to `message_path`.
    ///
    /// # Errors
    /// When one of them is no path, or both are the same.
    pub fn at(sse_path: &str, message_path: &str) -> Result<Self, InvalidPath> {
        let both = Self {
            sse_path: checked(sse_path)?,
            message_path: checked(message_path)?,
            ..Self::default()
        };
        if sse_path == message_path {
            return Err(InvalidPath::Same(sse_path.to_owned()));
        }
        Ok(both)
    }

    /// What a router or a proxy in front strips from the paths, such as `/tools`: clients are told to POST to a path that
    /// begins with it. Default: nothing.
    ///
    /// # Errors
    /// When it is no path.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, InvalidPath> {
        let prefix = prefix.trim_end_matches('/');
        self.prefix = if prefix.is_empty() {
            "".into()
        } else {
            checked(prefix)?
        };
        Ok(self)
    }

    /// Sets [`max_streams`](Self::max_streams).
    #[must_use]
    pub const fn with_max_streams(mut self, max: usize) -> Self {
        self.max_streams = max;
        self
    }

    /// Sets [`max_waiting`](Self::max_waiting).
    #[must_use]
    pub const fn with_max_waiting(mut self, max: usize) -> Self {
        self.max_waiting = max;
        self
    }

    /// Sets [`max_waiting_bytes`](Self::max_waiting_bytes).
    #[must_use]
    pub const fn with_max_waiting_bytes(mut self, max: usize) -> Self {
        self.max_waiting_bytes = max;
        self
    }

    /// Where the stream is opened.
    #[must_use]
    pub fn sse_path(&self) -> &str {
        &self.sse_path
    }

    /// Where messages are posted to, as the server sees it.
    #[must_use]
    pub fn message_path(&self) -> &str {
        &self.message_path
    }

    /// Where a client has to POST to: a path, so that it stays with the host that it asked, whatever that is called.
    pub(super) fn endpoint(&self, parameter: &str, id: &str) -> String {
        let Self {
            prefix,
            message_path,
            ..
        } = self;
        format!("{prefix}{message_path}?{parameter}={id}")
    }
}

fn checked(path: &str) -> Result<Box<str>, InvalidPath> {
    // `//host/…` would name another host.
    let absolute = path.starts_with('/') && !path.starts_with("//");
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    let parsed = PathAndQuery::try_from(path).is_ok_and(|parsed| parsed.path() == path);
    if absolute && plain && parsed {
        Ok(path.into())
    } else {
        Err(InvalidPath::Malformed(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_paths_make_a_pair() {
        for path in [
            "",
            "sse",
            "//evil.example.com/x",
            "/a?b",
            "/a#b",
            "/a b",
            "/é",
            "/a\n",
        ] {
            let malformed = Err(InvalidPath::Malformed(path.to_owned()));
            assert_eq!(HttpSse::at(path, "/messages"), malformed, "{path:?}");
            assert_eq!(HttpSse::at("/sse", path), malformed, "{path:?}");
        }
        let same = HttpSse::at("/sse", "/sse");
        assert_eq!(same, Err(InvalidPath::Same("/sse".to_owned())));
        assert_eq!(HttpSse::at("/sse", "/messages"), Ok(HttpSse::default()));
    }

    #[test]
    fn clients_are_sent_to_where_they_can_get() {
        let at = |prefix| {
            let pair = HttpSse::default().with_prefix(prefix)?;
            Ok::<_, InvalidPath>(pair.endpoint("sessionId", "x"))
        };
        for (prefix, expected) in [
            ("", "/messages?sessionId=x"),
            ("/", "/messages?sessionId=x"),
            ("/a/b", "/a/b/messages?sessionId=x"),
            ("/a/", "/a/messages?sessionId=x"),
        ] {
            assert_eq!(at(prefix), Ok(expected.to_owned()), "{prefix}");
        }
        for prefix in ["a", "//evil.example.com", "/a?"] {
            assert!(at(prefix).is_err(), "{prefix}");
        }
    }
}
