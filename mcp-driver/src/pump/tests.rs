//! The loop over scripted streams and machines.

use std::sync::Arc;

use mcp_server::{Connection, InPlace, Server};

use super::*;
use crate::{Deadline, SystemClock};

/// Gives its pieces one by one, and takes everything.
struct Script(Vec<&'static str>, String);

impl Stream for Script {
    fn poll_read(
        &mut self,
        _cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let piece = self.0.remove(0);
        input.extend_from_slice(piece.as_bytes());
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        let bytes = out.copy_to_bytes(out.remaining());
        self.1.push_str(std::str::from_utf8(&bytes).unwrap());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Says what it hears, and remembers how much that was each time.
#[derive(Default)]
struct Echo(Vec<usize>);

impl Machine for Echo {
    fn poll(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand {
        self.0.push(input.len());
        out.put(&input.split());
        Demand::READ
    }

    fn end_of_input(&mut self) {}

    fn shutdown(&mut self) {}

    fn outbox(&self) -> Outbox {
        Outbox::new(1 << 10)
    }
}

#[test]
fn what_has_come_is_there_when_the_machine_is_polled_first() {
    let mut pump = Pump::new(Echo::default(), StreamOptions::default());
    let mut alarm = Deadline::new(SystemClock::start());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut stream = Script(Vec::new(), String::new());
    assert!(pump.poll(&mut cx, &mut stream, &mut alarm).is_pending());
    pump.machine().0.clear();
    stream.0.push("hello");
    assert!(pump.poll(&mut cx, &mut stream, &mut alarm).is_pending());
    // And once more after the write, for which it may have waited.
    assert_eq!(pump.machine().0, [5, 0]);
    assert_eq!(stream.1, "hello");
}

#[test]
fn an_idle_connection_holds_no_buffer_and_half_a_message_holds_a_small_one() {
    let connection = || {
        let service = Server::new("demo", "1.0.0").build().unwrap();
        let machine = Connection::new(service, Arc::new(InPlace), [7; 32]);
        Pump::new(machine, StreamOptions::default())
    };
    let mut spare = Spare::default();
    let mut alarm = Deadline::new(SystemClock::start());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    let (start, end) = ping.split_at(10);

    let mut first = connection();
    let mut stream = Script(vec![ping, start], String::new());
    assert!(
        first
            .poll_on(&mut spare, &mut cx, &mut stream, &mut alarm)
            .is_pending()
    );
    assert_eq!(stream.1.lines().count(), 1);
    assert_eq!(first.input, start);
    assert_eq!(first.input.capacity(), start.len());
    let mut buffer = BytesMut::new();
    first.out.exchange_buffer(&mut buffer);
    assert_eq!(buffer.capacity(), 0, "what is written is in the spare");

    // Another one uses the same buffers, and nothing of it appears in the first.
    let mut second = connection();
    let mut other = Script(vec![ping], String::new());
    assert!(
        second
            .poll_on(&mut spare, &mut cx, &mut other, &mut alarm)
            .is_pending()
    );
    assert_eq!((other.1.lines().count(), second.input.capacity()), (1, 0));
    stream.0.push(end);
    assert!(
        first
            .poll_on(&mut spare, &mut cx, &mut stream, &mut alarm)
            .is_pending()
    );
    assert_eq!(stream.1.lines().count(), 2);
    assert_eq!(first.input.capacity(), 0);
}

/// Takes everything and hands nothing on.
struct Dam(Script);

impl Stream for Dam {
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, input)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, out)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// Says goodbye when it is asked to end, and is done when that is on its way.
#[derive(Default)]
struct Polite {
    ending: bool,
    said: bool,
}

impl Machine for Polite {
    fn poll(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Now,
        _input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand {
        if self.ending && !mem::replace(&mut self.said, true) {
            out.put(b"bye");
        }
        let mut demand = Demand::READ;
        demand.done = self.said && !out.has_remaining();
        demand
    }

    fn end_of_input(&mut self) {}

    fn shutdown(&mut self) {
        self.ending = true;
    }

    fn outbox(&self) -> Outbox {
        Outbox::new(1 << 10)
    }
}

#[test]
fn last_words_are_not_kept_back_for_they_may_be_what_the_end_waits_for() {
    let mut pump = Pump::new(Polite::default(), StreamOptions::default());
    let mut alarm = Deadline::new(SystemClock::start());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut stream = Script(Vec::new(), String::new());
    pump.may_keep_back(true);
    assert!(pump.poll(&mut cx, &mut stream, &mut alarm).is_pending());
    pump.shutdown();
    let polled = pump.poll(&mut cx, &mut stream, &mut alarm);
    assert_eq!(polled, Poll::Ready(Ended::Shutdown));
    assert_eq!(stream.1, "bye");
}

/// A clock that only the test moves.
#[derive(Default)]
struct ByHand(Now, Option<Instant>);

impl Alarm for ByHand {
    fn now(&self) -> Now {
        self.0
    }

    fn set(&mut self, at: Option<Instant>) {
        self.1 = at;
    }

    fn poll_fired(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.1.take_if(|at| *at <= self.0.instant) {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        }
    }
}

/// Two pumps that may keep answers back, and what they share.
struct Two {
    pumps: [Pump<Echo>; 2],
    streams: [Script; 2],
    spare: Spare,
    alarm: ByHand,
}

impl Two {
    fn new() -> Self {
        let pump = || {
            let mut pump = Pump::new(Echo::default(), StreamOptions::default());
            pump.may_keep_back(true);
            pump
        };
        let mut two = Self {
            pumps: [pump(), pump()],
            streams: [(); 2].map(|()| Script(Vec::new(), String::new())),
            spare: Spare::default(),
            alarm: ByHand::default(),
        };
        two.poll(0);
        two.poll(1);
        two
    }

    fn poll(&mut self, which: usize) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let polled = self.pumps[which].poll_on(
            &mut self.spare,
            &mut cx,
            &mut self.streams[which],
            &mut self.alarm,
        );
        assert!(polled.is_pending());
    }

    fn write(&mut self, which: usize) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.pumps[which].write_kept_back(&mut self.spare, &mut cx, &mut self.streams[which])
    }

    fn said(&self, which: usize) -> &str {
        &self.streams[which].1
    }
}

#[test]
fn a_small_answer_may_be_kept_back_and_is_written_without_the_machine() {
    let mut two = Two::new();
    two.streams[0].0.push("hello");
    two.streams[1].0.push("world");
    two.poll(0);
    two.poll(1);
    assert_eq!((two.said(0), two.said(1)), ("", ""));
    assert_eq!(two.pumps[0].kept_back(), 5);
    let polled = two.pumps[0].machine.0.len();
    assert!(two.write(0) && two.write(1));
    assert_eq!((two.said(0), two.said(1)), ("hello", "world"));
    assert_eq!(two.pumps[0].machine.0.len(), polled);
    assert!(!two.pumps[0].has_backlog());
    // Both buffers came back, for those that come next.
    assert_eq!(two.spare.out.len(), 2);
}

#[test]
fn what_was_kept_back_goes_out_before_anything_else_is_heard() {
    let mut two = Two::new();
    // In one poll, and in two.
    two.streams[0].0.extend(["one", "two"]);
    two.poll(0);
    assert_eq!((two.said(0), two.pumps[0].kept_back()), ("one", 3));
    two.poll(0);
    assert_eq!((two.said(0), two.pumps[0].kept_back()), ("onetwo", 0));
}

#[test]
fn a_large_answer_is_not_kept_back() {
    const LARGE: &str = match std::str::from_utf8(&[b'x'; KEPT_MAX + 1]) {
        Ok(large) => large,
        Err(_) => "",
    };
    let mut two = Two::new();
    two.pumps[0].out = Outbox::new(1 << 20);
    two.streams[0].0.push(LARGE);
    two.poll(0);
    assert_eq!(two.said(0).len(), LARGE.len());
}

#[test]
fn a_peer_that_is_gone_when_the_answer_is_written_is_found_by_the_next_poll() {
    struct Broken;
    impl Stream for Broken {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut BytesMut) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
        fn poll_write(&mut self, _: &mut Context<'_>, _: &mut Outbox) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
        fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }
    let mut two = Two::new();
    two.streams[0].0.push("hello");
    two.poll(0);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let Two {
        pumps: [pump, _],
        spare,
        alarm,
        ..
    } = &mut two;
    assert!(!pump.write_kept_back(spare, &mut cx, &mut Broken));
    let polled = pump.poll_on(spare, &mut cx, &mut Broken, alarm);
    assert_eq!(polled, Poll::Ready(Ended::PeerGone));
}

#[test]
fn what_the_stream_keeps_back_stalls_like_what_it_does_not_take() {
    let service = Server::new("demo", "1.0.0").build().unwrap();
    let machine = Connection::new(service, Arc::new(InPlace), [7; 32]);
    let limit = Duration::from_secs(30);
    let options = StreamOptions::default().with_write_stall(limit);
    let mut pump = Pump::new(machine, options);
    let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    let mut stream = Dam(Script(vec![ping], String::new()));
    let mut alarm = ByHand::default();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(pump.poll(&mut cx, &mut stream, &mut alarm).is_pending());
    assert_eq!(stream.0.1.lines().count(), 1);
    alarm.0.instant += limit;
    assert_eq!(
        pump.poll(&mut cx, &mut stream, &mut alarm),
        Poll::Ready(Ended::WriteStall)
    );
}
