//! One run of a scenario: the driver, the transport, the era, and the server that this run has to itself.
//!
//! Owns starting servers, reaching them, and learning how they ended.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mcp_driver::Ended;
use mcp_driver::http::Report;
use mcp_server::Service;
use serde_json::{Value, json};

use super::fixture::{self, World};
use super::gate::Gate;
use super::http::Caller;
use super::lines::Peer;
use super::messages::Era;
use super::settings::Settings;
use super::subject::Subject;
use super::wire::{PATIENCE, Pieces, Wire};

/// With this in its environment, the test program is a stdio server with these settings.
pub(super) const CHILD: &str = "MCP_CONTRACT_CHILD";

/// How a client reaches a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// One connected socket.
    Stream,
    Tcp,
    Unix,
    /// A child process.
    Stdio,
    /// A child process that is asked to end by a signal.
    Signals,
    Http,
    /// HTTP over TLS.
    Https,
}

impl Transport {
    pub(super) const ALL: [Self; 7] = [
        Self::Stream,
        Self::Tcp,
        Self::Unix,
        Self::Stdio,
        Self::Signals,
        Self::Http,
        Self::Https,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::Stdio => "stdio",
            Self::Signals => "signals",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Whether a driver has it.
    pub(super) const fn of(self, subject: &Subject) -> bool {
        match self {
            Self::Stream => subject.stream.is_some(),
            Self::Tcp => subject.tcp.is_some(),
            #[cfg(unix)]
            Self::Unix => subject.unix.is_some(),
            #[cfg(not(unix))]
            Self::Unix => false,
            Self::Stdio => subject.stdio.is_some(),
            Self::Signals => subject.stdio.is_some() && subject.signals,
            Self::Http => subject.http.is_some(),
            #[cfg(feature = "tls")]
            Self::Https => subject.https.is_some(),
            #[cfg(not(feature = "tls"))]
            Self::Https => false,
        }
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) subject: Subject,
    pub(super) transport: Transport,
    pub(super) era: Era,
}

/// How a server ended.
#[derive(Debug)]
pub(super) enum End {
    Connection(Ended),
    Listener,
    Http(Report),
    Process(ExitStatus),
}

enum Place {
    Stream(Option<TcpStream>),
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
    Stdio(Process),
    Http(Address),
}

/// Where a listener of HTTP is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    pub(super) socket: SocketAddr,
    /// It speaks TLS.
    pub(super) tls: bool,
}

struct Process {
    child: Child,
    wire: Option<Wire>,
    said: Arc<Mutex<Vec<u8>>>,
}

/// A server that serves.
pub(super) struct Server {
    era: Era,
    place: Place,
    stop: Gate,
    /// Of a server in this process.
    service: Option<Service>,
    ended: Receiver<io::Result<End>>,
}

/// A client of any transport.
pub(super) trait Client {
    fn era(&self) -> Era;

    fn fresh_id(&mut self) -> i64;

    /// Sends a request; everything that comes up to its answer. `reply` may answer requests of the server.
    fn exchange(
        &mut self,
        request: &Value,
        reply: &mut dyn FnMut(&Value) -> Option<Value>,
    ) -> Vec<Value>;
}

impl dyn Client {
    pub(super) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.fresh_id();
        let request = self.era().request(id, method, params);
        let mut messages = self.exchange(&request, &mut |_| None);
        messages.pop().expect("an answer")
    }

    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
    }
}

