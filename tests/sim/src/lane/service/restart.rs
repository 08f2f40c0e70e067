//! A server's process that dies, and a client that comes back to the next one.
//!
//! Owns what each of them loses: the process everything but its key, the client everything but the states that it holds.

use std::sync::Arc;

use super::super::World;
use super::super::between::Between;
use super::super::client::ClientEnd;
use super::{Host, ServiceLane};
use crate::failure::{Checked, require};

impl ServiceLane {
    /// The process dies, the client notices, and begins anew with the process that takes its place.
    pub(super) fn restart(&mut self, world: &mut World) -> Checked {
        self.between.whole = false;
        let fresh = self.plant.start();
        let Host {
            life,
            connection,
            service,
            ..
        } = core::mem::replace(&mut self.server, fresh);
        drop(connection);
        self.tasks.kill(life);
        let left = [
            self.stage.alive(),
            service.hub().listeners(),
            self.tasks.len(),
        ];
        require!(
            left == [0; 3],
            MemoryToBaseline,
            "a process that died has handlers, listeners, tasks {left:?}"
        );
        // What is on its way arrives, and then nothing more.
        self.server.done = true;
        self.between.up.cut();
        self.between.down.stalled = false;
        self.between.down.finish();
        self.moves(world)?;
        require!(
            self.client.closed,
            Liveness,
            "the server is gone and the client is not"
        );
        require!(
            self.client.pending.is_empty(),
            EndsExactlyOnce,
            "never ended: {:?}",
            self.client.pending
        );
        self.between.digest(world);
        let config = &self.config;
        self.between = Between::new(config);
        self.client = ClientEnd::new(Arc::clone(config));
        self.errands.clear();
        self.server.done = false;
        self.begin(world)
    }
}
