//! Streams of a legacy session: GET, replay, polling, lost connections.

use mcp_proto::limits::Limits;

use super::*;

#[test]
fn a_stream_of_2025_11_25_begins_with_an_event_to_resume_from() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let call = bench.in_session(&session, &call_body(1, "chatty"));
    let first: Vec<_> = call.text.lines().take(3).collect();
    assert!(
        first[0].starts_with("id: ") && first[1] == "retry: 1000" && first[2] == "data: ",
        "{first:?}"
    );
    assert_eq!(call.ids().len(), 3, "every event has an id: {}", call.text);
    let older = bench.initialize("2025-06-18");
    let call = bench.in_session(&older, &call_body(1, "chatty"));
    assert!(
        !call.text.contains("data: \n"),
        "an older client would choke on the empty event"
    );
    assert_eq!(call.ids().len(), 2);
}

#[test]
fn the_server_may_close_a_connection_and_the_client_comes_back_for_the_rest() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let call = bench.in_session(&session, &call_body(1, "poll"));
    assert!(call.is_stream() && call.ended, "{}", call.text);
    assert!(call.text.contains("retry: 50\n") && call.events().is_empty());
    let last = call.ids().pop().unwrap().to_owned();
    bench.run_spawned();
    let mut resumed = bench.get(&session, Some(&last));
    assert!(resumed.is_stream() && !resumed.ended);
    bench.gate.open();
    bench.run_spawned();
    assert!(resumed.wakes() > 0);
    resumed.poll(&bench);
    assert!(resumed.ended, "{}", resumed.text);
    assert_eq!(resumed.events()[0]["id"], 1);
    assert_eq!((bench.server.calls(), bench.server.streams()), (0, 0));
}

#[test]
fn a_lost_connection_is_no_cancellation() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let mut call = bench.in_session(&session, &call_body(1, "chatty"));
    let last = call.ids().pop().unwrap().to_owned();
    call.disconnect();
    assert_eq!((bench.ended(), bench.server.calls()), (0, 1));
    bench.run_spawned();
    bench.gate.open();
    bench.run_spawned();
    assert_eq!((bench.ended(), bench.server.calls()), (1, 0));
    let resumed = bench.get(&session, Some(&last));
    assert!(resumed.ended);
    assert_eq!(
        resumed.events().len(),
        1,
        "only what it missed: {}",
        resumed.text
    );
    assert_eq!(resumed.events()[0]["id"], 1);
    let again = bench.get(&session, Some(&last));
    assert_eq!(again.events().len(), 1, "and again, if that was lost, too");
}

#[test]
fn a_detached_call_can_still_be_cancelled() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    bench
        .in_session(&session, &call_body(1, "slow"))
        .disconnect();
    bench.run_spawned();
    assert_eq!(bench.ended(), 0);
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    bench.in_session(&session, &cancel);
    bench.run_spawned();
    assert_eq!((bench.ended(), bench.server.calls()), (1, 0));
}

#[test]
fn a_detached_call_does_not_wait_for_ever_for_a_client_that_never_comes_back() {
    let mut bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let mut call = bench.in_session(&session, &call_body(1, "ask"));
    assert_eq!(call.events()[0]["method"], "elicitation/create");
    call.disconnect();
    bench.run_spawned();
    assert_eq!(bench.server.calls(), 1, "the client may still answer");
    bench.pass(Limits::default().request_timeout);
    // No request comes meanwhile that would bring the time.
    bench.run_spawned();
    assert_eq!(bench.server.calls(), 0);
}

#[test]
fn no_event_of_another_session_or_stream_is_replayed() {
    let bench = Bench::new();
    let (mine, theirs) = (
        bench.initialize("2025-11-25"),
        bench.initialize("2025-11-25"),
    );
    bench.gate.open();
    let call = bench.in_session(&mine, &call_body(1, "chatty"));
    let other = bench.in_session(&mine, &call_body(2, "chatty"));
    assert!(call.ended && other.ended);
    let first = call.ids()[0].to_owned();
    let replayed = bench.get(&mine, Some(&first));
    assert!(
        replayed.events().iter().all(|event| event["id"] != 2),
        "{}",
        replayed.text
    );
    assert_eq!(replayed.events().last().unwrap()["id"], 1);
    for foreign in [first.as_str(), "0-0-0", "garbage", ""] {
        let stream = bench.get(&theirs, Some(foreign));
        assert!(
            stream.is_stream() && stream.events().is_empty() && !stream.ended,
            "{foreign}"
        );
    }
}

#[test]
fn what_a_former_state_of_the_session_sent_names_nothing_in_the_next() {
    let mut bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let cancel = |id| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    let mut former = bench.in_session(&session, &call_body(1, "ask"));
    let (question, last) = (
        former.events().pop().unwrap(),
        former.ids().pop().unwrap().to_owned(),
    );
    bench.in_session(&session, &cancel(1));
    former.poll(&bench);
    former.disconnect();
    // The state goes, the session stays.
    bench.pass(bench.server.service().config().limits().session_idle);
    bench.initialize("2025-11-25");
    assert_eq!(bench.server.sessions(), 0);

    let mut call = bench.in_session(&session, &call_body(2, "ask"));
    let now = call.events().pop().unwrap();
    assert_ne!(now["id"], question["id"]);
    let late = json!({"jsonrpc": "2.0", "id": question["id"],
        "result": {"action": "accept", "content": {"name": "Ada"}}});
    assert_eq!(bench.in_session(&session, &late).status(), 202, "nobody's");
    call.poll(&bench);
    assert!(!call.ended, "an answer to another question");
    let resumed = bench.get(&session, Some(&last));
    assert_eq!(resumed.events(), Vec::<Value>::new(), "another stream");
}

