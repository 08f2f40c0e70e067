//! Revisions up to 2025-11-25: the handshake, sessions, requests of the server, cancellation.

use mcp_proto::config::RevisionSet;
use mcp_types::Revision;

use super::*;

#[test]
fn a_handshake_leaves_an_id_and_no_state() {
    let bench = Bench::new();
    for revision in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let reply = bench.post(&[], &initialize_body(revision));
        assert_eq!(reply.json()["result"]["protocolVersion"], revision);
        let session = reply.header("mcp-session-id").to_owned();
        assert!(!session.is_empty() && session.bytes().all(|b| b.is_ascii_graphic()));
        let ready = bench.in_session(
            &session,
            &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        );
        assert_eq!((ready.status(), ready.text.as_str()), (202, ""));
        let list = bench.in_session(
            &session,
            &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
        );
        assert!(list.json()["result"]["tools"].is_array());
        assert!(list.json()["result"].get("resultType").is_none());
    }
    assert_eq!(bench.server.sessions(), 0);
    // Without any version header: the revision of the session counts, 2025-03-26 had none.
    let session = bench.initialize("2025-03-26");
    let ping = bench.post(
        &[("mcp-session-id", &session)],
        &json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}),
    );
    assert_eq!(
        (ping.status(), ping.json()["result"].clone()),
        (200, json!({}))
    );
}

#[test]
fn requests_without_a_session_are_400_and_with_another_one_404() {
    let bench = Bench::new();
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let reply = bench.post(&[], &list);
    assert_eq!(
        (reply.status(), reply.json()["id"].clone()),
        (400, json!(1))
    );
    for foreign in ["unknown", "a b", &"x".repeat(2000)] {
        assert_eq!(bench.in_session(foreign, &list).status(), 404, "{foreign}");
    }
    let other = HttpServer::new(
        bench.server.service().clone(),
        HttpOptions::default(),
        bench.runtime.clone(),
        [8; 32],
    );
    let session = bench.initialize("2025-11-25");
    assert_eq!(bench.in_session(&session, &list).status(), 200);
    let elsewhere = Bench {
        server: other,
        ..bench
    };
    assert_eq!(
        elsewhere.in_session(&session, &list).status(),
        404,
        "another process has another key"
    );
}

#[test]
fn a_version_header_that_is_not_served_is_400() {
    let served = RevisionSet::of([Revision::V2025_11_25, Revision::V2025_06_18]);
    let bench = Bench::with(|server| server.revisions(served), HttpOptions::default());
    let session = bench.initialize("2025-11-25");
    let send = |version: &str, body: &Value| {
        let headers = [
            ("mcp-session-id", &*session),
            ("mcp-protocol-version", version),
        ];
        bench.post(&headers, body).status()
    };
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let notice = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    for (version, statuses) in [
        ("2025-11-25", [200, 202, 202]),
        // Not the negotiated one, which is a SHOULD of the client's.
        ("2025-06-18", [200, 202, 202]),
        ("2025-03-26", [400; 3]),
        ("2026-07-28", [400; 3]),
        ("yesterday", [400; 3]),
    ] {
        let sent = [&ping, &notice, &answer].map(|body| send(version, body));
        assert_eq!(sent, statuses, "{version}");
    }
}

#[test]
fn a_session_belongs_to_its_principal() {
    let bench = Bench::new();
    let headers = [("content-type", "application/json")];
    let initialized = bench.send_as(
        Some("alice"),
        Method::POST,
        &headers,
        &initialize_body("2025-11-25").to_string(),
    );
    let session = initialized.header("mcp-session-id").to_owned();
    let headers = [
        ("content-type", "application/json"),
        ("mcp-session-id", session.as_str()),
    ];
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let streams = [
        ("accept", "text/event-stream"),
        ("mcp-session-id", session.as_str()),
    ];
    for (principal, post, rest) in [
        (Some("bob"), 404, 404),
        (None, 404, 404),
        (Some("alice"), 200, 200),
    ] {
        assert_eq!(
            bench
                .send_as(principal, Method::POST, &headers, &list)
                .status(),
            post,
            "{principal:?}"
        );
        assert_eq!(
            bench.send_as(principal, Method::GET, &streams, "").status(),
            rest,
            "{principal:?}"
        );
    }
    for (principal, status) in [
        (Some("bob"), 404),
        (None, 404),
        (Some("alice"), 204),
        (Some("alice"), 404),
    ] {
        assert_eq!(
            bench
                .send_as(principal, Method::DELETE, &headers[1..], "")
                .status(),
            status,
            "{principal:?}"
        );
    }
}

