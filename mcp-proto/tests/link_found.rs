//! What the simulator found in the server's link, each as a short script.
#![allow(clippy::disallowed_types, reason = "tests compare trees")]

mod common;

use common::{Rig, call, modern};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::Progress;

/// A report that waited for room was written after a newer one that found room at once.
#[test]
fn a_report_that_waited_never_follows_a_newer_one() {
    let mut rig = Rig::new();
    let line = modern(1, "tools/list").replace("\"_meta\":{", "\"_meta\":{\"progressToken\":7,");
    let id = call(&rig.say(&line));
    let report = |n: f64| Progress {
        progress: n,
        total: None,
        message: None,
    };
    rig.out = Outbox::new(1);
    for n in [1.0, 2.0] {
        rig.link.progress(id, report(n), &mut rig.out).unwrap();
    }
    let before = rig.written();
    assert_eq!(before.len(), 1, "the second one waits");
    // The outbox was flushed, and the handler is faster than the driver.
    rig.link.progress(id, report(3.0), &mut rig.out).unwrap();
    assert_eq!(rig.answer()["params"]["progress"], 3);
    rig.events();
    assert!(rig.written().is_empty());
    assert!(rig.link.poll_timeout().is_none());
}
