//! Wherever the bytes are cut, they mean the same: for any bytes, not only those that somebody thought of.

use mcp_http1::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::driven::run;
use crate::smuggling::REFUSED;
use crate::vectors::ACCEPTED;

/// What requests are made of, well or badly.
const PARTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"POST /mcp HTTP/1.1\r\n",
    b"POST / HTTP/1.0\r\n",
    b"host: a\r\n",
    b"content-length: 3\r\n",
    b"content-length: 0\r\n",
    b"transfer-encoding: chunked\r\n",
    b"connection: close\r\n",
    b"connection: keep-alive\r\n",
    b"expect: 100-continue\r\n",
    b"x: y\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b":",
    b"abc",
    b"3\r\nabc\r\n",
    b"1;x=y\r\n.\r\n",
    b"0\r\n\r\n",
    b"0\r\n",
    b"\0",
    b"\xff",
];

pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = vec(select(PARTS), 0..24).prop_map(|parts| parts.concat());
    let known = vec(
        (0..ACCEPTED.len() + REFUSED.len(), 0..80_usize, any::<u8>()),
        1..4,
    );
    let mutated = known.prop_map(|picks| {
        let mut all = Vec::new();
        for (index, at, byte) in picks {
            let message = match ACCEPTED.get(index) {
                Some((_, bytes, _)) => bytes,
                None => REFUSED[index - ACCEPTED.len()].1,
            };
            let mut message = message.to_vec();
            // Most of them are left as they are.
            if let (Some(place), true) = (message.get_mut(at), byte < 64) {
                *place = byte;
            }
            all.extend(message);
        }
        all
    });
    prop_oneof![pieces, mutated, vec(any::<u8>(), 0..64)]
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        0..60_usize,
        0..90_usize,
        0..5_usize,
        0..9_usize,
        0..5_usize,
        0..20_usize,
    )
        .prop_map(|(line, head, headers, chunk, extensions, trailers)| {
            let mut limits = Limits::default();
            limits.max_request_line = line;
            limits.max_head = head;
            limits.max_headers = headers;
            limits.max_chunk_line = chunk;
            limits.max_extensions = extensions;
            limits.max_trailers = trailers;
            limits
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn it_does_not_matter_where_the_bytes_are_cut(
        bytes in bytes(),
        limits in prop_oneof![3 => Just(Limits::default()), 1 => limits()],
        sizes in vec(1..40_usize, 1..8),
    ) {
        let expected = run(limits, [&bytes[..]]);
        let mut rest = &bytes[..];
        let mut sizes = sizes.iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let size = (*sizes.next()?).min(rest.len());
            let (piece, later) = rest.split_at(size);
            rest = later;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(run(limits, pieces), expected);
    }
}
