//! The rows, by the section of the fault catalogue that they belong to.
//!
//! A test is named after its row: `row_19_duplicate_keys…`. A row that applies to byte streams and to HTTP is tried on
//! both.

mod authentication;
mod http_heads;
mod json_rpc;
mod security;
mod state;
mod timing;
mod versions;
mod wire;
