//! One admitted call that is being run, whatever it came in on.
//!
//! Owns the handler's future, the rule by which a modern call suspends, and the wall around panics. A future
//! that runs in place is polled by whoever owns the call: no task, no channel, no lock across an await.
//! Must never send anything itself, and never let a handler's fault reach another call.
//!
//! ```text
//! start ──▶ poll ─┬─▶ Ready(finish)            the handler is done, failed or panicked
//!             ▲   ├─▶ Ready(input_required)    modern, Pending, and a question is open
//!             │   └─▶ Pending ── drain ──▶ (parked) ── woken, answered ──┐
//!             └──────────────────────────────────────────────────────────┘
//! drop, that is cancel: the future goes, and everything that it waited for
//! ```

use std::fmt;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytes::Bytes;
use mcp_proto::config::CacheHint;
use mcp_proto::context::CallContext;
use mcp_proto::error::WireError;
use mcp_proto::id::RequestId;
use mcp_proto::json::Inbound;
use mcp_proto::reply::{Body, ResultKind};
use mcp_proto::server::{Progress, Refused};
use mcp_proto::time::Now;
use mcp_types::{Json, LoggingLevel};

use crate::ask::{self, AskError};
use crate::cell::Done;
use crate::context::Context;
use crate::elsewhere;
use crate::journal::Sealer;
use crate::later::Later;
use crate::outcome::{BoxFuture, Dispatched, Outcome};
use crate::runtime::guard;
pub use crate::runtime::{Blocking, InPlace, Runtime};
use crate::suspend::{Settled, admit, conclude, settle, suspend};
use crate::{Principal, Service, dispatch};

/// A poll that takes longer is worth a note: in the meantime its connection did nothing else.
#[cfg(feature = "tracing")]
const SLOW_POLL: Duration = Duration::from_millis(10);

/// A judged request, on its way to its handler.
#[derive(Debug)]
pub(crate) struct CallStart {
    pub(crate) inbound: Arc<Inbound>,
    pub(crate) context: CallContext,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) extensions: Option<http::Extensions>,
    /// Of the connection or endpoint, not of the call: see [`Sealer`].
    pub(crate) sealer: Arc<Sealer>,
    /// Only where [`later::concerns`](crate::later::concerns) says so.
    pub(crate) later: Option<Arc<dyn Later>>,
}

/// How a call ends.
#[derive(Debug)]
pub(crate) enum Finish {
    Reply {
        /// A JSON object without `resultType` and `_meta`.
        body: Body,
        meta: Option<Json>,
        kind: ResultKind,
        cache: Option<CacheHint>,
    },
    Fail(WireError),
}

/// The call's own stream, as far as a call may use it.
pub(crate) trait CallSink {
    /// Whether more may be written now. Without room, progress and log messages wait in the call's cell,
    /// bounded, until the call is polled again; everything else is handed over all the same.
    fn has_room(&self) -> bool {
        true
    }
    fn progress(&mut self, progress: &Progress);
    /// `data` is raw JSON.
    fn log(&mut self, level: LoggingLevel, logger: Option<&str>, data: &str);
    /// Legacy: sends a request and expects its answer by [`Running::answered`].
    fn request(&mut self, method: &str, params: &str) -> Result<RequestId, Refused>;
    /// Legacy: nobody waits for this answer any more; the client may be told. A late answer is harmless.
    fn withdraw(&mut self, _request: RequestId) {}
    fn notify(&mut self, method: &str, params: &str);
    fn close_stream(&mut self, retry: Option<Duration>);
}

/// A call that is being run. Dropping it cancels it.
pub(crate) struct Running {
    context: Context,
    work: Work,
    /// The request no longer shares the read buffer.
    detached: bool,
    /// A connection has the context as well, as long as the call is lent.
    lent: bool,
}

enum Work {
    /// Nothing of the handler has run.
    Fresh,
    /// `None` once it has been told.
    Finished(Option<Finish>),
    Here(BoxFuture<Outcome>),
    /// On the driver's runtime; the outcome comes through the cell.
    Elsewhere {
        blocking: bool,
    },
}

impl Running {
    /// Judges state and answers, then dispatches. Nothing is polled yet.
    pub(crate) fn start(
        service: &Service,
        runtime: &Arc<dyn Runtime>,
        now: Now,
        start: CallStart,
    ) -> Self {
        let mut running = Self::prepare(service, runtime, start);
        running.begin(now);
        running
    }

