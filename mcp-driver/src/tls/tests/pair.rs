//! A machine behind TLS and a client of rustls' own, with nothing but memory between them.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mcp_server::proto::outbox::Outbox;
use mcp_server::proto::time::{Instant, Now};
use mcp_server::{Demand, Machine};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use crate::tls::{Tls, TlsConfig};

/// The mark of the probe's outbox.
pub(super) const HIGH: usize = 40 << 10;

/// A machine that remembers what it was told and says what it is given to say.
#[derive(Debug, Default)]
pub(super) struct Probe {
    pub(super) polls: usize,
    pub(super) heard: Vec<u8>,
    pub(super) say: VecDeque<Bytes>,
    /// Takes nothing.
    pub(super) deaf: bool,
    pub(super) input_over: bool,
    pub(super) shut: bool,
    /// When all is said.
    pub(super) then: Then,
    pub(super) cut: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    #[default]
    Wait,
    CloseWrite,
    Done,
}

impl Machine for Probe {
    fn poll(
        &mut self,
        _: &mut Context<'_>,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbox,
    ) -> Demand {
        self.polls += 1;
        if !self.deaf {
            self.heard.extend_from_slice(&input.split());
        }
        while !out.is_full()
            && let Some(piece) = self.say.pop_front()
        {
            out.put_shared(piece);
        }
        let all_said = self.say.is_empty();
        let mut demand = Demand::READ;
        demand.read = !self.deaf;
        demand.wakeup = Some(now.instant + Duration::from_secs(1000));
        demand.close_write = all_said && self.then == Then::CloseWrite;
        demand.done = all_said && self.then == Then::Done;
        demand.cut = self.cut;
        demand
    }

    fn end_of_input(&mut self) {
        assert!(!self.input_over, "told twice");
        self.input_over = true;
    }

    fn shutdown(&mut self) {
        self.shut = true;
    }

    fn outbox(&self) -> Outbox {
        Outbox::new(HIGH)
    }
}

/// A file of the test certificate.
pub(super) fn file(name: &str) -> PathBuf {
    let kit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../mcp-testkit/src/driver/certificates"
    );
    PathBuf::from(kit).join(name)
}

pub(super) fn config() -> TlsConfig {
    TlsConfig::from_pem_files(file("certificate.pem"), file("key.pem")).unwrap()
}

/// A client that trusts the authority of the test certificate, or nobody.
pub(super) fn client_config(
    trusting: bool,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if trusting {
        let authority = CertificateDer::from_pem_file(file("authority.pem")).unwrap();
        roots.add(authority).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(super) fn client_of(config: ClientConfig) -> ClientConnection {
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

/// Both ends.
pub(super) struct Pair {
    pub(super) server: Tls<Probe>,
    pub(super) client: ClientConnection,
    pub(super) input: BytesMut,
    pub(super) out: Outbox,
    pub(super) now: Now,
    pub(super) demand: Demand,
    /// What the client was told, decrypted.
    pub(super) got: Vec<u8>,
    /// The server has said `close_notify`.
    pub(super) closed: bool,
}

impl Pair {
    pub(super) fn of(probe: Probe, client: ClientConnection) -> Self {
        let server = Tls::new(probe, &config().for_http1()).unwrap();
        Self {
            out: server.outbox(),
            server,
            client,
            input: BytesMut::new(),
            now: Now::default(),
            demand: Demand::READ,
            got: Vec::new(),
            closed: false,
        }
    }

    pub(super) fn new(probe: Probe) -> Self {
        Self::of(probe, client_of(client_config(true, rustls::ALL_VERSIONS)))
    }

    /// After the handshake.
    pub(super) fn connected(probe: Probe) -> Self {
        let mut pair = Self::new(probe);
        pair.settle();
        assert!(!pair.client.is_handshaking());
        pair
    }

    pub(super) fn probe(&mut self) -> &mut Probe {
        self.server.parts().0
    }

    pub(super) fn at(&mut self, at: Duration) -> Demand {
        self.now.instant = Instant::default() + at;
        self.poll()
    }

    pub(super) fn poll(&mut self) -> Demand {
        let mut cx = Context::from_waker(Waker::noop());
        self.demand = self
            .server
            .poll(&mut cx, self.now, &mut self.input, &mut self.out);
        self.demand
    }

    /// What the client wants to send, encrypted.
    pub(super) fn flight(&mut self) -> Vec<u8> {
        let mut flight = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut flight).unwrap();
        }
        flight
    }

    /// Gives the server `bytes`, a `piece` at a time.
    pub(super) fn feed(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece) {
            self.input.extend_from_slice(piece);
            self.poll();
        }
    }

    /// Gives the client at most so many bytes of what the server has said. Says whether there were any.
    pub(super) fn deliver(&mut self, at_most: usize) -> bool {
        let piece = self.out.copy_to_bytes(self.out.remaining().min(at_most));
        let mut rest = &piece[..];
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            let state = self.client.process_new_packets().unwrap();
            self.closed |= state.peer_has_closed();
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            self.client.reader().read_exact(&mut plain).unwrap();
            self.got.extend_from_slice(&plain);
        }
        !piece.is_empty()
    }

    /// Moves everything until nothing moves, in pieces of this many bytes.
    pub(super) fn settle_in(&mut self, piece: usize) {
        loop {
            self.poll();
            let flight = self.flight();
            self.feed(&flight, piece);
            let mut delivered = false;
            while self.deliver(piece) {
                delivered = true;
            }
            if flight.is_empty() && !delivered {
                return;
            }
        }
    }

    pub(super) fn settle(&mut self) {
        self.settle_in(usize::MAX);
    }

    pub(super) fn client_says(&mut self, text: &[u8]) {
        self.client.writer().write_all(text).unwrap();
    }
}