impl Case {
    /// A server, not yet connected to.
    pub(super) fn serve(&self, settings: &Settings) -> Server {
        let (subject, stop) = (self.subject, Gate::default());
        let (sender, ended) = channel();
        let mut server = Server {
            era: self.era,
            place: Place::Stream(None),
            stop: stop.clone(),
            service: None,
            ended,
        };
        if matches!(self.transport, Transport::Stdio | Transport::Signals) {
            server.place = Place::Stdio(Process::start(settings, Stdio::piped()));
            return server;
        }
        let service = fixture::service(settings);
        server.service = Some(service.clone());
        let settings = settings.clone();
        let run = |serve: Box<dyn FnOnce() -> io::Result<End> + Send>| {
            let sender = sender.clone();
            // Whoever does not ask how it ended need not hear it.
            thread::spawn(move || sender.send(serve()));
        };
        let listener = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let http = |listener: &TcpListener, tls| {
            let socket = listener.local_addr().expect("an address");
            Place::Http(Address { socket, tls })
        };
        match self.transport {
            Transport::Stream => {
                let serve = subject.stream.expect("listed");
                let (ours, theirs) = socket_pair();
                server.place = Place::Stream(Some(ours));
                run(Box::new(move || {
                    serve(theirs, service, settings.stream(), stop).map(End::Connection)
                }));
            }
            Transport::Tcp => {
                let (serve, listener) = (subject.tcp.expect("listed"), listener());
                server.place = Place::Tcp(listener.local_addr().expect("an address"));
                run(Box::new(move || {
                    serve(listener, service, settings.listen(), stop).map(|()| End::Listener)
                }));
            }
            #[cfg(unix)]
            Transport::Unix => {
                let serve = subject.unix.expect("listed");
                let path = socket_path();
                let listener =
                    std::os::unix::net::UnixListener::bind(&path).expect("a socket of our own");
                server.place = Place::Unix(path);
                run(Box::new(move || {
                    serve(listener, service, settings.listen(), stop).map(|()| End::Listener)
                }));
            }
            Transport::Http => {
                let (serve, listener) = (subject.http.expect("listed"), listener());
                server.place = http(&listener, false);
                run(Box::new(move || {
                    serve(listener, service, settings.serve(), stop).map(End::Http)
                }));
            }
            #[cfg(feature = "tls")]
            Transport::Https => {
                let (serve, listener) = (subject.https.expect("listed"), listener());
                server.place = http(&listener, true);
                run(Box::new(move || {
                    let (tls, options) = (settings.tls(), settings.serve());
                    serve(listener, service, tls, options, stop).map(End::Http)
                }));
            }
            other => unreachable!("{other:?} is not served here"),
        }
        server
    }

    /// A server with a client on a byte stream, after its handshake.
    pub(super) fn lines(&self, settings: &Settings) -> (Server, Peer) {
        let mut server = self.serve(settings);
        let peer = server.connect();
        (server, peer)
    }

    /// A server with an HTTP client, after its handshake.
    pub(super) fn http(&self, settings: &Settings) -> (Server, Caller) {
        let server = self.serve(settings);
        let caller = server.caller();
        (server, caller)
    }

    /// A server with a client, whatever the transport is.
    pub(super) fn client(&self, settings: &Settings) -> (Server, Box<dyn Client>) {
        if matches!(self.transport, Transport::Http | Transport::Https) {
            let (server, caller) = self.http(settings);
            (server, Box::new(caller))
        } else {
            let (server, peer) = self.lines(settings);
            (server, Box::new(peer))
        }
    }
}

fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let ours = TcpStream::connect(address).expect("a connection");
    let (theirs, _) = listener.accept().expect("a connection");
    theirs.set_nodelay(true).expect("a socket option");
    (ours, theirs)
}

#[cfg(unix)]
fn socket_path() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!(
        "mcp-contract-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    std::env::temp_dir().join(name)
}

impl Process {
    fn start(settings: &Settings, input: Stdio) -> Self {
        let settings = serde_json::to_string(settings).expect("plain numbers");
        let program = std::env::current_exe().expect("the name of this program");
        let mut command = Command::new(program);
        command
            .env(CHILD, settings)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("a child");
        let output = Pieces::of(child.stdout.take().expect("a pipe"));
        let said: Arc<Mutex<Vec<u8>>> = Arc::default();
        let mut stderr = child.stderr.take().expect("a pipe");
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = io::Read::read(&mut stderr, &mut piece) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.extend_from_slice(&piece[..read]);
            }
        });
        let wire = Wire::Pipes {
            input: child.stdin.take(),
            output,
        };
        Self {
            child,
            wire: Some(wire),
            said,
        }
    }
}

