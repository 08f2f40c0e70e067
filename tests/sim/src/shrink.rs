//! Short traces out of long ones.
//!
//! Owns delta debugging over operations: leave out halves, quarters, … single ones, as long as the same
//! invariant still breaks; then make the numbers small.

use crate::failure::Invariant;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::world::play;

/// The shortest list found that still breaks `invariant`. Tries at most `budget` runs.
#[must_use]
pub fn shrink(
    mut ops: Vec<Op>,
    invariant: Invariant,
    mutation: Option<Mutation>,
    mut budget: u32,
) -> Vec<Op> {
    let mut breaks = |ops: &[Op]| {
        if budget == 0 {
            return None;
        }
        budget -= 1;
        match play(ops.iter().copied(), mutation) {
            Err(violation) if violation.failure.invariant == invariant => Some(violation.after),
            _ => None,
        }
    };
    if let Some(after) = breaks(&ops) {
        ops.truncate(usize::try_from(after).unwrap_or(usize::MAX));
    }
    let mut size = ops.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < ops.len() {
            let mut fewer = ops.clone();
            fewer.drain(at..ops.len().min(at + size));
            if let Some(after) = breaks(&fewer) {
                fewer.truncate(usize::try_from(after).unwrap_or(usize::MAX));
                ops = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for at in 0..ops.len() {
        for simpler in [
            (0, 0),
            (ops[at].a, 0),
            (0, ops[at].b),
            (ops[at].a % 64, ops[at].b % 64),
        ] {
            if (ops[at].a, ops[at].b) == simpler {
                continue;
            }
            let mut fewer = ops.clone();
            (fewer[at].a, fewer[at].b) = simpler;
            if breaks(&fewer).is_some() {
                ops = fewer;
                break;
            }
        }
    }
    ops
}
