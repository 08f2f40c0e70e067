//! Who is measured: ours, the peers, the ceilings, each as it is started and spoken to.
//!
//! Owns the built programs and the pinned environments of the interpreted ones. Must never give one subject what its
//! neighbours do not get: each has the features and the arguments that its authors recommend.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build;
use crate::process;
use crate::tools::{self, Absent, Workspace};

/// The built programs.
pub(super) struct Programs {
    pub(super) load: PathBuf,
    /// Ours, with HTTP.
    pub(super) ours: PathBuf,
    /// Ours, with nothing but stdio.
    pub(super) small: PathBuf,
    /// Ours on blocking threads, with HTTP.
    pub(super) threads: PathBuf,
    /// Ours on blocking threads, with nothing but stdio.
    pub(super) small_threads: PathBuf,
    /// Ours on one event loop, with HTTP.
    pub(super) mio: PathBuf,
    pub(super) ceiling: PathBuf,
    pub(super) rmcp: PathBuf,
    pub(super) rmcp_tuned: PathBuf,
    pub(super) turbomcp: PathBuf,
    pub(super) tower: PathBuf,
    pub(super) python: Option<PathBuf>,
    /// The script beside its packages.
    pub(super) node: Option<PathBuf>,
    pub(super) sources: PathBuf,
}

impl Programs {
    pub(super) fn build(workspace: &Workspace, no_build: bool) -> Result<Self, String> {
        let ours = workspace.target.join("bench/release");
        let peers = workspace.target.join("bench-peers/release");
        if !no_build {
            let (own, others) = ("benches/Cargo.toml", "benches/peers/Cargo.toml");
            build(workspace, own, "bench", &["mcp-bench-server"])?;
            build(workspace, own, "bench", &["mcp-bench-std"])?;
            build(workspace, own, "bench", &["mcp-bench-mio"])?;
            // Alone, so that the drivers are built without HTTP.
            build(workspace, own, "bench", &["mcp-bench-stdio"])?;
            build(workspace, own, "bench", &["mcp-bench-std-stdio"])?;
            // Each with the features that it asks for, and no others.
            for peer in ["ceiling", "rmcp", "rmcp-tuned", "tower", "turbomcp"] {
                build(workspace, others, "bench-peers", &[&format!("peer-{peer}")])?;
            }
            build(workspace, others, "bench-peers", &["mcp-load"])?;
        }
        let sources = workspace.root.join("benches/peers");
        let missing = |what: &str, error: String| {
            println!("without {what}: {error}");
        };
        Ok(Self {
            load: peers.join("mcp-load"),
            ours: ours.join("mcp-bench-server"),
            small: ours.join("mcp-bench-stdio"),
            threads: ours.join("mcp-bench-std"),
            small_threads: ours.join("mcp-bench-std-stdio"),
            mio: ours.join("mcp-bench-mio"),
            ceiling: peers.join("peer-ceiling"),
            rmcp: peers.join("peer-rmcp"),
            rmcp_tuned: peers.join("peer-rmcp-tuned"),
            turbomcp: peers.join("peer-turbomcp"),
            tower: peers.join("peer-tower"),
            python: python(workspace, &sources)
                .map_err(|error| missing("Python", error))
                .ok(),
            node: node(workspace, &sources)
                .map_err(|error| missing("Node", error))
                .ok(),
            sources,
        })
    }
}

/// An environment with what `python/requirements.txt` pins.
fn python(workspace: &Workspace, sources: &Path) -> Result<PathBuf, String> {
    let home = workspace.target.join("bench-python");
    let interpreter = home.join("bin/python");
    let pins = sources.join("python/requirements.txt");
    tools::build(&home, std::slice::from_ref(&pins), || {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        tools::pip_install(&interpreter, &pins)
    })
    .map_err(Absent::reason)?;
    Ok(interpreter)
}

/// The script and the packages that `node/package-lock.json` pins.
fn node(workspace: &Workspace, sources: &Path) -> Result<PathBuf, String> {
    let home = workspace.target.join("bench-node");
    let pins = ["package.json", "package-lock.json"].map(|name| sources.join("node").join(name));
    tools::build(&home, &pins, || tools::npm_ci(&home)).map_err(Absent::reason)?;
    let script = home.join("peer.mjs");
    fs::copy(sources.join("node/peer.mjs"), &script).map_err(|error| error.to_string())?;
    Ok(script)
}

/// One server as it is started and spoken to.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) command: Vec<String>,
    pub(super) mode: &'static str,
    /// Slow ones get this share of the messages.
    pub(super) share: f64,
}

pub(super) const ADDRESS: &str = "127.0.0.1:9237";

