//! How an endpoint is served.
//!
//! Owns the configuration that only HTTP has; bounds that every transport shares are in
//! [`Limits`](mcp_proto::limits::Limits). Every default is safe on a listener that anybody can reach.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mcp_proto::http::host::{AllowedHosts, InvalidAuthority};
use mcp_proto::http::origin::AllowedOrigins;

use super::pair::HttpSse;
use crate::{Authenticator, ProtectedResource};

/// Options of an [`HttpServer`](crate::HttpServer).
///
/// ```
/// use mcp_server::HttpOptions;
///
/// let options = HttpOptions::default()
///     .with_allowed_hosts(["mcp.example.com"])?
///     .with_allowed_origins(["https://app.example.com"])?;
/// # Ok::<(), mcp_server::proto::http::host::InvalidAuthority>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The names under which the server is reached. Default: loopback names with any port. A server
    /// that others reach by name must list that name, or every request is 403 (DNS rebinding).
    pub allowed_hosts: AllowedHosts,
    /// The origins of web pages that may call, and read answers (CORS). Default: loopback pages.
    pub allowed_origins: AllowedOrigins,
    /// Who may call. Default: everybody who gets through to the listener.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// The protected-resource document (RFC 9728), served on the well-known URIs and named in challenges.
    pub protected_resource: Option<ProtectedResource>,
    /// Requests that run at once; the next one is 503 with `Retry-After`. Default: 1024. Each costs
    /// its message, its handler's future and about a kilobyte.
    pub max_calls: usize,
    /// Calls of legacy clients that go on at once although their connection is gone, or was closed by the handler
    /// ([`Context::close_stream`](crate::Context::close_stream)): they count no longer as `max_calls`. Beyond: the one that
    /// lost its connection first ends with an error, which a client that comes back finds. Default: 1024. Each costs what a
    /// running request does.
    pub max_detached: usize,
    /// Streams that stay open at once (`subscriptions/listen`, legacy GET, HTTP+SSE); the next one is 503.
    /// Default: 10,000. Each costs a few hundred bytes and its filter.
    pub max_streams: usize,
    /// When a legacy client that lost its stream should come back. Default: 1 second.
    pub retry: Duration,
    /// The pair of endpoints that 2024-11-05 had in the place of Streamable HTTP, for clients that know nothing newer.
    /// Default: not served.
    pub http_sse: Option<HttpSse>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            allowed_hosts: AllowedHosts::default(),
            allowed_origins: AllowedOrigins::default(),
            authenticator: None,
            protected_resource: None,
            max_calls: 1024,
            max_detached: 1024,
            max_streams: 10_000,
            retry: Duration::from_secs(1),
            http_sse: None,
        }
    }
}

impl HttpOptions {
    /// Allows requests addressed to these hosts (`host` or `host:port`), besides loopback.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn with_allowed_hosts<'a>(
        mut self,
        hosts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidAuthority> {
        self.allowed_hosts = AllowedHosts::list(hosts)?;
        Ok(self)
    }

    /// Allows pages of these origins (`scheme://host[:port]`) and no others.
    ///
    /// # Errors
    /// The first text that is no origin.
    pub fn with_allowed_origins<'a>(
        mut self,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidAuthority> {
        self.allowed_origins = AllowedOrigins::list(origins)?;
        Ok(self)
    }

    /// Lets `authenticator` decide who may call.
    #[must_use]
    pub fn with_authenticator(mut self, authenticator: impl Authenticator + 'static) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Serves `document` (RFC 9728) and points callers without a token to it.
    #[must_use]
    pub fn with_protected_resource(mut self, document: ProtectedResource) -> Self {
        self.protected_resource = Some(document);
        self
    }

    /// Serves HTTP+SSE beside Streamable HTTP, unless the server has modern revisions alone, which have no such thing.
    #[must_use]
    pub fn with_http_sse(mut self, pair: HttpSse) -> Self {
        self.http_sse = Some(pair);
        self
    }

    /// Sets [`max_calls`](Self::max_calls).
    #[must_use]
    pub const fn with_max_calls(mut self, max: usize) -> Self {
        self.max_calls = max;
        self
    }

    /// Sets [`max_detached`](Self::max_detached).
    #[must_use]
    pub const fn with_max_detached(mut self, max: usize) -> Self {
        self.max_detached = max;
        self
    }

    /// Sets [`max_streams`](Self::max_streams).
    #[must_use]
    pub const fn with_max_streams(mut self, max: usize) -> Self {
        self.max_streams = max;
        self
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("allowed_hosts", &self.allowed_hosts)
            .field("allowed_origins", &self.allowed_origins)
            .field("authenticator", &self.authenticator.is_some())
            .field("max_calls", &self.max_calls)
            .field("max_detached", &self.max_detached)
            .field("max_streams", &self.max_streams)
            .field("http_sse", &self.http_sse)
            .finish_non_exhaustive()
    }
}
