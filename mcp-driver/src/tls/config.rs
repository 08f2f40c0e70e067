//! What a listener shows its peers: certificate, key, versions, and how long a handshake may take.
//!
//! Owns reading PEM files and saying what is wrong with them. Must never put a key, or a part of one, into a message, and
//! never rely on a provider that somebody else has made the process's default.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The name of HTTP/1.1 in ALPN (RFC 7301).
const HTTP1: &[u8] = b"http/1.1";

/// How TLS is spoken. Cheap to clone.
///
/// [`from_pem_files`](Self::from_pem_files) suits most; whoever wants client certificates, several names or certificates
/// that are renewed while serving makes a [`rustls::ServerConfig`] (re-exported as [`tls::rustls`](crate::tls::rustls)) and
/// hands it in:
///
/// ```
/// use std::sync::Arc;
/// use mcp_driver::tls::{TlsConfig, rustls};
///
/// fn config(resolver: Arc<dyn rustls::server::ResolvesServerCert>) -> Result<TlsConfig, rustls::Error> {
///     let provider = Arc::new(rustls::crypto::ring::default_provider());
///     let config = rustls::ServerConfig::builder_with_provider(provider)
///         .with_safe_default_protocol_versions()?
///         .with_no_client_auth()
///         .with_cert_resolver(resolver);
///     Ok(TlsConfig::new(Arc::new(config)))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct TlsConfig {
    config: Arc<ServerConfig>,
    handshake_deadline: Duration,
}

impl From<Arc<ServerConfig>> for TlsConfig {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::new(config)
    }
}

impl TlsConfig {
    /// TLS as `config` says, except for early data, which is never taken: anybody can replay it, and a tool call is not to be
    /// replayed (RFC 8446 section 8).
    #[must_use]
    pub fn new(mut config: Arc<ServerConfig>) -> Self {
        if config.max_early_data_size > 0 {
            Arc::make_mut(&mut config).max_early_data_size = 0;
        }
        Self {
            config,
            handshake_deadline: Duration::from_secs(10),
        }
    }

    /// TLS 1.2 and 1.3 with a certificate, the chain that leads to it, and its key, from PEM files: `fullchain.pem` and
    /// `privkey.pem` of certbot, say. Clients are not asked for certificates. The provider is *ring*.
    ///
    /// The files are read once; a renewed certificate needs a new start, or a resolver of your own.
    ///
    /// # Errors
    /// Which file it is, and what is wrong with it.
    pub fn from_pem_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsConfigError> {
        let (certificates, key) = (certificates.as_ref(), key.as_ref());
        let chain = read_chain(certificates)?;
        let secret = read_key(key)?;
        let refused = |source| TlsConfigError::Refused {
            certificates: certificates.to_owned(),
            key: key.to_owned(),
            source,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsConfigError::Mismatch {
                    certificates: certificates.to_owned(),
                    key: key.to_owned(),
                },
                other => refused(other),
            })?;
        Ok(Self::new(Arc::new(config)))
    }

    /// How long a handshake may take, counted from the connection's start. Default: 10 seconds.
    #[must_use]
    pub const fn with_handshake_deadline(mut self, deadline: Duration) -> Self {
        self.handshake_deadline = deadline;
        self
    }

    /// The same for a listener of HTTP/1.1: whatever was configured, a client that negotiates a protocol is offered this one
    /// alone, for nothing else is spoken. A client that negotiates none is served as well.
    #[must_use]
    pub fn for_http1(mut self) -> Self {
        if self.config.alpn_protocols != [HTTP1] {
            Arc::make_mut(&mut self.config).alpn_protocols = vec![HTTP1.to_vec()];
        }
        self
    }

    pub(super) fn rustls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    pub(super) const fn handshake_deadline(&self) -> Duration {
        self.handshake_deadline
    }
}

/// Why PEM files are of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no PEM.
    #[error("{} is not a PEM file, or is cut off", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The file of the certificates has none.
    #[error("{} has no certificate (BEGIN CERTIFICATE)", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file of the key has none.
    #[error("{} has no private key (BEGIN PRIVATE KEY)", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key needs a password.
    #[error("the private key in {} is encrypted; decrypt it first (openssl pkey)", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// Key and certificate are not each other's.
    #[error(
        "the key in {} is not that of the first certificate in {}",
        key.display(),
        certificates.display()
    )]
    Mismatch {
        /// The file of the certificates.
        certificates: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// What is in the files cannot be used.
    #[error(
        "{} and {} cannot be used: {source}",
        certificates.display(),
        key.display()
    )]
    Refused {
        /// The file of the certificates.
        certificates: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

impl From<TlsConfigError> for io::Error {
    fn from(error: TlsConfigError) -> Self {
        let kind = match &error {
            TlsConfigError::Unreadable { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    std::fs::read(path).map_err(|source| TlsConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        // What a PEM error quotes may be a part of a key that is in the wrong place.
        .map_err(|_| TlsConfigError::Malformed {
            path: path.to_owned(),
        })?;
    if chain.is_empty() {
        return Err(TlsConfigError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    let text = read(path)?;
    let path = path.to_owned();
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if contains(&text, b"ENCRYPTED") => {
            TlsConfigError::EncryptedKey { path }
        }
        pem::Error::NoItemsFound => TlsConfigError::NoKey { path },
        _ => TlsConfigError::Malformed { path },
    })
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
