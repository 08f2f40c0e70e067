//! Many connections, and the one thread that leads them.
//!
//! Owns a set of descriptors, what is ready, the timers and who leads. Must never hold its lock while a thread is inside of a
//! connection.
//!
//! # Who runs what
//!
//! The leader waits for events and goes into one ready connection after the other, which costs no hand-over and no other
//! thread: a request costs one read and one write, and its share of a wait. Handlers run where they are polled. Before each
//! connection the leader says so in a counter, which is odd as long as it is inside of one and another odd number for each. The
//! [crew](crate::crew) looks at the counters once in a while, as long as anything moves; one that stays the same odd number
//! between two looks belongs to a handler that takes long. Another thread then takes the desk over, with everything on it. The
//! former leader keeps the connection that it is in, brings its outcome back and returns to the pool.
//!
//! ```text
//! leader  ── wait ── A ── B ── wait ── C ………………………………… brings C back, done
//! crew                                  look   look again: stuck
//! another                                          └── takes over ── wait ── D ── A ── …
//! ```
//!
//! So no handler delays another connection for longer than about two looks, whether it awaits, computes or blocks; and a
//! connection that was slow is expected to be so again: the desk has another leader before it is entered. There are never
//! more threads inside of connections than there are connections.

mod marks;
mod seat;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mcp_driver::edges::{Edges, Id, Lent, Slab, Timers, Together};
use mcp_driver::{StreamOptions, SystemClock};
use mcp_server::proto::time::Instant;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

use self::seat::{Outcome, Seat, Seated};
use crate::crew::{Crew, Opened, Places, Watched};
use crate::line::InPlace;
use crate::runtime::StdRuntime;

/// How many events one wait brings at most.
const EVENTS: usize = 256;

/// The longest wait. Waking up early is harmless, and longer ones are refused by older systems.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Of the bell; everything else is a connection's.
const BELL: u64 = u64::MAX;

/// As many desks as the process may use processors at once, made when they are needed.
pub(crate) struct Desks {
    runtime: StdRuntime,
    most: usize,
    desks: Vec<Arc<Desk>>,
}

impl Desks {
    pub(crate) fn new(runtime: &StdRuntime) -> Self {
        Self {
            runtime: runtime.clone(),
            most: thread::available_parallelism().map_or(1, usize::from),
            desks: Vec::new(),
        }
    }

    /// The desk with the fewest connections, and whether it is a new one.
    fn least(&mut self, crew: &Arc<Crew>) -> io::Result<(Arc<Desk>, bool)> {
        let taken = |desk: &Arc<Desk>| desk.seats.load(Ordering::Relaxed);
        let least = self.desks.iter().min_by_key(|desk| taken(desk)).cloned();
        match least {
            Some(desk) if taken(&desk) == 0 || self.desks.len() >= self.most => Ok((desk, false)),
            least => match Desk::open(&self.runtime, crew) {
                Ok(desk) => {
                    self.desks.push(Arc::clone(&desk));
                    Ok((desk, true))
                }
                // The others are there.
                Err(error) => least.map(|desk| (desk, false)).ok_or(error),
            },
        }
    }
}

impl Places for Desks {
    fn open<M: InPlace>(
        &mut self,
        machine: M,
        stream: TcpStream,
        options: StreamOptions,
        crew: &Arc<Crew>,
    ) -> io::Result<Opened> {
        stream.set_nonblocking(true)?;
        // Answers are small and latency matters; failing to say so is harmless.
        let _ = stream.set_nodelay(true);
        let (desk, is_new) = self.least(crew)?;
        let watched: Option<Arc<dyn Watched>> = is_new.then(|| Arc::clone(&desk) as _);
        // A new desk has to be looked after, whether it gets this connection or not.
        let led = desk.add(machine, stream, options);
        Ok(Opened {
            led: led.map(|led| led as _),
            watched,
        })
    }
}

