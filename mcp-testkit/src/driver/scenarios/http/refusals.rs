//! Requests that a listener refuses, and the probes that it answers.

use serde_json::json;

use crate::driver::case::Case;
use crate::driver::http::{Link, Request};
use crate::driver::scenarios::{BOTH, HTTP, MODERN};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(in crate::driver::scenarios) const ROWS: &[Scenario] = rows![
    (HTTP, BOTH):
        strangers_pages_and_names_are_refused,
        content_that_no_page_may_not_send_is_refused;
    (HTTP, MODERN):
        other_methods_and_paths_are_refused,
        the_probes_answer;
];

fn strangers_pages_and_names_are_refused(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let good = caller.calling("pend", json!({ "gate": "never" }));
    for (header, value) in [
        ("origin", "https://evil.test"),
        ("origin", "null"),
        ("host", "evil.test"),
        ("host", "127.0.0.1.evil.test"),
        ("host", "localhost@evil.test"),
    ] {
        let answer = caller.send(&good.clone().with(header, value));
        assert!(
            [400, 403].contains(&answer.status),
            "{header}: {value}: {}",
            answer.status
        );
    }
    for request in [
        good.clone().without("host"),
        good.clone().and("host", "127.0.0.1"),
        good.clone().and("host", "evil.test"),
        good.clone().at("http://evil.test/mcp"),
        good.and("origin", "https://evil.test")
            .and("origin", "http://127.0.0.1"),
    ] {
        let answer = caller.send(&request);
        assert!(
            [400, 403].contains(&answer.status),
            "{request:?}: {}",
            answer.status
        );
    }
    assert_eq!(server.world().seen().started, 0);
    caller.works();
}

fn content_that_no_page_may_not_send_is_refused(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let good = caller.calling("pend", json!({ "gate": "never" }));
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let answer = caller.send(&good.clone().with("content-type", kind));
        assert_eq!(answer.status, 415, "{kind}");
    }
    assert_eq!(
        caller.send(&good.clone().without("content-type")).status,
        415
    );
    assert_eq!(caller.send(&good.with("accept", "text/html")).status, 406);
    assert_eq!(server.world().seen().started, 0);
}

fn other_methods_and_paths_are_refused(case: &Case) {
    let (server, mut caller) = case.http(&Settings::default());
    let mut link = Link::open(server.address());
    for method in ["PUT", "PATCH"] {
        link.write(&Request::new(method, "/mcp").bytes());
        let answer = link.answer();
        assert_eq!(answer.status, 405, "{method}");
        let allowed = answer.header("allow");
        assert!(
            allowed.is_some_and(|allowed| allowed.contains("POST")),
            "{allowed:?}"
        );
    }
    let other = caller.calling("pend", json!({ "gate": "never" }));
    for path in ["/", "/mcp/", "/mcpx", "/MCP", "/livez/x"] {
        assert_eq!(caller.send(&other.clone().at(path)).status, 404, "{path}");
    }
    // A body that must not follow does not: the next answer starts where it should.
    let mut link = Link::open(server.address());
    link.write(&Request::new("HEAD", "/mcp").bytes());
    let head = link.head();
    assert_eq!(head.status, 405);
    link.write(&Request::new("GET", "/livez").bytes());
    assert_eq!(link.answer().status, 200);
    assert_eq!(server.world().seen().started, 0);
}

fn the_probes_answer(case: &Case) {
    let (server, _) = case.http(&Settings::default());
    let mut link = Link::open(server.address());
    for path in ["/livez", "/readyz"] {
        // Whoever reaches the port may ask.
        link.write(&Request::new("GET", path).with("host", "10.0.0.1").bytes());
        let answer = link.answer();
        assert_eq!((answer.status, answer.text()), (200, "ok\n"), "{path}");
        link.write(&Request::new("HEAD", path).bytes());
        assert_eq!(link.head().status, 200, "{path}");
        link.write(&Request::new("DELETE", path).bytes());
        assert_eq!(link.answer().status, 405, "{path}");
    }
}
