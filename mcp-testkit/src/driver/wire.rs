//! The client's end of a byte stream: a socket, or the standard streams of a child.
//!
//! Owns reading in time and every way of leaving. Must never read what nobody asked for: a client that does not read is a
//! scenario.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::case::Address;
#[cfg(feature = "tls")]
use super::tls::Secure;

/// How long may be waited for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long is waited for what must not come.
pub(super) const MOMENT: Duration = Duration::from_millis(80);

/// A byte stream to a server.
#[derive(Debug)]
pub(super) enum Wire {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<Secure>),
    #[cfg(unix)]
    Unix(UnixStream),
    Pipes {
        input: Option<ChildStdin>,
        output: Pieces,
    },
}

/// What a child writes, read ahead by a piece or two so that waiting for it can have a limit.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: Receiver<Vec<u8>>,
    limit: Duration,
    rest: Vec<u8>,
}

impl Pieces {
    pub(super) fn of(mut output: ChildStdout) -> Self {
        let (sender, pieces) = sync_channel(1);
        std::thread::spawn(move || {
            let mut piece = vec![0; 16 << 10];
            while let Ok(read @ 1..) = output.read(&mut piece) {
                if sender.send(piece[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            pieces,
            limit: PATIENCE,
            rest: Vec::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = match self.pieces.recv_timeout(self.limit) {
                Ok(piece) => piece,
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            };
        }
        let taken = self.rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.rest[..taken]);
        self.rest.drain(..taken);
        Ok(taken)
    }
}

impl Wire {
    pub(super) fn tcp(address: SocketAddr) -> Self {
        Self::of_tcp(TcpStream::connect(address).expect("the listener takes a connection"))
    }

    /// As the listener wants it.
    pub(super) fn http(address: Address) -> Self {
        #[cfg(feature = "tls")]
        if address.tls {
            let socket = TcpStream::connect(address.socket);
            let socket = socket.expect("the listener takes a connection");
            socket.set_nodelay(true).expect("a socket option");
            return Self::Tls(Box::new(Secure::new(socket)));
        }
        assert!(!address.tls, "this kit was built without TLS");
        Self::tcp(address.socket)
    }

    pub(super) fn of_tcp(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("a socket option");
        let wire = Self::Tcp(socket);
        wire.patience(PATIENCE);
        wire
    }

    #[cfg(unix)]
    pub(super) fn unix(path: &std::path::Path) -> Self {
        let wire = Self::Unix(UnixStream::connect(path).expect("the listener takes a connection"));
        wire.patience(PATIENCE);
        wire
    }

    fn patience(&self, limit: Duration) {
        let done = match self {
            Self::Tcp(socket) => socket.set_read_timeout(Some(limit)),
            #[cfg(unix)]
            Self::Unix(socket) => socket.set_read_timeout(Some(limit)),
            Self::Pipes { .. } => Ok(()),
            // It is told with each read.
            #[cfg(feature = "tls")]
            Self::Tls(_) => Ok(()),
        };
        done.expect("a socket option");
    }

    /// Reads once, for as long as `limit`; `None` when nothing came.
    pub(super) fn read_within(&mut self, limit: Duration, buffer: &mut [u8]) -> Option<usize> {
        self.patience(limit);
        if let Self::Pipes { output, .. } = self {
            output.limit = limit;
        }
        let read = match self {
            Self::Tcp(socket) => socket.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(secure) => secure.read_within(limit, buffer),
            #[cfg(unix)]
            Self::Unix(socket) => socket.read(buffer),
            Self::Pipes { output, .. } => output.read(buffer),
        };
        match read {
            Ok(read) => Some(read),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
                ) =>
            {
                None
            }
            // A reset is a way of ending, too.
            Err(_) => Some(0),
        }
    }

    /// Writes everything. The server may be gone; what it then does not hear is its own loss.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(secure) => secure.write(bytes),
            #[cfg(unix)]
            Self::Unix(socket) => socket.write_all(bytes),
            Self::Pipes { input, .. } => match input {
                Some(input) => input.write_all(bytes).and_then(|()| input.flush()),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }

    /// The direction that is written, for another thread.
    pub(super) fn writer(&mut self) -> Box<dyn Write + Send> {
        match self {
            Self::Tcp(socket) => Box::new(socket.try_clone().expect("a descriptor")),
            #[cfg(unix)]
            Self::Unix(socket) => Box::new(socket.try_clone().expect("a descriptor")),
            Self::Pipes { input, .. } => Box::new(input.take().expect("open")),
            #[cfg(feature = "tls")]
            Self::Tls(_) => panic!("its two directions are one session"),
        }
    }

    /// Closes the direction that is written; reading goes on.
    pub(super) fn close_write(&mut self) {
        // The server may have closed already.
        let _ = match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            #[cfg(feature = "tls")]
            Self::Tls(secure) => secure.close_write(),
            #[cfg(unix)]
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
            Self::Pipes { input, .. } => {
                drop(input.take());
                Ok(())
            }
        };
    }

    /// The socket, below whatever protects it.
    const fn tcp_socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(socket) => Some(socket),
            #[cfg(feature = "tls")]
            Self::Tls(secure) => Some(&secure.socket),
            _ => None,
        }
    }

    /// Whether the server has said, as TLS has it, that nothing more comes.
    #[cfg(feature = "tls")]
    pub(super) fn is_closed_in_order(&self) -> bool {
        matches!(self, Self::Tls(secure) if secure.closed)
    }

    /// Stops writing without a word to whatever protects the socket.
    #[cfg(feature = "tls")]
    pub(super) fn close_socket_write(&self) {
        let socket = self.tcp_socket().expect("a socket");
        socket.shutdown(Shutdown::Write).expect("it is open");
    }

    /// Takes about so many bytes without being read, so that a server notices soon that nobody reads.
    pub(super) fn shrink(&self, bytes: usize) {
        #[cfg(unix)]
        if let Some(socket) = self.tcp_socket() {
            use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
            set_socket_recv_buffer_size(socket, bytes).expect("a socket option");
            set_socket_send_buffer_size(socket, bytes).expect("a socket option");
        }
        #[cfg(not(unix))]
        let _ = bytes;
    }

    /// Goes away with a reset where the system can be told to; elsewhere it just goes away.
    pub(super) fn reset(self) {
        #[cfg(unix)]
        if let Some(socket) = self.tcp_socket() {
            rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO))
                .expect("a socket option");
        }
        drop(self);
    }
}
