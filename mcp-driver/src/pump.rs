//! The loop of one connection, whatever runs on it and whatever waits for it.
//!
//! Owns the order of work: read, machine, write, timer, again. Reads, writes, handlers and timers progress in the same
//! poll, so that none of them waits for another. Must never look inside the bytes, and never drop bytes that it has read
//! or half of a write: it awaits nothing and polls everything.

use std::io;
use std::mem;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{Demand, Machine};

/// How often the loop goes round before it lets others run.
const TURNS_PER_POLL: usize = 64;

/// A byte stream that does not block.
///
/// `Pending` means that the context's waker will be called when it is worth trying again, or, in an event loop, that the
/// loop polls the connection again when the event comes.
pub trait Stream {
    /// Appends what is there to `input`; 0 means the end.
    ///
    /// # Errors
    /// Whatever the stream says; the connection takes it for the end of its input.
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Writes from the front of `out`, which is never empty here, and advances it by what was taken.
    ///
    /// # Errors
    /// Whatever the stream says; the peer is taken to be gone.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>>;

    /// Hands on what the stream itself may keep back.
    ///
    /// # Errors
    /// Whatever the stream says; the peer is taken to be gone.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the direction that is written; reading goes on.
    ///
    /// # Errors
    /// Whatever the stream says; the peer is taken to be gone.
    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The clock of a connection, and its one timer.
pub trait Alarm {
    /// The time.
    fn now(&self) -> Now;

    /// Arms the timer for `at`, or disarms it. Cheap when nothing changes.
    fn set(&mut self, at: Option<Instant>);

    /// Ready once when an armed time is reached; then the timer is disarmed.
    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// What a stream connection may take; the defaults suit stdio. How long it may take to end is one of the server's
/// [`Limits`](mcp_server::proto::limits::Limits::shutdown_bound).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StreamOptions {
    /// Ends the connection when the peer has read nothing for this long while answers were waiting. Default: none,
    /// because a local client may be suspended for any time.
    pub write_stall: Option<Duration>,
}

impl StreamOptions {
    /// Sets [`StreamOptions::write_stall`].
    #[must_use]
    pub const fn with_write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = Some(limit);
        self
    }
}

/// Why a stream connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The input ended (end of file, error or hang-up) and everything that ran was answered.
    EndOfInput,
    /// A shutdown was asked for and everything that ran was answered.
    Shutdown,
    /// `Limits::shutdown_bound` passed with calls unfinished or answers unread; they are lost.
    ShutdownBound,
    /// The machine ended the connection by itself.
    Closed,
    /// The peer no longer reads: a write failed.
    PeerGone,
    /// The peer read nothing for [`StreamOptions::write_stall`].
    WriteStall,
}

/// Buffers with which the connections of one thread take turns, so that an idle one holds none.
#[derive(Debug, Default)]
pub struct Spare {
    input: BytesMut,
    /// Several, for those that keep something back have one as long as they do.
    out: Vec<BytesMut>,
}

impl Spare {
    /// Takes a buffer back, unless it is large or one too many.
    fn give(&mut self, buffer: BytesMut) {
        let most = if self.out.is_empty() {
            SPARE_MAX
        } else {
            FURTHER_SPARE_MAX
        };
        if (1..=most).contains(&buffer.capacity()) && self.out.len() < SPARES {
            self.out.push(buffer);
        }
    }
}

/// So much of half a message is copied in any case: a few bytes must not hold a large buffer.
const COPIED_MAX: usize = 4 << 10;

/// A spare buffer that has grown beyond this is given back to the system.
const SPARE_MAX: usize = 256 << 10;

/// The same for all but one of those that are written from.
const FURTHER_SPARE_MAX: usize = 16 << 10;

/// How many there are at most.
const SPARES: usize = 64;

/// So much is kept back at most. What is larger costs more to move than the peer's wake-up, and is better on its way.
const KEPT_MAX: usize = 4 << 10;

/// One connection: its machine, and the bytes on their way in and out.
#[derive(Debug)]
pub struct Pump<M> {
    machine: M,
    options: StreamOptions,
    input: BytesMut,
    out: Outbox,
    /// Bytes were handed to the stream since its last complete flush.
    unflushed: bool,
    may_keep_back: bool,
    /// What is in `out` was not offered to the stream yet.
    kept_back: bool,
    /// The machine's last word: it wants to hear more.
    reading: bool,
    input_over: bool,
    write_closed: bool,
    gone: bool,
    /// Why the end began.
    ending: Option<Ended>,
    /// The peer has to have read something by then.
    stalls_at: Option<Instant>,
}

