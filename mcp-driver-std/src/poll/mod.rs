//! How threads wait on Unix: in `poll(2)`, for descriptors that do not block.
//!
//! Owns what is known of descriptors. Where there are none, [`threads`](../threads) has the same names.

mod bell;
mod door;
mod duplex;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

pub(crate) use bell::Bell;
pub(crate) use door::{Door, Listener};
pub(crate) use duplex::Duplex;

/// What can be read and waited for: on Unix any descriptor, elsewhere any reader.
pub trait Input: Into<OwnedFd> {}

impl<T: Into<OwnedFd>> Input for T {}

/// What can be written and waited for: on Unix any descriptor, elsewhere any writer.
pub trait Output: Into<OwnedFd> {}

impl<T: Into<OwnedFd>> Output for T {}

/// From now on, for everybody who shares the descriptor, what cannot be done at once fails instead of waiting.
fn make_nonblocking(fd: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&fd)?;
    if !flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}
