//! Every way of ending, in good order and otherwise.

use std::time::Duration;

use bytes::{Buf, Bytes};
use mcp_server::Machine;

use super::pair::{Pair, Probe, Then, client_config, client_of};
use super::{pieces, saying, text};
use crate::tls::session::UNFINISHED_MAX;
use crate::tls::{LINGER, LINGER_MAX, Phase};

/// Nothing that could be read by who should not: an alert, unencrypted.
fn is_alert(bytes: &[u8]) -> bool {
    bytes.len() == 7 && bytes.starts_with(&[21, 3]) && bytes[5] == 2
}

fn said(pair: &mut Pair) -> Bytes {
    pair.out.copy_to_bytes(pair.out.remaining())
}

#[test]
fn a_client_that_speaks_plain_http_is_told_so_and_let_go() {
    let mut pair = Pair::new(saying("secret"));
    pair.feed(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n\r\n", usize::MAX);
    assert!(is_alert(&said(&mut pair)));
    assert!(pair.demand.close_write && !pair.demand.done && pair.demand.read);
    // It may speak on for a while, so that it reads the alert and no reset takes it away.
    pair.feed(b"GET / HTTP/1.1\r\n\r\n", usize::MAX);
    assert!(!pair.demand.done && pair.input.is_empty() && pair.out.is_empty());
    pair.server.end_of_input();
    assert!(pair.poll().done);
    assert_eq!(pair.probe().polls, 0);
}

#[test]
fn garbage_is_answered_with_an_alert_whatever_its_first_byte_is() {
    for first in 0..=255 {
        let mut pair = Pair::new(Probe::default());
        let garbage: Vec<u8> = (0..600).map(|at| first ^ (at * 31) as u8).collect();
        pair.feed(&garbage, 1);
        let answer = said(&mut pair);
        assert!(
            answer.is_empty() || is_alert(&answer),
            "{first}: {answer:?}"
        );
        // What could still become a record is bounded by the deadline.
        assert!(pair.demand.wakeup.is_some());
        assert!(pair.at(Duration::from_secs(10)).done);
        assert_eq!(pair.probe().polls, 0);
    }
}

#[test]
fn a_peer_that_goes_on_after_an_alert_is_cut_off() {
    let failed = || {
        let mut pair = Pair::new(Probe::default());
        pair.feed(b"hello there", usize::MAX);
        assert!(!pair.demand.done);
        pair
    };
    let mut slow = failed();
    assert_eq!(slow.demand.wakeup, Some(slow.now.instant + LINGER));
    assert!(!slow.at(LINGER - Duration::from_micros(1)).done);
    assert!(slow.at(LINGER).done);
    assert!(
        slow.out.is_empty(),
        "the alert is not waited for any longer"
    );
    let mut talkative = failed();
    talkative.feed(&vec![b'x'; LINGER_MAX - 100], 1000);
    assert!(!talkative.demand.done);
    talkative.feed(&[b'x'; 200], 200);
    assert!(talkative.demand.done);
    let mut ending = failed();
    ending.server.shutdown();
    assert!(ending.poll().done);
}

#[test]
fn a_handshake_has_its_time_whatever_trickles() {
    let mut pair = Pair::new(Probe::default());
    let hello = pair.flight();
    let deadline = Duration::from_secs(10);
    assert_eq!(pair.poll().wakeup, Some(pair.now.instant + deadline));
    for (second, byte) in hello[..9].iter().enumerate() {
        pair.input.extend_from_slice(&[*byte]);
        let demand = pair.at(Duration::from_secs(second as u64 + 1));
        assert!(demand.read && !demand.done);
    }
    assert!(pair.at(deadline).done);
    assert_eq!(pair.probe().polls, 0);
}

#[test]
fn a_handshake_that_is_late_ends_also_when_nothing_is_read() {
    let mut pair = Pair::new(Probe::default());
    let hello = pair.flight();
    pair.feed(&hello, usize::MAX);
    assert!(!pair.out.is_empty());
    let demand = pair.at(Duration::from_secs(10));
    assert!(demand.done && pair.out.is_empty());
}

#[test]
fn a_handshake_that_is_complete_has_no_deadline() {
    let mut pair = Pair::connected(Probe::default());
    let demand = pair.at(Duration::from_secs(11));
    assert!(!demand.done && demand.read);
}

#[test]
fn a_shutdown_or_an_end_during_the_handshake_is_the_end() {
    for end in [Machine::shutdown, Machine::end_of_input] {
        let mut pair = Pair::new(Probe::default());
        let hello = pair.flight();
        pair.feed(&hello, usize::MAX);
        end(&mut pair.server);
        assert!(pair.poll().done && pair.out.is_empty());
    }
}

#[test]
fn the_peers_close_notify_ends_the_input_and_answers_still_come() {
    let mut pair = Pair::connected(Probe::default());
    pair.client_says(b"last words");
    pair.client.send_close_notify();
    let mut flight = pair.flight();
    // What comes behind it is nobody's.
    flight.extend_from_slice(b"noise");
    pair.feed(&flight, 1);
    assert!(pair.probe().input_over);
    assert_eq!(pair.probe().heard, b"last words");
    assert!(!pair.demand.read && !pair.demand.done && pair.input.is_empty());
    let answer = text(100_000);
    pair.probe().say.push_back(answer.clone().into());
    pair.probe().then = Then::Done;
    pair.settle();
    assert!(pair.got == answer && pair.closed && pair.demand.done);
}

#[test]
fn an_end_without_close_notify_ends_the_input_after_what_was_complete() {
    let mut pair = Pair::connected(Probe::default());
    pair.client_says(b"whole");
    let whole = pair.flight();
    pair.client_says(b"cut off");
    let cut = pair.flight();
    pair.input.extend_from_slice(&whole);
    pair.input.extend_from_slice(&cut[..cut.len() - 1]);
    pair.server.end_of_input();
    pair.poll();
    assert_eq!(pair.probe().heard, b"whole", "no record counts in part");
    assert!(pair.probe().input_over);
    assert!(!pair.demand.read);
    // Whether that was the end of a message is for the machine to say; it may answer.
    pair.probe().say.push_back(Bytes::from_static(b"what?"));
    pair.probe().then = Then::Done;
    assert!(pair.poll().done);
    while pair.deliver(usize::MAX) {}
    assert_eq!(pair.got, b"what?");
    assert!(pair.closed);
}

#[test]
fn a_machine_that_is_done_says_so_with_close_notify() {
    let mut pair = Pair::connected(Probe::default());
    pair.probe().say.push_back(Bytes::from_static(b"bye"));
    pair.probe().then = Then::Done;
    assert!(pair.poll().done);
    let before = pair.out.len();
    assert!(pair.poll().done);
    assert_eq!(pair.out.len(), before, "once");
    while pair.deliver(1) {}
    assert_eq!(pair.got, b"bye");
    assert!(pair.closed);
}

#[test]
fn a_machine_that_closes_its_direction_still_hears() {
    let mut pair = Pair::connected(Probe::default());
    pair.probe().say.push_back(Bytes::from_static(b"enough"));
    pair.probe().then = Then::CloseWrite;
    let demand = pair.poll();
    assert!(demand.close_write && demand.read && !demand.done);
    pair.settle();
    assert!(pair.closed);
    pair.client_says(b"but");
    pair.settle();
    assert_eq!(pair.probe().heard, b"but");
    pair.probe().then = Then::Done;
    assert!(
        pair.poll().done && pair.out.is_empty(),
        "it was said already"
    );
}

#[test]
fn nothing_is_over_before_everything_is_in_the_outbox() {
    for then in [Then::Done, Then::CloseWrite] {
        let answer = text(500_000);
        let mut pair = Pair::connected(Probe::default());
        pair.probe().say = pieces(&answer, 7000);
        pair.server.shutdown();
        assert!(pair.probe().shut);
        pair.probe().then = then;
        loop {
            let demand = pair.poll();
            if demand.done || demand.close_write {
                break;
            }
            assert!(pair.deliver(10_000), "neither the end nor anything to send");
        }
        assert!(pair.server.said.is_empty() && pair.probe().say.is_empty());
        while pair.deliver(10_000) {}
        assert!(pair.got == answer && pair.closed);
    }
}

#[test]
fn a_record_that_was_tampered_with_ends_everything() {
    let mut pair = Pair::connected(Probe::default());
    pair.client_says(b"trusted");
    let good = pair.flight();
    pair.feed(&good, usize::MAX);
    pair.client_says(b"changed");
    let mut bad = pair.flight();
    *bad.last_mut().unwrap() ^= 1;
    pair.client_says(b"later");
    bad.extend(pair.flight());
    pair.feed(&bad, usize::MAX);
    assert_eq!(pair.probe().heard, b"trusted");
    assert!(pair.demand.close_write && !pair.out.is_empty());
    let alert = said(&mut pair);
    pair.client.read_tls(&mut &alert[..]).unwrap();
    let error = pair.client.process_new_packets().unwrap_err();
    let told = rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac);
    assert_eq!(error, told);
    // Nothing of the machine's follows an alert.
    pair.probe().say.push_back(Bytes::from_static(b"more"));
    pair.poll();
    assert!(pair.out.is_empty());
}

