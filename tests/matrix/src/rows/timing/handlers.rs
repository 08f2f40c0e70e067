//! Handlers that panic, block, or hold what others need.

use super::*;

#[tokio::test]
async fn row_69_a_handler_that_panics_hurts_nobody_else() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for mut client in both(&fixture).await {
        client
            .send(&in_era(&client, 1, "wait", json!({ "ms": 200 })))
            .await;
        let answer = client.ask(&in_era(&client, 2, "panics", json!({}))).await;
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert!(!answer.to_string().contains("secret"), "{answer}");
        assert_eq!(
            client.answer_to(&json!(1)).await["result"]["content"][0]["text"],
            "waited"
        );
    }
    let answer = http.call("panics", json!({})).await;
    assert_eq!(answer.code(), -32603);
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    assert_eq!(http.call("echo", json!({ "text": "x" })).await.status, 200);
}

/// A fixture with tools that behave badly.
fn rude() -> Fixture {
    let lock = std::sync::Arc::new(tokio::sync::Mutex::new(()));
    let later = mcp_server::Tool::builder("panics_later")
        .input_schema(r#"{"type":"object"}"#)
        .call_async(|_: Value, _ctx| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if true {
                panic!("a secret detail");
            }
            Ok::<_, mcp_server::HandlerError>("never")
        });
    let blocks = mcp_server::Tool::builder("blocks")
        .input_schema(r#"{"type":"object"}"#)
        .call_blocking(|_: Value, _ctx| {
            std::thread::sleep(Duration::from_millis(600));
            Ok::<_, mcp_server::HandlerError>("blocked")
        });
    let holds = mcp_server::Tool::builder("holds")
        .input_schema(r#"{"type":"object"}"#)
        .call_async(move |arguments: Value, _ctx| {
            let lock = std::sync::Arc::clone(&lock);
            async move {
                let _held = lock.lock().await;
                tokio::time::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or(0)))
                    .await;
                Ok::<_, mcp_server::HandlerError>("held")
            }
        });
    Fixture::with(|server| server.tools([later, blocks, holds]))
}

#[tokio::test]
async fn row_69_a_handler_that_panics_after_a_while() {
    let fixture = rude();
    for mut peer in Peer::each(&fixture.service).await {
        let answer = peer.call("panics_later", json!({})).await;
        assert_eq!(answer["error"]["code"], -32603, "{peer}: {answer}");
        assert!(!answer.to_string().contains("secret"), "{peer}: {answer}");
        peer.works().await;
    }
}

#[tokio::test]
async fn row_69_a_handler_that_blocks_its_thread_delays_nobody() {
    // One thread drives everything here, so whoever waited for the blocked one would be seen.
    let fixture = rude();
    for mut peer in Peer::each(&fixture.service).await {
        let name = peer.to_string();
        let service = &fixture.service;
        let blocked = async {
            let answer = peer.call("blocks", json!({})).await;
            assert_eq!(
                answer["result"]["content"][0]["text"], "blocked",
                "{name}: {answer}"
            );
        };
        let others = async {
            let mut done = 0;
            for mut other in Peer::each(service).await {
                other.works().await;
                done += 1;
            }
            done
        };
        let mut blocked = std::pin::pin!(blocked);
        tokio::select! {
            biased;
            () = &mut blocked => panic!("{name}: the others waited for the blocked handler"),
            done = others => assert_eq!(done, 4),
        }
        blocked.await;
    }
}

#[tokio::test]
async fn row_69_a_cancelled_handler_lets_go_of_what_it_held() {
    let fixture = rude();
    for mut peer in Peer::each(&fixture.service).await {
        let name = peer.to_string();
        let request = peer.message(
            "tools/call",
            json!({ "name": "holds", "arguments": { "ms": 60_000 } }),
        );
        let modern_http = peer.is_modern() && peer.http().is_some();
        let mut pending = peer.start(&request).await;
        if !modern_http {
            let status = pending
                .tell(&cancel(request["id"].clone()).to_string())
                .await;
            assert!(status.is_none_or(|status| status == 202), "{name}");
        }
        pending.leave();
        let answer = peer.call("holds", json!({ "ms": 0 })).await;
        assert_eq!(
            answer["result"]["content"][0]["text"], "held",
            "{name}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_slow_call_delays_nobody() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    for mut client in both(&fixture).await {
        client
            .send(&in_era(&client, 1, "wait", json!({ "ms": 60_000 })))
            .await;
        let start = std::time::Instant::now();
        client.call("echo", json!({ "text": "x" })).await;
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    let slow = Post::modern(&call(1, "wait", json!({ "ms": 60_000 })));
    let _slow = http.open(&slow).await;
    let start = std::time::Instant::now();
    assert_eq!(http.call("echo", json!({ "text": "x" })).await.status, 200);
    assert!(start.elapsed() < Duration::from_secs(2));
}
