//! The signals that ask a process to end.
//!
//! Owns listening for them. It must never end the process itself: it only
//! completes a future, twice if asked twice.

use std::io;

/// Completes each time the operating system asks this process to end:
/// SIGTERM, SIGINT and SIGHUP on Unix, Ctrl-C elsewhere.
///
/// While a value lives, these signals no longer kill the process. A signal that
/// was ignored when the process started (SIGHUP under `nohup`, SIGINT in the
/// background of a script) stays ignored, where the system tells. Await
/// [`Termination::recv`] a second time to learn that somebody is impatient.
#[derive(Debug)]
pub struct Termination {
    #[cfg(unix)]
    signals: [Option<tokio::signal::unix::Signal>; 3],
}

impl Termination {
    /// Starts listening. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let ignored = mcp_driver::ignored_signals();
            let listen = |kind: SignalKind| {
                let bit = 1_u64 << (kind.as_raw_value() - 1);
                (ignored & bit == 0).then(|| signal(kind)).transpose()
            };
            Ok(Self {
                signals: [
                    listen(SignalKind::terminate())?,
                    listen(SignalKind::interrupt())?,
                    listen(SignalKind::hangup())?,
                ],
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next request to end. Cancel-safe.
    pub async fn recv(&mut self) {
        #[cfg(unix)]
        {
            let [terminate, interrupt, hangup] = &mut self.signals;
            tokio::select! {
                () = next(terminate) => {}
                () = next(interrupt) => {}
                () = next(hangup) => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler nothing will ever arrive.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}
