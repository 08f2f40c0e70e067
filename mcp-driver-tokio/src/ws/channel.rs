//! A WebSocket as a byte stream of lines.
//!
//! Owns the pings, the close codes, and which frames are messages; how a message becomes a line is the core's. Must never
//! hand on what is no text.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use futures_sink::Sink as _;
use mcp_driver::{Ended, Stream};
use mcp_server::proto::frame::messages;
use mcp_server::proto::outbox::Outbox;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_websockets::{CloseCode, Error, Message, WebSocketStream};

use super::KeepAlive;
use crate::clock::LazySleep;

/// How long the peer may take to answer a close before the connection is dropped.
const CLOSE_BOUND: Duration = Duration::from_secs(2);

/// One WebSocket, in the terms of the shared loop.
#[derive(Debug)]
pub(super) struct Channel<T> {
    socket: WebSocketStream<T>,
    keep_alive: KeepAlive,
    ping: LazySleep,
    /// Something came since the last ping.
    heard: bool,
    /// Pings and pongs since the last message or interval.
    control: u32,
    /// Pings whose answers may not have left yet.
    unanswered: u32,
    /// What to say when the connection closes, if the peer broke a rule.
    fault: Option<CloseCode>,
    over: Arc<AtomicBool>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Channel<T> {
    pub(super) fn new(socket: WebSocketStream<T>, keep_alive: KeepAlive) -> Self {
        let mut ping = LazySleep::default();
        ping.set(Some(Instant::now() + keep_alive.interval));
        Self {
            socket,
            keep_alive,
            ping,
            heard: true,
            control: 0,
            unanswered: 0,
            fault: None,
            over: Arc::default(),
        }
    }

    /// Turns true when the peer has closed or broken a rule: it takes no message any more.
    pub(super) fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }

    /// The peer is done with, for this reason.
    fn end(&mut self, cx: &Context<'_>, fault: Option<CloseCode>) -> Poll<io::Result<usize>> {
        self.fault = self.fault.or(fault);
        self.over.store(true, Ordering::Relaxed);
        // Whoever watches for that is polled before this is.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(0))
    }

    /// A ping or a pong came. Says whether that is still as often as it may be.
    fn allow_control(&mut self, cx: &mut Context<'_>, is_ping: bool) -> io::Result<bool> {
        self.control += 1;
        self.unanswered += u32::from(is_ping);
        if self.poll_flushed(cx)?.is_ready() {
            self.unanswered = 0;
        }
        Ok(self.control.max(self.unanswered) <= self.keep_alive.max_control)
    }

    /// Sends a ping when it is time; an error when the last one was not answered.
    fn poll_ping(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.ping.poll_fired(cx).is_ready() {
            if !self.heard {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.heard = false;
            self.control = 0;
            self.ping
                .set(Some(Instant::now() + self.keep_alive.interval));
            self.send(Message::ping(Bytes::new()))?;
            let _ = self.poll_flushed(cx)?;
        }
        Ok(())
    }

    fn send(&mut self, message: Message) -> io::Result<()> {
        Pin::new(&mut self.socket)
            .start_send(message)
            .map_err(broken)
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(flushed) => flushed.map(Poll::Ready).map_err(broken),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Closes with what is to be said about the end, and waits a moment for the peer to do the same.
    pub(super) async fn close(mut self, ended: Ended) {
        let code = match (self.fault, ended) {
            (Some(fault), _) => fault,
            (None, Ended::WriteStall) => return,
            (None, Ended::Closed) => CloseCode::POLICY_VIOLATION,
            (None, Ended::Shutdown | Ended::ShutdownBound) => CloseCode::GOING_AWAY,
            (None, _) => CloseCode::NORMAL_CLOSURE,
        };
        // Refused when a close was sent already.
        let _ = self.send(Message::close(Some(code), ""));
        let closed =
            std::future::poll_fn(|cx| Pin::new(&mut self.socket).poll_close(cx).map(|_| ()));
        // A peer that does not answer is dropped.
        let _ = tokio::time::timeout(CLOSE_BOUND, closed).await;
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for Channel<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        loop {
            let message = match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Pending => {
                    // Only now: what came while nobody read is a sign of life, too.
                    if self.poll_ping(cx).is_err() {
                        return self.end(cx, None);
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return self.end(cx, fault(&error)),
                Poll::Ready(None) => return self.end(cx, None),
            };
            self.heard = true;
            if message.is_text() {
                self.control = 0;
                let text = message.as_payload();
                messages::push(input, text);
                return Poll::Ready(Ok(text.len() + 1));
            }
            if message.is_binary() {
                return self.end(cx, Some(CloseCode::UNSUPPORTED_DATA));
            }
            if message.is_close() {
                return self.end(cx, None);
            }
            match self.allow_control(cx, message.is_ping()) {
                Ok(true) => {}
                Ok(false) => return self.end(cx, Some(CloseCode::POLICY_VIOLATION)),
                Err(_) => return self.end(cx, None),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        let mut written = 0;
        loop {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(ready) => ready.map_err(broken)?,
                Poll::Pending if written == 0 => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Ok(written)),
            }
            let Some(text) = messages::pop(out) else {
                return Poll::Ready(Ok(written));
            };
            written += text.len() + 1;
            self.send(Message::text(text))?;
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flushed(cx)?);
        self.unanswered = 0;
        Poll::Ready(Ok(()))
    }

    /// A WebSocket has no half: this begins the closing handshake.
    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Refused when the peer was first.
        let _ = self.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), ""));
        ready!(self.poll_flushed(cx)?);
        Poll::Ready(Ok(()))
    }
}

/// What a peer is told that broke a rule of the protocol. The library has told it already where it found out first.
fn fault(error: &Error) -> Option<CloseCode> {
    match error {
        Error::PayloadTooLong { .. } => Some(CloseCode::MESSAGE_TOO_BIG),
        Error::Protocol(_) => Some(CloseCode::PROTOCOL_ERROR),
        _ => None,
    }
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::BrokenPipe, error),
    }
}
