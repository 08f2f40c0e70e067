//! A machine behind TLS, against the client of rustls.

mod ends;
mod files;
mod pair;

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use mcp_server::Machine;
use rustls::version::{TLS12, TLS13};

use self::pair::{HIGH, Pair, Probe, client_config, client_of};
use super::session::RECORD;
use super::{OUT_HIGH, Phase};

/// The longest record there is.
const SEALED: usize = RECORD + 256;

/// A machine that says this as soon as it can.
fn saying(what: &'static str) -> Probe {
    Probe {
        say: [Bytes::from_static(what.as_bytes())].into(),
        ..Probe::default()
    }
}

fn pieces(whole: &[u8], size: usize) -> VecDeque<Bytes> {
    whole.chunks(size).map(Bytes::copy_from_slice).collect()
}

/// Bytes of which no two near each other are the same.
fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn both_versions_are_spoken_in_pieces_of_any_size() {
    for version in [&TLS12, &TLS13] {
        for piece in [1, 2, 3, 5, 64, 1000, usize::MAX] {
            let client = client_of(client_config(true, &[version]));
            let mut pair = Pair::of(saying("hello"), client);
            pair.client_says(b"good day");
            pair.settle_in(piece);
            assert_eq!(pair.client.protocol_version(), Some(version.version));
            assert_eq!(pair.probe().heard, b"good day");
            assert_eq!(pair.got, b"hello");
            assert!(pair.demand.read && !pair.demand.done && pair.out.is_empty());
        }
    }
}

#[test]
fn every_split_of_every_flight_comes_to_the_same() {
    for version in [&TLS12, &TLS13] {
        let mut splits = vec![0; 2];
        let mut flight = 0;
        let mut at = 0;
        while flight < splits.len() {
            let client = client_of(client_config(true, &[version]));
            let mut pair = Pair::of(saying("hello"), client);
            pair.client_says(b"good day");
            for (number, length) in splits.iter_mut().enumerate() {
                let bytes = pair.flight();
                *length = bytes.len();
                if number == flight {
                    let (head, tail) = bytes.split_at(at.min(bytes.len()));
                    pair.feed(head, usize::MAX);
                    pair.poll();
                    pair.feed(tail, usize::MAX);
                } else {
                    pair.feed(&bytes, usize::MAX);
                }
                while pair.deliver(usize::MAX) {}
            }
            pair.settle();
            assert_eq!(pair.probe().heard, b"good day", "{flight} {at}");
            assert_eq!(pair.got, b"hello", "{flight} {at}");
            at += 1;
            if at >= splits[flight] {
                (flight, at) = (flight + 1, 0);
            }
        }
        assert!(splits.iter().all(|length| *length > 40), "{splits:?}");
    }
}

#[test]
fn the_machine_hears_nothing_before_the_handshake_is_complete() {
    let mut pair = Pair::new(saying("hello"));
    let hello = pair.flight();
    pair.feed(&hello, 1);
    assert!(!pair.out.is_empty(), "the server's part of the handshake");
    assert_eq!(pair.probe().polls, 0);
}

#[test]
fn a_large_answer_waits_for_its_reader_in_bounded_memory() {
    let whole = text(1 << 20);
    for piece in [100, 3000, 100_000, 1 << 20] {
        let mut pair = Pair::connected(Probe::default());
        pair.probe().say = pieces(&whole, piece);
        let mut most = 0;
        while pair.got.len() < whole.len() {
            pair.poll();
            most = most.max(pair.out.len());
            assert!(
                pair.server.said.len() < HIGH + piece,
                "as the machine has it"
            );
            if !pair.server.said.is_empty() {
                assert!(pair.out.is_full(), "what is not encrypted waits for room");
            }
            assert!(pair.deliver(9000), "nothing moves at {}", pair.got.len());
        }
        assert!(pair.got == whole);
        assert!((OUT_HIGH..OUT_HIGH + SEALED).contains(&most), "{most}");
    }
}

