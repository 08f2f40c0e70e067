//! Who gets in: hosts, origins, tokens, scopes, and how little an attacker can leave behind.

use mcp_proto::http::head::Head;

use super::*;
use crate::{ProtectedResource, StaticBearer};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn strange_hosts_and_origins_are_403_before_anything_exists() {
    let bench = Bench::new();
    let body = initialize_body("2025-11-25").to_string();
    for headers in [
        &[JSON, ("host", "evil.example.com")][..],
        &[JSON, ("origin", "http://evil.example.com")],
        &[JSON, ("origin", "null")],
        &[
            JSON,
            ("host", "evil.example.com"),
            ("origin", "http://evil.example.com"),
        ],
    ] {
        for method in [Method::POST, Method::GET, Method::DELETE, Method::OPTIONS] {
            let reply = bench.send(method.clone(), headers, &body);
            assert_eq!(reply.status(), 403, "{method} {headers:?}");
            assert_eq!(reply.header("access-control-allow-origin"), "");
        }
    }
    let local = bench.send(
        Method::POST,
        &[JSON, ("origin", "http://localhost:6274")],
        &body,
    );
    assert_eq!(local.status(), 200);
    assert_eq!(
        local.header("access-control-allow-origin"),
        "http://localhost:6274"
    );
    assert!(
        local
            .header("access-control-expose-headers")
            .contains("mcp-session-id")
    );
}

