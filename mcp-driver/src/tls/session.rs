//! One TLS session: records in, plaintext out, and back.
//!
//! Owns rustls' state machine, which works in the buffers of its caller: whatever is unfinished stays in `input`, and must
//! stay there untouched. Must never add to `out` what the session itself does not need, beyond its mark.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use mcp_server::proto::outbox::Outbox;
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};

/// The plaintext of one record (RFC 8446 section 5.1).
pub(super) const RECORD: usize = 16 << 10;

/// What a record adds to its plaintext, in any of the ciphers that there are: header, nonce, content type, tag.
const OVERHEAD: usize = 64;

/// What may be left of the input when everything whole was taken: no handshake message is longer, and no record.
pub(super) const UNFINISHED_MAX: usize = 64 << 10;

/// Nothing can be said on this session any more, except for the alert that is in `out`.
#[derive(Debug)]
pub(super) struct Unusable;

impl From<rustls::Error> for Unusable {
    fn from(_: rustls::Error) -> Self {
        Self
    }
}

/// See the module.
pub(super) struct Session {
    tls: UnbufferedServerConnection,
    peer_closed: bool,
}

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(config)?,
            peer_closed: false,
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the peer has said `close_notify`.
    pub(super) const fn is_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Takes everything whole from `input`: application data goes to `plain`, what the session answers by itself to `out`.
    pub(super) fn receive(
        &mut self,
        input: &mut BytesMut,
        plain: &mut BytesMut,
        out: &mut Outbox,
    ) -> Result<(), Unusable> {
        self.drive(input, plain, out, |_, _| Ok(()))?;
        if self.peer_closed {
            // Nothing of it would be looked at.
            input.clear();
        }
        if input.len() > UNFINISHED_MAX {
            return Err(Unusable);
        }
        Ok(())
    }

    /// Encrypts what was `said`, as long as `out` has room.
    pub(super) fn seal(
        &mut self,
        input: &mut BytesMut,
        plain: &mut BytesMut,
        said: &mut Outbox,
        out: &mut Outbox,
    ) -> Result<(), Unusable> {
        if said.is_empty() {
            return Ok(());
        }
        self.drive(input, plain, out, |traffic, out| {
            while said.has_remaining() && !out.is_full() {
                if said.chunk().len() >= RECORD {
                    encrypt(traffic, &said.chunk()[..RECORD], out)?;
                    said.advance(RECORD);
                } else {
                    let piece = said.copy_to_bytes(said.remaining().min(RECORD));
                    encrypt(traffic, &piece, out)?;
                }
            }
            Ok(())
        })
    }

    /// Says `close_notify`: nothing may be sealed after it.
    pub(super) fn close(
        &mut self,
        input: &mut BytesMut,
        plain: &mut BytesMut,
        out: &mut Outbox,
    ) -> Result<(), Unusable> {
        self.drive(input, plain, out, |traffic, out| {
            put(out, OVERHEAD, |buffer| {
                let encoded = traffic.queue_close_notify(buffer);
                encoded.map_err(needed)
            })
        })
    }

    /// Goes on until more input is needed, or until `write` is what can be done.
    fn drive(
        &mut self,
        input: &mut BytesMut,
        plain: &mut BytesMut,
        out: &mut Outbox,
        write: impl FnOnce(&mut Traffic<'_>, &mut Outbox) -> Result<(), Unusable>,
    ) -> Result<(), Unusable> {
        let driven = self.drive_on(input, plain, out, write);
        if driven.is_err() {
            self.put_alert(input, out);
        }
        driven
    }

    fn drive_on(
        &mut self,
        input: &mut BytesMut,
        plain: &mut BytesMut,
        out: &mut Outbox,
        write: impl FnOnce(&mut Traffic<'_>, &mut Outbox) -> Result<(), Unusable>,
    ) -> Result<(), Unusable> {
        loop {
            let UnbufferedStatus {
                mut discard, state, ..
            } = self.tls.process_tls_records(&mut input[..]);
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        plain.extend_from_slice(record.payload);
                        discard += record.discard;
                    }
                }
                ConnectionState::EncodeTlsData(data) => put_encoded(data, out)?,
                // The outbox keeps the order.
                ConnectionState::TransmitTlsData(transmitted) => transmitted.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    write(&mut traffic, out)?;
                    input.advance(discard);
                    return Ok(());
                }
                ConnectionState::BlockedHandshake | ConnectionState::Closed => {
                    input.advance(discard);
                    return Ok(());
                }
                // Early data can be replayed; the configuration does not allow it.
                _ => return Err(Unusable),
            }
            input.advance(discard);
        }
    }

    /// What is still to be said after an error: the alert that tells the peer, if there is one. Nothing more is asked of the
    /// session than what waits, for it would take up the same records again.
    fn put_alert(&mut self, input: &mut BytesMut, out: &mut Outbox) {
        while self.tls.wants_write() {
            let UnbufferedStatus { discard, state, .. } =
                self.tls.process_tls_records(&mut input[..]);
            let Ok(ConnectionState::EncodeTlsData(data)) = state else {
                return;
            };
            if put_encoded(data, out).is_err() {
                return;
            }
            input.advance(discard);
        }
    }
}

type Traffic<'a> = WriteTraffic<'a, ServerConnectionData>;

fn put_encoded(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    out: &mut Outbox,
) -> Result<(), Unusable> {
    put(out, OVERHEAD, |buffer| {
        data.encode(buffer).map_err(|error| match error {
            EncodeError::InsufficientSize(size) => Some(size.required_size),
            EncodeError::AlreadyEncoded => None,
        })
    })
}

fn encrypt(traffic: &mut Traffic<'_>, plain: &[u8], out: &mut Outbox) -> Result<(), Unusable> {
    put(out, plain.len() + OVERHEAD, |buffer| {
        traffic.encrypt(plain, buffer).map_err(needed)
    })
}

/// How much room it takes, if room is what is missing.
fn needed(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(size) => Some(size.required_size),
        EncryptError::EncryptExhausted => None,
    }
}

/// Has `encode` write into memory that the outbox then takes over. It says how much it has written, or how much it needs.
fn put(
    out: &mut Outbox,
    guess: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Unusable> {
    let mut buffer = BytesMut::zeroed(guess);
    loop {
        match encode(&mut buffer) {
            Ok(written) => {
                buffer.truncate(written);
                out.put_shared(buffer.freeze());
                return Ok(());
            }
            Err(Some(needed)) if needed > buffer.len() => buffer.resize(needed, 0),
            Err(_) => return Err(Unusable),
        }
    }
}
