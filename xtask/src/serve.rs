//! The demo server as a child process.
//!
//! Owns building and starting `mcp demo`. The process dies with its owner.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{self, Kept};
use crate::{Run, tools};

/// Builds the `mcp` binary and says where it is.
pub(crate) fn build(run: &Run) -> Result<PathBuf, String> {
    let mut command = Command::new(tools::cargo());
    command
        .args(["build", "--quiet", "--package", "mcp-cli"])
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
        .join(format!("mcp{}", std::env::consts::EXE_SUFFIX)))
}

/// A running `mcp demo` on a port of its own.
pub(crate) struct Demo {
    pub(crate) url: String,
    _process: Kept,
}

impl Demo {
    pub(crate) fn start(binary: &PathBuf) -> Result<Self, String> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| format!("no free port: {error}"))?
            .port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let child = Command::new(binary)
            .args(["demo", "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut process = Kept(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            if let Ok(Some(status)) = process.0.try_wait() {
                return Err(format!("mcp demo ended at once with {status}"));
            }
            if Instant::now() > deadline {
                return Err("mcp demo does not accept connections after 20 s".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self {
            url: format!("http://{address}/mcp"),
            _process: process,
        })
    }
}
