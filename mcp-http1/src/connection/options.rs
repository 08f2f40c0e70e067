//! How a connection is served.
//!
//! Owns the deadlines and their defaults, which are those of every listener of this project.

use std::time::Duration;

use mcp_driver::http::{AUTHENTICATION_DEADLINE, ServeOptions};

use crate::limits::Limits;

/// Options of an [`HttpConnection`](crate::HttpConnection). Every default is safe on a listener that anybody can reach.
///
/// ```
/// use std::time::Duration;
///
/// let options = mcp_http1::ConnectionOptions::default().with_idle(Duration::from_secs(75));
/// assert_eq!(options.head_deadline, Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionOptions {
    /// How long a request's head may take, counted from its first byte or from the connection's start. Beyond: the
    /// connection ends. Default: 10 seconds.
    pub head_deadline: Duration,
    /// How long it may take to find out who sent a request. Beyond: 503, to be tried again. Default: 10 seconds.
    pub authentication_deadline: Duration,
    /// How long a request's body may take, counted from the end of its head. Beyond: 408, and the connection ends.
    /// Default: 60 seconds.
    pub body_deadline: Duration,
    /// How long a connection may stay open without a request. Longer than the 60 seconds of common load balancers.
    /// Default: 120 seconds.
    pub idle: Duration,
    /// How long to wait for the peer to close after the last response, if something of what it sent was not read
    /// (RFC 9112 section 9.6), counted from when the response is on its way. Default: 2 seconds.
    pub linger: Duration,
    /// The bounds on what a peer sends.
    pub limits: Limits,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            head_deadline: Duration::from_secs(10),
            authentication_deadline: AUTHENTICATION_DEADLINE,
            body_deadline: Duration::from_secs(60),
            idle: Duration::from_secs(120),
            linger: Duration::from_secs(2),
            limits: Limits::default(),
        }
    }
}

impl ConnectionOptions {
    /// Sets [`head_deadline`](Self::head_deadline).
    #[must_use]
    pub const fn with_head_deadline(mut self, deadline: Duration) -> Self {
        self.head_deadline = deadline;
        self
    }

    /// Sets [`authentication_deadline`](Self::authentication_deadline).
    #[must_use]
    pub const fn with_authentication_deadline(mut self, deadline: Duration) -> Self {
        self.authentication_deadline = deadline;
        self
    }

    /// Sets [`body_deadline`](Self::body_deadline).
    #[must_use]
    pub const fn with_body_deadline(mut self, deadline: Duration) -> Self {
        self.body_deadline = deadline;
        self
    }

    /// Sets [`idle`](Self::idle).
    #[must_use]
    pub const fn with_idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// Sets [`linger`](Self::linger).
    #[must_use]
    pub const fn with_linger(mut self, limit: Duration) -> Self {
        self.linger = limit;
        self
    }

    /// Sets [`limits`](Self::limits).
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// What of a listener's options concerns each connection.
impl From<&ServeOptions> for ConnectionOptions {
    fn from(options: &ServeOptions) -> Self {
        Self {
            head_deadline: options.head_deadline,
            authentication_deadline: options.authentication_deadline,
            body_deadline: options.body_deadline,
            idle: options.idle,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_a_listener() {
        let listener = ConnectionOptions::from(&ServeOptions::default());
        assert_eq!(listener, ConnectionOptions::default());
    }
}
