//! Streamable HTTP, both eras on one endpoint, without sockets.
//!
//! Owns the endpoint ([`HttpServer`]) and one request with its answer ([`HttpCall`]). A driver turns its
//! requests into [`http::request::Parts`] and chunks, and writes the head and the chunks that come back.
//! Must never read a clock, spawn a task for a modern call, or know a server library.
//!
//! ```text
//! begin ──▶ Respond                                   refused, or nothing to wait for
//!       └─▶ Read(call) ──body*, end_body──▶ poll_head ──▶ poll_data* ──▶ end
//!                  drop: modern = cancelled, legacy = goes on without its reader
//! ```

mod active;
mod batch;
mod call;
mod detached;
pub(crate) mod gauge;
mod lane;
mod legacy;
mod options;
pub(crate) mod pair;
mod posted;
mod reader;
mod routes;
mod server;
mod session;
mod shared;
mod subscriber;

#[cfg(test)]
mod tests;

pub use call::HttpCall;
pub use options::HttpOptions;
pub use pair::{HttpSse, InvalidPath};
pub use routes::{Route, Routes, text};
pub use server::{Begin, HttpServer};
