//! JSON at the level of bytes: find what matters, leave the rest raw.
//!
//! Owns the scanner, helpers for raw tokens, and the message writers. Nothing here builds a tree or
//! copies a payload.

pub mod scan;
pub mod text;
pub mod write;

mod cursor;
mod envelope;
mod malformed;
mod message;

pub use malformed::MALFORMED_ANSWER;
pub use message::{Inbound, PIN_THRESHOLD};
pub use scan::{Envelope, Kind, Malformed, MalformedKind, ScanLimits, Span, scan};
