//! One connection and the thread that leads it.
//!
//! Owns the loop: poll what can be done, run the handlers that are ready, sleep until there is more to do. Must never hold
//! its lock while it sleeps or while a call runs that was given away.
//!
//! # Who runs what
//!
//! The thread that leads a connection runs its handlers in place: a call costs no hand-over and no other thread. Before each
//! handler it lets the connection go and says so in a counter, which is odd as long as handlers run and another odd number for
//! each. The [crew](crate::crew)
//! looks at the counters once in a while, as long as anything moves; one that stays the same odd number between two looks
//! belongs to a handler that takes long. Another thread then takes the connection over: it reads, writes and runs the calls
//! that come after. The former leader keeps the one call that it is in, brings its outcome back and returns to the pool.
//!
//! ```text
//! leader  ── poll ── handler ── poll ── handler ……………………………………… put back, done
//! crew                                     look   look again: stuck
//! another                                            └── takes over ── poll ── handler ── …
//! ```
//!
//! So no handler delays another call for longer than about two looks, whether it awaits, computes or blocks. Each handler
//! needs a permit while it runs, so there are never more stuck threads than permits; beyond, calls wait, while the
//! connections still read, write, cancel and answer what needs no handler.
//!
//! All of this is for machines that give their calls away. One that does not (the client, which has no handlers; HTTP, where a
//! connection has one request at a time, on systems without [desks](crate::http)) runs what it runs where it is polled, under
//! the lock: an authenticator, or a handler that blocks although it did not say so, keeps its own connection waiting and
//! nobody else's.

use std::convert::Infallible;
use std::io;
#[cfg(feature = "http")]
use std::net::TcpStream;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mcp_driver::{Deadline, Ended, Pump, StreamOptions};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::Now;
use mcp_server::{Connection, Job, Leftovers, Machine};

#[cfg(feature = "http")]
use crate::crew::Places;
use crate::crew::{Crew, Opened, Watched};
use crate::pool;
use crate::runtime::StdRuntime;
use crate::system::{Bell, Duplex};

/// How long finished answers may wait for those of the calls that were read together with them.
const TOGETHER: Duration = Duration::from_micros(500);

/// A machine whose handlers may be run outside of it.
pub(crate) trait Yielding: Machine + Send + 'static {
    type Job: Send;
    /// Dropping it takes as long as its handlers want.
    type Left: Send;
    /// No more than so many calls are to wait for being run before reading stops.
    fn defer(&mut self, at_most: usize);
    fn take_job(&mut self) -> Option<Self::Job>;
    fn run(job: &mut Self::Job, now: Now);
    fn put_back(&mut self, job: Self::Job, now: Now, out: &mut Outbox);
    /// Jobs that are out take long.
    fn attend(&mut self);
    /// What is left of calls that were cancelled.
    fn take_left(&mut self) -> Option<Self::Left>;
}

/// A machine whose handlers, if it has any, run where it is polled.
pub(crate) trait InPlace: Machine + Send + 'static {}

impl<M: InPlace> Yielding for M {
    type Job = Infallible;
    type Left = Infallible;

    fn defer(&mut self, _: usize) {}

    fn take_job(&mut self) -> Option<Infallible> {
        None
    }

    fn run(job: &mut Infallible, _: Now) {
        match *job {}
    }

    fn put_back(&mut self, job: Infallible, _: Now, _: &mut Outbox) {
        match job {}
    }

    fn attend(&mut self) {}

    fn take_left(&mut self) -> Option<Infallible> {
        None
    }
}

impl Yielding for Connection {
    type Job = Job;
    type Left = Leftovers;

    fn defer(&mut self, at_most: usize) {
        self.defer_calls(at_most);
    }

    fn take_job(&mut self) -> Option<Job> {
        Self::take_job(self)
    }

    fn run(job: &mut Job, now: Now) {
        job.run(now);
    }

    fn put_back(&mut self, job: Job, now: Now, out: &mut Outbox) {
        Self::put_back(self, job, now, out);
    }

    fn attend(&mut self) {
        self.attend_jobs();
    }

    fn take_left(&mut self) -> Option<Leftovers> {
        self.take_leftovers()
    }
}

/// A connection, whatever runs on it.
pub(crate) trait Led: Send + Sync {
    /// Starts a graceful end. Never waits.
    fn shutdown(&self);
    /// Drops what runs on it, as soon as its leader is not inside of a handler. Never waits.
    fn cut(&self);
    /// How it ended, if it has. Never waits.
    fn ended(&self) -> Option<Ended>;
}

/// See the module.
pub(crate) struct Line<M: Yielding> {
    /// Whoever leads sleeps here.
    bell: Arc<Bell>,
    crew: Arc<Crew>,
    runtime: StdRuntime,
    /// How many calls are read before one is run.
    ahead: usize,
    /// Written under the lock only.
    counter: AtomicU64,
    /// What the crew wants: a machine that runs its handlers itself does so under the lock.
    wish: AtomicU8,
    ended: OnceLock<Ended>,
    state: Mutex<State<M>>,
}

