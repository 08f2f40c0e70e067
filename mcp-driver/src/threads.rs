//! Blocking streams, each served by a thread of its own.
//!
//! Owns the fallback for what has no readiness: regular files, the null device, consoles, and all of a platform that has
//! none. One chunk at a time is in flight, so memory is bounded. The threads are detached and never keep the process alive:
//! a read that blocks for ever is simply left behind at exit.

use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many bytes one blocking read or write moves at most.
const CHUNK: usize = 64 * 1024;

/// One slot between a thread and whoever polls.
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
    /// The thread ended: end of input, an error, or whoever polls is gone.
    ended: bool,
    error: Option<io::Error>,
    /// Whoever polls dropped its half.
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

    /// Blocks the thread until `ready`; false when whoever polls is gone.
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
pub struct ThreadReader(Arc<Slot>);

impl ThreadReader {
    /// Starts a thread for `source`, which has the given name.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(name: &str, mut source: impl Read + Send + 'static) -> io::Result<Self> {
        let slot = Arc::new(Slot::default());
        let shared = Arc::clone(&slot);
        std::thread::Builder::new()
            .name(name.to_owned())
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

    /// Hands what is there to `take`, at most `most` bytes, and says how many; 0 means the end.
    ///
    /// # Errors
    /// Whatever the source says.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.is_empty() {
            if let Some(error) = state.error.take() {
                return Poll::Ready(Err(error));
            }
            if state.ended {
                return Poll::Ready(Ok(0));
            }
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let fits = most.min(state.chunk.len() - state.taken);
        take(&state.chunk[state.taken..state.taken + fits]);
        state.taken += fits;
        if state.is_empty() {
            self.0.turn.notify_one();
        }
        Poll::Ready(Ok(fits))
    }
}

impl Drop for ThreadReader {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Writes on a thread.
#[derive(Debug)]
pub struct ThreadWriter(Arc<Slot>);

impl ThreadWriter {
    /// Starts a thread for `sink`, which has the given name. What was taken is written also when this is dropped.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(name: &str, mut sink: impl Write + Send + 'static) -> io::Result<Self> {
        let slot = Arc::new(Slot::default());
        let shared = Arc::clone(&slot);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                loop {
                    let Some(mut state) = shared.wait(|state| !state.is_empty()) else {
                        return;
                    };
                    // The chunk stays "not empty" for the other side until it is really written.
                    let chunk = std::mem::take(&mut state.chunk);
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

    /// Takes from `bytes` what fits, if everything before was written.
    ///
    /// # Errors
    /// Whatever the sink said of what was written before.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = match self.poll_idle(cx) {
            Poll::Ready(Ok(state)) => state,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        let fits = bytes.len().min(CHUNK);
        state.chunk.clear();
        state.chunk.extend_from_slice(&bytes[..fits]);
        state.taken = 0;
        self.0.turn.notify_one();
        Poll::Ready(Ok(fits))
    }

    /// Ready when everything was written.
    ///
    /// # Errors
    /// Whatever the sink said.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_idle(cx).map_ok(drop)
    }
}

impl Drop for ThreadWriter {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Wake;

    /// Waits on a channel instead of a runtime.
    struct Tell(Mutex<mpsc::Sender<()>>);

    impl Wake for Tell {
        fn wake(self: Arc<Self>) {
            let _ = self.0.lock().unwrap().send(());
        }
    }

    fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let (tell, told) = mpsc::channel();
        let waker = Waker::from(Arc::new(Tell(Mutex::new(tell))));
        loop {
            if let Poll::Ready(value) = poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            told.recv().unwrap();
        }
    }

    #[test]
    fn what_goes_in_comes_out_in_order_and_the_end_is_seen() {
        let (input, output) = io::pipe().unwrap();
        let mut reader = ThreadReader::start("reads", input).unwrap();
        let mut writer = ThreadWriter::start("writes", output).unwrap();
        let sent: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        let mut received = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    let taken = wait(|cx| writer.poll_write(cx, rest)).unwrap();
                    rest = &rest[taken..];
                }
                wait(|cx| writer.poll_flush(cx)).unwrap();
                drop(writer);
            });
            while received.len() < sent.len() {
                let read = wait(|cx| {
                    reader.poll_read(cx, 10_000, |bytes| received.extend_from_slice(bytes))
                });
                assert!(read.unwrap() > 0);
            }
        });
        assert_eq!(received, sent);
        let end = wait(|cx| reader.poll_read(cx, 1, |_| unreachable!()));
        assert_eq!(end.unwrap(), 0);
    }

    #[test]
    fn a_sink_that_fails_says_so_once_and_takes_nothing_more() {
        let (input, output) = io::pipe().unwrap();
        drop(input);
        let mut writer = ThreadWriter::start("writes", output).unwrap();
        assert_eq!(wait(|cx| writer.poll_write(cx, b"x")).unwrap(), 1);
        assert!(wait(|cx| writer.poll_flush(cx)).is_err());
        assert!(wait(|cx| writer.poll_write(cx, b"x")).is_err());
    }
}
