//! A connection that is served, in virtual time.

use std::time::Duration;

use mcp_http1::ConnectionOptions;
use mcp_server::http::HttpOptions;
use mcp_server::proto::limits::Limits;
use serde_json::{Value, json};

use crate::bench::{Bench, Doorman, Gate, body, call, call_with, chunks, has, head, parts, status};

#[test]
fn an_answer_that_is_ready_is_one_block() {
    let mut bench = Bench::new();
    let response = bench.send(call("hello"));
    let (head, body) = parts(&response);
    assert_eq!(status(&response), 200);
    assert!(has(head, "content-type: application/json"), "{head}");
    assert!(
        has(head, &format!("content-length: {}", body.len())),
        "{head}"
    );
    assert!(has(head, "date: Sat, 25 Jul 2026 17:20:00 GMT"), "{head}");
    assert!(
        !head.contains("chunked") && !head.contains("connection"),
        "{head}"
    );
    let answer: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(answer["result"]["content"][0]["text"], "hello");
    assert!(bench.demand.read && !bench.demand.done);
    // And the next one on the same connection.
    assert_eq!(status(&bench.send(call("hello"))), 200);
}

#[test]
fn a_call_that_arrives_byte_by_byte_is_the_same_call() {
    let mut whole = Bench::new();
    let expected = whole.send(call("hello"));
    let mut bench = Bench::new();
    let mut response = String::new();
    for byte in call("hello").bytes() {
        assert_eq!(response, "");
        response = bench.send([byte]);
    }
    assert_eq!(response, expected);
    let mut bench = Bench::new();
    let body = body("hello", &json!({}));
    let chunked = head("hello", "transfer-encoding: chunked\r\n");
    let (first, second) = body.split_at(17);
    let pieces = format!(
        "{:x}\r\n{first}\r\n{:X};x=y\r\n{second}\r\n0\r\n\r\n",
        17,
        second.len()
    );
    assert_eq!(bench.send(chunked), "");
    assert_eq!(bench.send(pieces), expected);
}

#[test]
fn a_large_answer_is_one_block_as_well() {
    let mut bench = Bench::new();
    let response = bench.send(call_with("large", &json!({"bytes": 1_000_000}), ""));
    let (head, body) = parts(&response);
    assert!(body.len() > 1_000_000);
    assert!(
        has(head, &format!("content-length: {}", body.len())),
        "{head}"
    );
}

#[test]
fn a_call_that_says_something_is_a_stream_of_chunks() {
    let mut bench = Bench::new();
    let begin = bench.send(call("chatty"));
    let (head, first) = parts(&begin);
    assert!(has(head, "content-type: text/event-stream"), "{head}");
    assert!(has(head, "transfer-encoding: chunked"), "{head}");
    let [progress] = &chunks(first)[..] else {
        panic!("{first}")
    };
    assert!(
        progress.starts_with("data: {") && progress.ends_with("\n\n"),
        "{progress}"
    );
    assert!(progress.contains("notifications/progress"));
    assert_eq!(bench.poll(), "", "nothing new");
    // A sign of life when nothing is said for long.
    let comment = bench.sleep();
    assert!(chunks(&comment)[0].starts_with(':'), "{comment}");
    let before = bench.wakes();
    bench.gate.open();
    assert!(bench.wakes() > before);
    let end = bench.poll();
    let rest = chunks(&end);
    assert_eq!(rest.last().map(String::as_str), Some(""), "the last chunk");
    assert!(rest[0].contains("\"done\""), "{end}");
    assert_eq!(
        status(&bench.send(call("hello"))),
        200,
        "the connection goes on"
    );
}

#[test]
fn a_slow_call_becomes_a_stream_when_its_time_has_come() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(call("slow")), "");
    let commit = Limits::default().commit_after;
    assert_eq!(bench.demand.wakeup, Some(bench.now.instant + commit));
    assert!(has(parts(&bench.sleep()).0, "transfer-encoding: chunked"));
    bench.gate.open();
    assert!(bench.poll().ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let mut bench = Bench::new();
    let begin = bench.send(call("chatty").replacen("HTTP/1.1", "HTTP/1.0", 1));
    let (head, events) = parts(&begin);
    assert!(has(head, "connection: close"), "{head}");
    assert!(!head.contains("chunked"), "{head}");
    assert!(events.starts_with("data: {"), "{events}");
    bench.gate.open();
    assert!(bench.poll().starts_with("data: {"));
    assert!(bench.demand.done);
}

