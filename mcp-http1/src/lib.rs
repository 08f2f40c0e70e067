//! HTTP/1.1 without sockets: the server's end of a connection as a machine, for drivers that have no HTTP library.
//!
//! Two layers. [`ServerMachine`] is HTTP/1.1 alone: bytes in, heads and bodies out, and back. [`HttpConnection`] is one
//! connection of a listener: a [`ServerMachine`] that gives its requests to an
//! [`HttpServer`](mcp_server::http::HttpServer), keeps the deadlines, and is driven like every other byte stream
//! ([`mcp_server::Machine`]).
//!
//! Neither repairs what a peer sends. A request that two readers of the same bytes could understand differently is
//! refused and its connection ends, also where RFC 9112 would let a server be lenient.

#![forbid(unsafe_code)]

mod connection;
mod limits;
mod machine;

pub use connection::{ConnectionOptions, HttpConnection};
pub use limits::{Limits, MAX_HEADERS};
pub use machine::{Length, Refusal, RequestHead, ResponseHead, ServerMachine, Step};
