//! The protocol core as a static library without std: what a host in C sees of it.
//!
//! Owns the machine, its two buffers and the functions of `embed.h`. The host moves the bytes and tells the time. It
//! must never need more than `core` and `alloc`: the panic handler and the allocator are its own, so that linking std
//! as well would fail.
//!
//! ```text
//! cargo build
//! cc -D_POSIX_C_SOURCE=200809L main.c target/debug/libembed_nostd.a -o host
//! ```

#![no_std]

extern crate alloc;

mod heap;

use alloc::boxed::Box;

use bytes::{Buf, BytesMut};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::{Link, LinkEvent, Step};
use mcp_proto::time::{Instant, Now};

#[global_allocator]
static HEAP: heap::Heap = heap::Heap::new();

unsafe extern "C" {
    /// What the host does when the library cannot go on.
    safe fn mcp_host_panicked() -> !;
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    mcp_host_panicked()
}

/// The `core` that comes with a hosted target was compiled to unwind, and names this. Nobody calls it: a panic aborts.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// One connection.
pub struct Connection {
    link: Link,
    input: BytesMut,
    outbox: Outbox,
    closed: bool,
}

/// What the host may do next; the values of `enum mcp_step`.
#[repr(C)]
pub enum Turn {
    /// Write what there is, then read.
    NeedInput = 0,
    /// Only a write helps.
    NeedFlush = 1,
    /// Write what there is, then close.
    Closed = 2,
}

/// A connection that has seen nothing yet; `mcp_free` takes it back.
#[unsafe(no_mangle)]
pub extern "C" fn mcp_new() -> *mut Connection {
    let config = embed_tools::config();
    let outbox = Outbox::new(config.limits().outbox_high);
    Box::into_raw(Box::new(Connection {
        link: Link::new(config),
        input: BytesMut::new(),
        outbox,
        closed: false,
    }))
}

/// # Safety
/// `connection` comes from [`mcp_new`] and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcp_free(connection: *mut Connection) {
    // SAFETY: the pointer was made by `Box::into_raw`, and the caller gives it up.
    drop(unsafe { Box::from_raw(connection) });
}

/// Bytes that were read.
///
/// # Safety
/// `connection` comes from [`mcp_new`]; `bytes` points to `length` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcp_feed(connection: *mut Connection, bytes: *const u8, length: usize) {
    // SAFETY: the caller's contract, and nobody else has the connection meanwhile.
    let (connection, bytes) =
        unsafe { (&mut *connection, core::slice::from_raw_parts(bytes, length)) };
    connection.input.extend_from_slice(bytes);
}

/// The input is over: end of file, error and hang-up alike.
///
/// # Safety
/// `connection` comes from [`mcp_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcp_end_of_input(connection: *mut Connection) {
    // SAFETY: the caller's contract, and nobody else has the connection meanwhile.
    unsafe { &mut *connection }.link.end_of_input();
}

/// Does all that can be done now: rule 1 of the contract. `instant` counts microseconds from any moment on and never
/// goes back, `unix_ms` is the time of day.
///
/// # Safety
/// `connection` comes from [`mcp_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcp_turn(connection: *mut Connection, instant: u64, unix_ms: u64) -> Turn {
    // SAFETY: the caller's contract, and nobody else has the connection meanwhile.
    let Connection {
        link,
        input,
        outbox,
        closed,
    } = unsafe { &mut *connection };
    let now = Now::new(Instant::from_micros(instant), unix_ms);
    loop {
        match link.next(now, input, outbox) {
            Step::Event(event) => {
                *closed |= matches!(event, LinkEvent::Closed { .. });
                embed_tools::act(link, event, outbox);
            }
            Step::NeedFlush => return Turn::NeedFlush,
            Step::NeedInput if *closed => return Turn::Closed,
            Step::NeedInput => return Turn::NeedInput,
        }
    }
}

/// When to call [`mcp_turn`] even if nothing was read or written: an `instant`, or `UINT64_MAX` for never.
///
/// # Safety
/// `connection` comes from [`mcp_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcp_wakeup(connection: *const Connection) -> u64 {
    // SAFETY: the caller's contract, and nobody changes the connection meanwhile.
    let wakeup = unsafe { &*connection }.link.poll_timeout();
    wakeup.map_or(u64::MAX, |wakeup| wakeup.at.as_micros())
}

/// Moves up to `room` bytes that wait to be written; says how many. A turn is due afterwards.
///
/// # Safety
/// `connection` comes from [`mcp_new`]; `into` points to `room` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcp_take(
    connection: *mut Connection,
    into: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: the caller's contract, and nobody else has the connection meanwhile.
    let outbox = &mut unsafe { &mut *connection }.outbox;
    let count = room.min(outbox.remaining());
    // SAFETY: the caller's contract; `count` is no more than `room`.
    outbox.copy_to_slice(unsafe { core::slice::from_raw_parts_mut(into, count) });
    count
}