#[test]
fn a_deleted_session_is_gone() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let other = bench.initialize("2025-11-25");
    let mut call = bench.in_session(&session, &call_body(1, "slow"));
    let mut stream = bench.get(&session, None);
    let delete = |session: &str| {
        bench
            .send(Method::DELETE, &[("mcp-session-id", session)], "")
            .status()
    };
    assert_eq!(bench.send(Method::DELETE, &[], "").status(), 400);
    assert_eq!(delete(&session), 204);
    assert_eq!(delete(&session), 404);
    call.poll(&bench);
    stream.poll(&bench);
    assert!(call.ended && stream.ended, "what it had running ends");
    assert_eq!(bench.ended(), 1);
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(bench.in_session(&session, &list).status(), 404);
    assert_eq!(bench.in_session(&other, &list).status(), 200);
}

#[test]
fn replicas_that_share_a_key_serve_a_session_but_cannot_end_it() {
    let build = || Bench::with(|server| server.sealing_key([9; 32]), HttpOptions::default());
    let (one, two) = (build(), build());
    let session = one.initialize("2025-11-25");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(two.in_session(&session, &list).status(), 200);
    let delete = two.send(Method::DELETE, &[("mcp-session-id", &session)], "");
    assert_eq!(delete.status(), 405);
    assert_eq!(
        two.in_session(&session, &list).status(),
        200,
        "it never pretended"
    );
}

#[test]
fn sessions_expire() {
    let mut bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let level = json!({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "error"}});
    assert_eq!(bench.in_session(&session, &level).status(), 200);
    assert_eq!(bench.server.sessions(), 1);
    bench.pass(Duration::from_secs(11 * 60));
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(
        bench.in_session(&session, &list).status(),
        200,
        "the id outlives its state"
    );
    assert_eq!(bench.server.sessions(), 0);
    bench.pass(Duration::from_secs(24 * 60 * 60));
    assert_eq!(bench.in_session(&session, &list).status(), 404);
}

#[test]
fn errors_of_a_legacy_request_are_200_for_404_would_mean_the_session() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    for (body, status, code) in [
        (
            json!({"jsonrpc": "2.0", "id": 1, "method": "no/such"}),
            200,
            -32601,
        ),
        (
            json!({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "loud"}}),
            200,
            -32602,
        ),
        (
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "nope"}}),
            200,
            -32602,
        ),
        (
            json!({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}),
            400,
            -32600,
        ),
    ] {
        let reply = bench.in_session(&session, &body);
        assert_eq!((reply.status(), reply.code()), (status, code), "{body}");
    }
    let version = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "1999-01-01"),
    ];
    assert_eq!(
        bench
            .post(
                &version,
                &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})
            )
            .status(),
        400
    );
}

#[test]
fn log_level_is_kept_for_the_session() {
    let bench = Bench::new();
    let session = bench.initialize("2025-06-18");
    bench.gate.open();
    let said = |session: &str| {
        let reply = bench.in_session(session, &call_body(1, "chatty"));
        reply
            .events()
            .iter()
            .any(|event| event["method"] == "notifications/message")
    };
    assert!(said(&session));
    let level = json!({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "error"}});
    bench.in_session(&session, &level);
    assert!(!said(&session));
    assert!(
        said(&bench.initialize("2025-06-18")),
        "another session has its own level"
    );
}

#[test]
fn a_question_goes_out_on_the_calls_own_stream_and_its_answer_comes_by_post() {
    let bench = Bench::new();
    let (session, other) = (
        bench.initialize("2025-11-25"),
        bench.initialize("2025-11-25"),
    );
    let mut call = bench.in_session(&session, &call_body(4, "ask"));
    assert!(call.is_stream());
    let question = call.events().pop().unwrap();
    assert_eq!(question["method"], "elicitation/create");
    let answer = |id: &Value| json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {"name": "Ada"}}});
    assert_eq!(
        bench.in_session(&other, &answer(&question["id"])).status(),
        202
    );
    assert_eq!(
        bench.in_session(&session, &answer(&json!(77))).status(),
        202,
        "nobody's"
    );
    call.poll(&bench);
    assert!(!call.ended, "an answer in another session is nobody's");
    assert_eq!(
        bench
            .in_session(&session, &answer(&question["id"]))
            .status(),
        202
    );
    assert!(call.wakes() > 0);
    call.poll(&bench);
    assert!(call.ended);
    assert_eq!(
        call.events().pop().unwrap()["result"]["content"][0]["text"],
        "Ada"
    );
    assert_eq!(
        bench
            .in_session(&session, &answer(&question["id"]))
            .status(),
        202,
        "a late one is nobody's"
    );
}

#[test]
fn an_answer_that_cannot_be_read_still_ends_its_question() {
    let bench = Bench::new();
    for broken in [
        json!({}),
        json!({"result": {}, "error": {"code": 1, "message": "x"}}),
        json!({"error": {"code": "one", "message": "x"}}),
        json!({"error": {"code": 1.5, "message": "x"}}),
    ] {
        let (session, other) = (
            bench.initialize("2025-11-25"),
            bench.initialize("2025-11-25"),
        );
        let mut call = bench.in_session(&session, &call_body(4, "ask"));
        let question = call.events().pop().unwrap();
        let mut answer = broken;
        answer["jsonrpc"] = json!("2.0");
        answer["id"] = question["id"].clone();
        assert_eq!(bench.in_session(&other, &answer).status(), 400);
        call.poll(&bench);
        assert!(!call.ended, "{answer} ended a question of another session");
        assert_eq!(bench.in_session(&session, &answer).status(), 400);
        assert!(call.wakes() > 0, "{answer}");
        call.poll(&bench);
        assert!(call.ended, "{answer}");
        assert_eq!(call.events().pop().unwrap()["result"]["isError"], true);
    }
}

