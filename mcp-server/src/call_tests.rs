//! Calls and what surrounds them: messages, legacy questions, panics, cancellation, work elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use mcp_proto::context::ClientFeatures;
use mcp_proto::server::Refused;
use mcp_types::{LoggingLevel, Revision};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::testing::*;
use crate::ask::AskError;
use crate::outcome::{BoxFuture, Dispatched};
use crate::{Context, Elicited};

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

async fn name(context: &Context, key: &str) -> Result<String, AskError> {
    let answer = context.elicit::<Name>(key, "name?").await?;
    Ok(answer
        .accepted()
        .map_or_else(|| "(none)".to_owned(), |answer| answer.name))
}

fn said(context: &Context, key: &'static str) -> BoxFuture<String> {
    let context = context.clone();
    Box::pin(async move {
        name(&context, key)
            .await
            .unwrap_or_else(|error| error.to_string())
    })
}

fn asker() -> Handler {
    handler(|context| async move { said(&context, "a").await })
}

// ---- Notifications ----

#[test]
fn a_handler_that_says_nothing_needs_no_cell() {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = Arc::clone(&kept);
    let handler = handler(move |context| {
        *keep.lock().expect("no panic") = Some(context);
        async { "done" }
    });
    let mut call = Client::modern().run(&handler, &json!({}));
    let context = kept.lock().expect("no panic").take().expect("it ran");
    assert!(context.used_cell().is_none());
    drop(context);
    assert_eq!(call.poll().expect("ready").text(), "done");
    assert!(call.running.context.used_cell().is_none());
}

#[test]
fn progress_is_coalesced_and_only_ever_increases() {
    let handler = handler(|context| async move {
        for progress in [1.0, 2.0, 1.5, f64::NAN, 3.0, f64::INFINITY, 3.0] {
            context.progress(progress, Some(9.0), Some("working"));
        }
        pend(2).await;
        for progress in [3.0, -1.0, 2.0] {
            context.progress(progress, None, None);
        }
        pend(2).await;
        context.progress(3.25, None, None);
        "done"
    });
    let mut call = Client::modern().run(&handler, &json!({}));
    assert!(call.poll().is_none());
    assert_eq!(call.stream.sent, ["progress 3"]);
    assert!(call.poll().is_none());
    assert_eq!(call.stream.sent, ["progress 3"]);
    assert_eq!(call.poll().expect("ready").text(), "done");
    assert_eq!(call.stream.sent, ["progress 3", "progress 3.25"]);
}

