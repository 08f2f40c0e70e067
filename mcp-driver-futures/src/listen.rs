//! Whatever a listener accepts, each connection on a task of its own.
//!
//! Owns accepting connections, how many there are, and how they are told to end. Must never let one peer's end touch
//! another's, and never serve beyond loopback unless the caller said so.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use async_channel::{Receiver, Sender};
use futures_core::Stream as Incoming;
use futures_io::{AsyncRead, AsyncWrite};
use mcp_driver::{
    ACCEPT_PAUSE, Ended, ListenOptions, Pump, StreamOptions, is_about_one_peer, refuse_remote, run,
    seed,
};
use mcp_server::{Connection, IntoService, Machine};

use crate::platform::Platform;
use crate::runtime::FuturesRuntime;
use crate::stream::Whole;

/// Where a listener listens: what decides who can reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddress {
    /// A TCP address: the listener's `local_addr()`.
    Tcp(SocketAddr),
    /// Nothing that another machine could reach: a Unix socket, or connections within this process.
    Local,
}

/// Serves every connection of a listener, with the stdio framing, until `shutdown` completes; then each gets
/// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound). Ends, too, when the listener does and
/// all its connections are over. Dropping the future drops the connections.
///
/// # Errors
/// When the listener is beyond loopback without [`ListenOptions::allow_remote`], or when the server does not compile.
pub async fn serve_incoming<P, S, I, C>(
    platform: P,
    address: ListenAddress,
    incoming: I,
    service: S,
    options: ListenOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    P: Platform,
    S: IntoService,
    I: Incoming<Item = io::Result<C>>,
    C: AsyncRead + AsyncWrite + Send + 'static,
{
    if let ListenAddress::Tcp(address) = address {
        refuse_remote(address, &options)?;
    }
    let service = service.into_service().map_err(io::Error::other)?;
    // One for all: its bound on threads is the listener's, not each peer's.
    let runtime = FuturesRuntime::new(platform);
    let shared = runtime.shared();
    let mut listener = Listener::new(runtime, options.max_connections, options.stream);
    let machine = || Ok(Connection::new(service.clone(), shared.clone(), seed()?));
    listener.serve(incoming, machine, shutdown).await;
    listener.end().await;
    Ok(())
}

/// The connections of one listener.
pub(crate) struct Listener<P> {
    runtime: FuturesRuntime<P>,
    max_connections: usize,
    options: StreamOptions,
    live: usize,
    /// Connections that the bound cut off.
    cut: usize,
    /// Each connection says here how it ended.
    ended: (Sender<Ended>, Receiver<Ended>),
    /// Closed to ask for a graceful end.
    stop: (Sender<Infallible>, Receiver<Infallible>),
    /// Closed when this value is dropped: the connections end at once.
    abort: (Sender<Infallible>, Receiver<Infallible>),
}

/// What a listener waits for.
enum Event<C> {
    Shutdown,
    Ended(Ended),
    Resume,
    Incoming(Option<io::Result<C>>),
}

impl<P: Platform> Listener<P> {
    pub(crate) fn new(
        runtime: FuturesRuntime<P>,
        max_connections: usize,
        options: StreamOptions,
    ) -> Self {
        Self {
            runtime,
            max_connections,
            options,
            live: 0,
            cut: 0,
            ended: async_channel::unbounded(),
            stop: async_channel::bounded(1),
            abort: async_channel::bounded(1),
        }
    }

    /// Accepts until `shutdown` completes, or until there is nothing more to accept and everybody left. A connection for which
    /// there is no machine is closed; that is nobody's fault but this process's, and may pass.
    pub(crate) async fn serve<I, C, M>(
        &mut self,
        incoming: I,
        mut machine: impl FnMut() -> io::Result<M>,
        shutdown: impl Future<Output = ()>,
    ) where
        I: Incoming<Item = io::Result<C>>,
        C: AsyncRead + AsyncWrite + Send + 'static,
        M: Machine + Send + 'static,
    {
        let (mut incoming, mut shutdown) = (pin!(incoming), pin!(shutdown));
        let mut pause = pin!(None);
        let mut over = false;
        while !over || self.live > 0 {
            let accepts = !over && self.live < self.max_connections;
            let mut ended = pin!(self.ended.1.recv());
            let event = poll_fn(|cx| {
                if shutdown.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Shutdown);
                }
                // This value has a sender: it is never closed.
                if let Poll::Ready(Ok(ended)) = ended.as_mut().poll(cx) {
                    return Poll::Ready(Event::Ended(ended));
                }
                if let Some(pause) = pause.as_mut().as_pin_mut() {
                    return Future::poll(pause, cx).map(|()| Event::Resume);
                }
                if !accepts {
                    return Poll::Pending;
                }
                incoming.as_mut().poll_next(cx).map(Event::Incoming)
            })
            .await;
            match event {
                Event::Shutdown => return,
                Event::Ended(ended) => self.left(ended),
                Event::Resume => pause.set(None),
                Event::Incoming(None) => over = true,
                Event::Incoming(Some(accepted)) => {
                    let ready = accepted.and_then(|connection| Ok((connection, machine()?)));
                    match ready {
                        Ok((connection, machine)) => self.spawn(connection, machine),
                        Err(error) if is_about_one_peer(&error) => {}
                        Err(_) => pause.set(Some(self.runtime.platform().sleep(ACCEPT_PAUSE))),
                    }
                }
            }
        }
    }

    /// Asks every connection to end and waits until all have. Says how many the bound has cut off.
    pub(crate) async fn end(mut self) -> usize {
        self.stop.0.close();
        while self.live > 0 {
            match self.ended.1.recv().await {
                Ok(ended) => self.left(ended),
                Err(_) => break,
            }
        }
        self.cut
    }

    fn left(&mut self, ended: Ended) {
        self.live -= 1;
        self.cut += usize::from(ended == Ended::ShutdownBound);
    }

    fn spawn<C, M>(&mut self, connection: C, machine: M)
    where
        C: AsyncRead + AsyncWrite + Send + 'static,
        M: Machine + Send + 'static,
    {
        self.live += 1;
        let mut leaving = Leaving {
            ended: Ended::Closed,
            listener: self.ended.0.clone(),
        };
        let alarm = self.runtime.alarm();
        let (stop, abort) = (self.stop.1.clone(), self.abort.1.clone());
        let pump = Pump::new(machine, self.options.clone());
        self.runtime.platform().spawn(Box::pin(async move {
            let connection = pin!(connection);
            let (shutdown, hang_up) = (closed(stop), closed(abort));
            let ended = run(pump, Whole(connection), alarm, shutdown, hang_up).await;
            leaving.with(ended);
        }));
    }
}

