//! Many connections on one thread that is told when something changes: what such drivers share, however they are told.
//!
//! Owns no descriptor and waits for nothing. A loop has a [`Slab`] of what it serves, [`Timers`] for when to look again,
//! [`Lent`] memory for whichever connection has its turn, and the answers of a turn [`Together`]; each connection is a
//! [`Wired`] machine on a [`Wire`] that remembers its [`Readiness`].

mod readiness;
mod slab;
mod timers;
mod together;
mod wired;

pub use readiness::{Edges, Readiness};
pub use slab::{Id, Slab};
pub use timers::Timers;
pub use together::Together;
pub use wired::{Lent, Wire, Wired};
