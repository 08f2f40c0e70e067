//! The stream of one session, and the connection behind it.
//!
//! Owns the way of a message in, from the inbox into the connection, and out, from a line into an event. Must never write
//! anything into the middle of an event, and never read ahead of what the connection has taken.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use mcp_proto::http::accept::Accepts;
use mcp_proto::http::exchange::{Draining, Exchange, Open};
use mcp_proto::outbox::Outbox;
use mcp_proto::time::{Instant, Now};

use super::inbox::Inbox;
use super::{Key, PARAMETER, Pair};
use crate::Principal;
use crate::connection::Connection;
use crate::http::gauge::{Permit, Watch};
use crate::http::shared::Shared;

/// An open stream. Its end, whoever brings it about, is the end of the session and of every call in it.
pub(in crate::http) struct PairStream {
    shared: Arc<Shared>,
    key: Key,
    inbox: Arc<Inbox>,
    connection: Connection,
    /// One message at most.
    input: BytesMut,
    out: Outbox,
    /// Inside a line, whose event has begun.
    in_line: bool,
    wakeup: Option<Instant>,
    closing: Watch,
    /// The connection knows that the server is shutting down.
    ending: bool,
    /// `None` only while it is being moved out.
    exchange: Option<Exchange<Open>>,
    /// One for each call in flight.
    calls: Vec<Permit>,
    _permits: (Permit, Permit),
}

impl PairStream {
    pub(super) fn open(
        shared: &Arc<Shared>,
        pair: &Pair,
        now: Now,
        principal: Option<Arc<Principal>>,
        permits: (Permit, Permit),
    ) -> Self {
        let (key, inbox, id, seed) = pair.enter(principal.as_deref());
        let connection = Connection::offering(
            Arc::clone(&pair.config),
            shared.service.clone(),
            Arc::clone(&shared.runtime),
            seed,
        );
        let streams = Accepts {
            json: false,
            stream: true,
            prefers_stream: true,
        };
        let mut exchange = Exchange::open(now.instant, streams, shared.pace);
        let endpoint = pair.options.endpoint(PARAMETER, &id);
        let event = format!("event: endpoint\ndata: {endpoint}\n\n");
        exchange.encoded(now.instant, event.into());
        Self {
            out: connection.outbox(),
            shared: Arc::clone(shared),
            key,
            inbox,
            connection,
            input: BytesMut::new(),
            in_line: false,
            wakeup: None,
            closing: shared.closing.watch(),
            ending: false,
            exchange: Some(exchange),
            calls: Vec::new(),
            _permits: permits,
        }
    }

    pub(in crate::http) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
    ) -> Poll<Exchange<Draining>> {
        let closing = self.closing.poll(cx.waker());
        loop {
            let demand = self
                .connection
                .poll(cx, now, &mut self.input, &mut self.out);
            self.wakeup = demand.wakeup;
            let wrote = self.write(now);
            if demand.read && self.input.is_empty() && !demand.cut {
                // All that came before was taken, so every call that it began is known.
                self.calls.truncate(self.connection.in_flight());
                if let Some(message) = self.inbox.take(cx.waker()) {
                    self.connection.set_sender(message.sender);
                    self.calls.extend(message.permits);
                    self.input.put(message.line);
                    self.input.put_u8(b'\n');
                    continue;
                }
            }
            if demand.done || demand.cut {
                let rest = self.exchange.take();
                return rest.map_or(Poll::Pending, |rest| Poll::Ready(rest.end(now.instant)));
            }
            // What was taken before the end is still answered, unless its reader is slow.
            if closing && !core::mem::replace(&mut self.ending, true) {
                self.connection.shutdown();
                continue;
            }
            if !wrote {
                break;
            }
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.tick(now.instant);
        }
        Poll::Pending
    }

    /// Turns what the connection has said into events, unless the reader is slow; whether there was something.
    fn write(&mut self, now: Now) -> bool {
        let Some(exchange) = &mut self.exchange else {
            return false;
        };
        if exchange.is_full() || self.out.is_empty() {
            return false;
        }
        // All of it, which ends with a line, so that no comment comes between its parts.
        while let Some(mut part) = self.out.take_part() {
            while !part.is_empty() {
                if !core::mem::replace(&mut self.in_line, true) {
                    exchange.encoded(now.instant, Bytes::from_static(b"event: message\ndata: "));
                }
                let end = part.iter().position(|byte| *byte == b'\n');
                exchange.encoded(now.instant, part.split_to(end.unwrap_or(part.len())));
                if end.is_some() {
                    exchange.encoded(now.instant, Bytes::from_static(b"\n\n"));
                    let _ = part.split_to(1);
                    self.in_line = false;
                }
            }
        }
        true
    }

    pub(in crate::http) fn exchange(&mut self) -> Option<&mut Exchange<Open>> {
        self.exchange.as_mut()
    }

    pub(in crate::http) fn wakeup(&self) -> Option<Instant> {
        let alive = self.exchange.as_ref()?.wakeup().map(|wakeup| wakeup.at);
        [alive, self.wakeup].into_iter().flatten().min()
    }
}

impl Drop for PairStream {
    fn drop(&mut self) {
        if let Some(pair) = &self.shared.pair {
            pair.leave(self.key);
        }
    }
}
