//! The client's end of a byte stream on threads: a child process, TCP, a Unix socket.
//!
//! Owns one thread for each connection and how a child process ends. Requests block the thread that makes them and no other.
//! Must never leave a child behind, nor anybody waiting who will not be answered.
//!
//! ```
//! use mcp_driver_std::client::{ClientConfig, ClientProfile, Connection, Outcome, RequestOptions};
//! use mcp_server::types::{Implementation, Revision};
//!
//! // A server to speak to.
//! let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
//! let server = mcp_server::Server::new("demo", "1.0.0");
//! std::thread::spawn(move || mcp_driver_std::serve_io(server, theirs.try_clone().unwrap(), theirs));
//!
//! let mut profile = ClientProfile::new(Implementation::new("example", "1.0.0"));
//! profile.revision = Revision::V2026_07_28;
//! let config = ClientConfig::compile(profile).into();
//! let connection = Connection::over(config, ours.try_clone()?, ours, |event| println!("{event:?}"))?;
//! let answer = connection.client().request("server/discover", "", RequestOptions::default());
//! assert!(matches!(answer, Ok(Outcome::Complete(_))));
//! connection.close()?;
//! # std::io::Result::Ok(())
//! ```

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::pin::pin;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};

use mcp_driver::client::{ClientConnection, ClientHandle};
use mcp_driver::{Ended, StreamOptions};
use mcp_server::proto::error::WireError;
use mcp_server::proto::id::{CallId, RequestId};
use mcp_server::types::Revision;

use crate::child::Child;
use crate::crew::{Crew, Watched};
use crate::line::{InPlace, Led, Line};
use crate::runtime::StdRuntime;
use crate::system::{Duplex, Input, Output};

pub use mcp_driver::client::Token;
pub use mcp_server::proto::client::{
    ClientConfig, ClientEvent, ClientProfile, Outcome, Refused, RequestOptions,
};

/// Says things to the server, from any thread. When the last one is gone and everything was answered, the connection ends.
#[derive(Debug, Clone)]
pub struct Client(ClientHandle);

impl Client {
    /// Sends a request and waits for its end, which its options bound. `params` is a raw JSON object without `_meta`, or empty.
    ///
    /// Must not be called by what hears the events of the same connection: it is the connection's own thread.
    ///
    /// # Errors
    /// Why it was never sent.
    pub fn request(
        &self,
        method: impl Into<String>,
        params: impl Into<String>,
        options: RequestOptions,
    ) -> Result<Outcome, Refused<()>> {
        self.start(method, params, options).wait()
    }

    /// Sends a request and does not wait: for subscriptions, and for many at once.
    pub fn start(
        &self,
        method: impl Into<String>,
        params: impl Into<String>,
        options: RequestOptions,
    ) -> Pending {
        Pending(self.0.request(method, params, options))
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
        self.0.notify(method, params)
    }

    /// Answers what a legacy server asked ([`ClientEvent::Asked`]). `result` is a raw JSON object. Nothing is sent when the
    /// server no longer wants it.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn respond(&self, id: CallId, result: impl Into<String>) -> Result<(), Refused<()>> {
        self.0.respond(id, result)
    }

    /// Answers what a legacy server asked with an error.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn fail(&self, id: CallId, error: WireError) -> Result<(), Refused<()>> {
        self.0.fail(id, error)
    }

    /// Changes the revision of what is sent from now on: what a probe or a handshake agreed upon.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn speak(&self, revision: Revision) -> Result<(), Refused<()>> {
        self.0.speak(revision)
    }
}

/// A request that has not been waited for. Dropping it cancels the request on the wire.
#[must_use = "a request whose answer is dropped is cancelled"]
#[derive(Debug)]
pub struct Pending(mcp_driver::client::Answer);

impl Pending {
    /// Waits for the request's end.
    ///
    /// # Errors
    /// Why it was never sent.
    pub fn wait(self) -> Result<Outcome, Refused<()>> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        let mut answer = pin!(self.0);
        loop {
            if let Poll::Ready(ended) = answer.as_mut().poll(&mut cx) {
                return ended;
            }
            thread::park();
        }
    }

    /// The request's handle, by which progress and changes name it; `None` until it is sent and after it has ended.
    #[must_use]
    pub fn id(&self) -> Option<RequestId> {
        self.0.id()
    }

    /// Gives the request up, and tells the server.
    pub fn cancel(self) {
        drop(self);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A connection to a server. Dropping it ends it at once, and kills the child process that it was made with.
pub struct Connection {
    client: Client,
    line: Arc<dyn Led>,
    thread: Option<JoinHandle<()>>,
    child: Option<Child>,
}

/// How a connection came to its end.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Closed {
    /// Of the stream.
    pub ended: Ended,
    /// Of the child process, where there is one.
    pub status: Option<ExitStatus>,
}

