//! Write-once handlers on a modern client: what is asked, what is replayed, what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_proto::context::ClientFeatures;
use mcp_types::{CreateMessageRequestParams, SamplingMessage};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::testing::*;
use crate::ask::AskError;
use crate::outcome::BoxFuture;
use crate::{Context, Elicited};

/// As in the default limits.
const LIFETIME_MS: u64 = 10 * 60 * 1000;
const MAX_ROUNDS: u8 = 8;

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Age {
    #[allow(dead_code, reason = "only the schema matters")]
    age: u8,
}

async fn name(context: &Context, key: &str) -> Result<String, AskError> {
    Ok(
        match context.elicit::<Name>(key, format!("{key}?")).await? {
            Elicited::Accepted(Name { name }) => name,
            Elicited::Declined => "(declined)".into(),
            Elicited::Cancelled => "(cancelled)".into(),
        },
    )
}

fn named(context: &Context, key: &'static str) -> BoxFuture<String> {
    let context = context.clone();
    Box::pin(async move {
        name(&context, key)
            .await
            .unwrap_or_else(|error| error.to_string())
    })
}

fn greeter() -> Handler {
    handler(|context| async move {
        format!(
            "Hello, {}!",
            name(&context, "user").await.expect("an answer")
        )
    })
}

#[test]
fn a_question_suspends_and_its_answer_completes_on_any_replica() {
    let client = Client::modern();
    let first = client.round(&greeter(), &json!({}));
    assert_eq!(first.keys(), ["user"]);
    assert_eq!(
        first.body["inputRequests"]["user"],
        json!({"method": "elicitation/create", "params": {"message": "user?", "requestedSchema":
            {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}}})
    );
    let second = client.round(
        &greeter(),
        &first.retry(json!({"user": accept(json!({"name": "Ada"}))})),
    );
    assert_eq!(second.text(), "Hello, Ada!");
}

#[test]
fn the_three_actions_are_told_apart() {
    let client = Client::modern();
    for (answer, text) in [
        (accept(json!({"name": "Ada", "extra": [1]})), "Hello, Ada!"),
        (json!({"action": "decline"}), "Hello, (declined)!"),
        (
            json!({"action": "cancel", "content": null}),
            "Hello, (cancelled)!",
        ),
    ] {
        let first = client.round(&greeter(), &json!({}));
        assert_eq!(
            client
                .round(&greeter(), &first.retry(json!({"user": answer})))
                .text(),
            text
        );
    }
}

#[test]
fn without_state_answers_are_candidates_and_strangers_are_ignored() {
    let client = Client::modern();
    let answers = json!({"user": accept(json!({"name": "Ada"})), "other": accept(json!({"x": 1})), "third": 5});
    assert_eq!(
        client
            .round(&greeter(), &json!({"inputResponses": answers}))
            .text(),
        "Hello, Ada!"
    );
    let wrong_key = json!({"inputResponses": {"other": accept(json!({"name": "Ada"}))}});
    assert_eq!(client.round(&greeter(), &wrong_key).keys(), ["user"]);
}

#[test]
fn what_was_done_once_is_never_taken_from_the_client() {
    let order = handler(|context| async move {
        let done = async |key: String| format!("{} characters", key.len());
        let order = context.once("order", done).await.expect("a memo");
        format!(
            "{order} for {}",
            name(&context, "user").await.expect("an answer")
        )
    });
    let forged = json!({"order": "forged", "user": accept(json!({"name": "Eve"}))});
    let client = Client::modern();
    assert_eq!(
        client
            .round(&order, &json!({"inputResponses": forged}))
            .text(),
        "39 characters for Eve"
    );
}

#[test]
fn malformed_answers_are_invalid_params_that_name_the_place() {
    let client = Client::modern();
    let first = client.round(&greeter(), &json!({}));
    for (answer, place) in [
        (json!(12345), "inputResponses.user"),
        (json!(null), "inputResponses.user"),
        (json!({}), "action"),
        (json!({"action": "agree"}), "action"),
        (json!({"action": "accept"}), "content.name"),
        (
            accept(json!({"name": 5})),
            "content.name: expected a text, got a number",
        ),
        (accept(json!([])), "content"),
    ] {
        for more in [
            first.retry(json!({"user": answer})),
            json!({"inputResponses": {"user": answer}}),
        ] {
            let refused = client.round(&greeter(), &more);
            assert_eq!(refused.kind, "-32602", "{answer}");
            assert!(
                refused.message().contains(place),
                "{answer}: {}",
                refused.message()
            );
        }
    }
    for answers in [json!(null), json!([]), json!("x"), json!(1)] {
        assert_eq!(
            client
                .round(&greeter(), &json!({"inputResponses": answers}))
                .kind,
            "-32602"
        );
        assert_eq!(
            client.round(&greeter(), &first.retry(answers)).kind,
            "-32602"
        );
    }
}

