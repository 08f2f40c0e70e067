//! What ends of a lane have in common: reading what was written, comparing, choosing.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;

use bytes::Buf;
use mcp_proto::id::CallId;
use mcp_proto::outbox::Outbox;
use mcp_proto::time::{Instant, Now};
use serde_json::{Value, json};

use super::World;
use crate::failure::{Checked, require};
use crate::model::slab::Key;
use crate::model::tree;
use crate::mutation::Mutation;
use crate::pipe::Pipe;

/// How long the largest frame of an honest application is.
pub const LARGEST: usize = 24 << 10;

/// How often bytes are moved on in one operation.
pub const TURNS: u32 = 100;

/// The present.
#[must_use]
pub fn at(world: &World) -> Now {
    Now::new(Instant::from_micros(world.now), world.unix_ms)
}

/// What a driver is told about the next deadline.
pub fn told(world: &World, real: Option<u64>) -> Option<u64> {
    if world.mutates(Mutation::DropWakeup) {
        None
    } else if world.mutates(Mutation::HotLoop) {
        Some(world.now)
    } else {
        real
    }
}

/// How many bytes move.
pub fn portion(a: u32) -> usize {
    match a % 10 {
        0 => 1,
        1 => (a >> 8) as usize % 16 + 1,
        2 | 3 => (a >> 8) as usize % 400 + 1,
        _ => usize::MAX,
    }
}

/// Moves bytes from an outbox into a pipe.
pub fn pump(
    now: u64,
    out: &mut Outbox,
    pipe: &mut Pipe,
    max: usize,
    mut change: impl FnMut(&mut [u8]),
) -> usize {
    let mut moved = 0;
    while moved < max && out.has_remaining() {
        let n = out.chunk().len().min(pipe.room()).min(max - moved);
        if n == 0 {
            break;
        }
        let mut bytes = out.chunk()[..n].to_vec();
        change(&mut bytes);
        pipe.write(now, &bytes);
        out.advance(n);
        moved += n;
    }
    moved
}

/// The messages beyond the first `before` bytes, and their lengths.
pub fn written(out: &Outbox, before: usize) -> Checked<(Vec<Value>, Vec<usize>)> {
    if out.len() == before {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut slices = [IoSlice::new(&[]); 256];
    let used = out.chunks_vectored(&mut slices);
    let mut skip = before;
    let mut bytes: Vec<u8> = Vec::with_capacity(out.len() - before);
    for slice in &slices[..used] {
        let from = skip.min(slice.len());
        skip -= from;
        bytes.extend_from_slice(&slice[from..]);
    }
    let (mut messages, mut lengths) = (Vec::new(), Vec::new());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        lengths.push(line.len());
        let text = line.strip_suffix(b"\n");
        require!(text.is_some(), WellFormed, "a message without its ending");
        let tree = text.and_then(tree::parse);
        let Some(tree) = tree else {
            require!(
                false,
                WellFormed,
                "not JSON: {}",
                String::from_utf8_lossy(line)
            );
            break;
        };
        messages.push(tree.value());
    }
    Ok((messages, lengths))
}

/// Compares what was written with what should have been; what an error says is left open.
pub fn compare(who: &str, world: &World, messages: &[Value], expected: &[Value]) -> Checked {
    let plain_one = |message: &Value| {
        let mut message = message.clone();
        if let Some(error) = message.get_mut("error").and_then(Value::as_object_mut) {
            error.remove("message");
            error.remove("data");
            if world.mutates(Mutation::Drift) {
                error.insert("code".into(), json!(1));
            }
        }
        message
    };
    let plain = |message: &Value| match message.as_array() {
        Some(members) => members.iter().map(plain_one).collect(),
        None => plain_one(message),
    };
    let same = messages.len() == expected.len()
        && messages.iter().zip(expected).all(|(m, e)| plain(m) == *e);
    require!(
        same,
        ModelAgrees,
        "the {who} wrote {}, the model {}",
        Value::from(messages.to_vec()),
        Value::from(expected.to_vec())
    );
    Ok(())
}

/// Slot and generation of a handle.
pub fn key_of(id: CallId) -> Key {
    let number = id.as_u64();
    ((number & 0xffff_ffff) as u32, (number >> 32) as u32)
}

/// Keeps the newest few.
pub fn remember<T>(list: &mut VecDeque<T>, value: T) {
    if list.len() >= 16 {
        list.pop_front();
    }
    list.push_back(value);
}

/// One of the list, if there is any.
pub fn nth<'a, T>(list: impl ExactSizeIterator<Item = &'a T>, n: u32) -> Option<&'a T> {
    let len = list.len().max(1);
    let mut list = list;
    list.nth(n as usize % len)
}

/// One of the keys, if there is any.
pub fn nth_key<V>(map: &BTreeMap<u64, V>, n: u32) -> Option<u64> {
    let len = map.len().max(1);
    map.keys().nth(n as usize % len).copied()
}
