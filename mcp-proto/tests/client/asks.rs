//! What a server asks of its client.

use mcp_proto::client::{ClientEvent, Violation};
use mcp_proto::error::WireError;
use mcp_proto::outbox::Outbox;
use mcp_types::{ClientCapabilities, Revision};
use serde_json::{Value, json};

use super::rig::{Rig, profile, violation};

#[test]
fn a_modern_server_that_asks_is_not_answered() {
    let mut rig = Rig::new();
    let ask = json!({"jsonrpc":"2.0","id":1,"method":"ping"});
    assert_eq!(violation(&rig.hear(&ask)), Violation::RequestInModernEra);
    assert!(rig.written().is_empty());
}

#[test]
fn a_legacy_server_asks_and_is_answered() {
    let mut rig = Rig::legacy();
    let ask = |id: Value, method: &str| json!({"jsonrpc":"2.0","id":id,"method":method});
    assert!(rig.hear(&ask(json!("p"), "ping")).is_empty());
    assert_eq!(
        rig.written(),
        [json!({"jsonrpc":"2.0","id":"p","result":{}})]
    );
    for method in ["sampling/createMessage", "tools/list", "nope"] {
        assert!(rig.hear(&ask(json!(1), method)).is_empty());
        assert_eq!(
            rig.written()[0]["error"]["code"],
            -32601,
            "{method} was not offered"
        );
    }
    let handle = |events: &[ClientEvent<&'static str>]| match events {
        [ClientEvent::Asked { id, .. }] => *id,
        other => panic!("{other:?}"),
    };
    let roots = handle(&rig.hear(&ask(json!(7), "roots/list")));
    let form = handle(&rig.hear(&ask(json!("7"), "elicitation/create")));
    assert_eq!(
        violation(&rig.hear(&ask(json!(7), "roots/list"))),
        Violation::DuplicateRequest
    );
    assert_eq!(rig.written()[0]["error"]["code"], -32600);
    rig.client
        .respond(roots, "{\"roots\":[]}", &mut rig.out)
        .unwrap();
    assert!(rig.client.respond(roots, "{}", &mut rig.out).is_err());
    assert_eq!(
        rig.written(),
        [json!({"jsonrpc":"2.0","id":7,"result":{"roots":[]}})]
    );
    let events = rig.hear(
        &json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}),
    );
    assert!(matches!(events[..], [ClientEvent::Forgotten { id }] if id == form));
    assert!(
        rig.client
            .fail(form, &WireError::internal("x"), &mut rig.out)
            .is_err()
    );
    let again = handle(&rig.hear(&ask(json!("7"), "elicitation/create")));
    rig.client
        .fail(again, &WireError::internal("x"), &mut rig.out)
        .unwrap();
    assert_eq!(rig.written()[0]["error"]["code"], -32603);
    assert_eq!(rig.client.asked_for(), 0);
}

#[test]
fn only_modes_of_elicitation_that_were_declared_are_handed_on() {
    let (form, url) = (
        json!({"message": "?", "requestedSchema": {"type": "object", "properties": {}}}),
        json!({"mode": "url", "message": "?", "url": "https://example.com", "elicitationId": "e"}),
    );
    let mut named = form.clone();
    named["mode"] = json!("form");
    let mut strange = form.clone();
    strange["mode"] = json!("dance");
    for (declared, forms, urls) in [
        (r#"{"elicitation":{}}"#, true, false),
        (r#"{"elicitation":{"url":{}}}"#, false, true),
        (r#"{"elicitation":{"form":{},"url":{}}}"#, true, true),
    ] {
        let mut profile = profile();
        profile.revision = Revision::V2025_11_25;
        profile.capabilities = serde_json::from_str::<ClientCapabilities>(declared).unwrap();
        let mut rig = Rig::with(profile);
        for (id, params, asked) in [
            (1, &form, forms),
            (2, &named, forms),
            (3, &url, urls),
            (4, &strange, false),
        ] {
            let question = json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params});
            let events = rig.hear_line(&question.to_string());
            assert_eq!(
                matches!(events[..], [ClientEvent::Asked { .. }]),
                asked,
                "{declared}: {params}"
            );
            let refused = rig.written().first().map(|it| it["error"]["code"].clone());
            assert_eq!(refused, (!asked).then(|| json!(-32602)));
        }
    }
}

#[test]
fn what_a_legacy_server_can_ask_at_once_is_bounded() {
    let mut rig = {
        let mut profile = profile();
        profile.revision = Revision::V2025_11_25;
        profile.capabilities =
            serde_json::from_str::<ClientCapabilities>(r#"{"roots":{}}"#).unwrap();
        profile.limits.max_calls = 2;
        profile.limits.violations = 5;
        Rig::with(profile)
    };
    let ask = |id: u32| json!({"jsonrpc":"2.0","id":id,"method":"roots/list"});
    rig.hear(&ask(1));
    rig.hear(&ask(2));
    assert_eq!(violation(&rig.hear(&ask(3))), Violation::TooManyRequests);
    assert_eq!(rig.written()[0]["error"]["code"], -32603);
    // A server that asks and asks but never reads: the answers end, too.
    rig.out = Outbox::new(1);
    for id in 10..1000 {
        rig.hear(&json!({"jsonrpc":"2.0","id":id,"method":"ping"}));
    }
    assert!(rig.written().len() <= 7);
    assert!(rig.hear(&ask(4)).is_empty());
    assert_eq!(rig.client.asked_for(), 0, "closed");
}
