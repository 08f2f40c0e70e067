//! Request ids: what one is, how it comes back, and what it is compared with.

use mcp_server::proto::limits::Limits;
use serde_json::{Value, json};

use super::{INVALID_REQUEST, METHOD_NOT_FOUND, code, refused};
use crate::fixture::Fixture;
use crate::http::Http;
use crate::peer::Peer;
use crate::stdio::{MODERN, Stdio, legacy, meta, modern};

#[tokio::test]
async fn row_6_a_null_id_is_refused() {
    refused(
        r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#,
        INVALID_REQUEST,
    )
    .await;
}

#[tokio::test]
async fn row_7_a_float_is_no_id_unless_tolerated() {
    let line = |id: &str, method: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{}}}}}"#,
            meta()
        )
    };
    for id in ["1.5", "1.0", "1e0", "-0.0"] {
        refused(line(id, "tools/list"), INVALID_REQUEST).await;
    }
    let limits = Limits {
        integral_float_ids: true,
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    for (id, echoed) in [("1.0", Some(1)), ("1e0", Some(1)), ("1.5", None)] {
        for mut peer in Peer::both(&fixture.service, MODERN).await {
            let like = modern(1, "nothing/such", json!({}));
            let answer = peer.text(&like, &line(id, "nothing/such")).await;
            match echoed {
                Some(echoed) => assert_eq!(
                    (code(&answer), &answer["id"]),
                    (METHOD_NOT_FOUND, &json!(echoed)),
                    "{peer}"
                ),
                None => assert_eq!(code(&answer), INVALID_REQUEST, "{peer}"),
            }
        }
    }
}

#[tokio::test]
async fn row_8_a_string_and_a_number_are_two_ids() {
    let fixture = Fixture::new();
    let wait = json!({ "name": "wait", "arguments": { "ms": 100 } });
    for revision in [MODERN, "2025-11-25"] {
        let request = |id: Value| {
            if revision == MODERN {
                modern(id, "tools/call", wait.clone())
            } else {
                legacy(id, "tools/call", wait.clone())
            }
        };
        let (number, string) = (request(json!(1)), request(json!("1")));
        let mut client = if revision == MODERN {
            Stdio::open(&fixture.service)
        } else {
            Stdio::initialized(&fixture.service, revision).await
        };
        client.send(&number).await;
        client.send(&string).await;
        for id in [json!(1), json!("1")] {
            let answer = client.answer_to(&id).await;
            assert!(answer.get("result").is_some(), "{answer}");
        }
    }
    // Over HTTP, in flight at once in one session; a cancel of one is not a cancel of the other.
    let http = Http::new(&fixture.service);
    let session = http.initialize("2025-11-25").await;
    let (string, number, cancelled) = tokio::join!(
        session.request(
            "1",
            "tools/call",
            json!({ "name": "wait", "arguments": { "ms": 300 } })
        ),
        session.request(
            1,
            "tools/call",
            json!({ "name": "wait", "arguments": { "ms": 60_000 } })
        ),
        async {
            while fixture.seen.started() < 6 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
            http.send(&session.post(&cancel)).await.status
        }
    );
    assert_eq!(cancelled, 202);
    assert_eq!(string.last()["id"], json!("1"));
    assert_eq!(string.last()["result"]["content"][0]["text"], "waited");
    assert!(number.messages.is_empty(), "{:?}", number.messages);
}

#[tokio::test]
async fn row_9_unusual_ids_are_echoed_exactly() {
    let fixture = Fixture::new();
    let escaped: Value = serde_json::from_str(r#""\u0061\n\"ü""#).expect("JSON");
    for mut peer in Peer::each(&fixture.service).await {
        for id in [
            json!(9_007_199_254_740_993_i64),
            json!(-1),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(0),
            json!(""),
            escaped.clone(),
        ] {
            let mut request = peer.message("tools/list", json!({}));
            request["id"] = id.clone();
            let answer = peer.ask(&request).await;
            assert_eq!(answer["id"], id, "{peer}");
            assert!(answer.get("result").is_some(), "{peer}: {answer}");
        }
    }
}

#[tokio::test]
async fn row_9_a_huge_id_is_refused() {
    let line = modern("x".repeat(1_000_000), "tools/list", json!({})).to_string();
    for error in refused(line, INVALID_REQUEST).await {
        assert!(error.to_string().len() < 1_000, "the id was echoed");
    }
}

#[tokio::test]
async fn row_10_other_kinds_of_ids_are_refused() {
    for id in ["true", "false", "[1]", "{\"a\":1}"] {
        refused(
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#),
            INVALID_REQUEST,
        )
        .await;
    }
}

#[tokio::test]
async fn row_11_an_id_in_flight_twice_on_a_stream() {
    let fixture = Fixture::new();
    for revision in [MODERN, "2025-11-25"] {
        let mut client = if revision == MODERN {
            Stdio::open(&fixture.service)
        } else {
            Stdio::initialized(&fixture.service, revision).await
        };
        let call = |tool: &str, arguments: Value| {
            let params = json!({ "name": tool, "arguments": arguments });
            if revision == MODERN {
                modern(1, "tools/call", params)
            } else {
                legacy(1, "tools/call", params)
            }
        };
        let before = fixture.seen.started();
        client.send(&call("wait", json!({ "ms": 200 }))).await;
        client
            .send(&call("echo", json!({ "text": "second" })))
            .await;
        assert_eq!(code(&client.next().await), INVALID_REQUEST);
        let first = client.next().await;
        assert_eq!(first["result"]["content"][0]["text"], "waited", "{first}");
        assert_eq!(fixture.seen.started(), before + 1, "the second one ran");
        // Afterwards the id is free again, although a client should not use it.
        client.send(&call("echo", json!({ "text": "again" }))).await;
        assert_eq!(client.next().await["result"]["content"][0]["text"], "again");
    }
}

#[tokio::test]
async fn row_11_the_same_id_in_two_posts_is_two_requests() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let wait = json!({ "ms": 100 });
    let (first, second, third) = tokio::join!(
        http.call("wait", wait.clone()),
        http.call("wait", wait),
        http.call("echo", json!({ "text": "x" }))
    );
    for answer in [&first, &second, &third] {
        assert_eq!(answer.status, 200);
        assert!(answer.last().get("result").is_some());
    }
    assert_eq!(third.last()["result"]["content"][0]["text"], "x");
    let session = http.initialize("2025-11-25").await;
    let (first, second) = tokio::join!(
        session.call("wait", json!({ "ms": 100 })),
        session.call("echo", json!({ "text": "y" }))
    );
    assert_eq!(first.last()["result"]["content"][0]["text"], "waited");
    assert_eq!(second.last()["result"]["content"][0]["text"], "y");
}
