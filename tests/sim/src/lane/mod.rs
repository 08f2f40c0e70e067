//! Lanes: a client, a server and what lies between them.

pub mod client;
pub mod config;
pub mod heard;
pub mod lies;
pub mod link;
pub mod server;
pub mod watch;
pub mod wire;

use crate::mutation::Mutation;

/// What a lane knows of the world.
#[derive(Debug)]
pub struct World {
    /// Monotonic time in microseconds.
    pub now: u64,
    /// Wall-clock time in milliseconds.
    pub unix_ms: u64,
    /// The deliberate fault.
    pub mutation: Option<Mutation>,
    /// Steps of machines so far.
    pub steps: u64,
    /// Events of machines so far.
    pub events: u64,
    /// Numbers that no two requests share.
    pub nonce: u64,
}

impl World {
    /// Whether that fault is on.
    #[must_use]
    pub fn mutates(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}
