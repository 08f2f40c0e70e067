//! Questions to the client, in both eras: who asked what, and the future that waits for the answer.
//!
//! Owns the table of a call's open questions. On a legacy peer a question is a request on the call's own
//! stream; on a modern one it is looked up in the journal, and else stays open until the call suspends.
//! Must never hand a handler an answer that was not found valid, and never decide when a call suspends.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll, Waker};

use bytes::Bytes;
use mcp_proto::error::WireError;
use mcp_proto::id::RequestId;
use mcp_types::Json;

pub use crate::ask_error::AskError;
use crate::cell::{Output, State};
use crate::context::Context;
use crate::journal::Kind;
use crate::script::{Asked, Diverged};

/// The questions of one call that have no answer yet.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    slots: Vec<Option<Slot>>,
}

#[derive(Debug)]
struct Slot {
    method: &'static str,
    params: Json,
    status: Status,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Status {
    /// Legacy: in the queue.
    Queued,
    /// Legacy: on the wire.
    Sent(RequestId),
    /// Modern: goes out when the call suspends; the entry of the script.
    Open(usize),
    /// Modern: answered, but not its turn.
    Held(usize),
    /// To be picked up.
    Answered(Result<Bytes, AskError>),
}

impl Asks {
    fn insert(&mut self, slot: Slot) -> usize {
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or(self.slots.len());
        if free.is_none() {
            self.slots.push(None);
        }
        self.slots[index] = Some(slot);
        index
    }

    fn get(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index)?.as_mut()
    }

    /// Method and params of a question that is still wanted.
    pub(crate) fn request(&self, index: usize) -> Option<(&'static str, Json)> {
        let slot = self.slots.get(index)?.as_ref()?;
        matches!(slot.status, Status::Queued).then(|| (slot.method, slot.params.clone()))
    }

    /// The question is on the wire, or cannot be put there.
    pub(crate) fn sent(
        &mut self,
        index: usize,
        sent: Result<RequestId, AskError>,
    ) -> Option<Waker> {
        let slot = self.get(index)?;
        match sent {
            Ok(request) => {
                slot.status = Status::Sent(request);
                None
            }
            Err(error) => {
                slot.status = Status::Answered(Err(error));
                slot.waker.take()
            }
        }
    }

    /// The client answered a request.
    pub(crate) fn answered(
        &mut self,
        request: RequestId,
        answer: Result<Bytes, AskError>,
    ) -> Option<Waker> {
        let sent = |slot: &&mut Slot| matches!(slot.status, Status::Sent(id) if id == request);
        let slot = self.slots.iter_mut().flatten().find(sent)?;
        slot.status = Status::Answered(answer);
        slot.waker.take()
    }

    /// Nothing will be answered any more.
    pub(crate) fn end(&mut self) -> Vec<Waker> {
        let slots = self.slots.iter_mut().flatten();
        slots
            .filter_map(|slot| {
                slot.status = Status::Answered(Err(AskError::Ended));
                slot.waker.take()
            })
            .collect()
    }

    /// Those that wait for their turn, to be polled again; `None` if there are none.
    pub(crate) fn held(&mut self) -> Option<Vec<Waker>> {
        let held = |slot: &&mut Slot| matches!(slot.status, Status::Held(_));
        let mut any = false;
        let held = self
            .slots
            .iter_mut()
            .flatten()
            .filter(held)
            .inspect(|_| any = true);
        let wakers = held.filter_map(|slot| slot.waker.take()).collect();
        any.then_some(wakers)
    }

    /// The questions to put to the client, in the order in which they were asked first.
    pub(crate) fn open(&self) -> Vec<(usize, &'static str, &Json)> {
        let mut open: Vec<_> = self
            .slots
            .iter()
            .flatten()
            .filter_map(|slot| match slot.status {
                Status::Open(entry) => Some((entry, slot.method, &slot.params)),
                _ => None,
            })
            .collect();
        open.sort_by_key(|(entry, ..)| *entry);
        open
    }
}

/// What makes an answer acceptable; says where and why not.
pub(crate) type Check<'a> = Box<dyn Fn(&str) -> Result<(), String> + Send + 'a>;

/// A question.
pub(crate) struct Question<'a> {
    pub(crate) key: &'a str,
    pub(crate) kind: Kind,
    /// Of what the answer has to look like.
    pub(crate) digest: u64,
    pub(crate) method: &'static str,
    pub(crate) params: Json,
    pub(crate) check: Check<'a>,
}

/// Waits for the raw answer, which has been found valid.
pub(crate) struct Ask<'a> {
    context: &'a Context,
    question: Question<'a>,
    slot: Option<usize>,
}

impl<'a> Ask<'a> {
    pub(crate) const fn new(context: &'a Context, question: Question<'a>) -> Self {
        Self {
            context,
            question,
            slot: None,
        }
    }

    fn first_poll(&mut self, state: &mut State, waker: &Waker) -> Poll<Result<Bytes, AskError>> {
        if state.ended || self.context.is_cancelled() {
            return Poll::Ready(Err(AskError::Ended));
        }
        if !self.context.inner.facts.is_modern() {
            let slot = self.insert(state, Status::Queued, waker);
            state.queue.push_back(Output::Ask(slot));
            return Poll::Pending;
        }
        if !self.context.may_suspend() {
            return Poll::Ready(Err(AskError::NotHere(self.context.method_name())));
        }
        let question = &self.question;
        let script = state
            .script
            .get_or_insert_with(|| self.context.new_script());
        match script.ask(question.key, question.kind, question.digest) {
            Ok(asked) => self.asked(state, asked, waker),
            Err(diverged) => Self::fail(state, diverged.into()),
        }
    }

