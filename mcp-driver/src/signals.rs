//! The signals that ask a process to end, and what it was told about them before it started.
//!
//! Owns reading that, and, with the feature `signals`, handlers for drivers whose runtime has none. Must never end the
//! process.

/// One bit for each signal that the process ignores (signal `n` is bit `n - 1`); Linux says so, others are taken to ignore
/// none. A signal that was ignored from the start (SIGHUP under `nohup`, SIGINT in the background of a script) is to stay
/// ignored.
#[must_use]
pub fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Listens for SIGTERM, SIGINT and SIGHUP while it lives; meanwhile they no longer kill the process.
#[cfg(all(unix, feature = "signals"))]
#[derive(Debug)]
pub struct Signals(Vec<signal_hook::SigId>);

#[cfg(all(unix, feature = "signals"))]
impl Signals {
    /// Starts listening: each signal is a byte on the socket. One that was ignored when the process started stays ignored,
    /// where the system tells.
    ///
    /// # Errors
    /// When the socket cannot be made or the handlers cannot be installed.
    pub fn listen() -> std::io::Result<(Self, std::os::unix::net::UnixStream)> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let ignored = ignored_signals();
        let mut listening = Self(Vec::new());
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            if ignored & (1 << (signal - 1)) == 0 {
                let theirs = theirs.try_clone()?;
                let handler = signal_hook::low_level::pipe::register(signal, theirs)?;
                listening.0.push(handler);
            }
        }
        Ok((listening, ours))
    }
}

#[cfg(all(unix, feature = "signals"))]
impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.0.drain(..) {
            signal_hook::low_level::unregister(handler);
        }
    }
}
