//! The Model Context Protocol as a pure state machine: bytes in, events and bytes out.
//!
//! This crate has no I/O, no async, no threads, no locks, no clock and no randomness. Time, entropy and
//! keys are arguments, buffers are the caller's. That makes every run reproducible, and it makes one
//! protocol implementation usable from any runtime.
//!
//! Whoever moves the bytes is a *driver*. This page is for its author: the whole contract, and a loop
//! that keeps it. (Whoever writes a server needs none of this; `mcp-server` and a driver are enough.)
//!
//! # The contract
//!
//! A machine ([`server::Link`], [`client::Client`]) is driven by five rules, and there is no order among
//! calls to violate:
//!
//! 1. call [`next`](server::Link::next) until it is not an event;
//! 2. if the [`Outbox`](outbox::Outbox) has bytes, write them;
//! 3. [`NeedInput`](server::Step::NeedInput) means that reading is allowed,
//!    [`NeedFlush`](server::Step::NeedFlush) that only a write helps;
//! 4. sleep at most until [`poll_timeout`](server::Link::poll_timeout);
//! 5. after anything that you call on the machine, and after a write that made room, go to 1.
//!
//! There are no hidden queues: unread bytes stay in your input buffer, unwritten bytes in your outbox.
//!
//! # A driver
//!
//! One connection over a reader and a writer that may each be told to wait. Every driver is this function, with the
//! waiting done by its runtime.
//!
//! ```
//! use std::io::{self, Read, Write};
//! use bytes::{Buf, BytesMut};
//! use mcp_proto::config::{Profile, ServerConfig};
//! use mcp_proto::outbox::Outbox;
//! use mcp_proto::reply::{Payload, Reply};
//! use mcp_proto::server::{Link, LinkEvent, Step};
//! use mcp_proto::time::{Instant, Now};
//! use mcp_types::{Implementation, ServerCapabilities, ToolsCapability};
//!
//! fn drive(
//!     link: &mut Link,
//!     reader: &mut impl Read,
//!     writer: &mut impl Write,
//!     clock: impl Fn() -> Now,
//!     mut wait: impl FnMut(bool, bool, Option<Instant>),
//!     mut act: impl FnMut(&mut Link, LinkEvent, &mut Outbox),
//! ) -> io::Result<()> {
//!     let (mut input, mut outbox) = (BytesMut::new(), Outbox::new(256 << 10));
//!     let (mut input_over, mut closed) = (false, false);
//!     loop {
//!         // 1. Everything that can be done now.
//!         let may_read = loop {
//!             match link.next(clock(), &mut input, &mut outbox) {
//!                 Step::Event(LinkEvent::Closed { .. }) => closed = true,
//!                 Step::Event(event) => act(link, event, &mut outbox),
//!                 Step::NeedInput => break !input_over,
//!                 Step::NeedFlush => break false,
//!             }
//!         };
//!         // 2. Whatever there is goes out, as far as the channel takes it.
//!         let mut moved = 0;
//!         while outbox.has_remaining() {
//!             match writer.write(outbox.chunk()) { // or `chunks_vectored`
//!                 Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
//!                 Ok(written) => { outbox.advance(written); moved += written; }
//!                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
//!                 Err(error) => return Err(error),
//!             }
//!         }
//!         // Everything was said and written, and no call is left that will say more.
//!         if closed && !outbox.has_remaining() && link.in_flight() == 0 {
//!             return Ok(());
//!         }
//!         // 3. Reading, if it is allowed.
//!         if may_read {
//!             let mut chunk = [0; 4096];
//!             match reader.read(&mut chunk) {
//!                 Ok(count) if count > 0 => { input.extend_from_slice(&chunk[..count]); moved += count; }
//!                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
//!                 // End of file, error and hang-up are one.
//!                 _ => { link.end_of_input(); input_over = true; moved += 1; }
//!             }
//!         }
//!         // 4. Only when nothing moved: for input, for room in the channel, for the time. 5. From the top.
//!         if moved == 0 {
//!             let until = link.poll_timeout().map(|wakeup| wakeup.at);
//!             wait(may_read, outbox.has_remaining(), until);
//!         }
//!     }
//! }
//!
//! let mut profile = Profile::new(Implementation::new("echo", "1.0.0"));
//! profile.capabilities = ServerCapabilities::new().with_tools(ToolsCapability::new());
//! let mut link = Link::new(ServerConfig::compile(profile).into());
//! let mut reader = concat!(
//!     r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"#,
//!     r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
//!     r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#, "\n",
//! ).as_bytes();
//! let mut written = Vec::new();
//! let clock = || Now::new(Instant::from_micros(0), 1_785_000_000_000);
//! drive(&mut link, &mut reader, &mut written, clock, |_, _, _| unreachable!(), |link, event, outbox| {
//!     if let LinkEvent::Call { id, inbound, .. } = event {
//!         assert_eq!(inbound.method_name(), "tools/list");
//!         let reply = Reply::complete(Payload::Slice(br#"{"tools":[]}"#));
//!         link.respond(id, &reply, outbox).expect("the call is in flight");
//!     }
//! })?;
//! assert!(written.starts_with(br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[]"#));
//! # Ok::<(), io::Error>(())
//! ```
//!
//! `examples/embed-loop` is this loop over blocking streams, `examples/embed-epoll` over readiness, with many connections
//! on one thread, and `examples/embed-nostd` is a static library for a host in C.
//!
//! # What each step asks for
//!
//! | | read | write | sleep |
//! |---|---|---|---|
//! | `Event` | no | may wait until the events are done | no: ask again |
//! | `NeedInput` | yes, unless the input is over | if the outbox has bytes, at the same time | until input, room or `poll_timeout` |
//! | `NeedFlush` | no | yes | until room or `poll_timeout` |
//!
//! `next` reads at most one message and says at most one thing, so a loop that must be fair may stop after any number of
//! events, as long as it comes back without waiting for anything. Handing an event on costs nothing but what the
//! application does with it: its bytes are slices of your read buffer. Who keeps them for longer than the call
//! [detaches](json::Inbound::detach) them, or a small message holds a whole buffer in memory.
//!
//! # Backpressure
//!
//! - An outbox that [is full](outbox::Outbox::is_full) is how a slow peer is noticed: a server's link then stops taking
//!   messages (`NeedFlush`), progress waits, log messages are dropped, changes coalesce. Answers are always written, so the
//!   outbox may exceed its mark by what was in flight. Give every connection an outbox of its own, with
//!   [`Limits::outbox_high`](limits::Limits::outbox_high).
//! - Do not read while reading is not allowed: what the machine does not take piles up in your buffer, which has no other
//!   bound. After `NeedInput` the buffer holds less than one message, [`Limits::max_message`](limits::Limits::max_message).
//! - A client never asks for a flush, since its server may be waiting for exactly that. Its driver reads on while it writes.
//! - Reading and writing are independent: a peer may send without reading, or read without sending. A write that waits must
//!   not keep you from reading, and the other way round. A write that makes no progress for long is a dead peer: give the
//!   connection up.
//!
//! # Time
//!
//! [`Now`](time::Now) is two readings. `instant` counts microseconds from an epoch of your choice, is monotonic, and is
//! the same clock for all machines of a process; deadlines are measured on it. `unix_ms` is the time of day for what leaves
//! the process, and may jump. Read both anew for each round: a machine does not know that time passes.
//! [`poll_timeout`](server::Link::poll_timeout) is O(1); it covers everything that waits for time, may be early once, is
//! never late, and changes with every call, so ask anew before each sleep. What waits for room has no timeout: rule 5.
//!
//! # Entropy and keys
//!
//! A link needs none. What seals state or makes session ids ([`seal`], [`legacy`]) takes 32 bytes of the operating
//! system's randomness once, as the seed of an [`Entropy`](entropy::Entropy), and keys as arguments. One seed serves one
//! machine: two that share one hand out the same nonces. If there is no randomness, refuse to start.
//!
//! # End of input and shutdown
//!
//! - End of file, a read error and a hang-up all mean [`end_of_input`](server::Link::end_of_input). Then go on: what is in
//!   the buffer is read, a last line needs no newline, questions end as `Lost`, subscriptions as `Cancelled`, and
//!   `Closed` comes last, once. Calls in flight live on and may be answered: half a connection may still be listening. Give
//!   them [`Limits::shutdown_bound`](limits::Limits::shutdown_bound), then drop the link.
//! - `Closed { misbehaved: true }` comes unasked when the peer has used up its violations. Nothing is read any more, so do
//!   not read; write what there is, and close.
//! - A write error means that nobody hears: drop the link and tell whoever works on its calls.
//! - To go down gracefully, [`drain`](server::Link::drain): subscriptions end in words, new requests are refused, the rest
//!   gets the shutdown bound. Then flush and close; a process that serves stdio exits.
//! - Dropping a machine at any time is safe. It owns nothing outside of itself.
//!
//! # Framings
//!
//! A link reads and writes one message per line, which is what stdio, pipes and sockets carry. A channel that keeps
//! messages apart by itself, such as WebSocket, puts [`frame::messages`] between: a payload in, a line to the link, and
//! back. Set the channel's own limit to `max_message`, so that it is refused before it is held.
//!
//! # HTTP
//!
//! With the feature `http`, Streamable HTTP is two pure pieces. `http::admit` judges the head before a byte of the body is
//! read; its verdict is a finished response or how to go on. `http::exchange::Exchange` is one request and its answer:
//!
//! 1. `AwaitBody`: hand over each chunk; `TooLarge` ends it with 413 and a closed connection. Nobody waits for a body
//!    without a deadline: that is yours.
//! 2. `Open`: after anything that happened, and at `wakeup`, call `tick`; then `take_head`, which has the head as soon as
//!    it is decided and no sooner, and `take_data` until it is empty. `is_full` means that the peer reads slowly: take less
//!    from the application, and never buffer behind the exchange's back.
//! 3. `Draining`: `take_data` until `None`, which is the end of the body.
//!
//! Send the head when it is there and every piece as it comes: a proxy that sees nothing for long hangs up. A peer that
//! disconnects has cancelled its request in 2026-07-28 and has not before: tell the framework which of your futures was
//! dropped, and decide nothing. What goes beyond one exchange (sessions, replay, late answers) is the framework's.
//!
//! # Limits
//!
//! Every bound is a field of [`Limits`](limits::Limits) and says what it costs and what happens there. What remains for
//! the driver: how many connections, how long a silent one lives before its first message, how long a write may stall,
//! how long a head or body may take, and how long the end may last.
//!
//! # What a driver must never do
//!
//! - Look into a message, add one, drop one, or reorder bytes. A driver that knows a method has a bug.
//! - Answer for the machine, retry, or close because it does not like what it read.
//! - Wait for a handler while it could read: the cancellation of that very handler may be what comes.
//! - Read without a bound, hold an outbox for later, or write from two places at once.
//! - Let a connection touch another's machine or buffers, or let a panic of one end another.
//! - Write anything but the outbox to the channel: on stdio, a stray line on standard output is a broken peer.
//! - Listen beyond loopback, or accept without the checks of its channel, unless it was told to.
//!
//! The contract test kit, `mcp-testkit` with its module `driver`, runs all of this against a driver: both eras, slow and
//! rude peers, half-closed streams, cancellation, shutdown. A driver is correct when it passes.
//!
//! # Features
//!
//! The crate is `no_std` and needs `core` and `alloc`. `std` (default) adds `std::io::Write` and vectored writes of the
//! outbox, and lets the search for line ends use what the processor has. `http` (default) needs `std`.
//!
//! # Where things are
//!
//! - [`server`]: the byte-stream [`Link`](server::Link) and subscriptions; [`client`]: the other end;
//! - `http` (feature `http`): admission of a request head, header mirrors, the late-bound `Exchange`;
//! - [`legacy`]: handshake, sessions, server-to-client requests, replay, batches: nothing modern needs them;
//! - [`judge`], [`context`], [`config`], [`reply`]: who may say what, and what is said back;
//! - [`json`], [`frame`], [`outbox`]: the span scanner, the writer, the framings;
//! - [`time`], [`entropy`], [`seal`], [`id`], [`limits`], [`error`], [`method`]: the small parts.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod client;
pub mod config;
pub mod context;
pub mod entropy;
pub mod error;
pub mod frame;
#[cfg(feature = "http")]
pub mod http;
pub mod id;
pub mod json;
pub mod judge;
pub mod legacy;
pub mod limits;
pub mod method;
pub mod outbox;
pub mod reply;
pub mod seal;
pub mod server;
pub mod time;