#[test]
fn a_hundred_thousand_bad_requests_leave_nothing() {
    let bench = Bench::new();
    for n in 0..100_000 {
        let body = match n % 4 {
            0 => "{".to_owned(),
            1 => r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
            2 => r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#.to_owned(),
            _ => r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        };
        let reply = bench.send(Method::POST, &[JSON, ("mcp-session-id", "forged")], &body);
        assert!(reply.ended && reply.header("mcp-session-id").is_empty());
    }
    assert_eq!(
        (
            bench.server.sessions(),
            bench.server.calls(),
            bench.server.streams()
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_body_over_the_limit_is_413_whatever_its_length_claims() {
    let bench = Bench::with(
        |server| {
            server.limits(mcp_proto::limits::Limits {
                max_message: 100,
                ..Default::default()
            })
        },
        HttpOptions::default(),
    );
    let long = "x".repeat(101);
    let declared = bench.send(Method::POST, &[JSON, ("content-length", "101")], "");
    assert_eq!(declared.status(), 413);
    let lied = bench.send(Method::POST, &[JSON, ("content-length", "5")], &long);
    assert_eq!((lied.status(), lied.header("connection")), (413, "close"));
}

/// Panics when it is asked, or when it is waited for.
struct Broken(bool);

impl crate::Authenticator for Broken {
    fn authenticate<'a>(&'a self, _: &'a http::request::Parts) -> crate::Authenticating<'a> {
        assert!(self.0, "a secret");
        Box::pin(async { panic!("a secret") })
    }
}

#[test]
fn a_panic_of_the_authenticator_is_a_500_that_tells_nothing() {
    for late in [false, true] {
        let options = HttpOptions::default().with_authenticator(Broken(late));
        let bench = Bench::with(|server| server, options);
        let request = Request::post("/mcp")
            .header("host", "localhost")
            .header("origin", "http://localhost");
        let parts = request.body(()).unwrap().into_parts().0;
        let mut asking = Box::pin(bench.server.authenticate(&parts));
        let polled = asking.as_mut().poll(&mut Task::from_waker(Waker::noop()));
        let Poll::Ready(Err(refusal)) = polled else {
            panic!("nobody gets in");
        };
        let reply = Reply::of(refusal);
        assert_eq!(reply.status(), 500);
        assert_eq!(
            reply.header("access-control-allow-origin"),
            "http://localhost"
        );
        assert!(!reply.text.contains("secret"));
    }
}

#[test]
fn tokens_decide_before_the_body_is_read() {
    let keys = StaticBearer::new().with_key(
        "0123456789abcdef",
        Principal::new("ci").with_scopes(["admin"]),
    );
    let resource = ProtectedResource::new(
        "https://mcp.example.com/mcp",
        ["https://issuer.example.com"],
    );
    let options = HttpOptions::default()
        .with_authenticator(keys)
        .with_protected_resource(resource);
    let bench = Bench::with(|server| server, options);
    let ask = |headers: &[(&str, &str)]| {
        let mut request = Request::post("/mcp").header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let mut asking = Box::pin(bench.server.authenticate(&parts));
        match asking.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome
                .map(|principal| principal.map(|it| it.id))
                .map_err(|refusal| Box::new(Reply::of(refusal))),
            Poll::Pending => panic!("a static key needs no time"),
        }
    };
    let missing = ask(&[]).err().unwrap();
    assert_eq!(missing.status(), 401);
    let challenge = missing.header("www-authenticate");
    assert!(
        challenge.contains("https://mcp.example.com/.well-known/oauth-protected-resource/mcp"),
        "{challenge}"
    );
    assert_eq!(
        ask(&[("authorization", "Bearer wrong")])
            .err()
            .unwrap()
            .status(),
        401
    );
    assert_eq!(
        ask(&[("authorization", "Bearer 0123456789abcdef")])
            .ok()
            .flatten()
            .as_deref(),
        Some("ci")
    );
    assert_eq!(
        ask(&[("origin", "http://evil.com")])
            .err()
            .unwrap()
            .status(),
        403
    );
    let preflight = [
        ("origin", "http://localhost"),
        ("access-control-request-method", "POST"),
    ];
    let mut request = Request::options("/mcp").header("host", "localhost");
    for (name, value) in preflight {
        request = request.header(name, value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    let mut asking = Box::pin(bench.server.authenticate(&parts));
    let Poll::Ready(Err(response)) = asking.as_mut().poll(&mut Task::from_waker(Waker::noop()))
    else {
        panic!("a preflight carries no token")
    };
    assert_eq!(response.status(), 204);
    // A driver that forgets to ask lets nobody in.
    assert_eq!(bench.send(Method::POST, &[JSON], "{}").status(), 401);
    let metadata = bench
        .server
        .protected_resource_metadata(&Head::new(&Method::GET, "/"))
        .unwrap();
    assert!(
        std::str::from_utf8(metadata.body())
            .unwrap()
            .contains("issuer.example.com")
    );
}

#[test]
fn a_missing_scope_is_403_with_a_challenge() {
    let bench = Bench::new();
    let reply = bench.modern(1, "tools/call", json!({"name": "secret", "arguments": {}}));
    assert_eq!(reply.status(), 403, "{}", reply.text);
    let challenge = reply.header("www-authenticate");
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("admin"),
        "{challenge}"
    );
    assert_eq!(reply.json()["id"], 1);
}

#[test]
fn what_must_not_be_read_cannot_be_watched() {
    let watched = |uri: &'static str| crate::Resource::builder(uri).read(|_, _| Ok("x"));
    let bench = Bench::with(
        |server| {
            let secret = crate::Resource::builder("config://secret").scopes(["admin"]);
            server
                .resource(watched("config://open"))
                .resource(secret.read(|_, _| Ok("x")))
        },
        HttpOptions::default(),
    );
    let filter = json!({"resourceSubscriptions": ["config://open", "config://secret"]});
    let mut listen = bench.modern(
        1,
        "subscriptions/listen",
        json!({ "notifications": filter }),
    );
    assert_eq!(
        listen.events()[0]["params"]["notifications"]["resourceSubscriptions"],
        json!(["config://open"]),
        "the acknowledgment says what was granted"
    );
    let session = bench.initialize("2025-11-25");
    let subscribe = |uri: &str| {
        let params = json!({ "uri": uri });
        bench.in_session(
            &session,
            &json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": params}),
        )
    };
    let refused = subscribe("config://secret");
    assert_eq!(refused.status(), 403, "{}", refused.text);
    assert!(refused.header("www-authenticate").contains("admin"));
    assert_eq!(subscribe("config://open").status(), 200);
    let mut stream = bench.get(&session, None);
    for uri in ["config://secret", "config://open"] {
        bench.server.service().notify_resource_updated(uri);
    }
    listen.poll(&bench);
    stream.poll(&bench);
    assert!(!listen.text.contains("secret") && listen.text.contains("resources/updated"));
    assert!(!stream.text.contains("secret") && stream.text.contains("resources/updated"));
}

#[test]
fn a_server_of_one_era_says_so() {
    let modern = Bench::with(
        |server| {
            server.revisions(mcp_proto::config::RevisionSet::of([
                mcp_types::Revision::V2026_07_28,
            ]))
        },
        HttpOptions::default(),
    );
    let accept = ("accept", "text/event-stream");
    assert_eq!(modern.send(Method::GET, &[accept], "").status(), 405);
    assert_eq!(modern.send(Method::DELETE, &[], "").header("allow"), "POST");
    let refused = modern.post(&[], &initialize_body("2025-11-25"));
    assert_eq!(
        (refused.status(), refused.header("mcp-session-id")),
        (400, "")
    );
    assert!(refused.text.contains("2026-07-28"));
    let legacy = Bench::with(
        |server| {
            server.revisions(mcp_proto::config::RevisionSet::of([
                mcp_types::Revision::V2025_11_25,
            ]))
        },
        HttpOptions::default(),
    );
    let probe = legacy.modern(1, "server/discover", json!({}));
    assert_eq!(probe.status(), 400, "{}", probe.text);
    assert_eq!(legacy.server.sessions(), 0);
    assert!(!legacy.initialize("2025-11-25").is_empty());
}

#[test]
fn both_eras_are_served_side_by_side() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    for id in 0..3 {
        assert_eq!(bench.modern(id, "tools/list", json!({})).status(), 200);
        assert_eq!(
            bench.in_session(&session, &call_body(id, "hello")).status(),
            200
        );
    }
}