impl Server {
    /// A client on a byte stream on which nothing was said yet.
    pub(super) fn open(&mut self) -> Peer {
        let wire = match &mut self.place {
            Place::Stream(socket) => Wire::of_tcp(socket.take().expect("one connection")),
            Place::Tcp(address) => Wire::tcp(*address),
            #[cfg(unix)]
            Place::Unix(path) => Wire::unix(path),
            Place::Stdio(process) => process.wire.take().expect("one connection"),
            Place::Http(_) => panic!("HTTP has no byte stream"),
        };
        Peer::new(wire, self.era)
    }

    /// A client on a byte stream, after its handshake.
    pub(super) fn connect(&mut self) -> Peer {
        self.open().greet()
    }

    /// An HTTP client, after its handshake.
    pub(super) fn caller(&self) -> Caller {
        Caller::new(self.address(), self.era).greet()
    }

    /// Where it listens for HTTP.
    pub(super) fn address(&self) -> Address {
        match self.place {
            Place::Http(address) => address,
            _ => panic!("no address"),
        }
    }

    /// What is served, in this process.
    pub(super) fn service(&self) -> &Service {
        self.service.as_ref().expect("a server in this process")
    }

    pub(super) fn world(&self) -> Arc<World> {
        self.service().state().expect("the fixture has a world")
    }

    /// Asks it to end.
    pub(super) fn stop(&self) {
        match &self.place {
            #[cfg(unix)]
            Place::Stdio(process) => {
                use rustix::process::{Pid, Signal, kill_process};
                let child = Pid::from_child(&process.child);
                kill_process(child, Signal::TERM).expect("the child is there");
            }
            _ => self.stop.open(),
        }
    }

    /// How it ended, which must come within `limit`.
    #[track_caller]
    pub(super) fn ends_within(&mut self, limit: Duration) -> End {
        if let Place::Stdio(process) = &mut self.place {
            let until = Instant::now() + limit;
            loop {
                if let Some(status) = process.child.try_wait().expect("a child of ours") {
                    return End::Process(status);
                }
                assert!(Instant::now() < until, "still running after {limit:?}");
                thread::sleep(Duration::from_millis(5));
            }
        }
        let ended = self.ended.recv_timeout(limit);
        let ended = ended.unwrap_or_else(|error| panic!("no end after {limit:?}: {error}"));
        ended.unwrap_or_else(|error| panic!("it ended with an error: {error}"))
    }

    /// It ends in good order, soon.
    #[track_caller]
    pub(super) fn ends(&mut self) {
        let end = self.ends_within(PATIENCE);
        let good = match &end {
            End::Connection(ended) => matches!(ended, Ended::EndOfInput | Ended::Shutdown),
            End::Listener => true,
            End::Http(report) => report.dropped == 0,
            End::Process(status) => status.success(),
        };
        assert!(good, "it ended with {end:?}");
    }

    /// What a child said on its stderr so far.
    pub(super) fn said(&self) -> String {
        let Place::Stdio(process) = &self.place else {
            panic!("no child")
        };
        let said = process.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The id of a child.
    pub(super) fn id(&self) -> u32 {
        match &self.place {
            Place::Stdio(process) => process.child.id(),
            _ => panic!("no child"),
        }
    }

    /// A child whose input is something else than a pipe.
    pub(super) fn with_input(settings: &Settings, input: Stdio) -> Self {
        Self {
            era: Era::Modern,
            place: Place::Stdio(Process::start(settings, input)),
            stop: Gate::default(),
            service: None,
            ended: channel().1,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(world) = self.service.as_ref().and_then(Service::state::<World>) {
            world.open_all();
        }
        self.stop.open();
        match &mut self.place {
            Place::Stdio(process) => {
                let _ = process.child.kill();
                let _ = process.child.wait();
                if thread::panicking() {
                    eprintln!("the child said: {}", self.said());
                }
            }
            #[cfg(unix)]
            Place::Unix(path) => {
                let _ = std::fs::remove_file(path);
            }
            _ => {}
        }
    }
}

/// Waits for what must come.
#[track_caller]
pub(super) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "never came: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
