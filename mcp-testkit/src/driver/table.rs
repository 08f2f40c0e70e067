//! The table of scenarios, and running it over a driver.
//!
//! Owns which scenario runs where, and the report. Must never count as passed what did not run.

use std::any::Any;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use super::case::{CHILD, Case, Transport};
use super::fixture;
use super::messages::Era;
use super::scenarios;
use super::settings::Settings;
use super::subject::Subject;

/// How many scenarios run at once unless the command line says otherwise: most of them mostly wait.
const THREADS: usize = 8;

/// One promise of a driver, and where it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) on: &'static [Transport],
    pub(super) eras: &'static [Era],
    pub(super) run: fn(&Case),
}

/// `rows![(transports, eras): scenario, scenario; …]`: a scenario is named after its function.
macro_rules! rows {
    ($(($on:expr, $eras:expr): $($run:ident),+ $(,)?);+ $(;)?) => {
        &[$($($crate::driver::table::Scenario {
            name: stringify!($run),
            on: $on,
            eras: $eras,
            run: $run,
        }),+),+]
    };
}
pub(super) use rows;

/// The test program of a driver: runs every scenario that `subject` has the transport for, each as a test of its own, and
/// says at the end what did not apply and why. It understands the arguments of the standard harness.
pub fn main(subject: Subject) -> ExitCode {
    if let Ok(settings) = std::env::var(CHILD) {
        let settings: Settings = serde_json::from_str(&settings).expect("settings of our own");
        let run = subject
            .stdio
            .expect("only a subject with stdio has children");
        return run(fixture::service(&settings));
    }
    be_quiet_about_panics_on_purpose();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let mut trials = Vec::new();
    let mut absent = Vec::new();
    for transport in Transport::ALL {
        let rows = rows_of(transport);
        if transport.of(&subject) {
            trials.extend(rows.map(|(scenario, era)| trial(subject, scenario, transport, era)));
        } else {
            absent.push((transport, rows.count()));
        }
    }
    let whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if whole {
        for (transport, count) in &absent {
            println!(
                "not applicable: {count} scenarios over {}, which {} does not have",
                transport.name(),
                subject.name
            );
        }
        println!(
            "contract of {}: {} passed, {} failed, {} not applicable",
            subject.name,
            conclusion.num_passed,
            conclusion.num_failed,
            absent.iter().map(|(_, count)| count).sum::<usize>()
        );
    }
    conclusion.exit_code()
}

fn rows_of(transport: Transport) -> impl Iterator<Item = (&'static Scenario, Era)> {
    scenarios::ALL
        .iter()
        .copied()
        .flatten()
        .filter(move |scenario| scenario.on.contains(&transport))
        .flat_map(|scenario| scenario.eras.iter().map(move |era| (scenario, *era)))
}

fn trial(subject: Subject, scenario: &'static Scenario, transport: Transport, era: Era) -> Trial {
    let name = format!("{}::{}::{}", transport.name(), era.name(), scenario.name);
    let case = Case {
        subject,
        transport,
        era,
    };
    Trial::test(name, move || {
        std::panic::catch_unwind(|| (scenario.run)(&case)).map_err(|payload| failed(&*payload))
    })
}

fn failed(payload: &(dyn Any + Send)) -> Failed {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").into()
}

/// Some handlers of the fixture panic; that is no news.
fn be_quiet_about_panics_on_purpose() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str));
        if text != Some(fixture::ON_PURPOSE) {
            usual(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own_on_each_transport() {
        for transport in Transport::ALL {
            let mut names: Vec<_> = rows_of(transport)
                .map(|(scenario, era)| (scenario.name, era.name()))
                .collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", transport.name());
            assert!(all > 0, "nothing is tried over {}", transport.name());
        }
    }
}
