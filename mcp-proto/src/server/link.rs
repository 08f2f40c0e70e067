//! An ordered byte stream that carries many calls: stdio, sockets, pipes.
//!
//! Owns the framing, the call table and the order in which things are said. Serves both eras, per
//! message: what comes in is judged in `link_receive`, the legacy half lives in `link_legacy`. Must never
//! keep bytes: unread ones stay in the caller's buffer, unwritten ones in the caller's outbox.
//!
//! ```text
//!            ┌────────── respond / fail / peer's cancel ──────────┐
//! request ──▶ admitted ──(subscriptions/listen)──▶ listening ─────┤──▶ gone (handle is stale)
//!    └─▶ refused: answered at once, never in the table            │
//!                                        drain / end of input ────┘
//! ```

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;
use mcp_types::LoggingLevel;

use super::calls::{Calls, Entry};
use super::event::{CancelledBy, LinkEvent, Step};
use super::link_legacy::write_withdrawn;
use super::progress::{Progress, write_log, write_progress};
use super::subscription::Change;
use crate::config::ServerConfig;
use crate::error::{self, Stale, WireError};
use crate::frame::lines::{Line, Lines};
use crate::id::{CallId, WireId};
use crate::json::write;
use crate::legacy::batch::Batches;
use crate::legacy::{Peer, ServerRequests};
use crate::limits::Budget;
use crate::outbox::Outbox;
use crate::reply::Reply;
use crate::time::{Instant, Now, Wakeup, Why};

/// Whether the client may watch the resource of a URI; the error says why not.
pub type MayWatch<'a> = &'a dyn Fn(&str) -> Result<(), WireError>;

/// The server's end of one byte stream.
#[derive(Debug)]
pub struct Link {
    pub(super) config: Arc<ServerConfig>,
    pub(super) calls: Calls,
    pub(super) peer: Option<Peer>,
    pub(super) requests: ServerRequests<CallId>,
    lines: Lines,
    pub(super) budget: Budget,
    pub(super) batches: Batches,
    /// The budget was overdrawn: nothing more is read.
    pub(super) misbehaved: bool,
    /// A subscription is dirty, a progress report waits, or the legacy peer is dirty.
    pub(super) pending_frames: bool,
    /// The outbox was full when it was last seen: what waits needs room, not time.
    blocked: bool,
    /// When a report of progress that waits for its time is due: never late, early at most once after its call ended.
    progress_at: Instant,
    last_now: Now,
    pub(super) input_over: bool,
    closed: bool,
    /// New requests are refused: the server is going down.
    pub(super) draining: bool,
}

