//! The answer to one request, on its way from the machine to whoever waits for it.
//!
//! Owns the place where it is put. An answer is put there once; one that nobody waits for is cancelled.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mcp_server::proto::client::{Outcome, Refused};
use mcp_server::proto::id::RequestId;

use super::{Command, Shared};

/// Where an answer is put.
#[derive(Debug, Default)]
pub(super) struct Place(Mutex<Waits>);

#[derive(Debug)]
enum Waits {
    Waiting {
        /// Once it is sent.
        id: Option<RequestId>,
        waker: Option<Waker>,
    },
    Ended(Result<Outcome, Refused<()>>),
    /// Nobody waits for it any more.
    Left,
}

impl Default for Waits {
    fn default() -> Self {
        Self::Waiting {
            id: None,
            waker: None,
        }
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the answer there; the first one stays.
    pub(super) fn end(&self, outcome: Result<Outcome, Refused<()>>) {
        let mut waits = self.lock();
        if let Waits::Waiting { waker, .. } = &mut *waits {
            let waker = waker.take();
            *waits = Waits::Ended(outcome);
            drop(waits);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// The request was sent. Says whether anybody still waits for its answer.
    pub(super) fn sent(&self, sent: RequestId) -> bool {
        match &mut *self.lock() {
            Waits::Waiting { id, .. } => *id = Some(sent),
            Waits::Ended(_) => {}
            Waits::Left => return false,
        }
        true
    }

    pub(super) fn is_left(&self) -> bool {
        matches!(&*self.lock(), Waits::Left)
    }
}

/// The machine's side of an answer. Opaque.
#[derive(Debug)]
pub struct Token(pub(super) Arc<Place>);

impl Drop for Token {
    /// Nobody will answer any more.
    fn drop(&mut self) {
        self.0.end(Ok(Outcome::Lost));
    }
}

/// The answer to one request, in time. Dropping it cancels the request on the wire.
#[must_use = "a request whose answer is dropped is cancelled"]
#[derive(Debug)]
pub struct Answer {
    pub(super) place: Arc<Place>,
    pub(super) shared: Arc<Shared>,
}

impl Answer {
    /// The request's handle, by which progress and changes name it; `None` until it is sent and after it has ended.
    #[must_use]
    pub fn id(&self) -> Option<RequestId> {
        match &*self.place.lock() {
            Waits::Waiting { id, .. } => *id,
            _ => None,
        }
    }
}

impl Future for Answer {
    /// How the request ended, or why it was never sent.
    type Output = Result<Outcome, Refused<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waits = self.place.lock();
        if let Waits::Waiting { waker, .. } = &mut *waits {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        match mem::replace(&mut *waits, Waits::Left) {
            Waits::Ended(outcome) => Poll::Ready(outcome),
            // Polled again after the end: nothing more will come.
            _ => Poll::Pending,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let waits = mem::replace(&mut *self.place.lock(), Waits::Left);
        if let Waits::Waiting { id: Some(id), .. } = waits {
            // A machine that is gone has nothing to cancel.
            let _ = self.shared.push(Command::Cancel(id));
        }
    }
}
