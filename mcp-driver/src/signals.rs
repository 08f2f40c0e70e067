//! What this process was told about signals before it started.
//!
//! Owns reading it. Must never install a handler: how a driver listens is its own.

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
