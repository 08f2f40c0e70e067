//! Calls that are run outside of their connection.
//!
//! Owns the loan of a call to its driver: while it is out, its place remembers what happens to it. For drivers that run
//! handlers on threads and keep a connection alive while one of them is stuck. Must never wait for a job: a call can be
//! cancelled, and the connection can end, while somebody else has it.
//!
//! ```text
//! parsed, woken, answered ──▶ ready ── take_job ──▶ out ── put_back ─┬─▶ done: answered
//!                               ▲                    │               ├─▶ parked, or ready again if it was woken meanwhile
//!                               └────────────────────┼───────────────┘
//!                                                    └─▶ cancelled meanwhile: left over, for the driver to drop
//! ```

use std::fmt;
use std::task::{self, Poll, Waker};

use mcp_proto::id::CallId;
use mcp_proto::outbox::Outbox;
use mcp_proto::time::Now;

use super::{Connection, LinkSink, Place};
use crate::call::{Finish, Running};

/// One call of a connection that is to be run: [`run`](Self::run) it, then [`put it back`](Connection::put_back).
#[must_use = "a call that is not put back gets no answer"]
pub struct Job {
    slot: usize,
    id: CallId,
    running: Running,
    waker: Waker,
    finish: Option<Finish>,
}

impl Job {
    /// Runs the call as far as it goes, on this thread, unless nobody wants it any more. A panic of the handler stays inside.
    pub fn run(&mut self, now: Now) {
        if self.finish.is_some() || self.running.context().is_cancelled() {
            return;
        }
        let mut cx = task::Context::from_waker(&self.waker);
        if let Poll::Ready(finish) = self.running.poll(&mut cx, now) {
            self.finish = Some(finish);
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("call", &self.id)
            .field("finished", &self.finish.is_some())
            .finish_non_exhaustive()
    }
}

/// What calls leave that nobody wants any more: their arguments and futures. Dropping it runs what their authors wrote, which
/// may take any time.
#[must_use = "dropping it may take any time"]
#[derive(Debug)]
pub struct Leftovers {
    _calls: Vec<Running>,
}

impl Connection {
    /// From now on [`poll`](Self::poll) runs no handler, a plain `fn` included: calls become jobs. Once `at_most` of them are
    /// ready, no more messages are read until one is taken. Zero, as at the start: they run in place.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::task::{Context, Waker};
    /// # use bytes::{Buf, BytesMut};
    /// # use mcp_server::{Connection, InPlace, Server, tool};
    /// # use mcp_server::proto::{outbox::Outbox, time::{Instant, Now}};
    /// #[tool]
    /// fn slow() -> &'static str { "done" }
    ///
    /// let service = Server::new("demo", "1.0.0").tool(slow).build().unwrap();
    /// let mut connection = Connection::new(service, Arc::new(InPlace), [7; 32]);
    /// connection.defer_calls(1);
    /// # let mut input = BytesMut::new();
    /// # for message in [
    /// #     r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
    /// #     r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    /// #     r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}"#,
    /// # ] { input.extend_from_slice(message.as_bytes()); input.extend_from_slice(b"\n"); }
    /// # let mut out = Outbox::new(64 * 1024);
    /// # let now = Now { instant: Instant::from_micros(0), unix_ms: 0 };
    /// # let mut cx = Context::from_waker(Waker::noop());
    /// connection.poll(&mut cx, now, &mut input, &mut out);
    /// let mut job = connection.take_job().expect("the call is ready to be run");
    /// # out.advance(out.remaining());
    /// std::thread::scope(|scope| scope.spawn(|| job.run(now)).join().unwrap());
    /// connection.put_back(job, now, &mut out);
    /// assert!(out.has_remaining(), "the answer");
    /// ```
    pub const fn defer_calls(&mut self, at_most: usize) {
        self.deferred = at_most;
    }