#[test]
fn a_client_that_does_not_trust_the_certificate_costs_nothing_more() {
    let client = client_of(client_config(false, rustls::ALL_VERSIONS));
    let mut pair = Pair::of(Probe::default(), client);
    let hello = pair.flight();
    pair.feed(&hello, usize::MAX);
    let flight = said(&mut pair);
    pair.client.read_tls(&mut &flight[..]).unwrap();
    pair.client.process_new_packets().unwrap_err();
    let alert = pair.flight();
    pair.feed(&alert, usize::MAX);
    assert!(matches!(pair.server.phase, Phase::Failed { .. }));
    assert!(pair.out.is_empty(), "an alert is not answered");
    assert_eq!(pair.probe().polls, 0);
}

#[test]
fn a_handshake_message_without_an_end_is_not_collected() {
    // A ClientHello that says that it has 65535 bytes, a byte in each record.
    let mut pair = Pair::new(Probe::default());
    pair.feed(&[22, 3, 1, 0, 4, 1, 0, 0xff, 0xff], usize::MAX);
    let mut most = 0;
    while !matches!(pair.server.phase, Phase::Failed { .. }) {
        pair.feed(&[22, 3, 1, 0, 1, b'x'].repeat(100), usize::MAX);
        assert!(pair.input.len() > most || pair.input.is_empty());
        most = most.max(pair.input.len());
    }
    assert!(most <= UNFINISHED_MAX, "{most}");
    // One that says that it is longer than any may be is refused at once.
    let mut pair = Pair::new(Probe::default());
    pair.feed(&[22, 3, 1, 0, 5, 1, 1, 0, 0, b'x'], usize::MAX);
    assert!(matches!(pair.server.phase, Phase::Failed { .. }));
    assert_eq!(pair.probe().polls, 0);
}
