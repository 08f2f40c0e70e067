//! The end of a listener: what runs may finish, what waits is told, what idles is closed, and all of it in a bound.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::driver::case::{Case, Client};
use crate::driver::http::{Link, Request};
use crate::driver::messages::{Era, text};
use crate::driver::scenarios::{BOTH, HTTP, MODERN};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};
use crate::driver::wire::PATIENCE;

pub(in crate::driver::scenarios) const ROWS: &[Scenario] = rows![
    (HTTP, BOTH):
        a_shutdown_answers_what_runs_and_closes_what_idles,
        a_call_that_never_ends_does_not_keep_a_listener,
        a_thread_that_never_ends_does_not_keep_a_listener;
    (HTTP, MODERN):
        a_subscription_is_completed_when_the_listener_ends,
        a_listener_that_is_about_to_end_says_so_and_serves;
];

fn a_shutdown_answers_what_runs_and_closes_what_idles(case: &Case) {
    let (mut server, mut caller) = case.http(&Settings::default());
    let mut idle = Link::open(server.address());
    idle.write(&Request::new("GET", "/livez").bytes());
    assert_eq!(idle.answer().status, 200);
    let mut silent = Link::open(server.address());
    let request = caller.calling("pend", json!({ "gate": "last" }));
    let mut running = caller.open(&request);
    caller.call("open_later", json!({ "gate": "last", "ms": 150 }));
    server.stop();
    assert_eq!(idle.closed(), "");
    assert_eq!(silent.closed(), "");
    let rest = caller.rest(&mut running);
    assert_eq!(text(rest.last().expect("an answer")), "let through");
    server.ends();
    let refused = std::net::TcpStream::connect(caller.address.socket);
    assert!(refused.is_err(), "it still listens");
}

fn a_call_that_never_ends_does_not_keep_a_listener(case: &Case) {
    never_ends(case, "pend");
}

fn a_thread_that_never_ends_does_not_keep_a_listener(case: &Case) {
    never_ends(case, "hold");
}

fn never_ends(case: &Case, tool: &str) {
    let (mut server, mut caller) = case.http(&Settings {
        shutdown_bound: Some(300),
        ..Settings::default()
    });
    let request = caller.calling(tool, json!({ "gate": "never" }));
    let mut events = caller.open(&request);
    let asked = Instant::now();
    server.stop();
    server.ends_within(PATIENCE);
    let took = asked.elapsed();
    assert!(
        took >= Duration::from_millis(250),
        "it gave up after {took:?}"
    );
    assert!(events.link.is_cut(), "an answer that never was");
}

fn a_subscription_is_completed_when_the_listener_ends(case: &Case) {
    let (mut server, mut caller) = case.http(&Settings::default());
    let id = caller.fresh_id();
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let listen = Era::Modern.request(id, "subscriptions/listen", filter);
    let mut events = caller.open(&caller.post(&listen));
    caller.next(&mut events);
    server.stop();
    let rest = caller.rest(&mut events);
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["result"]["resultType"], "complete", "{rest:?}");
    server.ends();
}

fn a_listener_that_is_about_to_end_says_so_and_serves(case: &Case) {
    let (mut server, mut caller) = case.http(&Settings {
        lame_duck: Some(2500),
        ..Settings::default()
    });
    let ready = Request::new("GET", "/readyz");
    assert_eq!(caller.send(&ready).status, 200);
    server.stop();
    let until = Instant::now() + PATIENCE;
    while caller.send(&ready).status != 503 {
        assert!(Instant::now() < until, "it never says so");
    }
    assert_eq!(caller.send(&Request::new("GET", "/livez")).status, 200);
    caller.works();
    server.ends();
}
