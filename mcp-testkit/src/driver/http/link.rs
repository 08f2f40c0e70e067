//! One connection, and what comes on it cut into heads and bodies.
//!
//! Owns the framing of answers. Must never read past what a scenario asked for, nor write what it did not.

use std::time::{Duration, Instant};

use crate::driver::case::Address;
use crate::driver::wire::{PATIENCE, Wire};

/// More than any answer has.
const MOST_HEADERS: usize = 64;

/// A connection.
#[derive(Debug)]
pub(in crate::driver) struct Link {
    pub(in crate::driver) wire: Wire,
    buffer: Vec<u8>,
}

/// An answer: its head, and as much of its body as was read.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Answer {
    pub(in crate::driver) status: u16,
    headers: Vec<(String, String)>,
    pub(in crate::driver) body: Vec<u8>,
}

impl Answer {
    pub(in crate::driver) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice: {:?}", self.headers);
        value
    }

    pub(in crate::driver) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(in crate::driver) fn is_events(&self) -> bool {
        self.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    fn is_chunked(&self) -> bool {
        let coding = self.header("transfer-encoding");
        coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    /// How long its body is; `None` when only the end of the connection says so.
    fn length(&self) -> Option<usize> {
        if matches!(self.status, 100..200 | 204 | 304) {
            return Some(0);
        }
        let length = self.header("content-length");
        length.map(|length| length.parse().expect("a number"))
    }
}

impl Link {
    pub(in crate::driver) fn open(address: Address) -> Self {
        Self {
            wire: Wire::http(address),
            buffer: Vec::new(),
        }
    }

    /// Writes everything; the server must be there.
    #[track_caller]
    pub(in crate::driver) fn write(&mut self, bytes: &[u8]) {
        self.wire.write(bytes).expect("the server reads");
    }

    /// Reads more; `Some(false)` at the end, `None` when nothing comes within `limit`.
    fn more(&mut self, limit: Duration) -> Option<bool> {
        let mut piece = [0; 16 << 10];
        let read = self.wire.read_within(limit, &mut piece)?;
        self.buffer.extend_from_slice(&piece[..read]);
        Some(read > 0)
    }

    /// Reads more, which must come.
    #[track_caller]
    fn must(&mut self, what: &str) {
        let more = self.more(PATIENCE);
        let so_far = || String::from_utf8_lossy(&self.buffer).into_owned();
        match more {
            Some(true) => {}
            Some(false) => panic!("the connection ended before {what}: {}", so_far()),
            None => panic!("no {what} in time: {}", so_far()),
        }
    }

    /// Whether nothing comes for as long as `limit`.
    pub(in crate::driver) fn is_quiet(&mut self, limit: Duration) -> bool {
        self.buffer.is_empty() && self.more(limit).is_none()
    }

    /// The next head, if one comes before the connection ends; interim answers count as heads.
    #[track_caller]
    pub(in crate::driver) fn head_or_end(&mut self) -> Option<Answer> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.buffer);
            let parsed = parsed.unwrap_or_else(|error| {
                panic!("{error}: {}", String::from_utf8_lossy(&self.buffer))
            });
            if let httparse::Status::Complete(length) = parsed {
                let value = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let answer = Answer {
                    status: response.code.expect("complete"),
                    headers: (response.headers.iter())
                        .map(|header| (header.name.to_ascii_lowercase(), value(header.value)))
                        .collect(),
                    body: Vec::new(),
                };
                self.buffer.drain(..length);
                return Some(answer);
            }
            match self.more(PATIENCE) {
                Some(true) => {}
                Some(false) => {
                    let cut = String::from_utf8_lossy(&self.buffer);
                    assert!(cut.is_empty(), "a head without an end: {cut}");
                    return None;
                }
                None => panic!("neither a head nor an end in time"),
            }
        }
    }

    /// The next head, which must come.
    #[track_caller]
    pub(in crate::driver) fn head(&mut self) -> Answer {
        self.head_or_end().expect("a head before the end")
    }

    /// The next answer as a whole; interim ones are skipped.
    #[track_caller]
    pub(in crate::driver) fn answer(&mut self) -> Answer {
        loop {
            let mut answer = self.head();
            if answer.status >= 200 {
                while let Some(piece) = self.body(&answer) {
                    answer.body.extend_from_slice(&piece);
                }
                return answer;
            }
        }
    }

    /// The next piece of the body of `answer`; `None` at its end. What was read of it before must be in it.
    #[track_caller]
    pub(in crate::driver) fn body(&mut self, answer: &Answer) -> Option<Vec<u8>> {
        if answer.is_chunked() {
            return self.chunk();
        }
        let Some(length) = answer.length() else {
            if self.buffer.is_empty() && self.more(PATIENCE).expect("more or an end") {
                return Some(std::mem::take(&mut self.buffer));
            }
            return None;
        };
        let left = length - answer.body.len();
        if left == 0 {
            return None;
        }
        if self.buffer.is_empty() {
            self.must("the rest of a body");
        }
        let taken = left.min(self.buffer.len());
        Some(self.buffer.drain(..taken).collect())
    }

    #[track_caller]
    fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            match httparse::parse_chunk_size(&self.buffer).expect("a chunk size") {
                httparse::Status::Partial => self.must("a chunk"),
                httparse::Status::Complete((head, size)) => {
                    let end = head + usize::try_from(size).expect("a size") + 2;
                    while self.buffer.len() < end {
                        self.must("the rest of a chunk");
                    }
                    let whole: Vec<u8> = self.buffer.drain(..end).collect();
                    assert!(whole.ends_with(b"\r\n"), "a chunk without its end");
                    return (size > 0).then(|| whole[head..end - 2].to_vec());
                }
            }
        }
    }

    /// Whether a body that was begun ends with the connection and not in good order, soon.
    pub(in crate::driver) fn is_cut(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.more(PATIENCE) == Some(false) {
                return !self.buffer.ends_with(b"0\r\n\r\n");
            }
        }
        false
    }

    /// Demands that the server closes, soon; returns what came before.
    #[track_caller]
    pub(in crate::driver) fn closed(&mut self) -> String {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.more(PATIENCE) {
                Some(false) => return String::from_utf8_lossy(&self.buffer).into_owned(),
                Some(true) => {}
                None => break,
            }
        }
        panic!(
            "the server does not close: {}",
            String::from_utf8_lossy(&self.buffer)
        );
    }
}