struct State<M: Yielding> {
    /// Until the end.
    live: Option<Live<M>>,
    /// Which leader it is: the one that finds another number here leads no longer.
    turn: u64,
}

const SERVE: u8 = 0;
const SHUTDOWN: u8 = 1;
const CUT: u8 = 2;

struct Live<M: Yielding> {
    pump: Pump<M>,
    stream: Duplex,
    alarm: Deadline,
    /// A call for which there was no permit.
    held: Option<M::Job>,
}

impl<M: Yielding> Live<M> {
    fn next_job(&mut self) -> Option<M::Job> {
        self.held.take().or_else(|| self.pump.machine().take_job())
    }

    /// The next call that has arrived already, before anything is written.
    fn read_on(&mut self, now: Now, cx: &mut Context<'_>) -> Option<M::Job> {
        let (machine, input, out) = self.pump.parts();
        if input.is_empty() {
            return None;
        }
        machine.poll(cx, now, input, out);
        machine.take_job()
    }
}

type Locked<'a, M> = MutexGuard<'a, State<M>>;

impl<M: Yielding> Line<M> {
    /// `ahead` calls may be read before one of them is run: no more than may be in flight.
    pub(crate) fn new(
        mut machine: M,
        stream: Duplex,
        options: StreamOptions,
        runtime: StdRuntime,
        crew: Arc<Crew>,
        ahead: usize,
    ) -> io::Result<Self> {
        machine.defer(ahead);
        Ok(Self {
            ahead,
            bell: Arc::new(Bell::new()?),
            crew,
            counter: AtomicU64::new(0),
            wish: AtomicU8::new(SERVE),
            ended: OnceLock::new(),
            state: Mutex::new(State {
                live: Some(Live {
                    pump: Pump::new(machine, options),
                    stream,
                    alarm: Deadline::new(runtime.clock),
                    held: None,
                }),
                turn: 0,
            }),
            runtime,
        })
    }

    /// Gives it a leader, which has to be looked after.
    pub(crate) fn begin(self) -> io::Result<Opened> {
        let line = Arc::new(self);
        let (first, seen) = (Arc::clone(&line), line.counter());
        let lead = Box::new(move || first.take_over(seen));
        line.runtime.pool.lead(lead)?;
        Ok(Opened {
            led: Ok(Arc::clone(&line) as _),
            watched: Some(line),
        })
    }

