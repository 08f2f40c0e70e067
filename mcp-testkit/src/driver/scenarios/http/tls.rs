//! What only TLS has: peers that do not speak it, or not to the end.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::driver::case::Case;
use crate::driver::http::{Link, Request};
use crate::driver::messages::text;
use crate::driver::scenarios::{BOTH, HTTPS, MODERN};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};
use crate::driver::wire::PATIENCE;

pub(in crate::driver::scenarios) const ROWS: &[Scenario] = rows![
    (HTTPS, MODERN):
        a_client_without_tls_gets_an_alert_and_hurts_nobody,
        a_handshake_that_never_comes_is_given_up,
        handshakes_that_never_end_do_not_keep_a_listener;
    (HTTPS, BOTH):
        a_connection_ends_with_close_notify;
];

fn raw(case: &Case, settings: &Settings) -> (crate::driver::case::Server, TcpStream) {
    let server = case.serve(settings);
    let socket = TcpStream::connect(server.address().socket).expect("the listener takes it");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    (server, socket)
}

fn a_client_without_tls_gets_an_alert_and_hurts_nobody(case: &Case) {
    let (server, mut plain) = raw(case, &Settings::default());
    let request = Request::modern(&case.era.call(1, "pend", json!({ "gate": "never" })));
    plain.write_all(&request.bytes()).expect("it is read");
    let mut answer = Vec::new();
    plain
        .read_to_end(&mut answer)
        .expect("an end without a reset");
    // An alert, fatal (RFC 8446 section 6).
    assert!(
        answer.starts_with(&[21, 3]) && answer.len() == 7,
        "{answer:?}"
    );
    assert_eq!(server.world().seen().started, 0);
    server.caller().works();
}

fn a_handshake_that_never_comes_is_given_up(case: &Case) {
    let settings = Settings {
        head_deadline: Some(200),
        ..Settings::default()
    };
    let (server, mut silent) = raw(case, &settings);
    let mut half = TcpStream::connect(server.address().socket).expect("the listener takes it");
    half.set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    half.write_all(&[22, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3])
        .expect("it is read");
    for socket in [&mut silent, &mut half] {
        let read = socket.read(&mut [0; 64]);
        assert!(!matches!(read, Ok(1..)), "{read:?}");
        if let Err(error) = read {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
}

fn handshakes_that_never_end_do_not_keep_a_listener(case: &Case) {
    let (mut server, silent) = raw(case, &Settings::default());
    server.caller().works();
    server.stop();
    server.ends();
    drop(silent);
}

fn a_connection_ends_with_close_notify(case: &Case) {
    let (mut server, mut caller) = case.http(&Settings::default());
    let request = caller.calling("echo", json!({ "text": "x" }));
    let mut last = Link::open(server.address());
    last.write(&request.with("connection", "close").bytes());
    assert_eq!(text(&caller.last(&last.answer())), "x");
    assert_eq!(last.closed(), "");
    assert!(last.wire.is_closed_in_order());
    let mut idle = Link::open(server.address());
    idle.write(&Request::new("GET", "/livez").bytes());
    assert_eq!(idle.answer().status, 200);
    // A client may leave without a word: that is an end like any other.
    let rude = Link::open(server.address());
    rude.wire.close_socket_write();
    server.stop();
    assert_eq!(idle.closed(), "");
    assert!(idle.wire.is_closed_in_order());
    server.ends();
}
