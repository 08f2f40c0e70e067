//! Bytes that come in pieces, that are no messages, or that are too many.

use serde_json::{Value, json};

use super::{BOTH, LINES};
use crate::driver::case::Case;
use crate::driver::messages::{code, text};
use crate::driver::settings::Settings;
use crate::driver::table::{Scenario, rows};

pub(super) const ROWS: &[Scenario] = rows![
    (LINES, BOTH):
        a_message_in_pieces_of_one_byte,
        a_message_cut_where_it_hurts,
        a_message_beyond_the_limit_is_refused_and_the_stream_lives,
        what_is_no_message_is_answered_and_the_stream_lives,
        blank_lines_and_carriage_returns_are_tolerated,
        nonsense_without_end_ends_the_connection;
];

fn a_message_in_pieces_of_one_byte(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let request = peer.message(
        "tools/call",
        json!({ "name": "echo", "arguments": { "text": "日本" } }),
    );
    peer.note(&request);
    for byte in format!("{request}\n").bytes() {
        peer.wire.write(&[byte]).expect("the server reads");
    }
    assert_eq!(text(&peer.answer_to(&request["id"])), "日本");
    peer.works_and_nothing_came();
}

fn a_message_cut_where_it_hurts(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    // The end of one message and the start of the next come together.
    let requests: Vec<Value> = ["one", "two", "three"]
        .iter()
        .map(|said| {
            peer.message(
                "tools/call",
                json!({ "name": "echo", "arguments": { "text": said } }),
            )
        })
        .collect();
    requests.iter().for_each(|request| peer.note(request));
    let all: String = requests
        .iter()
        .map(|request| format!("{request}\n"))
        .collect();
    let (mut start, length) = (0, requests[0].to_string().len());
    for end in [length / 2, length, length + 2, 2 * length + 20, all.len()] {
        peer.wire
            .write(&all.as_bytes()[start..end])
            .expect("the server reads");
        // Long enough to be two reads, most of the time.
        std::thread::sleep(std::time::Duration::from_millis(10));
        start = end;
    }
    for (request, said) in requests.iter().zip(["one", "two", "three"]) {
        assert_eq!(text(&peer.answer_to(&request["id"])), said);
    }
}

fn a_message_beyond_the_limit_is_refused_and_the_stream_lives(case: &Case) {
    let settings = Settings {
        max_message: Some(100_000),
        ..Settings::default()
    };
    let (_server, mut peer) = case.lines(&settings);
    // Far more than any buffer on the way holds.
    let line = vec![b'x'; 3 << 20];
    peer.wire.write(&line).expect("the server reads on");
    peer.wire.write(b"\n").expect("the server reads on");
    let refused = peer.next();
    assert_eq!(code(&refused), -32600, "{refused}");
    peer.works_and_nothing_came();
    let fits = "y".repeat(90_000);
    assert_eq!(text(&peer.call("echo", json!({ "text": fits }))), fits);
}

fn what_is_no_message_is_answered_and_the_stream_lives(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    for (line, expected) in [
        (&b"{"[..], -32700),
        (b"hello", -32700),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}",
            -32700,
        ),
        (b"\"a string\"", -32600),
        (
            b"{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"ping\"}",
            -32600,
        ),
    ] {
        peer.raw(&[line, b"\n"].concat());
        let refused = peer.next();
        assert_eq!(code(&refused), expected, "{refused}");
        peer.works_and_nothing_came();
    }
}

fn blank_lines_and_carriage_returns_are_tolerated(case: &Case) {
    let (_server, mut peer) = case.lines(&Settings::default());
    let request = peer.message(
        "tools/call",
        json!({ "name": "echo", "arguments": { "text": "x" } }),
    );
    peer.raw(format!("\n\r\n{request}\r\n\n").as_bytes());
    assert_eq!(text(&peer.answer_to(&request["id"])), "x");
    peer.works_and_nothing_came();
}

fn nonsense_without_end_ends_the_connection(case: &Case) {
    let (mut server, mut peer) = case.lines(&Settings::default());
    // More of it than anybody forgives; it may be over before all is written.
    for _ in 0..400 {
        if peer.wire.write(b"nonsense\n").is_err() {
            break;
        }
    }
    let mut piece = [0; 4096];
    let until = std::time::Instant::now() + crate::driver::wire::PATIENCE;
    while peer
        .wire
        .read_within(crate::driver::wire::PATIENCE, &mut piece)
        != Some(0)
    {
        assert!(std::time::Instant::now() < until, "it goes on");
    }
    if !super::LISTENERS.contains(&case.transport) {
        server.ends_within(crate::driver::wire::PATIENCE);
    }
}
