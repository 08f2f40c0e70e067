//! Everything that one event loop serves, without the loop.
//!
//! Owns the slots of listeners and connections, the tasks, the timers and the order of work. It registers with a poll that
//! is somebody else's and never waits itself. Must never do more than a bounded part of one connection's work before the
//! others have their turn.

mod listeners;
mod slots;

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mcp_driver::SystemClock;
use mcp_driver::edges::{Id, Lent, Slab, Timers, Together};
use mcp_server::{BoxFuture, Runtime};
use mio::Registry;
use mio::event::Event;

use self::slots::{Content, Slot};
use crate::handle::LoopHandle;
use crate::options::LoopOptions;
use crate::queue::{Bell, Key, Mail, Order, Queue};
use crate::runtime::LoopRuntime;
use crate::tokens::Tokens;

struct Task {
    future: BoxFuture<()>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// All that a loop serves, driven from outside: for a host that has an event loop of its own.
///
/// The host keeps its [`mio::Poll`], gives a range of [`Tokens`] and a [`mio::Waker`] (a poll can have only one, so it is the
/// host's; what its token is does not matter here), and in its loop
///
/// 1. waits no longer than [`next_timeout`](Self::next_timeout),
/// 2. hands each event to [`on_event`](Self::on_event), which says whether it was one of these,
/// 3. calls [`tick`](Self::tick).
///
/// ```no_run
/// use std::sync::Arc;
/// use mcp_driver_mio::{Driver, ListenOptions, LoopOptions, Tokens};
/// use mcp_server::Server;
/// use mio::{Events, Poll, Token, Waker};
///
/// # fn main() -> std::io::Result<()> {
/// const WAKER: Token = Token(0);
/// let mut poll = Poll::new()?;
/// let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
/// let mut driver = Driver::new(poll.registry(), Tokens::from(1000..), waker, LoopOptions::default())?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:7000")?;
/// driver.serve_tcp(listener, Server::new("hello", "1.0.0"), ListenOptions::default())?;
/// let mut events = Events::with_capacity(256);
/// while !driver.is_over() {
///     poll.poll(&mut events, driver.next_timeout())?;
///     for event in &events {
///         if !driver.on_event(event) {
///             // The host's own.
///         }
///     }
///     driver.tick();
/// }
/// # Ok(()) }
/// ```
///
/// Dropping it drops every connection and cancels what runs on it.
pub struct Driver {
    registry: Registry,
    tokens: Tokens,
    pub(crate) queue: Arc<Queue>,
    pub(crate) runtime: LoopRuntime,
    clock: SystemClock,
    slots: Slab<Slot>,
    tasks: Slab<Task>,
    timers: Timers,
    lent: Lent,
    /// Connections that keep an answer back until the end of the turn.
    together: Together<Id>,
    /// Memory for the list of those that write it.
    writing: Vec<Id>,
    /// What has something to do.
    ready: Vec<Key>,
    /// Memory for the list that is being worked off.
    working: Vec<Key>,
    mail: Mail,
    /// Listeners that cannot accept before a connection ends.
    full: Vec<Id>,
    /// Nothing may be waited for.
    busy: bool,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("slots", &self.slots.len())
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// A driver in a host's loop. `waker` wakes the poll of `registry`.
    ///
    /// # Errors
    /// When the registry cannot be cloned.
    pub fn new(
        registry: &Registry,
        tokens: Tokens,
        waker: Arc<mio::Waker>,
        options: LoopOptions,
    ) -> io::Result<Self> {
        let clock = SystemClock::start();
        let queue = Arc::new(Queue::new(waker));
        Ok(Self {
            registry: registry.try_clone()?,
            runtime: LoopRuntime::new(Arc::clone(&queue), clock, options.pool),
            clock,
            queue,
            slots: Slab::new(tokens.slots(), tokens.generations()),
            tasks: Slab::new(usize::MAX, u32::MAX),
            tokens,
            timers: Timers::default(),
            lent: Lent::default(),
            together: Together::default(),
            writing: Vec::new(),
            ready: Vec::new(),
            working: Vec::new(),
            mail: Mail::default(),
            full: Vec::new(),
            busy: false,
        })
    }

