//! What is known about a descriptor that tells only when something changes.
//!
//! Owns the memory of edges, so that no call is made that would only say "not now". Must never forget an edge: it comes
//! once.

use std::io;
use std::task::Poll;

use crate::stream::Written;

/// Whether less than was asked for means that there is no more for now. Where readiness is emulated, only `WouldBlock`
/// makes the next event come.
const SHORT_IS_ALL: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What one event says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edges {
    /// There is something to read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The end can be read.
    pub read_closed: bool,
    /// A write would fail.
    pub write_closed: bool,
    /// Reading and writing say what is wrong.
    pub error: bool,
}

/// What a descriptor can do now, as far as is known.
#[derive(Debug, Clone, Copy)]
pub struct Readiness {
    readable: bool,
    writable: bool,
    /// The end was announced and not read yet: no other event will come for it.
    read_closed: bool,
    /// Less than was asked for is no sign: a terminal gives one line at a time.
    exact: bool,
}

impl Readiness {
    /// A stream socket or pipe. What is there to read is told by the first event; most can be written at once.
    pub const STREAM: Self = Self {
        readable: false,
        writable: true,
        read_closed: false,
        exact: !SHORT_IS_ALL,
    };

    /// Something on which a short read or write is no sign.
    pub const EXACT: Self = Self {
        exact: true,
        ..Self::STREAM
    };

    /// Something of which no event ever comes, for it never has to be waited for.
    pub const ALWAYS: Self = Self {
        readable: true,
        ..Self::EXACT
    };

    /// Remembers what an event says.
    pub const fn on_event(&mut self, event: Edges) {
        self.readable |= event.readable || event.read_closed || event.error;
        self.writable |= event.writable || event.write_closed || event.error;
        self.read_closed |= event.read_closed || event.error;
    }

    /// Whether there may be something to read.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        self.readable
    }

    /// Reads, if there may be something. `room` is the most that `read` can bring.
    ///
    /// # Errors
    /// Whatever `read` says; `WouldBlock` is none.
    pub fn read(
        &mut self,
        room: usize,
        read: impl FnOnce() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if !self.readable {
            return Poll::Pending;
        }
        match read() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Poll::Pending
            }
            Ok(read) if read < room && !self.exact && !self.read_closed => {
                self.readable = false;
                Poll::Ready(Ok(read))
            }
            result => Poll::Ready(result),
        }
    }

    /// Writes, if there may be room.
    ///
    /// # Errors
    /// Whatever `write` says; `WouldBlock` is none.
    pub fn write(
        &mut self,
        write: impl FnOnce() -> io::Result<Written>,
    ) -> Poll<io::Result<usize>> {
        if !self.writable {
            return Poll::Pending;
        }
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.writable = false;
                Poll::Pending
            }
            Ok(written) => {
                self.writable = self.exact || !written.short;
                Poll::Ready(Ok(written.bytes))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Readiness {
        Readiness {
            readable: true,
            exact: false,
            ..Readiness::STREAM
        }
    }

    fn never<T>() -> io::Result<T> {
        panic!("this call would only say that it would block")
    }

    #[test]
    fn after_a_short_read_nothing_is_read_until_an_event_comes() {
        let mut readiness = ready();
        assert!(readiness.read(10, || Ok(10)).is_ready());
        assert!(readiness.read(10, || Ok(3)).is_ready());
        assert!(readiness.read(10, never).is_pending());
    }

    #[test]
    fn the_end_that_was_announced_is_read_after_a_short_read() {
        let mut readiness = Readiness {
            read_closed: true,
            ..ready()
        };
        assert!(readiness.read(10, || Ok(3)).is_ready());
        assert!(matches!(readiness.read(10, || Ok(0)), Poll::Ready(Ok(0))));
    }

    #[test]
    fn where_a_short_read_is_no_sign_only_would_block_is() {
        let mut readiness = Readiness {
            exact: true,
            ..ready()
        };
        assert!(readiness.read(10, || Ok(3)).is_ready());
        let would_block = || Err(io::ErrorKind::WouldBlock.into());
        assert!(readiness.read(10, would_block).is_pending());
        assert!(readiness.read(10, never).is_pending());
    }

    #[test]
    fn after_a_short_write_nothing_is_written_until_an_event_comes() {
        let mut readiness = ready();
        let written = |short| Ok(Written { bytes: 5, short });
        assert!(readiness.write(|| written(false)).is_ready());
        assert!(readiness.write(|| written(true)).is_ready());
        assert!(readiness.write(never).is_pending());
    }
}
