//! The formats of texts that a form can ask for.
//!
//! Owns nothing but the judgements: strict enough that a typed value can be read from what passes, lenient where
//! only the far end can know.

pub(crate) fn is_email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

/// An absolute URI: a scheme, a colon, something behind it, and nothing that cannot be in one.
pub(crate) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(scheme_char)
        && !rest.is_empty()
        && !rest
            .contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
}

pub(crate) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4), digits(month, 2), digits(day, 2))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=12).contains(&month) && (1..=days).contains(&day)
}

/// RFC 3339, section 5.6.
pub(crate) fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else {
        return false;
    };
    let zone = time
        .find(['Z', 'z', '+', '-'])
        .map(|index| time.split_at(index));
    let Some((clock, zone)) = zone else {
        return false;
    };
    let (clock, fraction) = clock
        .split_once('.')
        .map_or((clock, "0"), |(clock, fraction)| (clock, fraction));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else {
        return false;
    };
    let below = |part: &str, bound| digits(part, 2).is_some_and(|number| number < bound);
    let zone_fits = match zone.as_bytes().first() {
        Some(b'Z' | b'z') => zone.len() == 1,
        _ => zone
            .get(1..)
            .and_then(|zone| zone.split_once(':'))
            .is_some_and(|(hours, minutes)| below(hours, 24) && below(minutes, 60)),
    };
    is_date(date)
        && below(hour, 24)
        && below(minute, 60)
        && below(second, 61)
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && zone_fits
}

fn digits(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}
