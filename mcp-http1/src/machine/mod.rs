//! The server's end of one HTTP/1.1 connection, without I/O.
//!
//! Owns where messages begin and end, in both directions. Bytes come in, heads and pieces of bodies come out; a head and
//! pieces go in, bytes come out. Must never do I/O, read a clock, or know what the messages mean.
//!
//! ```text
//! reading   Head ──▶ Length | Chunked ──▶ Complete ─┐
//! writing   Idle ──head──▶ Due ──respond──▶ Length | Chunked | Close | Nothing ──finish──▶ Ended
//!            ▲                                      │                                        │
//!            └────────────── both are over ─────────┴────────────────────────────────────────┘
//! ```
//!
//! The next request of a pipeline is not looked at before the response to the former one has ended. A body of which the
//! rest is not wanted is read to its end if it is short, otherwise the connection ends after the response.
//!
//! Sources: RFC 9110 and RFC 9112.

mod chunked;
mod date;
mod fields;
mod head;
mod refusal;
mod request;
mod response;
mod target;

use bytes::{Bytes, BytesMut};
use http::Method;
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::Now;

use self::chunked::{Chunked, Decoded};
use self::date::Date;
use self::fields::{Body, Framing};
use self::head::Search;
pub use self::refusal::Refusal;
pub use self::request::RequestHead;
pub use self::response::ResponseHead;
use self::response::{Ending, Persistence};
use crate::limits::Limits;

/// What the input has brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A request: its head is in what was given for it.
    Head,
    /// A piece of its body, as a slice of the input; never empty.
    Body(Bytes),
    /// The end of its body. Comes once for each request, with or without a body, thrown away or not.
    BodyEnd,
    /// Nothing more without more input.
    NeedInput,
    /// The request is complete: its response is waited for. Input stays where it is.
    NeedResponse,
    /// What came is no request: [`refuse`](ServerMachine::refuse) it. Nothing more is read.
    Refused(Refusal),
    /// There will be no other request: say what is to be said and close.
    Over,
}

/// How long the body of a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Known(u64),
    /// Known when it ends: chunks, or up to the end of the connection for a client of HTTP/1.0.
    Unknown,
}

/// The machine of one connection.
///
/// ```
/// use bytes::{Buf, Bytes, BytesMut};
/// use mcp_http1::{Length, Limits, RequestHead, ServerMachine, Step};
/// use mcp_server::proto::{outbox::Outbox, time::Now};
///
/// let mut machine = ServerMachine::new(Limits::default());
/// let mut request = RequestHead::default();
/// let mut input = BytesMut::from("POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi");
/// assert_eq!(machine.next(&mut input, &mut request), Step::Head);
/// assert_eq!(request.judged().path(), "/mcp");
/// assert_eq!(machine.next(&mut input, &mut request), Step::Body(Bytes::from_static(b"hi")));
/// assert_eq!(machine.next(&mut input, &mut request), Step::BodyEnd);
///
/// let response = http::Response::new(()).into_parts().0;
/// let mut out = Outbox::new(64 * 1024);
/// machine.respond(Now::default(), &response, Length::Known(3), &mut out);
/// machine.data(Bytes::from_static(b"you"), &mut out);
/// machine.finish(&mut out);
/// let text = out.copy_to_bytes(out.remaining());
/// assert!(text.starts_with(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n"));
/// assert!(text.ends_with(b"\r\n\r\nyou"));
/// assert_eq!(machine.next(&mut input, &mut request), Step::NeedInput);
/// ```
#[derive(Debug)]
pub struct ServerMachine {
    limits: Limits,
    reading: Reading,
    writing: Writing,
    /// Another request may follow.
    keep_alive: bool,
    /// The client speaks HTTP/1.0.
    is_old: bool,
    /// The request is HEAD: its response has no body.
    is_head: bool,
    /// The client waits for 100 (Continue).
    expects: bool,
    /// Reading ended before the request did.
    cut_short: bool,
    date: Date,
}

#[derive(Debug)]
enum Reading {
    Head(Search),
    Length(u64),
    Chunked(Chunked),
    /// The request is complete, and its end was told.
    Complete,
    /// Nothing more is read.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// No request, no response.
    Idle,
    /// A request waits for its response.
    Due,
    /// So many bytes are still promised.
    Length(u64),
    Chunked,
    Close,
    /// The response has no body, whatever is given.
    Nothing,
    /// The response is over. While the rest of the request's body is thrown away: how much of it.
    Ended(u64),
}

