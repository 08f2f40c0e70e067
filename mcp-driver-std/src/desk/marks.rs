//! What has happened to a connection that nobody may look into now.
//!
//! Owns the edges that were told and not looked at yet, and the right to be inside of the connection: one thread has it at a
//! time. Must never lose an edge or a wake-up: what comes while a thread is inside makes the connection ready again when it
//! comes out.

use std::sync::atomic::{AtomicU8, Ordering};

use mcp_driver::edges::Edges;

const READABLE: u8 = 1;
const WRITABLE: u8 = 1 << 1;
const READ_CLOSED: u8 = 1 << 2;
const ERROR: u8 = 1 << 3;
/// It is on its desk's list, or will be when the thread that is inside comes out.
const QUEUED: u8 = 1 << 4;
/// A thread is inside.
const INSIDE: u8 = 1 << 5;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Marks(AtomicU8);

impl Marks {
    /// Something is to be done. Says whether the connection has to be put on the list for it.
    pub(super) fn wake(&self) -> bool {
        self.mark(0)
    }

    /// The same, because of an event.
    pub(super) fn tell(&self, event: Edges) -> bool {
        let bit = |is: bool, bit| if is { bit } else { 0 };
        self.mark(
            bit(event.readable, READABLE)
                | bit(event.writable, WRITABLE)
                | bit(event.read_closed, READ_CLOSED)
                | bit(event.error, ERROR),
        )
    }

    fn mark(&self, edges: u8) -> bool {
        let before = self.0.fetch_or(edges | QUEUED, Ordering::SeqCst);
        before & (QUEUED | INSIDE) == 0
    }

    /// Goes inside and takes what was told, unless another thread is inside; that one will put the connection on the list.
    pub(super) fn enter(&self) -> Option<Edges> {
        let taken = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |marks| {
                (marks & INSIDE == 0).then_some(INSIDE)
            });
        let marks = taken.ok()?;
        Some(Edges {
            readable: marks & READABLE != 0,
            writable: marks & WRITABLE != 0,
            read_closed: marks & READ_CLOSED != 0,
            write_closed: false,
            error: marks & ERROR != 0,
        })
    }

    /// Goes inside if nothing else is to be done there.
    pub(super) fn enter_idle(&self) -> bool {
        let none = |marks| (marks & (INSIDE | QUEUED) == 0).then_some(marks | INSIDE);
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, none)
            .is_ok()
    }

    /// Comes out. Says whether the connection has to be put on the list.
    pub(super) fn leave(&self) -> bool {
        self.0.fetch_and(!INSIDE, Ordering::SeqCst) & QUEUED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_a_thread_is_inside_is_done_afterwards() {
        let marks = Marks::default();
        assert!(marks.wake());
        assert!(!marks.wake(), "it is on the list");
        assert_eq!(marks.enter(), Some(Edges::default()));
        let event = Edges {
            readable: true,
            ..Edges::default()
        };
        assert!(!marks.tell(event), "a thread is inside");
        assert_eq!(marks.enter(), None);
        assert!(!marks.enter_idle());
        assert!(marks.leave(), "it has to be looked at again");
        assert!(!marks.wake(), "it is on the list");
        assert!(!marks.enter_idle(), "whoever looks at it does all of it");
        assert_eq!(marks.enter(), Some(event));
        assert!(!marks.leave());
        assert!(marks.enter_idle());
        assert!(!marks.leave());
    }
}
