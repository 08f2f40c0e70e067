//! What a scenario wants to be otherwise than by default.
//!
//! Owns the numbers and how they reach a server in another process. Must never change what a scenario did not ask for.

use std::time::Duration;

use mcp_driver::http::ServeOptions;
use mcp_driver::{ListenOptions, StreamOptions};
use mcp_server::proto::limits::Limits;
use serde::{Deserialize, Serialize};

/// All times are in milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) max_message: Option<usize>,
    pub(super) request_timeout: Option<u64>,
    pub(super) shutdown_bound: Option<u64>,
    pub(super) keep_alive: Option<u64>,
    pub(super) write_stall: Option<u64>,
    pub(super) max_connections: Option<usize>,
    pub(super) head_deadline: Option<u64>,
    pub(super) body_deadline: Option<u64>,
    pub(super) idle: Option<u64>,
    pub(super) lame_duck: Option<u64>,
}

impl Settings {
    pub(super) fn limits(&self) -> Limits {
        let usual = Limits {
            // Every report is sent, so that a scenario can count them.
            progress_interval: Duration::ZERO,
            commit_after: Duration::from_millis(50),
            max_calls: 512,
            ..Limits::default()
        };
        let ms = |given: Option<u64>, usual: Duration| given.map_or(usual, Duration::from_millis);
        Limits {
            max_message: self.max_message.unwrap_or(usual.max_message),
            request_timeout: ms(self.request_timeout, usual.request_timeout),
            shutdown_bound: ms(self.shutdown_bound, usual.shutdown_bound),
            keep_alive: ms(self.keep_alive, usual.keep_alive),
            ..usual
        }
    }

    pub(super) fn stream(&self) -> StreamOptions {
        let mut options = StreamOptions::default();
        if let Some(ms) = self.write_stall {
            options = options.with_write_stall(Duration::from_millis(ms));
        }
        options
    }

    pub(super) fn listen(&self) -> ListenOptions {
        let mut options = ListenOptions::default();
        if let Some(ms) = self.write_stall {
            options.stream = options.stream.with_write_stall(Duration::from_millis(ms));
        }
        if let Some(most) = self.max_connections {
            options.max_connections = most;
        }
        options
    }

    /// A handshake has as long as a head.
    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> mcp_driver::tls::TlsConfig {
        let tls = super::tls::server();
        match self.head_deadline {
            Some(ms) => tls.with_handshake_deadline(Duration::from_millis(ms)),
            None => tls,
        }
    }

    pub(super) fn serve(&self) -> ServeOptions {
        let mut options = ServeOptions::default();
        let ms = Duration::from_millis;
        if let Some(limit) = self.write_stall {
            options = options.with_write_stall(ms(limit));
        }
        if let Some(limit) = self.head_deadline {
            options = options.with_head_deadline(ms(limit));
        }
        if let Some(limit) = self.body_deadline {
            options = options.with_body_deadline(ms(limit));
        }
        if let Some(limit) = self.idle {
            options = options.with_idle(ms(limit));
        }
        if let Some(limit) = self.lame_duck {
            options = options.with_lame_duck(ms(limit));
        }
        if let Some(most) = self.max_connections {
            options = options.with_max_connections(most);
        }
        options
    }
}