#[test]
fn log_messages_below_the_level_are_not_sent_and_without_a_level_none() {
    let handler = handler(|context| async move {
        context.debug("debug");
        context.log(LoggingLevel::Notice, Some("db"), json!({"rows": 3}));
        context.error("error");
        context.logs(LoggingLevel::Info)
    });
    let client = Client {
        log_level: Some(LoggingLevel::Notice),
        ..Client::modern()
    };
    let answer = client.round(&handler, &json!({}));
    assert_eq!(
        answer.sent,
        [r#"log notice db {"rows":3}"#, r#"log error - "error""#]
    );
    let silent = Client {
        log_level: None,
        ..client
    };
    assert!(silent.round(&handler, &json!({})).sent.is_empty());
}

#[test]
fn the_last_report_of_progress_is_not_lost_on_a_full_stream() {
    let handler = handler(|context| async move {
        context.progress(1.0, None, None);
        context.progress(2.0, None, None);
        "done"
    });
    let mut call = Client::modern().run(&handler, &json!({}));
    call.stream.full = true;
    assert!(call.poll().is_some());
    assert_eq!(call.stream.sent, ["progress 2"]);
}

#[test]
fn a_full_stream_holds_a_bounded_rest_and_says_what_was_lost() {
    let handler = handler(|context| async move {
        for index in 0..1000 {
            context.log(LoggingLevel::Info, None, index);
            context.progress(f64::from(index), None, None);
        }
        pend(2).await;
        "done"
    });
    let mut call = Client::modern().run(&handler, &json!({}));
    call.stream.full = true;
    assert!(call.poll().is_none());
    assert!(call.stream.sent.is_empty());
    call.stream.full = false;
    assert!(call.poll().is_some());
    let sent = &call.stream.sent;
    assert_eq!(
        sent.iter()
            .filter(|line| line.starts_with("progress"))
            .collect::<Vec<_>>(),
        ["progress 999"]
    );
    assert_eq!(
        sent.iter().filter(|line| line.starts_with("log")).count(),
        256 + 1
    );
    assert!(
        sent.last()
            .expect("some")
            .contains("744 log messages were dropped"),
        "{sent:?}"
    );
}

#[test]
fn use_from_another_task_wakes_the_call_until_it_is_over() {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = Arc::clone(&kept);
    let handler = handler(move |context| {
        *keep.lock().expect("no panic") = Some(context);
        async {
            pend(3).await;
            "done"
        }
    });
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut call = Client::modern().run(&handler, &json!({}));
    assert!(call.poll_with(&waker).is_none());
    let context = kept.lock().expect("no panic").take().expect("it ran");
    context.progress(1.0, None, None);
    context.info("from elsewhere");
    assert_eq!(
        wakes.0.load(Ordering::SeqCst),
        1,
        "one wake-up for what one poll will send"
    );
    assert!(call.poll_with(&waker).is_none());
    assert_eq!(
        call.stream.sent,
        ["progress 1", r#"log info - "from elsewhere""#]
    );
    assert!(call.poll_with(&waker).is_some());
    context.progress(2.0, None, None);
    context.info("too late");
    call.running.drain(&mut call.stream, false);
    assert_eq!(call.stream.sent.len(), 2);
    assert!(context.is_cancelled());
}

#[test]
fn only_sse_clients_of_2025_11_25_have_their_stream_closed() {
    let handler = handler(|context| async move {
        context.close_stream(Some(std::time::Duration::from_millis(500)));
        "done"
    });
    assert_eq!(
        Client::legacy().round(&handler, &json!({})).sent,
        ["close Some(500ms)"]
    );
    assert!(Client::modern().round(&handler, &json!({})).sent.is_empty());
}

// ---- Questions to a legacy client ----

#[test]
fn a_question_goes_out_although_log_messages_have_no_room() {
    let handler = handler(|context| async move {
        context.info("waits");
        said(&context, "a").await
    });
    let mut call = Client::legacy().run(&handler, &json!({}));
    call.stream.full = true;
    assert!(call.poll().is_none());
    assert_eq!((call.stream.requests.len(), call.stream.sent.len()), (1, 0));
    call.stream.full = false;
    call.answer(0, Ok(accept(json!({"name": "Ada"}))));
    assert_eq!(call.poll().expect("ready").text(), "Ada");
    assert_eq!(call.stream.sent, [r#"log info - "waits""#]);
}

#[test]
fn a_legacy_question_is_a_request_and_its_answer_goes_on_in_place() {
    let mut call = Client::legacy().run(&asker(), &json!({}));
    assert!(call.poll().is_none());
    let (_, method, params) = &call.stream.requests[0];
    assert_eq!(method, "elicitation/create");
    assert_eq!(params["requestedSchema"]["required"], json!(["name"]));
    call.answer(0, Ok(accept(json!({"name": "Ada"}))));
    assert_eq!(call.poll().expect("ready").text(), "Ada");
}

#[test]
fn legacy_questions_of_a_join_are_open_at_once_and_answered_in_any_order() {
    let handler = handler(|context| async move {
        let roots: BoxFuture<String> = {
            let context = context.clone();
            Box::pin(async move { context.roots("roots").await.expect("roots")[0].uri.clone() })
        };
        join(vec![said(&context, "a"), roots, said(&context, "a")])
            .await
            .join(" ")
    });
    let mut call = Client::legacy().run(&handler, &json!({}));
    assert!(call.poll().is_none());
    let methods: Vec<_> = call
        .stream
        .requests
        .iter()
        .map(|(_, method, _)| method.as_str())
        .collect();
    assert_eq!(
        methods,
        ["elicitation/create", "roots/list", "elicitation/create"]
    );
    call.answer(2, Ok(accept(json!({"name": "C"}))));
    assert!(call.poll().is_none());
    call.answer(1, Ok(json!({"roots": [{"uri": "file:///b"}]})));
    call.answer(0, Ok(accept(json!({"name": "A"}))));
    call.answer(0, Ok(accept(json!({"name": "twice"}))));
    assert_eq!(call.poll().expect("ready").text(), "A file:///b C");
}

#[test]
fn every_end_of_a_legacy_question_is_typed() {
    let answered = |answer| {
        let mut call = Client::legacy().run(&asker(), &json!({}));
        assert!(call.poll().is_none());
        call.answer(0, answer);
        call.poll().expect("ready").text().to_owned()
    };
    assert_eq!(
        answered(Err(json!({"code": -1, "message": "User rejected"}))),
        "the client refused: User rejected (-1)"
    );
    assert_eq!(
        answered(Err(json!(null))),
        "the client refused: no reason given (0)"
    );
    let invalid = answered(Ok(accept(json!({"name": []}))));
    assert!(
        invalid.contains("`a`") && invalid.contains("content.name: expected a text, got a list"),
        "{invalid}"
    );
    assert!(answered(Ok(json!(null))).contains("not valid"));

    let mut call = Client::legacy().run(&asker(), &json!({}));
    assert!(call.poll().is_none());
    call.running.expired(call.stream.requests[0].0);
    assert_eq!(
        call.poll().expect("ready").text(),
        AskError::TimedOut.to_string()
    );

    let mut call = Client::legacy().run(&asker(), &json!({}));
    call.stream.refuse = Some(Refused::AtCapacity);
    let wakes = Arc::new(Wakes::default());
    assert!(call.poll_with(&Waker::from(Arc::clone(&wakes))).is_none());
    assert_eq!(
        wakes.0.load(Ordering::SeqCst),
        1,
        "a refusal wakes the handler"
    );
    assert!(
        call.poll()
            .expect("ready")
            .text()
            .contains("too many questions")
    );
}

#[test]
fn a_question_that_nobody_waits_for_is_withdrawn() {
    let handler = handler(|context| async move {
        let timer: BoxFuture<String> = Box::pin(async {
            pend(2).await;
            "timeout".to_owned()
        });
        let winner = select(vec![said(&context, "a"), timer]).await;
        pend(2).await;
        winner
    });
    let mut call = Client::legacy().run(&handler, &json!({}));
    assert!(call.poll().is_none());
    assert_eq!(call.stream.requests.len(), 1);
    assert!(call.poll().is_none());
    assert_eq!(call.stream.sent, ["withdraw 0"]);
    call.answer(0, Ok(accept(json!({"name": "late"}))));
    assert_eq!(call.poll().expect("ready").text(), "timeout");
}

#[test]
fn old_revisions_are_asked_only_what_they_know() {
    #[derive(Debug, Deserialize, JsonSchema)]
    enum Color {
        /// The red one
        Red,
        /// The blue one
        Blue,
    }
    #[derive(Debug, Deserialize, JsonSchema)]
    struct One {
        color: Color,
    }
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Many {
        #[allow(dead_code, reason = "only the schema matters here")]
        colors: Vec<Color>,
    }
    let handler = handler(|context| async move {
        let many = match context.elicit::<Many>("many", "?").await {
            Err(error) => error.to_string(),
            Ok(answer) => format!("{answer:?}"),
        };
        let one = match context.elicit::<One>("one", "?").await {
            Ok(Elicited::Accepted(One { color })) => format!("{color:?}"),
            other => format!("{other:?}"),
        };
        let url = context.elicit_url("url", "?", "https://example.com").await;
        format!("{many}; {one}; {}", url.unwrap_err())
    });
    let client = Client {
        revision: Revision::V2025_06_18,
        ..Client::legacy()
    };
    let mut call = client.run(&handler, &json!({}));
    assert!(call.poll().is_none());
    assert_eq!(
        call.stream.requests[0].2["requestedSchema"]["properties"]["color"],
        json!({"type": "string", "enum": ["Red", "Blue"], "enumNames": ["The red one", "The blue one"]})
    );
    call.answer(0, Ok(accept(json!({"color": "Blue"}))));
    assert_eq!(
        call.poll().expect("ready").text(),
        "a choice of several needs a client that speaks 2025-11-25 or later; Blue; \
         a URL to open needs a client that speaks 2025-11-25 or later"
    );
    let oldest = Client {
        revision: Revision::V2024_11_05,
        ..Client::legacy()
    };
    assert!(
        oldest
            .round(&asker(), &json!({}))
            .text()
            .contains("2025-06-18 or later")
    );
}

#[test]
fn urls_of_2025_11_25_have_an_id_an_error_and_a_completion() {
    let ask = handler(|context| async move {
        let interaction = context.url_interaction("connect");
        let url = format!("https://example.com/connect?id={}", interaction.id());
        let answer = context
            .elicit_url("connect", "Please connect", url)
            .await
            .expect("an answer");
        interaction.complete();
        format!("{answer:?}")
    });
    let mut call = Client::legacy().run(&ask, &json!({}));
    assert!(call.poll().is_none());
    let params = call.stream.requests[0].2.clone();
    let id = params["elicitationId"].as_str().expect("an id");
    assert!(params["url"].as_str().expect("a URL").ends_with(id));
    call.answer(0, Ok(json!({"action": "accept"})));
    assert_eq!(call.poll().expect("ready").text(), "Accepted(())");
    assert_eq!(
        call.stream.sent,
        [format!(
            "notifications/elicitation/complete {}",
            json!({"elicitationId": id})
        )]
    );
    let require = handler(|context| async move {
        context
            .require_url("connect", "Please connect", "not a url")
            .await
            .unwrap_err()
    });
    assert!(
        Client::legacy()
            .round(&require, &json!({}))
            .text()
            .contains("not an absolute URL")
    );
}

#[test]
fn a_legacy_once_is_done_with_a_key_of_its_own() {
    let handler = handler(|context| async move {
        let first = context
            .once("pay", |key| async move { key })
            .await
            .expect("done");
        let second = context
            .once("pay", |key| async move { key })
            .await
            .expect("done");
        assert_ne!(first, second);
        format!("{} {}", first.len(), second.len())
    });
    assert_eq!(Client::legacy().round(&handler, &json!({})).text(), "39 39");
}

#[test]
fn an_undeclared_capability_is_an_ordinary_error_for_a_legacy_handler() {
    let client = Client {
        features: ClientFeatures::NONE,
        ..Client::legacy()
    };
    let text = client.round(&asker(), &json!({})).text().to_owned();
    assert_eq!(
        text,
        "the client has not declared the capability elicitation.form"
    );
}

// ---- Panics ----

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

#[test]
fn a_panic_ends_its_own_call_and_tells_nobody_why() {
    let poll = handler(|_| async { if true { panic!("secret") } else { "never" } });
    let payload = handler(|_| async {
        if true {
            std::panic::panic_any(Bomb)
        } else {
            "never"
        }
    });
    for handler in [poll, payload] {
        let answer = Client::modern().round(&handler, &json!({}));
        assert_eq!(answer.kind, "-32603");
        assert_eq!(
            answer.body,
            json!({"message": "internal error", "data": null})
        );
    }
    let mut call =
        Client::modern().dispatch(&json!({}), Arc::new(super::InPlace), |_| panic!("secret"));
    assert_eq!(call.poll().expect("ready").kind, "-32603");
    let other = handler(|_| async { "alive" });
    assert_eq!(Client::modern().round(&other, &json!({})).text(), "alive");
}

#[test]
fn a_panic_while_dropping_a_cancelled_handler_is_held_back() {
    let handler = handler(|_| async {
        let _bomb = Bomb;
        pend(9).await;
        "never"
    });
    let mut call = Client::modern().run(&handler, &json!({}));
    assert!(call.poll().is_none());
    drop(call);
}

// ---- Cancellation ----

#[test]
fn cancelling_frees_what_the_handler_holds() {
    let held = Arc::new(());
    let hold = Arc::clone(&held);
    let handler = handler(move |context| {
        let hold = Arc::clone(&hold);
        async move {
            let answer = said(&context, "a").await;
            drop(hold);
            answer
        }
    });
    for _ in 0..2 {
        let mut call = Client::legacy().run(&handler, &json!({}));
        assert!(call.poll().is_none());
        assert_eq!(Arc::strong_count(&held), 3);
        drop(call);
        assert_eq!(Arc::strong_count(&held), 2);
    }
}

#[test]
fn others_learn_that_the_call_is_over() {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = Arc::clone(&kept);
    let handler = handler(move |context| {
        *keep.lock().expect("no panic") = Some(context);
        async {
            pend(9).await;
            "never"
        }
    });
    let mut call = Client::legacy().run(&handler, &json!({}));
    assert!(call.poll().is_none());
    let context = kept.lock().expect("no panic").take().expect("it ran");
    let (cancelled, asking) = (context.clone(), context.clone());
    let waits = std::thread::spawn(move || block_on(cancelled.cancelled()));
    let asks = std::thread::spawn(move || block_on(name(&asking, "a")));
    while call.stream.requests.is_empty() {
        std::thread::yield_now();
        call.running.drain(&mut call.stream, false);
    }
    assert!(!context.is_cancelled());
    drop(call);
    waits.join().expect("ended");
    assert_eq!(asks.join().expect("ended"), Err(AskError::Ended));
    assert_eq!(block_on(name(&context, "b")), Err(AskError::Ended));
    block_on(context.cancelled());
}

// ---- Elsewhere ----

#[test]
fn a_spawned_handler_runs_on_the_runtime_and_is_dropped_with_its_call() {
    let runtime = Arc::new(Manual::default());
    let held = Arc::new(());
    let spawn = |hold: Arc<()>| {
        Client::modern().dispatch(&json!({}), runtime.clone(), move |context| {
            Dispatched::Spawn(Box::pin(async move {
                context.progress(1.0, None, None);
                pend(2).await;
                drop(hold);
                reply("spawned")
            }))
        })
    };
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut call = spawn(Arc::clone(&held));
    assert!(call.poll_with(&waker).is_none());
    assert_eq!(
        (runtime.poll(), wakes.0.load(Ordering::SeqCst)),
        (1, 1),
        "its progress wakes the call"
    );
    assert!(call.poll_with(&waker).is_none());
    assert_eq!((runtime.poll(), wakes.0.load(Ordering::SeqCst)), (0, 2));
    assert_eq!(call.poll_with(&waker).expect("ready").text(), "spawned");

    let mut dropped = spawn(Arc::clone(&held));
    assert!(dropped.poll().is_none());
    assert_eq!(runtime.poll(), 1);
    drop(dropped);
    assert_eq!((runtime.poll(), Arc::strong_count(&held)), (0, 1));

    let mut abandoned = spawn(Arc::clone(&held));
    runtime.tasks.lock().expect("no panic").clear();
    assert_eq!(
        abandoned.poll().expect("ready").kind,
        "-32603",
        "a runtime that drops work does not hang calls"
    );
}

#[test]
fn a_spawned_handler_may_ask() {
    let runtime = Arc::new(Manual::default());
    let client = Client::modern();
    let round = |more: &serde_json::Value| {
        let mut call = client.dispatch(more, runtime.clone(), |context| {
            Dispatched::Spawn(Box::pin(async move { reply(&said(&context, "a").await) }))
        });
        assert!(call.poll().is_none());
        runtime.poll();
        let answer = call.poll().expect("ready");
        assert_eq!(runtime.poll(), 0, "nothing stays behind");
        answer
    };
    let first = round(&json!({}));
    assert_eq!(first.keys(), ["a"]);
    assert_eq!(
        round(&first.retry(json!({"a": accept(json!({"name": "Ada"}))}))).text(),
        "Ada"
    );
}

#[test]
fn a_spawned_panic_is_an_internal_error() {
    let runtime = Arc::new(Manual::default());
    let mut call = Client::modern().dispatch(&json!({}), runtime.clone(), |_| {
        Dispatched::Spawn(Box::pin(async { panic!("secret") }))
    });
    assert_eq!(runtime.poll(), 0);
    assert_eq!(
        call.poll().expect("ready").body["message"],
        "internal error"
    );
}

fn finish(call: &mut Call) -> Answer {
    loop {
        if let Some(answer) = call.poll() {
            return answer;
        }
        std::thread::yield_now();
    }
}

#[test]
fn blocking_work_runs_on_a_thread_and_may_ask_in_both_eras() {
    let ran = Arc::new(AtomicUsize::new(0));
    let blocking = |client: &Client, more: &serde_json::Value| {
        let ran = Arc::clone(&ran);
        client.dispatch(more, Arc::new(Manual::default()), move |context| {
            Dispatched::Blocking(Box::new(move || {
                let answer = block_on(name(&context, "a"));
                ran.fetch_add(1, Ordering::SeqCst);
                reply(&answer.unwrap_or_else(|error| error.to_string()))
            }))
        })
    };
    let modern = Client::modern();
    let mut call = blocking(&modern, &json!({}));
    let first = finish(&mut call);
    assert_eq!(first.keys(), ["a"]);
    while ran.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now(); // the thread is told that the call is over, and ends
    }
    let mut call = blocking(
        &modern,
        &first.retry(json!({"a": accept(json!({"name": "Ada"}))})),
    );
    assert_eq!(finish(&mut call).text(), "Ada");

    let mut call = blocking(&Client::legacy(), &json!({}));
    while call.stream.requests.is_empty() {
        assert!(call.poll().is_none());
        std::thread::yield_now();
    }
    call.answer(0, Ok(accept(json!({"name": "Ada"}))));
    assert_eq!(finish(&mut call).text(), "Ada");
}

#[test]
fn without_a_runtime_everything_runs_in_place() {
    let in_place = || Arc::new(super::InPlace);
    let client = Client::modern();
    let mut call = client.dispatch(&json!({}), in_place(), |_| {
        Dispatched::Blocking(Box::new(|| reply("b")))
    });
    assert_eq!(call.poll().expect("ready").text(), "b");
    let mut call = client.dispatch(&json!({}), in_place(), |_| {
        Dispatched::Spawn(Box::pin(async { reply("s") }))
    });
    assert_eq!(call.poll().expect("ready").text(), "s");
    let mut call = client.dispatch(&json!({}), in_place(), |_| {
        Dispatched::Blocking(Box::new(|| panic!("secret")))
    });
    assert_eq!(call.poll().expect("ready").kind, "-32603");
}
