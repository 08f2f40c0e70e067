//! JSON numbers compared by value, without rounding.
//!
//! Owns the normal form in which `42`, `42.0` and `4.2e1` are one number. Must never go through floating
//! point: two different integers beyond 2^53 would become equal.

use alloc::vec::Vec;

/// The largest magnitude of an integer that every JSON implementation keeps: 2^53 - 1.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// A JSON number in a form in which equal values are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Without leading and trailing zeros; empty for zero.
    digits: Vec<u8>,
    /// The power of ten of the last digit.
    exponent: i64,
}

impl Decimal {
    /// Reads the grammar of JSON numbers and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text
            .strip_prefix('-')
            .map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            None => (rest, 0),
            Some(at) => {
                let power = &rest[at + 1..];
                let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
                if unsigned.len() > 9 || !is_digits(unsigned) {
                    return None;
                }
                (
                    &rest[..at],
                    power
                        .strip_prefix('+')
                        .unwrap_or(power)
                        .parse::<i64>()
                        .ok()?,
                )
            }
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            None => (mantissa, ""),
            Some((_, "")) => return None,
            Some(split) => split,
        };
        if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        if !fraction.is_empty() && !is_digits(fraction) {
            return None;
        }
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let mut exponent = exponent - i64::try_from(fraction.len()).ok()?;
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent += 1;
        }
        let lead = digits.iter().take_while(|b| **b == b'0').count();
        digits.drain(..lead);
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }

    pub(super) const fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    pub(super) fn to_safe_integer(&self) -> Option<i64> {
        let mut value: i64 = 0;
        for digit in &self.digits {
            value = value
                .checked_mul(10)?
                .checked_add(i64::from(digit - b'0'))?;
        }
        let power = u32::try_from(self.exponent).ok()?;
        let value = if self.digits.is_empty() {
            0
        } else {
            value.checked_mul(10_i64.checked_pow(power)?)?
        };
        (value <= MAX_SAFE).then_some(if self.negative { -value } else { value })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_equal_and_nothing_else_is_a_number() {
        for (a, b) in [
            ("42", "42.0"),
            ("42", "4.2e1"),
            ("-0", "0.00"),
            ("1e2", "100"),
            ("0.1", "1E-1"),
            ("10", "1e+1"),
        ] {
            assert_eq!(Decimal::parse(a), Decimal::parse(b), "{a} {b}");
            assert!(Decimal::parse(a).is_some());
        }
        for (a, b) in [
            ("1", "-1"),
            ("9007199254740993", "9007199254740992"),
            ("1", "1.0000000000000000000001"),
        ] {
            assert_ne!(Decimal::parse(a), Decimal::parse(b), "{a} {b}");
        }
        for bad in [
            "", "-", "+1", "01", "1.", ".1", "1e", "1e+", "0x1", "1 ", " 1", "Infinity", "NaN",
            "1_0", "--1",
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
        let safe = |text| Decimal::parse(text).and_then(|it| it.to_safe_integer());
        assert_eq!(safe("-9007199254740991"), Some(-9_007_199_254_740_991));
        assert_eq!(safe("9007199254740992"), None);
        assert_eq!(safe("1e99999999"), None);
        assert_eq!(safe("1.5"), None);
    }
}
