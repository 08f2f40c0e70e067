//! Certificates and keys from files, and what can be wrong with them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pair::file;
use crate::tls::{TlsConfig, TlsConfigError};

/// A file that is gone when its test is.
struct Temporary(PathBuf);

impl Temporary {
    fn new(content: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mcp-driver-tls-{}-{number}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// What is wrong with a certificate file and a key file of this content.
fn wrong(certificates: &str, key: &str) -> (TlsConfigError, Temporary, Temporary) {
    let (certificates, key) = (Temporary::new(certificates), Temporary::new(key));
    let error = TlsConfig::from_pem_files(&certificates.0, &key.0).unwrap_err();
    (error, certificates, key)
}

/// The message names the file, and nothing of the key.
#[track_caller]
fn names(error: &TlsConfigError, file: &Temporary) {
    let message = error.to_string();
    assert!(message.contains(file.0.to_str().unwrap()), "{message}");
    for line in text("key.pem").lines().filter(|line| line.len() > 30) {
        assert!(!message.contains(&line[..20]), "{message}");
    }
}

#[test]
fn a_chain_and_its_key_are_taken() {
    let chain = Temporary::new(&(text("certificate.pem") + &text("authority.pem")));
    TlsConfig::from_pem_files(&chain.0, file("key.pem")).unwrap();
    // The key may be in the same file.
    let all = Temporary::new(&(text("key.pem") + &text("certificate.pem")));
    TlsConfig::from_pem_files(&all.0, &all.0).unwrap();
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = TlsConfig::from_pem_files("/no/such.pem", file("key.pem")).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read /no/such.pem: "),
        "{error}"
    );
    let error = std::io::Error::from(error);
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn files_that_are_exchanged_are_told_apart() {
    let (certificate, key) = (text("certificate.pem"), text("key.pem"));
    let (error, first, _second) = wrong(&key, &certificate);
    assert!(
        matches!(error, TlsConfigError::NoCertificate { .. }),
        "{error:?}"
    );
    names(&error, &first);
    let (error, _first, second) = wrong(&certificate, &certificate);
    assert!(matches!(error, TlsConfigError::NoKey { .. }), "{error:?}");
    names(&error, &second);
}

#[test]
fn a_file_that_is_cut_off_is_malformed() {
    let (certificate, key) = (text("certificate.pem"), text("key.pem"));
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let (error, first, _second) = wrong(&half(&certificate), &key);
    assert!(
        matches!(error, TlsConfigError::Malformed { .. }),
        "{error:?}"
    );
    names(&error, &first);
    let (error, _first, second) = wrong(&certificate, &half(&key));
    assert!(
        matches!(error, TlsConfigError::Malformed { .. }),
        "{error:?}"
    );
    names(&error, &second);
}

#[test]
fn a_key_with_a_password_is_called_so() {
    let encrypted = text("key.pem").replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let (error, _first, second) = wrong(&text("certificate.pem"), &encrypted);
    assert!(
        matches!(error, TlsConfigError::EncryptedKey { .. }),
        "{error:?}"
    );
    names(&error, &second);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (error, first, second) = wrong(&text("authority.pem"), &text("key.pem"));
    assert!(
        matches!(error, TlsConfigError::Mismatch { .. }),
        "{error:?}"
    );
    names(&error, &first);
    names(&error, &second);
}

#[test]
fn a_key_that_is_none_is_refused() {
    let nonsense = "-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----\n";
    let (error, _first, second) = wrong(&text("certificate.pem"), nonsense);
    assert!(matches!(error, TlsConfigError::Refused { .. }), "{error:?}");
    names(&error, &second);
}
