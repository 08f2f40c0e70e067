//! Requests under way: bodies in pieces, polls with a reason, heads, events, ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Method, request, response};
use mcp_server::Principal;
use mcp_server::http::{Begin, HttpCall};
use serde_json::Value;

use super::super::World;
use super::super::wire::at;
use super::HttpLane;
use super::facts::{Exchange, Expect, PRINCIPALS, Phase, Session};
use crate::failure::{Checked, require};
use crate::mutation::Mutation;
use crate::stage::Flag;

impl HttpLane {
    pub(super) fn begin(
        &mut self,
        world: &mut World,
        replica: usize,
        principal: usize,
        head: request::Builder,
        body: &[u8],
        expect: Expect,
    ) -> Checked {
        let parts = head.body(()).map(|request| request.into_parts().0);
        let Ok(parts) = parts else { return Ok(()) };
        let mut who = PRINCIPALS[principal].map(Principal::new);
        if world.mutates(Mutation::ForgetPrincipal) && self.brings.is_some() {
            who = None;
        }
        world.steps += 1;
        let has_body = parts.method == Method::POST;
        let begun = self.replicas[replica].server.begin(at(world), parts, who);
        let flag = Arc::new(Flag::default());
        let mut exchange = Exchange {
            replica,
            principal,
            call: None,
            body: VecDeque::new(),
            phase: Phase::Head,
            expect,
            waker: Waker::from(Arc::clone(&flag)),
            flag,
            wakeup: None,
            stream: false,
            status: 0,
            rest: Vec::new(),
            progress: None,
            answered: false,
            acknowledged: None,
            last_event: None,
            seen: Vec::new(),
            cancelled: false,
            brings: self.brings.take(),
            read: world.unix_ms,
            needs: self.needs.take(),
            dirty: true,
            general: None,
        };
        match begun {
            Begin::Respond(response) => {
                let (head, body) = response.into_parts();
                self.exchanges.push(exchange);
                let at = self.exchanges.len() - 1;
                self.head(world, at, &head)?;
                self.data(world, at, &body)?;
                return self.end(world, at);
            }
            Begin::Read(call) => exchange.call = Some(call),
        }
        if has_body {
            exchange.phase = Phase::Body;
            // Pieces of a size that differs from request to request.
            let size = [1, 7, 100, usize::MAX][(world.nonce % 4) as usize].min(body.len().max(1));
            exchange.body = body.chunks(size).map(Bytes::copy_from_slice).collect();
        }
        self.exchanges.push(exchange);
        Ok(())
    }

    pub(super) fn feed(&mut self, world: &mut World, a: u32, b: u32) -> Checked {
        let open: Vec<usize> = (0..self.exchanges.len())
            .filter(|at| self.exchanges[*at].phase == Phase::Body)
            .collect();
        match open.get(a as usize % open.len().max(1)) {
            Some(at) => self.feed_one(world, *at, b),
            None => self.drive(world, a),
        }
    }

    pub(super) fn feed_one(&mut self, world: &mut World, at_index: usize, b: u32) -> Checked {
        let now = at(world);
        let exchange = &mut self.exchanges[at_index];
        let Some(call) = &mut exchange.call else {
            return Ok(());
        };
        let pieces = if b & 3 == 0 { 1 } else { usize::MAX };
        for _ in 0..pieces.min(exchange.body.len()) {
            let Some(piece) = exchange.body.pop_front() else {
                break;
            };
            if let Err(response) = call.body(piece) {
                require!(
                    response.status() == 413,
                    WellFormed,
                    "a body was refused with {}",
                    response.status()
                );
                exchange.call = None;
                exchange.phase = Phase::Over;
                return Ok(());
            }
        }
        if exchange.body.is_empty() {
            world.steps += 1;
            call.end_body(now);
            exchange.phase = Phase::Head;
            exchange.read = world.unix_ms;
            exchange.dirty = true;
            // Sessions and states are judged now, not when the head came.
            let (brings, needs) = (exchange.brings, exchange.needs);
            let judged = brings.map(|(fits, minted)| self.validity(world, fits, minted));
            let gone = needs.is_some_and(|n| !self.is_good(world, &self.sessions[n]));
            let exchange = &mut self.exchanges[at_index];
            if let (Some(judged), Expect::Call { valid, .. }) = (judged, &mut exchange.expect) {
                *valid = judged;
            }
            if gone {
                exchange.expect = Expect::Anything;
            }
        }
        Ok(())
    }

