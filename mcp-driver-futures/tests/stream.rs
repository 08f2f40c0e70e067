//! The stream loop over an in-memory pipe, on every platform.

mod common;

use std::time::Duration;

use futures_lite::future::zip;
use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use mcp_driver_futures::{Ended, Platform, StreamOptions, serve_io, serve_io_until};
use mcp_testkit::stream::{DISCOVER, INITIALIZE, call, server};
use mcp_witness::{Conversation, MODERN};

use common::hasty;

/// The client's ends of two pipes.
struct Client {
    input: piper::Writer,
    output: BufReader<piper::Reader>,
    conversation: Conversation,
}

/// A client, and the server's ends.
fn pipes(capacity: usize) -> (Client, piper::Reader, piper::Writer) {
    let (reader, input) = piper::pipe(capacity);
    let (output, writer) = piper::pipe(capacity);
    let client = Client {
        input,
        output: BufReader::new(output),
        conversation: Conversation::new(MODERN),
    };
    (client, reader, writer)
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.conversation.note_lines(text);
        self.input.write_all(text.as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).await.unwrap();
        self.conversation
            .server(&serde_json::from_str(&line).expect("an answer"))
            .unwrap_or_else(|error| panic!("{error}"));
        line
    }

    async fn close(&mut self) {
        self.input.close().await.unwrap();
    }
}

async fn both_eras_are_served_on_one_stream(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(4096);
    let served = serve_io(platform, server(), reader, writer);
    let (ended, ()) = zip(served, async {
        client.send(&format!("{DISCOVER}{INITIALIZE}")).await;
        let discovered = client.line().await;
        assert!(
            discovered.contains(r#""supportedVersions":["#),
            "{discovered}"
        );
        let initialized = client.line().await;
        assert!(
            initialized.contains(r#""protocolVersion":"2025-11-25""#),
            "{initialized}"
        );
        client.close().await;
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::EndOfInput);
}

async fn a_slow_call_does_not_delay_the_next_one(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(4096);
    let served = serve_io(platform, server(), reader, writer);
    let (_, ()) = zip(served, async {
        client.send(&call(1, "slow", r#"{"ms":500}"#)).await;
        client.send(&call(2, "slow", r#"{"ms":1}"#)).await;
        assert!(client.line().await.contains(r#""id":2"#));
        assert!(client.line().await.contains(r#""id":1"#));
        client.close().await;
    })
    .await;
}

async fn blocking_and_spawned_tools_answer(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(4096);
    let served = serve_io(platform, server(), reader, writer);
    let (_, ()) = zip(served, async {
        client.send(&call(1, "block", r#"{"ms":300}"#)).await;
        client.send(&call(2, "spawned", "{}")).await;
        assert!(client.line().await.contains("spawned"));
        assert!(client.line().await.contains("blocked 300"));
        client.close().await;
    })
    .await;
}

async fn a_pipe_of_one_byte_is_enough(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(1);
    let served = serve_io(platform, server(), reader, writer);
    let (_, ()) = zip(served, async {
        client.send(&call(1, "large", r#"{"bytes":20000}"#)).await;
        assert!(client.line().await.len() > 20_000);
        client.close().await;
    })
    .await;
}

async fn calls_that_run_at_the_end_of_input_are_answered(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(4096);
    let served = serve_io(platform, server(), reader, writer);
    let (ended, ()) = zip(served, async {
        client.send(&call(1, "slow", r#"{"ms":100}"#)).await;
        client.close().await;
        assert!(client.line().await.contains("slept 100"));
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::EndOfInput);
}

async fn the_drain_has_a_bound(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(4096);
    let served = serve_io(platform, hasty(server()), reader, writer);
    let (ended, ()) = zip(served, async {
        client.send(&call(1, "slow", r#"{"ms":600000}"#)).await;
        client.close().await;
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::ShutdownBound);
}

async fn a_peer_that_reads_nothing_does_not_stretch_the_drain(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(64);
    let served = serve_io(platform, hasty(server()), reader, writer);
    let (ended, ()) = zip(served, async {
        client.send(&call(1, "large", r#"{"bytes":100000}"#)).await;
        client.close().await;
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::ShutdownBound);
}

async fn a_shutdown_answers_what_runs_and_ends(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(4096);
    let (ask, asked) = async_channel::bounded::<()>(1);
    let served = serve_io_until(
        platform,
        server(),
        reader,
        writer,
        StreamOptions::default(),
        async {
            let _ = asked.recv().await;
        },
    );
    let (ended, ()) = zip(served, async {
        client.send(&call(1, "slow", r#"{"ms":300}"#)).await;
        // It is answered, so the call before it is running.
        client.send(DISCOVER).await;
        client.line().await;
        ask.send(()).await.unwrap();
        assert!(client.line().await.contains("slept 300"));
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::Shutdown);
}

async fn a_peer_that_never_reads_is_dropped_where_a_limit_is_set(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(64);
    let options = StreamOptions::default().with_write_stall(Duration::from_millis(100));
    let never = std::future::pending();
    let served = serve_io_until(platform, server(), reader, writer, options, never);
    let (ended, ()) = zip(served, async {
        client.send(&call(1, "large", r#"{"bytes":100000}"#)).await;
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::WriteStall);
}

async fn a_peer_that_is_gone_ends_the_connection(platform: impl Platform) {
    let (mut client, reader, writer) = pipes(4096);
    let served = serve_io(platform, server(), reader, writer);
    let (ended, ()) = zip(served, async move {
        client.send(&call(1, "slow", r#"{"ms":50}"#)).await;
        drop(client);
    })
    .await;
    assert_eq!(ended.unwrap(), Ended::PeerGone);
}

on_every_platform!(
    both_eras_are_served_on_one_stream,
    a_slow_call_does_not_delay_the_next_one,
    blocking_and_spawned_tools_answer,
    a_pipe_of_one_byte_is_enough,
    calls_that_run_at_the_end_of_input_are_answered,
    the_drain_has_a_bound,
    a_peer_that_reads_nothing_does_not_stretch_the_drain,
    a_shutdown_answers_what_runs_and_ends,
    a_peer_that_never_reads_is_dropped_where_a_limit_is_set,
    a_peer_that_is_gone_ends_the_connection,
);
