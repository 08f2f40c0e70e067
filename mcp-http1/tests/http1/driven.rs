//! A machine that is driven by hand: pieces of bytes in, what it understood and what it said out.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Method, Uri, Version};
use mcp_http1::{Length, Limits, Refusal, RequestHead, ServerMachine, Step};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::Now;

/// One request, as it was understood.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether its end came.
    pub(crate) complete: bool,
}

/// What became of some bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    pub(crate) seen: Vec<Seen>,
    pub(crate) refused: Option<Refusal>,
    /// No other request would be read.
    pub(crate) over: bool,
    pub(crate) output: String,
}

impl Trace {
    /// How it ended, in a word.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.refused {
            Some(refusal) => Outcome::Refused(refusal.status().as_u16()),
            None => Outcome::Requests(self.seen.iter().filter(|seen| seen.complete).count()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// So many whole requests.
    Requests(usize),
    Refused(u16),
}

/// A machine, its input and what it has written.
pub(crate) struct Driven {
    pub(crate) machine: ServerMachine,
    request: RequestHead,
    input: BytesMut,
    out: Outbox,
    pub(crate) trace: Trace,
}

impl Driven {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            machine: ServerMachine::new(limits),
            request: RequestHead::default(),
            input: BytesMut::new(),
            out: Outbox::new(1 << 20),
            trace: Trace {
                seen: Vec::new(),
                refused: None,
                over: false,
                output: String::new(),
            },
        }
    }

    /// Takes a piece of input. Every complete request is answered with its number.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        self.input.extend_from_slice(piece);
        loop {
            match self.machine.next(&mut self.input, &mut self.request) {
                Step::Head => {
                    let parts = self.request.to_parts();
                    self.trace.seen.push(Seen {
                        method: parts.method,
                        uri: parts.uri,
                        version: parts.version,
                        headers: parts.headers,
                        body: Vec::new(),
                        complete: false,
                    });
                }
                Step::Body(data) => {
                    assert!(!data.is_empty());
                    self.last().body.extend_from_slice(&data);
                }
                Step::BodyEnd => self.last().complete = true,
                Step::NeedResponse => {
                    let number = self.trace.seen.len().to_string();
                    self.respond(200, Some(number.into()));
                }
                Step::Refused(refusal) => {
                    assert_eq!(self.trace.refused, None);
                    self.trace.refused = Some(refusal);
                    self.machine.refuse(Now::default(), refusal, &mut self.out);
                }
                Step::NeedInput => break,
                Step::Over => {
                    self.trace.over = true;
                    self.input.clear();
                    break;
                }
            }
        }
        self.flush();
    }

    pub(crate) fn respond(&mut self, status: u16, body: Option<Bytes>) {
        let mut head = http::Response::new(()).into_parts().0;
        head.status = status.try_into().expect("a status");
        match body {
            Some(body) => self
                .machine
                .respond_with(Now::default(), &head, body, &mut self.out),
            None => {
                self.machine
                    .respond(Now::default(), &head, Length::Unknown, &mut self.out);
            }
        }
    }

    pub(crate) fn flush(&mut self) -> &str {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        let text = std::str::from_utf8(&bytes).expect("ASCII");
        self.trace.output.push_str(text);
        &self.trace.output
    }

    fn last(&mut self) -> &mut Seen {
        self.trace.seen.last_mut().expect("a head comes first")
    }
}

/// Feeds the pieces one after the other.
pub(crate) fn run<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Trace {
    let mut driven = Driven::new(limits);
    for piece in pieces {
        driven.feed(piece);
    }
    driven.trace
}

/// Feeds everything at once.
pub(crate) fn whole(bytes: &[u8]) -> Trace {
    run(Limits::default(), [bytes])
}

/// Feeds one byte at a time.
pub(crate) fn trickled(bytes: &[u8]) -> Trace {
    run(Limits::default(), bytes.chunks(1))
}

/// Asserts that it does not matter where the bytes are cut, and returns what became of them.
pub(crate) fn anyhow_cut(bytes: &[u8]) -> Trace {
    let expected = whole(bytes);
    assert_eq!(trickled(bytes), expected, "one byte at a time");
    // Everywhere in what is short; long ones are long in one place.
    let step = (bytes.len() / 512).max(1);
    for at in (0..bytes.len()).step_by(step) {
        let (first, second) = bytes.split_at(at);
        let trace = run(Limits::default(), [first, second]);
        assert_eq!(trace, expected, "cut at {at}");
    }
    expected
}
