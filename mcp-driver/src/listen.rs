//! What a listener of the stdio framing may take, and what every listener has to see to.
//!
//! Owns the limits, the rules of exposure, and how a peer is noticed that vanished. Must never let a listener without authentication be reached from elsewhere
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
    /// After how much silence the system asks a TCP peer whether it is still there; one that does not answer is gone. This
    /// framing has no requests by which a peer could be known to be idle. Default: 60 seconds; `None`: never.
    pub keepalive: Option<Duration>,
    /// Accept a TCP listener beyond loopback although this framing has no authentication. Default: false.
    pub allow_remote: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            stream: StreamOptions::default().with_write_stall(Duration::from_secs(30)),
            max_connections: 1024,
            keepalive: Some(KEEPALIVE),
            allow_remote: false,
        }
    }
}

/// After how much silence a TCP peer is asked whether it is still there, unless told otherwise.
pub const KEEPALIVE: Duration = Duration::from_secs(60);

/// How the system notices a TCP peer that vanished without a word. A socket that refuses any of it works all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Silence {
    /// After how much silence a peer is asked whether it is still there.
    pub keepalive: Option<Duration>,
    /// How long a peer may take to acknowledge what it was sent (`TCP_USER_TIMEOUT`, RFC 5482), where the system can tell.
    pub unread: Option<Duration>,
}

impl From<&ListenOptions> for Silence {
    fn from(options: &ListenOptions) -> Self {
        Self {
            keepalive: options.keepalive,
            unread: options.stream.write_stall,
        }
    }
}

#[cfg(feature = "http")]
impl From<&crate::http::ServeOptions> for Silence {
    fn from(options: &crate::http::ServeOptions) -> Self {
        Self {
            keepalive: Some(KEEPALIVE),
            unread: Some(options.write_stall),
        }
    }
}

impl Silence {
    /// Tells the system what to look after on this socket.
    #[cfg(unix)]
    pub fn notice(self, socket: impl std::os::fd::AsFd) {
        use rustix::net::sockopt::set_socket_keepalive;

        if self.keepalive.is_some() {
            let _ = set_socket_keepalive(&socket, true);
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::net::sockopt::{set_tcp_keepidle, set_tcp_keepintvl, set_tcp_user_timeout};

            if let Some(after) = self.keepalive {
                let _ = set_tcp_keepidle(&socket, after);
                let _ = set_tcp_keepintvl(&socket, Duration::from_secs(15));
            }
            if let Some(limit) = self.unread {
                let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
                let _ = set_tcp_user_timeout(&socket, millis);
            }
        }
    }

    /// Does nothing here.
    #[cfg(not(unix))]
    pub fn notice<S>(self, _: S) {}
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

    #[cfg(unix)]
    #[test]
    fn a_peer_that_is_silent_is_asked_whether_it_is_there_unless_nobody_wants_to_know() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let is_asked = || rustix::net::sockopt::socket_keepalive(&socket).unwrap();
        let options = ListenOptions {
            keepalive: None,
            ..ListenOptions::default()
        };
        Silence::from(&options).notice(&socket);
        assert!(!is_asked());
        Silence::from(&ListenOptions::default()).notice(&socket);
        assert!(is_asked());
    }
}
