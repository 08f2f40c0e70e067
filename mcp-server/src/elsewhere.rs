//! Work that a driver runs outside of the poller: `#[tool(spawn)]` and `#[tool(blocking)]`.
//!
//! Owns the bridge back: exactly one [`Done`] for each piece of work, also when it panics or the runtime
//! drops it unfinished. Must never outlive the call's interest: when the call is over, a spawned future is
//! dropped at its next wake-up, which the end of the call causes.

use std::future::poll_fn;
use std::task::Poll;

use crate::cell::Done;
use crate::context::Context;
use crate::outcome::{BoxFuture, Outcome};
use crate::runtime::{Blocking, guard};
use crate::suspend::{Settled, settle};

/// Tells the call how the work ended, once.
struct Delivery {
    context: Context,
    delivered: bool,
}

impl Delivery {
    fn deliver(&mut self, done: Done) {
        self.delivered = true;
        self.context.cell().send(|state| {
            if !state.ended {
                state.done = Some(done);
            }
        });
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.delivered && !self.context.is_cancelled() {
            self.deliver(Done::Abandoned);
        }
    }
}

/// A future for the driver's spawner.
pub(crate) fn spawned(context: Context, future: BoxFuture<Outcome>) -> BoxFuture<()> {
    let mut delivery = Delivery {
        context,
        delivered: false,
    };
    let mut future = Some(future);
    let mut place = None;
    Box::pin(poll_fn(move |cx| {
        let old = delivery.context.cell().lock().watch(&mut place, cx.waker());
        drop(old);
        if delivery.context.is_cancelled() {
            let rest = future.take();
            guard(|| drop(rest));
            return Poll::Ready(());
        }
        let Some(work) = &mut future else {
            return Poll::Ready(());
        };
        let done = loop {
            match guard(|| delivery.context.in_span(|| work.as_mut().poll(cx))) {
                None => break Done::Panicked,
                Some(Poll::Ready(outcome)) => break Done::Outcome(outcome),
                Some(Poll::Pending) => {}
            }
            match settle(&delivery.context) {
                Settled::Wait => return Poll::Pending,
                Settled::Repoll => {}
                Settled::Suspend => break Done::Suspended,
            }
        };
        if !matches!(done, Done::Suspended) {
            let rest = future.take();
            guard(|| drop(rest));
        }
        // A suspended future keeps its questions alive until the call has written them down; it is dropped
        // when the call ends, which is at once.
        delivery.deliver(done);
        if future.is_some() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }))
}

/// Work for the driver's pool.
pub(crate) fn blocking(context: Context, work: Box<dyn FnOnce() -> Outcome + Send>) -> Blocking {
    let watched = context.clone();
    let mut delivery = Delivery {
        context,
        delivered: false,
    };
    let work = move || {
        // It may have waited for a thread for longer than anybody waited for it.
        if delivery.context.is_cancelled() {
            return;
        }
        let done = guard(|| delivery.context.in_span(work)).map_or(Done::Panicked, Done::Outcome);
        delivery.deliver(done);
    };
    Blocking::new(work, async move { watched.cancelled().await })
}
