//! Streamable HTTP on hyper.
//!
//! [`serve()`] owns a listener: it accepts, keeps deadlines, answers the health
//! probes and ends gracefully. [`McpService`] is the endpoint alone, a
//! `tower` service for mounting in axum or any other stack:
//!
//! ```no_run
//! # async fn mount() -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_driver_tokio::http::{HttpOptions, McpService};
//! use mcp_server::Server;
//!
//! let mcp = McpService::new(Server::new("hello", "1.0.0"), HttpOptions::default())?;
//! // let app = axum::Router::new().route_service("/mcp", mcp);
//! # drop(mcp); Ok(()) }
//! ```
//!
//! A host that mounts the service keeps its own deadlines for heads and
//! stalled readers, and calls [`McpService::shutdown`] when it ends, so that
//! open subscriptions are completed.
//!
//! [`HttpSse`] in the options adds the older transport. A listener of ours then
//! serves its two paths as well; a host mounts the same service at each:
//! `.route_service("/sse", mcp.clone()).route_service("/messages", mcp)`.

mod body;
mod guard;
mod routes;
mod serve;
mod service;
mod stall;

pub use body::McpBody;
pub use mcp_driver::http::{DEFAULT_ADDRESS, Report, ServeOptions};
pub use mcp_server::http::{HttpOptions, HttpSse, InvalidPath};
#[cfg(feature = "ws")]
pub(crate) use serve::serve_with;
pub use serve::{bind, serve};
pub use service::{BuildError, McpService, ResponseFuture};
