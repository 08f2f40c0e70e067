//! What a listener of the stdio framing may take.
//!
//! Owns the limits and the rules of exposure. Must never let a listener without authentication be reached from elsewhere
//! unless somebody said so.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::pump::StreamOptions;

/// What a byte-stream listener may take.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ListenOptions {
    /// The options of each connection. Here, unlike on stdio, a peer that does not read for 30 seconds is dropped.
    pub stream: StreamOptions,
    /// Connections served at once; further ones wait in the backlog. Default: 1024.
    pub max_connections: usize,
    /// Accept a TCP listener beyond loopback although this framing has no authentication. Default: false.
    pub allow_remote: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            stream: StreamOptions::default().with_write_stall(Duration::from_secs(30)),
            max_connections: 1024,
            allow_remote: false,
        }
    }
}

/// Refuses a TCP listener of the stdio framing that other machines reach, unless the options allow it.
///
/// # Errors
/// `PermissionDenied`, with what can be done about it.
pub fn refuse_remote(address: SocketAddr, options: &ListenOptions) -> io::Result<()> {
    if options.allow_remote || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{address} is reachable from other machines and this transport has no authentication; \
             set allow_remote to serve it all the same"
        ),
    ))
}

/// How long to wait after an error of `accept` that no peer caused.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Whether an error of `accept` concerns one peer (go on at once) or the process, which is out of descriptors, say (go on
/// after [`ACCEPT_PAUSE`]).
#[must_use]
pub fn is_about_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_served_unless_told_otherwise() {
        let refused = |address: &str, options: &ListenOptions| {
            refuse_remote(address.parse().unwrap(), options).is_err()
        };
        let safe = ListenOptions::default();
        assert!(!refused("127.0.0.1:1", &safe));
        assert!(!refused("[::1]:1", &safe));
        assert!(!refused("[::ffff:127.0.0.1]:1", &safe));
        assert!(refused("0.0.0.0:1", &safe));
        assert!(refused("[::]:1", &safe));
        let open = ListenOptions {
            allow_remote: true,
            ..ListenOptions::default()
        };
        assert!(!refused("0.0.0.0:1", &open));
    }
}
