//! The one timer of a connection.
//!
//! Owns when a platform's timer is made anew. Must never make one for a deadline that only moved further away: the one
//! that runs is early then, and looks again.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use mcp_driver::{Alarm, SystemClock};
use mcp_server::proto::time::{Instant, Now};

use crate::platform::Platform;

/// The system's clock and a platform's timer, which is made when it is first needed.
pub(crate) struct PlatformAlarm<P: Platform> {
    platform: P,
    clock: SystemClock,
    /// What was asked for.
    at: Option<Instant>,
    /// When the timer fires. Never later than what was asked for.
    fires: Option<Instant>,
    /// Its memory is used again.
    sleep: Option<Pin<Box<Option<P::Sleep>>>>,
}

impl<P: Platform> fmt::Debug for PlatformAlarm<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformAlarm")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl<P: Platform> PlatformAlarm<P> {
    pub(crate) const fn new(platform: P, clock: SystemClock) -> Self {
        Self {
            platform,
            clock,
            at: None,
            fires: None,
            sleep: None,
        }
    }
}

impl<P: Platform> Alarm for PlatformAlarm<P> {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn set(&mut self, at: Option<Instant>) {
        self.at = at;
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(None));
            if self.fires.is_none_or(|fires| fires > at) {
                sleep.set(Some(self.platform.sleep(self.clock.until(at))));
                self.fires = Some(at);
            }
            if let Some(sleep) = sleep.as_mut().as_pin_mut()
                && sleep.poll(cx).is_pending()
            {
                return Poll::Pending;
            }
            sleep.set(None);
            self.fires = None;
            if at <= self.clock.instant() {
                self.at = None;
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::tests::Manual;
    use std::task::Waker;
    use std::time::Duration;

    fn alarm() -> (PlatformAlarm<Manual>, Manual, SystemClock) {
        let (platform, clock) = (Manual::default(), SystemClock::start());
        (PlatformAlarm::new(platform.clone(), clock), platform, clock)
    }

    #[test]
    fn a_deadline_that_moves_away_makes_no_new_timer() {
        let (mut alarm, platform, clock) = alarm();
        let mut cx = Context::from_waker(Waker::noop());
        for seconds in 10..20 {
            alarm.set(Some(clock.instant() + Duration::from_secs(seconds)));
            assert!(alarm.poll_fired(&mut cx).is_pending());
        }
        assert_eq!(platform.timers(), 1);
        // The first one fires, and it was too early.
        platform.fire();
        assert!(alarm.poll_fired(&mut cx).is_pending());
        assert_eq!(platform.timers(), 2);
        alarm.set(Some(clock.instant() + Duration::from_secs(1)));
        assert!(alarm.poll_fired(&mut cx).is_pending());
        assert_eq!(platform.timers(), 3, "nearer than the one that runs");
    }

    #[test]
    fn it_fires_once_and_never_while_it_is_disarmed() {
        let (mut alarm, platform, clock) = alarm();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(alarm.poll_fired(&mut cx).is_pending());
        alarm.set(Some(clock.instant()));
        assert!(alarm.poll_fired(&mut cx).is_pending());
        platform.fire();
        assert!(alarm.poll_fired(&mut cx).is_ready());
        assert!(alarm.poll_fired(&mut cx).is_pending());
        alarm.set(Some(clock.instant()));
        assert!(alarm.poll_fired(&mut cx).is_pending());
        alarm.set(None);
        platform.fire();
        assert!(alarm.poll_fired(&mut cx).is_pending());
    }
}
