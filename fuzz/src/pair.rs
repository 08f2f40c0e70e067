//! Two machines and everything between them: the operations of the simulator, chosen by the fuzzer.
//!
//! The simulator's own invariants judge. A finding prints its trace, which `tests/sim/traces/` takes as it is.
//!
//! Inputs change by whole operations: a byte more or less would turn everything behind it into something else.

use mcp_sim::op::{Op, Plan, Verb};
use mcp_sim::rng::Rng;
use mcp_sim::trace;
use mcp_sim::world::Run;

/// Bytes of one operation: lane, verb, `a`, `b`.
const WIDTH: usize = 8;

pub(crate) fn run(data: &[u8]) {
    let ops = operations(data);
    let mut run = Run::new(None);
    for op in &ops {
        if let Err(violation) = run.apply(*op) {
            panic!("{violation:?}\n{}", trace::write("found by fuzzing", &ops));
        }
    }
    if let Err(violation) = run.finish() {
        panic!("{violation:?}\n{}", trace::write("found by fuzzing", &ops));
    }
}

/// At most 200 operations on at most three lanes, each of which is opened before anything else happens there, as what its
/// first operation says: two machines, a machine and a whole server, or clients and replicas over HTTP.
fn operations(data: &[u8]) -> Vec<Op> {
    let mut opened = [false; 3];
    let mut ops = Vec::new();
    for chunk in data.chunks_exact(WIDTH).take(200) {
        let [lane, verb, a0, a1, a2, a3, b0, b1] = chunk.try_into().expect("eight bytes");
        let lane = lane % 3;
        let a = u32::from_le_bytes([a0, a1, a2, a3]);
        let b = u32::from(u16::from_le_bytes([b0, b1]));
        if !std::mem::replace(&mut opened[usize::from(lane)], true) {
            let verb = Verb::Open;
            ops.push(Op { lane, verb, a, b });
        }
        ops.push(Op {
            lane,
            verb: Verb::ALL[usize::from(verb) % Verb::ALL.len()],
            a,
            b,
        });
    }
    ops
}

/// Changes an input by operations, in the first `size` bytes of `data`. Returns the new size, which fits into `max`; `None`
/// leaves it to the engine, whose own changes are as welcome (they know what was compared with what).
#[must_use]
pub fn mutate(data: &mut [u8], size: usize, max: usize, seed: u32) -> Option<usize> {
    let mut rng = Rng::new(seed.into());
    if rng.one_in(4) {
        return None;
    }
    let whole = data.get(..size)?.chunks_exact(WIDTH);
    let mut ops: Vec<[u8; WIDTH]> = whole.filter_map(|op| op.try_into().ok()).collect();
    for _ in 0..=rng.below(4) {
        let at = rng.below(ops.len() as u32 + 1) as usize;
        let other = rng.below(ops.len() as u32 + 1) as usize;
        match rng.below(8) {
            // What a plan of the simulator would do next; it knows what is likely to get anywhere.
            0..=2 => {
                let seed = rng.next_u64();
                let plan = Plan::new(seed).filter(|op| op.verb != Verb::Open);
                for (n, op) in plan.take(1 + rng.below(4) as usize).enumerate() {
                    ops.insert(at + n, bytes(op));
                }
            }
            3 => {
                let lie = [Verb::LieUp, Verb::LieDown, Verb::Corrupt, Verb::Open];
                let (a, b) = (rng.next_u32(), rng.next_u32());
                let (lane, verb) = (rng.below(3) as u8, rng.pick(&lie));
                ops.insert(at, bytes(Op { lane, verb, a, b }));
            }
            4 => {
                let count = (rng.below(8) as usize + 1).min(ops.len() - at);
                ops.drain(at..at + count);
            }
            // The same again, elsewhere: on the same lane it finds another state.
            5 => {
                let count = (rng.below(16) as usize + 1).min(ops.len() - other);
                let again = ops[other..other + count].to_vec();
                ops.splice(at..at, again);
            }
            6 => {
                if let Some(op) = ops.get_mut(at) {
                    op[0] = rng.below(3) as u8;
                }
            }
            _ => {
                if let Some(op) = ops.get_mut(at) {
                    let field = 2 + rng.below(WIDTH as u32 - 2) as usize;
                    op[field] = rng.next_u32() as u8;
                }
            }
        }
    }
    ops.truncate(max.min(data.len()) / WIDTH);
    let size = ops.len() * WIDTH;
    data[..size].copy_from_slice(ops.as_flattened());
    Some(size)
}

/// An operation as [`operations`] reads it.
fn bytes(op: Op) -> [u8; WIDTH] {
    let verb = Verb::ALL.iter().position(|verb| *verb == op.verb);
    let [a0, a1, a2, a3] = op.a.to_le_bytes();
    let [b0, b1, ..] = op.b.to_le_bytes();
    let verb = verb.unwrap_or_default() as u8;
    [op.lane % 3, verb, a0, a1, a2, a3, b0, b1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_bytes_and_back() {
        let open = Plan::new(1).find(|op| op.verb == Verb::Open).unwrap();
        let mut input = bytes(Op { lane: 0, ..open }).to_vec();
        let settle = Op {
            lane: 0,
            verb: Verb::Settle,
            a: 0x0102_0304,
            b: 0x0506,
        };
        input.extend(bytes(settle));
        assert_eq!(operations(&input).last(), Some(&settle));
    }

    #[test]
    fn a_changed_input_is_a_list_of_operations_within_its_bound() {
        let mut data = vec![0; 256];
        let mut size = 0;
        for seed in 0..2000 {
            let max = 64 + seed as usize % 192;
            if let Some(new) = mutate(&mut data, size.min(max), max, seed) {
                assert!(new <= max && new % WIDTH == 0);
                size = new;
            }
        }
        assert!(size > 0);
    }
}
