//! The demo server as a child process.
//!
//! Owns building and starting `mcp demo`. The process dies with its owner.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{self, Kept};
use crate::witness::Witness;
use crate::{Run, tools};

/// What `mcp demo` can be served on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Tokio,
    Std,
    Mio,
    Smol,
    AsyncStd,
}

impl Driver {
    pub(crate) const ALL: [Self; 5] = [
        Self::Tokio,
        Self::Std,
        Self::Mio,
        Self::Smol,
        Self::AsyncStd,
    ];

    /// Those whose HTTP everything is tried on: the others share their machine with the last two.
    pub(crate) const HTTP: [Self; 3] = [Self::Tokio, Self::Std, Self::Mio];

    /// Those that have TLS of their own.
    pub(crate) const HTTPS: [Self; 2] = [Self::Std, Self::Mio];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Std => "std",
            Self::Mio => "mio",
            Self::Smol => "smol",
            Self::AsyncStd => "async-std",
        }
    }
}

/// Builds the `mcp` binary with every driver and says where it is.
pub(crate) fn build(run: &Run) -> Result<PathBuf, String> {
    built(run, "mcp-cli", "mcp", &["--all-features"])
}

/// Builds a package and says where its program is.
pub(crate) fn binary(run: &Run, package: &str, program: &str) -> Result<PathBuf, String> {
    built(run, package, program, &[])
}

fn built(run: &Run, package: &str, program: &str, features: &[&str]) -> Result<PathBuf, String> {
    let mut command = Command::new(tools::cargo());
    command
        .args(["build", "--quiet", "--package", package])
        .args(features)
        .current_dir(&run.workspace.root);
    if run.release {
        command.arg("--release");
    }
    process::run(&mut command)?;
    let profile = if run.release { "release" } else { "debug" };
    Ok(run
        .workspace
        .target
        .join(profile)
        .join(format!("{program}{}", std::env::consts::EXE_SUFFIX)))
}

/// A running `mcp demo` on a port of its own.
pub(crate) struct Demo {
    /// Where clients go.
    pub(crate) url: String,
    _witness: Option<Kept>,
    _process: Kept,
}

impl Demo {
    /// With a witness before it.
    pub(crate) fn start(binary: &Path, driver: Driver, witness: &Witness) -> Result<Self, String> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.args(["demo", "--driver", driver.name()]);
        let process = listening(command.args(["--listen", &address.to_string()]), address)?;
        let before = free_address()?;
        let witness = listening(&mut witness.before(before, address), before)?;
        Ok(Self {
            url: format!("http://{before}/mcp"),
            _witness: Some(witness),
            _process: process,
        })
    }

    /// Over TLS, with the certificate of the test kit: nothing that a witness could read.
    pub(crate) fn start_https(
        binary: &Path,
        driver: Driver,
        certificates: &Path,
    ) -> Result<Self, String> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command
            .args(["demo", "--driver", driver.name()])
            .args(["--listen", &address.to_string()])
            .arg("--tls-cert")
            .arg(certificates.join("certificate.pem"))
            .arg("--tls-key")
            .arg(certificates.join("key.pem"));
        Ok(Self {
            // The certificate is for this name as well as for the address.
            url: format!("https://localhost:{}/mcp", address.port()),
            _witness: None,
            _process: listening(&mut command, address)?,
        })
    }

    /// At its HTTP+SSE, whose answers do not come where the questions went: nothing that a witness could follow.
    pub(crate) fn start_http_sse(binary: &Path) -> Result<Self, String> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.args(["demo", "--http-sse", "--listen", &address.to_string()]);
        Ok(Self {
            url: format!("http://{address}/sse"),
            _witness: None,
            _process: listening(&mut command, address)?,
        })
    }
}

fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port: {error}"))
}

/// Starts a program and waits until it accepts connections.
fn listening(command: &mut Command, address: SocketAddr) -> Result<Kept, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let mut process = Kept(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
        if let Ok(Some(status)) = process.0.try_wait() {
            return Err(format!("{name} ended at once with {status}"));
        }
        if Instant::now() > deadline {
            return Err(format!("{name} does not accept connections after 20 s"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(process)
}
