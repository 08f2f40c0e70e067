//! Judges the messages that tests see.
//!
//! Every message is checked against the closed schema of its revision, where the published schemas are at hand, and
//! decoded by an implementation of the vocabulary that others wrote. Tests judge what they receive through a
//! [`Conversation`]; what passes between processes is recorded by the program `mcp-witness` and judged afterwards. This
//! crate must never depend on the crates that it judges.

mod check;
mod closed;
mod conversation;
mod decode;
mod http;
mod recording;
mod spec;

pub use check::{Direction, Kind, check_message};
pub use conversation::{Conversation, MODERN};
pub use recording::{Verdict, judge_folder};
pub use spec::folder;
