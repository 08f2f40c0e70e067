//! The signals that ask a process to end, as events of the loop.
//!
//! Owns the socket on which they arrive. Must never end the process: it only counts.

use std::io::{self, Read};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

/// Listens while it lives.
#[derive(Debug)]
pub(crate) struct Signals {
    socket: UnixStream,
    _handlers: mcp_driver::Signals,
}

impl Signals {
    pub(crate) fn listen(registry: &Registry, token: Token) -> io::Result<Self> {
        let (handlers, socket) = mcp_driver::Signals::listen()?;
        socket.set_nonblocking(true)?;
        let mut socket = UnixStream::from_std(socket);
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Self {
            socket,
            _handlers: handlers,
        })
    }

    /// How many came since the last look.
    pub(crate) fn count(&mut self) -> usize {
        let mut bytes = [0; 16];
        let mut count = 0;
        while let Ok(read) = self.socket.read(&mut bytes)
            && read > 0
        {
            count += read;
        }
        count
    }
}