/// See the module.
pub(crate) struct Desk {
    set: OwnedFd,
    bell: OwnedFd,
    runtime: StdRuntime,
    crew: Arc<Crew>,
    /// Written under the lock only.
    counter: AtomicU64,
    /// How many connections there are.
    seats: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// Which leader it is: the one that finds another number here leads no longer.
    turn: u64,
    seats: Slab<Entry>,
    ready: VecDeque<Id>,
    timers: Timers,
    together: Together<Id>,
    /// The leader has to be woken.
    asleep: bool,
    closed: bool,
}

struct Entry {
    seat: Arc<dyn Seated>,
    /// Its entry among the timers.
    armed: Option<Instant>,
}

type Locked<'a> = MutexGuard<'a, State>;

/// What a leader has, whichever desk it leads.
struct Leader {
    turn: u64,
    lent: Lent,
    events: Vec<Event>,
    /// The connection that it was in last, and since when.
    last: Option<(Arc<dyn Seated>, Instant)>,
    /// Memory for the list of those that keep an answer back.
    kept: Vec<Id>,
    writers: Vec<(Id, Arc<dyn Seated>)>,
}

impl Leader {
    /// The connection that it was in last has come back by `now`.
    fn measure(&mut self, now: Instant) {
        if let Some((seat, since)) = self.last.take() {
            seat.note(now.duration_since(since));
        }
    }
}

impl Desk {
    /// A desk with a leader.
    fn open(runtime: &StdRuntime, crew: &Arc<Crew>) -> io::Result<Arc<Self>> {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Each ring is an edge, so that nobody has to read it.
        let edges = EventFlags::IN | EventFlags::ET;
        epoll::add(&set, &bell, EventData::new_u64(BELL), edges)?;
        let desk = Arc::new(Self {
            set,
            bell,
            runtime: runtime.clone(),
            crew: Arc::clone(crew),
            counter: AtomicU64::new(0),
            seats: AtomicUsize::new(0),
            state: Mutex::new(State {
                turn: 0,
                seats: Slab::new(u32::MAX as usize, u32::MAX),
                ready: VecDeque::new(),
                timers: Timers::default(),
                together: Together::default(),
                asleep: false,
                closed: false,
            }),
        });
        desk.send(0)?;
        Ok(desk)
    }

