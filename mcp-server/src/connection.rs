//! One byte stream of a server: a [`Link`] and the calls that it carries.
//!
//! Owns the parked calls, their wakers and the order of work. A handler's future is polled in place
//! first; if it is ready, the answer is written at once: no task, no channel, no lock across await. A driver with threads
//! may ask for the calls instead and run them outside of the connection ([`Connection::defer_calls`]).
//! Must never touch a socket, a clock or a runtime: the driver moves the bytes and tells the time.

mod jobs;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{self, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mcp_proto::config::ServerConfig;
use mcp_proto::id::{CallId, RequestId};
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{Link, LinkEvent, Progress, Refused, Step};
use mcp_proto::time::{Instant, Now};
use mcp_types::LoggingLevel;

use crate::ask::{self, AskError};
use crate::call::{CallSink, CallStart, Finish, Running, Runtime};
use crate::context::Context;
use crate::hub::Registration;
use crate::journal::Sealer;
use crate::later::{self, Later, Letters};
use crate::machine::{Demand, Machine};
use crate::wakes::{CallWake, Wakes};
use crate::{Principal, Service};

pub use jobs::{Job, Leftovers};

/// The server's end of one byte stream, ready to be driven by any runtime.
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Context, Waker};
/// use bytes::{Buf, BytesMut};
/// use mcp_server::{Connection, InPlace, Server};
/// use mcp_server::proto::{outbox::Outbox, time::{Instant, Now}};
///
/// let service = Server::new("demo", "1.0.0").build().unwrap();
/// let mut connection = Connection::new(service, Arc::new(InPlace), [7; 32]);
/// let mut input = BytesMut::from(&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"[..]);
/// let mut outbox = Outbox::new(64 * 1024);
/// let now = Now { instant: Instant::from_micros(0), unix_ms: 0 };
/// let mut cx = Context::from_waker(Waker::noop());
/// let demand = connection.poll(&mut cx, now, &mut input, &mut outbox);
/// assert!(demand.read && !demand.done);
/// assert_eq!(&outbox.copy_to_bytes(outbox.remaining())[..],
///            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
/// ```
#[derive(Debug)]
pub struct Connection {
    service: Service,
    runtime: Arc<dyn Runtime>,
    link: Link,
    slots: Vec<Slot>,
    /// Slots without a call.
    free: Vec<usize>,
    wakes: Arc<Wakes>,
    /// Scratch for the list of woken slots.
    woken: Vec<usize>,
    /// How many calls may wait for the driver to run them before no more are read; none if they run in place.
    deferred: usize,
    /// Slots whose call the driver is to run, in order; some may have been vacated since.
    ready: VecDeque<usize>,
    /// Calls that were cancelled, to be dropped by the driver.
    leftovers: Vec<Running>,
    hub: Registration,
    sealer: Arc<Sealer>,
    sender: Sender,
    /// Made for the first client that can be told something later.
    letters: Option<Arc<Letters>>,
    /// A call had something to say while the outbox was full.
    backlog: bool,
    input_over: bool,
    draining: bool,
    /// The end has begun, and must be reached by then.
    ending: Option<Instant>,
}

/// Whose the messages are that come next, where the transport knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender {
    pub(crate) principal: Option<Arc<Principal>>,
    /// Of the request that brought them.
    pub(crate) extensions: Option<http::Extensions>,
}

/// A place for one parked call. Its waker outlives the call: a late wake is spurious, never wrong.
#[derive(Debug)]
struct Slot {
    call: Option<(CallId, Place)>,
    /// It is among those that the driver is to run, once, however often it was woken.
    listed: bool,
    waker: Waker,
}

/// Where a parked call is.
#[derive(Debug)]
enum Place {
    Here(Running),
    /// With the driver, as a [`Job`].
    Out {
        context: Context,
        /// It has to be polled again.
        woken: bool,
        /// What its handler says meanwhile wakes the connection.
        attended: bool,
    },
}

impl Place {
    const fn context(&self) -> &Context {
        match self {
            Self::Here(running) => running.context(),
            Self::Out { context, .. } => context,
        }
    }
}

impl Connection {
    /// A connection of `service`. `seed` must be fresh entropy: nonces are derived from it.
    #[must_use]
    pub fn new(service: Service, runtime: Arc<dyn Runtime>, seed: [u8; 32]) -> Self {
        let config = Arc::clone(service.config());
        Self::offering(config, service, runtime, seed)
    }

    /// Like [`new`](Self::new), with the service's configuration or what a transport has of it.
    pub(crate) fn offering(
        config: Arc<ServerConfig>,
        service: Service,
        runtime: Arc<dyn Runtime>,
        seed: [u8; 32],
    ) -> Self {
        let wakes = Arc::new(Wakes::default());
        let hub = service.hub().register();
        let sealer = service.sealer(seed);
        Self {
            link: Link::new(config),
            service,
            runtime,
            slots: Vec::new(),
            free: Vec::new(),
            wakes,
            woken: Vec::new(),
            deferred: 0,
            ready: VecDeque::new(),
            leftovers: Vec::new(),
            hub,
            sealer,
            sender: Sender::default(),
            letters: None,
            backlog: false,
            input_over: false,
            draining: false,
            ending: None,
        }
    }

