//! The outbox against a plain vector.

use std::io::{IoSlice, Write as _};

use bytes::{Buf, Bytes, BytesMut};
use mcp_proto::outbox::{Mark, Outbox};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    PutByte,
    PutShared(usize),
    Write(usize),
    Advance(usize),
    Mark,
    Rollback,
    TakePart,
    TakeBytes,
    CopyToBytes(usize),
    Clear,
    Exchange,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..200usize).prop_map(Step::Put),
        1 => Just(Step::PutByte),
        2 => prop_oneof![0..10usize, 4090..4100usize, 9000..9100usize].prop_map(Step::PutShared),
        1 => (0..50usize).prop_map(Step::Write),
        4 => (0..6000usize).prop_map(Step::Advance),
        2 => Just(Step::Mark),
        2 => Just(Step::Rollback),
        1 => Just(Step::TakePart),
        1 => Just(Step::TakeBytes),
        1 => (0..5000usize).prop_map(Step::CopyToBytes),
        1 => Just(Step::Clear),
        1 => Just(Step::Exchange),
    ]
}

/// All waiting bytes, as a vectored write would see them.
fn content(out: &Outbox) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 64];
    let used = out.chunks_vectored(&mut slices);
    assert!(used < slices.len());
    slices[..used]
        .iter()
        .flat_map(|slice| slice.iter().copied())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_queue_of_bytes(steps in prop::collection::vec(step(), 0..60)) {
        let mut out = Outbox::new(1 << 20);
        let mut model: Vec<u8> = Vec::new();
        let mut spare = BytesMut::from(&b"old"[..]);
        let mut fill = 0u8;
        // A mark, and how many bytes had been put before it.
        let mut mark: Option<(Mark, usize)> = None;
        let mut put = 0;
        let mut fresh = |len: usize| { fill = fill.wrapping_add(1); vec![fill; len] };
        for step in steps {
            match step {
                Step::Put(len) => { let bytes = fresh(len); out.put(&bytes); put += len; model.extend(bytes) }
                Step::PutByte => { let bytes = fresh(1); out.put_byte(bytes[0]); put += 1; model.extend(bytes) }
                Step::PutShared(len) => { let bytes = fresh(len); out.put_shared(Bytes::from(bytes.clone())); put += len; model.extend(bytes) }
                Step::Write(len) => { let bytes = fresh(len); out.write_all(&bytes).unwrap(); put += len; model.extend(bytes) }
                Step::Advance(len) => {
                    let len = len.min(model.len());
                    out.advance(len);
                    model.drain(..len);
                }
                Step::Mark => mark = Some((out.mark(), put)),
                Step::Rollback => if let Some((mark, at)) = mark {
                    out.rollback(mark);
                    let since = put.saturating_sub(at);
                    model.truncate(model.len().saturating_sub(since));
                    put = put.min(at);
                }
                Step::TakePart => {
                    let part = out.take_part().unwrap_or_default();
                    prop_assert_eq!(&part[..], &model[..part.len()]);
                    prop_assert_eq!(part.is_empty(), model.is_empty());
                    model.drain(..part.len());
                }
                Step::TakeBytes => {
                    prop_assert_eq!(&out.take_bytes()[..], &model[..]);
                    model.clear();
                }
                Step::CopyToBytes(len) => {
                    let len = len.min(model.len());
                    prop_assert_eq!(&out.copy_to_bytes(len)[..], &model[..len]);
                    model.drain(..len);
                }
                Step::Clear => { out.clear(); model.clear() }
                Step::Exchange => out.exchange_buffer(&mut spare),
            }
            prop_assert_eq!(out.len(), model.len());
            prop_assert_eq!(out.remaining(), model.len());
            prop_assert_eq!(content(&out), &model[..]);
            prop_assert!(model.is_empty() || !out.chunk().is_empty());
        }
    }
}

#[test]
fn large_payloads_are_not_copied_and_small_ones_coalesce() {
    let mut out = Outbox::new(100);
    let large = Bytes::from(vec![b'x'; 5000]);
    out.put(b"head");
    out.put_shared(Bytes::from_static(b" small "));
    out.put_shared(large.clone());
    out.put(b"tail");
    let parts: Vec<_> = std::iter::from_fn(|| out.take_part()).collect();
    assert_eq!(parts, [&b"head small "[..], &large, b"tail"]);
    assert_eq!(parts[1].as_ptr(), large.as_ptr());
    out.put_shared(large.clone());
    assert_eq!(out.take_bytes().as_ptr(), large.as_ptr());
}

#[test]
fn a_rolled_back_frame_leaves_no_trace() {
    let mut out = Outbox::new(100);
    out.put(b"kept");
    let mark = out.mark();
    out.put(b"half a frame");
    out.put_shared(Bytes::from(vec![0; 5000]));
    out.put(b"more");
    out.rollback(mark);
    assert_eq!(out.take_bytes(), "kept");
    assert!(out.is_empty() && out.take_part().is_none());
}

#[test]
fn a_rollback_cannot_take_back_what_was_written() {
    let mut out = Outbox::new(100);
    let mark = out.mark();
    out.put(b"abcdef");
    out.advance(4);
    out.rollback(mark);
    assert!(out.is_empty());
    out.put(b"next");
    assert_eq!(out.take_bytes(), "next");
}

#[test]
fn full_is_a_matter_of_the_high_water_mark() {
    let mut out = Outbox::new(4);
    assert!(!out.is_full() && out.room() == 4);
    out.put(b"abcde");
    assert!(out.is_full() && out.room() == 0);
    out.advance(2);
    assert!(!out.is_full() && out.room() == 1);
}

#[test]
#[should_panic(expected = "past the end")]
fn advancing_past_the_end_is_a_bug_of_the_driver() {
    Outbox::new(4).advance(1);
}
