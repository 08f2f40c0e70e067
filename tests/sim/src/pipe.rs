//! One direction of a byte stream: capacity, delay, corruption, half-open, cut.

use std::collections::VecDeque;

/// See the module.
#[derive(Debug)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    /// From when on how many of the bytes can be read.
    arrivals: VecDeque<(u64, usize)>,
    capacity: usize,
    delay: u64,
    /// Nothing more is written; what is in it can be read.
    cut: bool,
    /// Bytes that went through, in and out.
    pub moved: u64,
    /// Nothing moves.
    pub stalled: bool,
    /// Of all bytes that were written.
    pub digest: u64,
}

/// Goes on with a digest (FNV-1a).
#[must_use]
pub fn digested(digest: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(digest, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Pipe {
    /// A pipe that holds `capacity` bytes and takes `delay` microseconds.
    #[must_use]
    pub fn new(capacity: usize, delay: u64) -> Self {
        Self {
            bytes: VecDeque::new(),
            arrivals: VecDeque::new(),
            capacity: capacity.max(1),
            delay,
            cut: false,
            moved: 0,
            stalled: false,
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// How many bytes can be written.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.cut {
            return usize::MAX;
        }
        if self.stalled {
            return 0;
        }
        self.capacity - self.bytes.len()
    }

    /// Writes; into a pipe that is cut, nowhere.
    pub fn write(&mut self, now: u64, bytes: &[u8]) {
        self.moved += bytes.len() as u64;
        self.digest = digested(self.digest, bytes);
        if self.cut {
            return;
        }
        self.bytes.extend(bytes);
        if !bytes.is_empty() {
            self.arrivals
                .push_back((now.saturating_add(self.delay), bytes.len()));
        }
    }

    /// Reads at most `max` bytes that have arrived.
    pub fn read(&mut self, now: u64, max: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        if self.stalled {
            return taken;
        }
        while let Some((at, left)) = self.arrivals.front_mut() {
            if *at > now || taken.len() >= max {
                break;
            }
            let n = (*left).min(max - taken.len());
            taken.extend(self.bytes.drain(..n));
            *left -= n;
            self.moved += n as u64;
            if *left == 0 {
                self.arrivals.pop_front();
            }
        }
        taken
    }

    /// Everything in it has arrived.
    pub fn hurry(&mut self) {
        for (at, _) in &mut self.arrivals {
            *at = 0;
        }
    }

    /// Changes one byte.
    pub fn corrupt(&mut self, at: usize, with: u8) -> bool {
        let len = self.bytes.len();
        if len == 0 {
            return false;
        }
        self.bytes[at % len] = with;
        true
    }

    /// Nothing more is written.
    pub fn finish(&mut self) {
        self.cut = true;
    }

    /// Nothing more is written, and what is in it is lost.
    pub fn cut(&mut self) {
        self.cut = true;
        self.stalled = false;
        self.bytes.clear();
        self.arrivals.clear();
    }

    /// Whether it is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether the reader has everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// When the next bytes arrive.
    #[must_use]
    pub fn next_arrival(&self) -> Option<u64> {
        self.arrivals
            .front()
            .map(|(at, _)| *at)
            .filter(|_| !self.stalled)
    }
}
