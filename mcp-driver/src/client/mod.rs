//! The client's end of a byte stream, driven by the same loop as a server's.
//!
//! Owns what is between the core's [`Client`] and those who use it from other tasks or threads: a short queue of what is
//! to be said, and one place for each answer. Must never decide anything about the protocol, and never keep what nobody
//! waits for.

mod answer;

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::BytesMut;
use mcp_server::proto::client::{Client, ClientConfig, ClientEvent, Refused, RequestOptions};
use mcp_server::proto::error::WireError;
use mcp_server::proto::id::{CallId, RequestId};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::server::Step;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::types::Revision;
use mcp_server::{Demand, Machine};

use answer::Place;
pub use answer::{Answer, Token};

/// Makes a client: the machine for a [`Pump`](crate::Pump), and the handle for everybody else.
///
/// `heard` is told what belongs to no answer: progress, changes, log messages, what a legacy server asks, and the end.
/// It is called by the loop and must not block.
pub fn client<F>(config: Arc<ClientConfig>, heard: F) -> (ClientConnection<F>, ClientHandle)
where
    F: FnMut(ClientEvent<Token>),
{
    let limits = config.limits();
    let shared = Arc::new(Shared {
        max_queued: limits.max_requests,
        state: Mutex::new(State {
            handles: 1,
            ..State::default()
        }),
    });
    let connection = ClientConnection {
        outbox_high: limits.outbox_high,
        shutdown_bound: limits.shutdown_bound,
        client: Client::new(config),
        shared: Arc::clone(&shared),
        heard,
        draining: false,
        ending: None,
        input_over: false,
        closed: false,
    };
    (connection, ClientHandle { shared })
}

/// What the handles and the machine share.
#[derive(Debug)]
struct Shared {
    /// How much may wait to be said: `Limits::max_requests`.
    max_queued: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Command>,
    /// The machine's.
    waker: Option<Waker>,
    handles: usize,
    /// No new requests are taken.
    draining: bool,
    /// The machine is gone or done: nothing is taken.
    closed: bool,
}

#[derive(Debug)]
enum Command {
    Request {
        method: String,
        params: String,
        options: RequestOptions,
        token: Token,
    },
    Notify {
        method: String,
        params: String,
    },
    Cancel(RequestId),
    Respond(CallId, String),
    Fail(CallId, WireError),
    Speak(Revision),
}

impl Command {
    /// Tells whoever waits for it that it was not said.
    fn refuse(self, why: Refused<()>) {
        if let Self::Request { token, .. } = self {
            token.0.end(Err(why));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid between any two statements that hold the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a command to the machine, or says why not.
    fn push(&self, command: Command) -> Result<(), Refused<()>> {
        // What ends something is taken as long as anybody reads it, and there is no more of it than was begun.
        let begins = matches!(command, Command::Request { .. } | Command::Notify { .. });
        let mut state = self.lock();
        let why = if state.closed || (begins && state.draining) {
            Refused::Closed(())
        } else if begins && state.queue.len() >= self.max_queued {
            Refused::AtCapacity(())
        } else {
            state.queue.push_back(command);
            wake(state);
            return Ok(());
        };
        drop(state);
        command.refuse(why);
        Err(why)
    }

    /// Takes nothing any more.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let queue = mem::take(&mut state.queue);
        drop(state);
        for command in queue {
            command.refuse(Refused::Closed(()));
        }
    }
}

/// Wakes the machine, without the lock: a waker may run anything.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Says things to the server, from any task or thread. When the last handle is gone and everything was answered, the
/// connection ends.
#[derive(Debug)]
pub struct ClientHandle {
    shared: Arc<Shared>,
}

impl Clone for ClientHandle {
    fn clone(&self) -> Self {
        self.shared.lock().handles += 1;
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for ClientHandle {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.handles -= 1;
        if state.handles == 0 {
            wake(state);
        }
    }
}

impl ClientHandle {
    /// Sends a request. `params` is a raw JSON object without `_meta`, or empty. Dropping the answer cancels the request.
    pub fn request(
        &self,
        method: impl Into<String>,
        params: impl Into<String>,
        options: RequestOptions,
    ) -> Answer {
        let place = Arc::new(Place::default());
        let request = Command::Request {
            method: method.into(),
            params: params.into(),
            options,
            token: Token(Arc::clone(&place)),
        };
        // A refusal is the answer.
        let _ = self.shared.push(request);
        Answer {
            place,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Sends a notification. `params` is a raw JSON object or empty; one that the core refuses is not sent.
    ///
    /// # Errors
    /// When the connection is over, or as much waits to be said as may.
    pub fn notify(
        &self,
        method: impl Into<String>,
        params: impl Into<String>,
    ) -> Result<(), Refused<()>> {
        let (method, params) = (method.into(), params.into());
        self.shared.push(Command::Notify { method, params })
    }

    /// Answers what a legacy server asked ([`ClientEvent::Asked`]). `result` is a raw JSON object. Nothing is sent when the
    /// server no longer wants it.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn respond(&self, id: CallId, result: impl Into<String>) -> Result<(), Refused<()>> {
        self.shared.push(Command::Respond(id, result.into()))
    }

    /// Answers what a legacy server asked with an error.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn fail(&self, id: CallId, error: WireError) -> Result<(), Refused<()>> {
        self.shared.push(Command::Fail(id, error))
    }