    /// The same with a dispatcher of one's own.
    #[cfg(test)]
    pub(crate) fn start_with(
        service: &Service,
        runtime: &Arc<dyn Runtime>,
        now: Now,
        start: CallStart,
        dispatch: impl FnOnce(&Context, &Inbound) -> Dispatched,
    ) -> Self {
        let mut running = Self::prepare(service, runtime, start);
        running.begin_with(now, dispatch);
        running
    }

    /// A call of which nothing has run: its first poll starts it.
    pub(crate) fn prepare(service: &Service, runtime: &Arc<dyn Runtime>, start: CallStart) -> Self {
        Self {
            context: Context::new(service.clone(), Arc::clone(runtime), start),
            work: Work::Fresh,
            detached: false,
            lent: false,
        }
    }

    fn begin(&mut self, now: Now) {
        self.begin_with(now, |context, inbound| {
            dispatch::dispatch(context.service(), context, inbound)
        });
    }

    fn begin_with(&mut self, now: Now, dispatch: impl FnOnce(&Context, &Inbound) -> Dispatched) {
        if !matches!(self.work, Work::Fresh) {
            return;
        }
        let context = &self.context;
        let inbound = &context.inbound();
        let runtime = &context.inner.runtime;
        self.work = match admit(context, inbound, now) {
            Err(error) => Work::Finished(Some(Finish::Fail(error))),
            // A plain `fn` does all of its work in here.
            Ok(()) => match timed(&**runtime, context, || {
                guard(|| context.in_span(|| dispatch(context, inbound)))
            }) {
                None => Work::Finished(Some(panicked(context))),
                Some(dispatched) => Work::begin(dispatched, runtime, context),
            },
        };
    }

    /// The call is lent to another thread, or comes back. Meanwhile its connection keeps the context.
    pub(crate) const fn lend(&mut self, lent: bool) {
        self.lent = lent;
    }

    /// What outlives a loan of the call to another thread.
    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }

    /// Runs the call as far as it goes. Call [`drain`](Self::drain) afterwards, also before a finish is sent.
    pub(crate) fn poll(&mut self, cx: &mut task::Context<'_>, now: Now) -> Poll<Finish> {
        self.begin(now);
        let finish = match &mut self.work {
            // It has begun.
            Work::Fresh => None,
            Work::Finished(finish) => match finish.take() {
                Some(Finish::Reply {
                    body,
                    meta,
                    kind,
                    cache,
                }) => Some(conclude(&self.context, body, meta, kind, cache)),
                other => other,
            },
            Work::Here(future) => timed(&*self.context.inner.runtime, &self.context, || {
                poll_here(&self.context, future, cx, now)
            }),
            Work::Elsewhere { blocking } => {
                poll_elsewhere(&self.context, *blocking, cx.waker(), now)
            }
        };
        let Some(finish) = finish else {
            if !core::mem::replace(&mut self.detached, true) {
                self.context.detach();
            }
            return Poll::Pending;
        };
        self.stop();
        Poll::Ready(finish)
    }

    /// The end of a call that is over already and has said nothing, as one is whose handler is a plain `fn`.
    pub(crate) fn take_finish(&mut self) -> Option<Finish> {
        match &mut self.work {
            Work::Finished(finish) if self.context.used_cell().is_none() => finish.take(),
            _ => None,
        }
    }

    /// Sends what the handler has said since the last time; `over`: it is the last time.
    pub(crate) fn drain(&self, sink: &mut dyn CallSink, over: bool) {
        self.context.drain(sink, over);
    }

    /// The client answered one of the call's requests, with a result or an error object. Poll afterwards.
    pub(crate) fn answered(&self, request: RequestId, outcome: Result<Bytes, Bytes>) {
        self.context.answered(request, ask::outcome(outcome));
    }

    /// The client did not answer one of the call's requests in time. Poll afterwards.
    pub(crate) fn expired(&self, request: RequestId) {
        self.unanswered(request, AskError::TimedOut);
    }

    /// No answer to one of the call's requests came, for this reason. Poll afterwards.
    pub(crate) fn unanswered(&self, request: RequestId, why: AskError) {
        self.context.answered(request, Err(why));
    }

    fn stop(&mut self) {
        let work = core::mem::replace(&mut self.work, Work::Finished(None));
        // The future goes before the context says that it is over: a handler in place is dropped, not told.
        guard(|| drop(work));
        self.context.end_held(1 + usize::from(self.lent));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = match self.work {
            Work::Fresh => "fresh",
            Work::Finished(_) => "finished",
            Work::Here(_) => "in place",
            Work::Elsewhere { blocking: false } => "spawned",
            Work::Elsewhere { blocking: true } => "blocking",
        };
        f.debug_struct("Running")
            .field("context", &self.context)
            .field("work", &work)
            .finish_non_exhaustive()
    }
}

