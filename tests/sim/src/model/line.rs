//! What the modelled ends of a line have in common, whichever of the two they are.
//!
//! Owns the bytes that came, the answers that wait for their batch, what is written in a step, and the way to the end. What a
//! message means is said by [`client`](super::client) and [`server`](super::server).

use serde_json::Value;

use super::batch::{self, Batches};
use super::{Patience, Split, Splitter};

/// How much the outbox holds: what was there plus what the machine wrote, message by message.
#[derive(Debug)]
pub struct Room<'a> {
    /// Bytes before the step.
    pub before: usize,
    /// Lengths of the messages that the machine wrote in the step.
    pub lengths: &'a [usize],
}

/// What arrived.
#[derive(Debug)]
pub(super) enum Arrived {
    /// A line without its ending.
    Line(Vec<u8>),
    /// A line that is too long.
    TooLong,
    /// Nothing complete so far.
    Nothing,
    /// Nothing, and nothing more will.
    Over,
}

/// See the module.
#[derive(Debug)]
pub struct LineEnd {
    pub(super) lines: Splitter,
    pub(super) batches: Batches,
    /// The batch whose member is being received.
    pub(super) member_of: Option<batch::Number>,
    pub(super) patience: Patience,
    pub(super) misbehaved: bool,
    /// The end was said.
    pub(super) closed: bool,
    /// What the present step has written.
    pub(super) out: Vec<Value>,
    pub(super) over: bool,
    /// The outbox is full from here on.
    outbox_high: usize,
}

impl LineEnd {
    /// An end that has heard nothing, by the machine's limits.
    pub(super) fn new(max_message: usize, violations: u32, outbox_high: usize) -> Self {
        Self {
            lines: Splitter::new(max_message),
            batches: Batches::default(),
            member_of: None,
            patience: Patience::new(violations),
            misbehaved: false,
            closed: false,
            out: Vec::new(),
            over: false,
            outbox_high,
        }
    }

    /// Bytes arrive.
    pub fn input(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// No more do.
    pub fn end_of_input(&mut self) {
        self.over = true;
    }

    /// What the last step has written.
    pub fn written(&mut self) -> Vec<Value> {
        core::mem::take(&mut self.out)
    }

    /// What has arrived; at the end of the stream its rest is a line.
    pub(super) fn arrived(&mut self) -> Arrived {
        match self.lines.next_line() {
            Split::Line(line) => Arrived::Line(line),
            Split::TooLong => Arrived::TooLong,
            Split::More if self.over => match self.lines.finish() {
                Some(line) => Arrived::Line(line),
                None => Arrived::Over,
            },
            Split::More => Arrived::Nothing,
        }
    }

    /// Whether the outbox takes no more.
    pub(super) fn full(&self, room: &Room<'_>) -> bool {
        let written: usize = room.lengths.iter().take(self.out.len()).sum();
        room.before + written >= self.outbox_high
    }

    /// The peer broke a rule.
    pub(super) fn violation(&mut self) {
        self.misbehaved |= !self.patience.lose();
    }

    /// Says something, or keeps it for the batch that it belongs to.
    pub(super) fn say(&mut self, message: Value) {
        match self.member_of {
            Some(number) => self.batches.say(number, message),
            None => self.out.push(message),
        }
    }

    pub(super) fn send_batches(&mut self) {
        self.out.extend(self.batches.complete());
    }

    /// What a member of a batch asked for has ended.
    pub(super) fn member_ended(&mut self, number: Option<batch::Number>) {
        if let Some(number) = number {
            self.batches.ended(number);
            self.send_batches();
        }
    }
}