    /// Polls what has a reason to be polled.
    pub(super) fn drive(&mut self, world: &mut World, a: u32) -> Checked {
        self.drive_some(world, a, usize::MAX)
    }

    /// Looks at `some` of the responses, whoever else waits longer.
    pub(super) fn drive_some(&mut self, world: &mut World, a: u32, some: usize) -> Checked {
        self.tasks.pass(world.now);
        self.tasks.run();
        let len = self.exchanges.len();
        for offset in 0..len.min(some) {
            let at = (a as usize + offset) % len;
            let due = self.exchanges[at]
                .wakeup
                .is_some_and(|wakeup| wakeup <= world.now);
            let exchange = &mut self.exchanges[at];
            if exchange.phase != Phase::Body && (exchange.dirty || exchange.flag.take() || due) {
                exchange.dirty = false;
                self.poll(world, at)?;
            }
        }
        self.exchanges
            .retain(|exchange| exchange.phase != Phase::Over);
        Ok(())
    }

    /// Polls one response as far as it goes.
    pub(super) fn poll(&mut self, world: &mut World, index: usize) -> Checked<bool> {
        let mut moved = self.poll_once(world, index)?;
        if self.exchanges[index].phase != Phase::Over
            && let Some(due) = self.exchanges[index].wakeup
            && due <= world.now
        {
            // A call that has just entered its session may find something overdue there.
            moved |= self.poll_once(world, index)?;
            let exchange = &self.exchanges[index];
            require!(
                exchange.phase == Phase::Over
                    || exchange.wakeup.is_none_or(|wakeup| wakeup > world.now),
                NoHotLoop,
                "a response to {:?} has nothing to say at {} and wants to be polled at {:?}",
                exchange.expect,
                world.now,
                exchange.wakeup
            );
        }
        Ok(moved)
    }

    fn poll_once(&mut self, world: &mut World, index: usize) -> Checked<bool> {
        let now = at(world);
        let mut moved = false;
        for round in 0.. {
            require!(round < 1000, NoHotLoop, "a response never comes to rest");
            world.steps += 1;
            let exchange = &mut self.exchanges[index];
            let Some(call) = &mut exchange.call else {
                break;
            };
            let waker = if world.mutates(Mutation::DropWakeup) {
                Waker::noop()
            } else {
                &exchange.waker
            };
            let mut cx = Context::from_waker(waker);
            match exchange.phase {
                Phase::Head => match call.poll_head(&mut cx, now) {
                    Poll::Ready(head) => self.head(world, index, &head)?,
                    Poll::Pending if exchange.flag.take() => continue,
                    Poll::Pending => break,
                },
                Phase::Data => match call.poll_data(&mut cx, now) {
                    Poll::Ready(Some(data)) => self.data(world, index, &data)?,
                    Poll::Ready(None) => self.end(world, index)?,
                    Poll::Pending if exchange.flag.take() => continue,
                    Poll::Pending => break,
                },
                Phase::Body | Phase::Over => break,
            }
            moved = true;
        }
        let exchange = &mut self.exchanges[index];
        exchange.wakeup = exchange
            .call
            .as_ref()
            .and_then(HttpCall::wakeup)
            .map(|at| at.as_micros());
        if world.mutates(Mutation::HotLoop) && exchange.wakeup.is_some() {
            exchange.wakeup = Some(world.now);
        }
        Ok(moved)
    }

