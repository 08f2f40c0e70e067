//! A server that is a child process, and its end.
//!
//! Owns the process. Must never leave it running or unreaped, never wait for it without a bound, and never signal a number
//! that may be somebody else's by now.

use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How long each of the two polite ways to end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long what a child has said before it exited may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// See the module. Dropping it kills.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
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
    pub(crate) fn new(process: std::process::Child) -> Self {
        Self {
            process,
            gone: Arc::default(),
        }
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.process.id()).ok()?)
    }

    /// Calls back a moment after the child has exited.
    pub(crate) fn when_gone(&self, call: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let pid = self.pid().ok_or(io::ErrorKind::NotFound)?;
        let gone = Arc::clone(&self.gone);
        thread::Builder::new()
            .name("mcp-child".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                // It is left for its owner to reap: until then its number is nobody else's.
                let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(waitid(WaitId::Pid(pid), exited), Err(Errno::INTR)) {}
                gone.tell();
                thread::sleep(LAST_WORDS);
                call();
            })
            .map(drop)
    }

    /// Waits for it, asks it to exit, and kills it. Its input has been closed.
    pub(crate) fn end(mut self) -> io::Result<ExitStatus> {
        if !self.gone.wait(PATIENCE) {
            // It is not reaped, so the number is still its own.
            if let Some(pid) = self.pid() {
                let _ = kill_process(pid, Signal::TERM);
            }
            if !self.gone.wait(PATIENCE) {
                self.process.kill()?;
            }
        }
        self.process.wait()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both do nothing to one that was waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
