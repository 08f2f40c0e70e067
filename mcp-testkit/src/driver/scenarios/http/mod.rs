//! HTTP: its connections, bodies, streams, refusals, deadlines and ends, with TLS and without.

pub(super) mod bodies;
pub(super) mod connections;
pub(super) mod deadlines;
pub(super) mod ends;
pub(super) mod refusals;
pub(super) mod smuggling;
pub(super) mod streams;
#[cfg(feature = "tls")]
pub(super) mod tls;
