//! Counts and the closing lines.
//!
//! Owns how results are added up and printed. It must never decide what passes.

use std::time::Duration;

/// Checks of one part, by how they ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Count {
    pub(crate) fn passed(passed: u64) -> Self {
        Self {
            passed,
            ..Self::default()
        }
    }

    pub(crate) fn failed(failed: u64) -> Self {
        Self {
            failed,
            ..Self::default()
        }
    }

    /// One check which passed or failed.
    pub(crate) fn one(ok: bool) -> Self {
        if ok { Self::passed(1) } else { Self::failed(1) }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// How a part ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Count),
    /// Something that this part needs is not on this machine.
    Missing(String),
}

impl Outcome {
    /// A part that is a single yes or no.
    pub(crate) fn one(result: Result<(), String>) -> Self {
        if let Err(error) = &result {
            println!("FAILED: {error}");
        }
        Self::Done(Count::one(result.is_ok()))
    }
}

/// Everything that ran.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(&'static str, Duration, Count)>,
}

impl Report {
    pub(crate) fn add(&mut self, name: &'static str, took: Duration, outcome: Outcome) {
        let count = match outcome {
            Outcome::Done(count) => count,
            Outcome::Missing(_) => Count {
                skipped: 1,
                ..Count::default()
            },
        };
        println!(
            "<== {name}: {} passed, {} failed, {} skipped in {:.1} s",
            count.passed,
            count.failed,
            count.skipped,
            took.as_secs_f64()
        );
        self.rows.push((name, took, count));
    }

    pub(crate) fn total(&self) -> Count {
        let mut total = Count::default();
        for (_, _, count) in &self.rows {
            total.add(*count);
        }
        total
    }

    /// The table, and alone on the last line the sum.
    pub(crate) fn print(&self) {
        println!(
            "\n{:<12} {:>8} {:>7} {:>8} {:>9}",
            "part", "passed", "failed", "skipped", "seconds"
        );
        for (name, took, count) in &self.rows {
            println!(
                "{name:<12} {:>8} {:>7} {:>8} {:>9.1}",
                count.passed,
                count.failed,
                count.skipped,
                took.as_secs_f64()
            );
        }
        let total = self.total();
        println!(
            "\n{} passed, {} failed, {} skipped",
            total.passed, total.failed, total.skipped
        );
    }
}
