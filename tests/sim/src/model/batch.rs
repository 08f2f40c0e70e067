//! Batches: what answers the members of one goes out together, once all of it is there.

use std::collections::VecDeque;

use serde_json::Value;

/// Which one; a number is never used twice.
pub type Number = u64;

/// Those of one stream that are not answered yet.
#[derive(Debug, Default)]
pub struct Batches {
    open: Vec<Batch>,
    begun: Number,
}

#[derive(Debug)]
struct Batch {
    number: Number,
    /// Members that were not read.
    unread: VecDeque<Vec<u8>>,
    is_read: bool,
    answers: Vec<Value>,
    pending: usize,
}

impl Batches {
    /// A batch begins.
    pub fn begin(&mut self, members: Vec<Vec<u8>>) {
        self.begun += 1;
        self.open.push(Batch {
            number: self.begun,
            unread: members.into(),
            is_read: false,
            answers: Vec::new(),
            pending: 0,
        });
    }

    /// A member of the one that is being read.
    pub fn next_member(&mut self) -> Option<(Number, Vec<u8>)> {
        let batch = self.open.iter_mut().find(|batch| !batch.is_read)?;
        Some((batch.number, batch.unread.pop_front()?))
    }

    /// The member was received; it is answered later, or it is not.
    pub fn received(&mut self, number: Number, pending: bool) {
        if let Some(batch) = self.get(number) {
            batch.pending += usize::from(pending);
            batch.is_read = batch.unread.is_empty();
        }
    }

    /// Nobody reads on.
    pub fn stop(&mut self) {
        for batch in &mut self.open {
            batch.is_read = true;
        }
    }

    /// An answer to a member.
    pub fn say(&mut self, number: Number, answer: Value) {
        if let Some(batch) = self.get(number) {
            batch.answers.push(answer);
        }
    }

    /// A pending member has ended.
    pub fn ended(&mut self, number: Number) {
        if let Some(batch) = self.get(number) {
            batch.pending -= 1;
        }
    }

    /// Answers that wait, and members that others wait for.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let each = self.open.iter().map(|b| b.answers.len() + b.pending);
        each.sum()
    }

    /// What is complete, as messages.
    pub fn complete(&mut self) -> Vec<Value> {
        let done = |batch: &Batch| batch.is_read && batch.pending == 0;
        let messages = self.open.iter().filter(|batch| done(batch));
        let messages: Vec<Value> = messages
            .filter(|batch| !batch.answers.is_empty())
            .map(|batch| Value::Array(batch.answers.clone()))
            .collect();
        self.open.retain(|batch| !done(batch));
        messages
    }

    fn get(&mut self, number: Number) -> Option<&mut Batch> {
        self.open.iter_mut().find(|batch| batch.number == number)
    }
}