    fn asked(
        &mut self,
        state: &mut State,
        asked: Asked,
        waker: &Waker,
    ) -> Poll<Result<Bytes, AskError>> {
        match asked {
            Asked::Answer(entry, answer) => {
                if let Err(problem) = (self.question.check)(&answer) {
                    let key = state.script.as_ref().map_or("", |script| script.key(entry));
                    let message = format!("params.inputResponses.{key}: {problem}");
                    return Self::fail(state, WireError::invalid_params(message));
                }
                if let Some(script) = &mut state.script {
                    script.consume(entry);
                }
                Poll::Ready(Ok(answer.into()))
            }
            Asked::Held(entry) => self.wait(state, Status::Held(entry), waker),
            Asked::Open(entry) => self.wait(state, Status::Open(entry), waker),
            Asked::TooManyRounds => Poll::Ready(Err(AskError::TooManyRounds)),
            Asked::BadKey => Poll::Ready(Err(AskError::Key(self.question.key.to_owned()))),
        }
    }

    /// The call fails whatever the handler does; the handler is not polled again.
    fn fail(state: &mut State, failure: WireError) -> Poll<Result<Bytes, AskError>> {
        state.failure.get_or_insert(failure);
        Poll::Pending
    }

    fn wait(
        &mut self,
        state: &mut State,
        status: Status,
        waker: &Waker,
    ) -> Poll<Result<Bytes, AskError>> {
        match self.slot.and_then(|slot| state.asks.get(slot)) {
            Some(slot) => {
                slot.status = status;
                slot.waker = Some(waker.clone());
            }
            None => {
                self.insert(state, status, waker);
            }
        }
        Poll::Pending
    }

    fn insert(&mut self, state: &mut State, status: Status, waker: &Waker) -> usize {
        let slot = state.asks.insert(Slot {
            method: self.question.method,
            params: self.question.params.clone(),
            status,
            waker: Some(waker.clone()),
        });
        self.slot = Some(slot);
        slot
    }

    fn next_poll(
        &mut self,
        state: &mut State,
        slot: usize,
        waker: &Waker,
    ) -> Poll<Result<Bytes, AskError>> {
        let Some(entry) = state.asks.get(slot) else {
            return Poll::Pending;
        };
        match &mut entry.status {
            Status::Queued | Status::Sent(_) | Status::Open(_) => {
                if !entry
                    .waker
                    .as_ref()
                    .is_some_and(|known| known.will_wake(waker))
                {
                    entry.waker = Some(waker.clone());
                }
                Poll::Pending
            }
            Status::Held(index) => {
                let index = *index;
                let Some(script) = &mut state.script else {
                    return Poll::Pending;
                };
                let asked = script.retry(index);
                self.asked(state, asked, waker)
            }
            Status::Answered(answer) => {
                let answer = core::mem::replace(answer, Err(AskError::Ended));
                let checked = answer.and_then(|answer| self.checked(answer));
                Poll::Ready(checked)
            }
        }
    }

    /// A legacy answer: the handler is told what is wrong with it.
    fn checked(&self, answer: Bytes) -> Result<Bytes, AskError> {
        let text = core::str::from_utf8(&answer).unwrap_or_default();
        match (self.question.check)(text) {
            Ok(()) => Ok(answer),
            Err(problem) => Err(AskError::Answer {
                key: self.question.key.to_owned(),
                problem,
            }),
        }
    }
}

impl Future for Ask<'_> {
    type Output = Result<Bytes, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let cell = this.context.cell();
        if this.context.is_inside_once() {
            return Poll::Ready(Err(AskError::InsideOnce));
        }
        let polled = cell.send(|state| match this.slot {
            None => this.first_poll(state, cx.waker()),
            Some(slot) => this.next_poll(state, slot, cx.waker()),
        });
        if polled.is_ready() {
            this.leave();
        }
        polled
    }
}

impl Ask<'_> {
    fn leave(&mut self) {
        let Some(index) = self.slot.take() else {
            return;
        };
        let mut state = self.context.cell().lock();
        let Some(slot) = state.asks.slots.get_mut(index).and_then(Option::take) else {
            return;
        };
        match slot.status {
            Status::Open(entry) | Status::Held(entry) => {
                if let Some(script) = &mut state.script {
                    script.abandon(entry);
                }
            }
            Status::Sent(request) if !state.ended => {
                state.queue.push_back(Output::Withdraw(request))
            }
            _ => {}
        }
        drop(state);
        // The waker, and with it maybe a task, goes only after the lock.
        drop(slot.waker);
    }
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl From<Diverged> for WireError {
    fn from(diverged: Diverged) -> Self {
        let message = format!(
            "the handler did not repeat itself at `{}`, so its recorded state cannot be used; start the call \
             again without requestState",
            diverged.key
        );
        let data = Json::parse(r#"{"reason":"journal_diverged"}"#);
        let error = Self::internal(message);
        match data {
            Ok(data) => error.with_data(data),
            Err(_) => error,
        }
    }
}

/// What a client's answer to a request comes to.
pub(crate) fn outcome(outcome: Result<Bytes, Bytes>) -> Result<Bytes, AskError> {
    outcome.map_err(|object| AskError::refused(core::str::from_utf8(&object).unwrap_or("{}")))
}
