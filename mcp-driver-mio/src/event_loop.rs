//! A loop of our own: a poll, and what is served on it.
//!
//! Owns the waiting.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use crate::driver::Driver;
use crate::options::LoopOptions;
use crate::tokens::Tokens;

/// How many events one wait brings at most.
const EVENTS: usize = 1024;

/// Of the waker and of the signals; everything else is the driver's.
const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);

/// An event loop with everything that is served on it.
///
/// ```no_run
/// use mcp_driver_mio::{EventLoop, ListenOptions};
/// use mcp_server::Server;
///
/// # fn main() -> std::io::Result<()> {
/// let mut event_loop = EventLoop::new()?;
/// let listener = std::net::TcpListener::bind("127.0.0.1:7000")?;
/// event_loop.driver().serve_tcp(listener, Server::new("hello", "1.0.0"), ListenOptions::default())?;
/// event_loop.run()
/// # }
/// ```
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    events: Events,
    driver: Driver,
    #[cfg(all(unix, feature = "signals"))]
    signals: Option<crate::signals::Signals>,
    /// How often the process was asked to end.
    asked: usize,
}

impl EventLoop {
    /// A loop that serves nothing yet.
    ///
    /// # Errors
    /// When the operating system gives no poll.
    pub fn new() -> io::Result<Self> {
        Self::with_options(LoopOptions::default())
    }

    /// Like [`new`](Self::new), with options.
    ///
    /// # Errors
    /// When the operating system gives no poll.
    pub fn with_options(options: LoopOptions) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let tokens = Tokens::from(SIGNALS.0 + 1..);
        Ok(Self {
            driver: Driver::new(poll.registry(), tokens, waker, options)?,
            events: Events::with_capacity(EVENTS),
            poll,
            #[cfg(all(unix, feature = "signals"))]
            signals: None,
            asked: 0,
        })
    }

    /// From now on, SIGTERM, SIGINT and SIGHUP end what is served gracefully, and a second one ends [`run`](Self::run) at
    /// once, with what is still served. A signal that was ignored when the process started (SIGHUP under `nohup`, SIGINT in
    /// the background of a script) stays ignored, where the system tells. Without the feature `signals`, and elsewhere than
    /// on Unix, signals do what they always do.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn mind_signals(&mut self) -> io::Result<()> {
        #[cfg(all(unix, feature = "signals"))]
        {
            let registry = self.poll.registry();
            self.signals = Some(crate::signals::Signals::listen(registry, SIGNALS)?);
        }
        Ok(())
    }

    /// What is served.
    pub const fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// Waits for at most `timeout` (`None`: until something happens) and does what there is to do. It returns after every
    /// turn, also when that was for nothing.
    ///
    /// # Errors
    /// When the poll fails; an interruption is no failure.
    pub fn poll_once(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match (timeout, self.driver.next_timeout()) {
            (Some(theirs), Some(ours)) => Some(theirs.min(ours)),
            (theirs, ours) => theirs.or(ours),
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(()) => {
                for event in &self.events {
                    #[cfg(all(unix, feature = "signals"))]
                    if event.token() == SIGNALS
                        && let Some(signals) = &mut self.signals
                    {
                        self.asked += signals.count();
                        self.driver.shutdown();
                    }
                    self.driver.on_event(event);
                }
            }
        }
        self.driver.tick();
        Ok(())
    }

    /// Serves until nothing is left to serve: the client of stdio is gone, or everything was shut down. A second signal
    /// ends it before ([`mind_signals`](Self::mind_signals)).
    ///
    /// # Errors
    /// When the poll fails.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.driver.is_over() && self.asked < 2 {
            self.poll_once(None)?;
        }
        Ok(())
    }
}
