//! One run: lanes, a clock, and operations.
//!
//! Owns the clock and the order of things. A run is a function of its operations.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::failure::{Checked, Failure, Invariant};
use crate::lane::{Lane, World};
use crate::mutation::Mutation;
use crate::op::{Op, Plan, Verb};

/// See the module.
#[derive(Debug)]
pub struct Run {
    world: World,
    lanes: BTreeMap<u8, Lane>,
    done: u64,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Operations.
    pub operations: u64,
    /// Times that a machine was asked.
    pub steps: u64,
    /// Events of machines.
    pub events: u64,
    /// Of all bytes that anybody sent.
    pub digest: u64,
}

/// A violated invariant and where.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What.
    pub failure: Failure,
    /// How many operations had been done, this one included.
    pub after: u64,
}

impl Run {
    /// A run that has not begun.
    #[must_use]
    pub fn new(mutation: Option<Mutation>) -> Self {
        Self {
            world: World {
                now: 1_000_000,
                unix_ms: 1_785_000_000_000,
                mutation,
                steps: 0,
                events: 0,
                digest: 0,
                nonce: 0,
            },
            lanes: BTreeMap::new(),
            done: 0,
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            operations: self.done,
            steps: self.world.steps,
            events: self.world.events,
            digest: self.world.digest,
        }
    }

    /// Does one operation.
    ///
    /// # Errors
    /// The violated invariant.
    pub fn apply(&mut self, op: Op) -> Result<(), Violation> {
        self.done += 1;
        if self.world.mutates(Mutation::Panic) && self.done == 20 {
            // Like a panic, but it does not print.
            resume_unwind(Box::new("on purpose"));
        }
        self.checked(op).map_err(|failure| Violation {
            failure,
            after: self.done,
        })
    }

    fn checked(&mut self, op: Op) -> Checked {
        let world = &mut self.world;
        match op.verb {
            Verb::Open => {
                if let Some(old) = self.lanes.remove(&op.lane) {
                    old.finish(world)?;
                }
                let lane = Lane::open(world, op.b, op.a)?;
                self.lanes.insert(op.lane, lane);
                Ok(())
            }
            Verb::Tick => self.tick(span(op)),
            Verb::Jump => {
                world.now = world.now.saturating_add(span(op));
                self.wake()
            }
            Verb::Wall => {
                const SPANS: [u64; 6] = [1000, 60_000, 300_000, 700_000, 3_600_000, 200_000_000];
                let span = u64::from(op.a % 100) * SPANS[(op.b >> 1) as usize % SPANS.len()] / 100;
                world.unix_ms = if op.b & 1 == 0 {
                    world.unix_ms.saturating_add(span)
                } else {
                    world.unix_ms.saturating_sub(span)
                };
                Ok(())
            }
            _ => {
                let next = self
                    .lanes
                    .get(&op.lane)
                    .and_then(|lane| lane.successor(op.b));
                // Somebody who was thrown out comes again.
                if let Some((kind, configuration)) = next
                    && op.a.is_multiple_of(2)
                    && let Some(old) = self.lanes.remove(&op.lane)
                {
                    old.finish(world)?;
                    let lane = Lane::open(world, kind, configuration)?;
                    self.lanes.insert(op.lane, lane);
                }
                let Some(lane) = self.lanes.get_mut(&op.lane) else {
                    return Ok(());
                };
                lane.apply(world, op)
            }
        }
    }

    fn wake(&mut self) -> Checked {
        for lane in self.lanes.values_mut() {
            lane.wake(&mut self.world)?;
        }
        Ok(())
    }

    /// Time passes, and every driver wakes up when it asked to; after many times, it oversleeps.
    fn tick(&mut self, span: u64) -> Checked {
        let until = self.world.now.saturating_add(span);
        for _ in 0..100 {
            let next = self.lanes.values().filter_map(|lane| lane.wakeup()).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            let now = self.world.now.max(next);
            self.world.now = now;
            for lane in self.lanes.values_mut() {
                if lane.wakeup().is_some_and(|at| at <= now) {
                    lane.wake(&mut self.world)?;
                }
            }
        }
        self.world.now = until;
        self.wake()
    }

    /// Everybody leaves.
    ///
    /// # Errors
    /// The violated invariant.
    pub fn finish(mut self) -> Result<Tally, Violation> {
        let after = self.done;
        for lane in core::mem::take(&mut self.lanes).into_values() {
            lane.finish(&mut self.world)
                .map_err(|failure| Violation { failure, after })?;
        }
        Ok(self.tally())
    }
}

fn span(op: Op) -> u64 {
    // Mostly short: most of what can happen happens within milliseconds.
    const UNITS: [u64; 16] = [
        1,
        1,
        10,
        10,
        100,
        1000,
        1000,
        1000,
        10_000,
        10_000,
        100_000,
        100_000,
        1_000_000,
        1_000_000,
        60_000_000,
        3_600_000_000,
    ];
    let unit = UNITS[op.b as usize % UNITS.len()];
    u64::from(op.a % 100) * unit
}

/// Does a list of operations and lets everybody leave.
///
/// # Errors
/// The violated invariant.
pub fn play(
    ops: impl IntoIterator<Item = Op>,
    mutation: Option<Mutation>,
) -> Result<Tally, Violation> {
    let mut run = Run::new(mutation);
    let played = guarded(|| ops.into_iter().try_for_each(|op| run.apply(op)));
    let after = run.done;
    match played {
        Ok(played) => played?,
        Err(failure) => {
            // What it left behind is not to be relied on, not even for being dropped.
            core::mem::forget(run);
            return Err(Violation { failure, after });
        }
    }
    guarded(|| run.finish()).unwrap_or_else(|failure| Err(Violation { failure, after }))
}

/// What panics has broken an invariant, too.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let said = payload.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| payload.downcast_ref::<&str>().copied());
        let said = said.unwrap_or("something that is no text");
        Failure::new(Invariant::NeverPanics, said.to_owned())
    })
}

/// Does the first `events` operations of a seed.
///
/// # Errors
/// The violated invariant.
pub fn play_seed(seed: u64, events: u64, mutation: Option<Mutation>) -> Result<Tally, Violation> {
    play(
        Plan::new(seed).take(usize::try_from(events).unwrap_or(usize::MAX)),
        mutation,
    )
}