    /// Ends what is served, from any thread.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        LoopHandle {
            queue: Arc::clone(&self.queue),
        }
    }

    /// The runtime of everything that is served here, for what a host builds by itself.
    #[must_use]
    pub fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.runtime.clone())
    }

    /// Whether nothing is served any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.slots.is_empty()
    }

    /// How long the host may wait; `None` means until an event comes.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.busy {
            return Some(Duration::ZERO);
        }
        let sleep = self.runtime.sleeps().next();
        let next = [self.timers.next(), sleep].into_iter().flatten().min()?;
        Some(self.clock.until(next))
    }

    /// Remembers an event; false if it is not ours. What it asks for is done in the next [`tick`](Self::tick).
    pub fn on_event(&mut self, event: &Event) -> bool {
        let Some((id, side)) = self.tokens.find(event.token()) else {
            return self.tokens.contains(event.token());
        };
        // Of a connection that is gone there may be a late event.
        if let Some(slot) = self.slots.get_mut(id)
            && slot.on_event(side, event)
            && slot.bell.ring()
        {
            self.ready.push(Key::Slot(id));
        }
        true
    }

    /// Does what there is to do now, a bounded part of it for each connection.
    pub fn tick(&mut self) {
        let mut mail = mem::take(&mut self.mail);
        self.queue.take(&mut mail);
        self.ready.append(&mut mail.woken);
        for future in mail.tasks.drain(..) {
            self.start(future);
        }
        for order in mail.orders.drain(..) {
            match order {
                Order::Shutdown(id) => self.shut_down(id),
                Order::ShutdownAll => self.shut_down_all(),
            }
        }
        self.mail = mail;
        self.fire();
        let mut working = mem::replace(&mut self.ready, mem::take(&mut self.working));
        // Answers go out together, unless there is only one.
        let many = working.len() > 1;
        for key in working.drain(..) {
            match key {
                Key::Slot(id) => self.poll_slot(id, many),
                Key::Task(id) => self.poll_task(id),
            }
        }
        self.working = working;
        self.write_together();
        self.busy = !self.queue.rest() || !self.ready.is_empty();
    }

    /// Everything whose time has come.
    fn fire(&mut self) {
        if self.timers.next().is_none() && self.runtime.sleeps().next().is_none() {
            return;
        }
        let now = self.clock.instant();
        self.runtime.sleeps().fire(now);
        while let Some(id) = self.timers.pop(now) {
            if let Some(slot) = self.slots.get_mut(id) {
                slot.armed = None;
            }
            self.mark(id);
        }
    }

    fn mark(&mut self, id: Id) {
        if let Some(slot) = self.slots.get_mut(id)
            && slot.bell.ring()
        {
            self.ready.push(Key::Slot(id));
        }
    }

    fn start(&mut self, future: BoxFuture<()>) {
        let queue = &self.queue;
        let id = self.tasks.insert(|id| {
            let (bell, waker) = Bell::new(Key::Task(id), queue);
            bell.ring();
            Task {
                future,
                bell,
                waker,
            }
        });
        self.ready.extend(id.map(Key::Task));
    }

    fn poll_task(&mut self, id: Id) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        task.bell.reset();
        let mut cx = Context::from_waker(&task.waker);
        if task.future.as_mut().poll(&mut cx).is_ready() {
            self.tasks.remove(id);
        }
    }

    /// Writes the answers that were kept back.
    fn write_together(&mut self) {
        let mut writing = mem::take(&mut self.writing);
        self.together.take(&mut writing);
        for id in writing.drain(..) {
            let Some(slot) = self.slots.get_mut(id) else {
                continue;
            };
            let Content::Connection { driven, .. } = &mut slot.content else {
                continue;
            };
            let mut cx = Context::from_waker(&slot.waker);
            if !driven.write_kept_back(&mut cx, &mut self.lent) {
                self.mark(id);
            }
        }
        self.writing = writing;
    }

    fn poll_slot(&mut self, id: Id, may_keep_back: bool) {
        let now = self.clock.now();
        // Nobody knows how long the next one takes.
        if self.together.is_due(now.instant) {
            self.write_together();
        }
        // A late wake-up of something that is gone.
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.bell.reset();
        match &mut slot.content {
            Content::Listener(_) => self.poll_listener(id),
            Content::Connection { driven, .. } => {
                let mut cx = Context::from_waker(&slot.waker);
                let polled = driven.poll(&mut cx, &mut self.lent, now, may_keep_back);
                if let Poll::Ready(ended) = polled {
                    return self.ended(id, ended);
                }
                let kept = driven.kept_back();
                if kept > 0 {
                    self.together.keep(id, kept, now.instant);
                }
                self.timers.arm(id, &mut slot.armed, driven.deadline());
            }
        }
    }

    /// Starts the graceful end of everything that is served; see [`LoopHandle::shutdown`].
    pub fn shutdown(&mut self) {
        self.shut_down_all();
        self.busy = true;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.queue.close();
    }
}