    fn lock(&self) -> Locked<'_, M> {
        // No call that was given away runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lead<'a>(&'a self, mut state: Locked<'a, M>) {
        let waker = Waker::from(Arc::clone(&self.bell));
        let mut cx = Context::from_waker(&waker);
        let mut turn = state.turn;
        loop {
            let Some(live) = &mut state.live else {
                return;
            };
            match self.wish.load(Ordering::SeqCst) {
                SERVE => {}
                SHUTDOWN => live.pump.shutdown(),
                _ => return self.end(state, Ended::ShutdownBound),
            }
            live.stream.begin();
            let polled = live.pump.poll(&mut cx, &mut live.stream, &mut live.alarm);
            if let Poll::Ready(ended) = polled {
                return self.end(state, ended);
            }
            let Some((next, ran)) = self.run_jobs(state, &mut turn, &mut cx) else {
                return;
            };
            state = next;
            if ran {
                continue;
            }
            let Some(live) = &mut state.live else {
                return;
            };
            let timeout = live.alarm.at().map(|at| self.runtime.clock.until(at));
            let interest = live.stream.interest();
            drop(state);
            let told = interest.wait(&self.bell, timeout);
            state = self.lock();
            if let Some(live) = &mut state.live {
                // What cannot be waited for cannot be served.
                let gone = told.map_or(true, |told| live.stream.told(told));
                if gone {
                    live.pump.hang_up();
                }
            }
        }
    }

    /// Runs what is ready. Says whether there was anything that makes another poll worthwhile; `None` if somebody else leads
    /// now, or nobody has to.
    fn run_jobs<'a>(
        &'a self,
        mut state: Locked<'a, M>,
        turn: &mut u64,
        cx: &mut Context<'_>,
    ) -> Option<(Locked<'a, M>, bool)> {
        if let Some(left) = state.live.as_mut()?.pump.machine().take_left() {
            // Like a handler it may take any time, and it is not to be waited for by those that run.
            self.enter();
            drop(state);
            pool::run(|| drop(left));
            state = self.come_back(None, turn)?;
            self.leave();
            // There is room for more to be read.
            return Some((state, true));
        }
        let live = state.live.as_mut()?;
        let starved = live.held.is_some();
        let Some(mut job) = live.next_job() else {
            return Some((state, false));
        };
        let Some(_permit) = self.runtime.pool.permit(cx.waker()) else {
            live.held = Some(job);
            // Without handlers there is still much to be read: cancellations, for one.
            live.pump.machine().defer(usize::MAX);
            return Some((state, !starved));
        };
        if starved {
            self.runtime.pool.leave(cx.waker());
            live.pump.machine().defer(self.ahead);
        }
        let clock = self.runtime.clock;
        let started = clock.now();
        let mut now = started;
        self.enter();
        loop {
            drop(state);
            M::run(&mut job, now);
            now = clock.later(started);
            state = self.come_back(Some((job, now)), turn)?;
            let live = state.live.as_mut()?;
            let next = if now.instant.duration_since(started.instant) < TOGETHER {
                live.next_job().or_else(|| live.read_on(now, cx))
            } else {
                None
            };
            let Some(next) = next else {
                self.leave();
                return Some((state, true));
            };
            job = next;
            // Another handler. The crew is looking already.
            let counter = self.counter.load(Ordering::Relaxed);
            self.counter.store(counter + 2, Ordering::Release);
        }
    }

    /// The leader goes into a handler. Under the lock.
    fn enter(&self) {
        let counter = self.counter.load(Ordering::Relaxed);
        self.counter.store(counter + 1, Ordering::SeqCst);
        self.crew.look_out();
    }

    /// The leader is out of its handlers. Under the lock.
    fn leave(&self) {
        let counter = self.counter.load(Ordering::Relaxed);
        self.counter.store(counter + 1, Ordering::Release);
    }

    /// A handler is back, or what was left of one is gone. `None` if there is nothing left to lead for this thread; otherwise
    /// the counter is odd.
    fn come_back(&self, job: Option<(M::Job, Now)>, turn: &mut u64) -> Option<Locked<'_, M>> {
        let mut state = self.lock();
        let Some(live) = &mut state.live else {
            drop(state);
            drop(job);
            return None;
        };
        if let Some((job, now)) = job {
            let (machine, _, out) = live.pump.parts();
            machine.put_back(job, now, out);
        }
        if state.turn == *turn {
            return Some(state);
        }
        if self.counter.load(Ordering::Relaxed) % 2 == 1 {
            // Whoever leads is inside a handler, and this thread is not.
            *turn = self.succeed(&mut state);
            self.enter();
            return Some(state);
        }
        drop(state);
        self.bell.ring();
        None
    }

    /// Makes this thread the leader, and says which.
    fn succeed(&self, state: &mut State<M>) -> u64 {
        let counter = self.counter.load(Ordering::Relaxed);
        self.counter.store((counter | 1) + 1, Ordering::SeqCst);
        state.turn += 1;
        if let Some(live) = &mut state.live {
            live.pump.machine().attend();
        }
        state.turn
    }

    /// The end: the descriptors are closed and what runs is dropped before anybody hears of it.
    fn end(&self, mut state: Locked<'_, M>, ended: Ended) {
        let live = state.live.take();
        drop(state);
        if live.as_ref().is_some_and(|live| live.held.is_some()) {
            let waker = Waker::from(Arc::clone(&self.bell));
            self.runtime.pool.leave(&waker);
        }
        drop(live);
        self.ended.get_or_init(|| ended);
        self.crew.ring();
    }
}

impl<M: Yielding> Watched for Line<M> {
    fn take_over(self: Arc<Self>, seen: u64) {
        let mut state = self.lock();
        if self.counter() == seen && state.live.is_some() {
            self.succeed(&mut state);
            // What runs on it panicked, and nobody else would end it: an HTTP connection, what hears a client's events.
            if !pool::run(|| self.lead(state)) {
                self.end(self.lock(), Ended::Closed);
            }
        }
    }

    fn counter(&self) -> u64 {
        self.counter.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.ended.get().is_some()
    }

    fn close(&self) {
        // It ends with its connection.
    }
}

impl<M: Yielding> Led for Line<M> {
    fn shutdown(&self) {
        self.wish.fetch_max(SHUTDOWN, Ordering::SeqCst);
        self.bell.ring();
    }

    fn cut(&self) {
        self.wish.fetch_max(CUT, Ordering::SeqCst);
        self.bell.ring();
        // Its leader may be inside of a handler, and nobody else there to do it.
        let state = match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(state) = state
            && state.live.is_some()
        {
            self.end(state, Ended::ShutdownBound);
        }
    }

    fn ended(&self) -> Option<Ended> {
        self.ended.get().copied()
    }
}

/// A line, and so a thread, for each connection.
#[cfg(feature = "http")]
pub(crate) struct Lines(StdRuntime);

#[cfg(feature = "http")]
impl Lines {
    pub(crate) fn new(runtime: &StdRuntime) -> Self {
        Self(runtime.clone())
    }
}

#[cfg(feature = "http")]
impl Places for Lines {
    fn open<M: InPlace>(
        &mut self,
        machine: M,
        stream: TcpStream,
        options: StreamOptions,
        crew: &Arc<Crew>,
    ) -> io::Result<Opened> {
        let (runtime, crew) = (self.0.clone(), Arc::clone(crew));
        Line::new(machine, Duplex::tcp(stream)?, options, runtime, crew, 1)?.begin()
    }
}
