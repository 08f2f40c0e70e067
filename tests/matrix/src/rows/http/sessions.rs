//! Sessions of the handshake era: their ids, their streams, and what is replayed.

use super::*;

#[tokio::test]
async fn row_51_a_modern_endpoint_has_only_post() {
    let modern_only =
        mcp_server::proto::config::RevisionSet::of([mcp_server::types::Revision::LATEST]);
    let http = Http::new(&Fixture::with(|server| server.revisions(modern_only)).service);
    for method in [
        Method::GET,
        Method::DELETE,
        Method::PUT,
        Method::PATCH,
        Method::HEAD,
    ] {
        let post = Post::bare(method.clone(), "")
            .with("accept", "text/event-stream")
            .with("mcp-session-id", "x");
        let answer = http.send(&post).await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(
            answer
                .header("allow")
                .is_some_and(|allowed| allowed.contains("POST")),
            "{method}"
        );
    }
    let post = list()
        .with("mcp-session-id", "x")
        .with("last-event-id", "x");
    assert_eq!(http.send(&post).await.status, 200);
}

#[tokio::test]
async fn row_52_session_ids() {
    let http = Http::new(&Fixture::new().service);
    let session = http.initialize("2025-11-25").await;
    assert!(
        session.id.len() <= 1024 && session.id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)),
        "{}",
        session.id
    );
    let ping = legacy(1, "ping", json!({}));
    assert_eq!(http.send(&session.post(&ping)).await.status, 200);
    assert_eq!(
        http.send(&session.post(&ping).without("mcp-session-id"))
            .await
            .status,
        400
    );
    let mut flipped = session.id.clone().into_bytes();
    for at in [0, flipped.len() / 2, flipped.len() - 2] {
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        let id = String::from_utf8(flipped.clone()).expect("ASCII");
        assert_eq!(
            http.send(&session.post(&ping).with("mcp-session-id", &id))
                .await
                .status,
            404
        );
    }
    for id in [
        "x",
        "123e4567-e89b-12d3-a456-426614174000",
        &"A".repeat(4000),
    ] {
        assert_eq!(
            http.send(&session.post(&ping).with("mcp-session-id", id))
                .await
                .status,
            404,
            "{id}"
        );
        assert_eq!(
            http.send(&session.get().with("mcp-session-id", id))
                .await
                .status,
            404,
            "{id}"
        );
        assert_eq!(
            http.send(&session.delete().with("mcp-session-id", id))
                .await
                .status,
            404,
            "{id}"
        );
    }
    assert_eq!(
        http.send(&session.get().without("mcp-session-id"))
            .await
            .status,
        400
    );
    let twice = session.post(&ping).and("mcp-session-id", &session.id);
    assert!([400, 404].contains(&http.send(&twice).await.status));
    // After its end.
    let ended = http.send(&session.delete()).await;
    assert!((200..300).contains(&ended.status), "{}", ended.status);
    for post in [session.post(&ping), session.get(), session.delete()] {
        assert_eq!(http.send(&post).await.status, 404);
    }
}

#[tokio::test]
async fn row_62_events_of_another_stream_or_session_are_never_replayed() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let first = http.initialize("2025-11-25").await;
    let second = http.initialize("2025-11-25").await;
    let last_id = left_behind(&http, &first, 5).await;
    // Another session, an id that never was, and nonsense: a stream without anything of the first one, or a refusal.
    for id in [last_id.as_str(), "7-7-7", "nonsense", ""] {
        let mut stream = http.open(&second.get().with("last-event-id", id)).await;
        // A fresh stream, which goes on with what is new.
        assert_eq!(stream.status, 200, "{id}");
        let event =
            tokio::time::timeout(std::time::Duration::from_millis(200), stream.event()).await;
        let replayed = event.ok().flatten().and_then(|event| event.message);
        assert!(replayed.is_none(), "{id}: {replayed:?}");
    }
    // Its own session gets it.
    let mut stream = http
        .open(&first.get().with("last-event-id", &last_id))
        .await;
    assert_eq!(stream.next().await["id"], 5);
}

/// Leaves a call before its answer and waits until the answer is kept; returns the last event id that was seen.
async fn left_behind(http: &Http, session: &Session<'_>, id: i64) -> String {
    let wait = legacy(
        id,
        "tools/call",
        json!({ "name": "wait", "arguments": { "ms": 600 } }),
    );
    let mut stream = http.open(&session.post(&wait)).await;
    let id = stream
        .event()
        .await
        .expect("a first event")
        .id
        .expect("an id");
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    id
}

#[tokio::test]
async fn row_62_events_that_were_evicted_leave_nothing_of_others() {
    let limits = mcp_server::proto::limits::Limits {
        replay_events: 2,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let first = left_behind(&http, &session, 5).await;
    // Later calls of the same session take its place in the ring.
    let second = left_behind(&http, &session, 6).await;
    left_behind(&http, &session, 7).await;
    for (last_id, own) in [(&first, None), (&second, Some(6))] {
        let mut stream = http
            .open(&session.get().with("last-event-id", last_id))
            .await;
        assert_eq!(stream.status, 200);
        let mut replayed = Vec::new();
        while let Ok(Some(event)) =
            tokio::time::timeout(std::time::Duration::from_millis(200), stream.event()).await
        {
            replayed.extend(event.message.map(|message| message["id"].as_i64()));
        }
        // Never an answer of another stream, whatever is left in the ring.
        let expected: Vec<_> = own.into_iter().map(Some).collect();
        assert_eq!(replayed, expected, "{last_id}");
    }
}

#[tokio::test]
async fn row_63_a_message_goes_to_one_stream_only() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let mut one = http.open(&session.get()).await;
    let mut two = http.open(&session.get()).await;
    assert_eq!(one.status, 200);
    fixture
        .service
        .tools()
        .add(crate::fixture::visitor())
        .expect("a new name");
    let mut seen = 0;
    for stream in [&mut one, &mut two] {
        if stream.status != 200 {
            continue;
        }
        while let Ok(Some(event)) =
            tokio::time::timeout(std::time::Duration::from_millis(200), stream.event()).await
        {
            seen += usize::from(event.message.is_some());
        }
    }
    assert_eq!(seen, 1);
}
