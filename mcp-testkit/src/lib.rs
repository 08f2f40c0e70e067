//! Test kits for those who build on this workspace.
//!
//! - [`driver`]: what a driver must do, as scenarios that run. A driver is correct when it passes.
//! - [`stream`]: tools and messages for a driver's own tests of its byte streams.
//!
//! There is no async runtime here, and none below it: a kit must not bring what its subject does without.

#![forbid(unsafe_code)]

pub mod driver;
pub mod stream;
