//! A program with a mio loop of its own, and an MCP server inside of that loop.
//!
//! The program echoes datagrams. The server has one tool, which says how many it has echoed. Both run on one thread and on
//! one poll: the program's tokens are below [`SERVER`], the server's from there on.

#![forbid(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mcp_driver_mio::{Driver, ListenOptions, LoopHandle, LoopOptions, Tokens};
use mcp_server::{Server, State, tool};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};

/// The program's own tokens.
const DATAGRAMS: Token = Token(0);
const WAKER: Token = Token(1);

/// From here on, tokens are the server's.
pub const SERVER: usize = 16;

/// How many datagrams were echoed.
struct Echoed(Arc<AtomicU64>);

/// How many datagrams this program has echoed.
#[tool(read_only)]
fn echoed(echoed: State<Echoed>) -> String {
    echoed.0.load(Ordering::Relaxed).to_string()
}

/// The program.
#[derive(Debug)]
pub struct Program {
    poll: Poll,
    socket: UdpSocket,
    echoed: Arc<AtomicU64>,
    server: Driver,
}

impl Program {
    /// Echoes what comes to `datagrams`, and serves what comes to `listener`.
    ///
    /// # Errors
    /// When the operating system refuses something of it.
    pub fn new(datagrams: SocketAddr, listener: TcpListener) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut socket = UdpSocket::bind(datagrams)?;
        poll.registry()
            .register(&mut socket, DATAGRAMS, Interest::READABLE)?;
        // A poll has one waker, which a program may well use for itself, too.
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);

        let echoed_so_far = Arc::new(AtomicU64::new(0));
        let mcp = Server::new("embed-mio", "1.0.0")
            .tool(echoed)
            .state(Echoed(Arc::clone(&echoed_so_far)));
        let tokens = Tokens::from(SERVER..);
        let mut server = Driver::new(poll.registry(), tokens, waker, LoopOptions::default())?;
        server.serve_tcp(listener, mcp, ListenOptions::default())?;
        Ok(Self {
            poll,
            socket,
            echoed: echoed_so_far,
            server,
        })
    }

    /// Where it takes datagrams.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn datagrams(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Ends it from another thread.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        self.server.handle()
    }

    /// The loop. It ends with the server.
    ///
    /// # Errors
    /// When the poll or the socket fails.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(128);
        while !self.server.is_over() {
            // A program with timers of its own takes the earlier of both.
            match self.poll.poll(&mut events, self.server.next_timeout()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    DATAGRAMS => self.echo()?,
                    WAKER => {}
                    _ => {
                        self.server.on_event(event);
                    }
                }
            }
            self.server.tick();
        }
        Ok(())
    }

    fn echo(&self) -> io::Result<()> {
        let mut datagram = [0; 1500];
        loop {
            match self.socket.recv_from(&mut datagram) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
                Ok((length, from)) => {
                    self.echoed.fetch_add(1, Ordering::Relaxed);
                    // A datagram may get lost, also here.
                    let _ = self.socket.send_to(&datagram[..length], from);
                }
            }
        }
    }
}
