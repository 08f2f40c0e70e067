//! The process's standard streams, for the protocol alone.
//!
//! Owns taking the streams away from the rest of the process: the protocol runs on private duplicates that no child
//! inherits, descriptor 0 becomes the null device and descriptor 1 a copy of stderr. So a stray `println!` lands on stderr
//! instead of in the protocol, and a child process that reads its standard input sees its end instead of the client's
//! messages. Must never write anything but protocol bytes to the real output.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "other.rs")]
mod system;

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a pipe that blocks takes without blocking once it is said to be ready, in bytes: `PIPE_BUF` of POSIX `limits.h` is
/// at least this much.
pub const SURE_WRITE: usize = 512;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// One of the taken streams, and what can be done with it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Channel {
    /// A pipe, a FIFO or a terminal. It does not block, and readiness works; its description is nobody else's.
    #[cfg(unix)]
    Pipe(std::os::fd::OwnedFd),
    /// A socket. It does not block.
    #[cfg(unix)]
    Socket(std::os::unix::net::UnixStream),
    /// A regular file, the null device, a console, or what somebody else may be using: it blocks, and readiness says
    /// nothing.
    Blocking(File),
}

/// Takes the process's standard input and output for the protocol.
///
/// From then on, for the rest of the process, descriptor 0 is the null device and descriptor 1 goes where stderr goes (on
/// Unix; elsewhere the standard handles stay as they are).
///
/// # Errors
/// When they were taken before, or when the operating system refuses.
pub fn take() -> io::Result<(Channel, Channel)> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the standard streams already serve a connection",
        ));
    }
    system::take()
}
