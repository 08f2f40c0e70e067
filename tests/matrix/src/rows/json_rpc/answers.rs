//! Answers that come from a client: to nothing, twice, broken, or of a kind that is not known.
//!
//! Only the revisions with a handshake have requests of the server's; in the latest one a client sends no answers.

use serde_json::json;

use crate::fixture::Fixture;
use crate::peer::Peer;

/// Both transports in an older era.
async fn peers(fixture: &Fixture) -> [Peer; 2] {
    Peer::both(&fixture.service, "2025-11-25").await
}

const ADA: &str = r#""result":{"action":"accept","content":{"name":"Ada"}}"#;

#[tokio::test]
async fn row_12_an_answer_to_nothing() {
    let fixture = Fixture::new();
    for members in [r#""result":{}"#, r#""error":{"code":-1,"message":"x"}"#] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":4711,{members}}}"#);
        for mut peer in Peer::each(&fixture.service).await {
            let status = peer.tell(&message).await;
            let expected = if peer.is_modern() { 400 } else { 202 };
            assert!(
                status.is_none_or(|status| status == expected),
                "{peer}: {status:?}"
            );
            peer.works().await;
        }
    }
}

#[tokio::test]
async fn row_13_a_second_answer_is_dropped() {
    let fixture = Fixture::new();
    for mut peer in peers(&fixture).await {
        let (mut pending, question) = peer.asked("ask").await;
        let first = pending.reply(&question, ADA).await;
        assert!(first.is_none_or(|status| status == 202), "{first:?}");
        let eve = ADA.replace("Ada", "Eve");
        let second = pending.reply(&question, &eve).await;
        assert!(second.is_none_or(|status| status == 202), "{second:?}");
        let answer = pending.answer().await;
        assert_eq!(answer["result"]["content"][0]["text"], "Hello Ada");
        pending.leave();
        peer.works().await;
    }
}

/// What a client says to a question, which must end the call with an error that its model can see, and nothing else.
async fn ends_the_call(members: &str) {
    let fixture = Fixture::new();
    for mut peer in peers(&fixture).await {
        let name = peer.to_string();
        let (mut pending, question) = peer.asked("ask").await;
        pending.reply(&question, members).await;
        let answer = pending.answer().await;
        assert_eq!(
            answer["result"]["isError"], true,
            "{name}: {members}: {answer}"
        );
        pending.leave();
        peer.works().await;
    }
}

#[tokio::test]
async fn row_14_an_answer_with_both_result_and_error_or_neither() {
    ends_the_call(r#""result":{},"error":{"code":1,"message":"x"}"#).await;
    ends_the_call(&format!(r#"{ADA},"error":{{"code":1,"message":"x"}}"#)).await;
    ends_the_call("").await;
}

#[tokio::test]
async fn row_14_a_broken_answer_in_a_batch() {
    let fixture = Fixture::new();
    for mut peer in Peer::both(&fixture.service, "2025-03-26").await {
        let name = peer.to_string();
        let (mut pending, question) = peer.asked("ask_model").await;
        let id = &question["id"];
        pending
            .tell(&format!(r#"[{{"jsonrpc":"2.0","id":{id}}}]"#))
            .await;
        let answer = pending.answer().await;
        assert_eq!(answer["result"]["isError"], true, "{name}: {answer}");
    }
}

#[tokio::test]
async fn row_15_an_error_without_id_ends_nothing() {
    let fixture = Fixture::new();
    for mut peer in peers(&fixture).await {
        let (mut pending, question) = peer.asked("ask").await;
        for id in ["", r#""id":null,"#] {
            let error =
                format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32700,"message":"?"}}}}"#);
            pending.tell(&error).await;
        }
        pending.reply(&question, ADA).await;
        let answer = pending.answer().await;
        assert_eq!(answer["result"]["content"][0]["text"], "Hello Ada");
    }
}

#[tokio::test]
async fn row_16_a_malformed_error_code_still_ends_the_question() {
    for code in [
        "1.5",
        "\"x\"",
        "1e400",
        "null",
        "123456789012345678901234567890",
    ] {
        ends_the_call(&format!(r#""error":{{"code":{code},"message":"x"}}"#)).await;
    }
}

#[tokio::test]
async fn row_27_content_of_an_unknown_kind_in_an_answer() {
    let fixture = Fixture::new();
    for mut peer in peers(&fixture).await {
        let name = peer.to_string();
        let (mut pending, question) = peer.asked("ask_model").await;
        let result = json!({ "role": "assistant", "model": "m-1", "content": { "type": "smell", "of": "roses" } });
        pending
            .reply(&question, &format!(r#""result":{result}"#))
            .await;
        let answer = pending.answer().await;
        assert_eq!(
            answer["result"]["content"][0]["text"], "m-1",
            "{name}: {answer}"
        );
    }
}

#[tokio::test]
async fn row_28_an_answer_of_metadata_alone_is_not_read_as_something_else() {
    for result in ["{}", r#"{"_meta":{"com.example/x":1}}"#] {
        ends_the_call(&format!(r#""result":{result}"#)).await;
        let fixture = Fixture::new();
        for mut peer in peers(&fixture).await {
            for tool in ["ask_model", "ask_roots"] {
                let name = peer.to_string();
                let (mut pending, question) = peer.asked(tool).await;
                pending
                    .reply(&question, &format!(r#""result":{result}"#))
                    .await;
                let answer = pending.answer().await;
                assert_eq!(
                    answer["result"]["isError"], true,
                    "{name}: {tool}: {answer}"
                );
            }
        }
    }
}
