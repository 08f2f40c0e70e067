//! The server process: started, pinned, measured, ended.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::options::{Fallible, Options};

pub(crate) struct Server {
    pub(crate) child: Child,
    /// How long it may take to end by itself once its pipes are closed.
    patience: Duration,
}

fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    // On a machine without this core everything runs where it may.
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

impl Server {
    /// Starts the command on its core; this process goes to the other.
    pub(crate) fn start(options: &Options, piped: bool) -> Fallible<Self> {
        let io = || if piped { Stdio::piped() } else { Stdio::null() };
        let mut command = Command::new(&options.command[0]);
        command.args(&options.command[1..]).stdin(io()).stdout(io());
        if std::env::var_os("LOAD_STDERR").is_none() {
            command.stderr(Stdio::null());
        }
        // A child inherits where its parent may run.
        pin(options.number("server-core", 0)?);
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", options.command[0]));
        pin(options.number("own-core", 1)?);
        let patience = Duration::from_millis(options.number("patience", 100)? as u64);
        Ok(Self {
            child: child?,
            patience,
        })
    }

    /// Waits until the address takes connections.
    pub(crate) fn wait_for(&mut self, address: &str) -> Fallible<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended with {status}").into());
            }
            if Instant::now() > deadline {
                return Err("the server does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    /// CPU time of all its threads so far, user and kernel, in microseconds.
    pub(crate) fn cpu_micros(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let of_task = |path: std::path::PathBuf| -> Option<f64> {
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        let tasks = tasks.into_iter().flatten().flatten();
        tasks.filter_map(|task| of_task(task.path())).sum::<f64>() / 1000.0
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server on pipes ends by itself when they close; it gets a moment for that.
        drop(self.child.stdin.take());
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value at a share of a sorted list, in microseconds.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share) as usize;
    sorted
        .get(at)
        .map_or(0.0, |nanos| f64::from(*nanos) / 1000.0)
}

pub(crate) fn nanos(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX)
}
