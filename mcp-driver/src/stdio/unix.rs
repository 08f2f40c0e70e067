//! Taking descriptors 0 and 1 on Unix, and telling what they are.
//!
//! Owns the knowledge of descriptor kinds. Must never make a file description non-blocking that stderr shares, because
//! then a `println!` elsewhere in the process would fail.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{FileType, OFlags};

use super::Channel;

pub(super) fn take() -> io::Result<(Channel, Channel)> {
    // `try_clone_to_owned` duplicates with close-on-exec set.
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((
        channel(input, OFlags::RDONLY)?,
        channel(output, OFlags::WRONLY)?,
    ))
}

/// What a descriptor is.
enum Kind {
    /// A pipe or FIFO: readiness works.
    Pipe,
    /// A terminal or pseudo-terminal: readiness works, but the description is usually shared with stderr and the shell.
    Terminal,
    Socket,
    /// A regular file, `/dev/null`, a block device: never "not ready".
    Other,
}

fn kind(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    Ok(
        match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
            FileType::Fifo => Kind::Pipe,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice if io::IsTerminal::is_terminal(&fd) => Kind::Terminal,
            _ => Kind::Other,
        },
    )
}

fn channel(fd: OwnedFd, access: OFlags) -> io::Result<Channel> {
    match kind(fd.as_fd())? {
        Kind::Pipe | Kind::Terminal => {
            if let Some(file) = private_description(&fd, access) {
                return Ok(Channel::Pipe(file));
            }
            if may_change_flags(&fd) {
                let flags = rustix::fs::fcntl_getfl(&fd)?;
                rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
                return Ok(Channel::Pipe(fd));
            }
        }
        Kind::Socket if !is_also_stderr(&fd) => {
            let stream = UnixStream::from(fd);
            stream.set_nonblocking(true)?;
            return Ok(Channel::Socket(stream));
        }
        Kind::Socket | Kind::Other => {}
    }
    Ok(Channel::Blocking(File::from(fd)))
}

/// The same pipe or terminal through an open file description of our own, on which `O_NONBLOCK` is nobody else's business.
///
/// Works where `/proc` exists and the object belongs to our user.
fn private_description(fd: &OwnedFd, access: OFlags) -> Option<OwnedFd> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).ok()
}

/// Whether setting `O_NONBLOCK` on this description hurts nobody: only pipes, and only if stderr is another object (`2>&1`
/// shares the description).
fn may_change_flags(fd: &OwnedFd) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|ours| FileType::from_raw_mode(ours.st_mode) == FileType::Fifo)
        && rustix::fs::fstat(io::stderr()).is_ok()
        && !is_also_stderr(fd)
}

fn is_also_stderr(fd: &OwnedFd) -> bool {
    match (rustix::fs::fstat(fd), rustix::fs::fstat(io::stderr())) {
        (Ok(ours), Ok(stderr)) => (ours.st_dev, ours.st_ino) == (stderr.st_dev, stderr.st_ino),
        _ => false,
    }
}
