//! A listener that is waited for together with the bell.
//!
//! Owns the listener. Must never block in it.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::event::PollFlags;

use super::bell::{Bell, Watch};

/// What accepts connections.
pub(crate) trait Listener: AsFd {
    type Stream;
    fn accept(&self) -> io::Result<Self::Stream>;
    fn set_nonblocking(&self) -> io::Result<()>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).map(|(stream, _)| stream)
    }

    fn set_nonblocking(&self) -> io::Result<()> {
        Self::set_nonblocking(self, true)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    fn accept(&self) -> io::Result<UnixStream> {
        Self::accept(self).map(|(stream, _)| stream)
    }

    fn set_nonblocking(&self) -> io::Result<()> {
        Self::set_nonblocking(self, true)
    }
}

/// See the module. Dropping it closes the listener.
#[derive(Debug)]
pub(crate) struct Door<L>(L);

impl<L: Listener> Door<L> {
    pub(crate) fn new(listener: L) -> io::Result<Self> {
        listener.set_nonblocking()?;
        Ok(Self(listener))
    }

    /// Sleeps until somebody knocks, if that is wanted, or anything else is to be done. Says whether somebody did.
    pub(crate) fn wait(
        &self,
        bell: &Bell,
        wanted: bool,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        let mut watched = [Watch::new(self.0.as_fd(), PollFlags::IN)];
        bell.doze(&mut watched[..usize::from(wanted)], timeout)?;
        Ok(!watched[0].revents.is_empty())
    }

    /// Accepts one connection, or says that there is none (`WouldBlock`).
    pub(crate) fn accept(&self) -> io::Result<L::Stream> {
        self.0.accept()
    }
}
