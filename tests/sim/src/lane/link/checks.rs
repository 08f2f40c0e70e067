//! What must hold on a lane of two links: within the limits, at rest, and when everybody has left.

use super::super::World;
use super::super::between::Joined;
use super::super::wire::LARGEST;
use super::LinkLane;
use crate::failure::{Checked, require};
use crate::model::client as client_model;
use crate::model::server as server_model;
use crate::mutation::Mutation;

impl LinkLane {
    /// Asks a machine that has no reason to do anything: it must not do anything.
    pub(super) fn probe(&mut self, world: &mut World, a: u32) -> Checked {
        if a & 1 == 0 {
            let due = self
                .server
                .link
                .poll_timeout()
                .is_some_and(|w| w.at.as_micros() <= world.now);
            if self.server.dirty || due {
                return Ok(());
            }
            let (step, wrote) = self.server.step(world)?;
            require!(
                !wrote && !matches!(step, server_model::Next::Event(_)),
                NoLostWakeup,
                "the server had something to say and nobody knew: {step:?}"
            );
        } else {
            let due = self
                .client
                .link
                .poll_timeout()
                .is_some_and(|w| w.at.as_micros() <= world.now);
            if self.client.dirty || due {
                return Ok(());
            }
            let before = self.client.out.len();
            let step = self.client.step(world)?;
            require!(
                step == client_model::Next::Input && self.client.out.len() == before,
                NoLostWakeup,
                "the client had something to say and nobody knew: {step:?}"
            );
        }
        Ok(())
    }

    pub(super) fn limits(&self, world: &World) -> Checked {
        let (server, client) = (&self.config.server_limits, &self.config.client_limits);
        let in_flight = self.server.link.in_flight();
        require!(
            in_flight <= server.max_calls,
            LimitsHold,
            "{in_flight} calls in flight, {} allowed",
            server.max_calls
        );
        require!(
            self.server.watch.subscriptions() <= server.max_listens,
            LimitsHold,
            "{} subscriptions, {} allowed",
            self.server.watch.subscriptions(),
            server.max_listens
        );
        let waiting = self.client.link.in_flight();
        require!(
            waiting <= client.max_requests && self.client.link.asked_for() <= client.max_calls,
            LimitsHold,
            "{waiting} requests wait, {} allowed",
            client.max_requests
        );
        // What an application has said goes out, full or not: one frame for each call at most.
        let beyond = (server.max_calls + server.max_requests + 8) * LARGEST;
        require!(
            self.server.out.len() <= server.outbox_high + beyond + (64 << 10),
            LimitsHold,
            "{} bytes wait to be written",
            self.server.out.len()
        );
        for (input, max) in [
            (&self.server.input, server.max_message),
            (&self.client.input, client.max_message),
        ] {
            require!(
                input.len() <= max + (1 << 20),
                LimitsHold,
                "{} bytes of input wait, messages have at most {max}",
                input.len()
            );
        }
        require!(
            self.client.link.in_flight() == self.client.model.in_flight()
                && self.server.link.in_flight() == self.server.model.in_flight()
                && self.client.link.asked_for() == self.client.model.asked_for(),
            ModelAgrees,
            "the tables differ at {}",
            world.now
        );
        Ok(())
    }

    /// Moves everything that can move and checks that nothing is stuck.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn settle(&mut self, world: &mut World) -> Checked {
        let stalled = self.between.is_stalled();
        self.between.hurry();
        for _ in 0..1_000_000 {
            let before = self.fingerprint(world);
            self.flow_up(world, usize::MAX)?;
            self.flow_down(world, usize::MAX)?;
            self.between.hurry();
            if self.fingerprint(world) == before {
                break;
            }
        }
        if stalled {
            return Ok(());
        }
        let stuck = [self.client.out.len(), self.server.out.len()];
        require!(
            stuck == [0, 0] && self.between.up.is_empty() && self.between.down.is_empty(),
            Liveness,
            "stuck with {stuck:?} bytes to write through pipes of {:?}, server reads {} dirty {}, client reads {} dirty {}, pipes empty {} {}",
            self.config.capacity,
            self.server.reads,
            self.server.dirty,
            self.client.reads,
            self.client.dirty,
            self.between.up.is_empty(),
            self.between.down.is_empty(),
        );
        if self.between.is_honest() && !self.config.mixed {
            // Every request has ended, or its call is alive.
            let held: Vec<u64> = self
                .server
                .live
                .iter()
                .chain(&self.server.subscriptions)
                .filter_map(|live| live.peer.as_u64())
                .collect();
            for (token, pending) in &self.client.pending {
                require!(
                    held.contains(&pending.id.wire()),
                    EndsExactlyOnce,
                    "request {token} ({}) was never answered",
                    pending.method
                );
            }
        }
        Ok(())
    }

    /// Changes whenever something has happened.
    fn fingerprint(&self, world: &World) -> [u64; 5] {
        [
            world.events,
            self.between.up.moved,
            self.between.down.moved,
            self.server.input.len() as u64,
            self.client.input.len() as u64,
        ]
    }

    /// Everybody leaves: nothing may be left.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn finish(mut self, world: &mut World) -> Checked {
        self.between.digest(world);
        self.between.whole = false;
        self.between.up.stalled = false;
        self.between.down.stalled = false;
        if world.nonce.is_multiple_of(2) {
            self.settle(world)?;
        }
        // The client goes first; the server answers into the void.
        self.between.up.finish();
        self.between.down.cut();
        for _ in 0..1_000_000 {
            let before = self.fingerprint(world);
            self.between.up.hurry();
            self.flow_up(world, usize::MAX)?;
            self.flow_down(world, usize::MAX)?;
            if self.fingerprint(world) == before && self.server.closed && self.client.closed {
                break;
            }
        }
        require!(
            self.server.closed && self.client.closed,
            Liveness,
            "the stream is over and {} is not",
            if self.server.closed {
                "the client"
            } else {
                "the server"
            }
        );
        let mut live = core::mem::take(&mut self.server.live);
        if world.mutates(Mutation::Leak) {
            live.pop();
        }
        for live in live {
            self.server.answer_live(world, &live, 3)?;
        }
        self.flow_down(world, usize::MAX)?;
        require!(
            self.client.pending.is_empty(),
            EndsExactlyOnce,
            "never ended: {:?}",
            self.client.pending
        );
        let left = [
            self.server.link.in_flight(),
            self.client.link.in_flight(),
            self.client.link.asked_for(),
            self.server.model.asking(),
            self.server.input.len(),
            self.client.input.len(),
            self.server.out.len(),
            self.client.out.len(),
        ];
        require!(
            left == [0; 8]
                && self.server.link.poll_timeout().is_none()
                && self.client.link.poll_timeout().is_none(),
            MemoryToBaseline,
            "left behind: {left:?}, {:?}, {:?}",
            self.server.link.poll_timeout(),
            self.client.link.poll_timeout()
        );
        Ok(())
    }
}
