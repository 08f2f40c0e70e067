//! An admitted call that runs, with or without its connection.
//!
//! Owns the order of a poll: what the client said meanwhile, the handler, what the handler says. Must never
//! keep a modern call alive after its reader left, nor end a legacy one because of it.
//!
//! ```text
//! Connected ──reader leaves──▶ modern: dropped, which cancels
//!                              legacy: detached (the runtime polls it), its events go to the replay ring
//! ```

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use mcp_proto::context::CallContext;
use mcp_proto::error::WireError;
use mcp_proto::http::exchange::{Draining, Exchange, Open};
use mcp_proto::http::status::{Origin, status_for};
use mcp_proto::id::WireId;
use mcp_proto::json::write;
use mcp_proto::judge::Era;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::time::{Instant, Now};
use mcp_types::Json;

use super::detached;
use super::gauge::Permit;
use super::lane::{Lane, LaneSink};
use crate::Service;
use crate::call::{Finish, Running};

/// A call that was let in and started.
pub(super) struct Started {
    pub(super) call: Running,
    /// Its place at the endpoint.
    pub(super) permit: Permit,
}

/// A call that runs.
pub(super) struct Active {
    running: Running,
    pub(super) lane: Lane,
    /// Its place at the endpoint, as long as somebody may read it.
    permit: Option<Permit>,
}

/// Why an active call needs no further poll here.
pub(super) enum Over {
    Finished(Finish),
    /// The client cancelled it: nothing more may be said.
    Cancelled,
    /// The handler closed the connection; the call itself goes on.
    Closed(Option<Duration>),
}

impl Active {
    pub(super) fn new(started: Started, lane: Lane) -> Self {
        Self {
            running: started.call,
            lane,
            permit: Some(started.permit),
        }
    }

    /// When to poll it again. `has_room`: whether its stream takes more.
    pub(super) fn wakeup(&self, has_room: bool) -> Option<Instant> {
        self.lane.deadline(has_room)
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        mut exchange: Option<&mut Exchange<Open>>,
    ) -> Poll<Over> {
        let waker = cx.waker().clone();
        let news = self.lane.news(now, &waker);
        if news.cancelled {
            return Poll::Ready(Over::Cancelled);
        }
        for (request, outcome) in news.answers {
            match outcome {
                Some(outcome) => self.running.answered(request, outcome),
                None => self.running.expired(request),
            }
        }
        let polled = self.running.poll(cx, now);
        let mut sink = LaneSink {
            lane: &mut self.lane,
            exchange: exchange.as_deref_mut(),
            now,
            waker: &waker,
        };
        self.running.drain(&mut sink, polled.is_ready());
        sink.report(polled.is_ready());
        match polled {
            Poll::Ready(finish) => Poll::Ready(Over::Finished(finish)),
            Poll::Pending => {
                // From here on others may want to reach it: cancel, answer, resume.
                self.lane.attach(now, &waker, exchange);
                self.lane
                    .close
                    .take()
                    .map_or(Poll::Pending, |retry| Poll::Ready(Over::Closed(retry)))
            }
        }
    }

    /// Says the last word, to whoever can hear it.
    pub(super) fn finish(
        self,
        now: Instant,
        mut exchange: Option<Exchange<Open>>,
        finish: Finish,
    ) -> Option<Exchange<Draining>> {
        let lane = &self.lane;
        lane.withdraw_all(now, exchange.as_mut());
        let service = &lane.shared.service;
        match exchange {
            Some(exchange) if !exchange.is_stream() => Some(conclude(
                service,
                &lane.id,
                &lane.context,
                now,
                exchange,
                finish,
            )),
            mut exchange => {
                let finish = within(finish, service.config().limits().max_frame_out);
                lane.emit_last(now, exchange.as_mut(), |out| {
                    write_finish(service, &lane.id, &lane.context, finish, out);
                });
                exchange.map(|exchange| exchange.end(now))
            }
        }
    }

