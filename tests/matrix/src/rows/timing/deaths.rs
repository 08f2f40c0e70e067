//! A peer that dies at each step of the protocol: nothing hangs, nothing stays.

use super::*;
use crate::stdio::initialize;

/// What a client says before it dies, and how many calls of it then run.
fn steps() -> Vec<(&'static str, Vec<String>, usize)> {
    let wait = json!({ "name": "wait", "arguments": { "ms": 60_000 } });
    let old = |more: Vec<Value>| {
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let mut lines = vec![initialize("init", "2025-11-25"), note];
        lines.extend(more);
        lines.iter().map(|line| format!("{line}\n")).collect()
    };
    let new = |more: Vec<Value>| more.iter().map(|line| format!("{line}\n")).collect();
    let ask = json!({ "name": "ask", "arguments": {} });
    vec![
        ("before a word", vec![], 0),
        (
            "in the middle of a word",
            vec![r#"{"jsonrpc":"2.0","id":1,"meth"#.to_owned()],
            0,
        ),
        (
            "after the handshake's first half",
            vec![format!("{}\n", initialize("init", "2025-11-25"))],
            0,
        ),
        ("after the handshake", old(vec![]), 0),
        (
            "during a call",
            old(vec![legacy(1, "tools/call", wait.clone())]),
            1,
        ),
        (
            "asked for a name",
            old(vec![legacy(1, "tools/call", ask)]),
            0,
        ),
        (
            "after a probe",
            new(vec![modern(1, "server/discover", json!({}))]),
            0,
        ),
        (
            "during calls",
            new(vec![
                modern(1, "tools/call", wait.clone()),
                modern(2, "tools/call", wait),
            ]),
            2,
        ),
        (
            "while it listens",
            new(vec![listen(1, json!({ "toolsListChanged": true }))]),
            0,
        ),
    ]
}

#[tokio::test]
async fn row_75_a_peer_of_a_stream_dies_at_each_step() {
    for (step, lines, calls) in steps() {
        let limits = Limits {
            shutdown_bound: Duration::from_millis(50),
            ..Default::default()
        };
        let fixture = Fixture::with(|server| server.limits(limits));
        let (mut input, server_input) = tokio::io::duplex(1 << 16);
        let (server_output, output) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(serve_io_until(
            fixture.service.clone(),
            server_input,
            server_output,
            StreamOptions::default(),
            std::future::pending(),
        ));
        for line in lines {
            input.write_all(line.as_bytes()).await.expect("written");
        }
        settled(|| fixture.seen.started() == calls).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        // Killed: both directions end at once.
        drop((input, output));
        let ended = tokio::time::timeout(Duration::from_secs(10), server)
            .await
            .unwrap_or_else(|_| panic!("{step}: the server goes on"));
        ended.expect("no panic").expect("no error");
        assert_eq!(fixture.seen.cancelled(), calls, "{step}");
        assert_eq!(fixture.service.hub().listeners(), 0, "{step}");
    }
}

#[tokio::test]
async fn row_75_a_peer_over_http_dies_at_each_step() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let server = http.endpoint.server();
    let wait = json!({ "name": "wait", "arguments": { "ms": 60_000 } });
    let nothing_is_left = |step: &str| {
        assert_eq!((server.calls(), server.streams()), (0, 0), "{step}");
        assert_eq!(fixture.service.hub().listeners(), 0, "{step}");
    };
    // Before the head of the answer, and after it.
    let post = Post::modern(&modern(1, "tools/call", wait.clone()));
    let early = tokio::time::timeout(Duration::from_millis(50), http.open(&post)).await;
    assert!(early.is_err());
    nothing_is_left("before the head");
    drop(http.open(&post).await);
    nothing_is_left("after the head");
    assert_eq!((fixture.seen.started(), fixture.seen.cancelled()), (2, 2));
    // While it listens, with and without an acknowledgment read.
    let post = Post::modern(&listen(1, json!({ "toolsListChanged": true })));
    drop(http.open(&post).await);
    nothing_is_left("before the acknowledgment");
    let mut stream = http.open(&post).await;
    stream.next().await;
    drop(stream);
    nothing_is_left("while it listens");
    // In a session, the call goes on for whoever comes back, and nobody can block the session meanwhile.
    let session = http.initialize("2025-11-25").await;
    drop(http.open(&session.get()).await);
    assert_eq!(server.streams(), 0, "while it reads the session's stream");
    let (step, ms) = ("during a call of a session", 700);
    let call = legacy(
        1,
        "tools/call",
        json!({ "name": "wait", "arguments": { "ms": ms } }),
    );
    drop(http.open(&session.post(&call)).await);
    assert_eq!(server.calls(), 1, "{step}");
    settled(|| server.calls() == 0).await;
    assert_eq!(fixture.seen.finished(), 1, "{step}");
    // Asked for a name: the question ends with the session's patience, or by a cancel of who comes back.
    let ask = legacy(2, "tools/call", json!({ "name": "ask", "arguments": {} }));
    let mut stream = http.open(&session.post(&ask)).await;
    stream.next().await;
    drop(stream);
    assert_eq!(http.send(&session.post(&cancel(2))).await.status, 202);
    settled(|| server.calls() == 0).await;
    // What is left is the session's own state, which its end takes along.
    assert_eq!(http.send(&session.delete()).await.status, 204);
    nothing_is_left("after the session");
    assert_eq!(server.sessions(), 0);
}
