//! Questions of the server's that are never answered.

use super::*;

#[tokio::test]
async fn row_71_progress_for_ever_and_no_answer() {
    let limits = Limits {
        request_timeout: Duration::from_millis(400),
        ..Default::default()
    };
    let fixture = Fixture::with(|server| server.limits(limits));
    for mut peer in Peer::both(&fixture.service, "2025-11-25").await {
        let name = peer.to_string();
        let (mut pending, question) = peer.asked("ask").await;
        let note = json!({
            "jsonrpc": "2.0", "method": "notifications/progress",
            "params": { "progressToken": question["id"], "progress": 1 },
        });
        // The limit is a hard one: whatever the client reports, the call ends.
        let mut reports = 0;
        let answer = loop {
            if let Ok(answer) =
                tokio::time::timeout(Duration::from_millis(20), pending.answer()).await
            {
                break answer;
            }
            pending.tell(&note.to_string()).await;
            reports += 1;
            assert!(reports < 400, "{name}: still waiting");
        };
        assert!(reports > 0, "{name}");
        assert_eq!(answer["result"]["isError"], true, "{name}: {answer}");
        // What comes too late is nobody's.
        let late = r#""result":{"action":"accept","content":{"name":"Ada"}}"#;
        let status = pending.reply(&question, late).await;
        assert!(
            status.is_none_or(|status| status == 202),
            "{name}: {status:?}"
        );
        pending.leave();
        let answer = peer.call("echo", json!({ "text": "x" })).await;
        assert_eq!(answer["result"]["content"][0]["text"], "x", "{name}");
    }
}
