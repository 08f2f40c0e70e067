//! Cancels: in time, too late, for nothing, and in numbers.

use super::*;

#[tokio::test]
async fn row_64_a_cancelled_call_is_not_answered() {
    let fixture = Fixture::new();
    for (round, mut client) in both(&fixture).await.into_iter().enumerate() {
        client
            .send(&in_era(&client, 1, "wait", json!({ "ms": 60_000 })))
            .await;
        settled(|| fixture.seen.started() == round + 1).await;
        client.send(&cancel(1)).await;
        client.send(&cancel(1)).await;
        settled(|| fixture.seen.cancelled() == round + 1).await;
        client.quiet().await;
    }
}

#[tokio::test]
async fn row_64_cancels_that_mean_nothing() {
    let fixture = Fixture::new();
    for mut client in both(&fixture).await {
        // Before its request, after its answer, unknown, of another type, and malformed.
        client.send(&cancel(7)).await;
        let answer = client
            .ask(&in_era(&client, 7, "echo", json!({ "text": "x" })))
            .await;
        assert_eq!(answer["result"]["content"][0]["text"], "x");
        client.send(&cancel(7)).await;
        client.send(&cancel("7")).await;
        for params in [
            "{}",
            r#"{"requestId":null}"#,
            r#"{"requestId":[1]}"#,
            r#"{"requestId":1.5}"#,
        ] {
            client
                .line(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#
                ))
                .await;
        }
        client
            .line(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#)
            .await;
        client.quiet().await;
    }
    for mut peer in Peer::both(&fixture.service, "2025-11-25").await {
        let mut request = peer.message(
            "tools/call",
            json!({ "name": "echo", "arguments": { "text": "x" } }),
        );
        request["id"] = json!(7);
        let meaningless = [
            cancel(7).to_string(),
            cancel("7").to_string(),
            cancel(99).to_string(),
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}"#
                .to_owned(),
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#.to_owned(),
        ];
        // Before the request and after its answer.
        for _ in 0..2 {
            for text in &meaningless {
                let status = peer.tell(text).await;
                assert!(
                    status.is_none_or(|status| status == 202),
                    "{peer}: {text}: {status:?}"
                );
            }
            let answer = peer.ask(&request).await;
            assert_eq!(answer["result"]["content"][0]["text"], "x", "{peer}");
        }
        peer.works().await;
    }
}

#[tokio::test]
async fn row_64_a_posted_cancel_means_nothing_in_the_latest_revision() {
    // There, a client cancels by leaving; ids belong to nobody, so somebody else's call would be hit.
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let stream = http
        .open(&Post::modern(&call(5, "wait", json!({ "ms": 900 }))))
        .await;
    assert!(stream.is_events());
    for mut notice in [cancel(5), cancel(5)] {
        notice["params"]["_meta"] = meta();
        assert_eq!(http.send(&Post::modern(&notice)).await.status, 202);
    }
    let answer = stream.rest().await;
    assert_eq!(answer.last()["result"]["content"][0]["text"], "waited");
    assert_eq!(fixture.seen.cancelled(), 0);
}

#[tokio::test]
async fn row_64_a_cancel_over_http_ends_a_legacy_call() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let post = session.post(&legacy(
        5,
        "tools/call",
        json!({ "name": "wait", "arguments": { "ms": 60_000 } }),
    ));
    let stream = http.open(&post).await;
    let cancel = session.post(&cancel(5));
    let (answer, accepted) = tokio::join!(stream.rest(), http.send(&cancel));
    assert_eq!(accepted.status, 202);
    assert!(
        answer
            .messages
            .iter()
            .all(|message| message.get("result").is_none())
    );
    assert_eq!((fixture.seen.cancelled(), fixture.seen.finished()), (1, 0));
    assert_eq!(http.endpoint.server().calls(), 0);
}

