//! Licences, sources and duplicates of the dependencies, by cargo-deny and `deny.toml`.
//!
//! Owns only the call. Advisories are not part of it: their database changes without a change of this repository.

use std::process::Command;

use crate::report::Outcome;
use crate::tools::Absent;
use crate::{Run, process};

pub(crate) fn check(run: &Run) -> Outcome {
    let deny = match run.workspace.cargo_deny() {
        Ok(deny) => deny,
        Err(Absent::Missing(why) | Absent::Broken(why)) => {
            return Outcome::Missing(format!("cargo-deny is not installed: {why}"));
        }
    };
    Outcome::one(process::run(
        Command::new(deny)
            .args([
                "--all-features",
                "--workspace",
                "--log-level",
                "warn",
                "check",
                "bans",
                "licenses",
                "sources",
            ])
            .current_dir(&run.workspace.root),
    ))
}