#[test]
fn bad_foreign_and_expired_states_are_invalid_params_and_never_a_new_prompt() {
    let client = Client {
        principal: Some("alice"),
        arguments: r#"{"a":1}"#,
        ..Client::modern()
    };
    let first = client.round(&greeter(), &json!({}));
    let retry = first.retry(json!({"user": accept(json!({"name": "Ada"}))}));
    let others = [
        (
            "another tool",
            Client {
                tool: "other",
                ..client.clone()
            },
        ),
        (
            "another method",
            Client {
                method: "prompts/get",
                ..client.clone()
            },
        ),
        (
            "other arguments",
            Client {
                arguments: r#"{"a":2}"#,
                ..client.clone()
            },
        ),
        (
            "another principal",
            Client {
                principal: Some("bob"),
                ..client.clone()
            },
        ),
        (
            "nobody",
            Client {
                principal: None,
                ..client.clone()
            },
        ),
        (
            "another key",
            Client {
                sealer: crate::Sealer::ephemeral([6; 32], &crate::proto::limits::Limits::default()),
                ..client.clone()
            },
        ),
        (
            "too late",
            Client {
                now: NOW + LIFETIME_MS,
                ..client.clone()
            },
        ),
    ];
    for (what, other) in &others {
        assert_eq!(other.round(&greeter(), &retry).kind, "-32602", "{what}");
    }
    let state = first.body["requestState"].as_str().expect("a state");
    for bad in [
        json!(format!("{state}-TAMPERED")),
        json!(""),
        json!(null),
        json!(7),
        json!("A".repeat(1 << 20)),
    ] {
        assert_eq!(
            client.round(&greeter(), &json!({"requestState": bad})).kind,
            "-32602",
            "{bad:.20}"
        );
    }
    assert_eq!(
        client.round(&greeter(), &retry).text(),
        "Hello, Ada!",
        "the state itself is good"
    );
}

#[test]
fn questions_of_a_join_go_out_together_and_only_missing_ones_are_asked_again() {
    let client = Client::modern();
    let handler = handler(|context| async move {
        let both = join(vec![named(&context, "a"), named(&context, "b")]).await;
        both.join("+")
    });
    let first = client.round(&handler, &json!({}));
    assert_eq!(first.keys(), ["a", "b"]);
    let second = client.round(
        &handler,
        &first.retry(json!({"b": accept(json!({"name": "B"}))})),
    );
    assert_eq!(second.keys(), ["a"]);
    let again = client.round(&handler, &second.retry(json!({})));
    assert_eq!(again.keys(), ["a"], "asked again as long as it is missing");
    // An answer counts for an open question only: `b` is settled.
    let answers = json!({"a": accept(json!({"name": "A"})), "b": accept(json!({"name": "X"}))});
    assert_eq!(client.round(&handler, &again.retry(answers)).text(), "A+B");
}

#[test]
fn a_replay_may_poll_a_join_in_another_order() {
    let client = Client::modern();
    let rounds = Arc::new(AtomicUsize::new(0));
    let handler = handler(move |context| {
        let turn = rounds.fetch_add(1, Ordering::SeqCst);
        async move {
            let one = |key: &'static str, then: &'static str| -> BoxFuture<String> {
                let context = context.clone();
                Box::pin(async move {
                    let first = named(&context, key).await;
                    first + &named(&context, then).await
                })
            };
            let mut branches = vec![one("a", "c"), one("b", "d")];
            if turn % 2 == 1 {
                branches.reverse();
            }
            let mut texts = join(branches).await;
            texts.sort();
            texts.join(" ")
        }
    });
    let say = |text: &str| accept(json!({"name": text}));
    let first = client.round(&handler, &json!({}));
    let second = client.round(
        &handler,
        &first.retry(json!({"a": say("A"), "b": say("B")})),
    );
    assert_eq!(second.keys(), ["c", "d"]);
    let third = client.round(&handler, &second.retry(json!({"d": say("D")})));
    assert_eq!(third.keys(), ["c"]);
    assert_eq!(
        client
            .round(&handler, &third.retry(json!({"c": say("C")})))
            .text(),
        "AC BD"
    );
}

