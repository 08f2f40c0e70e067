//! What real clients and the demo server say to each other, recorded and judged.
//!
//! Owns standing between the two. The judgement itself is the program `mcp-witness`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::report::Count;
use crate::{Run, process, serve};

/// Far above what judging takes.
const LIMIT: Duration = Duration::from_secs(120);

/// A folder of recordings and the program that fills it.
pub(crate) struct Witness {
    program: PathBuf,
    folder: PathBuf,
}

impl Witness {
    /// Builds the program and empties the folder for the recordings of `part`.
    pub(crate) fn call(run: &Run, part: &str) -> Result<Self, String> {
        let program = serve::binary(run, "mcp-witness", "mcp-witness")?;
        let folder = run.workspace.target.join("witness").join(part);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { program, folder })
    }

    /// The command that stands at `address` before the server at `to`.
    pub(crate) fn before(&self, address: SocketAddr, to: SocketAddr) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("http")
            .arg(&self.folder)
            .arg(address.to_string())
            .arg(to.to_string());
        command
    }

    /// A program that behaves as `binary` does and records its standard streams. Where there is no shell, the binary
    /// itself: its traffic is not judged there.
    pub(crate) fn stand_in(&self, binary: &Path) -> Result<PathBuf, String> {
        stand_in(&self.program, &self.folder, binary)
    }

    /// Judges what was recorded. One recording without a fault in it is no proof of anything unless something was said.
    pub(crate) fn judge(&self) -> Count {
        let mut command = Command::new(&self.program);
        command.arg("judge").arg(&self.folder);
        match process::lines(&mut command, LIMIT, |line| println!("  {line}")) {
            Ok(true) => Count {
                passed: 1,
                ..Count::default()
            },
            Ok(false) => Count::failed(1),
            Err(error) => {
                println!("FAILED: {error}");
                Count::failed(1)
            }
        }
    }
}

#[cfg(unix)]
fn stand_in(program: &Path, folder: &Path, binary: &Path) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;

    let script = folder.join("mcp");
    let text = format!(
        "#!/bin/sh\nexec '{}' stdio '{}' '{}' \"$@\"\n",
        program.display(),
        folder.display(),
        binary.display()
    );
    fs::write(&script, text)
        .and_then(|()| fs::set_permissions(&script, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", script.display()))?;
    Ok(script)
}

#[cfg(not(unix))]
fn stand_in(_: &Path, _: &Path, binary: &Path) -> Result<PathBuf, String> {
    println!("SKIPPED: no shell: what passes over standard streams is not judged");
    Ok(binary.to_owned())
}