#[test]
fn a_large_request_waits_for_a_machine_that_takes_nothing() {
    let whole = text(1 << 20);
    let mut pair = Pair::connected(Probe::default());
    pair.client.set_buffer_limit(None);
    pair.client_says(&whole);
    let flight = pair.flight();
    let (mut rest, mut turns) = (&flight[..], 0);
    while !rest.is_empty() || !pair.server.plain.is_empty() {
        turns += 1;
        // It listens now and then.
        pair.probe().deaf = turns % 3 != 0;
        if pair.poll().read {
            let (piece, more) = rest.split_at(rest.len().min(RECORD));
            pair.input.extend_from_slice(piece);
            rest = more;
        }
        pair.poll();
        assert!(pair.input.len() <= SEALED, "less than a record is left");
        assert!(
            pair.server.plain.len() <= 2 * RECORD,
            "no more than was read"
        );
    }
    assert!(pair.probe().heard == whole);
}

#[test]
fn while_the_machine_does_not_want_to_read_nothing_is_read_and_it_still_speaks() {
    let mut pair = Pair::connected(Probe::default());
    pair.probe().deaf = true;
    pair.client_says(b"are you there?");
    let flight = pair.flight();
    pair.feed(&flight, usize::MAX);
    assert!(!pair.demand.read);
    pair.probe().say.push_back(Bytes::from_static(b"busy"));
    pair.settle();
    assert_eq!(pair.got, b"busy");
    assert_eq!(pair.probe().heard, b"");
    pair.probe().deaf = false;
    assert!(pair.poll().read);
    assert_eq!(pair.probe().heard, b"are you there?");
}

#[test]
fn small_pieces_go_together_and_large_ones_fill_records() {
    let mut pair = Pair::connected(Probe::default());
    pair.probe().say = (0..100)
        .map(|_| Bytes::from_static(b"ten bytes."))
        .collect();
    pair.poll();
    assert!(pair.out.len() < 1000 + 64, "one record: {}", pair.out.len());
    pair.settle();
    pair.probe().say.push_back(text(2 * RECORD).into());
    pair.poll();
    assert!(pair.out.len() < 2 * RECORD + 2 * 64, "{}", pair.out.len());
}

#[test]
fn an_idle_connection_holds_no_buffers() {
    let mut pair = Pair::connected(Probe::default());
    pair.client_says(&text(50_000));
    pair.probe().say.push_back(text(3000).into());
    pair.settle();
    assert_eq!(pair.server.plain.capacity(), 0);
    let mut buffer = bytes::BytesMut::new();
    pair.server.said.exchange_buffer(&mut buffer);
    assert_eq!(buffer.capacity(), 0);
    assert!(pair.input.is_empty());
    assert!(size_of_val(&pair.server.session) <= 2048);
}

#[test]
fn only_http_1_1_is_negotiated_and_no_negotiation_is_needed() {
    let offering = |protocols: &[&str]| {
        let mut config = client_config(true, rustls::ALL_VERSIONS);
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let mut pair = Pair::of(Probe::default(), client_of(config));
        let hello = pair.flight();
        pair.feed(&hello, usize::MAX);
        pair
    };
    let mut both = offering(&["h2", "http/1.1"]);
    both.settle();
    assert_eq!(both.client.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut none = offering(&[]);
    none.settle();
    assert_eq!(none.server.phase, Phase::Traffic);
    let mut other = offering(&["h2"]);
    let alert = other.out.copy_to_bytes(other.out.remaining());
    other.client.read_tls(&mut &alert[..]).unwrap();
    let told = rustls::AlertDescription::NoApplicationProtocol;
    assert_eq!(
        other.client.process_new_packets().unwrap_err(),
        rustls::Error::AlertReceived(told)
    );
    assert_eq!(other.probe().polls, 0);
}

#[test]
fn early_data_is_never_taken() {
    let mut eager = (*pair::config().rustls()).clone();
    eager.max_early_data_size = 16 << 10;
    let config = super::TlsConfig::new(std::sync::Arc::new(eager));
    assert_eq!(config.rustls().max_early_data_size, 0);
}

#[test]
fn what_the_machine_says_of_the_connection_is_passed_on() {
    let mut pair = Pair::connected(Probe::default());
    let second = std::time::Duration::from_secs(1);
    let demand = pair.at(second);
    assert_eq!(demand.wakeup, Some(pair.now.instant + 1000 * second));
    assert!(!demand.cut);
    pair.probe().cut = true;
    assert!(pair.poll().cut);
    assert_eq!(pair.server.outbox().room(), OUT_HIGH);
}
