//! Arrays: batches for the one revision that has them, and arrays that are none.

use serde_json::{Value, json};

use super::{INVALID_REQUEST, code, refused};
use crate::fixture::Fixture;
use crate::http::{Http, Post};
use crate::peer::Peer;
use crate::stdio::{Stdio, legacy};

#[tokio::test]
async fn row_4_a_batch_is_refused_from_2025_06_18_on() {
    let batch = json!([legacy(1, "ping", json!({})), legacy(2, "ping", json!({}))]).to_string();
    refused(&batch, INVALID_REQUEST).await;
    let fixture = Fixture::new();
    for mut peer in Peer::both(&fixture.service, "2025-06-18").await {
        let (status, messages) = peer.bytes(&Value::Null, batch.as_bytes()).await;
        assert_eq!((messages.len(), code(&messages[0])), (1, INVALID_REQUEST));
        assert!(status.is_none_or(|status| status == 400), "{peer}");
        peer.works().await;
    }
}

#[tokio::test]
async fn row_4_a_batch_is_received_by_2025_03_26() {
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } });
    let batch = json!([legacy(1, "ping", json!({})), note, legacy(2, "tools/list", json!({})), { "jsonrpc": "2.0", "id": 3 }]);
    let fixture = Fixture::new();

    let mut client = Stdio::initialized(&fixture.service, "2025-03-26").await;
    client.send(&batch).await;
    let answers = client.next().await;
    let [ping, list, broken] = answers.as_array().map(Vec::as_slice).unwrap_or_default() else {
        panic!("{answers}")
    };
    assert_eq!([&ping["id"], &list["id"]], [1, 2], "{answers}");
    assert!(ping.get("result").is_some() && list.get("result").is_some());
    assert_eq!((&broken["id"], code(broken)), (&json!(3), INVALID_REQUEST));
    client.send(&json!([note, note])).await;
    client.quiet().await;

    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-03-26").await;
    let answer = http.send(&session.post(&batch)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut ids: Vec<String> = answer
        .messages
        .iter()
        .map(|message| message["id"].to_string())
        .collect();
    ids.sort();
    assert_eq!(ids, ["1", "2", "3"]);
    let only_notes = http.send(&session.post(&json!([note, note]))).await;
    assert_eq!(only_notes.status, 202, "{}", only_notes.text);
}

#[tokio::test]
async fn row_5_empty_and_huge_arrays_are_refused_once() {
    let numbers = format!("[{}1]", "1,".repeat(10_000));
    for body in ["[]", numbers.as_str()] {
        refused(body, INVALID_REQUEST).await;
        // Also where there are batches.
        let fixture = Fixture::new();
        let mut client = Stdio::initialized(&fixture.service, "2025-03-26").await;
        client.line(body).await;
        assert_eq!(code(&client.next().await), INVALID_REQUEST);
        client.quiet().await;
        let http = Http::new(&fixture.service);
        let session = http.initialize("2025-03-26").await;
        let answer = http.send(&session.on(Post::body(body.to_owned()))).await;
        assert_eq!((answer.status, answer.code()), (400, INVALID_REQUEST));
        assert_eq!(answer.messages.len(), 1);
    }
}

#[tokio::test]
async fn row_5_a_batch_of_ten_thousand_calls_runs_no_more_than_its_limit() {
    let fixture = Fixture::new();
    let calls: Vec<Value> = (0..10_000)
        .map(|id| {
            let params = json!({ "name": "wait", "arguments": { "ms": 60_000 } });
            legacy(id, "tools/call", params)
        })
        .collect();
    let batch = Value::Array(calls);
    let limit = mcp_server::proto::limits::Limits::default().max_calls;

    // What is beyond the limit is refused at once; the rest is cut off by the end.
    let mut client = Stdio::initialized(&fixture.service, "2025-03-26").await;
    client.send(&batch).await;
    let refusal = client.next().await;
    assert!(
        [INVALID_REQUEST, -32603].contains(&code(&refusal)),
        "{refusal}"
    );
    assert!(
        fixture.seen.started() <= limit,
        "{}",
        fixture.seen.started()
    );
    drop(client);

    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-03-26").await;
    let before = fixture.seen.started();
    let stream = http.open(&session.post(&batch)).await;
    let started = fixture.seen.started() - before;
    assert!(started <= limit, "{started} over HTTP, {}", stream.status);
}
