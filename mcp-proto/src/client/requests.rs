//! The request table of a client: everything that was sent and has no ending yet.
//!
//! Owns tokens, deadlines and what each request has heard. A request leaves the table in one place and
//! for one reason. The next deadline is cached: never late, and early at most until it is looked at.

use alloc::vec::Vec;

use crate::id::{RequestId, Slab};
use crate::method::Method;
use crate::time::Instant;

use super::event::{Limit, RequestOptions};

/// One request without an ending.
#[derive(Debug)]
pub(super) struct Request<T> {
    pub(super) token: T,
    pub(super) method: Method,
    /// Written in a modern revision.
    pub(super) modern: bool,
    /// The progress heard last, if progress was asked for.
    pub(super) progress: Option<Heard>,
    /// What a `subscriptions/listen` has been granted, once it is acknowledged.
    pub(super) granted: Option<Granted>,
    options: RequestOptions,
    /// When the silence becomes too long.
    idle_at: Instant,
    total_at: Instant,
}

/// The last report, if any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard(pub(super) Option<f64>);

/// Kinds of notifications that an acknowledgment named.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Granted {
    pub(super) tools: bool,
    pub(super) prompts: bool,
    pub(super) resources: bool,
    pub(super) updates: bool,
}

impl<T> Request<T> {
    pub(super) fn new(
        now: Instant,
        method: Method,
        modern: bool,
        options: RequestOptions,
        token: T,
    ) -> Self {
        let after = |limit: Option<core::time::Duration>| limit.map_or(Instant::MAX, |d| now + d);
        Self {
            token,
            method,
            modern,
            progress: options.progress.then(Heard::default),
            granted: None,
            options,
            idle_at: after(options.idle),
            total_at: after(options.total),
        }
    }

    /// A sign of life: the silence starts anew, the total does not.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Some(idle) = self.options.idle {
            self.idle_at = now + idle;
        }
    }

    fn deadline(&self) -> Instant {
        self.idle_at.min(self.total_at)
    }

    fn limit(&self) -> Limit {
        if self.idle_at < self.total_at {
            Limit::Idle
        } else {
            Limit::Total
        }
    }
}

/// Bounded by `Limits::max_requests`.
#[derive(Debug)]
pub(super) struct Requests<T> {
    slab: Slab<Request<T>>,
    /// The earliest deadline, or an earlier one whose owner has left or was reset.
    next_deadline: Instant,
    /// Requests that are due, the first one last. Ids only: one may have ended meanwhile.
    due: Vec<(Instant, RequestId)>,
}

impl<T> Requests<T> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            slab: Slab::new(max),
            next_deadline: Instant::MAX,
            due: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, request: Request<T>) -> Result<RequestId, Request<T>> {
        let deadline = request.deadline();
        let key = self.slab.insert(request)?;
        self.next_deadline = self.next_deadline.min(deadline);
        Ok(RequestId::new(key))
    }

    pub(super) fn is_full(&self) -> bool {
        self.slab.is_full()
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&Request<T>> {
        let (slot, generation) = id.key();
        self.slab.get(slot, generation)
    }

    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut Request<T>> {
        let (slot, generation) = id.key();
        self.slab.get_mut(slot, generation)
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<Request<T>> {
        let (slot, generation) = id.key();
        let request = self.slab.remove(slot, generation)?;
        if self.slab.is_empty() {
            self.next_deadline = Instant::MAX;
            self.due.clear();
        }
        Some(request)
    }

    /// Takes one request whose deadline has passed, earliest first.
    pub(super) fn expired(&mut self, now: Instant) -> Option<(RequestId, Request<T>, Limit)> {
        loop {
            while let Some((_, id)) = self.due.pop() {
                if let Some(request) = self.remove(id) {
                    let limit = request.limit();
                    return Some((id, request, limit));
                }
            }
            if self.next_deadline > now {
                return None;
            }
            // One pass finds everything that is due and the deadline after that.
            self.next_deadline = Instant::MAX;
            for (key, request) in self.slab.iter() {
                let deadline = request.deadline();
                if deadline <= now {
                    self.due.push((deadline, RequestId::new(key)));
                } else {
                    self.next_deadline = self.next_deadline.min(deadline);
                }
            }
            if self.due.is_empty() {
                return None;
            }
            self.due.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// Makes every request due at once, because the stream is over.
    pub(super) fn end_all(&mut self) {
        self.due.clear();
        let ids = self.slab.iter().map(|(key, _)| RequestId::new(key));
        self.due.extend(ids.map(|id| (Instant::default(), id)));
        self.due.reverse();
        self.next_deadline = Instant::MAX;
    }

    /// Takes one request that [`end_all`](Self::end_all) has found.
    pub(super) fn next_ended(&mut self) -> Option<(RequestId, Request<T>)> {
        while let Some((_, id)) = self.due.pop() {
            if let Some(request) = self.remove(id) {
                return Some((id, request));
            }
        }
        None
    }

    /// When [`expired`](Self::expired) should be asked next. O(1).
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.due.last() {
            Some((at, _)) => Some(*at),
            None => (self.next_deadline < Instant::MAX).then_some(self.next_deadline),
        }
    }
}
