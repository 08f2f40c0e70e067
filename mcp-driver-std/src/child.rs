//! A server that is a child process, and its end.
//!
//! Owns the process. Must never leave it running or unreaped, never wait for it without a bound, and never signal a number
//! that may be somebody else's by now.

use std::io;
use std::process::{Child as Process, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long each of the two polite ways to end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long what a child has said before it exited may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// See the module. Dropping it kills.
#[derive(Debug)]
pub(crate) struct Child {
    process: Arc<Mutex<Process>>,
    gone: Arc<Gone>,
}

#[derive(Debug, Default)]
struct Gone {
    gone: Mutex<bool>,
    told: Condvar,
}

impl Gone {
    fn tell(&self) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    fn wait(&self, limit: Duration) -> bool {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(gone, limit, |gone| !*gone);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Child {
    pub(crate) fn new(process: Process) -> Self {
        Self {
            process: Arc::new(Mutex::new(process)),
            gone: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls back a moment after the child has exited.
    pub(crate) fn when_gone(&self, call: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let (process, gone) = (Arc::clone(&self.process), Arc::clone(&self.gone));
        thread::Builder::new()
            .name("mcp-child".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                wait_until_gone(&process);
                gone.tell();
                thread::sleep(LAST_WORDS);
                call();
            })
            .map(drop)
    }

    /// Waits for it, asks it to exit where one can ask, and kills it. Its input has been closed.
    pub(crate) fn end(self) -> io::Result<ExitStatus> {
        if !self.gone.wait(PATIENCE) {
            let asked = ask_to_exit(&self.lock());
            if !asked || !self.gone.wait(PATIENCE) {
                self.lock().kill()?;
            }
        }
        self.lock().wait()
    }
}

#[cfg(unix)]
fn pid(process: &Process) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(process.id()).ok()?)
}

/// Leaves it for its owner to reap: until then its number is nobody else's.
#[cfg(unix)]
fn wait_until_gone(process: &Mutex<Process>) {
    use rustix::io::Errno;
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    let pid = pid(&process.lock().unwrap_or_else(PoisonError::into_inner));
    let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    if let Some(pid) = pid {
        while matches!(waitid(WaitId::Pid(pid), exited), Err(Errno::INTR)) {}
    }
}

#[cfg(not(unix))]
fn wait_until_gone(process: &Mutex<Process>) {
    const LOOK: Duration = Duration::from_millis(50);
    loop {
        let state = process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait();
        if !matches!(state, Ok(None)) {
            return;
        }
        thread::sleep(LOOK);
    }
}

/// Says whether it was asked.
#[cfg(unix)]
fn ask_to_exit(process: &Process) -> bool {
    // It is not reaped, so the number is still its own.
    pid(process).is_some_and(|pid| {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok()
    })
}

#[cfg(not(unix))]
const fn ask_to_exit(_: &Process) -> bool {
    false
}

impl Drop for Child {
    fn drop(&mut self) {
        let mut process = self.lock();
        // Both do nothing to one that was waited for.
        let _ = process.kill();
        let _ = process.wait();
    }
}