impl Programs {
    pub(super) fn subject(
        &self,
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        mode: &'static str,
        share: f64,
    ) -> Subject {
        let mut command = vec![program.to_string_lossy().into_owned()];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Subject {
            name,
            command,
            mode,
            share,
        }
    }

    /// A script run by an interpreter.
    fn script(
        &self,
        name: &'static str,
        interpreter: &Path,
        script: &Path,
        arguments: &[&str],
        mode: &'static str,
        share: f64,
    ) -> Subject {
        let script = script.to_string_lossy().into_owned();
        let mut all = vec![script.as_str()];
        all.extend(arguments);
        self.subject(name, interpreter, &all, mode, share)
    }

    pub(super) fn stdio(&self) -> Vec<Subject> {
        let mut subjects = vec![
            self.subject("ours", &self.ours, &[], "legacy", 1.0),
            self.subject("ours, 2026-07-28", &self.ours, &[], "modern", 1.0),
            self.subject(
                "ceiling: bare line loop",
                &self.ceiling,
                &["lines"],
                "legacy",
                1.0,
            ),
            self.subject(
                "ceiling: tokio line loop, serde",
                &self.ceiling,
                &["stdio"],
                "legacy",
                1.0,
            ),
            self.subject(
                "rmcp, tuned (pipes, static router)",
                &self.rmcp_tuned,
                &["pipes"],
                "legacy",
                0.5,
            ),
            self.subject("rmcp, as documented", &self.rmcp, &["stdio"], "legacy", 0.1),
            self.subject("turbomcp", &self.turbomcp, &["stdio"], "legacy", 0.1),
            self.subject("tower-mcp", &self.tower, &["stdio"], "legacy", 0.2),
        ];
        if let Some(node) = &self.node {
            subjects.push(self.script(
                "TypeScript SDK",
                Path::new("node"),
                node,
                &["stdio"],
                "legacy",
                0.1,
            ));
        }
        if let Some(python) = &self.python {
            let chuk = self.sources.join("python/chuk.py");
            let sdk = self.sources.join("python/sdk.py");
            subjects.push(self.script(
                "chuk-mcp-server",
                python,
                &chuk,
                &["stdio"],
                "legacy",
                0.05,
            ));
            subjects.push(self.script("Python SDK", python, &sdk, &["stdio"], "legacy", 0.01));
        }
        subjects
    }

    /// The ones for which more than one number of connections is worth the time come first.
    pub(super) fn http(&self) -> (Vec<Subject>, Vec<Subject>) {
        let fast = vec![
            self.subject("ours", &self.ours, &["--http", ADDRESS], "modern", 1.0),
            self.subject(
                "ceiling: bare hyper",
                &self.ceiling,
                &["hyper", ADDRESS],
                "modern",
                1.0,
            ),
            self.subject(
                "rmcp, tuned (static router, JSON)",
                &self.rmcp_tuned,
                &["http", ADDRESS, "json"],
                "modern",
                1.0,
            ),
        ];
        let mut slow = vec![
            self.subject(
                "ours, 2025-06-18 with session",
                &self.ours,
                &["--http", ADDRESS],
                "session",
                1.0,
            ),
            self.subject(
                "ceiling: hyper, serde",
                &self.ceiling,
                &["parse", ADDRESS],
                "modern",
                1.0,
            ),
            self.subject(
                "rmcp, as documented, JSON",
                &self.rmcp,
                &["http", ADDRESS, "json"],
                "modern",
                1.0,
            ),
            self.subject(
                "rmcp, tuned, 2025-06-18 with session",
                &self.rmcp_tuned,
                &["http", ADDRESS, "stateful"],
                "session",
                1.0,
            ),
            self.subject(
                "turbomcp",
                &self.turbomcp,
                &["http", ADDRESS],
                "modern",
                1.0,
            ),
            self.subject("tower-mcp", &self.tower, &["http", ADDRESS], "modern", 1.0),
        ];
        if let Some(node) = &self.node {
            slow.push(self.script(
                "TypeScript SDK, JSON",
                Path::new("node"),
                node,
                &["http", ADDRESS, "json"],
                "modern",
                1.0,
            ));
        }
        if let Some(python) = &self.python {
            let chuk = self.sources.join("python/chuk.py");
            let sdk = self.sources.join("python/sdk.py");
            slow.push(self.script(
                "chuk-mcp-server, 2025-06-18",
                python,
                &chuk,
                &["http", ADDRESS],
                "session",
                1.0,
            ));
            slow.push(self.script(
                "Python SDK, JSON",
                python,
                &sdk,
                &["http", ADDRESS, "json"],
                "modern",
                1.0,
            ));
        }
        (fast, slow)
    }
}