    pub(super) fn head(&mut self, world: &World, index: usize, head: &response::Parts) -> Checked {
        let exchange = &mut self.exchanges[index];
        require!(
            exchange.status == 0,
            EndsExactlyOnce,
            "two heads for one request"
        );
        let mut status = head.status.as_u16();
        if world.mutates(Mutation::WrongStatus) {
            status += 300;
        }
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        exchange.status = status;
        exchange.stream = header("content-type") == Some("text/event-stream");
        exchange.phase = Phase::Data;
        let overloaded = status == 503;
        require!(
            !overloaded || header("retry-after").is_some(),
            WellFormed,
            "503 without a hint when to come back"
        );
        require!(
            !exchange.stream || status == 200,
            WellFormed,
            "a stream with status {status}"
        );
        require!(
            !matches!(exchange.expect, Expect::Foreign) || [404, 503].contains(&status),
            NoCrossTalk,
            "somebody else's session was accepted with {status}"
        );
        let allowed: &[u16] = match &exchange.expect {
            Expect::Foreign => &[404, 503],
            Expect::Status(allowed) => allowed,
            // Limits, a server that goes down, and capabilities that are missing.
            Expect::Call { session: None, .. } => &[200, 400, 503],
            Expect::Call {
                session: Some(_), ..
            } => &[200, 202, 400, 404, 503],
            Expect::Answer(_) => &[200, 404, 503],
            Expect::Session { .. } => &[200, 400, 404, 503],
            Expect::Listen { .. } => &[200, 503],
            Expect::Stream { .. } => &[200, 404, 405, 503],
            Expect::Anything => &[200, 202, 204, 400, 404, 405, 406, 503],
        };
        require!(
            status != 404 || exchange.needs.is_none() || allowed.contains(&404),
            JournalBound,
            "a good session was refused"
        );
        require!(
            allowed.contains(&status),
            WellFormed,
            "{:?} was answered with {status}",
            exchange.expect
        );
        if let (
            Expect::Session {
                principal,
                revision,
            },
            Some(id),
        ) = (&exchange.expect, header("mcp-session-id"))
        {
            let session = Session {
                id: id.to_owned(),
                replica: exchange.replica,
                principal: *principal,
                revision,
                minted: exchange.read,
                life: self.replicas[exchange.replica].life,
                over: false,
                lost: Vec::new(),
            };
            self.sessions.push(session);
            if self.sessions.len() > 6 {
                // Forgotten by its client, as most are. Indices of others must stay.
                self.sessions[0].over = true;
            }
        }
        Ok(())
    }

    pub(super) fn data(&mut self, world: &mut World, index: usize, data: &[u8]) -> Checked {
        world.digest(data);
        let exchange = &mut self.exchanges[index];
        exchange.rest.extend_from_slice(data);
        if !exchange.stream {
            return Ok(());
        }
        // An event ends with an empty line.
        while let Some(end) = self.exchanges[index]
            .rest
            .windows(2)
            .position(|pair| pair == b"\n\n")
        {
            let event: Vec<u8> = self.exchanges[index].rest.drain(..end + 2).collect();
            let event = String::from_utf8(event);
            let Ok(event) = event else {
                require!(false, WellFormed, "an event that is not text");
                return Ok(());
            };
            self.event(world, index, &event)?;
        }
        Ok(())
    }

