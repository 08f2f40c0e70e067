//! What a call's context and its poller share: what waits to be sent, who waits for what.
//!
//! Owns the queue of a call's notifications and requests and the rules by which it is bounded: progress is
//! latest-wins and strictly increasing, log messages beyond a bound are counted instead of kept. Allocated
//! when a call first needs it. The lock is held across no await, and while none
//! of this call's own wakers is called. A sink may wake the reader of its stream under it, which is another task: a question
//! must be on the wire and known as such in one step.
//!
//! ```text
//! handler ──progress/log/ask──▶ Cell ──drain (after each poll)──▶ the call's own stream
//!    ▲                           │ ▲
//!    └── wakes, answers ─────────┘ └── use from another task wakes the poller
//! ```

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Duration;

use mcp_proto::error::WireError;
use mcp_proto::id::RequestId;
use mcp_proto::server::Progress;
use mcp_types::LoggingLevel;

use crate::ask::{AskError, Asks};
use crate::call::CallSink;
use crate::outcome::Outcome;
use crate::script::Script;
use crate::sync::{Mutex, MutexGuard};

/// How many log messages wait at most, and how many bytes they hold. Beyond, they are counted and dropped.
const MAX_LOGS: usize = 256;
const MAX_LOG_BYTES: usize = 256 * 1024;

/// How work outside of the poller ended.
#[derive(Debug)]
pub(crate) enum Done {
    Outcome(Outcome),
    Panicked,
    /// The runtime dropped it.
    Abandoned,
    /// It waits for the client.
    Suspended,
}

/// Something to be sent, in order.
#[derive(Debug)]
pub(crate) enum Output {
    /// The latest progress goes here.
    Progress,
    Log {
        level: LoggingLevel,
        logger: Option<String>,
        data: String,
    },
    /// The request of the question in this slot.
    Ask(usize),
    Withdraw(RequestId),
    Notify {
        method: &'static str,
        params: String,
    },
    CloseStream(Option<Duration>),
}

/// The per-call cell.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    state: Mutex<State>,
}

/// What is in it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whoever polls the call. Empty while it does: it looks at the cell afterwards anyway.
    poller: Option<Waker>,
    /// Wakers of [`Context::cancelled`](crate::Context::cancelled) and of spawned work.
    watchers: Vec<Option<Waker>>,
    pub(crate) queue: VecDeque<Output>,
    progress: Option<Progress>,
    last_progress: Option<f64>,
    logs: usize,
    log_bytes: usize,
    /// How many, and the most severe of them.
    dropped_logs: Option<(u64, LoggingLevel)>,
    pub(crate) asks: Asks,
    /// What a modern call has recorded; in a legacy one it numbers the keys of `once`.
    pub(crate) script: Option<Script>,
    /// The call fails with this, whatever the handler comes to.
    pub(crate) failure: Option<WireError>,
    pub(crate) done: Option<Done>,
    pub(crate) ended: bool,
}

impl Cell {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in a handler never happens under this lock; if one did, the state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and then wakes the poller.
    pub(crate) fn send<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let waker = state.poller.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// Nobody waits for the call any more: everything that it waits for ends, too.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.poller = None;
        let mut wakers = state.asks.end();
        wakers.extend(state.watchers.iter_mut().filter_map(Option::take));
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// A poll begins: what it does needs no wake-up.
    pub(crate) fn begin_poll(&mut self) -> Option<Waker> {
        self.poller.take()
    }

    /// A poll is over; `waker` is to be woken by the next use. Returns the waker that it replaces: to be
    /// dropped after the lock, as it may hold the last reference to a task.
    pub(crate) fn park(&mut self, waker: &Waker) -> Option<Waker> {
        if self
            .poller
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            return None;
        }
        self.poller.replace(waker.clone())
    }

    /// Returns the waker that it replaces: to be dropped after the lock.
    pub(crate) fn watch(&mut self, place: &mut Option<usize>, waker: &Waker) -> Option<Waker> {
        let index = *place.get_or_insert_with(|| {
            let free = self.watchers.iter().position(Option::is_none);
            free.unwrap_or_else(|| {
                self.watchers.push(None);
                self.watchers.len() - 1
            })
        });
        self.watchers
            .get_mut(index)
            .and_then(|slot| slot.replace(waker.clone()))
    }

    pub(crate) fn unwatch(&mut self, place: usize) -> Option<Waker> {
        self.watchers.get_mut(place).and_then(Option::take)
    }

    /// Whether messages are news to the client: not in a replay of what it has already been told.
    pub(crate) fn is_news(&self) -> bool {
        !self.ended && self.script.as_ref().is_none_or(Script::past_frontier)
    }

    /// Latest wins; what does not increase is not progress.
    pub(crate) fn progress(&mut self, progress: Progress) {
        if !self.is_news() || !progress.follows(self.last_progress) {
            return;
        }
        self.last_progress = Some(progress.progress);
        if self.progress.replace(progress).is_none() {
            self.queue.push_back(Output::Progress);
        }
    }

    pub(crate) fn log(&mut self, level: LoggingLevel, logger: Option<&str>, data: String) {
        if !self.is_news() {
            return;
        }
        let bytes = data.len();
        if self.logs >= MAX_LOGS || self.log_bytes.saturating_add(bytes) > MAX_LOG_BYTES.max(bytes)
        {
            let (count, worst) = self.dropped_logs.unwrap_or((0, level));
            self.dropped_logs = Some((count + 1, worst.max(level)));
            return;
        }
        self.logs += 1;
        self.log_bytes += bytes;
        self.queue.push_back(Output::Log {
            level,
            logger: logger.map(str::to_owned),
            data,
        });
    }

    /// Sends what waits. On a stream without room, progress and log messages stay until the call is polled
    /// again, and are bounded; questions go out in any case, as somebody waits for their answers. When the call is
    /// `over`, so does the last report of progress: it is one, and nothing can follow the answer.
    pub(crate) fn drain(&mut self, sink: &mut dyn CallSink, over: bool) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let mut kept = VecDeque::new();
        while let Some(output) = self.queue.pop_front() {
            match output {
                Output::Progress if !over && !sink.has_room() => kept.push_back(output),
                Output::Log { .. } if !sink.has_room() => kept.push_back(output),
                Output::Progress => {
                    if let Some(progress) = self.progress.take() {
                        sink.progress(&progress);
                    }
                }
                Output::Log {
                    level,
                    logger,
                    data,
                } => {
                    self.logs -= 1;
                    self.log_bytes -= data.len();
                    sink.log(level, logger.as_deref(), &data);
                }
                Output::Ask(slot) => {
                    if let Some((method, params)) = self.asks.request(slot) {
                        let sent = sink.request(method, params.as_str());
                        wakers.extend(self.asks.sent(slot, sent.map_err(AskError::from)));
                    }
                }
                Output::Withdraw(request) => sink.withdraw(request),
                Output::Notify { method, params } => sink.notify(method, &params),
                Output::CloseStream(retry) => sink.close_stream(retry),
            }
        }
        if !kept.is_empty() {
            self.queue = kept;
        }
        if self.logs == 0 && sink.has_room() {
            // On the level of one that was dropped, so the client has asked for it.
            if let Some((count, worst)) = self.dropped_logs.take() {
                let note = format!(
                    "\"{count} log messages were dropped: they came faster than they could be sent\""
                );
                sink.log(worst, None, &note);
            }
        }
        wakers
    }
}
