//! What one legacy session has attached while it is used.
//!
//! Owns the peer, the calls in flight, our requests to the client, the replay ring and who reads which
//! stream. Must never wake under its lock: every change returns the wakers to ring.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use mcp_proto::id::{RequestId, WireId};
use mcp_proto::legacy::{GENERAL, Peer, Replay, ServerRequests, SessionKey};
use mcp_proto::outbox::Outbox;
use mcp_proto::time::Instant;

use crate::hub::Registration;

/// A session's state, shared by the requests that use it at the moment.
pub(super) type SessionCell = Arc<Mutex<Session>>;

pub(super) fn lock(cell: &SessionCell) -> MutexGuard<'_, Session> {
    // No handler runs under this lock, and every state between two statements is valid.
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a request of ours ended: with the client's result or error object, or without an answer.
pub(super) type Answer = (RequestId, Option<Result<Bytes, Bytes>>);

#[derive(Debug)]
pub(super) struct Session {
    /// Of this state alone: what an earlier one of the session sent names nothing in here.
    pub(super) mark: SessionKey,
    pub(super) peer: Peer,
    pub(super) replay: Replay,
    pub(super) requests: ServerRequests<u64>,
    /// Joins the hub with the first subscription or stream.
    pub(super) hub: Option<Registration>,
    /// The position of the last event of the general stream that went to a reader: the next reader that
    /// names none goes on behind it, for each message goes to one stream only.
    pub(super) told: Option<u64>,
    calls: Vec<Parked>,
    readers: Vec<Seat>,
    next: u64,
    ended: bool,
}

/// A call in flight.
#[derive(Debug)]
struct Parked {
    key: u64,
    id: WireId,
    waker: Waker,
    cancelled: bool,
    answers: Vec<Answer>,
}

/// The reader of a stream. A newer one takes the seat: it is the same client, come back.
#[derive(Debug)]
struct Seat {
    stream: u64,
    reader: u64,
    waker: Waker,
}

/// What a call has to know before it is polled.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) cancelled: bool,
    /// To be dropped outside of the lock: a waker may own a task.
    pub(super) _old: Option<Waker>,
    pub(super) answers: Vec<Answer>,
}

impl Session {
    pub(super) fn new(mark: SessionKey, peer: Peer, limits: &mcp_proto::limits::Limits) -> Self {
        Self {
            mark,
            peer,
            replay: Replay::new(mark, limits.replay_bytes, limits.replay_events),
            told: None,
            requests: ServerRequests::marked(limits.max_requests, mark.tag() as u32),
            hub: None,
            calls: Vec::new(),
            readers: Vec::new(),
            next: 0,
            ended: false,
        }
    }

    /// Whether the client ended the session.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    fn key(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    // ---- Calls ----

    /// Whether `max` calls are in flight.
    pub(super) fn is_full(&self, max: usize) -> bool {
        self.calls.len() >= max
    }

    /// Enters a call; `None` when `max` are in flight.
    pub(super) fn enlist(&mut self, id: WireId, waker: &Waker, max: usize) -> Option<u64> {
        if self.is_full(max) || self.ended {
            return None;
        }
        let key = self.key();
        let waker = waker.clone();
        self.calls.push(Parked {
            key,
            id,
            waker,
            cancelled: false,
            answers: Vec::new(),
        });
        Some(key)
    }

    /// Removes a call that is over. Its waker is to be dropped outside of the lock.
    pub(super) fn strike(&mut self, key: u64) -> Option<Waker> {
        while self.requests.withdraw(|waiter| *waiter == key).is_some() {}
        let at = self.calls.iter().position(|call| call.key == key)?;
        Some(self.calls.swap_remove(at).waker)
    }

    /// Takes what happened to a call, and wakes `waker` at the next event.
    pub(super) fn news(&mut self, key: u64, waker: &Waker) -> News {
        let Some(call) = self.calls.iter_mut().find(|call| call.key == key) else {
            return News {
                cancelled: true,
                ..News::default()
            };
        };
        News {
            _old: renew(&mut call.waker, waker),
            cancelled: call.cancelled,
            answers: core::mem::take(&mut call.answers),
        }
    }

    /// Cancels the call with the client's `id`. Unknown ids are nobody's.
    #[must_use]
    pub(super) fn cancel(&mut self, id: &WireId) -> Option<Waker> {
        let call = self
            .calls
            .iter_mut()
            .find(|call| call.id == *id && !call.cancelled)?;
        call.cancelled = true;
        Some(call.waker.clone())
    }

