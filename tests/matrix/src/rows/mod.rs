//! The rows, by the section of the fault catalogue that they belong to.
//!
//! A test is named after its row: `row_19_duplicate_keys…`. A row that applies to byte streams and to HTTP has a test for
//! each.

mod json_rpc;
mod versions;
