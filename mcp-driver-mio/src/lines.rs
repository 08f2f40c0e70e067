//! The stdio framing on listeners: one message per line.
//!
//! Owns how such connections begin.

use std::io;
use std::sync::Arc;

use mcp_driver::{Silence, StreamOptions, seed};
use mcp_server::{Connection, Runtime, Service};

use crate::listener::Endpoint;

pub(crate) struct Lines {
    pub(crate) service: Service,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) options: StreamOptions,
    pub(crate) silence: Silence,
}

impl Endpoint for Lines {
    type Machine = Connection;

    fn open(&self) -> io::Result<Connection> {
        let runtime = Arc::clone(&self.runtime);
        Ok(Connection::new(self.service.clone(), runtime, seed()?))
    }

    fn stream(&self) -> StreamOptions {
        self.options.clone()
    }

    fn silence(&self) -> Silence {
        self.silence
    }
}