    /// Hands the client's answer to the call that waits for it. Late answers are nobody's.
    #[must_use]
    pub(super) fn answered(&mut self, token: &str, outcome: Result<Bytes, Bytes>) -> Option<Waker> {
        let answer = self.requests.answered(token)?;
        self.deliver(answer.waiter, (answer.id, Some(outcome)))
    }

    /// Ends our requests whose time is over.
    #[must_use]
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while let Some(answer) = self.requests.expired(now) {
            wakers.extend(self.deliver(answer.waiter, (answer.id, None)));
        }
        wakers
    }

    fn deliver(&mut self, key: u64, answer: Answer) -> Option<Waker> {
        let call = self.calls.iter_mut().find(|call| call.key == key)?;
        call.answers.push(answer);
        Some(call.waker.clone())
    }

    // ---- Streams ----

    /// Encodes a message for `stream`, keeps it for replay, and says whom to wake.
    pub(super) fn send(
        &mut self,
        stream: u64,
        write: impl FnOnce(&mut Outbox),
    ) -> (Bytes, Option<Waker>) {
        let reader = self.reader(stream);
        let event = self.replay.push(stream, reader.is_some(), write);
        (event, reader)
    }

    /// Ends a call's stream.
    #[must_use]
    pub(super) fn end_stream(&mut self, stream: u64) -> Option<Waker> {
        self.replay.end(stream);
        self.reader(stream)
    }

    /// Takes the seat of `stream`'s reader; the one who had it is woken to leave.
    pub(super) fn sit(&mut self, stream: u64, waker: &Waker) -> (u64, Option<Waker>) {
        let reader = self.key();
        let former = self.readers.iter().position(|seat| seat.stream == stream);
        let former = former.map(|at| self.readers.swap_remove(at).waker);
        self.readers.push(Seat {
            stream,
            reader,
            waker: waker.clone(),
        });
        (reader, former)
    }

    /// Whether `reader` still has its seat; wakes `waker` at the next event. The waker that it had is to be
    /// dropped outside of the lock.
    pub(super) fn sits(&mut self, reader: u64, waker: &Waker) -> (bool, Option<Waker>) {
        match self.readers.iter_mut().find(|seat| seat.reader == reader) {
            Some(seat) => (true, renew(&mut seat.waker, waker)),
            None => (false, None),
        }
    }

    /// Leaves the seat.
    pub(super) fn stand(&mut self, reader: u64) -> Option<Waker> {
        let at = self.readers.iter().position(|seat| seat.reader == reader)?;
        self.replay.trim(self.readers[at].stream);
        Some(self.readers.swap_remove(at).waker)
    }

    fn reader(&self, stream: u64) -> Option<Waker> {
        self.readers
            .iter()
            .find(|seat| seat.stream == stream)
            .map(|seat| seat.waker.clone())
    }

    // ---- Changes ----

    /// Moves what the hub reports into the general stream.
    pub(super) fn collect_changes(&mut self, cx: &mut core::task::Context<'_>) {
        if let Some(hub) = &mut self.hub {
            let replay = &mut self.replay;
            hub.take(cx, |change| {
                replay.push(GENERAL, true, |out| {
                    mcp_proto::server::write_change(out, change, None)
                });
            });
        }
    }

    /// Joins the hub with the peer's filter, or tells it of a new one.
    pub(super) fn listen(&mut self, hub: &crate::Hub) {
        self.hub
            .get_or_insert_with(|| hub.register())
            .listen(None, self.peer.filter());
    }

    /// Ends the session: calls are cancelled, streams end.
    #[must_use]
    pub(super) fn end(&mut self) -> Vec<Waker> {
        self.ended = true;
        self.hub = None;
        let mut wakers: Vec<Waker> = self.readers.drain(..).map(|seat| seat.waker).collect();
        for call in &mut self.calls {
            call.cancelled = true;
            wakers.push(call.waker.clone());
        }
        wakers
    }
}

/// Sets a waker and returns the one that it replaces, if it wakes somebody else.
fn renew(known: &mut Waker, waker: &Waker) -> Option<Waker> {
    (!known.will_wake(waker)).then(|| core::mem::replace(known, waker.clone()))
}