#[test]
fn a_question_that_nobody_answers_ends() {
    let mut bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let mut call = bench.in_session(&session, &call_body(4, "ask"));
    let limit = bench.server.service().config().limits().request_timeout;
    let start = bench.now.instant;
    bench.pass(limit);
    assert!(call.call.as_ref().unwrap().wakeup().unwrap() <= start + limit);
    call.poll(&bench);
    call.poll(&bench);
    assert!(call.ended, "{}", call.text);
    assert_eq!(call.events().pop().unwrap()["id"], 4);
}

#[test]
fn a_cancellation_reaches_the_call_of_its_own_session_only() {
    let bench = Bench::new();
    let (session, other) = (
        bench.initialize("2025-11-25"),
        bench.initialize("2025-11-25"),
    );
    let mut mine = bench.in_session(&session, &call_body(1, "slow"));
    let mut theirs = bench.in_session(&other, &call_body(1, "slow"));
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(bench.in_session(&session, &cancel).status(), 202);
    mine.poll(&bench);
    theirs.poll(&bench);
    assert!(
        mine.ended && mine.events().is_empty(),
        "no response for a cancelled request"
    );
    assert!(theirs.head.is_none());
    assert_eq!(bench.ended(), 1);
    assert_eq!(bench.in_session(&session, &cancel).status(), 202, "again");
    bench.gate.open();
    theirs.poll(&bench);
    assert_eq!(theirs.json()["id"], 1);
}

#[test]
fn the_same_ids_in_many_sessions_never_meet() {
    let bench = Bench::new();
    let sessions: Vec<_> = (0..20).map(|_| bench.initialize("2025-11-25")).collect();
    let mut calls: Vec<_> = sessions
        .iter()
        .map(|session| bench.in_session(session, &call_body(1, "ask")))
        .collect();
    for (n, (session, call)) in sessions.iter().zip(&calls).enumerate() {
        let id = call.events().pop().unwrap()["id"].clone();
        let name = format!("canary-{n}");
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {"name": name}}});
        bench.in_session(session, &answer);
    }
    for (n, call) in calls.iter_mut().enumerate() {
        call.poll(&bench);
        assert_eq!(
            call.events().pop().unwrap()["result"]["content"][0]["text"],
            format!("canary-{n}")
        );
    }
}

#[test]
fn a_batch_is_for_2025_03_26_alone() {
    let bench = Bench::new();
    let session = bench.initialize("2025-03-26");
    let batch = json!([
        call_body(1, "hello"),
        {"jsonrpc": "2.0", "id": 2, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize"},
        {"jsonrpc": "2.0"},
    ]);
    let post = |session: &str, body: &Value| bench.post(&[("mcp-session-id", session)], body);
    let reply = post(&session, &batch);
    assert_eq!(reply.status(), 200);
    let mut ids: Vec<_> = reply
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| answer["id"].to_string())
        .collect();
    ids.sort();
    assert_eq!(ids, ["1", "2", "3", "null"]);
    let silent = json!([{"jsonrpc": "2.0", "method": "notifications/initialized"}]);
    assert_eq!(post(&session, &silent).status(), 202);
    assert_eq!(post(&session, &json!([])).status(), 400);
    assert_eq!(post(&bench.initialize("2025-11-25"), &batch).status(), 400);
    assert_eq!(bench.post(&[], &batch).status(), 400);
    let mut slow = post(
        &session,
        &json!([call_body(1, "chatty"), call_body(2, "hello")]),
    );
    assert!(slow.is_stream() && !slow.ended);
    bench.gate.open();
    slow.poll(&bench);
    assert!(slow.ended);
    assert_eq!(
        slow.events()
            .iter()
            .filter(|event| event["result"].is_object())
            .count(),
        2
    );
}

#[test]
fn a_server_that_ends_still_takes_what_its_running_calls_wait_for() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let mut call = bench.in_session(&session, &call_body(4, "ask"));
    let question = call.events().pop().unwrap();
    bench.server.shutdown();
    let refused = bench.in_session(&session, &call_body(5, "hello"));
    assert_eq!(
        (refused.status(), refused.json()["id"].clone()),
        (503, json!(5))
    );
    assert_eq!(bench.get(&session, None).status(), 503);
    let answer = json!({"jsonrpc": "2.0", "id": question["id"],
        "result": {"action": "accept", "content": {"name": "Ada"}}});
    assert_eq!(bench.in_session(&session, &answer).status(), 202);
    call.poll(&bench);
    assert!(call.ended && call.text.contains("Ada"));
}
