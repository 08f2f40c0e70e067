//! One connection at a desk.
//!
//! Owns its machine, its socket and its end. Only one thread is inside at a time, whichever: it has the lock for as long, and
//! what happens meanwhile is marked. Must never let a panic reach its desk.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::BytesMut;
use mcp_driver::edges::{Edges, Id, Lent, Readiness, Wire, Wired};
use mcp_driver::{Ended, Scratch, StreamOptions, write_pieces};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};

use super::Desk;
use super::marks::Marks;
use crate::line::{InPlace, Led};
use crate::pool;

/// A poll that takes so long is slow.
const SLOW: Duration = Duration::from_micros(500);

/// What one slow poll adds to the slowness of a connection. More than that in all, and the next poll is expected to be slow:
/// once may be the machine's fault.
const ONCE: u8 = 4;

/// The slowness of a connection that has to be expected to be slow for longest.
const SLOWEST: u8 = 12;

const SERVE: u8 = 0;
const SHUTDOWN: u8 = 1;
const CUT: u8 = 2;

/// A socket that tells edges.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    readiness: Readiness,
}

impl Wire for Socket {
    fn is_readable(&self) -> bool {
        self.readiness.is_readable()
    }

    fn read(&mut self, scratch: &mut Scratch, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let Self { stream, readiness } = self;
        readiness.read(scratch.room(), || scratch.read(stream, input))
    }

    fn write(&mut self, out: &mut Outbox) -> Poll<io::Result<usize>> {
        let Self { stream, readiness } = self;
        readiness.write(|| write_pieces(stream, out))
    }

    fn close_write(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

/// See the module.
pub(crate) struct Seat<M: InPlace> {
    desk: Arc<Desk>,
    id: Id,
    marks: Marks,
    wish: AtomicU8,
    /// Grows with each poll that takes long, and shrinks with each other one.
    slowness: AtomicU8,
    ended: OnceLock<Ended>,
    /// Until the end.
    live: Mutex<Option<Wired<M, Socket>>>,
}

/// What came of being inside of a connection.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) is_over: bool,
    /// It has to be put on the list.
    pub(super) again: bool,
    pub(super) deadline: Option<Instant>,
    pub(super) kept_back: usize,
}

/// A connection as its desk sees it.
pub(super) trait Seated: Send + Sync {
    /// See [`Marks::tell`].
    fn tell(&self, event: Edges) -> bool;
    /// See [`Marks::wake`].
    fn wake(&self) -> bool;
    /// Whether it has to be expected to take long.
    fn is_slow(&self) -> bool;
    /// It lost its desk its leader.
    fn set_slow(&self);
    /// How long a run took.
    fn note(&self, took: Duration);
    /// Does what can be done `now`. It takes as long as its handler does.
    fn run(self: Arc<Self>, lent: &mut Lent, now: Now, may_keep_back: bool) -> Outcome;
    /// Writes what was kept back, unless it is going to be run. Says whether it has to be put on the list.
    fn write_kept_back(self: Arc<Self>, lent: &mut Lent) -> bool;
}

impl<M: InPlace> Seat<M> {
    pub(super) fn new(
        desk: Arc<Desk>,
        id: Id,
        machine: M,
        stream: TcpStream,
        options: StreamOptions,
    ) -> Self {
        let socket = Socket {
            stream,
            readiness: Readiness::STREAM,
        };
        Self {
            desk,
            id,
            marks: Marks::default(),
            wish: AtomicU8::new(SERVE),
            slowness: AtomicU8::new(0),
            ended: OnceLock::new(),
            live: Mutex::new(Some(Wired::new(machine, socket, options))),
        }
    }