impl ServerMachine {
    /// A connection on which nothing was read.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            reading: Reading::Head(Search::new()),
            writing: Writing::Idle,
            keep_alive: true,
            is_old: false,
            is_head: false,
            expects: false,
            cut_short: false,
            date: Date::new(),
        }
    }

    /// The bounds.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Looks for the next thing in the input. `request` is overwritten by the next head and otherwise left alone.
    pub fn next(&mut self, input: &mut BytesMut, request: &mut RequestHead) -> Step {
        loop {
            let step = match &mut self.reading {
                Reading::Stopped => return Step::Over,
                Reading::Complete => return Step::NeedResponse,
                Reading::Head(search) => {
                    let quick = match search.is_new() {
                        true => head::quick(&self.limits, input, request),
                        false => None,
                    };
                    let head = match quick {
                        Some(head) => head,
                        None => match search.end(&self.limits, input) {
                            Ok(None) => return Step::NeedInput,
                            Ok(Some(length)) => {
                                let head = input.split_to(length).freeze();
                                head::parse(&self.limits, head, request)
                            }
                            Err(refusal) => Err(refusal),
                        },
                    };
                    match head {
                        Ok(framing) => self.asked(&framing, request),
                        Err(refusal) => Step::Refused(refusal),
                    }
                }
                Reading::Length(0) => Step::BodyEnd,
                Reading::Length(left) => {
                    if input.is_empty() {
                        return Step::NeedInput;
                    }
                    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
                    let piece = input.split_to(wanted.min(input.len())).freeze();
                    *left -= piece.len() as u64;
                    Step::Body(piece)
                }
                Reading::Chunked(chunked) => match chunked.decode(&self.limits, input) {
                    Ok(Decoded::More) => return Step::NeedInput,
                    Ok(Decoded::Data(piece)) => Step::Body(piece),
                    Ok(Decoded::End) => Step::BodyEnd,
                    Err(refusal) => Step::Refused(refusal),
                },
            };
            match step {
                Step::BodyEnd => {
                    self.reading = Reading::Complete;
                    // It did not wait, even if nothing was in it.
                    self.expects = false;
                }
                Step::Refused(_) => self.stop(),
                Step::Body(_) => self.expects = false,
                _ => {}
            }
            let Writing::Ended(discarded) = &mut self.writing else {
                return step;
            };
            // Nobody wants what is left of this body.
            match &step {
                Step::Body(piece) => {
                    *discarded += piece.len() as u64;
                    if *discarded > self.limits.max_discard {
                        self.stop();
                        return Step::Over;
                    }
                }
                Step::Refused(_) => return Step::Over,
                _ => {
                    self.turn();
                    return step;
                }
            }
        }
    }

    fn asked(&mut self, framing: &Framing, request: &RequestHead) -> Step {
        self.reading = match framing.body {
            Body::Length(length) => Reading::Length(length),
            Body::Chunked => Reading::Chunked(Chunked::new()),
        };
        self.writing = Writing::Due;
        self.keep_alive &= framing.keep_alive;
        self.is_old = framing.is_old;
        self.expects = framing.expects;
        self.is_head = *request.method() == Method::HEAD;
        Step::Head
    }

    /// Whether something of the present request has not been read. After the response has ended,
    /// [`next`](Self::next) throws it away.
    #[must_use]
    pub const fn has_rest(&self) -> bool {
        matches!(self.reading, Reading::Length(_) | Reading::Chunked(_))
    }

    /// Whether the connection ended in the middle of what the peer sent, so that it may not be listening yet.
    #[must_use]
    pub const fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Tells a client that waits for it to send its body, once. Call it when the body is wanted and nothing of it has
    /// come; a request that is refused by its head is better answered at once (RFC 9110 section 10.1.1).
    pub fn want_body(&mut self, out: &mut Outbox) {
        if core::mem::take(&mut self.expects) && self.writing == Writing::Due {
            out.put(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// After the present response, or that to the next request if there is none, the connection ends.
    pub const fn close_after(&mut self) {
        self.keep_alive = false;
    }

    /// Writes the head of the response, once for each request; ignored otherwise. `Content-Length`,
    /// `Transfer-Encoding` and `Date` are the machine's own, and so is `Connection`, of which `close` is obeyed.
    /// Whether a body is to follow: not after HEAD, 204 and 304.
    pub fn respond<'a>(
        &mut self,
        now: Now,
        head: impl Into<ResponseHead<'a>>,
        length: Length,
        out: &mut Outbox,
    ) -> bool {
        let head = head.into();
        if self.writing != Writing::Due {
            return false;
        }
        let is_unread = match &self.reading {
            Reading::Length(left) => *left > self.limits.max_discard,
            Reading::Stopped => true,
            Reading::Chunked(_) | Reading::Complete | Reading::Head(_) => false,
        };
        // A client that was not told to go on may or may not send its body: the next request has no certain place.
        if is_unread || self.expects || head.asks_to_close() {
            self.keep_alive = false;
        }
        let ending = match length {
            _ if response::is_bodiless(head.status) => Ending::Status,
            Length::Known(length) => Ending::Length(length),
            Length::Unknown if self.is_old => Ending::Close,
            Length::Unknown => Ending::Chunked,
        };
        self.writing = match ending {
            _ if self.is_head => Writing::Nothing,
            Ending::Status => Writing::Nothing,
            Ending::Length(length) => Writing::Length(length),
            Ending::Chunked => Writing::Chunked,
            Ending::Close => {
                self.keep_alive = false;
                Writing::Close
            }
        };
        let persistence = match (self.keep_alive, self.is_old) {
            (false, _) => Persistence::Close,
            (true, true) => Persistence::KeepAlive,
            (true, false) => Persistence::Default,
        };
        response::write(out, head, ending, persistence, self.date.at(now.unix_ms));
        self.writing != Writing::Nothing
    }

    /// Writes a piece of the response's body; large ones ride along uncopied. What is beyond the promised length, or
    /// belongs to no response, is left out.
    pub fn data(&mut self, mut data: Bytes, out: &mut Outbox) {
        match &mut self.writing {
            Writing::Length(left) => {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                out.put_shared(data);
            }
            // An empty chunk would end the body.
            Writing::Chunked if !data.is_empty() => {
                put_size(data.len(), out);
                out.put_shared(data);
                out.put(b"\r\n");
            }
            Writing::Close => out.put_shared(data),
            _ => {}
        }
    }

    /// Ends the response. One that is shorter than it promised ends the connection as well.
    pub fn finish(&mut self, out: &mut Outbox) {
        match self.writing {
            Writing::Idle | Writing::Due | Writing::Ended(_) => return,
            Writing::Length(0) | Writing::Nothing => {}
            Writing::Length(_) | Writing::Close => self.stop(),
            Writing::Chunked => out.put(b"0\r\n\r\n"),
        }
        self.writing = Writing::Ended(0);
        if !self.keep_alive {
            self.stop();
        }
        self.turn();
    }

    /// Both messages are over: on to the next request.
    const fn turn(&mut self) {
        if let Reading::Complete = self.reading {
            self.reading = Reading::Head(Search::new());
            self.writing = Writing::Idle;
        }
    }

    /// Writes a whole response, if one is due.
    pub fn respond_with<'a>(
        &mut self,
        now: Now,
        head: impl Into<ResponseHead<'a>>,
        body: Bytes,
        out: &mut Outbox,
    ) {
        if self.writing != Writing::Due {
            return;
        }
        self.respond(now, head, Length::Known(body.len() as u64), out);
        self.data(body, out);
        self.finish(out);
    }

    /// Like [`respond_with`](Self::respond_with), with a body that is an outbox; it is empty afterwards.
    pub fn respond_from<'a>(
        &mut self,
        now: Now,
        head: impl Into<ResponseHead<'a>>,
        body: &mut Outbox,
        out: &mut Outbox,
    ) {
        if self.writing != Writing::Due {
            return;
        }
        if self.respond(now, head, Length::Known(body.len() as u64), out) {
            out.append(body);
            self.writing = Writing::Length(0);
        }
        body.clear();
        self.finish(out);
    }

    /// Answers what was refused, if its response has not begun, and ends the connection.
    pub fn refuse(&mut self, now: Now, refusal: Refusal, out: &mut Outbox) {
        self.stop();
        if self.writing == Writing::Idle {
            self.writing = Writing::Due;
            self.is_head = false;
        }
        let text = mcp_server::http::text(refusal.status(), refusal.text());
        let (head, body) = text.into_parts();
        self.respond_with(now, &head, body, out);
    }

    /// Reads no more.
    const fn stop(&mut self) {
        self.cut_short |= !matches!(self.reading, Reading::Complete | Reading::Stopped);
        self.reading = Reading::Stopped;
        self.keep_alive = false;
    }
}

/// The line before a chunk of ours.
fn put_size(size: usize, out: &mut Outbox) {
    let mut line = [0_u8; 18];
    let mut at = line.len() - 2;
    line[at..].copy_from_slice(b"\r\n");
    let mut left = size;
    loop {
        at -= 1;
        line[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
        if left == 0 {
            break;
        }
    }
    out.put(&line[at..]);
}
