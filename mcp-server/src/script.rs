//! The replay of a write-once handler: which question is answered already, and which is news.
//!
//! Owns the order of events of one run against the journal of the runs before it. Pure: no futures, no
//! locks, no time. Must never give a handler an answer to another question than the one that it asked.
//!
//! ```text
//!               ask (new key)                 suspended           the client's answer      ask
//!  (nothing) ─────────────────▶ Waiting, live ─────────▶ Waiting ───────────────────▶ Answered ───▶ Consumed
//!                                   │ its future is dropped (`select!`)                  │ not asked again
//!                                   ▼                                                    ▼
//!                                forgotten                                      carried on unused
//! ```
//!
//! A run must meet every consumed record again before it asks anything new; a handler that does not is not
//! the handler that wrote the journal, and fails with [`Diverged`]. Answers that no run has consumed yet
//! wait until then, so that a `select!` is decided as it was decided before.

use mcp_proto::json::text;

use crate::journal::{Bounds, Journal, Kind, Record, Status};

/// The longest key of a question, in bytes.
const MAX_KEY: usize = 128;

/// The replay met a question that does not fit its journal, or ended without one that it should have met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diverged {
    /// The key in the journal.
    pub(crate) key: String,
}

/// What a question comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The raw answer. Call [`Script::consume`] once it has been found valid.
    Answer(usize, String),
    /// Answered, but earlier answers come first; ask [`Script::retry`] when polled again.
    Held(usize),
    /// To be sent to the client.
    Open(usize),
    /// The chain has asked too often.
    TooManyRounds,
    /// Not a key that we can use.
    BadKey,
}

/// A record and what this run has done with it.
#[derive(Debug)]
struct Entry {
    record: Record,
    /// A consumed record that this run has not met yet.
    unmet: bool,
    /// Somebody in this run waits for the answer.
    live: bool,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Script {
    entries: Vec<Entry>,
    /// How often each key was asked in this run.
    asked: Vec<(String, u32)>,
    chain: [u8; 16],
    rounds: u8,
    /// Consumed records that this run has yet to meet.
    unmet: usize,
    /// The last round asked for something, and this run has not come to that point yet.
    before_frontier: bool,
    /// Answers no longer wait for their turn.
    released: bool,
    /// `inputResponses` of a request without state: an object, raw.
    candidates: String,
    bounds: Bounds,
}

impl Script {
    /// A run without a journal; `candidates` is the raw `inputResponses` object or empty.
    pub(crate) fn first(chain: [u8; 16], candidates: &str, bounds: Bounds) -> Self {
        Self {
            entries: Vec::new(),
            asked: Vec::new(),
            chain,
            rounds: 0,
            unmet: 0,
            before_frontier: false,
            released: false,
            candidates: candidates.to_owned(),
            bounds,
        }
    }

    /// A run against `journal`; of `responses`, only answers to its open questions count.
    pub(crate) fn resume(journal: Journal, responses: &str, bounds: Bounds) -> Self {
        let mut script = Self::first(journal.chain, "", bounds);
        script.rounds = journal.rounds;
        for mut record in journal.records {
            if record.status == Status::Waiting
                && let Some(answer) = text::get(responses, &record.key)
            {
                record.status = Status::Answered;
                answer.clone_into(&mut record.answer);
            }
            let unmet = record.status == Status::Consumed;
            script.unmet += usize::from(unmet);
            script.before_frontier |= !unmet;
            script.entries.push(Entry {
                record,
                unmet,
                live: false,
            });
        }
        script
    }

    pub(crate) const fn chain(&self) -> [u8; 16] {
        self.chain
    }

    /// Whether this run has come to where the last one stopped: only from there on is anything news.
    pub(crate) const fn past_frontier(&self) -> bool {
        self.unmet == 0 && !self.before_frontier
    }

    /// The handler asks.
    pub(crate) fn ask(&mut self, key: &str, kind: Kind, digest: u64) -> Result<Asked, Diverged> {
        // `#` numbers the questions of one key.
        if key.is_empty() || key.len() > MAX_KEY || key.contains('#') {
            return Ok(Asked::BadKey);
        }
        let key = self.number(key);
        let Some(index) = self
            .entries
            .iter()
            .position(|entry| entry.record.key == key)
        else {
            return Ok(self.ask_new(key, kind, digest));
        };
        let entry = &mut self.entries[index];
        if entry.record.kind != kind || entry.record.digest != digest {
            return Err(Diverged { key });
        }
        match entry.record.status {
            Status::Consumed => {
                if core::mem::take(&mut entry.unmet) {
                    self.unmet -= 1;
                }
                Ok(Asked::Answer(index, entry.record.answer.clone()))
            }
            Status::Answered => Ok(self.retry(index)),
            Status::Waiting => {
                self.before_frontier = false;
                Ok(self.open(index))
            }
        }
    }