    /// Whose the connection is, where its transport has asked before it began: scopes are judged by it, and lists filtered.
    #[must_use]
    pub fn with_principal(mut self, principal: Principal) -> Self {
        self.sender.principal = Some(Arc::new(principal));
        self
    }

    /// An outbox with the high-water mark of the server's limits.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.service.config().limits().outbox_high)
    }

    /// Says whose the messages are that come next; without it, nobody's. All input before must have been taken.
    pub(crate) fn set_sender(&mut self, sender: Sender) {
        self.sender = sender;
    }

    /// How many calls have no answer yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.link.in_flight()
    }

    /// The stream has no more input: end of file, error and hang-up alike. Calls in flight get
    /// `Limits::shutdown_bound` to end.
    pub fn end_of_input(&mut self) {
        self.link.end_of_input();
        self.input_over = true;
    }

    /// Starts a graceful end: subscriptions end with their completion response, new requests are
    /// refused, calls in flight get `Limits::shutdown_bound` to end.
    pub fn shutdown(&mut self) {
        self.draining = true;
    }

    /// Does all the work that can be done now. Call it after every read, write, wake-up and timer.
    pub fn poll(
        &mut self,
        cx: &mut task::Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand {
        self.wakes.set_parent(cx.waker());
        if (self.draining || self.input_over) && self.ending.is_none() {
            if self.draining {
                self.link.drain(out);
            }
            self.ending = Some(now.instant + self.service.config().limits().shutdown_bound);
        }
        if core::mem::take(&mut self.backlog) {
            self.drain_all(now, out);
        }
        self.poll_woken(now, out);
        let wants_input = loop {
            self.hub.take(cx, |change| self.link.changed(change));
            if self.waits_for_driver() {
                break false;
            }
            let (service, sender) = (&self.service, &self.sender);
            let may_watch = |uri: &str| {
                let watched = service.may_watch(sender.principal.as_deref(), uri);
                watched.map_err(|missing| missing.to_wire())
            };
            match self.link.next_for(now, input, out, &may_watch) {
                Step::Event(event) => self.handle(now, event, out),
                Step::NeedInput => break true,
                Step::NeedFlush => break false,
            }
        };
        // After the calls: the first of them may have made the place for it.
        if let Some(letters) = &self.letters {
            letters.deliver(cx.waker(), out);
        }
        let idle = wants_input && self.free.len() == self.slots.len() && !out.has_remaining();
        let machine = self.link.poll_timeout().map(|wakeup| wakeup.at);
        Demand {
            read: wants_input && !self.input_over,
            wakeup: [machine, self.ending].into_iter().flatten().min(),
            close_write: false,
            done: self.ending.is_some() && idle,
            cut: self.ending.is_some_and(|until| until <= now.instant),
        }
    }

    fn handle(&mut self, now: Now, event: LinkEvent, out: &mut Outbox) {
        match event {
            LinkEvent::Call {
                id,
                inbound,
                context,
            } => {
                let sealer = Arc::clone(&self.sealer);
                let later: Option<Arc<dyn Later>> = if later::concerns(&context) {
                    Some(Arc::clone(self.letters.get_or_insert_default()) as _)
                } else {
                    None
                };
                let start = CallStart {
                    inbound: Arc::new(inbound),
                    context,
                    principal: self.sender.principal.clone(),
                    extensions: self.sender.extensions.clone(),
                    sealer,
                    later,
                };
                let running = Running::prepare(&self.service, &self.runtime, start);
                let slot = self.park(id, running);
                self.poll_slot(slot, now, out);
            }
            LinkEvent::Cancelled { id, .. } => {
                self.hub.unlisten(id);
                if let Some(slot) = self.slot_of(id) {
                    self.leave_over(slot);
                    self.vacate(slot);
                }
            }
            LinkEvent::Listening { id, filter } => self.hub.listen(Some(id), &filter),
            LinkEvent::Subscribed(filter) => self.hub.listen(None, &filter),
            LinkEvent::Answered {
                call,
                request,
                outcome,
            } => {
                self.answered(call, request, Ok(outcome), now, out);
            }
            LinkEvent::Expired { call, request } => {
                self.answered(call, request, Err(AskError::TimedOut), now, out);
            }
            LinkEvent::Lost { call, request } => {
                self.answered(call, request, Err(AskError::Lost), now, out);
            }
            LinkEvent::Closed { .. } => {
                // Also when the peer misbehaved: nothing more is read, and the stream is of no use.
                self.input_over = true;
                let bound = self.service.config().limits().shutdown_bound;
                self.ending.get_or_insert(now.instant + bound);
            }
            _ => {}
        }
    }

    fn answered(
        &mut self,
        call: CallId,
        request: RequestId,
        outcome: Result<Result<bytes::Bytes, bytes::Bytes>, AskError>,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(slot) = self.slot_of(call) else {
            return;
        };
        if let Some((_, place)) = &self.slots[slot].call {
            let answer = outcome.and_then(ask::outcome);
            place.context().answered(request, answer);
        }
        self.poll_slot(slot, now, out);
    }

    fn poll_woken(&mut self, now: Now, out: &mut Outbox) {
        let mut woken = core::mem::take(&mut self.woken);
        self.wakes.take(&mut woken);
        for slot in woken.drain(..) {
            self.poll_slot(slot, now, out);
        }
        self.woken = woken;
    }

    /// Lets every call say what had no room before.
    fn drain_all(&mut self, now: Now, out: &mut Outbox) {
        for place in &mut self.slots {
            let Some((id, place)) = &place.call else {
                continue;
            };
            let mut sink = LinkSink {
                link: &mut self.link,
                id: *id,
                now,
                out,
            };
            place.context().drain(&mut sink, false);
        }
        self.backlog = out.is_full();
    }

    fn poll_slot(&mut self, slot: usize, now: Now, out: &mut Outbox) {
        let Some(place) = self.slots.get_mut(slot) else {
            return;
        };
        let id = match &mut place.call {
            None => return,
            Some((_, Place::Here(_))) if self.deferred > 0 => {
                if !std::mem::replace(&mut place.listed, true) {
                    self.ready.push_back(slot);
                }
                return;
            }
            Some((_, Place::Out { .. })) => return self.woken_outside(slot, now, out),
            Some((id, Place::Here(_))) => *id,
        };
        let Some((_, Place::Here(running))) = &mut place.call else {
            return;
        };
        let polled = running.poll(&mut task::Context::from_waker(&place.waker), now);
        self.polled(slot, id, polled, now, out);
    }

    /// Sends what a poll has brought.
    fn polled(
        &mut self,
        slot: usize,
        id: CallId,
        polled: Poll<Finish>,
        now: Now,
        out: &mut Outbox,
    ) {
        if let Some((_, place)) = &self.slots[slot].call {
            let mut sink = LinkSink {
                link: &mut self.link,
                id,
                now,
                out,
            };
            place.context().drain(&mut sink, polled.is_ready());
        }
        let Poll::Ready(finish) = polled else {
            self.backlog |= out.is_full();
            return;
        };
        // `Stale` means that the peer cancelled in between: nothing may be sent.
        let _ = match finish {
            Finish::Reply {
                body,
                meta,
                kind,
                cache,
            } => {
                let reply = Reply {
                    body: Payload::Body(&body),
                    meta: meta.as_ref().map(mcp_types::Json::as_str),
                    kind,
                    cache,
                };
                self.link.respond(id, &reply, out)
            }
            Finish::Fail(error) => self.link.fail(id, &error, out),
        };
        self.vacate(slot);
    }

    fn park(&mut self, id: CallId, running: Running) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            let key = self.slots.len();
            let waker = Waker::from(Arc::new(CallWake {
                key,
                wakes: Arc::clone(&self.wakes),
            }));
            self.slots.push(Slot {
                call: None,
                listed: false,
                waker,
            });
            key
        });
        self.slots[slot].call = Some((id, Place::Here(running)));
        slot
    }

    fn vacate(&mut self, slot: usize) {
        if let Some((_, Place::Out { context, .. })) = self.slots[slot].call.take() {
            // Whoever runs it cannot be stopped, but is told.
            context.end();
        }
        self.free.push(slot);
    }

    fn slot_of(&self, call: CallId) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.call.as_ref().is_some_and(|(id, _)| *id == call))
    }
}