    /// Hands the socket to whoever waits for it.
    pub(super) fn register(
        &self,
        register: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        match &mut *self.lock() {
            Some(live) => register(live.wire().stream.as_fd()),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wired<M, Socket>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wish(&self) -> u8 {
        self.wish.load(Ordering::SeqCst)
    }

    /// Whatever panics ends this connection alone.
    fn poll(
        live: &mut Wired<M, Socket>,
        cx: &mut Context<'_>,
        lent: &mut Lent,
        now: Now,
        may_keep_back: bool,
    ) -> Poll<Ended> {
        let poll = || live.poll(cx, lent, now, may_keep_back);
        catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|payload| {
            // Dropping it may panic in its turn.
            std::mem::forget(payload);
            Poll::Ready(Ended::Closed)
        })
    }

    /// What is left of a connection that was cut while a thread was inside: whoever wished so has found the lock taken, and
    /// there may be nobody else to look.
    fn take_if_cut(&self) -> Option<Wired<M, Socket>> {
        (self.wish() == CUT).then(|| self.lock().take())?
    }

    /// The end: the socket is closed and what runs is dropped before anybody hears of it.
    fn end(&self, live: Option<Wired<M, Socket>>, ended: Ended) {
        let Some(live) = live else { return };
        pool::run(|| drop(live));
        self.ended.get_or_init(|| ended);
        self.desk.heard_of_an_end();
    }
}

impl<M: InPlace> Seated for Seat<M> {
    fn tell(&self, event: Edges) -> bool {
        self.marks.tell(event)
    }

    fn wake(&self) -> bool {
        self.marks.wake()
    }

    fn is_slow(&self) -> bool {
        self.slowness.load(Ordering::Relaxed) > ONCE
    }

    fn set_slow(&self) {
        self.slowness.store(SLOWEST, Ordering::Relaxed);
    }

    fn note(&self, took: Duration) {
        // One thread is inside at a time, and a lost update would cost nothing but a hand-over.
        let before = self.slowness.load(Ordering::Relaxed);
        let after = if took >= SLOW {
            (before + ONCE).min(SLOWEST)
        } else {
            before.saturating_sub(1)
        };
        if after != before {
            self.slowness.store(after, Ordering::Relaxed);
        }
    }

    fn run(self: Arc<Self>, lent: &mut Lent, now: Now, may_keep_back: bool) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(edges) = self.marks.enter() else {
            return outcome;
        };
        let waker = Waker::from(Arc::clone(&self));
        let mut cx = Context::from_waker(&waker);
        let mut place = self.lock();
        let mut ended = None;
        if let Some(live) = &mut *place {
            live.wire().readiness.on_event(edges);
            if edges.error {
                // It was reset: nobody is there to answer.
                live.hang_up();
            }
            let wish = self.wish();
            if wish == SHUTDOWN {
                live.shutdown();
            }
            if wish == CUT {
                ended = Some(Ended::ShutdownBound);
            } else if let Poll::Ready(why) = Self::poll(live, &mut cx, lent, now, may_keep_back) {
                ended = Some(why);
            } else {
                outcome.deadline = live.deadline();
                outcome.kept_back = live.kept_back();
            }
        }
        let over = ended.and_then(|_| place.take());
        drop(place);
        let over = over.or_else(|| self.take_if_cut());
        self.end(over, ended.unwrap_or(Ended::ShutdownBound));
        outcome.is_over = self.ended().is_some();
        outcome.again = self.marks.leave() && !outcome.is_over;
        outcome
    }

    fn write_kept_back(self: Arc<Self>, lent: &mut Lent) -> bool {
        if !self.marks.enter_idle() {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self));
        let mut cx = Context::from_waker(&waker);
        let written = self
            .lock()
            .as_mut()
            .is_none_or(|live| live.write_kept_back(&mut cx, lent));
        if let Some(cut) = self.take_if_cut() {
            self.end(Some(cut), Ended::ShutdownBound);
            self.desk.forget(self.id);
        }
        if !written {
            self.marks.wake();
        }
        self.marks.leave()
    }
}

impl<M: InPlace> Wake for Seat<M> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.marks.wake() {
            self.desk.push(self.id);
        }
    }
}

impl<M: InPlace> Led for Seat<M> {
    fn shutdown(&self) {
        self.wish.fetch_max(SHUTDOWN, Ordering::SeqCst);
        if self.marks.wake() {
            self.desk.push(self.id);
        }
    }

    fn cut(&self) {
        self.wish.fetch_max(CUT, Ordering::SeqCst);
        // A thread that is inside finds the wish when it comes back; for then it is marked, too.
        let live = match self.live.try_lock() {
            Ok(mut place) => place.take(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        };
        if live.is_some() {
            self.end(live, Ended::ShutdownBound);
            self.desk.forget(self.id);
        } else if self.marks.wake() {
            self.desk.push(self.id);
        }
    }

    fn ended(&self) -> Option<Ended> {
        self.ended.get().copied()
    }
}
