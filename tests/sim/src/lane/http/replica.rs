//! Replicas: processes that serve, die, and come back with nothing but their key.
//!
//! Owns what a process is made of, and what its death means to those who talked to it.

use std::sync::Arc;

use mcp_server::Service;
use mcp_server::http::{HttpOptions, HttpServer};

use super::super::World;
use super::super::config::Config;
use super::HttpLane;
use super::facts::Session;
use crate::failure::{Checked, require};
use crate::mutation::Mutation;
use crate::stage::{Stage, Tasks};

/// A process.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) server: HttpServer,
    pub(super) service: Service,
    /// Which process of all it is. No two have the same.
    pub(super) life: usize,
}

/// What every process of a lane is made of.
#[derive(Debug)]
pub(super) struct Plant {
    pub(super) config: Config,
    /// What the replicas share. Otherwise each process has a key of its own, which dies with it.
    pub(super) key: Option<[u8; 32]>,
    pub(super) options: HttpOptions,
    pub(super) stage: Stage,
    pub(super) tasks: Tasks,
    /// How many processes were started.
    pub(super) lives: usize,
}

impl Plant {
    /// Whether what one replica has sealed is good for all of them, and for those that come after.
    pub(super) const fn is_shared(&self) -> bool {
        self.key.is_some()
    }

    pub(super) fn start(&mut self) -> Replica {
        let life = self.lives;
        self.lives += 1;
        let service = self.config.service(&self.stage, self.key, 0);
        // As fresh as what the system gives each process.
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(life as u64 + 1).to_le_bytes());
        let runtime = Arc::new(self.tasks.of(life));
        Replica {
            server: HttpServer::new(service.clone(), self.options.clone(), runtime, seed),
            service,
            life,
        }
    }
}

impl HttpLane {
    /// A replica dies with all that it was doing, and another process takes its place.
    ///
    /// Its clients learn no more than that their connections broke.
    pub(super) fn restart(&mut self, world: &World, n: usize) -> Checked {
        let (broken, others): (Vec<_>, Vec<_>) = core::mem::take(&mut self.exchanges)
            .into_iter()
            .partition(|exchange| exchange.replica == n);
        self.exchanges = others;
        for exchange in broken {
            self.broke_off(&exchange);
        }
        if world.mutates(Mutation::LoseKey)
            && let Some(key) = &mut self.plant.key
        {
            key[0] ^= 0xff;
        }
        let fresh = self.plant.start();
        let dead = core::mem::replace(&mut self.replicas[n], fresh);
        self.tasks.kill(dead.life);
        let Replica {
            server, service, ..
        } = dead;
        let (calls, streams) = (server.calls(), server.streams());
        drop(server);
        let left = [calls, streams, service.hub().listeners()];
        require!(
            left == [0; 3],
            MemoryToBaseline,
            "a process that died has calls, streams, listeners {left:?}"
        );
        Ok(())
    }

    /// Whether the process that knew that session is gone with its key.
    pub(super) fn is_forgotten(&self, session: &Session) -> bool {
        !self.plant.is_shared() && self.replicas[session.replica].life != session.life
    }
}
