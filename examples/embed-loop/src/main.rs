//! The protocol core in a hand-written loop: any `Read`, any `Write`, one connection.
//!
//! Owns the loop, line by line as the front page of `mcp-proto` has it. A blocking read cannot be woken by a timer, so
//! reading has a thread of its own; everything else happens here.
//!
//! ```text
//! cargo run --package embed-loop
//! {"jsonrpc":"2.0","id":1,"method":"ping"}
//! ```

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf, BytesMut};
use mcp_proto::outbox::Outbox;
use mcp_proto::server::{Link, LinkEvent, Step};
use mcp_proto::time::{Instant, Now};

fn main() -> io::Result<()> {
    serve(io::stdin(), io::stdout())
}

/// Serves one connection until its input is over and everything is said.
fn serve(reader: impl Read + Send + 'static, mut writer: impl Write) -> io::Result<()> {
    let config = embed_tools::config();
    let mut outbox = Outbox::new(config.limits().outbox_high);
    let mut link = Link::new(config);
    let mut input = BytesMut::new();
    let clock = Clock::start();
    let chunks = read_apart(reader);
    let mut closed = false;
    loop {
        // 1. Everything that can be done now.
        loop {
            match link.next(clock.now(), &mut input, &mut outbox) {
                Step::Event(LinkEvent::Closed { .. }) => closed = true,
                Step::Event(event) => embed_tools::act(&mut link, event, &mut outbox),
                Step::NeedInput | Step::NeedFlush => break,
            }
        }
        // 2. Out with what there is; 5. a write makes room, so ask again before anything else. This also serves
        //    `NeedFlush`, for the outbox is never full and empty at once.
        if outbox.has_remaining() {
            while outbox.has_remaining() {
                let written = writer.write(outbox.chunk())?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                outbox.advance(written);
            }
            writer.flush()?;
            continue;
        }
        if closed {
            return Ok(());
        }
        // 3. Reading is allowed; 4. until the machine has something to do by itself.
        let chunk = match link.poll_timeout() {
            Some(wakeup) => chunks.recv_timeout(wakeup.at.duration_since(clock.now().instant)),
            None => chunks.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match chunk {
            Ok(bytes) => input.extend_from_slice(&bytes),
            Err(RecvTimeoutError::Timeout) => {}
            // End of file and error are one: nothing more will come. What was asked before can still be answered.
            Err(RecvTimeoutError::Disconnected) => link.end_of_input(),
        }
    }
}

/// Reads on a thread of its own. The channel holds nothing: while the loop does not take a chunk no other is read, and a
/// peer that sends faster than it is served has to wait.
fn read_apart(mut reader: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(0);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    if sender.send(buffer[..count].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return,
            }
        }
    });
    receiver
}

/// The clock that the machine does not have.
struct Clock(std::time::Instant);

impl Clock {
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    fn now(&self) -> Now {
        let micros = u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX);
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        Now::new(Instant::from_micros(micros), unix_ms)
    }
}
