//! The messages of one session, on their way from the POSTs that brought them to the stream that reads them.
//!
//! Owns the queue and its bounds. POSTs and the stream are on different connections and threads: what is put in is read or
//! wakes the reader, and nobody is woken under the lock. Must never take a message for a stream that is closed.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::Waker;

use bytes::Bytes;

use crate::connection::Sender;
use crate::http::gauge::Permit;
use crate::sync::{Mutex, MutexGuard};

/// One message, or a batch of them.
#[derive(Debug)]
pub(crate) struct Message {
    /// Without a line break.
    pub(crate) line: Bytes,
    pub(crate) sender: Sender,
    /// One for each call that it may begin.
    pub(crate) permits: Vec<Permit>,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Too much waits already.
    Full,
    /// The stream has ended.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    max: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    bytes: usize,
    reader: Option<Waker>,
    closed: bool,
}

impl Inbox {
    /// At most `max` messages wait, and `max_bytes` of them unless it is one alone.
    pub(crate) fn new(max: usize, max_bytes: usize) -> Self {
        Self {
            max,
            max_bytes,
            state: Mutex::default(),
        }
    }

    /// Puts a message behind the others and wakes the reader.
    pub(crate) fn put(&self, message: Message) -> Result<(), NotTaken> {
        let length = message.line.len();
        let mut state = self.lock();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        let fits =
            state.messages.is_empty() || length <= self.max_bytes.saturating_sub(state.bytes);
        if state.messages.len() >= self.max || !fits {
            return Err(NotTaken::Full);
        }
        state.bytes += length;
        state.messages.push_back(message);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// The next message; without one, `reader` is woken when there is.
    pub(crate) fn take(&self, reader: &Waker) -> Option<Message> {
        let mut state = self.lock();
        if let Some(message) = state.messages.pop_front() {
            state.bytes -= message.line.len();
            return Some(message);
        }
        let former = match &state.reader {
            Some(known) if known.will_wake(reader) => None,
            _ => state.reader.replace(reader.clone()),
        };
        drop(state);
        // Outside of the lock: a waker may own a task.
        drop(former);
        None
    }

    /// Takes nothing any more; what waits is nobody's.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        let rest = core::mem::take(&mut *state);
        state.closed = true;
        drop(state);
        drop(rest);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Message {
    /// Nobody's.
    pub(crate) fn of(line: &'static str) -> Self {
        Self {
            line: Bytes::from_static(line.as_bytes()),
            sender: Sender::default(),
            permits: Vec::new(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn put(inbox: &Inbox, line: &'static str) -> Result<(), NotTaken> {
        inbox.put(Message::of(line))
    }

    fn take(inbox: &Inbox) -> Option<Bytes> {
        inbox.take(Waker::noop()).map(|message| message.line)
    }

    #[test]
    fn messages_keep_their_order_and_their_bounds() {
        let inbox = Inbox::new(3, 4);
        assert_eq!(put(&inbox, "abcdef"), Ok(()), "alone");
        assert_eq!(put(&inbox, "x"), Err(NotTaken::Full), "bytes");
        assert_eq!(take(&inbox).unwrap(), "abcdef");
        for line in ["a", "bc", "d"] {
            assert_eq!(put(&inbox, line), Ok(()));
        }
        assert_eq!(put(&inbox, ""), Err(NotTaken::Full), "messages");
        assert_eq!(take(&inbox).unwrap(), "a");
        assert_eq!(put(&inbox, "ef"), Err(NotTaken::Full), "bytes");
        assert_eq!(put(&inbox, "e"), Ok(()));
        let rest: Vec<Bytes> = core::iter::from_fn(|| take(&inbox)).collect();
        assert_eq!(rest, ["bc", "d", "e"]);
    }

    #[test]
    fn a_closed_inbox_takes_nothing_and_has_nothing() {
        let inbox = Inbox::new(3, 4);
        put(&inbox, "a").unwrap();
        inbox.close();
        assert_eq!(put(&inbox, "b"), Err(NotTaken::Closed));
        assert!(take(&inbox).is_none());
    }
}
