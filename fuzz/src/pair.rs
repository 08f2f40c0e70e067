//! Two machines and everything between them: the operations of the simulator, chosen by the fuzzer.
//!
//! The simulator's own invariants judge. A finding prints its trace, which `tests/sim/traces/` takes as it is.

use mcp_sim::op::{Op, Verb};
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

/// At most 200 operations on at most three lanes, each of which is opened before anything else happens there.
fn operations(data: &[u8]) -> Vec<Op> {
    let mut opened = [false; 3];
    let mut ops = Vec::new();
    for chunk in data.chunks_exact(WIDTH).take(200) {
        let [lane, verb, a0, a1, a2, a3, b0, b1] = chunk.try_into().expect("eight bytes");
        let lane = lane % 3;
        let a = u32::from_le_bytes([a0, a1, a2, a3]);
        if !std::mem::replace(&mut opened[usize::from(lane)], true) {
            let verb = Verb::Open;
            ops.push(Op {
                lane,
                verb,
                a,
                b: 0,
            });
        }
        ops.push(Op {
            lane,
            verb: Verb::ALL[usize::from(verb) % Verb::ALL.len()],
            a,
            b: u32::from(u16::from_le_bytes([b0, b1])),
        });
    }
    ops
}
