//! TLS around any machine, without I/O.
//!
//! Owns the order of things between a peer's records and the machine inside: handshake, then plaintext both ways, then the
//! end. Must never give the machine inside a byte of a peer whose handshake is not complete, and never take the end of the
//! stream for a message's.
//!
//! ```text
//! input ──▶ Session ──▶ plain ──▶ M        ciphertext is left of the session, plaintext right of it
//!   out ◀── Session ◀── said  ◀── M
//!
//! New ──▶ Handshake ──▶ Traffic ──▶ Closed     Closed: close_notify was said, nothing follows it
//!             └────────────┴──────▶ Failed     Failed: an alert was said; the rest of the input is thrown away
//! ```
//!
//! # Bounds
//! What was read is decrypted at once, so `plain` holds no more than was read; when the machine inside wants nothing more,
//! reading stops. What it says waits in its own outbox, with its own mark, and is encrypted record by record as long as
//! `out` has room ([`OUT_HIGH`]). An unfinished record or handshake message may take 64 KiB. An idle connection holds the
//! keys and no buffers.
//!
//! Sources: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 7301 (ALPN).

mod config;
mod session;
#[cfg(test)]
mod tests;

use std::fmt;
use std::task::Context;
use std::time::Duration;

use bytes::BytesMut;
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{Demand, Machine};
pub use rustls;

pub use self::config::{TlsConfig, TlsConfigError};
use self::session::{Session, Unusable};

/// Ciphertext that waits for the peer beyond this is not added to: four full records.
pub const OUT_HIGH: usize = 64 << 10;

/// How long a peer that was sent an alert may go on speaking, so that it has the time to read it.
const LINGER: Duration = Duration::from_secs(2);

/// How much it may say meanwhile.
const LINGER_MAX: usize = 64 << 10;

/// A machine behind TLS.
///
/// It is driven like every other [`Machine`] and means the same to a driver:
///
/// - `shutdown` is the inner machine's; before the handshake is complete, nothing was promised and the connection just ends.
/// - The peer's `close_notify` and the end of the stream both end the inner machine's input. One without the other is a
///   truncation (RFC 8446 section 6.1): what was complete by then counts, as the inner framing has it, and nothing else.
/// - `done` and `close_write` of the inner machine are passed on once all it said is in the outbox, and `close_notify` after it.
/// - A handshake that fails or breaks a rule is answered with an alert and the connection ends, which nobody is told about.
///
/// ```no_run
/// use mcp_driver::tls::{Tls, TlsConfig};
/// use mcp_server::Machine;
///
/// fn behind_tls<M: Machine>(machine: M) -> Result<Tls<M>, Box<dyn std::error::Error>> {
///     let config = TlsConfig::from_pem_files("certificate.pem", "key.pem")?;
///     Ok(Tls::new(machine, &config)?)
/// }
/// ```
pub struct Tls<M> {
    machine: M,
    session: Session,
    phase: Phase,
    /// What the peer said and the machine has not taken.
    plain: BytesMut,
    /// What the machine said and was not encrypted yet.
    said: Outbox,
    handshake_deadline: Duration,
    /// The stream has ended.
    input_over: bool,
    /// The machine knows that its input has ended.
    told: bool,
    draining: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was polled yet.
    New,
    Handshake {
        until: Instant,
    },
    Traffic,
    /// The machine has ended, or closed its direction, and the peer was told.
    Closed,
    /// An alert was said, or cannot be said.
    Failed {
        until: Instant,
        left: usize,
    },
}

impl<M: Machine> Tls<M> {
    /// `machine` behind TLS, on a connection on which nothing was said yet.
    ///
    /// # Errors
    /// When rustls does not accept the configuration.
    pub fn new(machine: M, config: &TlsConfig) -> Result<Self, rustls::Error> {
        Ok(Self {
            session: Session::new(config.rustls())?,
            phase: Phase::New,
            plain: BytesMut::new(),
            said: machine.outbox(),
            machine,
            handshake_deadline: config.handshake_deadline(),
            input_over: false,
            told: false,
            draining: false,
        })
    }

