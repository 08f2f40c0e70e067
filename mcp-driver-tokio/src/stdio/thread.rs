//! Blocking streams, each served by a thread of its own.
//!
//! Owns the fallback for what has no readiness: regular files, the null
//! device, consoles without it. One chunk at a time is in flight, so memory is
//! bounded. The threads are detached and never keep the process alive: a read
//! that blocks for ever is simply left behind at exit.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes one blocking read or write moves at most.
const CHUNK: usize = 64 * 1024;

/// One slot between a thread and a task.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    /// Wakes the thread.
    turn: Condvar,
}

#[derive(Debug, Default)]
struct State {
    chunk: Vec<u8>,
    /// How much of `chunk` the other side has consumed.
    taken: usize,
    /// The thread ended: end of input, an error, or the task is gone.
    ended: bool,
    error: Option<io::Error>,
    /// The task dropped its half.
    abandoned: bool,
    waker: Option<Waker>,
}

impl State {
    fn is_empty(&self) -> bool {
        self.taken == self.chunk.len()
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid between any two statements that hold the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks the thread until `ready`; false when the task is gone.
    fn wait(&self, ready: impl Fn(&State) -> bool) -> Option<MutexGuard<'_, State>> {
        let mut state = self.lock();
        while !ready(&state) && !state.abandoned {
            state = self
                .turn
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        ready(&state).then_some(state)
    }

    fn end(&self, error: Option<io::Error>) {
        let mut state = self.lock();
        state.ended = true;
        state.error = error;
        state.wake();
    }

    fn abandon(&self) {
        self.lock().abandoned = true;
        self.turn.notify_all();
    }
}

/// Reads on a thread.
#[derive(Debug)]
pub(super) struct ThreadReader(Arc<Slot>);

impl ThreadReader {
    pub(super) fn start(mut source: impl Read + Send + 'static) -> io::Result<Self> {
        let slot = Arc::new(Slot::default());
        let shared = Arc::clone(&slot);
        std::thread::Builder::new()
            .name("mcp-stdin".to_owned())
            .spawn(move || {
                let mut chunk = vec![0; CHUNK];
                loop {
                    match source.read(&mut chunk) {
                        Ok(0) => return shared.end(None),
                        Ok(read) => {
                            let Some(mut state) = shared.wait(State::is_empty) else {
                                return;
                            };
                            state.chunk.clear();
                            state.chunk.extend_from_slice(&chunk[..read]);
                            state.taken = 0;
                            state.wake();
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return shared.end(Some(error)),
                    }
                }
            })?;
        Ok(Self(slot))
    }
}

impl AsyncRead for ThreadReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if state.is_empty() {
            if let Some(error) = state.error.take() {
                return Poll::Ready(Err(error));
            }
            if state.ended {
                return Poll::Ready(Ok(()));
            }
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let fits = buf.remaining().min(state.chunk.len() - state.taken);
        buf.put_slice(&state.chunk[state.taken..state.taken + fits]);
        state.taken += fits;
        if state.is_empty() {
            self.0.turn.notify_one();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for ThreadReader {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Writes on a thread.
#[derive(Debug)]
pub(super) struct ThreadWriter(Arc<Slot>);

impl ThreadWriter {
    pub(super) fn start(mut sink: impl Write + Send + 'static) -> io::Result<Self> {
        let slot = Arc::new(Slot::default());
        let shared = Arc::clone(&slot);
        std::thread::Builder::new()
            .name("mcp-stdout".to_owned())
            .spawn(move || {
                loop {
                    let Some(mut state) = shared.wait(|state| !state.is_empty()) else {
                        return;
                    };
                    // The chunk stays "not empty" for the task until it is really written.
                    let chunk = std::mem::take(&mut state.chunk);
                    state.chunk = Vec::new();
                    state.taken = usize::MAX;
                    drop(state);
                    let written = sink.write_all(&chunk).and_then(|()| sink.flush());
                    let mut state = shared.lock();
                    state.chunk = chunk;
                    state.taken = state.chunk.len();
                    if let Err(error) = written {
                        drop(state);
                        return shared.end(Some(error));
                    }
                    state.wake();
                }
            })?;
        Ok(Self(slot))
    }

    /// A blocking stream cannot tell before it is written to.
    #[cfg(not(unix))]
    pub(super) fn hang_up(&self) -> std::future::Pending<()> {
        std::future::pending()
    }

    fn poll_idle<'a>(&'a self, cx: &Context<'_>) -> Poll<io::Result<MutexGuard<'a, State>>> {
        let mut state = self.0.lock();
        if let Some(error) = state.error.take() {
            return Poll::Ready(Err(error));
        }
        if state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.is_empty() {
            return Poll::Ready(Ok(state));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for ThreadWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = match self.poll_idle(cx) {
            Poll::Ready(Ok(state)) => state,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        let fits = buf.len().min(CHUNK);
        state.chunk.clear();
        state.chunk.extend_from_slice(&buf[..fits]);
        state.taken = 0;
        self.0.turn.notify_one();
        Poll::Ready(Ok(fits))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_idle(cx).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl Drop for ThreadWriter {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
