//! What the calling thread does while others serve: it accepts, it stops, it sees to it that no connection is without a
//! leader, and it waits for the end.
//!
//! Owns the list of connections. Must never touch a byte of theirs, and never look at them while nothing moves.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_driver::{ACCEPT_PAUSE, Ended, is_about_one_peer};
use mcp_server::proto::time::Instant;

use crate::line::Led;
use crate::runtime::StdRuntime;
use crate::stopper::Stopper;
use crate::system::{Bell, Door, Listener};

/// How much later than its bound a connection that has not ended is given up: its leader must be stuck.
const GRACE: Duration = Duration::from_millis(250);

/// How far two looks at the connections are apart, if the first has seen a handler. One that is seen by both is no longer
/// waited for: another thread leads on. Only where a connection has its own thread and handlers run in place (the client, and
/// HTTP where there are no desks), the leader stays.
const LOOK: Duration = Duration::from_millis(1);

/// How far they are apart where handlers have come back all the time: what looking costs is then next to nothing.
const GLANCE: Duration = Duration::from_millis(8);

/// The calling thread, as the connections see it.
#[derive(Debug)]
pub(crate) struct Crew {
    bell: Arc<Bell>,
    /// It looks at the connections, or is about to.
    looking: AtomicBool,
    /// Something has ended since it looked for that.
    parted: AtomicBool,
}

impl Crew {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            bell: Arc::new(Bell::new()?),
            looking: AtomicBool::new(false),
            parted: AtomicBool::new(false),
        })
    }

    /// Something has ended.
    pub(crate) fn ring(&self) {
        self.parted.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// A leader goes into a handler; its counter says so already.
    pub(crate) fn look_out(&self) {
        if !self.looking.load(Ordering::SeqCst) && !self.looking.swap(true, Ordering::SeqCst) {
            self.bell.ring();
        }
    }
}

/// What has a leader.
pub(crate) trait Watched: Send + Sync {
    /// Leads it on this thread, unless it has moved on since it was `seen`.
    fn take_over(self: Arc<Self>, seen: u64);
    /// Odd while its leader is inside a handler. Another number each time.
    fn counter(&self) -> u64;
    /// Whether it needs no leader any more.
    fn is_over(&self) -> bool;
    /// Nothing is served any more. Never waits.
    fn close(&self);
}

/// A connection that has begun, with a leader.
pub(crate) struct Opened {
    pub(crate) led: io::Result<Arc<dyn Led>>,
    /// What has to be looked after from now on.
    pub(crate) watched: Option<Arc<dyn Watched>>,
}

/// Where connections are led that need no place of their own for their handlers.
#[cfg(feature = "http")]
pub(crate) trait Places {
    fn open<M: crate::line::InPlace>(
        &mut self,
        machine: M,
        stream: std::net::TcpStream,
        options: mcp_driver::StreamOptions,
        crew: &Arc<Crew>,
    ) -> io::Result<Opened>;
}

/// What is looked at, and what the last look saw.
struct Watch {
    place: Arc<dyn Watched>,
    seen: u64,
    /// Another thread was sent for this number.
    sent: Option<u64>,
}

/// See the module.
pub(crate) struct Shift<'a> {
    runtime: &'a StdRuntime,
    stopper: &'a Stopper,
    crew: Arc<Crew>,
    members: Vec<Arc<dyn Led>>,
    watches: Vec<Watch>,
    next_look: Option<Instant>,
    /// How long the last look was away from the one before.
    apart: Duration,
}

impl Drop for Shift<'_> {
    /// However it ends, an error included: nothing is served any more that nobody looks after.
    fn drop(&mut self) {
        self.members.iter().for_each(|member| member.cut());
        self.watches.iter().for_each(|watch| watch.place.close());
    }
}

impl<'a> Shift<'a> {
    pub(crate) fn new(runtime: &'a StdRuntime, stopper: &'a Stopper) -> io::Result<Self> {
        let crew = Arc::new(Crew::new()?);
        stopper.tell(&crew.bell);
        Ok(Self {
            runtime,
            stopper,
            crew,
            members: Vec::new(),
            watches: Vec::new(),
            next_look: None,
            apart: LOOK,
        })
    }

    /// What the connections need of this thread.
    pub(crate) const fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// Serves one connection until it ends.
    pub(crate) fn serve(mut self, opened: Opened) -> io::Result<Ended> {
        let line = self.add(opened)?;
        let mut stopping = false;
        loop {
            if let Some(ended) = line.ended() {
                return Ok(ended);
            }
            if self.stopper.is_stopped_now() {
                line.cut();
                return Ok(line.ended().unwrap_or(Ended::ShutdownBound));
            }
            if self.stopper.is_stopped() && !std::mem::replace(&mut stopping, true) {
                line.shutdown();
            }
            self.rest(None, |bell, timeout| bell.sleep(timeout))?;
        }
    }

