//! The reference model: what the machines have to do, written down as plainly as possible.
//!
//! Owns ordered maps and whole trees, and shares no code with the machines. Slow and obvious is the point.

pub mod batch;
pub mod client;
pub mod line;
pub mod server;
pub mod slab;
pub mod tree;

/// Lines out of bytes, as dumb as can be.
#[derive(Debug)]
pub struct Splitter {
    max: usize,
    buffer: Vec<u8>,
    /// So many bytes have no ending in them.
    searched: usize,
    skipping: bool,
    begun: bool,
}

/// What a splitter has.
#[derive(Debug, PartialEq, Eq)]
pub enum Split {
    /// A line without its ending.
    Line(Vec<u8>),
    /// A line that is too long.
    TooLong,
    /// Nothing complete.
    More,
}

impl Splitter {
    /// Lines of at most `max` bytes.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self {
            max,
            buffer: Vec::new(),
            searched: 0,
            skipping: false,
            begun: false,
        }
    }

    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Drops what is there.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.searched = 0;
    }

    /// The next line.
    pub fn next_line(&mut self) -> Split {
        if !self.begun {
            const BOM: &[u8] = b"\xEF\xBB\xBF";
            if self.buffer.starts_with(BOM) {
                self.buffer.drain(..3);
            } else if BOM.starts_with(&self.buffer) {
                return Split::More;
            }
            self.begun = true;
        }
        loop {
            let mut unseen = self.buffer[self.searched..].iter();
            let Some(at) = unseen.position(|b| *b == b'\n') else {
                self.searched = self.buffer.len();
                let spare = usize::from(self.buffer.last() == Some(&b'\r'));
                if self.skipping || self.buffer.len() - spare > self.max {
                    self.clear();
                    if !core::mem::replace(&mut self.skipping, true) {
                        return Split::TooLong;
                    }
                }
                return Split::More;
            };
            let at = self.searched + at;
            let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
            self.searched = 0;
            line.pop();
            if core::mem::take(&mut self.skipping) {
                continue;
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if line.len() > self.max {
                return Split::TooLong;
            }
            if !blank(&line) {
                return Split::Line(line);
            }
        }
    }

    /// The rest, when nothing more comes.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let mut line = core::mem::take(&mut self.buffer);
        self.searched = 0;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let wanted =
            !core::mem::take(&mut self.skipping) && line.len() <= self.max && !blank(&line);
        wanted.then_some(line)
    }
}

fn blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'))
}

/// Patience: each violation costs one, each good message gives one back.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    left: u32,
    full: u32,
}

impl Patience {
    /// Patience for `full` violations.
    #[must_use]
    pub const fn new(full: u32) -> Self {
        Self { left: full, full }
    }

    /// Counts a violation; says whether it is still forgiven.
    pub fn lose(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }

    /// Counts a good message.
    pub fn regain(&mut self) {
        self.left = self.full.min(self.left + 1);
    }
}
