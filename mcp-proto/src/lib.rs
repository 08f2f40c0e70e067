//! The Model Context Protocol as a pure state machine: bytes in, events and bytes out.
//!
//! This crate has no I/O, no async, no threads, no locks, no clock and no randomness. Time, entropy and
//! keys are arguments, buffers are the caller's. That makes every run reproducible, and it makes one
//! protocol implementation usable from any runtime.
//!
//! # The contract
//!
//! A machine is driven by five rules, and there is no order among calls to violate:
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
//! ```
//! use bytes::{Buf, BytesMut};
//! use mcp_proto::config::{Profile, ServerConfig};
//! use mcp_proto::outbox::Outbox;
//! use mcp_proto::reply::{Payload, Reply};
//! use mcp_proto::server::{Link, LinkEvent, Step};
//! use mcp_proto::time::{Instant, Now};
//! use mcp_types::{Implementation, ServerCapabilities, ToolsCapability};
//!
//! let mut profile = Profile::new(Implementation::new("echo", "1.0.0"));
//! profile.capabilities = ServerCapabilities::new().with_tools(ToolsCapability::new());
//! let mut link = Link::new(ServerConfig::compile(profile).into());
//!
//! // Your side of the contract: two buffers and a clock.
//! let mut input = BytesMut::from(concat!(
//!     r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"#,
//!     r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
//!     r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#, "\n",
//! ).as_bytes());
//! let mut outbox = Outbox::new(64 * 1024);
//! let now = Now { instant: Instant::from_micros(0), unix_ms: 1_785_000_000_000 };
//!
//! loop {
//!     match link.next(now, &mut input, &mut outbox) {
//!         Step::Event(LinkEvent::Call { id, inbound, .. }) => {
//!             assert_eq!(inbound.method_name(), "tools/list");
//!             let reply = Reply::complete(Payload::Slice(br#"{"tools":[]}"#));
//!             link.respond(id, &reply, &mut outbox).expect("the call is in flight");
//!         }
//!         Step::Event(_) => {}
//!         Step::NeedInput | Step::NeedFlush => break, // write, then read or sleep
//!     }
//! }
//! let written = outbox.copy_to_bytes(outbox.remaining());
//! assert!(written.starts_with(br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[]"#));
//! ```
//!
//! # Where things are
//!
//! - [`server`]: the byte-stream [`Link`](server::Link) and subscriptions;
//! - `http` (feature `http`): admission of a request head, header mirrors, the late-bound `Exchange`;
//! - [`legacy`]: handshake, sessions, server-to-client requests, replay: nothing modern needs them;
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