    fn lock(&self) -> Locked<'_> {
        // Nothing of anybody else runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> SystemClock {
        self.runtime.clock
    }

    /// Gives the desk a leader.
    fn send(self: &Arc<Self>, turn: u64) -> io::Result<()> {
        let desk = Arc::clone(self);
        self.runtime.pool.lead(Box::new(move || desk.lead(turn)))
    }

    fn add<M: InPlace>(
        self: &Arc<Self>,
        machine: M,
        stream: TcpStream,
        options: StreamOptions,
    ) -> io::Result<Arc<Seat<M>>> {
        let mut added = None;
        let mut state = self.lock();
        let id = state.seats.insert(|id| {
            let seat = Seat::new(Arc::clone(self), id, machine, stream, options);
            let seat = added.insert(Arc::new(seat));
            Entry {
                seat: Arc::clone(seat) as _,
                armed: None,
            }
        });
        drop(state);
        let full = || io::Error::new(io::ErrorKind::QuotaExceeded, "every place is taken");
        let (id, seat) = id.zip(added).ok_or_else(full)?;
        self.seats.fetch_add(1, Ordering::Relaxed);
        // It can be written to, which is its first event.
        let both = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(u64::from(id.generation) << 32 | u64::from(id.index));
        let registered = seat.register(|fd| Ok(epoll::add(&self.set, fd, data, both)?));
        if let Err(error) = registered {
            self.forget(id);
            return Err(error);
        }
        Ok(seat)
    }

    /// Puts a connection on the list.
    fn push(&self, id: Id) {
        let mut state = self.lock();
        state.ready.push_back(id);
        self.ring(state);
    }

    /// The leader has something to do.
    fn ring(&self, mut state: Locked<'_>) {
        let asleep = mem::replace(&mut state.asleep, false);
        drop(state);
        if asleep {
            // A full counter means that it was rung before.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// A connection is over.
    fn forget(&self, id: Id) {
        let mut state = self.lock();
        let entry = state.remove(id);
        drop(state);
        if entry.is_some() {
            self.seats.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn heard_of_an_end(&self) {
        self.crew.ring();
    }

    fn lead(self: Arc<Self>, turn: u64) {
        let mut leader = Leader {
            turn,
            lent: Lent::default(),
            events: Vec::with_capacity(EVENTS),
            last: None,
            kept: Vec::new(),
            writers: Vec::new(),
        };
        let mut state = self.lock();
        while state.turn == leader.turn && !state.closed {
            state = self.wait(state, &mut leader);
            // What becomes ready meanwhile has its turn after the next look at the events.
            let mut left = state.ready.len();
            let many = left > 1;
            while left > 0 && state.turn == leader.turn {
                left -= 1;
                state = self.serve(state, &mut leader, many);
            }
            leader.measure(self.clock().instant());
            if !state.together.is_empty() && state.turn == leader.turn {
                state = self.write_together(state, &mut leader);
            }
            if state.turn == leader.turn {
                self.come_out();
            }
        }
    }

    /// Waits until there is something to do.
    fn wait<'a>(&'a self, mut state: Locked<'a>, leader: &mut Leader) -> Locked<'a> {
        let idle = state.ready.is_empty() && state.together.is_empty();
        state.asleep = idle;
        let clock = self.clock();
        let timeout = if idle {
            state.timers.next().map(|at| clock.until(at))
        } else {
            Some(Duration::ZERO)
        };
        drop(state);
        let timeout = timeout.map(|timeout| timeout.min(LONGEST));
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        leader.events.clear();
        // A signal brings nothing, and nothing else can be wrong.
        let _ = epoll::wait(
            &self.set,
            spare_capacity(&mut leader.events),
            timeout.as_ref(),
        );
        let mut state = self.lock();
        state.asleep = false;
        for event in &leader.events {
            state.tell(*event);
        }
        if state.timers.next().is_some() {
            state.fire(clock.instant());
        }
        state
    }

    /// Goes into the connection that is ready first.
    fn serve<'a>(
        self: &'a Arc<Self>,
        mut state: Locked<'a>,
        leader: &mut Leader,
        many: bool,
    ) -> Locked<'a> {
        let now = self.clock().now();
        leader.measure(now.instant);
        let is_slow = state.first_is_slow();
        // Nobody knows how long the next one takes.
        if state.together.is_due(now.instant) || is_slow && !state.together.is_empty() {
            state = self.write_together(state, leader);
            if state.turn != leader.turn {
                return state;
            }
        }
        let Some(id) = state.ready.pop_front() else {
            return state;
        };
        // A late wake-up of something that is gone.
        let Some(entry) = state.seats.get_mut(id) else {
            return state;
        };
        let seat = Arc::clone(&entry.seat);
        if seat.is_slow() {
            let next = self.succeed(&mut state);
            drop(state);
            if self.send(next).is_ok() {
                let outcome = Arc::clone(&seat).run(&mut leader.lent, now, false);
                seat.note(self.clock().instant().duration_since(now.instant));
                return self.bring_back(self.lock(), leader, id, &outcome, now.instant);
            }
            // Without a thread there is nobody else.
            leader.turn = next;
            state = self.lock();
        }
        self.go_in();
        drop(state);
        let outcome = Arc::clone(&seat).run(&mut leader.lent, now, many);
        let state = self.lock();
        if state.turn == leader.turn {
            leader.last = Some((seat, now.instant));
        } else {
            seat.set_slow();
        }
        self.bring_back(state, leader, id, &outcome, now.instant)
    }

    /// Takes note of what came of a connection, whether this thread leads still or not.
    fn bring_back<'a>(
        &'a self,
        mut state: Locked<'a>,
        leader: &Leader,
        id: Id,
        outcome: &Outcome,
        now: Instant,
    ) -> Locked<'a> {
        let earliest = state.timers.next();
        let over = if outcome.is_over {
            state.remove(id)
        } else {
            state.note(id, outcome, now);
            None
        };
        if state.turn != leader.turn {
            let news = outcome.again || outcome.kept_back > 0 || state.timers.next() != earliest;
            if news {
                self.ring(state);
                state = self.lock();
            }
        }
        if over.is_some() {
            self.seats.fetch_sub(1, Ordering::Relaxed);
            drop(state);
            drop(over);
            state = self.lock();
        }
        state
    }

    /// Writes the answers that were kept back.
    fn write_together<'a>(&'a self, mut state: Locked<'a>, leader: &mut Leader) -> Locked<'a> {
        let State {
            together, seats, ..
        } = &mut *state;
        together.take(&mut leader.kept);
        let seated = |id| Some((id, Arc::clone(&seats.get_mut(id)?.seat)));
        leader
            .writers
            .extend(leader.kept.drain(..).filter_map(seated));
        drop(state);
        for (id, seat) in leader.writers.drain(..) {
            if seat.write_kept_back(&mut leader.lent) {
                self.push(id);
            }
        }
        self.lock()
    }

    /// The leader goes into a connection, or into the next one. Under the lock.
    fn go_in(&self) {
        let counter = self.counter.load(Ordering::Relaxed);
        let next = counter + 1 + (counter & 1);
        self.counter.store(next, Ordering::SeqCst);
        self.crew.look_out();
    }

    /// The leader is inside of nothing. Under the lock.
    fn come_out(&self) {
        let counter = self.counter.load(Ordering::Relaxed);
        self.counter
            .store(counter + (counter & 1), Ordering::SeqCst);
    }

    /// Another thread is going to lead, and which that is.
    fn succeed(&self, state: &mut State) -> u64 {
        self.come_out();
        state.turn += 1;
        state.turn
    }
}

