//! Lines that are no answer, and lines in pieces.

use mcp_proto::client::{ClientEvent, Outcome, RequestOptions, Violation};
use mcp_proto::json::MalformedKind;
use mcp_types::Revision;
use serde_json::{Value, json};

use super::rig::{Rig, ended, profile, progress, result, tagged, violation};

#[test]
fn stray_lines_are_counted_never_answered_and_forgiven_by_good_messages() {
    let mut profile = profile();
    profile.limits.violations = 3;
    let mut rig = Rig::with(profile);
    for _ in 0..20 {
        assert_eq!(
            violation(&rig.hear_line("INFO starting up")),
            Violation::Malformed(MalformedKind::Syntax)
        );
        let id = rig.send("tools/list", "t");
        rig.hear(&result(id, json!({})));
        rig.written();
    }
    let waiting = rig.send("tools/list", "waits");
    rig.written();
    for _ in 0..3 {
        rig.hear_line("[]");
    }
    let events = rig.hear_line("[]");
    assert!(
        matches!(events[..], [
            ClientEvent::Violation(Violation::Malformed(MalformedKind::Batch)),
            ClientEvent::Ended { id, token: "waits", outcome: Outcome::Lost },
            ClientEvent::Closed { misbehaved: true },
        ] if id == waiting),
        "{events:?}"
    );
    assert!(rig.written().is_empty());
    assert!(rig.hear_line("[]").is_empty());
    assert!(rig.input.is_empty(), "what nobody reads is dropped");
}

#[test]
fn an_oversized_line_is_skipped_and_the_next_one_is_read() {
    let mut profile = profile();
    profile.limits.max_message = 100;
    for chunk in [1, 7, 99, 100, 101, 1000] {
        let mut rig = Rig::with(profile.clone());
        rig.chunk = chunk;
        let id = rig.send("tools/list", "t");
        assert_eq!(
            violation(&rig.hear_line(&"x".repeat(500))),
            Violation::TooLong
        );
        assert_eq!(ended(&rig.hear(&result(id, json!({})))).0, "t");
    }
}

#[test]
fn an_error_without_an_id_is_reported_and_ends_nothing() {
    let mut rig = Rig::new();
    rig.send("tools/list", "t");
    for id in ["", "\"id\":null,"] {
        let line =
            format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32700,"message":"what?"}}}}"#);
        let events = rig.hear_line(&line);
        assert!(matches!(&events[..], [ClientEvent::Unaddressed(error)] if error.code() == -32700));
    }
    assert_eq!(rig.client.in_flight(), 1);
}

#[test]
fn the_events_do_not_depend_on_how_the_bytes_arrive() {
    fn transcript(chunk: usize) -> (Vec<String>, Vec<Value>) {
        let mut rig = Rig::legacy();
        rig.chunk = chunk;
        let (a, b) = (rig.send("tools/call", "a"), rig.send("tools/list", "b"));
        rig.client.speak(Revision::LATEST);
        let s = rig.send_with("subscriptions/listen", "s", RequestOptions::UNLIMITED);
        let lines = [
            "\u{feff}log line".to_owned(),
            progress(a, 1.0).to_string() + "\r",
            String::new(),
            progress(a, 0.5).to_string(),
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}".to_owned(),
            tagged(
                "subscriptions/acknowledged",
                s,
                json!({"notifications":{"toolsListChanged":true}}),
            )
            .to_string(),
            tagged("tools/list_changed", s, json!({})).to_string(),
            result(b, json!({"tools":["\u{1f600}"]})).to_string(),
            " \t".to_owned(),
            json!({"jsonrpc":"2.0","id":s.wire(),"error":{"code":-1,"message":"e"}}).to_string(),
            result(a, json!([])).to_string(),
        ];
        let mut events: Vec<String> = Vec::new();
        for line in lines {
            let heard = rig.hear_line(&line);
            events.extend(heard.iter().map(|event| format!("{event:?}")));
        }
        rig.client.end_of_input();
        events.extend(rig.events().iter().map(|event| format!("{event:?}")));
        (events, rig.written())
    }
    let whole = transcript(usize::MAX);
    assert_eq!(whole.0.len(), 10, "{:#?}", whole.0);
    for chunk in 1..300 {
        assert_eq!(transcript(chunk), whole, "chunks of {chunk}");
    }
}
