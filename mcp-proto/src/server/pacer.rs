//! When the progress of a call is sent.
//!
//! Owns the latest report of one call, and the least time between two of its notifications. Must never lose
//! the last report of a call that is answered, nor send one that does not increase.
//! Source: 2026-07-28 basic/patterns/progress, "Implementation Notes" (SHOULD limit the rate).
//!
//! ```text
//! free ──offer──▶ due ──take──▶ resting (for the interval) ──▶ free
//!                                  └──offer*──▶ waits, the latest alone ──▶ due ──take──▶ resting
//!                       any that waits ──flush (the answer comes)──▶ sent at once
//! ```

use core::time::Duration;

use super::progress::Progress;
use crate::time::Instant;

/// The reports of one call.
#[derive(Clone, Debug, Default)]
pub struct Pacer {
    /// The latest wins.
    waiting: Option<Progress>,
    /// What was sent last.
    sent: Option<f64>,
    /// Nothing is due before.
    free_at: Instant,
}

impl Pacer {
    /// Keeps a report, in the place of one that waits. Says whether it is news: one that does not increase is
    /// dropped.
    pub fn offer(&mut self, progress: Progress) -> bool {
        let last = self.waiting.as_ref().map(|waiting| waiting.progress);
        let news = progress.follows(last.or(self.sent));
        if news {
            self.waiting = Some(progress);
        }
        news
    }

    /// The report to send now, if one is due; the next one is due after `interval`.
    pub fn take(&mut self, now: Instant, interval: Duration) -> Option<Progress> {
        if self.free_at > now {
            return None;
        }
        let progress = self.flush()?;
        self.free_at = now + interval;
        Some(progress)
    }

    /// The report that waits, due or not: nothing can be sent after the answer.
    pub fn flush(&mut self) -> Option<Progress> {
        let progress = self.waiting.take()?;
        self.sent = Some(progress.progress);
        Some(progress)
    }

    /// When [`take`](Self::take) has a report; `None` while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.waiting.is_some().then_some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const INTERVAL: Duration = Duration::from_millis(20);

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn report(progress: f64) -> Progress {
        Progress {
            progress,
            total: None,
            message: None,
        }
    }

    #[test]
    fn the_first_goes_at_once_and_then_the_latest_after_each_interval() {
        let mut pacer = Pacer::default();
        let mut sent = Vec::new();
        // One report a millisecond.
        for now in 0..50 {
            assert!(pacer.offer(report(now as f64)));
            assert!(pacer.due().is_some_and(|due| due <= at(now) + INTERVAL));
            let taken = pacer.take(at(now), INTERVAL);
            sent.extend(taken.map(|taken| (now, taken.progress)));
        }
        assert_eq!(sent, [(0, 0.0), (20, 20.0), (40, 40.0)]);
        assert_eq!(pacer.due(), Some(at(60)));
        assert_eq!(pacer.flush(), Some(report(49.0)), "before the answer");
        assert_eq!((pacer.due(), pacer.flush()), (None, None));
    }

    #[test]
    fn what_does_not_increase_is_dropped_whether_the_last_one_was_sent_or_waits() {
        let mut pacer = Pacer::default();
        assert!(pacer.offer(report(1.0)) && !pacer.offer(report(1.0)));
        assert_eq!(pacer.take(at(5), INTERVAL), Some(report(1.0)));
        assert!(!pacer.offer(report(0.5)) && !pacer.offer(report(f64::NAN)));
        assert!(pacer.offer(report(3.0)) && !pacer.offer(report(2.0)));
        assert_eq!(pacer.take(at(24), INTERVAL), None);
        assert_eq!(pacer.take(at(25), INTERVAL), Some(report(3.0)));
    }

    #[test]
    fn without_an_interval_nothing_waits() {
        let mut pacer = Pacer::default();
        for n in 1..10 {
            assert!(pacer.offer(report(f64::from(n))));
            assert!(pacer.take(at(7), Duration::ZERO).is_some());
        }
    }
}