#[test]
fn requests_in_a_row_are_answered_in_a_row() {
    let mut bench = Bench::new();
    let all = call("hello") + &call("slow") + "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let first = bench.send(all);
    assert_eq!(first.matches("HTTP/1.1 ").count(), 1);
    assert!(first.contains("\"hello\""));
    bench.gate.open();
    let rest = bench.poll();
    assert_eq!(rest.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(rest.find("\"done\"") < rest.find("ok\n"));
}

#[test]
fn what_comes_during_a_call_is_bounded() {
    let mut bench = Bench::new();
    bench.send(call("slow"));
    let most = ConnectionOptions::default().limits.max_head;
    while bench.demand.read {
        bench.send([b'x'; 1024]);
        assert!(bench.input.len() <= most + 1024);
    }
    bench.gate.open();
    let rest = bench.poll();
    assert!(rest.contains("\"done\""));
    assert!(
        rest.contains("HTTP/1.1 414 "),
        "what followed was no request"
    );
}

#[test]
fn who_does_not_read_is_not_asked_for_more() {
    let limits = Limits {
        outbox_high: 4_000,
        progress_interval: Duration::ZERO,
        ..Limits::default()
    };
    let mut bench = Bench::with(
        HttpOptions::default(),
        ConnectionOptions::default(),
        |server| server.limits(limits),
    );
    bench.input.extend_from_slice(call("flood").as_bytes());
    let mut before = 0;
    for _ in 0..1000 {
        bench.poll_only();
        if bench.out.is_full() && bench.out.len() == before {
            break;
        }
        before = bench.out.len();
    }
    assert!(bench.out.is_full());
    assert!(before < 12_000, "{before}");
    assert_eq!(
        bench.demand.wakeup, None,
        "only the reader can change anything"
    );
    bench.take();
    bench.poll_only();
    assert!(!bench.out.is_empty(), "and it goes on");
    // The next requests wait for the answers as well.
    let mut bench = Bench::with(
        HttpOptions::default(),
        ConnectionOptions::default(),
        |server| {
            server.limits(Limits {
                outbox_high: 1,
                ..Limits::default()
            })
        },
    );
    bench
        .input
        .extend_from_slice(call("hello").repeat(2).as_bytes());
    assert_eq!(bench.poll().matches("200 OK").count(), 1);
    assert_eq!(bench.poll().matches("200 OK").count(), 1);
}

#[test]
fn a_body_that_is_waited_for_is_asked_for() {
    let mut bench = Bench::new();
    let body = body("hello", &json!({}));
    let head = head(
        "hello",
        &format!("content-length: {}\r\nexpect: 100-continue\r\n", body.len()),
    );
    assert_eq!(bench.send(&head), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(bench.poll(), "");
    assert_eq!(status(&bench.send(&body)), 200);
    // Not if it is there already, and not if it is not wanted.
    assert_eq!(status(&bench.send(head.clone() + &body)), 200);
    let refused = bench.send(head.replacen("/mcp ", "/ ", 1));
    assert_eq!(status(&refused), 404);
    assert!(has(parts(&refused).0, "connection: close"));
    assert!(bench.demand.close_write);
}

#[test]
fn a_refused_body_is_thrown_away_if_it_is_short() {
    let mut bench = Bench::new();
    let wrong = call("hello").replacen("/mcp ", "/other ", 1);
    let (start, rest) = wrong.split_at(wrong.len() - 20);
    let response = bench.send(start);
    assert_eq!(status(&response), 404);
    assert!(!response.contains("close"));
    let next = bench.send(rest.to_owned() + &call("hello"));
    assert_eq!(status(&next), 200, "the connection goes on behind it");
    // Not for ever.
    bench.send(start);
    let deadline = ConnectionOptions::default().body_deadline;
    assert_eq!(bench.demand.wakeup, Some(bench.now.instant + deadline));
    bench.sleep();
    assert!(bench.demand.done);
}

#[test]
fn a_refused_body_that_is_long_ends_the_connection_but_not_before_the_answer_is_read() {
    let mut bench = Bench::with(
        HttpOptions::default(),
        ConnectionOptions::default(),
        |server| {
            server.limits(Limits {
                max_message: 1000,
                ..Limits::default()
            })
        },
    );
    assert_eq!(
        bench.send(head("hello", "transfer-encoding: chunked\r\n")),
        ""
    );
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
    let response = bench.send(&chunk);
    assert_eq!(status(&response), 413);
    assert!(has(parts(&response).0, "connection: close"));
    let demand = bench.demand;
    assert!(demand.close_write && demand.read && !demand.done);
    assert_eq!(bench.send(&chunk), "");
    assert!(bench.input.is_empty() && !bench.demand.done);
    bench.end_of_input();
    assert!(bench.demand.done);
    // Who never closes is closed, and who never stops speaking as well.
    let linger = |after: &dyn Fn(&mut Bench)| {
        let mut bench = Bench::new();
        assert_eq!(status(&bench.send("nonsense\r\n\r\n")), 400);
        assert!(bench.demand.close_write && !bench.demand.done);
        after(&mut bench);
        assert!(bench.demand.done);
    };
    linger(&|bench| {
        bench.sleep();
    });
    linger(&|bench| {
        let most = ConnectionOptions::default().limits.max_linger;
        for _ in 0..most / 1024 {
            assert!(!bench.demand.done);
            bench.send([b'x'; 1024]);
        }
    });
}

#[test]
fn what_is_no_request_is_refused_by_name() {
    for (request, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\nhost: a\n\n", 400),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nhost: a\r\nexpect: x\r\n\r\n", 417),
        ("PUT /mcp HTTP/1.1\r\nhost: localhost\r\n\r\n", 405),
        (
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n",
            415,
        ),
        ("GET /mcp HTTP/1.1\r\nhost: evil.example\r\n\r\n", 403),
        (
            "GET http://evil.example/mcp HTTP/1.1\r\nhost: evil.example\r\n\r\n",
            403,
        ),
        ("GET /elsewhere HTTP/1.1\r\nhost: localhost\r\n\r\n", 404),
        ("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", 404),
    ] {
        let mut bench = Bench::new();
        assert_eq!(status(&bench.send(request)), expected, "{request}");
    }
}

#[test]
fn a_probe_has_a_body_unless_it_only_asks_for_the_head() {
    let mut bench = Bench::new();
    let get = bench.send("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(get.ends_with("\r\n\r\nok\n"));
    let head = bench.send("HEAD /readyz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(format!("{head}ok\n"), get);
    bench.routes.end();
    assert_eq!(
        status(&bench.send("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")),
        503
    );
}

#[test]
fn a_broken_chunk_is_400_and_runs_nothing() {
    let mut bench = Bench::new();
    bench.send(head("slow", "transfer-encoding: chunked\r\n"));
    let response = bench.send("5\r\nhello0\r\n");
    assert_eq!(status(&response), 400);
    assert!(bench.demand.close_write);
    assert_eq!(bench.started(), 0);
}

#[test]
fn a_caller_is_asked_who_it_is_before_its_body_is_read() {
    let gate = Gate::default();
    let options = HttpOptions::default().with_authenticator(Doorman(gate.clone()));
    let mut bench = Bench::with(options, ConnectionOptions::default(), |it| it);
    let known = call_with("hello", &json!({}), "authorization: Bearer x\r\n");
    assert_eq!(bench.send(&known), "");
    let length = body("hello", &json!({})).len();
    assert_eq!(bench.input.len(), length, "nothing of it is touched");
    let before = bench.wakes();
    gate.open();
    assert!(bench.wakes() > before);
    assert_eq!(status(&bench.poll()), 200);
    assert_eq!(status(&bench.send(&known)), 200);
    let denied = bench.send(call("hello"));
    assert_eq!(status(&denied), 401);
    assert_eq!(
        status(&bench.send(&known)),
        200,
        "and the connection goes on"
    );
    // Whoever leaves meanwhile is forgotten.
    let options = HttpOptions::default().with_authenticator(Doorman(Gate::default()));
    let mut bench = Bench::with(options, ConnectionOptions::default(), |it| it);
    bench.send(&known);
    bench.end_of_input();
    assert!(bench.demand.done);
}

#[test]
fn a_caller_of_whom_nobody_can_say_who_it_is_is_answered_in_time() {
    let http = HttpOptions::default().with_authenticator(Doorman(Gate::default()));
    let mut bench = Bench::with(http, ConnectionOptions::default(), |it| it);
    assert_eq!(bench.send(call("hello")), "");
    let deadline = ConnectionOptions::default().authentication_deadline;
    assert_eq!(bench.demand.wakeup, Some(bench.now.instant + deadline));
    let response = bench.sleep();
    assert_eq!(status(&response), 503);
    assert!(has(parts(&response).0, "retry-after: 1"), "{response}");
    assert!(!bench.demand.done, "and the connection goes on");
    assert_eq!(bench.started(), 0);
}
