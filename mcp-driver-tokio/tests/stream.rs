//! The stream loop over an in-memory pipe.

use std::time::Duration;

use mcp_driver_tokio::{Ended, StreamOptions, serve_io, serve_io_until};
use mcp_server::proto::limits::Limits;
use mcp_testkit::stream::{DISCOVER, INITIALIZE, call, server};
use mcp_witness::{Conversation, MODERN};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

struct Client {
    input: WriteHalf<DuplexStream>,
    output: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    served: JoinHandle<std::io::Result<Ended>>,
    conversation: Conversation,
}

fn start(capacity: usize) -> Client {
    let (near, far) = tokio::io::duplex(capacity);
    let (reader, writer) = tokio::io::split(far);
    let served = tokio::spawn(serve_io(server(), reader, writer));
    let (output, input) = tokio::io::split(near);
    Client {
        input,
        output: BufReader::new(output).lines(),
        served,
        conversation: Conversation::new(MODERN),
    }
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.conversation.note_lines(text);
        self.input.write_all(text.as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let line = self.output.next_line().await.unwrap().expect("an answer");
        self.conversation
            .server(&serde_json::from_str(&line).expect("JSON"))
            .unwrap_or_else(|error| panic!("{error}"));
        line
    }

    async fn ended(mut self) -> Ended {
        self.input.shutdown().await.unwrap();
        self.served.await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn both_eras_are_served_on_one_stream() {
    let mut client = start(4096);
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
    assert_eq!(client.ended().await, Ended::EndOfInput);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_does_not_delay_the_next_one() {
    let mut client = start(4096);
    client.send(&call(1, "slow", r#"{"ms":30000}"#)).await;
    client.send(&call(2, "slow", r#"{"ms":1}"#)).await;
    assert!(client.line().await.contains(r#""id":2"#));
    assert!(client.line().await.contains(r#""id":1"#));
}

#[tokio::test]
async fn blocking_and_spawned_tools_answer() {
    let mut client = start(4096);
    client.send(&call(1, "block", r#"{"ms":50}"#)).await;
    client.send(&call(2, "spawned", "{}")).await;
    assert!(client.line().await.contains("spawned"));
    assert!(client.line().await.contains("blocked 50"));
}

#[tokio::test]
async fn a_pipe_of_one_byte_is_enough() {
    let mut client = start(1);
    let text = call(1, "large", r#"{"bytes":20000}"#);
    let (_, line) = tokio::join!(
        client.input.write_all(text.as_bytes()),
        client.output.next_line()
    );
    assert!(line.unwrap().unwrap().len() > 20_000);
}

#[tokio::test(start_paused = true)]
async fn calls_that_run_at_the_end_of_input_are_answered() {
    let mut client = start(4096);
    client.send(&call(1, "slow", r#"{"ms":1000}"#)).await;
    client.input.shutdown().await.unwrap();
    assert!(client.line().await.contains("slept 1000"));
    assert_eq!(client.served.await.unwrap().unwrap(), Ended::EndOfInput);
}

#[tokio::test(start_paused = true)]
async fn the_drain_has_a_bound() {
    let mut client = start(4096);
    client.send(&call(1, "slow", r#"{"ms":600000}"#)).await;
    client.input.shutdown().await.unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(client.served.await.unwrap().unwrap(), Ended::ShutdownBound);
    assert!(before.elapsed() <= Limits::default().shutdown_bound + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_does_not_stretch_the_drain() {
    let (near, far) = tokio::io::duplex(64);
    let (reader, writer) = tokio::io::split(far);
    let service = server().limits(Limits {
        shutdown_bound: Duration::from_secs(1),
        ..Limits::default()
    });
    let served = tokio::spawn(serve_io(service, reader, writer));
    let (_output, mut input) = tokio::io::split(near);
    input
        .write_all(call(1, "large", r#"{"bytes":100000}"#).as_bytes())
        .await
        .unwrap();
    input.shutdown().await.unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(served.await.unwrap().unwrap(), Ended::ShutdownBound);
    assert!(before.elapsed() <= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_answers_what_runs_and_ends() {
    let (near, far) = tokio::io::duplex(4096);
    let (reader, writer) = tokio::io::split(far);
    let (ask, asked) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve_io_until(
        server(),
        reader,
        writer,
        StreamOptions::default(),
        async {
            let _ = asked.await;
        },
    ));
    let (output, mut input) = tokio::io::split(near);
    input
        .write_all(call(1, "slow", r#"{"ms":500}"#).as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    ask.send(()).unwrap();
    let line = BufReader::new(output)
        .lines()
        .next_line()
        .await
        .unwrap()
        .unwrap();
    assert!(line.contains("slept 500"), "{line}");
    assert_eq!(served.await.unwrap().unwrap(), Ended::Shutdown);
    drop(input);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_dropped_where_a_limit_is_set() {
    let (near, far) = tokio::io::duplex(64);
    let (reader, writer) = tokio::io::split(far);
    let options = StreamOptions::default().with_write_stall(Duration::from_secs(30));
    let served = tokio::spawn(serve_io_until(
        server(),
        reader,
        writer,
        options,
        std::future::pending(),
    ));
    let (_output, mut input) = tokio::io::split(near);
    input
        .write_all(call(1, "large", r#"{"bytes":100000}"#).as_bytes())
        .await
        .unwrap();
    assert_eq!(served.await.unwrap().unwrap(), Ended::WriteStall);
}

#[tokio::test]
async fn a_peer_that_is_gone_ends_the_connection() {
    let client = start(4096);
    let Client {
        mut input,
        output,
        served,
        ..
    } = client;
    input
        .write_all(call(1, "slow", r#"{"ms":50}"#).as_bytes())
        .await
        .unwrap();
    drop((input, output));
    assert_eq!(served.await.unwrap().unwrap(), Ended::PeerGone);
}
