//! What the parts need beyond cargo, installed under the target directory.
//!
//! Owns the pinned environments: Node with the official JavaScript packages, Python with the official SDKs, cargo-deny.
//! An environment is rebuilt when the file that pins it changes. Nothing is ever installed outside the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process;

/// Why an environment is not there.
pub(crate) enum Absent {
    /// This machine lacks the program that would build it.
    Missing(String),
    /// Building it failed.
    Broken(String),
}

impl Absent {
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Missing(reason) | Self::Broken(reason) => reason,
        }
    }
}

/// Where things are.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// The whole of `cargo metadata`, dependencies included.
    pub(crate) metadata: Value,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, String> {
        let text = process::capture(Command::new(cargo()).args([
            "metadata",
            "--format-version",
            "1",
            "--all-features",
        ]))?;
        let metadata: Value =
            serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
        let path = |key: &str| {
            metadata[key]
                .as_str()
                .map(PathBuf::from)
                .ok_or_else(|| format!("cargo metadata has no {key}"))
        };
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            metadata,
        })
    }

    /// The packages of this repository.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Value> {
        let members = self.metadata["workspace_members"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        self.packages()
            .filter(|package| members.contains(&package["id"]))
    }

    /// Every package in the lock file that some target and feature uses.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Value> {
        self.metadata["packages"].as_array().into_iter().flatten()
    }

    fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Node and the official JavaScript packages, as `tests/interop/package-lock.json` pins them.
    pub(crate) fn node(&self) -> Result<Node, Absent> {
        if !process::exists("npm") {
            return Err(Absent::Missing("npm is not installed".into()));
        }
        let source = self.root.join("tests/interop");
        let home = self.tools().join("node");
        build(
            &home,
            &[
                source.join("package.json"),
                source.join("package-lock.json"),
            ],
            || npm_ci(&home),
        )?;
        let bin = home.join("node_modules/.bin");
        Ok(Node {
            node: bin.join("node"),
            modules: home.join("node_modules"),
            home,
        })
    }

    /// A Python environment of this name with what a file in `tests/interop/` pins.
    pub(crate) fn python(&self, name: &str, pins: &str) -> Result<PathBuf, Absent> {
        let Some(python) = ["python3", "python"]
            .into_iter()
            .find(|name| process::exists(name))
        else {
            return Err(Absent::Missing("python is not installed".into()));
        };
        if process::capture(Command::new(python).args([
            "-c",
            "import venv, ensurepip, sys; assert sys.version_info >= (3, 10)",
        ]))
        .is_err()
        {
            return Err(Absent::Missing(format!(
                "{python} is older than 3.10 or lacks venv"
            )));
        }
        let home = self.tools().join(name);
        let pins = self.root.join("tests/interop").join(pins);
        let interpreter = home.join(if cfg!(windows) {
            "venv/Scripts/python.exe"
        } else {
            "venv/bin/python"
        });
        build(&home, std::slice::from_ref(&pins), || {
            process::run(
                Command::new(python)
                    .args(["-m", "venv", "--clear"])
                    .arg(home.join("venv")),
            )?;
            pip_install(&interpreter, &pins)
        })?;
        Ok(interpreter)
    }

    /// A client on the Rust SDK of others: a program of its own, with a lock file of its own.
    pub(crate) fn rmcp_client(&self) -> Result<PathBuf, String> {
        let target = self.target.join("interop-rmcp");
        process::run(
            Command::new(cargo())
                .args(["build", "--quiet", "--locked", "--manifest-path"])
                .arg(self.root.join("tests/interop/rmcp/Cargo.toml"))
                .arg("--target-dir")
                .arg(&target),
        )?;
        let program = format!("interop-rmcp{}", std::env::consts::EXE_SUFFIX);
        Ok(target.join("debug").join(program))
    }

    /// cargo-deny, built from source at a fixed version unless it is there.
    pub(crate) fn cargo_deny(&self) -> Result<PathBuf, Absent> {
        // Without its features: it runs for a second, and builds in about a minute.
        self.cargo_tool("cargo-deny", "0.20.2", &["--no-default-features"])
            .map_err(Absent::Broken)
    }

    /// A tool of cargo's, built from source at a fixed version unless it is there. Unoptimised, which builds three times as
    /// fast.
    pub(crate) fn cargo_tool(
        &self,
        name: &str,
        version: &str,
        options: &[&str],
    ) -> Result<PathBuf, String> {
        let home = self.tools().join(name);
        let binary = home
            .join("bin")
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        if binary.exists() {
            return Ok(binary);
        }
        println!("installing {name} {version} (a few minutes)");
        process::run(
            Command::new(cargo())
                .args(["install", "--quiet", "--locked", "--debug"])
                .args(options)
                .args(["--version", version, "--root"])
                .arg(&home)
                .arg("--target-dir")
                .arg(home.join("build"))
                .arg(name),
        )?;
        // Best effort: only disk space is at stake.
        let _ = fs::remove_dir_all(home.join("build"));
        Ok(binary)
    }
}

/// The JavaScript environment.
pub(crate) struct Node {
    /// The Node binary itself.
    pub(crate) node: PathBuf,
    pub(crate) modules: PathBuf,
    /// Scripts that import the packages must be run from here.
    pub(crate) home: PathBuf,
}

impl Node {
    /// A command that runs one of the packages' own programs.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.modules.join(".bin").join(name));
        command
    }
}

pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// Installs what the lock file in `home` pins.
pub(crate) fn npm_ci(home: &Path) -> Result<(), String> {
    process::run(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(home),
    )
}

/// Installs what a file of requirements pins into the environment of `interpreter`.
pub(crate) fn pip_install(interpreter: &Path, pins: &Path) -> Result<(), String> {
    process::run(
        Command::new(interpreter)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(pins),
    )
}

/// Runs `install` in `home` unless it succeeded before with the same pins, which are put there first.
pub(crate) fn build(
    home: &Path,
    pins: &[PathBuf],
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), Absent> {
    let broken = |error: std::io::Error| Absent::Broken(format!("{}: {error}", home.display()));
    fs::create_dir_all(home).map_err(broken)?;
    let mut wanted = Vec::new();
    for pin in pins {
        let content =
            fs::read(pin).map_err(|error| Absent::Broken(format!("{}: {error}", pin.display())))?;
        if let Some(name) = pin.file_name() {
            fs::write(home.join(name), &content).map_err(broken)?;
        }
        wanted.extend(content);
    }
    let stamp = home.join("installed");
    if fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    println!("installing into {}", home.display());
    let _ = fs::remove_file(&stamp);
    install().map_err(Absent::Broken)?;
    fs::write(&stamp, wanted).map_err(broken)
}
