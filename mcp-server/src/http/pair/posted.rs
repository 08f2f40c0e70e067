//! A message that was posted to a stream: judged as far as the POST is what answers, and handed over.
//!
//! Owns the statuses of such a POST. What a message means is for the connection to judge, and what it answers goes to the
//! stream. Must never hand over what has a line break, nor begin a call for which there is no room.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, StatusCode, header};
use mcp_proto::error::WireError;
use mcp_proto::http::exchange::{Exchange, Open};
use mcp_proto::id::WireId;
use mcp_proto::json::{Inbound, Kind, MALFORMED_ANSWER, Malformed, MalformedKind};
use mcp_proto::judge;
use mcp_proto::legacy::batch;
use mcp_proto::time::Now;

use super::GONE;
use super::inbox::{Inbox, Message, NotTaken};
use crate::Denied;
use crate::connection::Sender;
use crate::http::gauge::Permit;
use crate::http::posted::{Answer, CLOSING, Reading};

/// Why the POST is answered by anything but 202.
struct Refused {
    status: StatusCode,
    error: WireError,
    challenge: Option<HeaderValue>,
}

impl Refused {
    const fn new(status: StatusCode, error: WireError) -> Self {
        Self {
            status,
            error,
            challenge: None,
        }
    }

    fn overloaded(what: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, judge::overloaded(what))
    }
}

impl From<NotTaken> for Refused {
    fn from(not: NotTaken) -> Self {
        match not {
            NotTaken::Full => Self::overloaded("too many messages of this session wait"),
            NotTaken::Closed => Self::new(StatusCode::NOT_FOUND, WireError::invalid_request(GONE)),
        }
    }
}

impl Reading {
    /// The body is complete: 202, or why the message is not taken.
    pub(in crate::http) fn deliver(
        &self,
        now: Now,
        inbox: &Inbox,
        body: Bytes,
        exchange: Exchange<Open>,
    ) -> Answer {
        let limits = self.shared.service.config().limits();
        let (id, judged) = match Inbound::scan(body.clone(), &limits.scan()) {
            Ok(inbound) => (inbound.id(), self.permits(&inbound)),
            Err(malformed) if malformed.kind == MalformedKind::Batch => (None, self.batched(&body)),
            Err(malformed) => {
                let token = malformed.id.get(&body).unwrap_or_default();
                let token = core::str::from_utf8(token).ok();
                let refused = self.unreadable(inbox, &body, &malformed);
                (token.and_then(WireId::from_token), Err(refused))
            }
        };
        let taken =
            judged.and_then(|permits| Ok(inbox.put(self.message(in_one_line(body), permits))?));
        let Err(refused) = taken else {
            return Answer::accepted();
        };
        let Refused {
            status,
            error,
            challenge,
        } = refused;
        let mut answer = Answer::with_status(exchange, now, status, id.as_ref(), &error);
        let challenge = challenge.map(|challenge| (header::WWW_AUTHENTICATE, challenge));
        answer.extra.extend(challenge);
        answer
    }

    /// What the call of a request takes, if it may be one.
    fn permits(&self, inbound: &Inbound) -> Result<Vec<Permit>, Refused> {
        if inbound.envelope.kind != Kind::Request {
            return Ok(Vec::new());
        }
        let shared = &self.shared;
        let principal = self.principal.as_deref();
        if let Err(missing) = shared.service.authorize(principal, inbound) {
            let mut refused = Refused::new(StatusCode::FORBIDDEN, missing.to_wire());
            refused.challenge = shared.challenge(&Denied::Scope(missing.needed));
            return Err(refused);
        }
        self.room(1)
    }

    /// The same for a batch. Whether it may be one, the connection knows, and the dispatcher who may do what is in it.
    fn batched(&self, body: &Bytes) -> Result<Vec<Permit>, Refused> {
        let members = batch::split(body, self.shared.service.config().limits());
        self.room(members.map_or(0, |members| members.len()))
    }

    fn room(&self, calls: usize) -> Result<Vec<Permit>, Refused> {
        if self.shared.closing.has_rung() {
            return Err(Refused::overloaded(CLOSING));
        }
        let permits = core::iter::repeat_with(|| self.shared.calls.enter()).take(calls);
        let permits: Option<Vec<Permit>> = permits.collect();
        permits.ok_or_else(|| Refused::overloaded("too many requests are running"))
    }

    /// Refuses what is no message. If it was meant to answer a question of ours, that ends.
    fn unreadable(&self, inbox: &Inbox, body: &[u8], malformed: &Malformed) -> Refused {
        let mut answered = Ok(());
        if let Some(id) = malformed.answers(body) {
            let mut line = BytesMut::new();
            line.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
            line.put_slice(id.as_bytes());
            line.put_slice(b",\"error\":");
            line.put_slice(&MALFORMED_ANSWER);
            line.put_u8(b'}');
            answered = inbox.put(self.message(line.freeze(), Vec::new()));
        }
        match answered {
            // It is to come again, for the question waits.
            Err(not) => not.into(),
            Ok(()) => Refused::new(
                StatusCode::BAD_REQUEST,
                WireError::new(malformed.code(), malformed.message()),
            ),
        }
    }

    fn message(&self, line: Bytes, permits: Vec<Permit>) -> Message {
        Message {
            line,
            sender: Sender {
                principal: self.principal.clone(),
                extensions: Some(self.extensions.clone()),
            },
            permits,
        }
    }
}

/// In a message that can be read, line breaks stand between tokens alone, where a space means the same.
fn in_one_line(message: Bytes) -> Bytes {
    if !message.contains(&b'\n') {
        return message;
    }
    let mut line = BytesMut::from(message);
    for byte in line.iter_mut() {
        if *byte == b'\n' {
            *byte = b' ';
        }
    }
    line.freeze()
}
