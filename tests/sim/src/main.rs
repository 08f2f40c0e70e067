//! `mcp-sim --seed N --events M [--seeds K] [--replay FILE] [--mutate NAME]`

use std::process::ExitCode;
use std::time::Instant;

use mcp_sim::mutation::Mutation;
use mcp_sim::op::{Op, Plan};
use mcp_sim::shrink::shrink;
use mcp_sim::trace;
use mcp_sim::world::{Tally, Violation, play, play_seed};

const USAGE: &str =
    "mcp-sim [--seed N] [--events M] [--seeds K] [--replay FILE] [--mutate NAME] [--no-shrink] [--survey]

  --seed N      the first seed (default 1)
  --events M    operations per seed (default 100000)
  --seeds K     how many seeds, one after the other (default 1)
  --replay FILE plays a trace instead
  --mutate NAME puts a fault in on purpose; a list is printed for an unknown name
  --no-shrink   prints the failure and stops
  --survey      prints the failure of each seed and goes on";

struct Arguments {
    seed: u64,
    events: u64,
    seeds: u64,
    replay: Option<String>,
    mutation: Option<Mutation>,
    shrink: bool,
    survey: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut found = Arguments {
        seed: 1,
        events: 100_000,
        seeds: 1,
        replay: None,
        mutation: None,
        shrink: true,
        survey: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
        match word.as_str() {
            "--seed" => found.seed = number(value()?)?,
            "--events" => found.events = number(value()?)?,
            "--seeds" => found.seeds = number(value()?)?,
            "--replay" => found.replay = Some(value()?),
            "--no-shrink" => found.shrink = false,
            "--survey" => found.survey = true,
            "--mutate" => {
                let name = value()?;
                let names: Vec<&str> = Mutation::ALL.iter().map(|m| m.name()).collect();
                let mutation = Mutation::parse(&name);
                found.mutation = Some(
                    mutation.ok_or_else(|| format!("no mutation {name}; there are {names:?}"))?,
                );
            }
            _ => return Err(USAGE.into()),
        }
    }
    Ok(found)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    if let Some(file) = &arguments.replay {
        return replay(file, arguments.mutation);
    }
    let start = Instant::now();
    let mut sum = Tally::default();
    let mut failed = 0;
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        match play_seed(seed, arguments.events, arguments.mutation) {
            Ok(tally) => {
                sum.operations += tally.operations;
                sum.steps += tally.steps;
                sum.events += tally.events;
                sum.digest = sum.digest.rotate_left(1) ^ tally.digest;
            }
            Err(violation) if arguments.survey => {
                println!(
                    "seed {seed}, after {}: {}",
                    violation.after, violation.failure
                );
                failed += 1;
            }
            Err(violation) => {
                report(&arguments, seed, &violation);
                return ExitCode::FAILURE;
            }
        }
    }
    if failed > 0 {
        println!("{failed} of {} seeds failed", arguments.seeds);
        return ExitCode::FAILURE;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "seeds {} to {}: no violation in {} events ({} machine steps, {} machine events), {:.0} events/s, digest {:016x}",
        arguments.seed,
        arguments.seed + arguments.seeds - 1,
        sum.operations,
        sum.steps,
        sum.events,
        sum.operations as f64 / seconds,
        sum.digest,
    );
    ExitCode::SUCCESS
}

fn replay(file: &str, mutation: Option<Mutation>) -> ExitCode {
    let ops = std::fs::read_to_string(file)
        .map_err(|error| format!("{file}: {error}"))
        .and_then(|text| trace::read(&text));
    let ops = match ops {
        Ok(ops) => ops,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    match play(ops, mutation) {
        Ok(tally) => {
            println!("no violation in {} events", tally.operations);
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("after {} events: {}", violation.after, violation.failure);
            ExitCode::FAILURE
        }
    }
}

fn report(arguments: &Arguments, seed: u64, violation: &Violation) {
    println!(
        "seed {seed}, after {} events: {}",
        violation.after, violation.failure
    );
    if !arguments.shrink {
        return;
    }
    // A panic is told once.
    std::panic::set_hook(Box::new(|_| {}));
    let count = usize::try_from(arguments.events.min(violation.after)).unwrap_or(usize::MAX);
    let ops: Vec<Op> = Plan::new(seed).take(count).collect();
    let ops = shrink(ops, violation.failure.invariant, arguments.mutation, 20_000);
    let Err(short) = play(ops.iter().copied(), arguments.mutation) else {
        println!("the trace does not shrink");
        return;
    };
    let failure = short.failure.to_string();
    let failure: String = failure.chars().take(400).collect();
    let comment = format!("seed {seed}\n{failure}");
    let text = trace::write(&comment, &ops);
    println!("{text}");
    let name = format!("{}-{seed}.trace", violation.failure.invariant.name());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("traces")
        .join(name);
    match std::fs::write(&path, text) {
        Ok(()) => println!("{} operations in {}", ops.len(), path.display()),
        Err(error) => println!("{}: {error}", path.display()),
    }
}