#[test]
fn changes_come_on_the_sessions_own_stream_and_on_one_reader_only() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let mut first = bench.get(&session, None);
    assert!(
        first.is_stream() && first.text.starts_with(':'),
        "a first byte: {}",
        first.text
    );
    let mut second = bench.get(&session, None);
    first.poll(&bench);
    assert!(
        first.ended,
        "the client came back: the newer reader has the stream"
    );
    bench.server.service().tools().remove("fail");
    second.poll(&bench);
    assert_eq!(
        second.events()[0]["method"],
        "notifications/tools/list_changed"
    );
    let last = second.ids().pop().unwrap().to_owned();
    second.disconnect();
    // Nobody listens; it is not forgotten.
    bench.server.service().tools().remove("hello");
    let resumed = bench.get(&session, Some(&last));
    assert_eq!(resumed.events().len(), 1, "{}", resumed.text);
}

#[test]
fn subscribed_resources_are_announced() {
    let bench = Bench::with(
        |server| {
            server.resource(
                crate::Resource::builder("config://a")
                    .name("a")
                    .read(|_, _| Ok("x")),
            )
        },
        HttpOptions::default(),
    );
    let session = bench.initialize("2025-06-18");
    let subscribe = |method: &str, uri: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"uri": uri}});
        assert_eq!(
            bench.in_session(&session, &body).json()["result"],
            json!({})
        );
    };
    subscribe("resources/subscribe", "config://a");
    let mut stream = bench.get(&session, None);
    bench.server.service().notify_resource_updated("config://b");
    bench.server.service().notify_resource_updated("config://a");
    stream.poll(&bench);
    assert_eq!(stream.events().len(), 1);
    assert_eq!(stream.events()[0]["params"]["uri"], "config://a");
    subscribe("resources/unsubscribe", "config://a");
    bench.server.service().notify_resource_updated("config://a");
    stream.poll(&bench);
    assert_eq!(stream.events().len(), 1);
}

#[test]
fn get_is_for_sessions() {
    let bench = Bench::new();
    let accept = ("accept", "text/event-stream");
    assert_eq!(bench.send(Method::GET, &[accept], "").status(), 400);
    assert_eq!(
        bench
            .send(Method::GET, &[accept, ("mcp-session-id", "nobody")], "")
            .status(),
        404
    );
    let session = bench.initialize("2025-11-25");
    let headers = [
        accept,
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
    ];
    assert_eq!(bench.send(Method::GET, &headers, "").status(), 405);
    let headers = [
        accept,
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "1999-01-01"),
    ];
    assert_eq!(bench.send(Method::GET, &headers, "").status(), 400);
    assert_eq!(
        bench
            .send(
                Method::GET,
                &[
                    ("mcp-session-id", session.as_str()),
                    ("accept", "application/json")
                ],
                ""
            )
            .status(),
        406
    );
    let stream = bench.get(&session, None);
    assert_eq!(bench.server.streams(), 1);
    bench.server.shutdown();
    let mut stream = stream;
    stream.poll(&bench);
    assert!(stream.ended);
}

#[test]
fn a_message_goes_to_one_reader_only_unless_it_is_asked_for_again() {
    let bench = Bench::new();
    let session = bench.initialize("2025-11-25");
    let mut first = bench.get(&session, None);
    bench.server.service().tools().remove("slow");
    first.poll(&bench);
    assert_eq!(first.events().len(), 1, "{}", first.text);
    let id = first.ids().pop().unwrap().to_owned();
    first.disconnect();
    let mut second = bench.get(&session, None);
    assert_eq!(second.events().len(), 0, "told already: {}", second.text);
    bench.server.service().tools().remove("chatty");
    second.poll(&bench);
    assert_eq!(second.events().len(), 1, "{}", second.text);
    second.disconnect();
    let third = bench.get(&session, Some(&id));
    assert_eq!(third.events().len(), 1, "what came after: {}", third.text);
}

#[test]
fn the_end_of_a_url_interaction_is_told_on_the_sessions_own_stream() {
    let kept = Arc::new(Mutex::new(None));
    let keeper = Arc::clone(&kept);
    let connect = Tool::builder("connect").call(move |_: Nothing, context: Context| {
        *keeper.lock().unwrap() = Some(context.url_interaction("k"));
        Ok("see you there")
    });
    let bench = Bench::with(|server| server.tool(connect), HttpOptions::default());
    let open = || {
        let mut body = initialize_body("2025-11-25");
        body["params"]["capabilities"] = json!({"elicitation": {"url": {}}});
        bench.post(&[], &body).header("mcp-session-id").to_owned()
    };
    let (mine, theirs) = (open(), open());
    assert_eq!(
        bench.in_session(&mine, &call_body(1, "connect")).status(),
        200
    );
    let mut before = bench.get(&mine, None);
    let interaction = kept.lock().unwrap().take().expect("it was called");
    interaction.complete();
    assert!(before.wakes() > 0);
    before.poll(&bench);
    assert_eq!(
        before.events(),
        [
            json!({"jsonrpc": "2.0", "method": "notifications/elicitation/complete",
                "params": {"elicitationId": interaction.id()}})
        ]
    );
    before.disconnect();
    // Nobody reads now; whoever comes back finds it.
    interaction.complete();
    assert_eq!(bench.get(&mine, None).events().len(), 1);
    assert_eq!(bench.get(&theirs, None).events().len(), 0);
}
