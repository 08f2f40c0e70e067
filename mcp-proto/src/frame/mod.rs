//! Where a message begins and ends.
//!
//! Owns the framings: lines (stdio and other byte streams), whole messages (WebSocket) and server-sent
//! events (HTTP). None looks into a message.

pub mod lines;
pub mod messages;
pub mod sse;

pub use lines::{Line, Lines};