#[test]
fn a_select_is_decided_as_it_was_before() {
    let client = Client::modern();
    let rounds = Arc::new(AtomicUsize::new(0));
    let handler = handler(move |context| {
        let turn = rounds.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut asks = vec![named(&context, "a"), named(&context, "b")];
            // The run that gets both answers polls `a` first; the last one polls `b` first.
            if turn == 2 {
                asks.reverse();
            }
            let winner = select(asks).await;
            winner + &named(&context, "then").await
        }
    });
    let say = |text: &str| accept(json!({"name": text}));
    let first = client.round(&handler, &json!({}));
    assert_eq!(first.keys(), ["a", "b"]);
    let second = client.round(
        &handler,
        &first.retry(json!({"a": say("A"), "b": say("B")})),
    );
    assert_eq!(second.keys(), ["then"]);
    assert_eq!(
        client
            .round(&handler, &second.retry(json!({"then": say("!")})))
            .text(),
        "A!"
    );
}

#[test]
fn the_loser_of_a_select_is_not_asked() {
    let client = Client::modern();
    let handler = handler(|context| async move {
        let fast: BoxFuture<String> = Box::pin(async { "fast".to_owned() });
        let winner = select(vec![named(&context, "slow"), fast]).await;
        winner + &named(&context, "next").await
    });
    assert_eq!(client.round(&handler, &json!({})).keys(), ["next"]);
}

#[test]
fn a_random_branch_diverges() {
    let client = Client::modern();
    let rounds = Arc::new(AtomicUsize::new(0));
    let handler = handler(move |context| {
        let turn = rounds.fetch_add(1, Ordering::SeqCst);
        async move {
            let first = named(&context, if turn < 2 { "heads" } else { "tails" }).await;
            first + &named(&context, "last").await
        }
    });
    let say = |text: &str| accept(json!({"name": text}));
    let first = client.round(&handler, &json!({}));
    let second = client.round(&handler, &first.retry(json!({"heads": say("H")})));
    assert_eq!(second.keys(), ["last"]);
    let third = client.round(&handler, &second.retry(json!({"last": say("L")})));
    assert_eq!(third.kind, "-32603");
    assert_eq!(third.body["data"], json!({"reason": "journal_diverged"}));
    assert!(third.message().contains("`heads`"), "{}", third.message());
}

#[test]
fn another_version_of_the_tool_diverges() {
    let client = Client::modern();
    let say = |text: &str| accept(json!({"name": text}));
    let old =
        handler(|context| async move { named(&context, "a").await + &named(&context, "b").await });
    let first = client.round(&old, &json!({}));
    let second = client.round(&old, &first.retry(json!({"a": say("A")})));
    let another_form = handler(|context| async move {
        let _ = context.elicit::<Age>("a", "a?").await;
        "done"
    });
    let another_kind =
        handler(|context| async move { context.roots("a").await.map_or(0, |roots| roots.len()) });
    let without = handler(|_| async { "done" });
    for (what, new) in [
        ("form", another_form),
        ("kind", another_kind),
        ("question left out", without),
    ] {
        let answer = client.round(&new, &second.retry(json!({"b": say("B")})));
        assert_eq!(answer.kind, "-32603", "another {what}");
        assert_eq!(
            answer.body["data"]["reason"], "journal_diverged",
            "another {what}"
        );
    }
    // A handler that fails before it gets there has not diverged.
    let failing: Handler = Arc::new(|_| {
        Box::pin(async {
            let body = r#"{"content":[],"isError":true}"#.to_owned().into();
            crate::outcome::Outcome::Reply(crate::outcome::OwnedReply {
                body,
                meta: None,
                cache: None,
            })
        })
    });
    assert_eq!(
        client.round(&failing, &second.retry(json!({}))).body["isError"],
        true
    );
}

#[test]
fn a_key_that_is_asked_twice_is_numbered() {
    let client = Client::modern();
    let handler = handler(|context| async move {
        let mut texts = Vec::new();
        for _ in 0..3 {
            texts.push(named(&context, "again").await);
        }
        texts.join("")
    });
    let mut answer = client.round(&handler, &json!({}));
    for (key, text) in [("again", "1"), ("again#2", "2"), ("again#3", "3")] {
        assert_eq!(answer.keys(), [key]);
        answer = client.round(
            &handler,
            &answer.retry(json!({key: accept(json!({"name": text}))})),
        );
    }
    assert_eq!(answer.text(), "123");
    let bad = handler_for_key("a#2");
    assert!(
        client
            .round(&bad, &json!({}))
            .text()
            .contains("is not a key")
    );
    assert!(
        client
            .round(&handler_for_key(""), &json!({}))
            .text()
            .contains("is not a key")
    );
}