impl Connection {
    /// Speaks over a pair of descriptors: a socket and its clone, two pipes. On Unix they are made non-blocking.
    ///
    /// `heard` is told what belongs to no answer: progress, changes, log messages, what a legacy server asks, and the end. It
    /// runs on the connection's thread and must not block: put what takes long into a channel.
    ///
    /// # Errors
    /// When the descriptors refuse, or a thread cannot be started.
    pub fn over(
        config: Arc<ClientConfig>,
        reader: impl Input,
        writer: impl Output,
        heard: impl FnMut(ClientEvent<Token>) + Send + 'static,
    ) -> io::Result<Self> {
        Self::start(config, Duplex::pair(reader, writer)?, heard)
    }

    /// Connects to a TCP server that speaks the stdio framing.
    ///
    /// # Errors
    /// When it cannot be reached, or a thread cannot be started.
    pub fn tcp(
        config: Arc<ClientConfig>,
        address: impl ToSocketAddrs,
        heard: impl FnMut(ClientEvent<Token>) + Send + 'static,
    ) -> io::Result<Self> {
        Self::start(config, Duplex::tcp(TcpStream::connect(address)?)?, heard)
    }

    /// Connects to a Unix socket.
    ///
    /// # Errors
    /// When it cannot be reached, or a thread cannot be started.
    #[cfg(unix)]
    pub fn unix(
        config: Arc<ClientConfig>,
        path: impl AsRef<std::path::Path>,
        heard: impl FnMut(ClientEvent<Token>) + Send + 'static,
    ) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixStream::connect(path)?;
        Self::start(config, Duplex::unix(socket)?, heard)
    }

    /// Starts a server as a child process and speaks to it over its standard streams; its standard error stays as `command` has
    /// it.
    ///
    /// When the child exits, what it has said is read and then the connection ends, also if another process holds its output.
    ///
    /// # Errors
    /// When it cannot be started, or a thread cannot be.
    pub fn child(
        config: Arc<ClientConfig>,
        command: &mut Command,
        heard: impl FnMut(ClientEvent<Token>) + Send + 'static,
    ) -> io::Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = process.stdout.take().zip(process.stdin.take());
        // From here on it is killed whatever fails.
        let child = Child::new(process);
        let (output, input) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        let mut connection = Self::over(config, output, input, heard)?;
        let line = Arc::clone(&connection.line);
        let watched = child.when_gone(move || line.cut());
        connection.child = Some(child);
        watched.map(|()| connection)
    }

    fn start<F: FnMut(ClientEvent<Token>) + Send + 'static>(
        config: Arc<ClientConfig>,
        stream: Duplex,
        heard: F,
    ) -> io::Result<Self> {
        let (machine, handle) = mcp_driver::client::client(config, heard);
        let options = StreamOptions::default();
        let crew = Arc::new(Crew::new()?);
        let runtime = StdRuntime::with_blocking_threads(1);
        let line = Arc::new(Line::new(machine, stream, options, runtime, crew, 1)?);
        let led = Arc::clone(&line);
        let thread = thread::Builder::new()
            .name("mcp-client".to_owned())
            .spawn(move || led.take_over(0))?;
        Ok(Self {
            client: Client(handle),
            line,
            thread: Some(thread),
            child: None,
        })
    }

    /// The way to say something. Clones may outlive the connection.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// How the stream ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.line.ended()
    }

    /// Ends the connection gracefully: requests in flight get
    /// [`Limits::shutdown_bound`](mcp_server::proto::limits::Limits::shutdown_bound) to be answered, and the server to end its
    /// output within the same time. A child process then has two seconds to exit by itself and two more after SIGTERM; then it is killed.
    ///
    /// # Errors
    /// When the child cannot be waited for.
    pub fn close(mut self) -> io::Result<Closed> {
        self.line.shutdown();
        if let Some(thread) = self.thread.take() {
            // A panic of what hears the events has been reported already.
            let _ = thread.join();
        }
        let status = self.child.take().map(Child::end).transpose()?;
        Ok(Closed {
            ended: self.line.ended().unwrap_or(Ended::Closed),
            status,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.line.cut();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("ended", &self.ended())
            .field("child", &self.child)
            .finish_non_exhaustive()
    }
}

/// It has no handlers.
impl<F: FnMut(ClientEvent<Token>) + Send + 'static> InPlace for ClientConnection<F> {}
