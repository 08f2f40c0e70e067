//! Peers that do not read: what they cost is bounded, and nobody else pays.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mcp_driver::Ended;
use serde_json::{Value, json};

use super::{LINES, LISTENERS, MODERN, SOCKETS};
use crate::driver::case::{Case, End, eventually};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};
use crate::driver::wire::PATIENCE;

pub(super) const ROWS: &[Scenario] = rows![
    (SOCKETS, MODERN):
        a_peer_that_reads_nothing_is_dropped_where_a_limit_is_set;
    (LINES, MODERN):
        a_server_does_not_read_what_it_cannot_answer,
        a_slow_reader_gets_everything;
];

/// How many messages of 100 kB are sent at most to a server whose answers nobody reads.
const MOST: usize = 600;

/// More than the buffers of the system hold between a server and a client that takes little.
const TOO_MUCH: usize = 8 << 20;

fn a_peer_that_reads_nothing_is_dropped_where_a_limit_is_set(case: &Case) {
    let settings = Settings {
        write_stall: Some(200),
        ..Settings::default()
    };
    let (mut server, mut stalled) = case.lines(&settings);
    let world = server.world();
    stalled.wire.shrink(8 << 10);
    stalled.start("pend", json!({ "gate": "never" }));
    stalled.settles(|seen| seen.started == 1);
    stalled.start("large", json!({ "bytes": TOO_MUCH }));
    if LISTENERS.contains(&case.transport) {
        // Others are served meanwhile, and afterwards.
        let mut other = server.connect();
        eventually("it is given up", || {
            other.works();
            world.seen().dropped == 1
        });
        other.works_and_nothing_came();
        eventually("one connection", || server.service().hub().listeners() == 1);
    } else {
        let end = server.ends_within(PATIENCE);
        assert!(matches!(end, End::Connection(Ended::WriteStall)), "{end:?}");
    }
    assert_eq!(world.seen().dropped, 1);
}

fn a_server_does_not_read_what_it_cannot_answer(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let last = peer.message(
        "tools/call",
        json!({ "name": "echo", "arguments": { "text": "last" } }),
    );
    let line = case
        .era
        .call(0, "echo", json!({ "text": "x".repeat(100_000) }))
        .to_string();
    (0..MOST).for_each(|n| peer.note(&case.era.call(n, "echo", json!({}))));
    peer.note(&last);
    let written = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(AtomicBool::new(false));
    let mut writer = peer.wire.writer();
    let thread = {
        let (written, enough) = (Arc::clone(&written), Arc::clone(&enough));
        let last = format!("{last}\n");
        thread::spawn(move || {
            for n in 0..MOST {
                if enough.load(Ordering::SeqCst) {
                    break;
                }
                let line = line.replacen("\"id\":0", &format!("\"id\":{n}"), 1) + "\n";
                writer.write_all(line.as_bytes()).expect("the server reads");
                written.store(n + 1, Ordering::SeqCst);
            }
            writer.write_all(last.as_bytes()).expect("the server reads");
            // Kept open until the last answer.
            writer
        })
    };
    // Nobody reads. When nothing moves any more, the server has stopped, long before all was sent.
    let (mut before, mut still) = (0, 0);
    while before < MOST && still < 4 {
        thread::sleep(Duration::from_millis(100));
        let now = written.load(Ordering::SeqCst);
        still = if now == before && now > 0 {
            still + 1
        } else {
            0
        };
        before = now;
    }
    assert!(
        before < MOST,
        "everything was read for a peer that reads nothing"
    );
    enough.store(true, Ordering::SeqCst);
    // Now it reads, and misses nothing; the order is the server's.
    let mut answered = BTreeSet::new();
    loop {
        let answer = peer.next();
        if answer["id"] == last["id"] {
            break;
        }
        assert!(answered.insert(answer["id"].as_u64()), "answered twice");
    }
    let _open = thread.join().expect("it writes to the end");
    let asked = written.load(Ordering::SeqCst);
    while answered.len() < asked {
        let answer = peer.next();
        assert!(answered.insert(answer["id"].as_u64()), "answered twice");
    }
    assert!(asked >= before, "{asked} of at least {before}");
    assert!(peer.is_quiet());
}

fn a_slow_reader_gets_everything(case: &Case) {
    const EACH: usize = 900_000;
    let (_server, mut peer) = case.lines(&Settings::default());
    peer.wire.shrink(256 << 10);
    let ids: Vec<Value> = (0..8)
        .map(|_| peer.start("large", json!({ "bytes": EACH })))
        .collect();
    // Long enough for everything that fits to be written.
    thread::sleep(Duration::from_millis(200));
    for id in &ids {
        let answer = peer.answer_to(id);
        let text = answer["result"]["content"][0]["text"].as_str();
        assert_eq!(text.map(str::len), Some(EACH));
    }
    peer.works_and_nothing_came();
}
