//! A server as a child: its standard streams belong to the protocol, and it goes when its client does.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{MODERN, SIGNALS, STDIO};
use crate::driver::case::{Case, End, Server, eventually};
use crate::driver::messages::text;
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};
use crate::driver::wire::PATIENCE;

pub(super) const ROWS: &[Scenario] = rows![
    (STDIO, MODERN):
        stray_lines_land_on_stderr,
        a_grandchild_holds_nothing,
        an_input_that_is_no_input_is_an_end,
        an_output_that_nobody_reads_is_an_end,
        a_call_that_never_ends_does_not_keep_a_process_without_input,
        a_thread_that_never_ends_does_not_keep_a_process_without_input,
        an_idle_process_uses_no_time;
    (SIGNALS, MODERN):
        a_second_signal_ends_it_at_once;
];

fn stray_lines_land_on_stderr(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    let answer = peer.call("shout", json!({}));
    // The grandchild read the end of a file, not what the client sends.
    assert_eq!(text(&answer), "shouted: true");
    peer.works_and_nothing_came();
    peer.wire.close_write();
    assert!(peer.rest().is_empty());
    server.ends();
    eventually("both lines", || {
        let said = server.said();
        said.contains("this is a stray line") && said.contains("from a grandchild")
    });
}

fn a_grandchild_holds_nothing(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    let answer = peer.call("grandchild", json!({}));
    let id = text(&answer).to_owned();
    peer.wire.close_write();
    // The end of the output is seen although the grandchild lives.
    assert!(peer.rest().is_empty());
    server.ends();
    let killed = Command::new("kill").arg(&id).stderr(Stdio::null()).status();
    assert!(
        killed.is_ok_and(|status| status.success()),
        "it did not outlive its parent"
    );
}

fn an_input_that_is_no_input_is_an_end(_: &Case) {
    let mut server = Server::with_input(&Settings::default(), Stdio::null());
    server.ends();
}

fn an_output_that_nobody_reads_is_an_end(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    peer.start("pend", json!({ "gate": "never" }));
    peer.settles(|seen| seen.started == 1);
    // The client's input stays open; its output goes, with an answer on its way there.
    peer.start("large", json!({ "bytes": 1_000_000 }));
    let _still_open = peer.wire.writer();
    drop(peer);
    server.ends_within(PATIENCE);
}

fn a_call_that_never_ends_does_not_keep_a_process_without_input(case: &Case) {
    outlasts_its_input(case, "pend");
}

fn a_thread_that_never_ends_does_not_keep_a_process_without_input(case: &Case) {
    outlasts_its_input(case, "hold");
}

fn outlasts_its_input(case: &Case, tool: &str) {
    let (mut server, mut peer) = case.lines(&Settings {
        shutdown_bound: Some(300),
        ..Settings::default()
    });
    peer.start(tool, json!({ "gate": "never" }));
    peer.settles(|seen| seen.started == 1);
    peer.wire.close_write();
    assert!(peer.rest().is_empty());
    server.ends_within(PATIENCE);
}

fn a_second_signal_ends_it_at_once(case: &Case) {
    // The usual bound, which nobody here waits for.
    let (mut server, mut peer) = case.lines(&Settings {
        shutdown_bound: Some(600_000),
        ..Settings::default()
    });
    peer.start("pend", json!({ "gate": "never" }));
    peer.start("hold", json!({ "gate": "never" }));
    peer.settles(|seen| seen.started == 2);
    server.stop();
    // Refusing shows that it has heard.
    eventually("it takes no more calls", || {
        peer.call("seen", json!({})).get("error").is_some()
    });
    server.stop();
    let end = server.ends_within(PATIENCE);
    assert!(matches!(end, End::Process(_)));
}

fn an_idle_process_uses_no_time(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    peer.works();
    let Some(before) = ticks(server.id()) else {
        // Only Linux says.
        return;
    };
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let used = ticks(server.id()).expect("it runs") - before;
    assert!(used <= 1, "{used} ticks of 10 ms while it was idle");
    peer.works();
    peer.wire.close_write();
    assert!(peer.rest().is_empty());
    server.ends();
}

/// The processor time of a process.
fn ticks(id: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(number(11)? + number(12)?)
}