async fn closed(channel: Receiver<Infallible>) {
    // Nothing is ever sent.
    let _ = channel.recv().await;
}

/// Tells the listener that a connection is over, also when its task is dropped or panics.
struct Leaving {
    ended: Ended,
    listener: Sender<Ended>,
}

impl Leaving {
    const fn with(&mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // A listener that is gone has nothing to count.
        let _ = self.listener.try_send(self.ended);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use futures_lite::future::block_on;
    use futures_lite::io::Cursor;
    use mcp_server::{BoxFuture, Server};

    use super::*;

    /// What was asked of it, in order. It runs nothing and never makes anybody wait.
    #[derive(Debug, Clone, Default)]
    struct Noted(Arc<Mutex<Vec<Asked>>>);

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Asked {
        Spawn,
        Sleep(Duration),
    }

    impl Platform for Noted {
        type Sleep = Ready<()>;

        fn spawn(&self, _: BoxFuture<()>) {
            self.0.lock().unwrap().push(Asked::Spawn);
        }

        fn unblock(&self, _: Box<dyn FnOnce() + Send>) {}

        fn sleep(&self, duration: Duration) -> Ready<()> {
            self.0.lock().unwrap().push(Asked::Sleep(duration));
            ready(())
        }
    }

    #[test]
    fn a_connection_without_a_machine_costs_a_pause_and_nothing_more() {
        let platform = Noted::default();
        let runtime = FuturesRuntime::new(platform.clone());
        let shared = runtime.shared();
        let mut listener = Listener::new(runtime, 8, StreamOptions::default());
        let service = Server::new("listen", "1.0.0").into_service().unwrap();
        let mut seeds = [
            Ok([1; 32]),
            Err("no randomness"),
            Err("none yet"),
            Ok([2; 32]),
        ]
        .into_iter();
        let machine = || {
            let seed = seeds.next().unwrap().map_err(io::Error::other)?;
            Ok(Connection::new(service.clone(), shared.clone(), seed))
        };
        let incoming = futures_lite::stream::iter((0..4).map(|_| Ok(Cursor::new(Vec::new()))));
        block_on(listener.serve(incoming, machine, std::future::pending()));
        let pause = Asked::Sleep(ACCEPT_PAUSE);
        let expected = [Asked::Spawn, pause, pause, Asked::Spawn];
        assert_eq!(*platform.0.lock().unwrap(), expected);
        assert_eq!(block_on(listener.end()), 0);
    }
}
