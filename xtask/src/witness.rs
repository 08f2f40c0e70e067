//! What real clients and the demo server say to each other, recorded and judged.
//!
//! Owns standing between the two. The judgement itself is the program `mcp-witness`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::report::Count;
use crate::serve::Driver;
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

    /// A program that behaves as `binary` does on one driver and records its standard streams. Where there is no shell, the
    /// binary itself on its first driver: its traffic is not judged there.
    pub(crate) fn stand_in(&self, binary: &Path, driver: Driver) -> Result<PathBuf, String> {
        let program = self.program.display();
        let before = format!("'{program}' stdio '{}' ", self.folder.display());
        self.script(&format!("stdio-{}", driver.name()), &before, binary, driver)
    }

    /// A program that behaves as `binary` does on one driver, and is not judged.
    pub(crate) fn on(&self, binary: &Path, driver: Driver) -> Result<PathBuf, String> {
        self.script(&format!("mcp-{}", driver.name()), "", binary, driver)
    }

    fn script(
        &self,
        name: &str,
        before: &str,
        binary: &Path,
        driver: Driver,
    ) -> Result<PathBuf, String> {
        let (script, name) = (self.folder.join(name), driver.name());
        let binary_name = binary.display();
        let text = format!("#!/bin/sh\nexec {before}'{binary_name}' \"$@\" --driver {name}\n");
        executable(&script, &text, binary)
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
fn executable(script: &Path, text: &str, _: &Path) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;

    fs::write(script, text)
        .and_then(|()| fs::set_permissions(script, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", script.display()))?;
    Ok(script.to_owned())
}

#[cfg(not(unix))]
fn executable(_: &Path, _: &str, binary: &Path) -> Result<PathBuf, String> {
    println!(
        "SKIPPED: no shell: the first driver is tried, and what passes over standard streams is not judged"
    );
    Ok(binary.to_owned())
}