    /// The next call to be run, if one is ready.
    pub fn take_job(&mut self) -> Option<Job> {
        loop {
            let slot = self.ready.pop_front()?;
            let Some(place) = self.slots.get_mut(slot) else {
                continue;
            };
            place.listed = false;
            match place.call.take() {
                Some((id, Place::Here(mut running))) => {
                    running.lend(true);
                    let context = running.context().clone();
                    place.call = Some((
                        id,
                        Place::Out {
                            context,
                            woken: false,
                            attended: false,
                        },
                    ));
                    return Some(Job {
                        slot,
                        id,
                        running,
                        waker: place.waker.clone(),
                        finish: None,
                    });
                }
                // It is over.
                other => place.call = other,
            }
        }
    }

    /// What is left of calls that were cancelled since the last time, if their driver runs them: what is not taken is dropped
    /// with the connection. Take it after every poll and whenever a job was put back.
    pub fn take_leftovers(&mut self) -> Option<Leftovers> {
        if self.leftovers.is_empty() {
            return None;
        }
        let calls = std::mem::take(&mut self.leftovers);
        Some(Leftovers { _calls: calls })
    }

    /// A call is cancelled, and its future must not be dropped here if it does not run here either.
    pub(super) fn leave_over(&mut self, slot: usize) {
        if self.deferred == 0 {
            return;
        }
        let call = &mut self.slots[slot].call;
        if let Some((_, Place::Here(running))) =
            call.take_if(|(_, place)| matches!(place, Place::Here(_)))
        {
            self.leftovers.push(running);
        }
    }

    /// Takes a call back: answers it if it is done, parks it if it waits, leaves it over if nobody wants it any more. Poll
    /// afterwards.
    pub fn put_back(&mut self, job: Job, now: Now, out: &mut Outbox) {
        let Job {
            slot,
            id,
            mut running,
            finish,
            ..
        } = job;
        running.lend(false);
        let Some(place) = self.slots.get_mut(slot) else {
            return;
        };
        let woken = match &place.call {
            Some((known, Place::Out { woken, .. })) if *known == id => *woken,
            _ => return self.leftovers.push(running),
        };
        place.call = Some((id, Place::Here(running)));
        let polled = finish.map_or(Poll::Pending, Poll::Ready);
        let waits = polled.is_pending();
        self.polled(slot, id, polled, now, out);
        if waits && woken {
            self.poll_slot(slot, now, out);
        }
    }

    /// Jobs that are out take long: from now on what their handlers say meanwhile is sent as they say it, not when they are
    /// put back.
    pub fn attend_jobs(&mut self) {
        for slot in &mut self.slots {
            if let Some((
                _,
                Place::Out {
                    context, attended, ..
                },
            )) = &mut slot.call
            {
                *attended = true;
                let old = context.cell().lock().park(&slot.waker);
                drop(old);
                // It may have said something already.
                slot.waker.wake_by_ref();
            }
        }
    }

    /// Whether reading on would only make calls wait.
    pub(super) fn waits_for_driver(&mut self) -> bool {
        // What was cancelled before it was taken does not count.
        while let Some(&slot) = self.ready.front()
            && !matches!(&self.slots[slot].call, Some((_, Place::Here(_))))
        {
            self.ready.pop_front();
            self.slots[slot].listed = false;
        }
        self.deferred > 0 && self.ready.len() + self.leftovers.len() >= self.deferred
    }

    /// A call was woken, or has something to say, while it is out.
    pub(super) fn woken_outside(&mut self, slot: usize, now: Now, out: &mut Outbox) {
        let place = &mut self.slots[slot];
        let Some((
            id,
            Place::Out {
                context,
                woken,
                attended,
            },
        )) = &mut place.call
        else {
            return;
        };
        *woken = true;
        if *attended {
            let old = context.cell().lock().park(&place.waker);
            drop(old);
            let mut sink = LinkSink {
                link: &mut self.link,
                id: *id,
                now,
                out,
            };
            context.drain(&mut sink, false);
            self.backlog |= out.is_full();
        }
    }
}

impl Drop for Connection {
    /// Whoever runs a call of it is told.
    fn drop(&mut self) {
        for slot in &self.slots {
            if let Some((_, Place::Out { context, .. })) = &slot.call {
                context.end();
            }
        }
    }
}
