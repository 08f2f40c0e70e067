//! The vocabulary of the Model Context Protocol.
//!
//! One set of types models every published revision and the tasks extension. Decoding is tolerant and the same for all:
//! every type implements [`serde::Deserialize`], accepts the forms of every revision, and keeps unknown members and
//! unknown kinds of content. Encoding takes the [`Revision`] of the receiver: the trait [`Wire`] writes only what that
//! revision has.
//!
//! ```
//! use mcp_types::{CallToolResult, Json, Revision, to_string};
//!
//! let result = CallToolResult::structured(Json::parse("[1, 2]")?);
//! // A list can be sent as a value since 2026-07-28; before that only its text mirror is sent.
//! assert_eq!(
//!     to_string(&result, Revision::V2026_07_28),
//!     r#"{"content":[{"type":"text","text":"[1, 2]"}],"structuredContent":[1, 2]}"#,
//! );
//! assert_eq!(
//!     to_string(&result, Revision::V2025_11_25),
//!     r#"{"content":[{"type":"text","text":"[1, 2]"}]}"#,
//! );
//! # Ok::<(), mcp_types::JsonError>(())
//! ```
//!
//! Structures are `#[non_exhaustive]` with public fields: build them with `new(required…)` and `with_…` setters.
//! Payloads whose type only the user knows (tool arguments, schemas, structured content) stay raw [`Json`].
//! Results hold `resultType` and caching hints as optional members; the protocol core adds them where a revision
//! requires them.
//!
//! This crate depends on serde and serde_json alone and does no I/O.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod capabilities;
mod completion;
mod content;
mod decode;
mod discovery;
mod elicitation;
mod elicitation_schema;
mod escape;
mod implementation;
mod json;
mod legacy;
mod logging;
mod macros;
mod map;
mod message;
pub mod meta;
mod mrtr;
mod progress;
mod prompts;
mod resources;
mod revision;
pub mod revisions;
mod roots;
mod sampling;
mod subscriptions;
mod tasks;
mod tools;
pub mod wire;
mod writer;

pub use capabilities::*;
pub use completion::*;
pub use content::*;
pub use discovery::*;
pub use elicitation::*;
pub use elicitation_schema::*;
pub use implementation::*;
pub use json::{Json, JsonError, describe};
pub use legacy::*;
pub use logging::*;
pub use map::{Map, Object};
pub use message::*;
pub use meta::{Meta, TraceContext};
pub use mrtr::*;
pub use progress::*;
pub use prompts::*;
pub use resources::*;
pub use revision::{Revision, UnknownRevision};
pub use roots::*;
pub use sampling::*;
pub use subscriptions::*;
pub use tasks::*;
pub use tools::*;
pub use wire::{Wire, encode_into, to_json, to_string, to_vec};
#[doc(hidden)]
pub use writer::Long;
pub use writer::{LongTexts, Writer, to_pieces};