impl Work {
    fn begin(dispatched: Dispatched, runtime: &Arc<dyn Runtime>, context: &Context) -> Self {
        match dispatched {
            Dispatched::Ready(outcome) => Self::Finished(Some(outcome.into())),
            Dispatched::Pending(future) => Self::Here(future),
            Dispatched::Spawn(future) if runtime.can_spawn() => {
                runtime.spawn(elsewhere::spawned(context.clone(), future));
                Self::Elsewhere { blocking: false }
            }
            Dispatched::Spawn(future) => Self::Here(future),
            Dispatched::Blocking(work) => {
                // Without a pool this runs right here, and the first poll finds the outcome.
                runtime.spawn_blocking(elsewhere::blocking(context.clone(), work));
                Self::Elsewhere { blocking: true }
            }
        }
    }
}

impl From<Outcome> for Finish {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Reply(reply) => Self::Reply {
                body: reply.body,
                meta: reply.meta,
                kind: ResultKind::Complete,
                cache: reply.cache,
            },
            Outcome::Fail(error) => Self::Fail(error),
        }
    }
}

fn poll_here(
    context: &Context,
    future: &mut BoxFuture<Outcome>,
    cx: &mut task::Context<'_>,
    now: Now,
) -> Option<Finish> {
    loop {
        if let Some(cell) = context.used_cell() {
            let waker = cell.lock().begin_poll();
            drop(waker);
        }
        match guard(|| context.in_span(|| future.as_mut().poll(cx))) {
            None => return Some(panicked(context)),
            Some(Poll::Ready(outcome)) => return Some(ended(context, outcome)),
            Some(Poll::Pending) => {}
        }
        match settle(context) {
            Settled::Repoll => {}
            Settled::Suspend => return Some(suspend(context, now)),
            Settled::Wait => break,
        }
    }
    let old = context.cell().lock().park(cx.waker());
    drop(old);
    None
}

fn poll_elsewhere(
    context: &Context,
    blocking: bool,
    waker: &task::Waker,
    now: Now,
) -> Option<Finish> {
    let cell = context.cell();
    let mut state = cell.lock();
    let done = state.done.take();
    let old = if done.is_none() {
        state.park(waker)
    } else {
        None
    };
    drop(state);
    drop(old);
    match done {
        Some(Done::Outcome(outcome)) => Some(ended(context, outcome)),
        Some(Done::Panicked | Done::Abandoned) => Some(panicked(context)),
        Some(Done::Suspended) => Some(suspend(context, now)),
        // A blocked thread cannot suspend itself: it waits for an answer that will not come in this run, and
        // is told so when the call ends.
        None if blocking && matches!(settle(context), Settled::Suspend) => {
            Some(suspend(context, now))
        }
        None => None,
    }
}

/// The handler is done.
fn ended(context: &Context, outcome: Outcome) -> Finish {
    match Finish::from(outcome) {
        Finish::Reply {
            body,
            meta,
            kind,
            cache,
        } => conclude(context, body, meta, kind, cache),
        failed => failed,
    }
}

/// What the client is told of a panic: that there was a fault, and nothing of it.
pub(crate) fn panicked(context: &Context) -> Finish {
    #[cfg(feature = "tracing")]
    tracing::error!(subject = %context.subject(), "a handler panicked; its call fails, others go on");
    let _ = context;
    Finish::Fail(WireError::internal("internal error"))
}

/// Runs a piece of a handler in place, and notes it when it took long. By the time it took, not by what it says of itself: a
/// `fn` that should be `blocking` looks like any other.
#[cfg(feature = "tracing")]
fn timed<T>(runtime: &dyn Runtime, context: &Context, work: impl FnOnce() -> T) -> T {
    let before = runtime.clock();
    let value = work();
    if let (Some(before), Some(after)) = (before, runtime.clock()) {
        let took = after.duration_since(before);
        if took > SLOW_POLL {
            tracing::warn!(
                subject = %context.subject(), millis = took.as_millis() as u64,
                "a handler did not yield for long; mark it `blocking` or `spawn`"
            );
        }
    }
    value
}

/// Without anybody to tell there is nothing to measure.
#[cfg(not(feature = "tracing"))]
fn timed<T>(_: &dyn Runtime, _: &Context, work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(test)]
#[path = "call_testing.rs"]
mod testing;

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "replay_tests.rs"]
mod replay_tests;
