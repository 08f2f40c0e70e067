//! How requests end without an answer: cancelled, too late, or with the stream.

use mcp_proto::client::{ClientEvent, Limit, Outcome, RequestOptions, Violation};
use serde_json::json;

use super::rig::{Rig, SECOND, ended, progress, result, tagged, violation};

#[test]
fn a_cancelled_request_gives_its_token_back_and_hears_nothing_more() {
    let mut rig = Rig::new();
    let id = rig.send("tools/list", "a");
    rig.written();
    assert_eq!(
        rig.client.cancel(id, Some("no \"need\""), &mut rig.out),
        Ok("a")
    );
    assert!(rig.client.cancel(id, None, &mut rig.out).is_err());
    assert_eq!(
        rig.written(),
        [json!({"jsonrpc":"2.0","method":"notifications/cancelled",
            "params":{"requestId":id.wire(),"reason":"no \"need\""}})]
    );
    assert!(rig.hear(&progress(id, 1.0)).is_empty());
    assert!(
        rig.hear(&result(id, json!({}))).is_empty(),
        "it crossed the notice"
    );
    assert_eq!(
        violation(&rig.hear(&result(id, json!({})))),
        Violation::UnknownResponse,
        "one answer can be late, not two"
    );
}

#[test]
fn progress_renews_the_idle_deadline_and_never_the_total() {
    let mut rig = Rig::new();
    let options = RequestOptions::default()
        .deadlines(Some(SECOND * 2), Some(SECOND * 5))
        .progress();
    let id = rig.send_with("tools/call", "t", options);
    let mut value = 0.0;
    for _ in 0..4 {
        assert!(rig.wait(SECOND).is_empty());
        value += 1.0;
        let events = rig.hear(&progress(id, value));
        assert!(
            matches!(&events[..], [ClientEvent::Progress { id: of, progress }]
                if *of == id && progress.progress == value)
        );
    }
    rig.written();
    assert_eq!(
        ended(&rig.wait(SECOND)),
        ("t", Outcome::TimedOut(Limit::Total))
    );
    assert_eq!(
        rig.written()[0]["params"]["requestId"],
        id.wire(),
        "the server is told"
    );

    let id = rig.send_with("tools/call", "u", options);
    rig.hear(&progress(id, 1.0));
    assert_eq!(
        violation(&rig.hear(&progress(id, 1.0))),
        Violation::ProgressNotIncreasing
    );
    assert_eq!(
        ended(&rig.wait(SECOND * 2)),
        ("u", Outcome::TimedOut(Limit::Idle))
    );
}

#[test]
fn the_wake_up_is_never_late_and_never_stands_still() {
    let mut rig = Rig::new();
    let of = |s| RequestOptions::default().deadlines(Some(SECOND * s), None);
    let first = rig.send_with("tools/call", "1", of(1));
    rig.send_with("tools/call", "3", of(3));
    rig.send_with("tools/call", "2", of(2));
    assert_eq!(
        rig.client.poll_timeout().map(|w| w.at),
        Some(rig.now.instant + SECOND)
    );
    rig.client.cancel(first, None, &mut rig.out).unwrap();
    let mut ends = Vec::new();
    let mut last = None;
    while let Some(wakeup) = rig.client.poll_timeout() {
        rig.now.instant = wakeup.at;
        let events = rig.events();
        assert!(
            !events.is_empty() || last < Some(wakeup.at),
            "a wake-up in vain moves the deadline"
        );
        last = Some(wakeup.at);
        ends.extend(events.iter().map(|event| match event {
            ClientEvent::Ended { token, .. } => *token,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(ends, ["2", "3"]);
}

#[test]
fn after_a_jump_of_the_clock_everything_due_ends_earliest_first() {
    let mut rig = Rig::new();
    let of = |s| RequestOptions::default().deadlines(None, Some(SECOND * s));
    for (token, seconds) in [("c", 3), ("a", 1), ("d", 9), ("b", 2)] {
        rig.send_with("tools/call", token, of(seconds));
    }
    let tokens = |events: Vec<ClientEvent<&'static str>>| -> Vec<&'static str> {
        events
            .iter()
            .map(|e| ended(std::slice::from_ref(e)).0)
            .collect()
    };
    let events = rig.wait(SECOND * 5);
    assert_eq!(tokens(events), ["a", "b", "c"]);
    assert_eq!(rig.client.in_flight(), 1);
}

#[test]
fn initialize_is_never_cancelled_on_the_wire() {
    let mut rig = Rig::legacy();
    let options = RequestOptions::default().deadlines(Some(SECOND), None);
    rig.send_with("initialize", "a", options);
    let b = rig.send_with("initialize", "b", RequestOptions::UNLIMITED);
    rig.written();
    assert_eq!(
        ended(&rig.wait(SECOND)),
        ("a", Outcome::TimedOut(Limit::Idle))
    );
    assert_eq!(rig.client.cancel(b, None, &mut rig.out), Ok("b"));
    assert!(rig.written().is_empty());
}

#[test]
fn the_silence_of_a_subscription_can_be_bounded() {
    let mut rig = Rig::new();
    let options = RequestOptions::UNLIMITED.deadlines(Some(SECOND * 2), None);
    let id = rig.send_with("subscriptions/listen", "s", options);
    rig.wait(SECOND);
    rig.hear(&tagged(
        "subscriptions/acknowledged",
        id,
        json!({"notifications":{"toolsListChanged":true}}),
    ));
    rig.wait(SECOND);
    rig.hear(&tagged("tools/list_changed", id, json!({})));
    assert!(rig.wait(SECOND).is_empty());
    assert_eq!(
        ended(&rig.wait(SECOND)),
        ("s", Outcome::TimedOut(Limit::Idle))
    );
}

#[test]
fn the_end_of_the_stream_ends_everything_once() {
    for chunk in [1, 10, 1000] {
        let mut rig = Rig::legacy();
        rig.chunk = chunk;
        let (a, _) = (rig.send("tools/list", "a"), rig.send("tools/call", "b"));
        rig.hear(&json!({"jsonrpc":"2.0","id":1,"method":"roots/list"}));
        // The last line has no ending.
        rig.input
            .extend_from_slice(result(a, json!({})).to_string().as_bytes());
        assert!(rig.events().is_empty());
        rig.client.end_of_input();
        assert!(rig.client.poll_timeout().is_some(), "what waits is visible");
        let events = rig.events();
        assert!(
            matches!(
                &events[..],
                [
                    ClientEvent::Ended {
                        token: "a",
                        outcome: Outcome::Complete(_),
                        ..
                    },
                    ClientEvent::Ended {
                        token: "b",
                        outcome: Outcome::Lost,
                        ..
                    },
                    ClientEvent::Forgotten { .. },
                    ClientEvent::Closed { misbehaved: false },
                ]
            ),
            "{events:?}"
        );
        assert!(rig.events().is_empty());
        assert_eq!(rig.client.poll_timeout(), None);
        assert!(
            rig.client
                .notify("notifications/initialized", "", &mut rig.out)
                .is_err()
        );
    }
}
