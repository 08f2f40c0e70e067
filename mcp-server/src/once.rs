//! Work that happens once along a chain of calls, not once for each run of the handler.
//!
//! Owns the memo: the result goes into the journal and is read from there in every later run. Must never be
//! interrupted by a suspension; only the end of the call or its own caller may drop it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use mcp_proto::seal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ask::AskError;
use crate::context::Context;
use crate::journal::{self, Kind};
use crate::script::Asked;

impl Context {
    /// Does `work` and remembers its result, so that it is not done again when the handler is run again.
    ///
    /// On a modern client a handler that asks questions runs once for each round; what stands in `once` is
    /// done in the first of these runs only. Its result travels with the client, sealed, so keep it small
    /// (64 KiB in all). On a legacy client it is simply done.
    ///
    /// Until the result is on its way, `work` may happen again: after a crash, or if the client repeats a
    /// request that it thinks lost. So it gets an idempotency key of 39 ASCII characters, which is the same
    /// in every run along one chain: pass it on to whatever must not be done twice.
    ///
    /// Results that are errors are remembered as well. To try again, return them from outside of `once`.
    ///
    /// # Errors
    /// [`AskError::Memo`] when the result cannot be serialised or does not read back as a `T`,
    /// [`AskError::Key`] for an unusable key, [`AskError::Ended`] when the call is over.
    pub async fn once<T, F, Fut>(&self, key: &str, work: F) -> Result<T, AskError>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = T>,
    {
        if self.is_inside_once() {
            return Err(AskError::InsideOnce);
        }
        let memo = |error: serde_json::Error| AskError::Memo {
            key: key.to_owned(),
            problem: error.to_string(),
        };
        let (slot, idempotency_key) = match self.look_up(key).await? {
            Memo::Known(result) => return serde_json::from_str(&result).map_err(memo),
            Memo::Do(slot, idempotency_key) => (slot, idempotency_key),
        };
        // If the caller drops this future, nobody works on it any more.
        let working = Working {
            context: self,
            slot,
        };
        let result = self.run_inside(work(idempotency_key)).await;
        let text = serde_json::to_string(&result).map_err(memo)?;
        self.cell().send(|state| {
            if let Some(script) = &mut state.script {
                script.record(slot, text);
            }
        });
        drop(working);
        Ok(result)
    }

    async fn look_up(&self, key: &str) -> Result<Memo, AskError> {
        let looked_up = self.cell().send(|state| {
            if state.ended || self.is_cancelled() {
                return Some(Err(AskError::Ended));
            }
            // In a legacy call nothing is replayed; the script only numbers the keys.
            let script = state.script.get_or_insert_with(|| self.new_script());
            match script.ask(key, Kind::Once, 0) {
                Ok(Asked::Answer(_, result)) => Some(Ok(Memo::Known(result))),
                Ok(Asked::Open(slot)) => Some(Ok(Memo::Do(
                    slot,
                    idempotency_key(script.chain(), script.key(slot)),
                ))),
                Ok(_) => Some(Err(AskError::Key(key.to_owned()))),
                Err(diverged) => {
                    state.failure.get_or_insert_with(|| diverged.into());
                    None
                }
            }
        });
        match looked_up {
            Some(memo) => memo,
            // The call fails; this handler is not polled again.
            None => std::future::pending().await,
        }
    }

    /// Polls `work` with the mark that it may not ask.
    async fn run_inside<Fut: Future>(&self, work: Fut) -> Fut::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let _inside = Inside::enter(self);
            match work.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

enum Memo {
    Known(String),
    /// The script's entry, and the idempotency key.
    Do(usize, String),
}

/// 22 characters for the chain, 16 for the key within it.
pub(crate) fn idempotency_key(chain: [u8; 16], key: &str) -> String {
    format!("{}.{:016x}", seal::to_text(&chain), journal::digest(&[key]))
}

struct Working<'a> {
    context: &'a Context,
    slot: usize,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.context.cell().send(|state| {
            if let Some(script) = &mut state.script {
                script.abandon(self.slot);
            }
        });
    }
}

/// While it lives, the current thread is polling the work of a `once`; also undone by a panic.
struct Inside<'a> {
    context: &'a Context,
    before: Option<std::thread::ThreadId>,
}

impl<'a> Inside<'a> {
    fn enter(context: &'a Context) -> Self {
        let before = context.set_inside_once(Some(std::thread::current().id()));
        Self { context, before }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.context.set_inside_once(self.before);
    }
}