impl<M: Machine> Pump<M> {
    /// The connection of `machine`, on which nothing was read yet.
    pub fn new(machine: M, options: StreamOptions) -> Self {
        Self {
            out: machine.outbox(),
            machine,
            options,
            input: BytesMut::new(),
            unflushed: false,
            may_keep_back: false,
            kept_back: false,
            reading: false,
            input_over: false,
            write_closed: false,
            gone: false,
            ending: None,
            stalls_at: None,
        }
    }

    /// What runs on this connection.
    pub const fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The machine, what was read for it and what it has said: for drivers that run its calls elsewhere and bring them back.
    /// Poll afterwards.
    pub const fn parts(&mut self) -> (&mut M, &mut BytesMut, &mut Outbox) {
        (&mut self.machine, &mut self.input, &mut self.out)
    }

    /// Whether bytes wait for the peer to read.
    pub fn has_backlog(&self) -> bool {
        self.out.has_remaining() || self.unflushed
    }

    /// Starts a graceful end; poll afterwards.
    pub fn shutdown(&mut self) {
        if self.ending.is_none() {
            self.machine.shutdown();
            self.ending = Some(Ended::Shutdown);
        }
    }

    /// The peer reads no more: the next poll ends the connection, after what was said if the machine hears last words.
    pub const fn hang_up(&mut self) {
        self.gone = true;
    }

    /// Like [`poll`](Self::poll), on buffers that are lent for as long as it takes. What has to stay (half a message, an
    /// answer that is not read yet) stays in memory of its own.
    pub fn poll_on(
        &mut self,
        spare: &mut Spare,
        cx: &mut Context<'_>,
        stream: &mut impl Stream,
        alarm: &mut impl Alarm,
    ) -> Poll<Ended> {
        if self.input.is_empty() {
            mem::swap(&mut self.input, &mut spare.input);
        }
        self.borrow_buffer(spare);
        let polled = self.poll(cx, stream, alarm);
        if self.input.len() <= COPIED_MAX || self.input.len() < self.input.capacity() / 2 {
            let rest = BytesMut::from(&self.input[..]);
            let mut lent = mem::replace(&mut self.input, rest);
            lent.clear();
            if lent.capacity() > spare.input.capacity() {
                spare.input = lent;
            }
        }
        if spare.input.capacity() > SPARE_MAX {
            spare.input = BytesMut::new();
        }
        self.return_buffer(spare);
        polled
    }

    fn borrow_buffer(&mut self, spare: &mut Spare) {
        if self.out.is_empty() {
            let mut buffer = spare.out.pop().unwrap_or_default();
            self.out.exchange_buffer(&mut buffer);
        }
    }

    fn return_buffer(&mut self, spare: &mut Spare) {
        let mut buffer = BytesMut::new();
        self.out.exchange_buffer(&mut buffer);
        spare.give(buffer);
    }

    /// Whether polls from now on may keep a small answer back instead of writing it, if there is nothing else to say. It then
    /// waits until the connection hears more or is polled again, or for [`write_kept_back`](Self::write_kept_back), which
    /// has to come soon. The machine is not polled after such a write: it had room and was not near its end, so it did not wait
    /// for it.
    pub const fn may_keep_back(&mut self, may: bool) {
        self.may_keep_back = may;
    }

    /// How many bytes are kept back.
    #[must_use]
    pub fn kept_back(&self) -> usize {
        if self.kept_back { self.out.len() } else { 0 }
    }

