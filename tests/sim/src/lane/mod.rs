//! Lanes: a client, a server and what lies between them.

pub mod between;
pub mod client;
pub mod config;
pub mod heard;
pub mod http;
pub mod lies;
pub mod link;
pub mod server;
pub mod service;
pub mod watch;
pub mod wire;

use crate::failure::Checked;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pipe::digested;

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
    /// Of all bytes that anybody wrote in lanes that are finished, and of all that came over HTTP.
    pub digest: u64,
    /// Numbers that no two requests share.
    pub nonce: u64,
}

impl World {
    /// Goes on with the digest.
    pub fn digest(&mut self, bytes: &[u8]) {
        self.digest = digested(self.digest, bytes);
    }

    /// Whether that fault is on.
    #[must_use]
    pub fn mutates(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}

/// Kinds of lanes.
pub const LINK: u32 = 0;
/// See [`LINK`].
pub const SERVICE: u32 = 1;
/// See [`LINK`].
pub const HTTP: u32 = 2;

/// Any lane.
#[derive(Debug)]
pub enum Lane {
    /// Two machines.
    Link(Box<link::LinkLane>),
    /// A machine and a whole server.
    Service(Box<service::ServiceLane>),
    /// Clients and two replicas over HTTP.
    Http(Box<http::HttpLane>),
}

impl Lane {
    /// A lane of that kind and configuration.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn open(world: &mut World, kind: u32, configuration: u32) -> Checked<Self> {
        Ok(match kind % 3 {
            LINK => {
                let mut lane = Box::new(link::LinkLane::new(world, configuration));
                lane.begin(world)?;
                Self::Link(lane)
            }
            SERVICE => {
                let mut lane = Box::new(service::ServiceLane::new(world, configuration));
                lane.begin(world)?;
                Self::Service(lane)
            }
            _ => Self::Http(Box::new(http::HttpLane::new(world, configuration))),
        })
    }

    /// A kind and a configuration as hostile as this one, once one end has closed.
    #[must_use]
    pub fn successor(&self, chance: u32) -> Option<(u32, u32)> {
        let (over, hostile, kind) = match self {
            Self::Link(lane) => (lane.is_over(), lane.is_hostile(), LINK),
            Self::Service(lane) => (lane.is_over(), lane.is_hostile(), SERVICE),
            Self::Http(lane) => (lane.is_over(), lane.is_hostile(), HTTP),
        };
        let chance = chance / 3 * 3;
        let configuration = if hostile {
            chance
        } else {
            chance.checked_sub(1).unwrap_or(1)
        };
        over.then_some((kind, configuration))
    }

    /// Does one operation.
    ///
    /// # Errors
    /// The invariant that it broke.
    pub fn apply(&mut self, world: &mut World, op: Op) -> Checked {
        match self {
            Self::Link(lane) => lane.apply(world, op),
            Self::Service(lane) => lane.apply(world, op),
            Self::Http(lane) => lane.apply(world, op),
        }
    }

    /// When a driver of the lane wants to wake up.
    #[must_use]
    pub fn wakeup(&self) -> Option<u64> {
        match self {
            Self::Link(lane) => lane.wakeup(),
            Self::Service(lane) => lane.wakeup(),
            Self::Http(lane) => lane.wakeup(),
        }
    }

    /// Time has come for some.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn wake(&mut self, world: &mut World) -> Checked {
        match self {
            Self::Link(lane) => lane.wake(world),
            Self::Service(lane) => lane.wake(world),
            Self::Http(lane) => lane.wake(world),
        }
    }

    /// Everybody leaves.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn finish(self, world: &mut World) -> Checked {
        match self {
            Self::Link(lane) => lane.finish(world),
            Self::Service(lane) => lane.finish(world),
            Self::Http(lane) => lane.finish(world),
        }
    }
}