    /// One poll as a member of a batch: `None` while it runs, then its last word, if it has one. `room`: bytes that it
    /// may have, unless it is an error of the endpoint's own.
    pub(super) fn poll_member(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        exchange: &mut Exchange<Open>,
        room: usize,
    ) -> Option<Option<Bytes>> {
        match self.poll(cx, now, Some(exchange)) {
            Poll::Pending | Poll::Ready(Over::Closed(_)) => None,
            Poll::Ready(Over::Cancelled) => Some(None),
            Poll::Ready(Over::Finished(finish)) => {
                self.lane.withdraw_all(now.instant, Some(exchange));
                let mut out = Outbox::new(usize::MAX);
                let Lane {
                    shared,
                    id,
                    context,
                    ..
                } = &self.lane;
                write_finish(&shared.service, id, context, within(finish, room), &mut out);
                if out.len() > room {
                    out.clear();
                    write::write_error(&mut out, Some(&self.lane.id), &too_long());
                }
                Some(Some(out.take_bytes()))
            }
        }
    }

    /// Lets a legacy call go on without a reader.
    pub(super) fn detach(mut self, began: bool) {
        self.lane.disconnected(began);
        self.permit = None;
        let shared = Arc::clone(&self.lane.shared);
        detached::detach(&shared, self);
    }
}

/// Answers with the outcome of a call whose exchange is no stream yet.
pub(super) fn conclude(
    service: &Service,
    id: &WireId,
    context: &CallContext,
    now: Instant,
    exchange: Exchange<Open>,
    finish: Finish,
) -> Exchange<Draining> {
    let finish = within(finish, service.config().limits().max_frame_out);
    let era = if context.is_modern() {
        Era::Modern
    } else {
        Era::Legacy
    };
    let code = if let Finish::Fail(error) = &finish {
        Some(error.code)
    } else {
        None
    };
    let status = status_for(Origin::Handled(era), code);
    exchange.finish(now, status, |out| {
        write_finish(service, id, context, finish, out)
    })
}

fn write_finish(
    service: &Service,
    id: &WireId,
    context: &CallContext,
    finish: Finish,
    out: &mut Outbox,
) {
    match finish {
        Finish::Reply {
            body,
            meta,
            kind,
            cache,
        } => {
            let meta = meta.as_ref().map(Json::as_str);
            let reply = Reply {
                body: Payload::Body(&body),
                meta,
                kind,
                cache,
            };
            reply.write(out, id, context.method, context.revision, service.config());
        }
        Finish::Fail(error) => write::write_error(out, Some(id), &error),
    }
}

/// An answer must fit the limit on outgoing messages.
fn within(finish: Finish, max: usize) -> Finish {
    match finish {
        Finish::Reply { body, .. } if body.len() > max => Finish::Fail(too_long()),
        finish => finish,
    }
}

fn too_long() -> WireError {
    WireError::internal("the result is larger than this server may send")
}

/// A call and the exchange that waits for it.
pub(super) struct Connected {
    /// `None` only while it is being moved out.
    inner: Option<(Active, Exchange<Open>)>,
}

impl Connected {
    pub(super) const fn new(active: Active, exchange: Exchange<Open>) -> Self {
        Self {
            inner: Some((active, exchange)),
        }
    }

    /// Ready when the rest of the answer is known.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Exchange<Draining>> {
        let Some((active, exchange)) = &mut self.inner else {
            return Poll::Pending;
        };
        let over = match active.poll(cx, now, Some(exchange)) {
            Poll::Ready(over) => over,
            Poll::Pending => {
                exchange.tick(now.instant);
                return Poll::Pending;
            }
        };
        let Some((active, mut exchange)) = self.inner.take() else {
            return Poll::Pending;
        };
        match over {
            Over::Finished(finish) => active
                .finish(now.instant, Some(exchange), finish)
                .map_or(Poll::Pending, Poll::Ready),
            Over::Cancelled => Poll::Ready(exchange.end(now.instant)),
            Over::Closed(retry) if active.lane.emit_retry(now.instant, &mut exchange, retry) => {
                active.detach(true);
                Poll::Ready(exchange.end(now.instant))
            }
            Over::Closed(_) => {
                // Not a stream, or none that could be resumed: there is nothing to close.
                self.inner = Some((active, exchange));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    pub(super) fn exchange(&mut self) -> Option<&mut Exchange<Open>> {
        self.inner.as_mut().map(|(_, exchange)| exchange)
    }

    pub(super) fn wakeup(&self) -> Option<Instant> {
        let (active, exchange) = self.inner.as_ref()?;
        let own = active.wakeup(!exchange.is_full());
        [own, exchange.wakeup().map(|wakeup| wakeup.at)]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some((active, exchange)) = self.inner.take()
            && active.lane.is_legacy()
        {
            // 2025-11-25 transports, "Sending Messages" 6: a disconnection is not a cancellation.
            active.detach(exchange.is_stream());
        }
    }
}