    /// Serves what a listener brings, at most `most` connections at once, until it is stopped and the time is over that
    /// `stopping` asks for.
    pub(crate) fn listen<L: Listener>(
        &mut self,
        door: &Door<L>,
        most: usize,
        stopping: impl FnOnce() -> Duration,
        mut open: impl FnMut(L::Stream, &Arc<Crew>) -> io::Result<Opened>,
    ) -> io::Result<()> {
        let mut paused: Option<Instant> = None;
        let mut stopping = Some(stopping);
        let mut until: Option<Instant> = None;
        loop {
            self.forget_ended();
            let now = self.runtime.clock.instant();
            if self.stopper.is_stopped()
                && let Some(stopping) = stopping.take()
            {
                until = Some(now + stopping());
            }
            if until.is_some_and(|until| until <= now) || self.stopper.is_stopped_now() {
                return Ok(());
            }
            paused = paused.filter(|paused| *paused > now);
            let wanted = self.members.len() < most.max(1) && paused.is_none();
            let rest = [paused, until].into_iter().flatten().min();
            let knock = self.rest(rest, |bell, timeout| door.wait(bell, wanted, timeout))?;
            if !knock {
                continue;
            }
            let crew = Arc::clone(&self.crew);
            let accepted = door.accept().and_then(|stream| open(stream, &crew));
            match accepted.and_then(|opened| self.add(opened)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if is_about_one_peer(&error) => {}
                Err(_) => paused = Some(self.runtime.clock.instant() + ACCEPT_PAUSE),
                Ok(_) => {}
            }
        }
    }

    /// Ends all connections gracefully, which they do within `bound`, and says how many did not.
    pub(crate) fn drain(mut self, bound: Duration) -> io::Result<usize> {
        let until = self.runtime.clock.instant() + bound + GRACE;
        self.members.iter().for_each(|member| member.shutdown());
        let mut dropped = 0;
        loop {
            self.members.retain(|member| {
                let ended = member.ended();
                dropped += usize::from(ended == Some(Ended::ShutdownBound));
                ended.is_none()
            });
            let late = until <= self.runtime.clock.instant();
            if late || self.stopper.is_stopped_now() {
                // Whoever is still inside of a handler finds out when it comes back.
                self.members.iter().for_each(|member| member.cut());
                return Ok(dropped + self.members.len());
            }
            if self.members.is_empty() {
                return Ok(dropped);
            }
            self.rest(Some(until), |bell, timeout| bell.sleep(timeout))?;
        }
    }

    fn add(&mut self, opened: Opened) -> io::Result<Arc<dyn Led>> {
        self.watches.extend(opened.watched.map(|place| Watch {
            seen: place.counter(),
            place,
            sent: None,
        }));
        let led = opened.led?;
        self.members.push(Arc::clone(&led));
        Ok(led)
    }

    /// Gives another leader to what was `seen` so.
    fn send(&self, place: &Arc<dyn Watched>, seen: u64) -> io::Result<()> {
        let place = Arc::clone(place);
        self.runtime
            .pool
            .lead(Box::new(move || place.take_over(seen)))
    }

    /// There may be thousands, and this thread comes by a thousand times a second.
    fn forget_ended(&mut self) {
        if !self.crew.parted.swap(false, Ordering::SeqCst) {
            return;
        }
        self.members.retain(|member| member.ended().is_none());
        self.watches.retain(|watch| !watch.place.is_over());
    }

    /// Sleeps until something is to be done, at most to `until`, and looks after the leaders meanwhile.
    fn rest<T>(
        &mut self,
        until: Option<Instant>,
        sleep: impl FnOnce(&Arc<Bell>, Option<Duration>) -> io::Result<T>,
    ) -> io::Result<T> {
        let clock = self.runtime.clock;
        let look = self
            .crew
            .looking
            .load(Ordering::SeqCst)
            .then(|| *self.next_look.get_or_insert_with(|| clock.instant() + LOOK));
        let until = [look, until].into_iter().flatten().min();
        let timeout = until.map(|until| clock.until(until));
        let woken = sleep(&self.crew.bell, timeout)?;
        if self.next_look.is_some_and(|at| at <= clock.instant()) {
            self.look();
        }
        Ok(woken)
    }

    fn look(&mut self) {
        let (mut moved, mut busy) = (false, false);
        let mut watches = std::mem::take(&mut self.watches);
        for watch in &mut watches {
            let counter = watch.place.counter();
            let same = counter == std::mem::replace(&mut watch.seen, counter);
            moved |= !same;
            busy |= counter % 2 == 1;
            if same
                && counter % 2 == 1
                && watch.sent != Some(counter)
                && self.send(&watch.place, counter).is_ok()
            {
                watch.sent = Some(counter);
            }
        }
        self.watches = watches;
        if !moved && !busy {
            self.crew.looking.store(false, Ordering::SeqCst);
            // Who went into a handler just now may not have seen that.
            busy = self
                .watches
                .iter()
                .any(|watch| watch.place.counter() % 2 == 1);
            if busy {
                self.crew.looking.store(true, Ordering::SeqCst);
            }
        }
        self.apart = if busy || !moved {
            LOOK
        } else {
            (self.apart * 2).min(GLANCE)
        };
        self.next_look = (moved || busy).then(|| self.runtime.clock.instant() + self.apart);
    }
}
