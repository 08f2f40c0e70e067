//! What a server process keeps of the memory that its answers took.
//!
//! Owns one hint to the allocator, given once. Must never be part of serving: whoever serves inside a process of its own
//! decides about the memory there.

use std::hint::black_box;

/// Half of what is kept.
const HINT: usize = 512 << 10;

/// Lets the allocator keep up to a mebibyte of what one answer has freed for the next one.
///
/// The C library of most Linux systems gives back whatever lies free beyond 128 KiB at the end of the heap, with every
/// free. A server of long answers goes there and back with each of them, and every page on the way is a fault: nine for
/// an answer of 64 KiB, which cost more than to write and send it. The bound follows the program: it becomes twice the
/// size of the largest block of a mapping of its own that was freed (mallopt(3), `M_MMAP_THRESHOLD`), so that one such
/// block is all it takes. Its pages are never touched. Other allocators take it for what it is, a block of memory.
pub(crate) fn keep() {
    drop(black_box(Vec::<u8>::with_capacity(HINT)));
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::{black_box, keep};

    /// The page faults of this thread so far that needed no disk: the tenth field, of which the second may hold anything.
    fn faults() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux");
        let after_name = stat.rsplit_once(')').expect("a name").1;
        let field = after_name.split_whitespace().nth(7).expect("fields");
        field.parse().expect("a number")
    }

    #[test]
    fn memory_that_comes_and_goes_is_not_faulted_in_every_time() {
        const ROUNDS: u64 = 50;
        const BLOCK: usize = 100 << 10;
        let round = || drop(black_box([(); 4].map(|()| vec![1_u8; BLOCK])));
        keep();
        round();
        let before = faults();
        (0..ROUNDS).for_each(|_| round());
        let pages = 4 * BLOCK as u64 / 4096;
        let faults = faults() - before;
        assert!(faults < ROUNDS * pages / 10, "{faults} faults");
    }
}
