//! Tokens, as far as the server itself judges them.

use http::Method;
use mcp_driver_tokio::http::HttpOptions;
use mcp_server::{Denied, Principal, ProtectedResource, StaticBearer};
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::http::{Answer, Http, Post};
use crate::stdio::{Stdio, modern};

const ALICE: &str = "the-key-of-alice-0123456789";
const ADMIN: &str = "the-key-of-the-admin-0123456789";

fn guarded(fixture: &Fixture) -> Http {
    let keys = StaticBearer::new()
        .with_key(ALICE, Principal::new("alice").with_scopes(["read"]))
        .with_key(ADMIN, Principal::new("root").with_scopes(["read", "admin"]));
    let document =
        ProtectedResource::new("https://mcp.example.com/mcp", ["https://login.example.com"]);
    Http::with(
        &fixture.service,
        HttpOptions::default()
            .with_authenticator(keys)
            .with_protected_resource(document),
    )
}

fn call(tool: &str) -> Post {
    Post::modern(&modern(
        1,
        "tools/call",
        json!({ "name": tool, "arguments": {} }),
    ))
}

fn bearer(post: Post, token: &str) -> Post {
    post.with("authorization", &format!("Bearer {token}"))
}

fn challenge(answer: &Answer) -> &str {
    answer
        .header("www-authenticate")
        .unwrap_or_else(|| panic!("no challenge: {} {}", answer.status, answer.text))
}

#[tokio::test]
async fn token_none() {
    let fixture = Fixture::new();
    let http = guarded(&fixture);
    for post in [
        call("whoami"),
        Post::body("this is no JSON"),
        Post::bare(Method::GET, "")
            .with("accept", "text/event-stream")
            .with("mcp-session-id", "x"),
        Post::bare(Method::DELETE, "").with("mcp-session-id", "x"),
    ] {
        let answer = http.send(&post).await;
        assert_eq!(answer.status, 401, "{post:?}");
        let challenge = challenge(&answer);
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        assert!(
            challenge.contains(
                "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource"
            ),
            "{challenge}"
        );
        assert!(!challenge.contains("error="), "{challenge}");
    }
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn token_unknown() {
    let fixture = Fixture::new();
    let http = guarded(&fixture);
    for token in [
        "wrong",
        &ALICE[1..],
        &format!("{ALICE}x"),
        &ALICE.to_uppercase(),
    ] {
        let answer = http.send(&bearer(call("echo"), token)).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(challenge(&answer).contains("error=\"invalid_token\""));
        assert!(!answer.text.contains(token), "the token was echoed");
    }
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn token_schemes() {
    let http = guarded(&Fixture::new());
    for (header, status) in [
        (format!("Bearer {ALICE}"), 200),
        (format!("bearer {ALICE}"), 200),
        (format!("BEARER {ALICE}"), 200),
        (format!("Basic {ALICE}"), 401),
        (format!("Negotiate {ALICE}"), 401),
        (ALICE.to_owned(), 400),
        ("Bearer".to_owned(), 400),
        ("Bearer ".to_owned(), 400),
    ] {
        let answer = http
            .send(&call("whoami").with("authorization", &header))
            .await;
        assert_eq!(answer.status, status, "{header}");
        assert_eq!(
            answer.header("www-authenticate").is_some(),
            status != 200,
            "{header}"
        );
    }
}

#[tokio::test]
async fn token_twice() {
    let http = guarded(&Fixture::new());
    for second in [ALICE, ADMIN, "wrong"] {
        let post = bearer(call("whoami"), ALICE).and("authorization", &format!("Bearer {second}"));
        let answer = http.send(&post).await;
        assert_eq!(answer.status, 400, "{second}");
        assert!(challenge(&answer).contains("error=\"invalid_request\""));
    }
}

#[tokio::test]
async fn token_in_the_query() {
    let http = guarded(&Fixture::new());
    let mut post = call("whoami");
    for query in [
        format!("access_token={ALICE}"),
        format!("x=1&access_token={ALICE}"),
    ] {
        post.uri = format!("/mcp?{query}");
        for post in [post.clone(), bearer(post.clone(), ALICE)] {
            let answer = http.send(&post).await;
            assert_eq!(answer.status, 400, "{query}");
            assert!(challenge(&answer).contains("error=\"invalid_request\""));
            assert!(!answer.text.contains(ALICE), "the token was echoed");
        }
    }
}

/// Stands in for a verifier of signed tokens: each token says what is wrong with it.
struct Verifier;

impl mcp_server::Authenticator for Verifier {
    fn authenticate<'a>(
        &'a self,
        parts: &'a http::request::Parts,
    ) -> mcp_server::Authenticating<'a> {
        Box::pin(async move {
            let token = mcp_server::bearer_token(parts)?;
            tokio::task::yield_now().await;
            match token {
                "good" => Ok(Principal::new("alice")),
                "keys-down" => Err(Denied::Unavailable),
                fault => Err(Denied::Invalid(format!("the token is no good: {fault}"))),
            }
        })
    }
}