fn handler_for_key(key: &'static str) -> Handler {
    handler(move |context| async move { named(&context, key).await })
}

#[test]
fn once_is_done_once_along_the_chain_with_one_idempotency_key() {
    let client = Client::modern();
    let keys = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&keys);
    let handler = handler(move |context| {
        let seen = Arc::clone(&seen);
        async move {
            let before = named(&context, "a").await;
            let charge = |key: &'static str| {
                let (context, seen) = (context.clone(), Arc::clone(&seen));
                async move {
                    let work = |token: String| async move {
                        seen.lock().expect("no panic").push(token);
                        vec![1_u32, 2]
                    };
                    context.once(key, work).await.expect("recorded")
                }
            };
            let paid: u32 = charge("charge").await.iter().sum();
            let again: u32 = charge("charge").await.iter().sum();
            format!("{before}{}{}", paid + again, named(&context, "b").await)
        }
    });
    let say = |text: &str| accept(json!({"name": text}));
    let first = client.round(&handler, &json!({}));
    let second = client.round(&handler, &first.retry(json!({"a": say("A")})));
    let done = keys.lock().expect("no panic").clone();
    assert_eq!(done.len(), 2);
    assert_ne!(done[0], done[1], "each use has a key of its own");
    assert!(
        done.iter().all(|key| key.len() == 39 && key.is_ascii()),
        "{done:?}"
    );
    let third = client.round(&handler, &second.retry(json!({})));
    assert_eq!(third.keys(), ["b"]);
    assert_eq!(
        client
            .round(&handler, &third.retry(json!({"b": say("B")})))
            .text(),
        "A6B"
    );
    assert_eq!(
        keys.lock().expect("no panic").len(),
        2,
        "recorded is not done again"
    );
    // A client that repeats a request whose answer it lost makes it happen again, with the same keys.
    client.round(&handler, &first.retry(json!({"a": say("A")})));
    let repeated = keys.lock().expect("no panic").clone();
    assert_eq!(repeated[2..], done[..]);
}

#[test]
fn a_question_waits_for_memoised_work() {
    let client = Client::modern();
    let finished = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&finished);
    let handler = handler(move |context| {
        let count = Arc::clone(&count);
        async move {
            let working: BoxFuture<String> = {
                let context = context.clone();
                Box::pin(async move {
                    let work = |_| async move {
                        pend(3).await;
                        count.fetch_add(1, Ordering::SeqCst);
                        "paid".to_owned()
                    };
                    context.once("pay", work).await.expect("recorded")
                })
            };
            join(vec![named(&context, "a"), working]).await.join("+")
        }
    });
    let mut call = client.run(&handler, &json!({}));
    assert!(
        call.poll().is_none() && call.poll().is_none(),
        "not while the payment is under way"
    );
    let first = call.poll().expect("suspended");
    assert_eq!(
        (first.keys(), finished.load(Ordering::SeqCst)),
        (vec!["a"], 1)
    );
    let second = client.round(
        &handler,
        &first.retry(json!({"a": accept(json!({"name": "A"}))})),
    );
    assert_eq!(
        (second.text(), finished.load(Ordering::SeqCst)),
        ("A+paid", 1)
    );
}

#[test]
fn once_may_not_ask() {
    let client = Client::modern();
    let handler = handler(|context| async move {
        let inner = context.clone();
        let asked = context.once("work", |_| async move {
            name(&inner, "a").await.map_err(|e| e.to_string())
        });
        asked.await.expect("recorded").unwrap_err()
    });
    assert!(
        client
            .round(&handler, &json!({}))
            .text()
            .contains("`once` may not ask")
    );
}

#[test]
fn rounds_are_bounded() {
    let client = Client::modern();
    let handler = handler(|context| async move {
        for index in 0.. {
            if let Err(error) = name(&context, &format!("q{index}")).await {
                return error.to_string();
            }
        }
        unreachable!("the loop ends with an error")
    });
    let mut answer = client.round(&handler, &json!({}));
    for round in 0..MAX_ROUNDS {
        let key = format!("q{round}");
        assert_eq!(answer.keys(), [&key]);
        answer = client.round(
            &handler,
            &answer.retry(json!({key: accept(json!({"name": "x"}))})),
        );
    }
    assert_eq!(answer.text(), AskError::TooManyRounds.to_string());
}

