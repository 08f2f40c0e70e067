//! Tasks, which this server does not have: nothing can be asked of one that somebody else might own.

use super::*;

#[tokio::test]
async fn row_91_there_are_no_tasks_of_anybody() {
    let fixture = Fixture::new();
    for mut peer in Peer::each(&fixture.service).await {
        for method in ["tasks/get", "tasks/result", "tasks/cancel", "tasks/list"] {
            let answer = peer.request(method, json!({ "taskId": "1" })).await;
            assert_eq!(code(&answer), -32601, "{peer}: {method}: {answer}");
        }
    }
}

#[tokio::test]
async fn row_91_a_call_that_wants_to_be_a_task_is_an_ordinary_call() {
    let fixture = Fixture::new();
    for mut peer in Peer::both(&fixture.service, "2025-11-25").await {
        // Who declares no tasks must take such a request as if the member were not there.
        let params =
            json!({ "name": "echo", "arguments": { "text": "x" }, "task": { "ttl": 60_000 } });
        let answer = peer.request("tools/call", params).await;
        assert_eq!(
            answer["result"]["content"][0]["text"], "x",
            "{peer}: {answer}"
        );
        assert!(answer["result"].get("task").is_none(), "{peer}: {answer}");
    }
}
