//! What was found in the server's link, each as a short script.
#![allow(clippy::disallowed_types, reason = "tests compare trees")]

mod common;

use bytes::BytesMut;
use common::{META, Rig, call, modern};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::{Change, LinkEvent, Progress, Step};

/// A report that waited for room was written after a newer one that found room at once.
#[test]
fn a_report_that_waited_never_follows_a_newer_one() {
    let mut profile = common::profile();
    profile.limits.progress_interval = core::time::Duration::ZERO;
    let mut rig = Rig::with(profile);
    let line = modern(1, "tools/list").replace("\"_meta\":{", "\"_meta\":{\"progressToken\":7,");
    let id = call(&rig.say(&line));
    let report = |n: f64| Progress {
        progress: n,
        total: None,
        message: None,
    };
    rig.out = Outbox::new(1);
    for n in [1.0, 2.0] {
        rig.link
            .progress(rig.now, id, report(n), &mut rig.out)
            .unwrap();
    }
    let before = rig.written();
    assert_eq!(before.len(), 1, "the second one waits");
    // The outbox was flushed, and the handler is faster than the driver.
    rig.link
        .progress(rig.now, id, report(3.0), &mut rig.out)
        .unwrap();
    assert_eq!(rig.answer()["params"]["progress"], 3);
    rig.events();
    assert!(rig.written().is_empty());
    assert!(rig.link.poll_timeout().is_none());
}

/// While the outbox was full, the wake-up lay in the past: a peer that did not read kept a driver spinning.
#[test]
fn what_waits_for_room_wakes_nobody_before_there_is_room() {
    let mut rig = Rig::new();
    let listen = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true}}}}}}"#
    );
    assert!(matches!(
        rig.say(&listen)[..],
        [LinkEvent::Listening { .. }]
    ));
    let line = modern(2, "tools/list").replace("\"_meta\":{", "\"_meta\":{\"progressToken\":7,");
    let id = call(&rig.say(&line));
    rig.written();
    rig.out = Outbox::new(1);
    rig.out.put(b"\n");
    rig.link.changed(Change::Tools);
    let report = Progress {
        progress: 1.0,
        total: None,
        message: None,
    };
    rig.link
        .progress(rig.now, id, report, &mut rig.out)
        .unwrap();
    for _ in 0..2 {
        let step = rig.link.next(rig.now, &mut BytesMut::new(), &mut rig.out);
        assert!(matches!(step, Step::NeedFlush));
        assert_eq!(rig.link.poll_timeout(), None, "only a flush helps");
    }
    let mut frames = 0;
    while !rig.out.is_empty() {
        rig.out.clear();
        assert!(rig.events().is_empty());
        frames += usize::from(!rig.out.is_empty());
    }
    assert_eq!(frames, 2, "nothing was lost");
    assert_eq!(rig.link.poll_timeout(), None);
}