#[tokio::test]
async fn row_65_a_cancel_that_crosses_the_answer() {
    let fixture = Fixture::new();
    for mut client in both(&fixture).await {
        for id in 0..50 {
            client
                .send(&in_era(&client, id, "wait", json!({ "ms": id % 3 })))
                .await;
            client.send(&cancel(id)).await;
        }
        // Each is answered once or not at all; the connection is in order afterwards.
        let mut answers = Vec::new();
        let last = in_era(&client, 1_000, "wait", json!({ "ms": 50 }));
        client.send(&last).await;
        loop {
            let answer = client.next().await;
            if answer["id"] == 1_000 {
                break;
            }
            answers.push(answer["id"].as_i64().expect("an id"));
        }
        let count = answers.len();
        answers.dedup();
        assert_eq!(answers.len(), count);
        client.quiet().await;
    }
}

#[tokio::test]
async fn row_65_a_cancel_that_crosses_the_answer_over_http() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    for id in 0..50 {
        let params = json!({ "name": "wait", "arguments": { "ms": id % 3 } });
        let request = session.post(&legacy(id, "tools/call", params));
        let cancel = session.post(&cancel(id));
        let (answer, cancelled) = tokio::join!(http.send(&request), http.send(&cancel));
        assert_eq!(cancelled.status, 202);
        // Answered once or not at all, and then the exchange is over all the same.
        match answer.messages.as_slice() {
            [] => {}
            [one] => assert_eq!(one["id"], id, "{one}"),
            more => panic!("{more:?}"),
        }
    }
    assert_eq!(http.endpoint.server().calls(), 0);
    assert_eq!(
        session.call("echo", json!({ "text": "x" })).await.message()["result"]["content"][0]["text"],
        "x"
    );
}

#[tokio::test]
async fn row_68_cancels_are_handled_while_every_place_is_taken_over_http() {
    let limits = Limits {
        max_calls: 8,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let mut open = Vec::new();
    for id in 1..=8 {
        let params = json!({ "name": "wait", "arguments": { "ms": 60_000 } });
        open.push(
            http.open(&session.post(&legacy(id, "tools/call", params)))
                .await,
        );
    }
    let echo = json!({ "name": "echo", "arguments": { "text": "x" } });
    let refused = session.request(9, "tools/call", echo.clone()).await;
    assert_eq!(
        (refused.status, refused.code()),
        (503, -32603),
        "{}",
        refused.text
    );
    assert!(refused.header("retry-after").is_some());
    for _ in 0..20 {
        for id in 1..=8 {
            assert_eq!(http.send(&session.post(&cancel(id))).await.status, 202);
        }
    }
    for stream in open {
        let rest = stream.rest().await;
        assert!(rest.messages.is_empty(), "{:?}", rest.messages);
    }
    assert_eq!(fixture.seen.cancelled(), 8);
    let answer = session.request(10, "tools/call", echo).await;
    assert_eq!(answer.last()["result"]["content"][0]["text"], "x");
}

#[tokio::test]
async fn row_68_cancels_are_handled_while_every_place_is_taken() {
    let limits = Limits {
        max_calls: 8,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    for (round, mut client) in both(&fixture).await.into_iter().enumerate() {
        for id in 1..=8 {
            client
                .send(&in_era(&client, id, "wait", json!({ "ms": 60_000 })))
                .await;
        }
        let refused = client
            .ask(&in_era(&client, 9, "echo", json!({ "text": "x" })))
            .await;
        assert_eq!(refused["error"]["code"], -32603, "{refused}");
        for _ in 0..100 {
            for id in 1..=8 {
                client.send(&cancel(id)).await;
            }
        }
        let answer = client
            .ask(&in_era(&client, 10, "echo", json!({ "text": "x" })))
            .await;
        assert_eq!(answer["result"]["content"][0]["text"], "x");
        assert_eq!(fixture.seen.cancelled(), 8 * (round + 1));
    }
}
