//! Calls of every kind, whatever carries them.

use serde_json::{Value, json};

use super::{BOTH, EVERYWHERE};
use crate::driver::case::{Case, Client};
use crate::driver::messages::{Era, code, text};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(super) const ROWS: &[Scenario] = rows![
    (EVERYWHERE, BOTH):
        a_client_finds_out_what_there_is,
        arguments_come_back_unharmed,
        a_large_answer_comes_whole,
        a_mistake_is_answered,
        progress_and_log_come_in_order_before_the_answer,
        a_handler_that_another_thread_wakes_is_answered,
        a_handler_on_a_thread_of_its_own_is_answered,
        a_handler_on_a_task_of_its_own_is_answered,
        a_timer_fires_while_nothing_else_happens,
        a_panic_hurts_nobody_else;
];

fn a_client_finds_out_what_there_is(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    if case.era == Era::Modern {
        let answer = client.request("server/discover", json!({}));
        let supported = answer["result"]["supportedVersions"].as_array();
        assert!(
            supported.is_some_and(|all| all.contains(&json!(case.era.revision()))),
            "{answer}"
        );
    } else {
        let answer = client.request("ping", json!({}));
        assert_eq!(answer["result"], json!({}), "{answer}");
    }
    let answer = client.request("tools/list", json!({}));
    let tools = answer["result"]["tools"].as_array().expect("tools");
    assert!(tools.iter().any(|tool| tool["name"] == "echo"), "{answer}");
    let uri = json!({ "uri": crate::driver::fixture::WATCHED });
    let answer = client.request("resources/read", uri);
    assert_eq!(answer["result"]["contents"][0]["text"], "text", "{answer}");
}

fn arguments_come_back_unharmed(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    for said in [
        "",
        "plain",
        "line\nfeed\r\n\t\"quoted\" \\ \u{0}",
        "日本語 🦀 \u{2028}",
    ] {
        let answer = client.call("echo", json!({ "text": said }));
        assert_eq!(text(&answer), said);
    }
    let answer = client.call("add", json!({ "a": 0.1, "b": 2 }));
    assert_eq!(text(&answer), "2.1");
}

fn a_large_answer_comes_whole(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    for bytes in [1_000_000, 1, 300_000] {
        let answer = client.call("large", json!({ "bytes": bytes }));
        let text = text(&answer);
        assert!(
            text.len() == bytes && text.bytes().all(|byte| byte == b'x'),
            "{} of {bytes} bytes",
            text.len()
        );
    }
}

fn a_mistake_is_answered(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    let answer = client.call("nothing", json!({}));
    assert_eq!(code(&answer), -32602, "{answer}");
    let answer = client.request("no/such", json!({}));
    assert_eq!(code(&answer), -32601, "{answer}");
    let answer = client.call("add", json!({ "a": "one", "b": 2 }));
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let answer = client.call("echo", json!({ "text": "still here" }));
    assert_eq!(text(&answer), "still here");
}

fn progress_and_log_come_in_order_before_the_answer(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    if case.era == Era::Legacy {
        let answer = client.request("logging/setLevel", json!({ "level": "info" }));
        assert!(answer.get("result").is_some(), "{answer}");
    }
    // The gate opens while the connection is idle.
    client.call("open_later", json!({ "gate": "reported", "ms": 60 }));
    let messages = with_progress(&mut *client, "report", json!({ "gate": "reported" }));
    let (answer, before) = messages.split_last().expect("an answer");
    assert_eq!(text(answer), "reported");
    let of = |method: &str| -> Vec<&Value> {
        let found = before.iter().filter(|message| message["method"] == method);
        found.collect()
    };
    let steps: Vec<_> = of("notifications/progress")
        .iter()
        .map(|message| {
            (
                &message["params"]["progressToken"],
                &message["params"]["progress"],
            )
        })
        .map(|(token, step)| (token.clone(), step.as_f64()))
        .collect();
    // Of reports between two writes, the last is enough.
    let last = (json!("token"), Some(4.0));
    assert_eq!(steps.last(), Some(&last), "{before:?}");
    assert!(steps.is_sorted_by(|one, next| one.1 < next.1), "{steps:?}");
    let log = of("notifications/message");
    assert_eq!(log.len(), 1, "{before:?}");
    assert_eq!(log[0]["params"]["data"], "half way");
}

/// A call that asks for progress; everything up to its answer.
fn with_progress(client: &mut dyn Client, tool: &str, arguments: Value) -> Vec<Value> {
    let params = json!({
        "name": tool, "arguments": arguments, "_meta": { "progressToken": "token" },
    });
    let id = client.fresh_id();
    let request = client.era().request(id, "tools/call", params);
    client.exchange(&request, &mut |_| None)
}

fn a_handler_that_another_thread_wakes_is_answered(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    // Again and again, at other moments: a lost wake-up is a matter of luck.
    for ms in [0, 1, 2, 5, 30] {
        let gate = format!("after {ms}");
        client.call("open_later", json!({ "gate": gate, "ms": ms }));
        let answer = client.call("pend", json!({ "gate": gate }));
        assert_eq!(text(&answer), "let through");
    }
}

fn a_handler_on_a_thread_of_its_own_is_answered(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    client.call("open_later", json!({ "gate": "held", "ms": 60 }));
    let messages = with_progress(&mut *client, "hold", json!({ "gate": "held" }));
    // What it said from its thread came out at once.
    assert_eq!(messages[0]["params"]["message"], "holding", "{messages:?}");
    assert_eq!(text(messages.last().expect("an answer")), "let through");
}

fn a_handler_on_a_task_of_its_own_is_answered(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    for ms in [0, 20] {
        let gate = format!("after {ms}");
        client.call("open_later", json!({ "gate": gate, "ms": ms }));
        let answer = client.call("spawned", json!({ "gate": gate }));
        assert_eq!(text(&answer), "spawned");
    }
}

fn a_timer_fires_while_nothing_else_happens(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    for ms in [1, 60] {
        let started = std::time::Instant::now();
        let answer = client.call("nap", json!({ "ms": ms }));
        assert_eq!(text(&answer), format!("slept {ms}"));
        assert!(started.elapsed().as_millis() >= ms, "it did not sleep");
    }
}

fn a_panic_hurts_nobody_else(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    client.call("open_later", json!({ "gate": "now", "ms": 10 }));
    for tool in ["panics", "panics_later", "panics_elsewhere"] {
        let answer = client.call(tool, json!({ "gate": "now" }));
        let failed = answer.get("error").is_some() || answer["result"]["isError"] == true;
        assert!(failed, "{answer}");
        assert!(!answer.to_string().contains("purpose"), "{answer}");
        let answer = client.call("echo", json!({ "text": "still here" }));
        assert_eq!(text(&answer), "still here");
    }
}
