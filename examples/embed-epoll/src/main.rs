//! The protocol core in a hand-written epoll loop: many connections, one thread, no async.
//!
//! Owns the listener and the loop; what concerns one connection is in `peer`. The program prints where it listens. It
//! takes an address as its only argument, which must be a loopback one: this framing has no authentication.
//!
//! ```text
//! cargo run --package embed-epoll -- 127.0.0.1:7777
//! ```

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod peer;

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("epoll is a part of Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;
    use std::time::{SystemTime, UNIX_EPOCH};

    use mcp_proto::time::{Instant, Now};
    use rustix::event::{Timespec, epoll};

    use crate::peer::Peer;

    /// The token of the listener; a connection's is its place in the table.
    const LISTENER: u64 = u64::MAX;

    /// Connections at a time. Beyond: closed at once.
    const MAX_PEERS: usize = 512;

    pub(crate) fn main() -> io::Result<()> {
        let address: SocketAddr = std::env::args()
            .nth(1)
            .unwrap_or_else(|| "127.0.0.1:0".into())
            .parse()
            .map_err(io::Error::other)?;
        if !address.ip().is_loopback() {
            return Err(io::Error::other("this example listens on loopback alone"));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(LISTENER);
        epoll::add(&epoll, &listener, data, epoll::EventFlags::IN)?;
        let mut stdout = io::stdout();
        writeln!(stdout, "listening on {}", listener.local_addr()?)?;
        stdout.flush()?;

        let config = embed_tools::config();
        let start = std::time::Instant::now();
        let mut peers: Vec<Option<Peer>> = Vec::new();
        let mut events = Vec::with_capacity(64);
        loop {
            // Rule 4: sleep until the first machine has something to do by itself. A scan, since the table is small; a
            // server for many keeps the times in a heap.
            let wakeup = peers.iter().flatten().filter_map(Peer::wakeup).min();
            let timeout = wakeup.map(|at| patience(at, now(start).instant));
            events.clear();
            match epoll::wait(
                &epoll,
                rustix::buffer::spare_capacity(&mut events),
                timeout.as_ref(),
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let token = event.data.u64();
                if token == LISTENER {
                    while let Ok((stream, _)) = listener.accept() {
                        let Some(place) = vacancy(&mut peers) else {
                            continue;
                        };
                        let data = epoll::EventData::new_u64(place as u64);
                        stream.set_nonblocking(true)?;
                        epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
                        peers[place] = Some(Peer::new(stream, Arc::clone(&config)));
                    }
                } else if let Some(peer) = peers.get_mut(token as usize).and_then(Option::as_mut) {
                    peer.ready(event.flags);
                }
            }
            // Whoever has news or whose time has come gets a turn, and epoll hears of what it wants now.
            let now = now(start);
            for (place, slot) in peers.iter_mut().enumerate() {
                let Some(peer) = slot else { continue };
                if !peer.is_due(now.instant) {
                    continue;
                }
                match peer.turn(now) {
                    Some(interest) => {
                        let data = epoll::EventData::new_u64(place as u64);
                        epoll::modify(&epoll, &peer.stream, data, interest)?;
                    }
                    // Closing the socket takes it out of epoll as well.
                    None => *slot = None,
                }
            }
        }
    }

    /// A free place in the table, if there is one.
    fn vacancy(peers: &mut Vec<Option<Peer>>) -> Option<usize> {
        if let Some(place) = peers.iter().position(Option::is_none) {
            return Some(place);
        }
        let place = peers.len();
        (place < MAX_PEERS).then(|| {
            peers.push(None);
            place
        })
    }

    fn patience(at: Instant, now: Instant) -> Timespec {
        let left = at.duration_since(now);
        // An hour at most: what is left after it is asked again.
        Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(3600).min(3600),
            tv_nsec: left.subsec_nanos().into(),
        }
    }

    fn now(start: std::time::Instant) -> Now {
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        Now::new(Instant::from_micros(micros), unix_ms)
    }
}
