//! Progress: whose it is, how often, and that it only grows.

use super::*;

#[tokio::test]
async fn row_70_progress_only_grows_and_only_when_asked_for() {
    let fixture = Fixture::new();
    for mut client in both(&fixture).await {
        for token in [json!("t"), json!(17), json!("")] {
            let mut request = in_era(&client, 1, "report", json!({}));
            request["params"]["_meta"]["progressToken"] = token.clone();
            client.send(&request).await;
            let mut last = 0.0;
            let mut seen = 0;
            loop {
                let message = client.next().await;
                if message["method"] != "notifications/progress" {
                    assert_eq!(
                        message["result"]["content"][0]["text"], "reported",
                        "{message}"
                    );
                    break;
                }
                assert_eq!(message["params"]["progressToken"], token);
                let progress = message["params"]["progress"].as_f64().expect("a number");
                assert!(progress > last, "{progress} after {last}");
                last = progress;
                seen += 1;
            }
            assert!(seen >= 2, "{seen}");
        }
        let answer = client.ask(&in_era(&client, 2, "report", json!({}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], "reported");
        client.quiet().await;
    }
}

#[tokio::test]
async fn row_70_progress_over_http_comes_on_the_calls_own_stream() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut request = call(1, "report", json!({}));
    request["params"]["_meta"]["progressToken"] = json!("mine");
    let answer = http.send(&Post::modern(&request)).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let progress: Vec<f64> = answer
        .messages
        .iter()
        .filter_map(|message| message["params"]["progress"].as_f64())
        .collect();
    assert!(
        progress.len() >= 2 && progress.windows(2).all(|pair| pair[0] < pair[1]),
        "{progress:?}"
    );
    assert_eq!(answer.last()["result"]["content"][0]["text"], "reported");
}

/// A fixture with a tool that reports without pause, and one that goes on after its answer.
fn chatty() -> Fixture {
    let flood = mcp_server::Tool::builder("flood")
        .input_schema(r#"{"type":"object"}"#)
        .call_async(|_: Value, context: mcp_server::Context| async move {
            for at in 0..100_000 {
                context.progress(f64::from(at), None, None);
                if at % 1_000 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            Ok::<_, mcp_server::HandlerError>("flooded")
        });
    let haunts = mcp_server::Tool::builder("haunts")
        .input_schema(r#"{"type":"object"}"#)
        .call_async(|_: Value, context: mcp_server::Context| async move {
            tokio::spawn(async move {
                for at in 1..10 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    context.progress(f64::from(at), None, None);
                    context.warning("still here");
                }
            });
            Ok::<_, mcp_server::HandlerError>("gone")
        });
    Fixture::with(|server| server.tools([flood, haunts]))
}

#[tokio::test]
async fn row_70_a_flood_of_progress_becomes_a_trickle() {
    let fixture = chatty();
    for mut peer in Peer::each(&fixture.service).await {
        let mut request = peer.message("tools/call", json!({ "name": "flood", "arguments": {} }));
        request["params"]["_meta"]["progressToken"] = json!("t");
        let messages = peer.exchange(&request).await;
        let answer = messages.last().expect("an answer");
        assert_eq!(
            answer["result"]["content"][0]["text"], "flooded",
            "{peer}: {answer}"
        );
        let reports = messages.len() - 1;
        assert!((1..1_000).contains(&reports), "{peer}: {reports} reports");
    }
}

#[tokio::test]
async fn row_70_nothing_is_reported_after_the_answer() {
    let fixture = chatty();
    for mut peer in Peer::each(&fixture.service).await {
        let mut request = peer.message("tools/call", json!({ "name": "haunts", "arguments": {} }));
        request["params"]["_meta"]["progressToken"] = json!("t");
        if peer.is_modern() {
            request["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!("debug");
        }
        let answer = peer.ask(&request).await;
        assert_eq!(
            answer["result"]["content"][0]["text"], "gone",
            "{peer}: {answer}"
        );
        tokio::time::sleep(Duration::from_millis(150)).await;
        peer.works().await;
    }
}

#[tokio::test]
async fn row_70_a_token_that_is_none() {
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        for token in [json!(1.5), json!(null), json!(true), json!([1]), json!({})] {
            let mut request = peer.message(
                "tools/call",
                json!({ "name": "echo", "arguments": { "text": "x" } }),
            );
            request["params"]["_meta"]["progressToken"] = token.clone();
            let answer = peer.ask(&request).await;
            assert_eq!(answer["error"]["code"], -32602, "{peer}: {token}: {answer}");
        }
        peer.works().await;
    }
    assert_eq!(fixture.seen.started(), 0);
}

#[tokio::test]
async fn row_70_progress_of_a_client_for_nothing_is_ignored() {
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        for params in [
            json!({ "progressToken": "nobody's", "progress": 1 }),
            json!({ "progressToken": 1.5, "progress": "much" }),
            json!({}),
        ] {
            let note =
                json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
            let status = peer.tell(&note.to_string()).await;
            assert!(
                status.is_none_or(|status| status == 202),
                "{peer}: {note}: {status:?}"
            );
        }
        peer.works().await;
    }
}