    /// Writes what was kept back and returns its buffer. False if the connection has to be polled: the stream did not take
    /// everything, or the peer is gone.
    pub fn write_kept_back(
        &mut self,
        spare: &mut Spare,
        cx: &mut Context<'_>,
        stream: &mut impl Stream,
    ) -> bool {
        self.kept_back = false;
        while self.out.has_remaining() {
            match stream.poll_write(cx, &mut self.out) {
                Poll::Ready(Ok(written)) if written > 0 => self.unflushed = true,
                Poll::Ready(_) => {
                    self.gone = true;
                    return false;
                }
                Poll::Pending => return false,
            }
        }
        if self.unflushed {
            match stream.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => {
                    self.gone = true;
                    return false;
                }
                Poll::Pending => return false,
            }
        }
        self.return_buffer(spare);
        true
    }

    /// Does what can be done now. When it is pending, the stream, the alarm and the handlers have the waker.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut impl Stream,
        alarm: &mut impl Alarm,
    ) -> Poll<Ended> {
        // The machine has something to do although nothing was read or written.
        let mut due = true;
        for _ in 0..TURNS_PER_POLL {
            if self.gone {
                return self.hear_last_words(cx, stream, alarm);
            }
            // First, for what has come is nearly always why this is polled.
            let was_reading = self.reading;
            let mut progress = was_reading && self.read(cx, stream);
            let now = alarm.now();
            if self.kept_back {
                if !progress && !due {
                    return Poll::Pending;
                }
                // What comes now may take long.
                self.kept_back = false;
                if self.write(cx, stream, now).is_err() {
                    return self.hear_last_words(cx, stream, alarm);
                }
            }
            due = false;
            let had_backlog = self.has_backlog();
            let demand = self.machine.poll(cx, now, &mut self.input, &mut self.out);
            if !had_backlog && self.keeps_back(demand) {
                self.kept_back = true;
            } else {
                let Ok(wrote) = self.write(cx, stream, now) else {
                    return self.hear_last_words(cx, stream, alarm);
                };
                progress |= wrote;
            }
            let flushed = !self.has_backlog();
            if demand.done && flushed {
                return Poll::Ready(self.ending.unwrap_or(Ended::Closed));
            }
            if demand.cut {
                return Poll::Ready(Ended::ShutdownBound);
            }
            if demand.close_write && flushed && !self.write_closed {
                match stream.poll_close_write(cx) {
                    Poll::Ready(Ok(())) => {
                        self.write_closed = true;
                        progress = true;
                    }
                    Poll::Ready(Err(_)) => return self.hear_last_words(cx, stream, alarm),
                    Poll::Pending => {}
                }
            }
            self.reading = demand.read && !self.input_over;
            progress |= self.reading && !was_reading;
            alarm.set(match (demand.wakeup, self.stalls_at) {
                (Some(wakeup), Some(stall)) => Some(wakeup.min(stall)),
                (wakeup, stall) => wakeup.or(stall),
            });
            if alarm.poll_fired(cx).is_ready() {
                progress = true;
                due = true;
                if self.stalls_at.is_some_and(|at| at <= alarm.now().instant) {
                    return Poll::Ready(Ended::WriteStall);
                }
            }
            if !progress {
                return Poll::Pending;
            }
        }
        // A peer that always has something ready must not starve others.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether what was just said can wait for a moment. Not near an end, which a machine may announce only when everything
    /// that it has said is on its way.
    fn keeps_back(&self, demand: Demand) -> bool {
        self.may_keep_back
            && (1..=KEPT_MAX).contains(&self.out.len())
            && !self.out.is_full()
            && demand.read
            && !demand.done
            && !demand.cut
            && !demand.close_write
            && self.ending.is_none()
    }

    /// Nobody hears us any more, so there is nobody to drain for; but what the peer has said by now may matter.
    fn hear_last_words(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut impl Stream,
        alarm: &impl Alarm,
    ) -> Poll<Ended> {
        self.gone = true;
        if !self.machine.hears_last_words() {
            return Poll::Ready(Ended::PeerGone);
        }
        for _ in 0..TURNS_PER_POLL {
            let more = !self.input_over && self.read(cx, stream);
            if !more && !self.input_over {
                self.input_over = true;
                self.machine.end_of_input();
            }
            let now = alarm.now();
            let demand = self.machine.poll(cx, now, &mut self.input, &mut self.out);
            self.out.advance(self.out.remaining());
            if demand.cut {
                return Poll::Ready(Ended::ShutdownBound);
            }
            if !more {
                return Poll::Ready(Ended::PeerGone);
            }
        }
        // It has much to say, and others want to be heard as well.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what the stream takes now. Says whether that was anything.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut impl Stream,
        now: Now,
    ) -> io::Result<bool> {
        let mut progress = false;
        while self.out.has_remaining() {
            match stream.poll_write(cx, &mut self.out) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(_)) => {
                    progress = true;
                    self.unflushed = true;
                    self.stalls_at = None;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.stall(now);
                    return Ok(progress);
                }
            }
        }
        if self.unflushed {
            // What the stream keeps back was not read either.
            let Poll::Ready(flushed) = stream.poll_flush(cx) else {
                self.stall(now);
                return Ok(progress);
            };
            flushed?;
            self.unflushed = false;
            progress = true;
        }
        self.stalls_at = None;
        Ok(progress)
    }

    /// The peer has to be waited for, from now on if not already.
    fn stall(&mut self, now: Now) {
        if let (Some(limit), None) = (self.options.write_stall, self.stalls_at) {
            self.stalls_at = Some(now.instant + limit);
        }
    }

    /// Reads what the stream has now. Says whether anything happened, the end included.
    fn read(&mut self, cx: &mut Context<'_>, stream: &mut impl Stream) -> bool {
        match stream.poll_read(cx, &mut self.input) {
            Poll::Pending => false,
            Poll::Ready(Ok(read)) if read > 0 => true,
            // End of file, an error and a hang-up all mean that the peer is done.
            Poll::Ready(_) => {
                self.input_over = true;
                self.machine.end_of_input();
                self.ending.get_or_insert(Ended::EndOfInput);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests;