    /// What is behind TLS, and what it has said: for drivers that run its calls elsewhere and bring them back. Poll
    /// afterwards.
    pub const fn parts(&mut self) -> (&mut M, &mut Outbox) {
        (&mut self.machine, &mut self.said)
    }

    fn handshaking(&self, now: Now, until: Instant, out: &mut Outbox) -> Demand {
        let mut demand = Demand::READ;
        demand.done = until <= now.instant || self.input_over || self.draining;
        demand.wakeup = Some(until);
        if demand.done {
            // Nobody is waited for to read half of a handshake.
            out.clear();
        }
        demand
    }

    fn traffic(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Result<Demand, Unusable> {
        if (self.input_over || self.session.is_peer_closed()) && !self.told {
            self.told = true;
            self.machine.end_of_input();
        }
        let mut demand = self.machine.poll(cx, now, &mut self.plain, &mut self.said);
        if self.phase == Phase::Traffic {
            self.session
                .seal(input, &mut self.plain, &mut self.said, out)?;
        }
        let sealed = self.said.is_empty();
        demand.done &= sealed;
        demand.close_write &= sealed;
        demand.read &= !self.told;
        if (demand.done || demand.close_write) && self.phase == Phase::Traffic {
            self.session.close(input, &mut self.plain, out)?;
            self.phase = Phase::Closed;
        }
        self.give_back();
        Ok(demand)
    }

    /// An idle connection holds no buffers.
    fn give_back(&mut self) {
        if self.plain.is_empty() {
            self.plain = BytesMut::new();
        }
        self.said.exchange_buffer(&mut BytesMut::new());
    }

    fn fail(&mut self, now: Now) {
        self.plain = BytesMut::new();
        self.said.clear();
        self.phase = Phase::Failed {
            until: now.instant + LINGER,
            left: LINGER_MAX,
        };
    }

    /// Waits until the peer has read the alert, which shows when it closes.
    fn failed(&mut self, now: Now, input: &mut BytesMut, out: &mut Outbox) -> Demand {
        let mut demand = Demand::READ;
        let Phase::Failed { until, left } = &mut self.phase else {
            return demand;
        };
        *left = left.saturating_sub(input.len());
        input.clear();
        let late = *until <= now.instant || self.draining;
        if late {
            out.clear();
        }
        demand.done = late || *left == 0 || self.input_over;
        demand.close_write = true;
        demand.wakeup = Some(*until);
        demand
    }
}

impl<M: Machine> Machine for Tls<M> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand {
        if self.phase == Phase::New {
            self.phase = Phase::Handshake {
                until: now.instant + self.handshake_deadline,
            };
        }
        if !matches!(self.phase, Phase::Failed { .. }) {
            let received = self.session.receive(input, &mut self.plain, out);
            if received.is_err() {
                self.fail(now);
            } else if matches!(self.phase, Phase::Handshake { .. })
                && !self.session.is_handshaking()
            {
                self.phase = Phase::Traffic;
            }
        }
        match self.phase {
            Phase::New | Phase::Failed { .. } => self.failed(now, input, out),
            Phase::Handshake { until } => self.handshaking(now, until, out),
            Phase::Traffic | Phase::Closed => {
                self.traffic(cx, now, input, out).unwrap_or_else(|_| {
                    self.fail(now);
                    self.failed(now, input, out)
                })
            }
        }
    }

    fn end_of_input(&mut self) {
        self.input_over = true;
    }

    fn hears_last_words(&self) -> bool {
        self.machine.hears_last_words()
    }

    fn shutdown(&mut self) {
        self.draining = true;
        self.machine.shutdown();
    }

    fn outbox(&self) -> Outbox {
        Outbox::new(OUT_HIGH)
    }
}

impl<M: fmt::Debug> fmt::Debug for Tls<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("machine", &self.machine)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
