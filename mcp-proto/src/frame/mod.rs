//! Where a message begins and ends.
//!
//! Owns the two framings: lines (stdio and other byte streams) and server-sent events (HTTP).
//! Neither looks into a message.

pub mod lines;
pub mod sse;

pub use lines::{Line, Lines};
