//! What lies between two ends, and how bytes are carried through it.
//!
//! Owns the two pipes, what was done to them, and the turns that a flow takes. What runs at the ends is the lane's.

use super::World;
use super::config::Config;
use super::wire::TURNS;
use crate::failure::Checked;
use crate::pipe::Pipe;

/// See the module.
#[derive(Debug)]
pub struct Between {
    /// From the client to the server.
    pub up: Pipe,
    /// From the server to the client.
    pub down: Pipe,
    /// Whether only honest messages were sent, and none was changed.
    pub clean: bool,
    /// Whether nothing was cut off and nobody went down.
    pub whole: bool,
}

impl Between {
    /// Two fresh pipes.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            up: Pipe::new(config.capacity[0], config.delay[0]),
            down: Pipe::new(config.capacity[1], config.delay[1]),
            clean: !config.hostile,
            whole: true,
        }
    }

    /// Whether nobody has a reason to be accused of anything.
    #[must_use]
    pub const fn is_honest(&self) -> bool {
        self.clean && self.whole
    }

    /// Whether a pipe moves nothing.
    #[must_use]
    pub const fn is_stalled(&self) -> bool {
        self.up.stalled || self.down.stalled
    }

    /// What is on its way arrives now.
    pub fn hurry(&mut self) {
        self.up.hurry();
        self.down.hurry();
    }

    /// A pipe stops moving, or goes on.
    pub fn stall(&mut self, a: u32, b: u32) {
        let pipe = self.one(a);
        pipe.stalled = !pipe.stalled && b & 3 == 0;
    }

    /// A direction ends. Seldom: a cut lane has little more to tell.
    pub fn finish(&mut self, a: u32, b: u32) {
        if b & 3 == 0 {
            self.whole = false;
            self.one(a).finish();
        }
    }

    /// A direction ends, and what is on its way is lost; as seldom.
    pub fn cut(&mut self, a: u32, b: u32) {
        if b & 3 == 0 {
            self.whole = false;
            self.one(a).cut();
        }
    }

    /// Changes one byte of what is on its way up (`side` is even) or down.
    pub fn corrupt(&mut self, side: u32, at: u32, with: u32) {
        const WITH: &[u8] = b"\n\"{}[],:0x\\ \xff\x00-e.";
        let with = WITH[with as usize % WITH.len()];
        if self.one(side).corrupt(at as usize, with) {
            self.clean = false;
        }
    }

    /// Goes on with the world's digest of all that went through.
    pub fn digest(&self, world: &mut World) {
        for pipe in [&self.up, &self.down] {
            world.digest(&pipe.digest.to_le_bytes());
        }
    }

    fn one(&mut self, a: u32) -> &mut Pipe {
        if a & 1 == 0 {
            &mut self.up
        } else {
            &mut self.down
        }
    }
}

/// A lane whose ends are joined by pipes.
pub(super) trait Joined {
    fn between(&self) -> &Between;

    /// From the client's outbox.
    fn pump_up(&mut self, world: &World, max: usize);

    /// From the server's outbox.
    fn pump_down(&mut self, world: &World, max: usize);

    /// To the server's input.
    fn recv_up(&mut self, world: &World, max: usize);

    /// To the client's input.
    fn recv_down(&mut self, world: &World, max: usize);

    fn run_client(&mut self, world: &mut World) -> Checked;

    fn run_server(&mut self, world: &mut World) -> Checked;

    /// Runs both ends while bytes go up, `max` of them. A narrow pipe takes many turns.
    fn flow_up(&mut self, world: &mut World, max: usize) -> Checked {
        self.run_client(world)?;
        let until = self.between().up.moved.saturating_add(max as u64);
        for _ in 0..TURNS {
            let before = self.between().up.moved;
            self.pump_up(world, max);
            self.run_server(world)?;
            self.recv_up(world, max);
            self.run_server(world)?;
            let moved = self.between().up.moved;
            if moved == before || moved >= until {
                break;
            }
        }
        Ok(())
    }

    /// The same downwards.
    fn flow_down(&mut self, world: &mut World, max: usize) -> Checked {
        self.run_server(world)?;
        let until = self.between().down.moved.saturating_add(max as u64);
        for _ in 0..TURNS {
            let before = self.between().down.moved;
            self.pump_down(world, max);
            self.run_client(world)?;
            self.recv_down(world, max);
            self.run_client(world)?;
            let moved = self.between().down.moved;
            if moved == before || moved >= until {
                break;
            }
        }
        Ok(())
    }
}