#[tokio::test]
async fn token_that_a_verifier_refuses() {
    let fixture = Fixture::new();
    let document =
        ProtectedResource::new("https://mcp.example.com/mcp", ["https://login.example.com"]);
    let http = Http::with(
        &fixture.service,
        HttpOptions::default()
            .with_authenticator(Verifier)
            .with_protected_resource(document),
    );
    let echo = || {
        Post::modern(&modern(
            1,
            "tools/call",
            json!({ "name": "echo", "arguments": { "text": "x" } }),
        ))
    };
    let initialize = || Post::body(crate::stdio::initialize(1, "2025-11-25").to_string());
    for fault in [
        "wrong-audience",
        "wrong-issuer",
        "expired",
        "not-yet-valid",
        "alg-none",
        "symmetric-with-a-public-key",
        "unknown-kid",
    ] {
        for post in [echo(), initialize()] {
            let answer = http.send(&bearer(post, fault)).await;
            assert_eq!(answer.status, 401, "{fault}");
            let challenge = challenge(&answer);
            assert!(
                challenge.contains("error=\"invalid_token\"") && challenge.contains(fault),
                "{challenge}"
            );
            assert!(challenge.contains("resource_metadata="), "{challenge}");
            assert!(answer.header("mcp-session-id").is_none());
        }
    }
    // Whoever cannot be checked is not let in, and it is not the client's fault.
    let answer = http.send(&bearer(echo(), "keys-down")).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(fixture.seen.started(), 0);
    assert_eq!(http.send(&bearer(echo(), "good")).await.status, 200);
    assert_eq!(fixture.seen.started(), 1);
}

#[tokio::test]
async fn token_without_the_scope() {
    let fixture = Fixture::new();
    let http = guarded(&fixture);
    let answer = http.send(&bearer(call("secret"), ALICE)).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    let challenge = challenge(&answer);
    assert!(
        challenge.contains("error=\"insufficient_scope\"") && challenge.contains("scope=\"admin\""),
        "{challenge}"
    );
    assert_eq!(fixture.seen.started(), 0);
    let answer = http.send(&bearer(call("secret"), ADMIN)).await;
    assert_eq!(answer.last()["result"]["content"][0]["text"], "42");
}

#[tokio::test]
async fn scopes_filter_the_list() {
    let http = guarded(&Fixture::new());
    for (token, sees) in [(ALICE, false), (ADMIN, true)] {
        let mut names = Vec::new();
        let mut params = json!({});
        loop {
            let answer = http
                .send(&bearer(
                    Post::modern(&modern(1, "tools/list", params.clone())),
                    token,
                ))
                .await;
            let result = answer.message()["result"].clone();
            names.extend(
                result["tools"]
                    .as_array()
                    .expect("tools")
                    .iter()
                    .map(|tool| tool["name"].clone()),
            );
            assert_eq!(result["cacheScope"], "private");
            let Some(cursor) = result.get("nextCursor") else {
                break;
            };
            params["cursor"] = cursor.clone();
        }
        assert_eq!(names.contains(&json!("secret")), sees);
    }
    // Where nobody says who is calling, nobody is an administrator.
    let fixture = Fixture::new();
    let answer = Stdio::open(&fixture.service)
        .call("secret", json!({}))
        .await;
    assert!(answer.get("error").is_some(), "{answer}");
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn the_handler_knows_who_is_calling() {
    let http = guarded(&Fixture::new());
    for (token, name) in [(ALICE, "alice"), (ADMIN, "root")] {
        let answer = http.send(&bearer(call("whoami"), token)).await;
        assert_eq!(answer.last()["result"]["content"][0]["text"], name);
    }
    let answer: Value = Http::new(&Fixture::new().service)
        .call("whoami", json!({}))
        .await
        .last()
        .clone();
    assert_eq!(answer["result"]["content"][0]["text"], "nobody");
}
