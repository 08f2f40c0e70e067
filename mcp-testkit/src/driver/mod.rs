//! The contract of a driver: one table of scenarios that runs over every driver.
//!
//! A driver moves bytes, tells the time, supplies entropy and wakes. Whether it does, in both eras and also when its peer is
//! slow, rude or gone, is what the scenarios say; the answers themselves are judged by the published schemas, where these
//! are at hand, and by a second implementation.
//!
//! # For the author of a driver
//!
//! A test without a harness of its own names what the driver has, and leaves out what it has not:
//!
//! ```no_run
//! # use std::{io, net::TcpListener, process::ExitCode};
//! # use mcp_server::Service;
//! use mcp_testkit::driver::{Gate, ListenOptions, Subject, main as contract};
//!
//! # mod mine { use super::*;
//! #   pub fn run(_: Service) -> ExitCode { ExitCode::SUCCESS }
//! #   pub fn serve_tcp(_: TcpListener, _: Service, _: ListenOptions, _: impl FnOnce()) -> io::Result<()> { Ok(()) }
//! # }
//! /// Blocks until everything has ended.
//! fn tcp(listener: TcpListener, service: Service, options: ListenOptions, stop: Gate) -> io::Result<()> {
//!     mine::serve_tcp(listener, service, options, move || stop.wait())
//! }
//!
//! fn main() -> ExitCode {
//!     contract(Subject::new("mine").with_stdio(mine::run).with_tcp(tcp))
//! }
//! ```
//!
//! with, in the manifest,
//!
//! ```toml
//! [[test]]
//! name = "contract"
//! harness = false
//! ```
//!
//! `cargo test --test contract` runs all of it, `cargo test --test contract -- tcp::modern` a part. What a driver has not is
//! printed at the end, counted, and never taken for passed.
//!
//! # How a scenario is run
//!
//! Each has a server of its own, which serves one fixture; the clients are blocking sockets and threads. Bounds are generous
//! for what must come, and what must not come is shown by something later that does.

mod case;
mod fixture;
mod gate;
mod http;
mod lines;
mod messages;
mod scenarios;
mod settings;
mod subject;
mod table;
#[cfg(feature = "tls")]
pub mod tls;
mod wire;

pub use gate::Gate;
pub use mcp_driver::http::{Report, ServeOptions};
pub use mcp_driver::{Ended, ListenOptions, StreamOptions};
#[cfg(feature = "tls")]
pub use subject::ServeTls;
pub use subject::{Serve, Subject};
pub use table::main;
