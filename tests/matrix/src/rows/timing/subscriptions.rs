//! Listen streams: acknowledged first, filtered, told apart, and ended in good order.

use super::*;

#[tokio::test]
async fn row_72_the_acknowledgment_comes_first_and_the_filter_holds() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    client
        .send(&listen("a", json!({ "toolsListChanged": true })))
        .await;
    client
        .send(&listen(
            "b",
            json!({ "resourceSubscriptions": ["test://text"], "promptsListChanged": true }),
        ))
        .await;
    for id in ["a", "b"] {
        let acknowledged = client.next().await;
        assert_eq!(
            acknowledged["method"], "notifications/subscriptions/acknowledged",
            "{acknowledged}"
        );
        assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], id);
    }
    fixture.service.tools().add(visitor()).expect("a new name");
    let changed = client.next().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"][SUBSCRIPTION], "a");
    fixture.service.notify_resource_updated("test://other");
    fixture.service.notify_resource_updated("test://text");
    let updated = client.next().await;
    assert_eq!(updated["params"]["uri"], "test://text");
    assert_eq!(updated["params"]["_meta"][SUBSCRIPTION], "b");
    // Unsubscribed, nothing comes.
    client.send(&cancel("a")).await;
    client.send(&cancel("b")).await;
    client.quiet().await;
    fixture.service.tools().remove("visitor");
    fixture.service.notify_resource_updated("test://text");
    client.quiet().await;
}

#[tokio::test]
async fn row_72_a_listen_stream_over_http() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut stream = http
        .open(&Post::modern(&listen(
            9,
            json!({ "toolsListChanged": true }),
        )))
        .await;
    assert!(stream.is_events());
    let acknowledged = stream.next().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    assert_eq!(
        acknowledged["params"]["notifications"],
        json!({ "toolsListChanged": true })
    );
    assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], 9);
    for _ in 0..3 {
        fixture.service.tools().add(visitor()).expect("a new name");
        assert_eq!(
            stream.next().await["method"],
            "notifications/tools/list_changed"
        );
        fixture.service.tools().remove("visitor");
        assert_eq!(
            stream.next().await["method"],
            "notifications/tools/list_changed"
        );
    }
    assert_eq!(http.endpoint.server().streams(), 1);
    drop(stream);
    assert_eq!(http.endpoint.server().streams(), 0);
}

#[tokio::test]
async fn row_72_two_listen_streams_over_http_each_get_their_own() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    // The same id twice: over HTTP these are two requests.
    let open = async |filter: Value| {
        let mut stream = http.open(&Post::modern(&listen("same", filter))).await;
        let acknowledged = stream.next().await;
        assert_eq!(
            acknowledged["method"],
            "notifications/subscriptions/acknowledged"
        );
        stream
    };
    let mut tools = open(json!({ "toolsListChanged": true })).await;
    let mut text =
        open(json!({ "resourceSubscriptions": ["test://text"], "promptsListChanged": true })).await;
    fixture.service.notify_resource_updated("test://other");
    fixture.service.notify_resource_updated("test://text");
    fixture.service.tools().add(visitor()).expect("a new name");
    let updated = text.next().await;
    assert_eq!(updated["params"]["uri"], "test://text", "{updated}");
    let changed = tools.next().await;
    assert_eq!(
        changed["method"], "notifications/tools/list_changed",
        "{changed}"
    );
    for message in [&updated, &changed] {
        assert_eq!(message["params"]["_meta"][SUBSCRIPTION], "same");
    }
    // Nothing else comes on either: their ends are next.
    http.endpoint.shutdown();
    for stream in [tools, text] {
        let rest = stream.rest().await;
        assert_eq!(rest.messages.len(), 1, "{:?}", rest.messages);
        assert_eq!(rest.last()["result"]["resultType"], "complete");
    }
}

#[tokio::test]
async fn row_72_many_updates_of_one_resource_are_one_message() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut stream = http
        .open(&Post::modern(&listen(
            9,
            json!({ "resourceSubscriptions": ["test://text"] }),
        )))
        .await;
    stream.next().await;
    for _ in 0..1_000 {
        fixture.service.notify_resource_updated("test://text");
    }
    let mut seen = 0;
    while let Ok(Some(event)) =
        tokio::time::timeout(Duration::from_millis(100), stream.event()).await
    {
        seen += usize::from(event.message.is_some());
    }
    assert!((1..=2).contains(&seen), "{seen} messages");
}

#[tokio::test]
async fn row_73_a_graceful_end_completes_listen_streams_over_http() {
    let fixture = Fixture::new();
    let http = Http::new(&fixture.service);
    let mut stream = http
        .open(&Post::modern(&listen(
            9,
            json!({ "toolsListChanged": true }),
        )))
        .await;
    stream.next().await;
    http.endpoint.shutdown();
    let rest = stream.rest().await;
    let last = rest.last();
    assert_eq!(
        (&last["id"], &last["result"]["resultType"]),
        (&json!(9), &json!("complete"))
    );
    assert_eq!(last["result"]["_meta"][SUBSCRIPTION], 9);
    assert_eq!(http.modern(1, "tools/list", json!({})).await.status, 503);
}

#[tokio::test]
async fn row_73_a_graceful_end_completes_listen_streams_on_a_stream() {
    let fixture = Fixture::new();
    let (mut input, server_input) = tokio::io::duplex(1 << 16);
    let (server_output, output) = tokio::io::duplex(1 << 16);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let service = fixture.service.clone();
    let server = tokio::spawn(serve_io_until(
        service,
        server_input,
        server_output,
        StreamOptions::default(),
        shutdown,
    ));
    let mut lines = BufReader::new(output).lines();
    let request = listen("l", json!({ "toolsListChanged": true })).to_string();
    input
        .write_all(format!("{request}\n").as_bytes())
        .await
        .expect("written");
    let acknowledged = lines.next_line().await.expect("read").expect("a line");
    assert!(acknowledged.contains("acknowledged"), "{acknowledged}");
    stop.send(()).expect("the server waits");
    let completed: Value =
        serde_json::from_str(&lines.next_line().await.expect("read").expect("a line"))
            .expect("JSON");
    assert_eq!(
        (&completed["id"], &completed["result"]["resultType"]),
        (&json!("l"), &json!("complete")),
        "{completed}"
    );
    // On this transport the cancelled notice follows: the specification's pages disagree, and clients accept both.
    if let Some(line) = lines.next_line().await.expect("read") {
        let notice: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&notice["method"], &notice["params"]["requestId"]),
            (&json!("notifications/cancelled"), &json!("l"))
        );
    }
    assert_eq!(
        server.await.expect("no panic").expect("no error"),
        Ended::Shutdown
    );
}
