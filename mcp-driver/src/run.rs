//! A connection as one future, for drivers that have an executor.
//!
//! Owns what may end it from outside. Must never await anything but all of it at once.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use mcp_server::Machine;
use mcp_server::proto::outbox::Outbox;

use crate::pump::{Alarm, Ended, Pump, Stream};

/// Drives a connection to its end: gracefully from when `shutdown` completes, at once when `hang_up` does (the peer reads no
/// more). Dropping the future drops the connection and cancels what runs on it.
pub async fn run<M: Machine>(
    mut pump: Pump<M>,
    mut stream: impl Stream,
    mut alarm: impl Alarm,
    shutdown: impl Future<Output = ()>,
    hang_up: impl Future<Output = ()>,
) -> Ended {
    let (mut shutdown, mut hang_up) = (pin!(shutdown), pin!(hang_up));
    let mut shutdown_seen = false;
    poll_fn(|cx| {
        if hang_up.as_mut().poll(cx).is_ready() {
            pump.hang_up();
        }
        if !shutdown_seen && shutdown.as_mut().poll(cx).is_ready() {
            shutdown_seen = true;
            pump.shutdown();
        }
        pump.poll(cx, &mut stream, &mut alarm)
    })
    .await
}

impl<S: Stream> Stream for &mut S {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        S::poll_read(self, cx, input)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        S::poll_write(self, cx, out)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        S::poll_flush(self, cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        S::poll_close_write(self, cx)
    }
}
