//! Peers that are slow to say what they want, or never do.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::driver::case::Case;
use crate::driver::http::{Link, Request};
use crate::driver::scenarios::{BOTH, HTTP, MODERN};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};
use crate::driver::wire::PATIENCE;

pub(in crate::driver::scenarios) const ROWS: &[Scenario] = rows![
    (HTTP, MODERN):
        a_connection_without_a_request_is_closed,
        a_head_that_trickles_is_given_up;
    (HTTP, BOTH):
        a_body_that_trickles_is_given_up,
        a_connection_that_is_idle_is_closed_and_a_busy_one_is_not;
];

const SHORT: Option<u64> = Some(200);

fn a_connection_without_a_request_is_closed(case: &Case) {
    let server = case.serve(&Settings {
        head_deadline: SHORT,
        ..Settings::default()
    });
    let mut silent = Link::open(server.address());
    let mut begun = Link::open(server.address());
    begun.write(b"POST /mcp HTTP/1.1\r\nhost: ");
    assert!(!silent.closed().contains(" 200 "));
    assert!(!begun.closed().contains(" 200 "));
}

/// Writes `bytes` over and over, a byte at a time, until the server has had enough.
fn trickle(link: &mut Link, bytes: &[u8]) {
    let until = Instant::now() + PATIENCE;
    for byte in bytes.iter().cycle() {
        if link.wire.write(&[*byte]).is_err() || !link.is_quiet(Duration::from_millis(10)) {
            return;
        }
        assert!(
            Instant::now() < until,
            "the server has all the time in the world"
        );
    }
}

fn a_head_that_trickles_is_given_up(case: &Case) {
    let server = case.serve(&Settings {
        head_deadline: SHORT,
        ..Settings::default()
    });
    let mut link = Link::open(server.address());
    link.write(b"POST /mcp HTTP/1.1\r\n");
    trickle(&mut link, b"x: y\r\n");
    assert!(!link.closed().contains(" 200 "));
}

fn a_body_that_trickles_is_given_up(case: &Case) {
    let (server, mut caller) = case.http(&Settings {
        body_deadline: SHORT,
        ..Settings::default()
    });
    let request = caller.calling("pend", json!({ "gate": "never" }));
    let mut link = Link::open(server.address());
    link.write(&request.with("content-length", "100000").head());
    trickle(&mut link, b" ");
    assert_eq!(link.head().status, 408);
    assert_eq!(server.world().seen().started, 0);
    caller.works();
}

fn a_connection_that_is_idle_is_closed_and_a_busy_one_is_not(case: &Case) {
    let (server, mut caller) = case.http(&Settings {
        // Long enough for a busy machine to send a request on a connection that it has just opened.
        idle: Some(500),
        ..Settings::default()
    });
    let request = caller.calling("pend", json!({ "gate": "busy" }));
    let mut busy = caller.open(&request);
    let mut idle = Link::open(server.address());
    idle.write(&Request::new("GET", "/livez").bytes());
    assert_eq!(idle.answer().status, 200);
    assert_eq!(idle.closed(), "");
    caller.call("open", json!({ "gate": "busy" }));
    let rest = caller.rest(&mut busy);
    assert_eq!(rest.len(), 1, "{rest:?}");
    // And when it has nothing more to do, it goes, too.
    assert_eq!(busy.link.closed(), "");
}
