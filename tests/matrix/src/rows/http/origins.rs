//! Who a request is addressed to, and which page sent it.

use super::*;

#[tokio::test]
async fn row_45_origins() {
    let options = HttpOptions::default()
        .with_allowed_origins(["https://app.example.com", "http://127.0.0.1:3000"])
        .expect("origins");
    let http = Http::with(&Fixture::new().service, options);
    for (origin, allowed) in [
        ("https://app.example.com", true),
        ("https://app.example.com:443", true),
        ("HTTPS://APP.example.com", true),
        ("http://127.0.0.1:3000", true),
        ("http://app.example.com", false),
        ("https://app.example.com:444", false),
        ("https://app.example.com.evil.test", false),
        ("https://evil.test", false),
        ("https://user@app.example.com", false),
        ("https://app.example.com@evil.test", false),
        ("https://app.example.com/path", false),
        ("null", false),
        ("", false),
        ("https://", false),
        ("file://", false),
    ] {
        let answer = http.send(&list().with("origin", origin)).await;
        assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{origin}");
        let shared = answer.header("access-control-allow-origin").is_some();
        assert_eq!(shared, allowed, "{origin}");
    }
    let two = list()
        .with("origin", "https://app.example.com")
        .and("origin", "https://app.example.com");
    assert_eq!(http.send(&two).await.status, 403);
    // Somebody who is no browser has none.
    assert_eq!(http.send(&list()).await.status, 200);
}

#[tokio::test]
async fn row_45_a_preflight_is_answered_for_allowed_origins_only() {
    let options = HttpOptions::default()
        .with_allowed_origins(["https://app.example.com"])
        .expect("origins");
    let http = Http::with(&Fixture::new().service, options);
    let preflight = |origin: &str| {
        Post::bare(Method::OPTIONS, "")
            .with("origin", origin)
            .with("access-control-request-method", "POST")
            .with(
                "access-control-request-headers",
                "content-type, mcp-protocol-version, mcp-method",
            )
    };
    let answer = http.send(&preflight("https://app.example.com")).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    let answer = http.send(&preflight("https://evil.test")).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn row_46_hosts() {
    let http = Http::new(&Fixture::new().service);
    for (host, allowed) in [
        ("localhost", true),
        ("localhost:8080", true),
        ("LOCALHOST:1", true),
        ("127.0.0.1", true),
        ("[::1]:8080", true),
        ("evil.test", false),
        ("127.0.0.1.evil.test", false),
        ("localhost.evil.test", false),
        ("[::1].evil.test", false),
        ("[::1]evil", false),
        ("user@localhost", false),
        ("evil.test@localhost", false),
        ("localhost:", false),
        ("localhost:x", false),
        ("", false),
    ] {
        let answer = http.send(&list().with("host", host)).await;
        let refused = answer.status == 403 || answer.status == 400;
        assert_eq!(!refused, allowed, "{host}: {}", answer.status);
    }
    let two = list().and("host", "evil.test");
    assert!([400, 403].contains(&http.send(&two).await.status));
}

#[tokio::test]
async fn row_46_the_authority_counts_as_the_host() {
    let http = Http::new(&Fixture::new().service);
    // HTTP/2 has no Host header.
    let mut post = list().without("host");
    post.uri = "http://127.0.0.1:8080/mcp".into();
    assert_eq!(http.send(&post).await.status, 200);
    post.uri = "http://evil.test/mcp".into();
    assert_eq!(http.send(&post).await.status, 403);
    // An absolute target does not hide behind a good header, nor the other way round.
    let mut post = list();
    post.uri = "http://evil.test/mcp".into();
    assert!([400, 403].contains(&http.send(&post).await.status));
    let mut post = list().with("host", "evil.test");
    post.uri = "http://127.0.0.1:8080/mcp".into();
    assert!([400, 403].contains(&http.send(&post).await.status));
    // Nothing at all.
    let answer = http.send(&list().without("host")).await;
    assert!([400, 403].contains(&answer.status), "{}", answer.status);
}