    fn ask_new(&mut self, key: String, kind: Kind, digest: u64) -> Asked {
        // What was done once is known from a state that opened, never from what a client says.
        let candidates = Some(&self.candidates).filter(|_| kind != Kind::Once);
        let candidate = candidates.and_then(|candidates| text::get(candidates, &key));
        let candidate = candidate.map(str::to_owned);
        let status = if candidate.is_some() {
            Status::Answered
        } else {
            Status::Waiting
        };
        let record = Record {
            key,
            kind,
            status,
            digest,
            answer: candidate.unwrap_or_default(),
        };
        self.entries.push(Entry {
            record,
            unmet: false,
            live: false,
        });
        let index = self.entries.len() - 1;
        if status == Status::Answered {
            self.retry(index)
        } else {
            self.open(index)
        }
    }

    fn open(&mut self, index: usize) -> Asked {
        let entry = &mut self.entries[index];
        // Doing work needs no round trip.
        if u32::from(self.rounds) >= self.bounds.rounds && entry.record.kind != Kind::Once {
            return Asked::TooManyRounds;
        }
        entry.live = true;
        Asked::Open(index)
    }

    /// A held question is looked at again.
    pub(crate) fn retry(&mut self, index: usize) -> Asked {
        self.before_frontier = false;
        if self.unmet > 0 && !self.released {
            return Asked::Held(index);
        }
        Asked::Answer(index, self.entries[index].record.answer.clone())
    }

    /// The handler has the answer and goes on from there.
    pub(crate) fn consume(&mut self, index: usize) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.record.status = Status::Consumed;
            entry.live = false;
        }
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn abandon(&mut self, index: usize) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.live = false;
        }
    }

    /// Nothing else can happen before the held answers are handed out.
    pub(crate) const fn release(&mut self) {
        self.released = true;
    }

    pub(crate) const fn is_released(&self) -> bool {
        self.released
    }

    /// Whether a question has to go to the client.
    pub(crate) fn has_open(&self) -> bool {
        self.waits(|kind| kind != Kind::Once)
    }

    /// Whether memoised work is under way: it is never dropped for the sake of a question.
    pub(crate) fn is_working(&self) -> bool {
        self.waits(|kind| kind == Kind::Once)
    }

    fn waits(&self, of: impl Fn(Kind) -> bool) -> bool {
        let open = |entry: &Entry| entry.live && entry.record.status == Status::Waiting;
        self.entries
            .iter()
            .any(|entry| open(entry) && of(entry.record.kind))
    }

    /// The work is done.
    pub(crate) fn record(&mut self, index: usize, result: String) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.record.answer = result;
            self.consume(index);
        }
    }

    /// The handler is done.
    pub(crate) fn finish(&self) -> Result<(), Diverged> {
        let unmet = self.entries.iter().find(|entry| entry.unmet);
        unmet.map_or(Ok(()), |entry| {
            Err(Diverged {
                key: entry.record.key.clone(),
            })
        })
    }

    /// The run ends here, waiting for the client.
    pub(crate) fn suspend(&self, unix_ms: u64) -> Result<Journal, Diverged> {
        self.finish()?;
        let records = self
            .entries
            .iter()
            .filter(|entry| match entry.record.status {
                Status::Consumed => true,
                // Valid, but nobody came for it: maybe in the next run.
                Status::Answered => self.candidates.is_empty(),
                Status::Waiting => entry.live && entry.record.kind != Kind::Once,
            });
        Ok(Journal {
            rounds: self.rounds.saturating_add(1),
            expires: unix_ms.saturating_add(self.bounds.lifetime_ms),
            chain: self.chain,
            records: records.map(|entry| entry.record.clone()).collect(),
        })
    }

    /// Whether the result depends on what the client was asked.
    pub(crate) fn is_dialogue(&self) -> bool {
        self.rounds > 0
            || self
                .entries
                .iter()
                .any(|entry| entry.record.kind != Kind::Once)
    }

    /// The key of an entry, as the client sees it.
    pub(crate) fn key(&self, index: usize) -> &str {
        self.entries
            .get(index)
            .map_or("", |entry| &entry.record.key)
    }

    /// `key`, then `key#2`, `key#3` …
    fn number(&mut self, key: &str) -> String {
        if let Some((_, count)) = self.asked.iter_mut().find(|(known, _)| known == key) {
            *count += 1;
            return format!("{key}#{count}");
        }
        self.asked.push((key.to_owned(), 1));
        key.to_owned()
    }
}
