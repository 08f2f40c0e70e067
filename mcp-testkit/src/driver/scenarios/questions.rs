//! Questions of the server's: a request to the client in the older era, an answer that asks in the latest.

use serde_json::{Value, json};

use super::{BOTH, EVERYWHERE, LEGACY};
use crate::driver::case::{Case, Client};
use crate::driver::messages::{Era, text};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(super) const ROWS: &[Scenario] = rows![
    (EVERYWHERE, BOTH):
        a_question_goes_there_and_back;
    (EVERYWHERE, LEGACY):
        a_question_without_an_answer_ends_by_itself;
];

fn a_question_goes_there_and_back(case: &Case) {
    let (_server, mut client) = case.client(&Settings::default());
    let accepted = json!({ "action": "accept", "content": { "name": "Ada" } });
    for _ in 0..2 {
        let answer = match case.era {
            Era::Legacy => {
                let mut reply = |question: &Value| {
                    assert_eq!(question["method"], "elicitation/create", "{question}");
                    let id = &question["id"];
                    Some(json!({ "jsonrpc": "2.0", "id": id, "result": accepted }))
                };
                exchange(
                    &mut *client,
                    json!({ "name": "ask", "arguments": {} }),
                    &mut reply,
                )
            }
            Era::Modern => {
                let asked = client.call("ask", json!({}));
                let result = &asked["result"];
                assert_eq!(result["resultType"], "input_required", "{asked}");
                assert_eq!(
                    result["inputRequests"]["name"]["method"], "elicitation/create",
                    "{asked}"
                );
                let retry = json!({
                    "name": "ask", "arguments": {}, "requestState": result["requestState"],
                    "inputResponses": { "name": accepted },
                });
                exchange(&mut *client, retry, &mut |_| None)
            }
        };
        assert_eq!(text(&answer), "Hello Ada");
    }
}

fn exchange(
    client: &mut dyn Client,
    params: Value,
    reply: &mut dyn FnMut(&Value) -> Option<Value>,
) -> Value {
    let id = client.fresh_id();
    let request = client.era().request(id, "tools/call", params);
    client.exchange(&request, reply).pop().expect("an answer")
}

fn a_question_without_an_answer_ends_by_itself(case: &Case) {
    let settings = Settings {
        request_timeout: Some(150),
        ..Settings::default()
    };
    let (_server, mut client) = case.client(&settings);
    let mut asked = 0;
    let mut silence = |_: &Value| {
        asked += 1;
        None
    };
    // Nothing moves on the connection meanwhile: only a timer ends the wait.
    let call = json!({ "name": "ask", "arguments": {} });
    let answer = exchange(&mut *client, call, &mut silence);
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(asked >= 1, "nothing was asked");
    let answer = client.call("echo", json!({ "text": "x" }));
    assert_eq!(text(&answer), "x");
}
