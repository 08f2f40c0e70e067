//! What the calling thread does while others serve: it accepts, it stops, and it waits for the end.
//!
//! Owns the list of connections. Must never touch a byte of theirs.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use mcp_driver::{Ended, is_about_one_peer};
use mcp_server::proto::time::Instant;
use rustix::event::PollFlags;

use crate::bell::{Bell, Watch};
use crate::line::Led;
use crate::runtime::StdRuntime;
use crate::stopper::Stopper;

/// How long no connection is accepted after an error that no peer caused.
const PAUSE: Duration = Duration::from_millis(250);

/// See the module.
pub(crate) struct Crew<'a> {
    runtime: &'a StdRuntime,
    stopper: &'a Stopper,
    /// The calling thread sleeps here.
    bell: Arc<Bell>,
    lines: Vec<Arc<dyn Led>>,
}

/// Accepts one connection, or says that there is none (`WouldBlock`).
pub(crate) type Accept<'a> = &'a mut dyn FnMut(&Arc<Bell>) -> io::Result<Arc<dyn Led>>;

impl<'a> Crew<'a> {
    pub(crate) fn new(runtime: &'a StdRuntime, stopper: &'a Stopper) -> io::Result<Self> {
        let bell = Arc::new(Bell::new()?);
        stopper.tell(&bell);
        Ok(Self {
            runtime,
            stopper,
            bell,
            lines: Vec::new(),
        })
    }

    /// What a connection rings when it has ended.
    pub(crate) const fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    fn add(&mut self, line: Arc<dyn Led>) -> io::Result<()> {
        let led = Arc::clone(&line);
        self.runtime.pool.lead(Box::new(move || led.lead()))?;
        self.lines.push(line);
        Ok(())
    }

    /// Serves one connection until it ends.
    pub(crate) fn serve(mut self, line: Arc<dyn Led>) -> io::Result<Ended> {
        self.add(Arc::clone(&line))?;
        let mut stopping = false;
        loop {
            if let Some(ended) = line.ended() {
                return Ok(ended);
            }
            if self.stopper.is_stopped_now() {
                line.cut();
                continue;
            }
            if self.stopper.is_stopped() && !std::mem::replace(&mut stopping, true) {
                line.shutdown();
            }
            self.bell.doze(&mut [], None)?;
        }
    }

    /// Serves what a listener brings until it is stopped, at most `most` at once; then waits until all have ended.
    pub(crate) fn listen(
        mut self,
        listener: BorrowedFd<'_>,
        most: usize,
        accept: Accept<'_>,
    ) -> io::Result<()> {
        let mut paused: Option<Instant> = None;
        while !self.stopper.is_stopped() {
            self.lines.retain(|line| line.ended().is_none());
            let now = self.runtime.clock.instant();
            paused = paused.filter(|until| *until > now);
            let mut watched = [Watch::new(listener.as_fd(), PollFlags::IN)];
            let full = self.lines.len() >= most.max(1);
            let count = usize::from(!full && paused.is_none());
            let timeout = paused.map(|until| until.duration_since(now));
            self.bell.doze(&mut watched[..count], timeout)?;
            if watched[0].revents.is_empty() {
                continue;
            }
            match accept(&self.bell).and_then(|line| self.add(line)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if is_about_one_peer(&error) => {}
                Err(_) => paused = Some(self.runtime.clock.instant() + PAUSE),
                Ok(()) => {}
            }
        }
        self.drain()
    }

    fn drain(mut self) -> io::Result<()> {
        self.lines.iter().for_each(|line| line.shutdown());
        loop {
            self.lines.retain(|line| line.ended().is_none());
            if self.lines.is_empty() {
                return Ok(());
            }
            if self.stopper.is_stopped_now() {
                self.lines.iter().for_each(|line| line.cut());
                continue;
            }
            self.bell.doze(&mut [], None)?;
        }
    }
}
