//! Telling the time to the machines.
//!
//! Owns the mapping between tokio's monotonic clock and the core's microsecond
//! epoch, which starts when the driver starts. It must never decide what a
//! deadline means; it only converts and sleeps.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mcp_server::proto::time::{Instant, Now};
use tokio::time::Sleep;

/// The driver's clock: a monotonic epoch and the wall-clock time.
///
/// It reads tokio's clock, so a test that pauses or advances tokio's time
/// moves the machines with it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: tokio::time::Instant,
}

impl Clock {
    /// A clock whose epoch is a moment ago, so that no machine ever sees zero.
    #[must_use]
    pub fn start() -> Self {
        let now = tokio::time::Instant::now();
        Self {
            epoch: now.checked_sub(Duration::from_millis(1)).unwrap_or(now),
        }
    }

    /// The current moment, as the machines want it.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            instant: self.instant(),
            unix_ms: mcp_driver::unix_ms(),
        }
    }

    /// The current monotonic instant.
    #[must_use]
    pub fn instant(&self) -> Instant {
        let elapsed = tokio::time::Instant::now().saturating_duration_since(self.epoch);
        Instant::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// The moment of tokio's clock at which the core's `at` is reached.
    ///
    /// A deadline that is too far away for the platform's clock becomes one
    /// thirty years away, as tokio itself does.
    #[must_use]
    pub fn deadline(&self, at: Instant) -> tokio::time::Instant {
        const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
        let offset = Duration::from_micros(at.as_micros()).min(FAR);
        self.epoch + offset
    }
}

/// A timer that is allocated when it is first needed and re-armed in place.
///
/// Most calls finish in their first poll and never touch the timer wheel.
#[derive(Debug, Default)]
pub(crate) struct LazySleep {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<tokio::time::Instant>,
}

impl LazySleep {
    /// Arms the timer for `at`, or disarms it.
    pub(crate) fn set(&mut self, at: Option<tokio::time::Instant>) {
        if self.armed == at {
            return;
        }
        self.armed = at;
        let Some(at) = at else { return };
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    /// Nothing is armed.
    #[cfg(feature = "http")]
    pub(crate) const fn is_idle(&self) -> bool {
        self.armed.is_none()
    }

    /// Ready once per armed deadline; pending for ever while disarmed.
    pub(crate) fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(sleep), Some(_)) = (&mut self.sleep, self.armed) else {
            return Poll::Pending;
        };
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.armed = None;
                Poll::Ready(())
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn deadlines_round_trip_through_the_core() {
        let clock = Clock::start();
        let at = clock.instant() + Duration::from_millis(250);
        tokio::time::sleep_until(clock.deadline(at)).await;
        assert!(clock.instant() >= at);
        assert!(clock.instant().duration_since(at) < Duration::from_millis(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_beyond_the_platform_is_only_far_away() {
        let clock = Clock::start();
        let far = clock.deadline(Instant::from_micros(u64::MAX));
        assert!(far > tokio::time::Instant::now() + Duration::from_secs(86_400));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lazy_sleep_fires_once_and_can_be_armed_again() {
        let mut sleep = LazySleep::default();
        for _ in 0..2 {
            sleep.set(Some(
                tokio::time::Instant::now() + Duration::from_millis(10),
            ));
            std::future::poll_fn(|cx| sleep.poll_fired(cx)).await;
            let again =
                std::future::poll_fn(|cx| Poll::Ready(sleep.poll_fired(cx).is_ready())).await;
            assert!(!again, "a fired timer stays quiet until it is armed again");
        }
    }
}
