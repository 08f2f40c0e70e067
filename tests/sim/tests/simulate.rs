//! A short run belongs to every test run; long ones are the binary's.

use mcp_sim::failure::Invariant;
use mcp_sim::mutation::Mutation;
use mcp_sim::op::{Op, Plan};
use mcp_sim::shrink::shrink;
use mcp_sim::trace;
use mcp_sim::world::{play, play_seed};

#[test]
fn a_few_seeds_hold_every_invariant() {
    for seed in 1..=40 {
        if let Err(violation) = play_seed(seed, 2000, None) {
            panic!(
                "seed {seed} after {}: {}",
                violation.after, violation.failure
            );
        }
    }
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let tally = |seed| {
        let tally = play_seed(seed, 3000, None).unwrap_or_else(|v| panic!("{}", v.failure));
        (tally.operations, tally.steps, tally.events, tally.digest)
    };
    assert_eq!(tally(11), tally(11));
    assert_ne!(tally(11), tally(12));
}

/// Traces of what was once wrong, each with the story in its comment.
#[test]
fn old_faults_stay_mended() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("there is a folder of traces")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "trace")
        })
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let ops = trace::read(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert_eq!(trace::read(&trace::write("again", &ops)), Ok(ops.clone()));
        if let Err(violation) = play(ops, None) {
            panic!(
                "{} after {}: {}",
                file.display(),
                violation.after,
                violation.failure
            );
        }
    }
}

/// Each fault that is put in on purpose is noticed in every kind of lane that has it, by the invariant that is
/// there for it.
#[test]
fn every_mutation_is_caught_by_its_invariant() {
    for mutation in Mutation::ALL {
        for kind in mutation.lanes() {
            let caught = (1..=60).find_map(|seed| {
                let plan = Plan::new(seed).of_kind(*kind);
                play(plan.take(3000), Some(mutation)).err()
            });
            let name = mutation.name();
            let caught = caught.unwrap_or_else(|| panic!("nobody noticed {name} in lane {kind}"));
            assert_eq!(
                caught.failure.invariant,
                mutation.caught_by(),
                "{name} in lane {kind}: {}",
                caught.failure
            );
        }
    }
}

#[test]
fn every_invariant_has_a_mutation() {
    for invariant in Invariant::ALL {
        assert!(
            Mutation::ALL
                .iter()
                .any(|mutation| mutation.caught_by() == invariant),
            "{} is never shown to fail",
            invariant.name()
        );
    }
}

#[test]
fn a_failure_shrinks_to_a_short_trace_that_still_fails() {
    let mutation = Some(Mutation::DuplicateEnding);
    let violation = (1..=20)
        .find_map(|seed| Some((seed, play_seed(seed, 3000, mutation).err()?)))
        .expect("a mutation is noticed");
    let (seed, violation) = violation;
    let ops: Vec<Op> = Plan::new(seed).take(violation.after as usize).collect();
    let short = shrink(ops, violation.failure.invariant, mutation, 5000);
    assert!(short.len() <= 8, "{}", trace::write("too long", &short));
    let again = trace::read(&trace::write("short", &short)).expect("it is a trace");
    let failure = play(again, mutation).expect_err("it still fails").failure;
    assert_eq!(failure.invariant, Invariant::EndsExactlyOnce);
}
