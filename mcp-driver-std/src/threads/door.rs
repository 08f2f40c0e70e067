//! A listener with a thread that blocks in it.
//!
//! Owns the thread, and the one connection that waits to be taken: as long as it does, no other is accepted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Bell;

/// What accepts connections.
pub(crate) trait Listener: Send + 'static {
    type Stream: Send + 'static;
    fn accept(&self) -> io::Result<Self::Stream>;
    /// Makes an `accept` that blocks return.
    fn unblock(address: SocketAddr);
    fn address(&self) -> io::Result<SocketAddr>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).map(|(stream, _)| stream)
    }

    fn unblock(mut address: SocketAddr) {
        // What listens everywhere listens here.
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
    }

    fn address(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

/// See the module. Dropping it closes the listener.
#[derive(Debug)]
pub(crate) struct Door<L: Listener> {
    shared: Arc<Shared<L::Stream>>,
    address: SocketAddr,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<S> {
    state: Mutex<State<S>>,
    turn: Condvar,
}

#[derive(Debug)]
struct State<S> {
    knock: Option<io::Result<S>>,
    /// Whoever sleeps.
    bell: Option<Arc<Bell>>,
    closed: bool,
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Listener> Door<L> {
    pub(crate) fn new(listener: L) -> io::Result<Self> {
        let address = listener.address()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                knock: None,
                bell: None,
                closed: false,
            }),
            turn: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("mcp-accept".to_owned())
            .spawn(move || {
                loop {
                    let accepted = listener.accept();
                    let mut state = theirs.lock();
                    if state.closed {
                        return;
                    }
                    state.knock = Some(accepted);
                    if let Some(bell) = &state.bell {
                        bell.ring();
                    }
                    let taken = theirs
                        .turn
                        .wait_while(state, |state| state.knock.is_some() && !state.closed);
                    if taken.unwrap_or_else(PoisonError::into_inner).closed {
                        return;
                    }
                }
            })?;
        Ok(Self {
            shared,
            address,
            thread: Some(thread),
        })
    }

    /// Sleeps until somebody knocks, if that is wanted, or anything else is to be done. Says whether somebody did.
    pub(crate) fn wait(
        &self,
        bell: &Arc<Bell>,
        wanted: bool,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        let mut state = self.shared.lock();
        state.bell = wanted.then(|| Arc::clone(bell));
        let knocks = state.knock.is_some();
        drop(state);
        if !(wanted && knocks) {
            bell.sleep(timeout)?;
        }
        Ok(wanted && self.shared.lock().knock.is_some())
    }

    /// Takes the connection that waits, or says that there is none (`WouldBlock`).
    pub(crate) fn accept(&self) -> io::Result<L::Stream> {
        let knock = self.shared.lock().knock.take();
        self.shared.turn.notify_one();
        knock.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }
}

impl<L: Listener> Drop for Door<L> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.turn.notify_one();
        L::unblock(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
