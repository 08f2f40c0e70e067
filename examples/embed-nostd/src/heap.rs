//! An allocator in a fixed piece of memory.
//!
//! Owns the arena: blocks of powers of two, cut off its front and kept in a list for each size once they are free. What
//! is gone is gone: no memory means a null pointer, never another source of it. Must never be asked from an interrupt:
//! the lock spins.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

/// All the memory that the library ever uses, apart from the stack.
const ARENA: usize = 256 << 10;

/// The least block, and the least that a block is aligned to.
const LEAST: usize = 16;

/// What every block of at least this size is aligned to, and the most that can be asked for.
const ALIGNED: usize = 64;

/// Sizes from `LEAST` up to the whole arena.
const SIZES: usize = (ARENA.trailing_zeros() - LEAST.trailing_zeros() + 1) as usize;

#[repr(align(64))]
struct Arena(UnsafeCell<[u8; ARENA]>);

/// A free block; it stands in the block itself.
struct Free {
    next: *mut Free,
}

pub(crate) struct Heap {
    locked: AtomicBool,
    arena: Arena,
    /// How much of the arena has been cut into blocks.
    cut: UnsafeCell<usize>,
    free: UnsafeCell<[*mut Free; SIZES]>,
}

// SAFETY: the cells are only touched while `locked` is held.
unsafe impl Sync for Heap {}

impl Heap {
    pub(crate) const fn new() -> Self {
        Self {
            locked: AtomicBool::new(false),
            arena: Arena(UnsafeCell::new([0; ARENA])),
            cut: UnsafeCell::new(0),
            free: UnsafeCell::new([ptr::null_mut(); SIZES]),
        }
    }

    fn exclusively<T>(&self, work: impl FnOnce() -> T) -> T {
        while self
            .locked
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            core::hint::spin_loop();
        }
        let done = work();
        self.locked.store(false, Ordering::Release);
        done
    }
}

/// The size of the block that holds `layout`, and the place of its list; `None` if there is no such block.
fn block(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size().max(layout.align()).max(LEAST);
    let size = size.checked_next_power_of_two()?;
    let list = (size.trailing_zeros() - LEAST.trailing_zeros()) as usize;
    (list < SIZES && layout.align() <= ALIGNED).then_some((size, list))
}

// SAFETY: a block is as large as it has to be and aligned to the smaller of its size and `ALIGNED`, which is at least
// what was asked for; it is handed out by one call alone until it comes back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((size, list)) = block(layout) else {
            return ptr::null_mut();
        };
        self.exclusively(|| {
            // SAFETY: the lock is held, so nobody else has the cells.
            let (free, cut) = unsafe { (&mut *self.free.get(), &mut *self.cut.get()) };
            let first = free[list];
            if !first.is_null() {
                // SAFETY: what is in a list is a free block that holds a `Free`.
                free[list] = unsafe { (*first).next };
                return first.cast();
            }
            let start = cut.next_multiple_of(size.min(ALIGNED));
            match start.checked_add(size) {
                Some(end) if end <= ARENA => {
                    *cut = end;
                    // SAFETY: `start` is within the arena.
                    unsafe { self.arena.0.get().cast::<u8>().add(start) }
                }
                _ => ptr::null_mut(),
            }
        })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let Some((_, list)) = block(layout) else {
            return;
        };
        self.exclusively(|| {
            // SAFETY: the lock is held, so nobody else has the list.
            let free = unsafe { &mut *self.free.get() };
            let back = pointer.cast::<Free>();
            // SAFETY: the caller gives the block up; it is large enough and aligned for a `Free`.
            unsafe { back.write(Free { next: free[list] }) };
            free[list] = back;
        });
    }
}