impl Machine for Connection {
    fn poll(
        &mut self,
        cx: &mut task::Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand {
        Self::poll(self, cx, now, input, out)
    }

    fn end_of_input(&mut self) {
        Self::end_of_input(self);
    }

    fn shutdown(&mut self) {
        Self::shutdown(self);
    }

    fn outbox(&self) -> Outbox {
        Self::outbox(self)
    }
}

/// Where a call's messages go: its own link.
struct LinkSink<'a> {
    link: &'a mut Link,
    id: CallId,
    now: Now,
    out: &'a mut Outbox,
}

impl CallSink for LinkSink<'_> {
    fn has_room(&self) -> bool {
        !self.out.is_full()
    }

    fn progress(&mut self, progress: &Progress) {
        // `Stale` means that the call was cancelled: nothing may be sent for it. The same below.
        let _ = self
            .link
            .progress(self.now, self.id, progress.clone(), self.out);
    }

    fn log(&mut self, level: LoggingLevel, logger: Option<&str>, data: &str) {
        let _ = self.link.log(self.id, level, logger, data, self.out);
    }

    fn request(&mut self, method: &str, params: &str) -> Result<RequestId, Refused> {
        self.link
            .request(self.now, self.id, method, params, self.out)
    }

    fn withdraw(&mut self, request: RequestId) {
        self.link.withdraw(request, self.out);
    }

    fn notify(&mut self, method: &str, params: &str) {
        let _ = self.link.notify(self.id, method, params, self.out);
    }

    fn close_stream(&mut self, _retry: Option<Duration>) {
        // A byte stream has no stream per call to close.
    }
}