    pub(super) fn event(&mut self, world: &mut World, index: usize, event: &str) -> Checked {
        let mut data = Vec::new();
        for line in event.lines().filter(|line| !line.is_empty()) {
            match line.split_once(':') {
                Some(("", _)) => {}
                Some(("data", text)) => data.push(text.strip_prefix(' ').unwrap_or(text)),
                Some(("id", id)) => {
                    let id = id.trim().to_owned();
                    let exchange = &mut self.exchanges[index];
                    require!(
                        !exchange.seen.contains(&id),
                        EndsExactlyOnce,
                        "the event {id} came twice"
                    );
                    exchange.seen.push(id.clone());
                    exchange.last_event = Some(id);
                }
                Some(("retry", _)) => {}
                _ => require!(false, WellFormed, "not a line of an event: {line}"),
            }
        }
        let data = data.join("\n");
        if data.trim().is_empty() {
            return Ok(());
        }
        let message: Result<Value, _> = serde_json::from_str(&data);
        let Ok(message) = message else {
            require!(false, WellFormed, "not JSON: {data}");
            return Ok(());
        };
        world.events += 1;
        self.message(world, index, &message)
    }

    /// A response is complete.
    pub(super) fn end(&mut self, world: &mut World, index: usize) -> Checked {
        let exchange = &mut self.exchanges[index];
        exchange.phase = Phase::Over;
        exchange.call = None;
        let rest = core::mem::take(&mut exchange.rest);
        if exchange.stream {
            require!(rest.is_empty(), WellFormed, "a stream ends within an event");
        } else if !rest.is_empty() {
            let message: Result<Value, _> = serde_json::from_slice(&rest);
            let Ok(message) = message else {
                require!(
                    false,
                    WellFormed,
                    "a body that is not JSON: {}",
                    String::from_utf8_lossy(&rest)
                );
                return Ok(());
            };
            world.events += 1;
            self.message(world, index, &message)?;
        }
        let exchange = &self.exchanges[index];
        match &exchange.expect {
            Expect::Call {
                errand, session, ..
            } => {
                // A legacy call may be gone on without its stream, cancelled, or its session over.
                let answered = exchange.answered || exchange.cancelled || session.is_some();
                require!(answered, EndsExactlyOnce, "{errand:?} was never answered");
                if !exchange.answered
                    && let Some((session, lost)) = exchange.lost()
                {
                    self.sessions[session].lost.push(lost);
                }
            }
            Expect::Answer(id) => {
                require!(
                    exchange.answered,
                    EndsExactlyOnce,
                    "request {id} was never answered"
                );
            }
            Expect::Listen { id } => {
                require!(
                    exchange.answered || exchange.status == 503,
                    EndsExactlyOnce,
                    "subscription {id} ended without a word"
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// A client goes away.
    pub(super) fn leave(&mut self, world: &World, a: u32, b: u32) -> Checked {
        if self.exchanges.is_empty() || b & 1 == 0 {
            return Ok(());
        }
        let at = a as usize % self.exchanges.len();
        let mut exchange = self.exchanges.swap_remove(at);
        let Expect::Call {
            errand, session, ..
        } = &exchange.expect
        else {
            return Ok(());
        };
        let before = self.stage.running(errand.n);
        let runs = exchange.phase != Phase::Body && exchange.call.is_some();
        if !world.mutates(Mutation::FrameAfterCancel) {
            drop(exchange.call.take());
        }
        let after = self.stage.running(errand.n);
        match session {
            // Retries of one call have its number, too.
            None if runs && before == 1 => {
                let shared = self.exchanges.iter().any(|other| {
                    matches!(&other.expect, Expect::Call { errand: its, .. } if its.n == errand.n)
                });
                require!(
                    after == 0 || shared,
                    SilentAfterCancel,
                    "{errand:?} goes on after its client left"
                );
            }
            None => {}
            Some(_) => require!(
                after == before,
                EndsExactlyOnce,
                "{errand:?} is a legacy call and ended with its connection"
            ),
        }
        self.broke_off(&exchange);
        Ok(())
    }

    /// A connection is lost; where it was the stream of a legacy call, its client may go on elsewhere.
    pub(super) fn broke_off(&mut self, exchange: &Exchange) {
        if let Some((session, lost)) = exchange.lost() {
            self.sessions[session].lost.push(lost);
        }
    }
}
