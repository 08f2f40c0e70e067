//! How a connection ends: by its deadlines, with its client, with the server. In virtual time.

use std::time::Duration;

use mcp_http1::ConnectionOptions;
use mcp_server::Machine;
use mcp_server::http::HttpOptions;
use mcp_server::proto::limits::Limits;
use serde_json::{Value, json};

use crate::bench::{Bench, call, has, head, parts, status};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_client_that_leaves_cancels_its_call() {
    for tool in ["slow", "chatty"] {
        let mut bench = Bench::new();
        bench.send(call(tool));
        assert_eq!((bench.started(), bench.ended()), (1, 0), "{tool}");
        assert!(bench.demand.read, "or nobody would see it go");
        bench.end_of_input();
        assert_eq!(bench.ended(), 1, "{tool}");
        assert!(bench.demand.done && !bench.demand.read, "{tool}");
        assert_eq!(bench.spawned(), 0, "{tool}");
    }
}

#[test]
fn a_legacy_call_goes_on_without_its_client() {
    let mut bench = Bench::new();
    let post = |body: &Value, more: &str| {
        let body = body.to_string();
        format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{more}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "b", "version": "1"},
    }});
    let response = bench.send(post(&initialize, ""));
    let session = parts(&response)
        .0
        .lines()
        .find(|line| line.starts_with("mcp-session-id: "))
        .unwrap_or_else(|| panic!("{response}"));
    let more = format!("{session}\r\nmcp-protocol-version: 2025-11-25\r\n");
    let slow = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {}}});
    bench.send(post(&slow, &more));
    bench.end_of_input();
    assert!(bench.demand.done);
    assert_eq!((bench.ended(), bench.spawned()), (0, 1));
}

#[test]
fn what_was_complete_before_the_client_closed_its_side_is_answered() {
    let mut bench = Bench::new();
    bench
        .input
        .extend_from_slice(call("hello").repeat(2).as_bytes());
    let responses = bench.end_of_input();
    assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(bench.demand.done);
    // Half of a request is none.
    let mut bench = Bench::new();
    bench.send(&call("hello")[..50]);
    assert_eq!(bench.end_of_input(), "");
    assert!(bench.demand.done);
    let mut bench = Bench::new();
    let call = call("slow");
    bench.send(&call[..call.len() - 1]);
    let response = bench.end_of_input();
    assert_eq!(status(&response), 400);
    assert!(has(parts(&response).0, "connection: close"));
    assert_eq!(bench.started(), 0);
    assert!(bench.demand.done);
}

#[test]
fn a_head_that_is_slow_ends_the_connection() {
    let options = ConnectionOptions::default();
    // From the connection's start: whoever connects has something to say.
    let mut bench = Bench::new();
    bench.poll();
    assert_eq!(
        bench.demand.wakeup,
        Some(bench.now.instant + options.head_deadline)
    );
    bench.sleep();
    assert!(bench.demand.done);
    // Each byte is no new beginning.
    let mut bench = Bench::new();
    for byte in call("hello").bytes().take(9) {
        bench.send([byte]);
        assert!(!bench.demand.done);
        bench.pass(SECOND);
    }
    bench.pass(SECOND);
    assert!(bench.demand.done);
    // From the first byte of the next one on.
    let mut bench = Bench::new();
    bench.send(call("hello"));
    bench.pass(60 * SECOND);
    bench.send("P");
    assert_eq!(
        bench.demand.wakeup,
        Some(bench.now.instant + options.head_deadline)
    );
    assert_eq!(bench.sleep(), "");
    assert!(bench.demand.done);
}

#[test]
fn what_a_reader_takes_its_time_for_is_no_slowness_of_the_next_head() {
    let limits = Limits {
        outbox_high: 1,
        ..Limits::default()
    };
    let mut bench = Bench::with(
        HttpOptions::default(),
        ConnectionOptions::default(),
        |server| server.limits(limits),
    );
    bench.input.extend_from_slice(call("hello").as_bytes());
    bench.input.extend_from_slice(call("hello").as_bytes());
    bench.poll_only();
    assert!(bench.out.is_full());
    assert_eq!(bench.demand.wakeup, None, "the reader alone is waited for");
    bench.now.instant += 1000 * SECOND;
    bench.poll_only();
    assert!(!bench.demand.done);
    assert_eq!(bench.take().matches("200 OK").count(), 1);
    assert_eq!(status(&bench.poll()), 200);
}

