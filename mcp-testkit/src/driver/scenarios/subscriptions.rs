//! Change notifications: they come from other threads, while nothing else happens.

use serde_json::{Value, json};

use super::{BOTH, LINES, MODERN, STOPPABLE};
use crate::driver::case::Case;
use crate::driver::fixture::WATCHED;
use crate::driver::lines::Peer;
use crate::driver::messages::{Era, SUBSCRIPTION, cancel};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(super) const ROWS: &[Scenario] = rows![
    (LINES, BOTH):
        a_change_is_told_while_the_connection_is_idle,
        a_change_of_a_list_is_told,
        nobody_is_told_what_they_no_longer_want;
    (STOPPABLE, MODERN):
        a_subscription_is_completed_when_the_server_ends;
];

/// Subscribes to the resource and to the list of tools; returns the id of the subscription, if it has one.
fn subscribe(peer: &mut Peer, era: Era) -> Value {
    if era == Era::Legacy {
        let answer = peer.request("resources/subscribe", json!({ "uri": WATCHED }));
        assert!(answer.get("result").is_some(), "{answer}");
        return Value::Null;
    }
    let filter = json!({ "resourceSubscriptions": [WATCHED], "toolsListChanged": true });
    let listen = peer.message("subscriptions/listen", json!({ "notifications": filter }));
    peer.send(&listen);
    // First of all.
    let acknowledged = peer.next();
    assert_eq!(
        acknowledged["method"], "notifications/subscriptions/acknowledged",
        "{acknowledged}"
    );
    assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], listen["id"]);
    listen["id"].clone()
}

fn a_change_is_told_while_the_connection_is_idle(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let id = subscribe(&mut peer, case.era);
    for ms in [0, 1, 3, 10, 40] {
        peer.call("touch_later", json!({ "ms": ms }));
        let updated = peer.next();
        assert_eq!(
            updated["method"], "notifications/resources/updated",
            "{updated}"
        );
        assert_eq!(updated["params"]["uri"], WATCHED, "{updated}");
        assert_eq!(updated["params"]["_meta"][SUBSCRIPTION], id, "{updated}");
    }
    peer.works_and_nothing_came();
}

fn a_change_of_a_list_is_told(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    subscribe(&mut peer, case.era);
    for there in [true, false] {
        peer.call("change_later", json!({ "ms": 10 }));
        let changed = peer.next();
        assert_eq!(
            changed["method"], "notifications/tools/list_changed",
            "{changed}"
        );
        let list = peer.request("tools/list", json!({}));
        assert_eq!(list.to_string().contains("visitor"), there, "{list}");
    }
    peer.works_and_nothing_came();
}

fn nobody_is_told_what_they_no_longer_want(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let id = subscribe(&mut peer, case.era);
    if case.era == Era::Legacy {
        let answer = peer.request("resources/unsubscribe", json!({ "uri": WATCHED }));
        assert!(answer.get("result").is_some(), "{answer}");
    } else {
        peer.send(&cancel(id));
    }
    peer.works_and_nothing_came();
    peer.call("touch_later", json!({ "ms": 0 }));
    assert!(peer.is_quiet());
    peer.works_and_nothing_came();
}

fn a_subscription_is_completed_when_the_server_ends(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    let id = subscribe(&mut peer, case.era);
    peer.works_and_nothing_came();
    server.stop();
    let rest = peer.rest();
    assert_eq!(rest[0]["id"], id, "{rest:?}");
    assert_eq!(rest[0]["result"]["resultType"], "complete", "{rest:?}");
    server.ends();
}
