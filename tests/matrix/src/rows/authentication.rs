//! Tokens, as far as the server itself judges them.

use http::Method;
use mcp_driver_tokio::http::HttpOptions;
use mcp_server::{Principal, ProtectedResource, StaticBearer};
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
        (ALICE.to_owned(), 400),
        ("Bearer".to_owned(), 400),
        ("Bearer ".to_owned(), 400),
    ] {
        let answer = http
            .send(&call("whoami").with("authorization", &header))
            .await;
        let refused = answer.status == 400 || answer.status == 401;
        assert_eq!(refused, status != 200, "{header}: {}", answer.status);
    }
}

#[tokio::test]
async fn token_twice() {
    let http = guarded(&Fixture::new());
    for second in [ALICE, ADMIN, "wrong"] {
        let post = bearer(call("whoami"), ALICE).and("authorization", &format!("Bearer {second}"));
        let answer = http.send(&post).await;
        assert!(
            answer.status == 400 || answer.status == 401,
            "{}",
            answer.status
        );
    }
}

#[tokio::test]
async fn token_in_the_query() {
    let http = guarded(&Fixture::new());
    let mut post = call("whoami");
    post.uri = format!("/mcp?access_token={ALICE}");
    let answer = http.send(&post).await;
    assert!(
        answer.status == 400 || answer.status == 401,
        "{}",
        answer.status
    );
    let answer = http.send(&bearer(post, ALICE)).await;
    assert!(
        answer.status == 400 || answer.status == 401,
        "{}",
        answer.status
    );
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