#[test]
fn answers_that_are_never_given_use_up_the_rounds() {
    let client = Client::modern();
    let handler =
        handler(
            |context| async move { name(&context, "a").await.unwrap_or_else(|e| e.to_string()) },
        );
    let mut answer = client.round(&handler, &json!({}));
    for _ in 1..MAX_ROUNDS {
        answer = client.round(&handler, &answer.retry(json!({})));
        assert_eq!(answer.keys(), ["a"]);
    }
    assert_eq!(
        client.round(&handler, &answer.retry(json!({}))).text(),
        AskError::TooManyRounds.to_string()
    );
}

#[test]
fn a_journal_that_outgrows_its_state_is_a_typed_error() {
    let client = Client::modern();
    let handler = handler(|context| async move {
        context
            .once("big", |_| async { "x".repeat(60_000) })
            .await
            .expect("recorded");
        named(&context, "a").await
    });
    let answer = client.round(&handler, &json!({}));
    assert_eq!(answer.kind, "-32603");
    assert_eq!(answer.body["data"]["reason"], "journal_too_large");
}

#[test]
fn only_news_is_told() {
    let client = Client::modern();
    let handler = handler(|context| async move {
        context.progress(1.0, None, None);
        context.info("started");
        let first = named(&context, "a").await;
        context.info("between");
        context.progress(2.0, None, None);
        let second = named(&context, "b").await;
        context.progress(3.0, None, None);
        first + &second
    });
    let say = |text: &str| accept(json!({"name": text}));
    let first = client.round(&handler, &json!({}));
    assert_eq!(first.sent, ["progress 1", r#"log info - "started""#]);
    let second = client.round(&handler, &first.retry(json!({"a": say("A")})));
    assert_eq!(second.sent, [r#"log info - "between""#, "progress 2"]);
    let again = client.round(&handler, &second.retry(json!({})));
    assert_eq!(again.sent, Vec::<String>::new());
    let last = client.round(&handler, &again.retry(json!({"b": say("B")})));
    assert_eq!(
        (last.sent.as_slice(), last.text()),
        (&["progress 3".to_owned()][..], "AB")
    );
}

#[test]
fn undeclared_capabilities_are_typed_and_become_a_protocol_error() {
    let client = Client {
        features: ClientFeatures::SAMPLING,
        ..Client::modern()
    };
    let asked = handler(|context| async move {
        let form = name(&context, "a").await.unwrap_err();
        let url = context
            .elicit_url("b", "go", "https://example.com/x")
            .await
            .unwrap_err();
        let roots = context.roots("c").await.unwrap_err();
        let message = vec![SamplingMessage::user("hi")];
        let mut with_tools = CreateMessageRequestParams::new(message.clone(), 5);
        with_tools.tools = Some(Vec::new());
        let tools = context.sample("d", with_tools).await.unwrap_err();
        let data = [form, url, roots, tools].map(|error| {
            assert!(matches!(error, AskError::Undeclared(_)));
            assert!(error.to_wire(mcp_types::Revision::V2025_11_25).is_none());
            let wire = error.to_wire(context.revision()).expect("a protocol error");
            assert_eq!(wire.code, -32021);
            wire.data.expect("data").into_string()
        });
        data.join(" ")
    });
    assert_eq!(
        client.round(&asked, &json!({})).text(),
        r#"{"requiredCapabilities":{"elicitation":{"form":{}}}} {"requiredCapabilities":{"elicitation":{"url":{}}}} {"requiredCapabilities":{"roots":{}}} {"requiredCapabilities":{"sampling":{"tools":{}}}}"#
    );
    let fallback = handler(|context| async move {
        match name(&context, "a").await {
            Ok(name) => name,
            Err(_) => {
                let params =
                    CreateMessageRequestParams::new(vec![SamplingMessage::user("name?")], 5);
                context
                    .sample("s", params)
                    .await
                    .expect("declared")
                    .content
                    .to_text()
            }
        }
    });
    let first = client.round(&fallback, &json!({}));
    assert_eq!(
        first.keys(),
        ["s"],
        "nothing is asked that was not declared"
    );
    let sampled =
        json!({"role": "assistant", "content": {"type": "text", "text": "Ada"}, "model": "m"});
    assert_eq!(
        client
            .round(&fallback, &first.retry(json!({"s": sampled})))
            .text(),
        "Ada"
    );
    let bad = client.round(&fallback, &first.retry(json!({"s": {"role": "assistant"}})));
    assert_eq!(bad.kind, "-32602");
}

#[test]
fn tool_blocks_go_to_clients_with_tools_and_each_use_is_followed_by_its_results() {
    let question = |messages: &Value| {
        let params: CreateMessageRequestParams =
            serde_json::from_value(json!({"messages": messages, "maxTokens": 5})).unwrap();
        handler(move |context| {
            let params = params.clone();
            async move {
                match context.sample("s", params).await {
                    Ok(_) => "answered".to_owned(),
                    Err(AskError::Undeclared(_)) => "undeclared".to_owned(),
                    Err(AskError::Question(problem)) => problem,
                    Err(other) => panic!("{other}"),
                }
            }
        })
    };
    let say = |role: &str, blocks: Value| json!({"role": role, "content": blocks});
    let uses = |ids: &[&str]| {
        let of = |id: &&str| json!({"type": "tool_use", "id": id, "name": "n", "input": {}});
        say("assistant", ids.iter().map(of).collect())
    };
    let results = |ids: &[&str]| {
        let of = |id: &&str| json!({"type": "tool_result", "toolUseId": id, "content": []});
        say("user", ids.iter().map(of).collect())
    };
    let hi = || say("user", json!({"type": "text", "text": "hi"}));
    let plain = Client {
        features: ClientFeatures::SAMPLING,
        ..Client::modern()
    };
    let able = Client {
        features: ClientFeatures::SAMPLING | ClientFeatures::SAMPLING_TOOLS,
        ..Client::modern()
    };
    let whole = json!([hi(), uses(&["a", "b"]), results(&["b", "a"]), hi()]);
    assert_eq!(
        plain.round(&question(&whole), &json!({})).text(),
        "undeclared"
    );
    assert_eq!(able.round(&question(&whole), &json!({})).keys(), ["s"]);
    assert_eq!(
        plain.round(&question(&json!([hi()])), &json!({})).keys(),
        ["s"]
    );
    for broken in [
        json!([hi(), uses(&["a"])]),
        json!([uses(&["a"]), hi(), results(&["a"])]),
        json!([uses(&["a", "b"]), results(&["a"])]),
        json!([
            uses(&["a"]),
            say("assistant", results(&["a"])["content"].clone())
        ]),
    ] {
        let told = able.round(&question(&broken), &json!({}));
        assert!(
            told.text().contains("tool use"),
            "{broken}: {}",
            told.text()
        );
    }
}

#[test]
fn requests_that_may_not_suspend_cannot_ask() {
    let client = Client {
        method: "completion/complete",
        ..Client::modern()
    };
    let handler = handler(|context| async move { name(&context, "a").await.unwrap_err() });
    assert!(
        client
            .round(&handler, &json!({}))
            .text()
            .contains("completion/complete")
    );
    // Nor do they read what is not theirs.
    let ignored = json!({"inputResponses": null, "requestState": 5});
    assert!(
        client
            .round(&handler, &ignored)
            .text()
            .contains("completion/complete")
    );
}

#[test]
fn work_that_is_not_a_question_does_not_suspend() {
    let client = Client::modern();
    let handler = handler(|context| async move {
        pend(2).await;
        named(&context, "a").await
    });
    let mut call = client.run(&handler, &json!({}));
    assert!(call.poll().is_none());
    assert_eq!(call.poll().expect("suspended").keys(), ["a"]);
}

#[test]
fn urls_are_asked_for_and_need_not_be_the_same_in_each_run() {
    let client = Client::modern();
    let runs = Arc::new(AtomicUsize::new(0));
    let handler = handler(move |context| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        async move {
            let url = format!("https://example.com/connect?run={run}");
            match context.require_url("connect", "Please connect", url).await {
                Ok(()) => "connected".to_owned(),
                Err(error) => error.to_string(),
            }
        }
    });
    let first = client.round(&handler, &json!({}));
    assert_eq!(
        first.body["inputRequests"]["connect"]["params"],
        json!({"mode": "url", "message": "Please connect", "url": "https://example.com/connect?run=0"})
    );
    let agreed = client.round(
        &handler,
        &first.retry(json!({"connect": {"action": "accept"}})),
    );
    assert_eq!(agreed.text(), "connected");
    let declined: Value = json!({"connect": {"action": "decline"}});
    assert!(
        client
            .round(&handler, &first.retry(declined))
            .text()
            .contains("declined")
    );
}
