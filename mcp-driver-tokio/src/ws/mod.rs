//! WebSocket: one JSON-RPC message in each text message, both ways.
//!
//! The message-framed sibling of the stdio framing: one connection carries everything, in both eras. MCP does not name it
//! among its standard transports (2026-07-28, basic/transports "Custom Transports"); the subprotocol is `mcp`.
//!
//! [`serve`] is [`http::serve`](crate::http::serve()) with one more path, at which a connection is upgraded. Before it is,
//! the same rules hold as at the endpoint: Host, Origin, authentication. Who was let in is the connection's principal for
//! all of its life, so that scopes apply. [`connect`] is the client's end.

mod channel;
mod client;
mod upgrade;

use std::future::Future;
use std::io;
use std::time::Duration;

use mcp_driver::http::{Report, ServeOptions};
use mcp_server::IntoService;
use tokio::net::TcpListener;

pub use mcp_driver::client::{Answer, ClientHandle, Token};

pub use client::{ClientOptions, ConnectError, WsClient, connect, connect_on};
pub(crate) use upgrade::{Acceptor, Upgraded, take};

/// The subprotocol that both sides have to name.
pub const SUBPROTOCOL: &str = "mcp";

/// How a connection is kept alive, and what it may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// How often a peer is pinged from which nothing is heard. One that does not answer within the same time again is
    /// gone. Default: 30 seconds.
    pub interval: Duration,
    /// How many pings and pongs a peer may send in one interval without a message in between, and how many pings that it
    /// has not taken the answers of. Beyond: close code 1008. Default: 64.
    pub max_control: u32,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            max_control: 64,
        }
    }
}

impl KeepAlive {
    /// Sets [`KeepAlive::interval`].
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets [`KeepAlive::max_control`].
    #[must_use]
    pub const fn with_max_control(mut self, max: u32) -> Self {
        self.max_control = max;
        self
    }
}

/// How WebSocket is served beside the endpoint. The length of a message is bounded by
/// [`Limits::max_message`](mcp_server::proto::limits::Limits::max_message) (close code 1009), the time in which a peer has
/// to read by [`ServeOptions::write_stall`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WsOptions {
    /// The path. Default: `/mcp/ws`.
    pub path: String,
    /// How connections are kept alive.
    pub keep_alive: KeepAlive,
}

impl Default for WsOptions {
    fn default() -> Self {
        Self {
            path: "/mcp/ws".to_owned(),
            keep_alive: KeepAlive::default(),
        }
    }
}

impl WsOptions {
    /// Sets [`WsOptions::path`].
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets [`WsOptions::keep_alive`].
    #[must_use]
    pub const fn with_keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = keep_alive;
        self
    }
}

/// Serves Streamable HTTP and, at a path of its own, WebSocket until `shutdown` completes. See
/// [`http::serve`](crate::http::serve()); WebSocket connections count among its connections, and end with close code 1001.
///
/// # Errors
/// Those of [`http::serve`](crate::http::serve()).
pub async fn serve<S: IntoService>(
    listener: TcpListener,
    service: S,
    options: ServeOptions,
    ws: WsOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Report> {
    crate::http::serve_with(listener, service, options, ws, shutdown).await
}
