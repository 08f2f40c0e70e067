//! The signals that ask a process to end.
//!
//! Owns listening for them. Must never end the process itself: it only completes a future, twice if asked twice.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use async_signal::{Signal, Signals};
use futures_core::Stream;

/// Completes each time the operating system asks this process to end: SIGTERM, SIGINT and SIGHUP on Unix, Ctrl-C
/// elsewhere.
///
/// While a value lives, these signals no longer kill the process. A signal that was ignored when the process started
/// (SIGHUP under `nohup`, SIGINT in the background of a script) stays ignored, where the system tells. Await
/// [`Termination::recv`] a second time to learn that somebody is impatient.
#[derive(Debug)]
pub struct Termination(Signals);

impl Termination {
    /// Starts listening.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let all: &[Signal] = if cfg!(unix) {
            &[Signal::Term, Signal::Int, Signal::Hup]
        } else {
            &[Signal::Int]
        };
        let ignored = mcp_driver::ignored_signals();
        let heard = all
            .iter()
            .filter(|&&signal| ignored & (1 << (signal as i32 - 1)) == 0);
        Signals::new(heard).map(Self)
    }

    /// Waits for the next request to end. Cancel-safe.
    pub async fn recv(&mut self) {
        let signal = poll_fn(|cx| Pin::new(&mut self.0).poll_next(cx)).await;
        if !matches!(signal, Some(Ok(_))) {
            // Nothing will ever arrive.
            std::future::pending().await
        }
    }
}
