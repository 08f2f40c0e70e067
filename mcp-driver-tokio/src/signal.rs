//! The signals that ask a process to end.
//!
//! Owns listening for them. It must never end the process itself: it only
//! completes a future, twice if asked twice.

use std::io;

/// Completes each time the operating system asks this process to end:
/// SIGTERM, SIGINT and SIGHUP on Unix, Ctrl-C elsewhere.
///
/// While a value lives, these signals no longer kill the process. Await
/// [`Termination::recv`] a second time to learn that somebody is impatient.
#[derive(Debug)]
pub struct Termination {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
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
            Ok(Self {
                signals: [
                    signal(SignalKind::terminate())?,
                    signal(SignalKind::interrupt())?,
                    signal(SignalKind::hangup())?,
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
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler nothing will ever arrive.
            std::future::pending::<()>().await;
        }
    }
}
