//! The end of a byte stream, from either side.

use super::*;

#[tokio::test]
async fn row_76_the_end_of_input_with_a_hundred_calls_in_flight() {
    let fixture = Fixture::new();
    let mut client = Stdio::open(&fixture.service);
    for id in 0..100 {
        client.send(&call(id, "wait", json!({ "ms": 200 }))).await;
    }
    let (answers, ended) = client.finish().await;
    assert_eq!(answers.len(), 100);
    assert_eq!(ended, Ended::EndOfInput);
}

#[tokio::test]
async fn row_76_the_peer_reads_no_more() {
    let fixture = Fixture::new();
    let (mut input, server_input) = tokio::io::duplex(1 << 16);
    let (server_output, output) = tokio::io::duplex(1 << 10);
    drop(output);
    let server = tokio::spawn(mcp_driver_tokio::serve_io(
        fixture.service.clone(),
        server_input,
        server_output,
    ));
    let line = format!("{}\n", call(1, "echo", json!({ "text": "x" })));
    input.write_all(line.as_bytes()).await.expect("written");
    let ended = tokio::time::timeout(Duration::from_secs(5), server)
        .await
        .expect("an end in time");
    assert_eq!(ended.expect("no panic").expect("no error"), Ended::PeerGone);
}