    /// Changes the revision of what is sent from now on: what a probe or a handshake agreed upon.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn speak(&self, revision: Revision) -> Result<(), Refused<()>> {
        self.shared.push(Command::Speak(revision))
    }
}

/// The client's machine. See [`client`].
pub struct ClientConnection<F> {
    client: Client<Token>,
    shared: Arc<Shared>,
    heard: F,
    outbox_high: usize,
    shutdown_bound: Duration,
    draining: bool,
    /// The end has begun, and must be reached by then.
    ending: Option<Instant>,
    input_over: bool,
    closed: bool,
}

impl<F> fmt::Debug for ClientConnection<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConnection")
            .field("in_flight", &self.client.in_flight())
            .finish_non_exhaustive()
    }
}

impl<F> Drop for ClientConnection<F> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<F: FnMut(ClientEvent<Token>)> ClientConnection<F> {
    /// Says what waits to be said, as far as there is room.
    fn say(&mut self, now: Now, out: &mut Outbox) {
        while !out.is_full() {
            let Some(command) = self.shared.lock().queue.pop_front() else {
                return;
            };
            self.run(now, command, out);
        }
    }

    fn run(&mut self, now: Now, command: Command, out: &mut Outbox) {
        let client = &mut self.client;
        // Whatever is stale has ended in between: nothing is to be said about it any more.
        let _ = match command {
            Command::Request { token, .. } if token.0.is_left() => Ok(()),
            Command::Request {
                method,
                params,
                options,
                token,
            } => {
                let place = Arc::clone(&token.0);
                match client.request(now, &method, &params, token, options, out) {
                    Ok(id) if place.sent(id) => Ok(()),
                    // It was left while it was being sent.
                    Ok(id) => client.cancel(id, None, out).map(drop),
                    Err(refused) => {
                        let (why, token) = apart(refused);
                        token.0.end(Err(why));
                        Ok(())
                    }
                }
            }
            Command::Notify { method, params } => {
                // Refused for what it says: its sender was told the rules.
                let _ = client.notify(&method, &params, out);
                Ok(())
            }
            Command::Cancel(id) => client.cancel(id, None, out).map(drop),
            Command::Respond(id, result) => client.respond(id, &result, out),
            Command::Fail(id, error) => client.fail(id, &error, out),
            Command::Speak(revision) => {
                client.speak(revision);
                Ok(())
            }
        };
    }

    /// Reads what has come.
    fn listen(&mut self, now: Now, input: &mut BytesMut, out: &mut Outbox) {
        while let Step::Event(event) = self.client.next(now, input, out) {
            match event {
                ClientEvent::Ended { token, outcome, .. } => token.0.end(Ok(outcome)),
                event => {
                    self.closed |= matches!(event, ClientEvent::Closed { .. });
                    (self.heard)(event);
                }
            }
        }
    }
}

/// Why, and the token.
fn apart(refused: Refused<Token>) -> (Refused<()>, Token) {
    let why = match &refused {
        Refused::AtCapacity(_) => Refused::AtCapacity(()),
        Refused::OutboxFull(_) => Refused::OutboxFull(()),
        Refused::TooLong(_) => Refused::TooLong(()),
        Refused::Params(_) => Refused::Params(()),
        _ => Refused::Closed(()),
    };
    (why, refused.into_token())
}

impl<F: FnMut(ClientEvent<Token>)> Machine for ClientConnection<F> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand {
        {
            let mut state = self.shared.lock();
            state.waker = Some(cx.waker().clone());
            state.draining |= self.draining;
        }
        // An event may make somebody say something at once.
        let idle = loop {
            self.say(now, out);
            self.listen(now, input, out);
            let state = self.shared.lock();
            let said = state.queue.is_empty();
            if said || self.closed || out.is_full() {
                let answered = said && self.client.in_flight() == 0;
                // Nobody is left who could say anything more. After all that has come, and not before: the last answer
                // wakes nobody a second time.
                self.draining |= answered && state.handles == 0;
                break answered && self.client.asked_for() == 0;
            }
        };
        if self.closed {
            self.shared.close();
        }
        if self.draining || self.closed {
            self.ending.get_or_insert(now.instant + self.shutdown_bound);
        }
        let deadline = self.client.poll_timeout().map(|wakeup| wakeup.at);
        let mut demand = Demand::READ;
        demand.read = !self.input_over;
        demand.wakeup = [deadline, self.ending].into_iter().flatten().min();
        demand.close_write = self.draining && idle;
        demand.done = self.closed;
        demand.cut = self.ending.is_some_and(|until| until <= now.instant);
        demand
    }

    /// Every request that was not answered by what has come so far is lost.
    fn end_of_input(&mut self) {
        self.client.end_of_input();
        self.input_over = true;
    }

    fn hears_last_words(&self) -> bool {
        true
    }

    /// Takes no new requests. Those in flight get `Limits::shutdown_bound` to be answered; then the server sees the end of
    /// its input, and is to end its output within the same bound.
    fn shutdown(&mut self) {
        self.draining = true;
    }

    fn outbox(&self) -> Outbox {
        Outbox::new(self.outbox_high)
    }
}