impl State {
    fn remove(&mut self, id: Id) -> Option<Entry> {
        let mut entry = self.seats.remove(id)?;
        self.timers.disarm(id, &mut entry.armed);
        Some(entry)
    }

    /// Whether the connection that is ready first has to be expected to take long.
    fn first_is_slow(&mut self) -> bool {
        let first = self.ready.front().copied();
        let entry = first.and_then(|id| self.seats.get_mut(id));
        entry.is_some_and(|entry| entry.seat.is_slow())
    }

    fn note(&mut self, id: Id, outcome: &Outcome, now: Instant) {
        if outcome.again {
            self.ready.push_back(id);
        }
        if let Some(entry) = self.seats.get_mut(id) {
            self.timers.arm(id, &mut entry.armed, outcome.deadline);
        }
        if outcome.kept_back > 0 {
            self.together.keep(id, outcome.kept_back, now);
        }
    }

    fn tell(&mut self, event: Event) {
        let data = event.data.u64();
        if data == BELL {
            return;
        }
        let id = Id {
            index: (data & u64::from(u32::MAX)) as u32,
            generation: (data >> 32) as u32,
        };
        let flags = event.flags;
        let closed = flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
        let edges = Edges {
            readable: flags.contains(EventFlags::IN),
            writable: flags.intersects(EventFlags::OUT | EventFlags::HUP),
            read_closed: closed,
            write_closed: false,
            error: flags.contains(EventFlags::ERR),
        };
        // Of a connection that is gone there may be a late event.
        if let Some(entry) = self.seats.get_mut(id)
            && entry.seat.tell(edges)
        {
            self.ready.push_back(id);
        }
    }

    /// Everything whose time has come.
    fn fire(&mut self, now: Instant) {
        while let Some(id) = self.timers.pop(now) {
            if let Some(entry) = self.seats.get_mut(id) {
                entry.armed = None;
                if entry.seat.wake() {
                    self.ready.push_back(id);
                }
            }
        }
    }
}

impl Watched for Desk {
    fn take_over(self: Arc<Self>, seen: u64) {
        let mut state = self.lock();
        if self.counter() == seen && !state.closed {
            let turn = self.succeed(&mut state);
            drop(state);
            self.lead(turn);
        }
    }

    fn counter(&self) -> u64 {
        self.counter.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        false
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.ring(state);
    }
}