#[test]
fn the_time_to_close_begins_when_the_last_answer_was_taken() {
    let mut bench = Bench::new();
    bench.input.extend_from_slice(b"nonsense\r\n\r\n");
    bench.poll_only();
    let linger = ConnectionOptions::default().linger;
    bench.now.instant += 10 * linger;
    bench.poll_only();
    assert!(bench.demand.close_write && !bench.demand.done);
    assert_eq!(status(&bench.take()), 400);
    bench.poll();
    assert_eq!(bench.demand.wakeup, Some(bench.now.instant + linger));
    bench.sleep();
    assert!(bench.demand.done);
}

#[test]
fn a_connection_without_requests_ends_after_a_while() {
    let mut bench = Bench::new();
    bench.send(call("hello"));
    let idle = ConnectionOptions::default().idle;
    assert_eq!(bench.demand.wakeup, Some(bench.now.instant + idle));
    bench.pass(idle - SECOND);
    assert!(!bench.demand.done);
    assert_eq!(status(&bench.send(call("hello"))), 200);
    bench.sleep();
    assert!(bench.demand.done);
    // But a request that runs is no idleness.
    let mut bench = Bench::new();
    bench.send(call("slow"));
    for _ in 0..100 {
        bench.sleep();
    }
    assert!(bench.now.instant.as_micros() > 2 * idle.as_micros() as u64);
    assert!(!bench.demand.done);
}

#[test]
fn a_body_that_is_slow_is_408() {
    let mut bench = Bench::new();
    let deadline = bench.now.instant + ConnectionOptions::default().body_deadline;
    assert_eq!(bench.send(head("slow", "content-length: 100\r\n")), "");
    for _ in 0..59 {
        assert_eq!(bench.send(" "), "");
        assert_eq!(
            bench.demand.wakeup,
            Some(deadline),
            "one for the whole body"
        );
        bench.pass(SECOND);
    }
    let response = bench.sleep();
    assert_eq!(status(&response), 408);
    assert!(has(parts(&response).0, "connection: close"));
    assert!(bench.demand.close_write && !bench.demand.done);
    assert_eq!(bench.started(), 0);
}

#[test]
fn a_quiet_connection_ends_at_once_when_the_server_does() {
    let mut bench = Bench::new();
    bench.poll();
    assert_eq!(bench.shutdown(), "");
    assert!(bench.demand.done);
    let mut bench = Bench::new();
    bench.send(call("hello"));
    bench.shutdown();
    assert!(bench.demand.done);
}

#[test]
fn what_runs_is_finished_when_the_server_ends_and_nothing_more() {
    let mut bench = Bench::new();
    bench.send(call("slow") + &call("hello"));
    bench.shutdown();
    assert!(!bench.demand.done);
    bench.gate.open();
    let rest = bench.poll();
    assert!(has(parts(&rest).0, "connection: close"), "{rest}");
    assert_eq!(rest.matches("HTTP/1.1").count(), 1, "{rest}");
    assert!(bench.demand.close_write, "the peer had said more");
    bench.end_of_input();
    assert!(bench.demand.done);
    // A stream that is open already cannot say it any more.
    let mut bench = Bench::new();
    bench.send(call("chatty"));
    bench.shutdown();
    bench.gate.open();
    assert!(bench.poll().ends_with("\r\n0\r\n\r\n"));
    assert!(bench.demand.done);
}

#[test]
fn a_request_that_is_arriving_when_the_server_ends_is_answered() {
    let mut bench = Bench::new();
    let call = call("hello");
    let (head, rest) = call.split_at(30);
    bench.send(head);
    bench.shutdown();
    assert!(!bench.demand.done && bench.demand.read);
    let response = bench.send(rest);
    assert_eq!(status(&response), 200);
    assert!(has(parts(&response).0, "connection: close"));
    assert!(bench.demand.done);
}

#[test]
fn the_end_of_the_server_is_bounded() {
    let mut bench = Bench::new();
    bench.send(call("slow"));
    bench.sleep();
    bench.shutdown();
    let bound = Limits::default().shutdown_bound;
    bench.pass(bound - SECOND);
    assert!(!bench.demand.cut);
    let limit = bench.demand.wakeup.expect("a bound");
    assert!(limit <= bench.now.instant + SECOND);
    bench.pass(SECOND);
    assert!(bench.demand.cut);
}

#[test]
fn subscriptions_are_completed_when_the_endpoint_ends() {
    let mut bench = Bench::new();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {
        "notifications": {"toolsListChanged": true},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }})
    .to_string();
    let begin = bench.send(format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: subscriptions/listen\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(status(&begin), 200, "{begin}");
    let before = bench.wakes();
    bench.connection.shutdown();
    bench.routes.server().shutdown();
    assert!(bench.wakes() > before);
    let end = bench.poll();
    assert!(end.contains("\"resultType\":\"complete\""), "{end}");
    assert!(bench.demand.done);
}
