//! What a client can make an endpoint keep: answers that wait, calls that nobody reads, events to resume from.

use mcp_proto::config::RevisionSet;
use mcp_proto::limits::Limits;
use mcp_types::Revision;

use super::*;

fn limited(limits: Limits, options: HttpOptions) -> Bench {
    Bench::with(|server| server.limits(limits), options)
}

/// Without a progress token: nothing makes a stream of its answer.
fn quiet(id: u64, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
}

#[test]
fn the_answers_of_a_batch_wait_for_each_other_within_one_message() {
    let max_frame_out = 120_000;
    let limits = || Limits {
        max_frame_out,
        ..Limits::default()
    };
    let bench = limited(limits(), HttpOptions::default());
    let session = bench.initialize("2025-03-26");
    let post = |body: Value| bench.post(&[("mcp-session-id", &session)], &body);
    let alone = post(quiet(1, "long"));
    assert!(alone.text.len() > max_frame_out / 2 && alone.json()["result"].is_object());

    let long = [1, 2, 3].map(|id| quiet(id, "long"));
    let mut waits = post(json!([long[0], long[1], long[2], quiet(4, "slow")]));
    assert!(waits.head.is_none());
    bench.gate.open();
    waits.poll(&bench);
    assert!(waits.text.len() < max_frame_out + 1000);
    let said = |answers: &[Value]| {
        let of = |id: u64| answers.iter().find(|answer| answer["id"] == id).unwrap();
        let told = [1, 2, 3].map(|id| of(id)["error"]["code"].as_i64());
        assert_eq!(told, [None, Some(-32603), Some(-32603)]);
    };
    said(waits.json().as_array().unwrap());

    let streamed = post(json!([
        call_body(1, "long"),
        call_body(2, "long"),
        call_body(3, "long")
    ]));
    assert!(streamed.is_stream() && streamed.ended);
    assert!(streamed.text.len() < max_frame_out + 2000);
    let answers: Vec<_> = streamed.events();
    said(&answers);
}

#[test]
fn a_server_that_ends_starts_no_call_of_a_batch_but_hears_the_rest_of_it() {
    let bench = Bench::new();
    let session = bench.initialize("2025-03-26");
    let post = |body: Value| bench.post(&[("mcp-session-id", &session)], &body);
    let mut running = post(quiet(1, "slow"));
    bench.server.shutdown();
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let refused = post(json!([quiet(5, "hello"), cancel]));
    assert_eq!(refused.status(), 503, "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "1");
    let answers = refused.json();
    assert_eq!(
        (&answers[0]["id"], &answers[0]["error"]["code"]),
        (&json!(5), &json!(-32603))
    );
    running.poll(&bench);
    assert_eq!(bench.ended(), 1, "the cancellation was heard");
    assert_eq!(post(json!([cancel])).status(), 202);
}

#[test]
fn a_batch_is_refused_in_words_about_batches() {
    let bench = Bench::new();
    let served = RevisionSet::of([Revision::V2026_07_28]);
    let modern = Bench::with(|server| server.revisions(served), HttpOptions::default());
    for bench in [&bench, &modern] {
        let refused = bench.post(&[], &json!([quiet(1, "hello")]));
        assert_eq!((refused.status(), refused.code()), (400, -32600));
        let message = refused.json()["error"]["message"].to_string();
        assert!(message.contains("batch"), "{message}");
    }
    let gone = [("mcp-session-id", "unknown")];
    let refused = bench.post(&gone, &json!([quiet(1, "hello")]));
    assert_eq!(refused.status(), 404, "start another session");
}

#[test]
fn calls_whose_client_left_take_no_place_from_the_others() {
    let bench = Bench::with(|server| server, HttpOptions::default().with_max_calls(2));
    let session = bench.initialize("2025-11-25");
    for id in 1..=2 {
        let mut call = bench.in_session(&session, &call_body(id, "ask"));
        assert_eq!(call.events()[0]["method"], "elicitation/create");
        call.disconnect();
    }
    bench.run_spawned();
    assert_eq!(bench.server.calls(), 2, "they go on");
    let served = bench.in_session(&session, &call_body(3, "hello"));
    assert_eq!(served.status(), 200, "{}", served.text);
}

#[test]
fn of_too_many_calls_whose_client_left_the_first_one_ends() {
    let options = HttpOptions::default().with_max_detached(2);
    let bench = Bench::with(|server| server, options);
    let session = bench.initialize("2025-11-25");
    let mut lasts = Vec::new();
    for id in 1..=3 {
        let mut call = bench.in_session(&session, &call_body(id, "chatty"));
        lasts.push(call.ids().pop().unwrap().to_owned());
        call.disconnect();
        bench.run_spawned();
    }
    bench.run_spawned();
    assert_eq!((bench.ended(), bench.server.calls()), (1, 2));
    let told = bench.get(&session, Some(&lasts[0]));
    assert!(told.ended, "{}", told.text);
    let last = told.events().pop().unwrap();
    assert_eq!(
        (&last["id"], &last["error"]["data"]["reason"]),
        (&json!(1), &json!("overloaded"))
    );
    bench.gate.open();
    bench.run_spawned();
    let resumed = bench.get(&session, Some(&lasts[1]));
    assert_eq!(
        resumed.events().pop().unwrap()["result"]["content"][0]["text"],
        "done"
    );
    assert_eq!(bench.server.calls(), 0);
}

#[test]
fn an_answer_beyond_what_is_kept_reaches_a_reader_who_is_there_and_nobody_later() {
    let limits = Limits {
        replay_bytes: 2000,
        ..Limits::default()
    };
    let bench = Bench::with(
        |server| {
            let later =
                Tool::builder("later").call_async(|_: Nothing, context: Context| async move {
                    context.close_stream(Some(Duration::from_millis(50)));
                    pass_once().await;
                    Ok::<_, HandlerError>(long_text())
                });
            server.limits(limits).tool(later)
        },
        HttpOptions::default(),
    );
    let session = bench.initialize("2025-11-25");
    let call = bench.in_session(&session, &call_body(1, "later"));
    assert!(call.is_stream() && call.ended, "{}", call.text);
    let last = call.ids().pop().unwrap().to_owned();
    let mut resumed = bench.get(&session, Some(&last));
    assert!(resumed.is_stream() && !resumed.ended);
    bench.run_spawned();
    resumed.poll(&bench);
    assert!(resumed.ended);
    assert_eq!(resumed.events()[0]["id"], 1);
    let again = bench.get(&session, Some(&last));
    assert!(
        again.events().is_empty(),
        "{} bytes were kept",
        again.text.len()
    );
}

#[test]
fn a_log_message_that_is_too_long_is_not_sent() {
    let limits = Limits {
        max_frame_out: 2000,
        ..Limits::default()
    };
    let bench = Bench::with(
        |server| {
            let wordy = Tool::builder("wordy").call(|_: Nothing, context: Context| {
                context.info("x".repeat(2001));
                context.info("short");
                Ok("done")
            });
            server.limits(limits).tool(wordy)
        },
        HttpOptions::default(),
    );
    let session = bench.initialize("2025-11-25");
    let said = bench.in_session(&session, &call_body(1, "wordy")).events();
    let logged: Vec<_> = said
        .iter()
        .filter(|event| event["method"] == "notifications/message")
        .map(|event| &event["params"]["data"])
        .collect();
    assert_eq!(logged, ["short"]);
    assert_eq!(said.last().unwrap()["result"]["content"][0]["text"], "done");
}