impl Link {
    /// A link that has seen nothing yet.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> Self {
        let limits = config.limits();
        Self {
            lines: Lines::new(limits.max_message),
            calls: Calls::new(limits.max_calls),
            requests: ServerRequests::new(limits.max_requests),
            budget: Budget::new(limits.violations),
            misbehaved: false,
            batches: Batches::new(limits.max_calls),
            peer: None,
            pending_frames: false,
            blocked: false,
            progress_at: Instant::MAX,
            last_now: Now::default(),
            input_over: false,
            closed: false,
            draining: false,
            config,
        }
    }

    /// Fires what is due, writes what waits, and reads at most one message. The client may watch every resource.
    pub fn next(&mut self, now: Now, input: &mut BytesMut, out: &mut Outbox) -> Step<LinkEvent> {
        self.next_for(now, input, out, &|_| Ok(()))
    }

    /// Like [`next`](Self::next), for a client that may not watch every resource: what it may not is left out of what a
    /// modern subscription is granted, and a legacy one is refused with the error.
    pub fn next_for(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
        may_watch: MayWatch<'_>,
    ) -> Step<LinkEvent> {
        self.last_now = now;
        if let Some(late) = self.requests.expired(now.instant) {
            write_withdrawn(out, late.id);
            return Step::Event(LinkEvent::Expired {
                call: late.waiter,
                request: late.id,
            });
        }
        if self.progress_at <= now.instant {
            self.progress_at = Instant::MAX;
            self.pending_frames = true;
        }
        loop {
            self.write_pending(now, out);
            self.blocked = out.is_full();
            if self.blocked {
                return Step::NeedFlush;
            }
            if self.closed {
                input.clear();
                return Step::NeedInput;
            }
            if self.misbehaved {
                return self.close(out);
            }
            if let Some(member) = self.batches.next_member() {
                if let Some(event) = self.receive_member(member, out, may_watch) {
                    return Step::Event(event);
                }
                continue;
            }
            let frame = match self.lines.next(input) {
                Line::Message(frame) => frame,
                Line::TooLong => {
                    let limit = self.config.limits().max_message;
                    let error = WireError::new(
                        error::INVALID_REQUEST,
                        format!("the message is longer than {limit} bytes and was skipped"),
                    );
                    write_failure(out, None, &error);
                    self.violation();
                    continue;
                }
                Line::NeedMore if self.input_over => match self.lines.finish(input) {
                    Some(frame) => frame,
                    None => return self.close(out),
                },
                Line::NeedMore => return Step::NeedInput,
            };
            if let Some(event) = self.receive(frame, out, may_watch) {
                return Step::Event(event);
            }
        }
    }

    /// The stream has no more input: end of file, error and hang-up alike.
    pub fn end_of_input(&mut self) {
        self.input_over = true;
    }

    /// Refuses requests from now on and ends every subscription gracefully; no event tells of their ends.
    ///
    /// Calls in flight can still be answered. 2026-07-28, subscriptions "Graceful Closure".
    pub fn drain(&mut self, out: &mut Outbox) {
        self.draining = true;
        let ids: Vec<CallId> = self.subscriptions().collect();
        for id in ids {
            let Ok(entry) = self.calls.remove(id) else {
                continue;
            };
            if let Some(subscription) = entry.subscription {
                subscription.write_end(out, &self.config);
                out.put_byte(b'\n');
                subscription.write_cancelled(out);
                out.put_byte(b'\n');
            }
        }
    }

    /// Answers a call; with -32603 when the message would be longer than `Limits::max_frame_out`.
    ///
    /// The answer to a member of a batch (2025-03-26) is written when the last of the batch is there.
    ///
    /// # Errors
    /// [`Stale`] when the call has ended; nothing is written then.
    pub fn respond(
        &mut self,
        id: CallId,
        reply: &Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), Stale> {
        self.conclude(id, out, |out, entry, config| {
            reply.write(out, &entry.id, entry.method, entry.revision, config);
        })
    }

    /// Answers a call with an error; with -32603 when the message would be longer than `Limits::max_frame_out`.
    ///
    /// # Errors
    /// [`Stale`] when the call has ended; nothing is written then.
    pub fn fail(&mut self, id: CallId, error: &WireError, out: &mut Outbox) -> Result<(), Stale> {
        self.conclude(id, out, |out, entry, _| {
            write::write_error(out, Some(&entry.id), error);
        })
    }

    /// The last words of a call: the progress that waits, the answer, and that its questions are void.
    fn conclude(
        &mut self,
        id: CallId,
        out: &mut Outbox,
        write: impl FnOnce(&mut Outbox, &Entry, &ServerConfig),
    ) -> Result<(), Stale> {
        self.flush_progress(id, out)?;
        let entry = self.calls.remove(id)?;
        let max = self.config.limits().max_frame_out;
        let batched = entry
            .batch
            .and_then(|batch| self.batches.answers(batch, max));
        let (to, room) = match batched {
            Some((answers, room)) => (answers, room),
            None => (&mut *out, max),
        };
        let (mark, before) = (to.mark(), to.len());
        write(to, &entry, &self.config);
        if to.len() - before > room {
            to.rollback(mark);
            let error = WireError::internal("the result is larger than this server may send");
            write::write_error(to, Some(&entry.id), &error);
        }
        to.put_byte(b'\n');
        if let Some(batch) = entry.batch {
            self.batches.ended(batch, true, out);
        }
        self.withdraw_all(id, out);
        Ok(())
    }

    /// Reports progress. Without a token, or when the value does not increase, nothing is sent; while
    /// the outbox is full, and within `Limits::progress_interval` of the last one, only the latest report is kept.
    ///
    /// # Errors
    /// [`Stale`] when the call has ended.
    pub fn progress(
        &mut self,
        now: Now,
        id: CallId,
        progress: Progress,
        out: &mut Outbox,
    ) -> Result<(), Stale> {
        let interval = self.config.limits().progress_interval;
        let entry = self.calls.get(id)?;
        let Some(token) = &entry.progress_token else {
            return Ok(());
        };
        if !entry.progress.offer(progress) {
            return Ok(());
        }
        if out.is_full() {
            self.pending_frames = true;
            self.blocked = true;
        } else if let Some(progress) = entry.progress.take(now.instant, interval) {
            write_progress(out, token, &progress, entry.revision);
            out.put_byte(b'\n');
        } else if let Some(due) = entry.progress.due() {
            self.progress_at = self.progress_at.min(due);
        }
        Ok(())
    }

    /// Sends a log message, if the client asked for its level. `data` is raw JSON. While the outbox is
    /// full the message is dropped, for the call's result matters more; so is one of more than
    /// `Limits::max_frame_out` bytes.
    ///
    /// # Errors
    /// [`Stale`] when the call has ended.
    pub fn log(
        &mut self,
        id: CallId,
        level: LoggingLevel,
        logger: Option<&str>,
        data: &str,
        out: &mut Outbox,
    ) -> Result<(), Stale> {
        let entry = self.calls.get(id)?;
        let wanted = entry.log_level.is_some_and(|least| level >= least);
        if wanted && !out.is_full() && data.len() <= self.config.limits().max_frame_out {
            write_log(out, level, logger, data);
            out.put_byte(b'\n');
        }
        Ok(())
    }

    /// Takes note of a change; the notifications are written by [`next`](Self::next).
    pub fn changed(&mut self, change: Change<'_>) {
        let ids: Vec<CallId> = self.subscriptions().collect();
        for id in ids {
            if let Ok(entry) = self.calls.get(id)
                && let Some(subscription) = &mut entry.subscription
            {
                self.pending_frames |= subscription.changed(change);
            }
        }
        if let Some(peer) = &mut self.peer {
            self.pending_frames |= peer.changed(change);
        }
    }

    /// When to call [`next`](Self::next) even if nothing happens. O(1).
    ///
    /// What waits for room in the outbox is no reason to wake up: call `next` after the flush.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        if self.pending_frames && !self.blocked {
            return Some(Wakeup::new(self.last_now.instant, Why::Pending));
        }
        let progress = (self.progress_at < Instant::MAX && self.calls.len() > 0)
            .then_some(Wakeup::new(self.progress_at, Why::Progress));
        let answer = self.requests.deadline();
        Wakeup::earlier(
            answer.map(|at| Wakeup::new(at, Why::AnswerOverdue)),
            progress,
        )
    }

    /// How many calls have no answer yet, subscriptions included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    fn subscriptions(&self) -> impl Iterator<Item = CallId> {
        self.calls
            .iter()
            .filter(|(_, entry)| entry.subscription.is_some())
            .map(|(id, _)| id)
    }

    /// Writes frames that waited for room, as far as there is room, and reports whose time has come.
    fn write_pending(&mut self, now: Now, out: &mut Outbox) {
        if !self.pending_frames {
            return;
        }
        let interval = self.config.limits().progress_interval;
        let ids: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, entry)| entry.has_frame())
            .map(|(id, _)| id)
            .collect();
        for id in ids {
            let Ok(entry) = self.calls.get(id) else {
                continue;
            };
            if !out.is_full()
                && let Some(token) = &entry.progress_token
                && let Some(progress) = entry.progress.take(now.instant, interval)
            {
                write_progress(out, token, &progress, entry.revision);
                out.put_byte(b'\n');
            }
            if let Some(due) = entry.progress.due().filter(|due| *due > now.instant) {
                self.progress_at = self.progress_at.min(due);
            }
            let Some(subscription) = &mut entry.subscription else {
                continue;
            };
            while !out.is_full() && subscription.write_next(out) {
                out.put_byte(b'\n');
            }
        }
        if let Some(peer) = &mut self.peer {
            while !out.is_full() && peer.write_next(out) {
                out.put_byte(b'\n');
            }
        }
        self.pending_frames = out.is_full()
            && (self.calls.iter().any(|(_, entry)| entry.has_frame())
                || self.peer.as_ref().is_some_and(Peer::is_dirty));
    }

    /// Writes the report that waits, however early: nothing may follow the answer.
    fn flush_progress(&mut self, id: CallId, out: &mut Outbox) -> Result<(), Stale> {
        let entry = self.calls.get(id)?;
        if let Some(token) = &entry.progress_token
            && let Some(progress) = entry.progress.flush()
        {
            write_progress(out, token, &progress, entry.revision);
            out.put_byte(b'\n');
        }
        Ok(())
    }

    pub(super) fn violation(&mut self) {
        self.misbehaved |= self.budget.consume().is_err();
    }

    fn close(&mut self, out: &mut Outbox) -> Step<LinkEvent> {
        self.batches.stop_reading(out);
        if let Some(gone) = self.requests.withdraw(|_| true) {
            return Step::Event(LinkEvent::Lost {
                call: gone.waiter,
                request: gone.id,
            });
        }
        // Nobody is left to hear of changes; the application learns it one subscription at a time.
        let ended = self.subscriptions().next();
        if let Some(id) = ended {
            let _ = self.calls.remove(id);
            return Step::Event(LinkEvent::Cancelled {
                id,
                by: CancelledBy::Disconnect,
            });
        }
        self.closed = true;
        Step::Event(LinkEvent::Closed {
            misbehaved: self.misbehaved,
        })
    }
}

/// Writes an error response and its newline.
pub(super) fn write_failure(out: &mut Outbox, id: Option<&WireId>, error: &WireError) {
    write::write_error(out, id, error);
    out.put_byte(b'\n');
}
