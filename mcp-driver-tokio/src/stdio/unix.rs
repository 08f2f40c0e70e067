//! Taking descriptors 0 and 1 on Unix, and choosing how to read and write them.
//!
//! Owns the knowledge of descriptor kinds. It must never make a file
//! description non-blocking that stderr shares, because then a `println!`
//! elsewhere in the process would fail.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::fs::{FileType, OFlags};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::streams::{Reader, Writer};
use super::thread::{ThreadReader, ThreadWriter};

/// The private duplicates; descriptors 0 and 1 no longer lead to the client.
pub(super) fn take() -> io::Result<(OwnedFd, OwnedFd)> {
    // `try_clone_to_owned` duplicates with close-on-exec set.
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((input, output))
}

/// What can be done with a descriptor.
enum Kind {
    /// A pipe or FIFO: readiness works.
    Pipe,
    /// A terminal or pseudo-terminal: readiness works, but the description is
    /// usually shared with stderr and the shell.
    Terminal,
    Socket,
    /// A regular file, `/dev/null`, a block device: never "not ready", so a thread serves.
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

pub(super) fn reader(fd: OwnedFd) -> io::Result<Reader> {
    match kind(fd.as_fd())? {
        Kind::Pipe | Kind::Terminal => {
            if let Some(file) = private_description(&fd, OFlags::RDONLY)
                && let Ok(pipe) = pipe::Receiver::from_file_unchecked(file)
            {
                return Ok(Reader::Pipe(pipe));
            }
            if may_change_flags(&fd)
                && let Ok(pipe) = pipe::Receiver::from_owned_fd(fd.try_clone()?)
            {
                return Ok(Reader::Pipe(pipe));
            }
        }
        Kind::Socket => {
            if let Some(stream) = socket(&fd)? {
                return Ok(Reader::Socket(stream));
            }
        }
        Kind::Other => {}
    }
    ThreadReader::start(File::from(fd)).map(Reader::Thread)
}

pub(super) fn writer(fd: OwnedFd) -> io::Result<Writer> {
    match kind(fd.as_fd())? {
        Kind::Pipe | Kind::Terminal => {
            if let Some(file) = private_description(&fd, OFlags::WRONLY)
                && let Ok(pipe) = pipe::Sender::from_file_unchecked(file)
            {
                return Ok(Writer::Pipe(pipe));
            }
            if may_change_flags(&fd)
                && let Ok(pipe) = pipe::Sender::from_owned_fd(fd.try_clone()?)
            {
                return Ok(Writer::Pipe(pipe));
            }
        }
        Kind::Socket => {
            if let Some(stream) = socket(&fd)? {
                return Ok(Writer::Socket(stream));
            }
        }
        Kind::Other => {}
    }
    ThreadWriter::start(File::from(fd)).map(Writer::Thread)
}

/// The same pipe or terminal through an open file description of our own, on
/// which `O_NONBLOCK` is nobody else's business.
///
/// Works where `/proc` exists and the object belongs to our user.
fn private_description(fd: &OwnedFd, access: OFlags) -> Option<File> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(fd));
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty())
        .ok()
        .map(File::from)
}

/// Whether setting `O_NONBLOCK` on this description hurts nobody: only pipes,
/// and only if stderr is another object (`2>&1` shares the description).
fn may_change_flags(fd: &OwnedFd) -> bool {
    let (Ok(ours), Ok(stderr)) = (rustix::fs::fstat(fd), rustix::fs::fstat(io::stderr())) else {
        return false;
    };
    FileType::from_raw_mode(ours.st_mode) == FileType::Fifo
        && (ours.st_dev, ours.st_ino) != (stderr.st_dev, stderr.st_ino)
}

/// A socket through tokio, unless stderr is the same one.
fn socket(fd: &OwnedFd) -> io::Result<Option<UnixStream>> {
    let (ours, stderr) = (rustix::fs::fstat(fd)?, rustix::fs::fstat(io::stderr()));
    if stderr.is_ok_and(|stderr| (stderr.st_dev, stderr.st_ino) == (ours.st_dev, ours.st_ino)) {
        return Ok(None);
    }
    let stream = StdUnixStream::from(fd.try_clone()?);
    stream.set_nonblocking(true)?;
    Ok(UnixStream::from_std(stream).ok())
}
