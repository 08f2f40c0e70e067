//! TLS as the kit speaks it: the certificate of the server under test, and the client's end of a connection.
//!
//! Owns the client's session. Like its socket, it never waits for what nobody asked for: what is written is sent, or kept by
//! the session until the handshake is complete, and what comes is looked at when somebody reads.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mcp_driver::tls::TlsConfig;
use mcp_driver::tls::rustls::pki_types::pem::PemObject;
use mcp_driver::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use mcp_driver::tls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, crypto,
};

/// Who has signed [`CERTIFICATE`], as PEM.
pub const AUTHORITY: &str = include_str!("certificates/authority.pem");

/// A certificate for `localhost`, `127.0.0.1` and `::1`, as PEM. For tests alone: everybody has its key.
pub const CERTIFICATE: &str = include_str!("certificates/certificate.pem");

/// The key of [`CERTIFICATE`], as PEM.
pub const KEY: &str = include_str!("certificates/key.pem");

/// How long a client waits for a handshake before it goes on without: a server that is full takes nobody.
const HANDSHAKE: Duration = Duration::from_secs(1);

fn provider() -> Arc<crypto::CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

/// What the server under test is to use.
///
/// # Panics
/// Never, for the certificate is good.
#[must_use]
pub fn server() -> TlsConfig {
    let chain =
        vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions that the provider has")
        .with_no_client_auth()
        .with_single_cert(chain, key);
    TlsConfig::new(Arc::new(config.expect("a certificate and its key")))
}

/// A client that trusts that server.
///
/// # Panics
/// Never, for the certificate is good.
#[must_use]
pub fn client() -> Arc<ClientConfig> {
    static CLIENT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let made = CLIENT.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(AUTHORITY.as_bytes());
        roots
            .add(authority.expect("a certificate"))
            .expect("an authority");
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions that the provider has")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    });
    Arc::clone(made)
}

/// The client's end of a connection.
#[derive(Debug)]
pub(super) struct Secure {
    session: ClientConnection,
    pub(super) socket: TcpStream,
    /// The server has said `close_notify`.
    pub(super) closed: bool,
}

impl Secure {
    /// After the handshake, if there is one in time.
    pub(super) fn new(socket: TcpStream) -> Self {
        let name = "localhost".try_into().expect("a name");
        let mut session = ClientConnection::new(client(), name).expect("a good configuration");
        session.set_buffer_limit(None);
        let mut secure = Self {
            session,
            socket,
            closed: false,
        };
        let until = Instant::now() + HANDSHAKE;
        let _ = secure.send();
        while secure.session.is_handshaking() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !matches!(secure.receive(left), Ok(1..)) {
                break;
            }
        }
        secure
    }

    /// Sends what the session has.
    fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    /// Reads from the socket once; 0 is the end.
    fn receive(&mut self, limit: Duration) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(limit))?;
        let read = self.session.read_tls(&mut self.socket)?;
        let state = self.session.process_new_packets();
        self.closed |= state.is_ok_and(|state| state.peer_has_closed());
        self.send()?;
        Ok(read)
    }

    /// Reads what was said, waiting for each piece of it as long as `limit`.
    pub(super) fn read_within(&mut self, limit: Duration, buffer: &mut [u8]) -> io::Result<usize> {
        let until = Instant::now() + limit;
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.receive(left)? == 0 && !self.closed {
                return Ok(0);
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.session.writer().write_all(bytes)?;
        self.send()
    }

    /// Closes the direction that is written, as TLS has it and as TCP has it.
    pub(super) fn close_write(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.send()?;
        self.socket.shutdown(Shutdown::Write)
    }
}
