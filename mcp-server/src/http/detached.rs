//! Legacy calls whose connection is gone.
//!
//! Owns their polls, which the runtime does, and the bound on how many there are: they give their places at the endpoint
//! back, for one that waits for an answer of its client may wait as long as a human may think. Must never end one while
//! there is room, nor let somebody who reads wait for one.
//! Source: 2025-11-25 basic/transports, "Sending Messages to the Server" 6: a disconnection is not a cancellation.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use mcp_proto::judge;
use mcp_proto::time::Instant;

use super::active::{Active, Over};
use super::gauge::{Bell, Watch};
use super::shared::Shared;
use crate::BoxFuture;
use crate::call::Finish;
use crate::sync::{Mutex, MutexGuard};

/// The calls of an endpoint that nobody reads: one more than `max`, and the one that has been alone the longest ends.
#[derive(Debug)]
pub(super) struct DetachedCalls {
    max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// Of those that are not to end.
    bells: BTreeMap<u64, Arc<Bell>>,
    /// All that there are.
    count: usize,
}

/// A call's place among them, left when dropped.
struct Place {
    calls: Arc<DetachedCalls>,
    key: u64,
    /// Rings when the place is needed.
    needed: Watch,
}

impl DetachedCalls {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            state: Mutex::new(State::default()),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.lock().count
    }

    fn enter(self: &Arc<Self>) -> Place {
        let bell = Arc::<Bell>::default();
        let needed = bell.watch();
        let mut state = self.lock();
        state.count += 1;
        state.last += 1;
        let key = state.last;
        state.bells.insert(key, bell);
        let crowded = state.bells.len() > self.max;
        let oldest = crowded.then(|| state.bells.pop_first()).flatten();
        drop(state);
        if let Some((_, bell)) = oldest {
            bell.ring();
        }
        Place {
            calls: Arc::clone(self),
            key,
            needed,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.calls.lock();
        state.count -= 1;
        let bell = state.bells.remove(&self.key);
        drop(state);
        drop(bell);
    }
}

/// One of them. Nobody waits for it.
struct Detached {
    active: Option<Active>,
    place: Place,
    /// Armed while the client owes an answer: no request may ever come again that brings the time.
    timer: Option<(Instant, BoxFuture<()>)>,
}

/// Gives a call to the runtime.
pub(super) fn detach(shared: &Arc<Shared>, active: Active) {
    shared.runtime.spawn(Box::pin(Detached {
        active: Some(active),
        place: shared.detached.enter(),
        timer: None,
    }));
}

impl Detached {
    /// The time that was waited for, once it has come.
    fn fired(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        let active = self.active.as_ref()?;
        let due = active.wakeup(true);
        if self.timer.as_ref().map(|(at, _)| *at) != due {
            let runtime = &active.lane.shared.runtime;
            self.timer = due.and_then(|at| Some((at, runtime.sleep_until(at)?)));
        }
        let (at, sleep) = self.timer.as_mut()?;
        if sleep.as_mut().poll(cx).is_pending() {
            return None;
        }
        let at = *at;
        self.timer = None;
        Some(at)
    }
}

impl Future for Detached {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut reached = Instant::from_micros(0);
        let needed = self.place.needed.poll(cx.waker());
        loop {
            let Some(active) = &mut self.active else {
                return Poll::Ready(());
            };
            let mut now = active.lane.shared.now();
            now.instant = now.instant.max(reached);
            let polled = match active.poll(cx, now, None) {
                Poll::Pending if needed => {
                    let error = judge::overloaded("too many calls run whose clients left");
                    Poll::Ready(Over::Finished(Finish::Fail(error)))
                }
                polled => polled,
            };
            match polled {
                Poll::Pending => match self.fired(cx) {
                    Some(at) => reached = at,
                    None => return Poll::Pending,
                },
                // Closed already.
                Poll::Ready(Over::Closed(_)) => {}
                Poll::Ready(Over::Cancelled) => self.active = None,
                Poll::Ready(Over::Finished(finish)) => {
                    if let Some(active) = self.active.take() {
                        active.finish(now.instant, None, finish);
                    }
                }
            }
        }
    }
}
