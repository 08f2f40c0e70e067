//! The framework for MCP servers: handlers, registry, context, and the glue that polls them.
//!
//! A server is an immutable value: build it once from tools, resources and prompts, then hand it to a
//! driver. This crate has no sockets, no clock and no runtime of its own; `mcp-driver-tokio` has.
//!
//! ```
//! use mcp_server::{Server, ToolRunner, tool};
//!
//! /// Adds two numbers.
//! #[tool(read_only, idempotent)]
//! fn add(a: f64, /** the second addend */ b: f64) -> f64 {
//!     a + b
//! }
//!
//! let service = Server::new("adder", "1.0.0").tool(add).build().expect("the server is well formed");
//! let result = ToolRunner::new(service).call("add", r#"{"a":1,"b":2.5}"#).wait().expect("the tool exists");
//! assert_eq!(result.structured_content.expect("structured").as_str(), "3.5");
//! ```
//!
//! # Where things are
//!
//! - [`Server`] builds, [`Service`] is what was built; [`macro@tool`], [`macro@resource`] and [`macro@prompt`] are the
//!   attributes, [`Tool::builder`], [`Resource::builder`] and [`Prompt::builder`] the way without macros;
//! - [`Context`] is what a handler may do: report progress, log, ask the client, remember;
//! - [`Connection`] (byte streams) and [`http::HttpServer`] (requests) are what drivers drive;
//! - [`ToolRunner`] calls handlers without any transport.
//!
//! # Features
//!
//! - `validate`: all of JSON Schema is enforced, for schemas that are written by hand or known only at run time and for the
//!   keywords of generated ones that no type proves;
//! - `tracing`: a span for each call, and notes on handlers that panic or hold up their connection.

#![forbid(unsafe_code)]

mod argument;
mod ask;
mod ask_error;
mod auth;
mod builder;
mod call;
mod canonical;
mod cell;
mod check;
mod completion;
mod connection;
mod contents;
mod context;
mod dispatch;
mod elicit;
mod elsewhere;
mod form;
mod formats;
pub mod http;
mod hub;
#[cfg(all(test, loom))]
mod interleavings;
mod journal;
mod later;
mod machine;
#[cfg(doctest)]
mod mistakes;
mod once;
mod outcome;
mod page;
mod problem;
mod prompt;
mod registry;
mod resource;
mod result;
mod runner;
mod runtime;
mod sample;
mod schema;
mod script;
mod service;
mod state;
mod suggest;
mod suspend;
mod sync;
mod template;
mod tool;
mod validate;
mod wakes;

pub use self::http::{Begin, HttpCall, HttpOptions, HttpServer};
pub use argument::{Arguments, FromArgument};
pub use ask::AskError;
pub use auth::{
    Authenticating, Authenticator, Denied, Principal, ProtectedResource, StaticBearer, bearer_token,
};
pub use builder::Server;
pub use call::{Blocking, InPlace, Runtime};
pub use check::Violation;
pub use completion::{CompletionRequest, Completions};
pub use connection::{Connection, Job, Leftovers};
pub use contents::{AsJson, IntoContents};
pub use context::Context;
pub use elicit::{Elicited, url_elicitation_required};
pub use hub::{Hub, Registration};
pub use journal::Sealer;
pub use later::UrlInteraction;
pub use machine::{Demand, Machine};
pub use mcp_macros::{prompt, resource, tool};
pub use mcp_proto as proto;
pub use mcp_types as types;
pub use outcome::BoxFuture;
pub use problem::{BuildError, Problem, Warning};
pub use prompt::{IntoMessages, IntoPrompt, Prompt, PromptBuilder};
pub use resource::{IntoResource, ReadRequest, Resource, ResourceBuilder};
pub use result::{HandlerError, IntoHandlerError, IntoToolResult};
pub use runner::{Note, Run, ToolRunner};
pub use service::{IntoService, Prompts, Resources, Service, Tools};
pub use state::State;
pub use tool::{Derived, IntoJson, IntoTool, Tool, ToolBuilder, Written};

/// For types of arguments and results: `#[derive(schemars::JsonSchema)]`.
pub use schemars;
/// For types of arguments and results: `#[derive(serde::Deserialize)]`.
pub use serde;

// What the attributes expand to names this crate from outside.
extern crate self as mcp_server;

/// What the attributes expand to. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::result::{Content, Described, Returned, Settle, Shape};
    pub use crate::runner::Completed;
    pub use {schemars, serde};
}
