//! The `Date` of responses.
//!
//! Owns the text of one second, written once. Must never read a clock.

use core::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use httpdate::HttpDate;

/// The last second that the format can express: 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

/// Bytes of an IMF-fixdate (RFC 9110 section 5.6.7).
const LENGTH: usize = 29;

/// The text of the second that was asked for last.
#[derive(Clone)]
pub(super) struct Date {
    second: u64,
    text: [u8; LENGTH],
}

impl Date {
    pub(super) const fn new() -> Self {
        Self {
            second: u64::MAX,
            text: [b' '; LENGTH],
        }
    }

    /// The date at `unix_ms` milliseconds since 1970.
    pub(super) fn at(&mut self, unix_ms: u64) -> &[u8; LENGTH] {
        let second = (unix_ms / 1000).min(LAST);
        if second != self.second {
            self.second = second;
            let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
            // Always as long as the place for it.
            let _ = write!(Place(&mut self.text), "{date}");
        }
        &self.text
    }
}

struct Place<'a>(&'a mut [u8]);

impl Write for Place<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let (here, rest) = core::mem::take(&mut self.0)
            .split_at_mut_checked(text.len())
            .ok_or(core::fmt::Error)?;
        here.copy_from_slice(text.as_bytes());
        self.0 = rest;
        Ok(())
    }
}

impl core::fmt::Debug for Date {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Date").field(&self.second).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_text_and_the_end_of_time_too() {
        let mut date = Date::new();
        for (unix_ms, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_709_164_799_000, "Wed, 28 Feb 2024 23:59:59 GMT"),
            (1_709_164_800_000, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (1_000, "Thu, 01 Jan 1970 00:00:01 GMT"),
        ] {
            assert_eq!(date.at(unix_ms), text.as_bytes(), "{unix_ms}");
        }
    }
}
